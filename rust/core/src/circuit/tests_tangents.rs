//! Derivatives of steps, against finite differences of what the steps apply.

use super::tests::{Circuit, Random, id, matrix_of, settings};
use super::{
    ADJOINT_BIT, Bound, C64, CircuitArrays, GATES, Measure, Ordering, Plan, StepMatrix,
    StepTangents, Structure,
};
use crate::error::{Error, Result};
use crate::operator::{Block, ChainOperator, OperatorSite};

const STEP: f64 = 1e-5;

/// All entries of what a step applies.
fn dense(matrix: &StepMatrix) -> Vec<C64> {
    match matrix {
        StepMatrix::One(matrix) => matrix.to_vec(),
        StepMatrix::Two(matrix) => matrix.to_vec(),
        StepMatrix::Chain(operator) => matrix_of(operator),
    }
}

/// The operator with another tensor on one site.
fn replaced(operator: &ChainOperator, site: usize, tensor: &OperatorSite) -> ChainOperator {
    let mut operator = operator.clone();
    let place = &mut operator.sites[site];
    assert_eq!((place.left, place.right), (tensor.left, tensor.right));
    check_blocks(tensor);
    *place = tensor.clone();
    operator
}

/// All entries of the derivatives of a step, one by one.
fn dense_tangents(matrix: &StepMatrix, tangents: &StepTangents) -> Vec<(usize, Vec<C64>)> {
    match (matrix, tangents) {
        (StepMatrix::One(_), StepTangents::One(list)) => {
            list.iter().map(|(parameter, matrix)| (*parameter, matrix.to_vec())).collect()
        }
        (StepMatrix::Two(_), StepTangents::Two(list)) => {
            list.iter().map(|(parameter, matrix)| (*parameter, matrix.to_vec())).collect()
        }
        (StepMatrix::Chain(operator), StepTangents::Chain(list)) => list
            .iter()
            .map(|(parameter, site, own)| (*parameter, matrix_of(&replaced(operator, *site, own))))
            .collect(),
        _ => unreachable!("derivatives of another kind than the step"),
    }
}

fn distance(a: &[C64], b: &[C64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max)
}

/// No block of a site tensor has the place of another.
fn check_blocks(site: &OperatorSite) {
    for (at, block) in site.blocks.iter().enumerate() {
        let place = |block: &Block| (block.left, block.right);
        assert!(block.left < site.left && block.right < site.right);
        assert!(site.blocks[..at].iter().all(|other| place(other) != place(block)));
    }
}

/// What the steps apply is what `bind` says, and their derivatives are its differences.
fn check(circuit: &Circuit, differentiated: &[bool], plan: &Plan) -> Result<()> {
    let structure = circuit.structure()?;
    let bind = |parameters: &[f64]| -> Result<Bound> {
        plan.bind(0, &structure, parameters, &circuit.matrices, &[])
    };
    let expected = bind(&circuit.parameters)?;
    let (bound, tangents) = plan.bind_with_tangents(
        &structure,
        &circuit.parameters,
        &circuit.matrices,
        differentiated,
    )?;
    assert_eq!(bound.phase, expected.phase);
    assert_eq!(bound.matrices.len(), expected.matrices.len());
    assert_eq!(bound.matrices.len(), tangents.len());
    for (matrix, expected) in bound.matrices.iter().zip(&expected.matrices) {
        match matrix {
            StepMatrix::Chain(operator) => {
                operator.sites.iter().for_each(check_blocks);
                assert!(distance(&dense(matrix), &dense(expected)) < 1e-13);
            }
            _ => assert_eq!(matrix, expected),
        }
    }
    let tangents: Vec<_> = bound
        .matrices
        .iter()
        .zip(&tangents)
        .map(|(matrix, tangents)| dense_tangents(matrix, tangents))
        .collect();
    for (parameter, &differentiated) in differentiated.iter().enumerate() {
        let own = |list: &[(usize, Vec<C64>)]| -> Vec<Vec<C64>> {
            list.iter().filter(|(at, _)| *at == parameter).map(|(_, x)| x.clone()).collect()
        };
        if !differentiated {
            assert!(tangents.iter().all(|list| own(list).is_empty()));
            continue;
        }
        let mut parameters = circuit.parameters.clone();
        parameters[parameter] += STEP;
        let later = bind(&parameters)?;
        parameters[parameter] = circuit.parameters[parameter] - STEP;
        let earlier = bind(&parameters)?;
        let both = later.matrices.iter().zip(&earlier.matrices);
        for (step, ((later, earlier), list)) in both.zip(&tangents).enumerate() {
            let (later, earlier) = (dense(later), dense(earlier));
            let differences: Vec<C64> =
                later.iter().zip(&earlier).map(|(a, b)| (a - b) / (2.0 * STEP)).collect();
            let mut sum = vec![C64::ZERO; differences.len()];
            for tangent in own(list) {
                sum.iter_mut().zip(tangent).for_each(|(sum, x)| *sum += x);
            }
            let distance = distance(&sum, &differences);
            assert!(distance < 1e-9, "{distance} at step {step}, parameter {parameter}");
        }
    }
    Ok(())
}

/// With a third of the parameters left out, and all in.
pub(super) fn check_everywhere(circuit: &Circuit, random: &mut Random) -> Result<()> {
    let structure = circuit.structure()?;
    let explicit = Ordering::Explicit(random.distinct(circuit.n_wires, circuit.n_wires));
    for ordering in [Ordering::Given, Ordering::Auto, explicit] {
        let plan = Plan::new(&structure, &settings(Some(4), ordering))?;
        let all = vec![true; circuit.parameters.len()];
        let some: Vec<bool> = all.iter().map(|_| random.below(3) > 0).collect();
        check(circuit, &all, &plan)?;
        check(circuit, &some, &plan)?;
    }
    Ok(())
}

/// Some angles at which gates are the identity, or nearly.
fn flatten_some(circuit: &mut Circuit, random: &mut Random) {
    for angle in &mut circuit.parameters {
        match random.below(8) {
            0 | 1 => *angle = 0.0,
            2 => *angle = 2.0 * std::f64::consts::TAU,
            3 => *angle *= 1e-9,
            _ => {}
        }
    }
}

#[test]
fn every_gate_alone_has_the_derivatives_of_its_matrix() -> Result<()> {
    let mut random = Random(1);
    for (id, spec) in GATES.iter().enumerate().filter(|(_, spec)| spec.parameters > 0) {
        for _ in 0..8 {
            let mut circuit = Circuit::new(7);
            circuit.add_random(id, &mut random);
            check_everywhere(&circuit, &mut random)?;
            flatten_some(&mut circuit, &mut random);
            check_everywhere(&circuit, &mut random)
                .map_err(|error| Error::Internal(format!("{}: {error}", spec.name)))?;
        }
    }
    Ok(())
}

#[test]
fn every_gate_under_controls_has_derivatives_on_near_and_far_wires() -> Result<()> {
    let mut random = Random(2);
    for spec in GATES.iter().filter(|spec| spec.parameters > 0) {
        for controls in 0..=3 {
            let targets = if spec.wires == 0 { random.below(4) } else { spec.wires };
            let n_wires = targets + controls;
            for spread in [1, 2] {
                let mut circuit = Circuit::new((n_wires * spread).clamp(1, 8));
                let wires = random.distinct(n_wires, circuit.n_wires);
                let angles: Vec<f64> = (0..spec.parameters).map(|_| random.angle()).collect();
                if spec.name == "PauliRot" {
                    circuit.letters.extend((0..targets).map(|_| random.below(4) as u8));
                }
                circuit.add_controlled(spec.name, &[1, 0, 1][..controls], &wires, &angles);
                circuit.gates[0] |= [0, ADJOINT_BIT][random.below(2)];
                check_everywhere(&circuit, &mut random)?;
                circuit.parameters.fill(0.0);
                check_everywhere(&circuit, &mut random)?;
            }
        }
    }
    Ok(())
}

#[test]
fn steps_of_many_parts_obey_the_chain_rule() -> Result<()> {
    let mut random = Random(3);
    for n_wires in 1..=6 {
        for _ in 0..6 {
            let mut circuit = Circuit::new(n_wires);
            for _ in 0..12 {
                circuit.add_random(random.below(GATES.len()), &mut random);
            }
            flatten_some(&mut circuit, &mut random);
            check_everywhere(&circuit, &mut random)?;
        }
    }
    // All in one or two steps, with parts that wait on both sites between those on both.
    for n_wires in [2, 3] {
        let mut circuit = Circuit::new(n_wires);
        for name in ["RX", "Rot", "CRX", "RZ", "RY", "CNOT", "U3", "IsingXY", "CRot", "PhaseShift"]
        {
            for _ in 0..3 {
                let spec = GATES[usize::from(id(name))];
                let wires: Vec<u32> = random.distinct(spec.wires, 2);
                let angles: Vec<f64> = (0..spec.parameters).map(|_| random.angle()).collect();
                circuit.add(name, &wires, &angles);
            }
        }
        check_everywhere(&circuit, &mut random)?;
    }
    Ok(())
}

#[test]
fn operators_with_derivatives_are_no_wider_than_planned() -> Result<()> {
    let mut random = Random(4);
    for _ in 0..400 {
        let mut circuit = Circuit::new(7);
        circuit.add_random(random.below(GATES.len()), &mut random);
        let structure = circuit.structure()?;
        let plan = Plan::new(&structure, &settings(None, Ordering::Given))?;
        let all = vec![true; circuit.parameters.len()];
        let (bound, _) =
            plan.bind_with_tangents(&structure, &circuit.parameters, &circuit.matrices, &all)?;
        for matrix in &bound.matrices {
            let StepMatrix::Chain(operator) = matrix else { continue };
            let planned = &plan.chains()[0].bonds;
            for (site, planned) in operator.sites.iter().zip(planned) {
                let gate = structure.gate(0).describe();
                assert!(site.right <= *planned as usize, "{gate}: {} {planned:?}", site.right);
            }
        }
    }
    Ok(())
}

#[test]
fn phases_make_no_tangents() -> Result<()> {
    let mut circuit = Circuit::new(2);
    circuit.add("GlobalPhase", &[], &[0.3]).add("SWAP", &[0, 1], &[]).add("RX", &[1], &[0.4]);
    let structure = circuit.structure()?;
    let plan = Plan::new(&structure, &settings(None, Ordering::Given))?;
    let (bound, tangents) =
        plan.bind_with_tangents(&structure, &circuit.parameters, &[], &[true, true])?;
    assert_eq!(bound.matrices.len(), 1);
    assert!(
        matches!(&tangents[..], [StepTangents::One(list)] if list.len() == 1 && list[0].0 == 1)
    );
    Ok(())
}

#[test]
fn rows_that_do_not_fit_and_measurements_are_refused() -> Result<()> {
    let refused = |result: Result<(Bound, Vec<StepTangents>)>, words: &str| {
        let text = result.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(text.contains(words), "{text:?} should name {words:?}");
    };
    let mut circuit = Circuit::new(1);
    circuit.add("RX", &[0], &[0.4]);
    let structure = circuit.structure()?;
    let plan = Plan::new(&structure, &settings(None, Ordering::Given))?;
    refused(plan.bind_with_tangents(&structure, &[0.4], &[], &[]), "of 0 whether");
    refused(plan.bind_with_tangents(&structure, &[], &[], &[]), "1 parameters, got 0");
    let measured = Structure::new(CircuitArrays {
        n_wires: 1,
        gates: vec![id("MidMeasureMP")],
        wire_counts: vec![1],
        wires: vec![0],
        measures: vec![Measure { reset: false, postselect: None, fill: false }],
        ..CircuitArrays::default()
    })?;
    refused(plan.bind_with_tangents(&measured, &[], &[], &[]), "another circuit structure");
    let plan = Plan::new(&measured, &settings(None, Ordering::Given))?;
    refused(plan.bind_with_tangents(&measured, &[], &[], &[]), "mid-circuit measurements");
    Ok(())
}
