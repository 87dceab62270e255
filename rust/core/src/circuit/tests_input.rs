//! Every bad input gives the error that names it.

use super::matrix::{ONE, ZERO};
use super::{
    ADJOINT_BIT, C64, CircuitArrays, Condition, GATES, Measure, Ordering, Plan, PlanSettings,
    Structure,
};
use crate::error::{Error, Result};

fn id(name: &str) -> u16 {
    GATES.iter().position(|spec| spec.name == name).map_or(u16::MAX, |id| id as u16)
}

/// The gate that an error blames, and whether its message has all of `words`.
fn blames<T>(result: Result<T>, words: &[&str]) -> Option<usize> {
    let Err(error) = result else {
        unreachable!("accepted, should name {words:?}");
    };
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{text:?} should name {words:?}");
    match error {
        Error::InvalidInput { gate, .. } => gate,
        _ => None,
    }
}

fn structure(
    n: usize,
    gates: &[u16],
    counts: &[u32],
    wires: &[u32],
    letters: &[u8],
) -> Result<Structure> {
    Structure::new(CircuitArrays {
        n_wires: n,
        gates: gates.to_vec(),
        wire_counts: counts.to_vec(),
        wires: wires.to_vec(),
        letters: letters.to_vec(),
        ..CircuitArrays::default()
    })
}

#[test]
fn structures() {
    let (rx, cnot, word) = (id("RX"), id("CNOT"), id("PauliRot"));
    assert_eq!(blames(structure(0, &[], &[], &[], &[]), &["at least one wire"]), None);
    assert_eq!(blames(structure(2, &[rx], &[], &[0], &[]), &["1 gates", "0 wire counts"]), None);
    let unknown = structure(2, &[rx, 999], &[1, 1], &[0, 0], &[]);
    assert_eq!(blames(unknown, &["gate 1", "999"]), Some(1));
    let count = structure(3, &[cnot], &[3], &[0, 1, 2], &[]);
    assert_eq!(blames(count, &["gate 0", "CNOT", "2 wires", "got 3"]), Some(0));
    let range = structure(3, &[rx, rx], &[1, 1], &[0, 3], &[]);
    assert_eq!(blames(range, &["gate 1", "RX", "wire 3", "0 to 2"]), Some(1));
    let twice = structure(3, &[rx, cnot], &[1, 2], &[1, 2, 2], &[]);
    assert_eq!(blames(twice, &["gate 1", "CNOT", "wire 2 twice"]), Some(1));
    let short = structure(3, &[rx, cnot], &[1, 2], &[1, 2], &[]);
    assert_eq!(blames(short, &["gate 1", "CNOT", "only 1"]), Some(1));
    let long = structure(3, &[rx], &[1], &[1, 2], &[]);
    assert_eq!(blames(long, &["1 wires", "unused"]), None);
    let letters = structure(3, &[word], &[2], &[1, 2], &[1]);
    assert_eq!(blames(letters, &["PauliRot", "2 Pauli letters", "only 1"]), Some(0));
    let value = structure(3, &[word], &[2], &[1, 2], &[1, 4]);
    assert_eq!(blames(value, &["PauliRot", "letter 4"]), Some(0));
    let left = structure(3, &[word], &[2], &[1, 2], &[1, 1, 1]);
    assert_eq!(blames(left, &["1 Pauli letters", "unused"]), None);
}

#[test]
fn settings() -> Result<()> {
    let structure = structure(3, &[], &[], &[], &[])?;
    let plan = |max_bond_dim, ordering| {
        Plan::new(&structure, &PlanSettings { max_bond_dim, ordering, restore_order: false })
    };
    blames(plan(Some(0), Ordering::Given), &["max_bond_dim", "got 0"]);
    blames(plan(None, Ordering::Explicit(vec![0, 1])), &["2 entries", "3 wires"]);
    blames(plan(None, Ordering::Explicit(vec![0, 1, 3])), &["wire 3", "site 2", "0 to 2"]);
    blames(plan(None, Ordering::Explicit(vec![0, 1, 1])), &["wire 1 twice"]);
    Ok(())
}

#[test]
fn rows() -> Result<()> {
    let gates = [id("RX"), id("CRot"), id("QubitUnitary1"), id("QubitUnitary2")];
    let structure = structure(6, &gates, &[1, 2, 1, 2], &[0, 3, 5, 4, 1, 2], &[])?;
    let mut unitaries = vec![ZERO; 20];
    for at in [0, 3, 4, 9, 14, 19] {
        unitaries[at] = ONE;
    }
    let angles = [0.1, 0.2, 0.3, 0.4];
    structure.check_row(&angles, &unitaries)?;

    let check = |angles: &[f64], entries: &[C64]| structure.check_row(angles, entries);
    assert_eq!(blames(check(&angles[..3], &unitaries), &["4 parameters", "got 3"]), None);
    let few = check(&angles, &unitaries[..19]);
    assert_eq!(blames(few, &["20 matrix entries", "got 19"]), None);
    let nan = check(&[0.1, 0.2, f64::NAN, 0.4], &unitaries);
    let words = ["gate 1", "CRot", "wires 3, 5", "parameter 1", "NaN", "finite"];
    assert_eq!(blames(nan, &words), Some(1));
    let infinite = check(&[f64::NEG_INFINITY, 0.2, 0.3, 0.4], &unitaries);
    assert_eq!(blames(infinite, &["gate 0", "RX", "parameter 0", "-inf"]), Some(0));
    let mut entries = unitaries.clone();
    entries[5] = C64::new(0.0, f64::INFINITY);
    let words = ["gate 3", "QubitUnitary on wires 1, 2", "entry 1"];
    assert_eq!(blames(check(&angles, &entries), &words), Some(3));
    let mut entries = unitaries.clone();
    entries[0] = C64::new(1.1, 0.0);
    let words = ["gate 2", "not unitary", "2.1e-1", "channel"];
    assert_eq!(blames(check(&angles, &entries), &words), Some(2));
    entries[0] = C64::new(1e300, 1e300);
    assert_eq!(blames(check(&angles, &entries), &["gate 2", "not unitary"]), Some(2));
    Ok(())
}

#[test]
fn matrices_on_many_wires() -> Result<()> {
    let many = |controls: u32, wires: &[u32]| {
        Structure::new(CircuitArrays {
            n_wires: 12,
            gates: vec![id("QubitUnitary")],
            wire_counts: vec![wires.len() as u32],
            wires: wires.to_vec(),
            control_counts: vec![controls],
            control_values: vec![1; controls as usize],
            ..CircuitArrays::default()
        })
    };
    let all: Vec<u32> = (0..12).collect();
    assert_eq!(blames(many(0, &all[..2]), &["gate 0", "2 wires", "3 to 8"]), Some(0));
    assert_eq!(blames(many(2, &all[..4]), &["gate 0", "2 wires", "controls"]), Some(0));
    assert_eq!(blames(many(1, &all[..10]), &["gate 0", "9 wires", "3 to 8"]), Some(0));
    let structure = many(2, &all[..5])?;
    let mut unitary = vec![ZERO; 64];
    unitary.iter_mut().step_by(9).for_each(|x| *x = ONE);
    structure.check_row(&[], &unitary)?;
    unitary[9] = C64::new(0.0, 0.9);
    assert_eq!(blames(structure.check_row(&[], &unitary), &["gate 0", "not unitary"]), Some(0));
    blames(structure.check_row(&[], &unitary[..63]), &["64 matrix entries", "got 63"]);
    Ok(())
}

#[test]
fn a_plan_refuses_another_structure() -> Result<()> {
    let one = structure(2, &[id("RX")], &[1], &[0], &[])?;
    let other = structure(2, &[id("S")], &[1], &[0], &[])?;
    let settings =
        PlanSettings { max_bond_dim: None, ordering: Ordering::Given, restore_order: false };
    let plan = Plan::new(&one, &settings)?;
    blames(plan.bind(0, &other, &[], &[], &[]), &["another circuit structure"]);
    blames(plan.bind(0, &one, &[0.1], &[], &[true]), &["segment 0 of 1", "got 1 outcomes"]);
    blames(plan.bind(1, &one, &[0.1], &[], &[true]), &["segment 1 of 1"]);
    Ok(())
}

#[test]
fn conditions_look_back_and_measurements_have_none() -> Result<()> {
    let measure = Measure { reset: false, postselect: None, fill: false };
    let circuit = |gates: &[u16], conditions: &[i32], measurements: &[u32]| {
        Structure::new(CircuitArrays {
            n_wires: 2,
            gates: gates.to_vec(),
            wire_counts: vec![1; gates.len()],
            wires: vec![0; gates.len()],
            measures: vec![measure; 2],
            conditions: conditions.to_vec(),
            condition_table: vec![Condition {
                measurements: measurements.to_vec(),
                holds: vec![true; 1 << measurements.len()],
            }],
            ..CircuitArrays::default()
        })
    };
    let (x, m) = (id("PauliX"), id("MidMeasureMP"));
    circuit(&[m, x, m, x], &[-1, 0, -1, 0], &[0])?;
    let early = circuit(&[m, x, m, x], &[-1, -1, -1, 0], &[0, 1]);
    assert!(early.is_ok());
    let late = circuit(&[m, x, m, x], &[-1, 0, -1, -1], &[0, 1]);
    let words = ["gate 1", "PauliX", "measurement 1", "only 1 come before"];
    assert_eq!(blames(late, &words), Some(1));
    let conditional = circuit(&[m, m, x, x], &[-1, 0, -1, -1], &[0]);
    assert_eq!(blames(conditional, &["gate 1", "neither a condition"]), Some(1));
    let adjoint = circuit(&[m, m | ADJOINT_BIT, x], &[], &[0]);
    assert_eq!(blames(adjoint, &["gate 1", "nor an adjoint"]), Some(1));
    Ok(())
}
