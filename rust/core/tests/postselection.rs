//! What postselection does to noise, to what was lost before it, and to shots.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

mod measured;
mod steps;

use bondline::mps::overlap_of_tensors;
use bondline::{
    C64, Cancel, CircuitResult, Error, Group, Job, Pauli, PlanCache, Precision, Requests, Result,
    Sampling, Settings,
};

use measured::{Circuit, settings};
use steps::Random;

fn z(wire: usize) -> Requests {
    Requests { words: vec![vec![(wire, Pauli::Z.into())]], ..Requests::default() }
}

/// A GHZ state, a brickwall of random gates, and its inverse: every amplitude that is zero is so by
/// cancellation.
fn scrambled_ghz(n: usize, seed: u64) -> Circuit {
    let mut circuit = Circuit::new(n);
    circuit.h(0);
    (1..n).for_each(|wire| {
        circuit.cnot(wire - 1, wire);
    });
    let mut random = Random(seed);
    let places: Vec<usize> = (0..4).flat_map(|layer| (layer % 2..n - 1).step_by(2)).collect();
    let gates: Vec<_> = places.into_iter().map(|at| (at, random.unitary::<16>(4))).collect();
    for (at, u) in &gates {
        circuit.unitary(&[*at, at + 1], u);
    }
    for (at, u) in gates.iter().rev() {
        let adjoint: Vec<C64> = (0..16).map(|x| u[4 * (x % 4) + x / 4].conj()).collect();
        circuit.unitary(&[*at, at + 1], &adjoint);
    }
    circuit
}

#[test]
fn cancelled_amplitudes_are_no_outcomes() -> Result<()> {
    let n = 14;
    for (precision, cutoff) in [(Precision::Single, 1e-12), (Precision::Double, 1e-20)] {
        let limited = || Settings { precision, cutoff, max_bond_dim: Some(128), ..settings() };
        for seed in 100..140 {
            let mut circuit = scrambled_ghz(n, seed);
            (0..n).rev().for_each(|wire| {
                circuit.measure(wire, false);
            });
            let report = circuit.run(z(0), limited())?.report;
            assert_eq!(report.branches, 2, "seed {seed}, {precision:?}");
            for (first, second) in [(13, 2), (2, 13), (6, 7)] {
                let mut circuit = scrambled_ghz(n, seed);
                circuit.postselect(first, false, true).postselect(second, true, true);
                let error = circuit.run(z(0), limited()).err();
                assert!(matches!(error, Some(Error::Impossible { .. })), "seed {seed}: {error:?}");
            }
        }
    }
    Ok(())
}

/// Wire 0 is one with the given probability, and only then the others are entangled.
fn rare(n: usize, probability: f64) -> Circuit {
    let mut random = Random(3);
    let mut circuit = Circuit::new(n);
    circuit.ry(0, 2.0 * probability.sqrt().asin());
    for layer in 0..8 {
        for wire in (1 + layer % 2..n - 1).step_by(2) {
            let u = random.unitary::<16>(4);
            let mut entries = vec![C64::ZERO; 64];
            (0..4).for_each(|at| entries[9 * at] = C64::ONE);
            (0..16).for_each(|at| entries[8 * (4 + at / 4) + 4 + at % 4] = u[at]);
            circuit.unitary(&[0, wire, wire + 1], &entries);
        }
    }
    circuit
}

fn fidelity(exact: &CircuitResult, found: &CircuitResult) -> f64 {
    let [exact, found] = [exact, found].map(|result| result.tensors.as_ref().unwrap());
    2.0 * overlap_of_tensors(exact, found, &Cancel::default()).unwrap().log_modulus.exp().ln()
}

#[test]
fn what_was_lost_before_a_rare_outcome_counts_by_its_probability() -> Result<()> {
    let n = 9;
    let asked = || Requests { tensors: true, ..z(4) };
    for probability in [0.5, 1e-3, 1e-8] {
        let mut circuit = rare(n, probability);
        circuit.postselect(0, true, true);
        let exact = circuit.run(asked(), settings())?;
        for chi in [4, 8] {
            let limited = Settings { max_bond_dim: Some(chi), cutoff: 1e-20, ..settings() };
            let found = circuit.run(asked(), limited)?;
            let truth = fidelity(&exact, &found);
            let (norm, cone) = (found.report.log_norm, found.report.cones[0]);
            assert!(truth < -0.01, "this should lose something: {truth}");
            assert!((norm / truth - 1.0).abs() < 0.4, "p {probability} chi {chi}: {truth} {norm}");
            assert!(cone > 0.5 * truth.abs(), "p {probability} chi {chi}: {truth} {cone}");
            let discarded: f64 = found.report.discarded.iter().sum();
            assert!(cone < discarded * (1.0 + 1e-9), "{cone} {discarded}");
        }
    }
    Ok(())
}

/// The rare outcome is free, and a copy of it is postselected: certain where it came, impossible
/// elsewhere. What the history that ends there has lost may have belonged to the other.
#[test]
fn what_a_history_loses_that_ends_counts_against_the_others() -> Result<()> {
    let (n, probability) = (9, 0.02);
    let limited = || Settings { max_bond_dim: Some(6), cutoff: 1e-20, ..settings() };
    let mut direct = rare(n, probability);
    direct.postselect(0, true, false);
    let direct = direct.run(z(4), limited())?.report;
    let mut copied = rare(n, probability);
    copied.measure(0, true).x(0).when(&[0], &[false, true]).postselect(0, true, false);
    let averaged = copied.run(z(4), limited())?.report;
    assert!(direct.log_norm < -0.05, "{}", direct.log_norm);
    let close = |found: f64, expected: f64, tolerance: f64| {
        assert!((found / expected - 1.0).abs() < tolerance, "{found} {expected}");
    };
    close(averaged.log_norm, direct.log_norm, 1e-6);
    close(averaged.cones[0], direct.cones[0], 1e-6);
    close(averaged.discarded.iter().sum(), direct.discarded.iter().sum(), 1e-6);
    // Of shots it is their own share.
    for fill in [false, true] {
        let mut copied = rare(n, probability);
        copied.measure(0, true).x(0).when(&[0], &[false, true]).postselect(0, true, fill);
        let shots = Sampling { wires: vec![1], letters: vec![Pauli::Z], shots: 20_000, stream: 0 };
        let asked = Requests { samplings: vec![shots], seeds: vec![[1, 2]], ..Requests::default() };
        let drawn = copied.run(asked, limited())?.report;
        close(drawn.log_norm, direct.log_norm, 0.2);
    }
    Ok(())
}

#[test]
fn truncation_after_the_last_postselection_counts_as_it_is() -> Result<()> {
    let n = 8;
    let mut random = Random(5);
    let mut circuit = Circuit::new(n);
    circuit.ry(0, 1e-3).postselect(0, true, false);
    for layer in 0..8 {
        for wire in (layer % 2..n - 1).step_by(2) {
            circuit.random(&[wire, wire + 1], &mut random);
        }
    }
    let limited = Settings { max_bond_dim: Some(6), ..settings() };
    let asked = || Requests { tensors: true, ..z(4) };
    let (found, exact) = (circuit.run(asked(), limited)?, circuit.run(asked(), settings())?);
    let truth = fidelity(&exact, &found);
    assert!(truth < -0.1 && (found.report.log_norm / truth - 1.0).abs() < 0.2);
    Ok(())
}

#[test]
fn the_row_of_an_impossible_postselection_is_named() -> Result<()> {
    let circuit = |angle: f64| {
        let mut circuit = Circuit::new(2);
        circuit.ry(0, angle).postselect(0, true, false);
        circuit.group(z(1))
    };
    let batch = Group { rows: 3, parameters: vec![0.3, 0.2, 0.0], ..circuit(0.1)? };
    let job = Job::prepare(vec![circuit(0.1)?, batch], settings(), &PlanCache::default())?;
    let error = job.execute(&Cancel::default()).err();
    let Some(Error::Impossible { message, row, group }) = error else { panic!("{error:?}") };
    assert_eq!((row, group), (Some(2), Some(1)));
    assert!(message.contains("measurement 0"), "{message}");
    Ok(())
}
