//! How many steps circuits become, and what they are said to cost.

use super::tests::{Circuit, settings};
use super::{Ordering, Plan};
use crate::error::Result;

#[test]
fn a_chain_of_cnots_with_rotations_is_one_step_per_bond_and_layer() -> Result<()> {
    let mut circuit = Circuit::new(10);
    for _ in 0..3 {
        for wire in 0..10 {
            circuit.add("RX", &[wire], &[0.1]).add("RZ", &[wire], &[0.2]);
        }
        for wire in 0..9 {
            circuit.add("CNOT", &[wire, wire + 1], &[]);
        }
    }
    let plan = Plan::new(&circuit.structure()?, &settings(Some(8), Ordering::Auto))?;
    assert_eq!(plan.steps().len(), 27);
    assert!(plan.steps().iter().all(|step| step.span().len() == 2 && step.rank == 2));
    assert_eq!(plan.levels().len(), 9 + 2 * 2);
    assert!(plan.cost().max_bond <= 8.0);
    Ok(())
}

#[test]
fn scrambled_chains_are_put_in_order() -> Result<()> {
    let mut circuit = Circuit::new(30);
    for _ in 0..4 {
        for step in 0..29 {
            circuit.add("CZ", &[step * 7 % 30, (step + 1) * 7 % 30], &[]);
        }
        for wire in 0..30 {
            circuit.add("RX", &[wire], &[0.1]);
        }
    }
    let plan = Plan::new(&circuit.structure()?, &settings(Some(16), Ordering::Auto))?;
    assert_eq!(plan.steps().len(), 4 * 29);
    Ok(())
}

#[test]
fn rings_close_at_the_price_of_one_more_chain_per_layer() -> Result<()> {
    let mut circuit = Circuit::new(24);
    for _ in 0..6 {
        for wire in 0..24 {
            circuit.add("CZ", &[wire, (wire + 1) % 24], &[]);
        }
    }
    let plan = Plan::new(&circuit.structure()?, &settings(Some(16), Ordering::Auto))?;
    assert!(plan.steps().len() < 6 * 2 * 24, "{} steps", plan.steps().len());
    Ok(())
}

#[test]
fn swaps_and_identities_make_no_steps() -> Result<()> {
    let mut circuit = Circuit::new(5);
    circuit.add("SWAP", &[4, 0], &[]).add("Identity", &[1, 3], &[]).add("GlobalPhase", &[], &[0.3]);
    let structure = circuit.structure()?;
    let plan = Plan::new(&structure, &settings(None, Ordering::Auto))?;
    assert!(plan.steps().is_empty() && plan.levels().is_empty());
    assert_eq!(plan.wire_of_site(), [4, 1, 2, 3, 0]);
    assert!(
        plan.cost().flops < 0.5 && plan.cost().peak_elements < 10.5 && plan.cost().max_bond < 1.5
    );
    let bound = plan.bind(0, &structure, &circuit.parameters, &[], &[])?;
    assert!((bound.phase - super::gate_matrices::phase(-0.3)).norm() < 1e-15);
    Ok(())
}

#[test]
fn bonds_grow_by_what_the_operator_needs() -> Result<()> {
    // A doubly controlled gate on a product state: bonds of 2, whatever the gap.
    let mut circuit = Circuit::new(9);
    circuit.add_controlled("PauliX", &[1, 0], &[0, 4, 8], &[]);
    let plan = Plan::new(&circuit.structure()?, &settings(None, Ordering::Given))?;
    assert!((plan.cost().max_bond - 2.0).abs() < 1e-12);
    assert!((plan.cost().peak_elements - f64::from(4 + 7 * 8 + 4)).abs() < 1e-12);
    // With a limit nothing exceeds it.
    let mut circuit = Circuit::new(9);
    for _ in 0..4 {
        circuit.add("MultiRZ", &[0, 2, 5, 7, 8], &[0.3]);
    }
    for (limit, expected) in [(None, 16.0), (Some(3), 3.0)] {
        let plan = Plan::new(&circuit.structure()?, &settings(limit, Ordering::Given))?;
        assert!((plan.cost().max_bond - expected).abs() < 1e-12, "{}", plan.cost().max_bond);
    }
    Ok(())
}

#[test]
fn a_thousand_wires_plan_in_bounded_numbers() -> Result<()> {
    let mut circuit = Circuit::new(1000);
    for gate in 0..200 {
        circuit.add("CNOT", &[gate, 999 - gate], &[]);
    }
    let plan = Plan::new(&circuit.structure()?, &settings(None, Ordering::Auto))?;
    assert!(plan.cost().flops.is_finite() && plan.cost().peak_elements.is_finite());
    Ok(())
}

/// H on every wire and `gate` on it and each that follows, or the same from the last to the first.
fn all_to_all(circuit: &mut Circuit, gate: &str, inverse: bool) {
    let n = circuit.n_wires as u32;
    let mut gates = Vec::new();
    for wire in 0..n {
        gates.push(vec![wire]);
        gates.extend((wire + 1..n).map(|other| vec![other, wire]));
    }
    if inverse {
        gates.reverse();
    }
    for wires in gates {
        match wires.len() {
            1 => circuit.add("Hadamard", &wires, &[]),
            _ => circuit.add(gate, &wires, &[0.1]),
        };
    }
}

#[test]
fn an_inverse_takes_as_many_steps_as_the_circuit() -> Result<()> {
    // A gate that leaves nothing on its wires alone: every two must meet.
    let plan = |inverse, ordering| -> Result<Plan> {
        let mut circuit = Circuit::new(30);
        all_to_all(&mut circuit, "IsingXY", inverse);
        Plan::new(&circuit.structure()?, &settings(Some(64), ordering))
    };
    let forwards = plan(false, Ordering::Auto)?.steps().len();
    let backwards = plan(true, Ordering::Auto)?.steps().len();
    assert!(forwards < 3 * 30 * 30 / 2, "{forwards}");
    assert!(backwards <= forwards + 60, "{forwards} {backwards}");
    // In a given order wires can only scatter.
    let given = plan(true, Ordering::Given)?;
    assert!(given.steps().len() > 2 * forwards, "{} {forwards}", given.steps().len());
    assert!(given.first_wire_of_site().is_sorted());
    Ok(())
}

#[test]
fn a_fourier_transform_moves_no_wire_far() -> Result<()> {
    for inverses in [&[false][..], &[true], &[false, true]] {
        let mut circuit = Circuit::new(30);
        for &inverse in inverses {
            all_to_all(&mut circuit, "ControlledPhaseShift", inverse);
        }
        for ordering in [Ordering::Auto, Ordering::Given] {
            let plan = Plan::new(&circuit.structure()?, &settings(Some(64), ordering))?;
            // The last three wires are fewer than a fan needs.
            let started = plan.first_wire_of_site().iter().enumerate();
            let moved =
                started.map(|(site, wire)| plan.site_of_wire()[*wire as usize].abs_diff(site));
            assert!(moved.max() <= Some(1), "{:?}", plan.site_of_wire());
            let truncating = plan.n_truncating_steps();
            assert!(truncating <= 32 * inverses.len(), "{truncating}");
        }
    }
    Ok(())
}

#[test]
fn commuting_gates_go_in_the_order_of_least_distance() -> Result<()> {
    // Neighbours and next neighbours on a chain, shuffled: only their order makes a long way of it.
    let mut circuit = Circuit::new(30);
    for step in 0..29 {
        let wire = step * 11 % 29;
        circuit.add("IsingZZ", &[wire, wire + 1], &[0.1]).add("RZ", &[wire], &[0.2]);
        if wire < 28 {
            circuit.add("IsingZZ", &[wire, wire + 2], &[0.3]);
        }
    }
    let plan = Plan::new(&circuit.structure()?, &settings(Some(64), Ordering::Auto))?;
    assert!(plan.n_truncating_steps() <= 100, "{}", plan.n_truncating_steps());
    Ok(())
}
