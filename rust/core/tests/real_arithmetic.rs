//! Real gates on a real state are computed with real numbers, and nobody can tell.
#![allow(clippy::unwrap_used)] // in a test a panic is the report

mod steps;

use bondline::mps::{
    Evolution, EvolutionLog, Mps, Parallelism, Scratches, SiteTensor, Step, StepGate,
    dense_amplitudes, evolve,
};
use bondline::{C32, C64, Cancel, Result, Scalar};
use std::ops::Range;
use steps::{Random, dense, evolution, inner};

/// A brickwall of rotations about Y and real orthogonal gates of two sites; with `turns`, the last
/// layers have a phase gate each.
fn circuit(n: usize, depth: usize, limit: usize, turns: usize) -> (Vec<Step>, Vec<Range<usize>>) {
    let mut random = Random(3);
    let (mut steps, mut levels) = (Vec::new(), Vec::new());
    for layer in 0..depth {
        let start = steps.len();
        for site in 0..n {
            let (s, c) = (3.0 * random.next()).sin_cos();
            let gate = StepGate::One([c, -s, s, c].map(|x| C64::new(x, 0.0)));
            steps.push(Step { site, gate, limit: Some(limit) });
        }
        if layer + turns >= depth {
            let phase = C64::from_polar(1.0, 0.4);
            let gate = StepGate::One([C64::ONE, C64::ZERO, C64::ZERO, phase]);
            steps[start + 1].gate = gate;
        }
        levels.push(start..steps.len());
        let start = steps.len();
        for site in (layer % 2..n - 1).step_by(2) {
            // A rotation of |01⟩ and |10⟩ and a sign.
            let (s, c) = (3.0 * random.next()).sin_cos();
            let mut gate = [C64::ZERO; 16];
            for (at, x) in [(0, 1.0), (5, c), (6, -s), (9, s), (10, c), (15, -1.0)] {
                gate[at] = C64::new(x, 0.0);
            }
            steps.push(Step { site, gate: StepGate::Two(gate, 4), limit: Some(limit) });
        }
        levels.push(start..steps.len());
    }
    (steps, levels)
}

fn run<T: Scalar>(
    mut state: Mps<T>,
    (steps, levels): &(Vec<Step>, Vec<Range<usize>>),
    evolution: &Evolution,
) -> Result<(Vec<C64>, EvolutionLog)> {
    let (mode, scratches) = (Parallelism::Sequential, Scratches::default());
    let log = evolve(&mut state, steps, levels, evolution, mode, &scratches, &Cancel::default())?;
    let sites: Vec<usize> = (0..state.n_sites()).collect();
    Ok((dense_amplitudes(&state, &sites, &Cancel::default())?, log))
}

/// i|0…0⟩, which no real number holds.
fn imaginary<T: Scalar>(n: usize) -> Result<Mps<T>> {
    let entry = |x: C64| T::from_c64(x);
    let site = |x: C64| SiteTensor { left: 1, right: 1, entries: vec![entry(x), T::ZERO] };
    let phases = (0..n).map(|at| if at == 0 { C64::I } else { C64::ONE });
    Mps::from_tensors(phases.map(site).collect())
}

#[test]
fn real_numbers_give_what_complex_ones_give() -> Result<()> {
    let n = 8;
    for (limit, sweep_threshold) in [(16, None), (5, None), (5, Some(0.0))] {
        for turns in [0, 2, 6] {
            let circuit = circuit(n, 6, limit, turns);
            let evolution = evolution(0.0, sweep_threshold);
            let (real, real_log) = run(Mps::<C64>::zeros(n)?, &circuit, &evolution)?;
            let (complex, complex_log) = run(imaginary::<C64>(n)?, &circuit, &evolution)?;
            // Both are normalised.
            let overlap = inner(&real, &complex);
            assert!((overlap - C64::I).norm() < 1e-10, "{limit} {turns} {overlap}");
            let discarded = |log: &EvolutionLog| log.discarded.iter().sum::<f64>();
            assert!((discarded(&real_log) - discarded(&complex_log)).abs() < 1e-10);
            assert_eq!(real_log.sweeps, complex_log.sweeps);
            assert_eq!(real_log.saturated, complex_log.saturated);
            if limit == 16 {
                let exact = dense(n, &circuit.0);
                assert!((inner(&exact, &real).norm() - 1.0).abs() < 1e-10);
            }
            let (single, _) = run(Mps::<C32>::zeros(n)?, &circuit, &evolution)?;
            assert!((inner(&real, &single).norm() - 1.0).abs() < 1e-5);
        }
    }
    Ok(())
}

#[test]
fn a_real_circuit_leaves_a_real_state() -> Result<()> {
    let (state, _) = run(Mps::<C64>::zeros(6)?, &circuit(6, 4, 3, 0), &evolution(1e-20, None))?;
    assert!(state.iter().all(|x| x.im == 0.0));
    let (state, _) = run(imaginary::<C64>(6)?, &circuit(6, 4, 3, 0), &evolution(1e-20, None))?;
    assert!(state.iter().any(|x| x.im != 0.0));
    Ok(())
}
