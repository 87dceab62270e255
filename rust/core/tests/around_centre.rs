//! Evolution around a centre: the same circuit, better cuts, canonical form at the end.
#![allow(clippy::unwrap_used)] // in a test a panic is the report

mod steps;

use std::ops::Range;

use bondline::mps::{
    Mps, Parallelism, Scratches, Step, StepGate, Word, canonicalise, dense_amplitudes, evolve,
    log_norm_squared, schmidt_weights, word_expectations,
};
use bondline::{C32, C64, Cancel, Pauli, Readout, Result, Scalar};
use steps::{brickwall, dense, evolution, inner, ladders, run};

type Circuit = (Vec<Step>, Vec<Range<usize>>);

/// Below zero: from the second level on.
const AT_ONCE: Option<f64> = Some(-1.0);

fn amplitudes<T: Scalar>(state: &Mps<T>) -> Vec<C64> {
    let order: Vec<usize> = (0..state.n_sites()).collect();
    dense_amplitudes(state, &order, &Cancel::default()).unwrap()
}

fn norm<T: Scalar>(state: &Mps<T>) -> Result<f64> {
    Ok(log_norm_squared(state, &Cancel::default())?.exp())
}

/// The states of `circuit` without a sweep and with one after every level.
fn peers(n: usize, (steps, levels): &Circuit) -> Result<[Mps<C64>; 2]> {
    let never = run(n, steps, levels, &evolution(0.0, None))?.0;
    let mut always = Mps::zeros(n)?;
    for level in levels {
        let level = std::slice::from_ref(level);
        let (how, scratches, cancel) =
            (evolution(0.0, None), Scratches::default(), Cancel::default());
        evolve(&mut always, steps, level, &how, Parallelism::Sequential, &scratches, &cancel)?;
        canonicalise(&mut always, &cancel)?;
    }
    Ok([never, always])
}

/// Hadamard gates on some sites and CNOTs down the chain, one a level.
fn graph_of_cnots(n: usize, hadamards: &[usize], again: usize) -> Circuit {
    let (zero, one, h) = (C64::ZERO, C64::ONE, C64::new(0.5_f64.sqrt(), 0.0));
    let mut cnot = [zero; 16];
    [0, 5, 11, 14].iter().for_each(|at| cnot[*at] = one);
    let mut steps: Vec<_> = hadamards
        .iter()
        .map(|&site| Step { site, gate: StepGate::One([h, h, h, -h]), limit: None })
        .collect();
    for _ in 0..again {
        steps.extend((0..n - 1).map(|site| Step {
            site,
            gate: StepGate::Two(cnot, 2),
            limit: None,
        }));
    }
    let levels = (0..steps.len()).map(|at| at..at + 1).collect();
    (steps, levels)
}

#[test]
fn without_a_limit_the_state_is_the_dense_vector() -> Result<()> {
    for (n, depth) in [(1, 2), (2, 3), (3, 4), (6, 8), (9, 9)] {
        let (steps, levels) = brickwall(n, depth, None, n as u64);
        let (state, log) = run::<C64>(n, &steps, &levels, &evolution(0.0, AT_ONCE))?;
        assert_eq!((log.sweeps, log.canonical), (1, true));
        let pairs = amplitudes(&state).into_iter().zip(dense(n, &steps));
        // The phase too.
        let difference = pairs.map(|(x, y)| (x - y).norm()).fold(0.0, f64::max);
        assert!(difference < 1e-12, "{n}: {difference}");
        assert!(state.canonical_error() < 1e-12);
        assert!((norm(&state)? - 1.0).abs() < 1e-12);
        assert!(log.discarded.iter().all(|weight| *weight < 1e-25));
    }
    Ok(())
}

#[test]
fn fidelity_is_that_of_a_sweep_after_every_level() -> Result<()> {
    let mut found = Vec::new();
    for (n, limit, seed) in
        [(12, 8, 1), (12, 8, 2), (12, 16, 2), (13, 8, 3), (13, 16, 4), (14, 16, 8)]
    {
        for circuit in [brickwall(n, 16, Some(limit), seed), ladders(n, 8, limit)] {
            let (steps, levels) = &circuit;
            let vector = dense(n, steps);
            let fidelity = |state: &Mps<C64>| inner(&vector, &amplitudes(state)).norm_sqr();
            let (state, log) = run::<C64>(n, steps, levels, &evolution(0.0, Some(0.05)))?;
            assert_eq!((log.sweeps, log.canonical), (1, true));
            assert!(state.canonical_error() < 1e-12, "{}", state.canonical_error());
            let [never, always] = peers(n, &circuit)?;
            // The norm is an estimate of the fidelity on random circuits.
            for state in [&never, &state] {
                let (norm, fidelity) = (norm(state)?, fidelity(state));
                assert!((norm - fidelity).abs() < 0.02, "{norm} {fidelity}");
            }
            found.push([&never, &always, &state].map(fidelity));
        }
    }
    // The order of the cuts decides on some per cent of a small fidelity, one way or the other.
    let sum = |way: usize| found.iter().map(|fidelity| fidelity[way]).sum::<f64>();
    let [never, always, around] = [0, 1, 2].map(sum);
    assert!(around > 1.01 * never && around > 0.99 * always, "{found:?}");
    assert!(found.iter().all(|[_, always, around]| *around > always - 0.01), "{found:?}");
    Ok(())
}

#[test]
fn what_the_cuts_lose_is_what_the_norm_lost() -> Result<()> {
    // Each cut knows the whole state: norms multiply exactly.
    let n = 12;
    for limit in [1, 5, 16] {
        let (steps, levels) = brickwall(n, 10, Some(limit), 6);
        let (state, log) = run::<C64>(n, &steps, &levels, &evolution(0.0, AT_ONCE))?;
        let kept: f64 = log.discarded.iter().map(|weight| (1.0 - weight).ln()).sum();
        let found = log_norm_squared(&state, &Cancel::default())?;
        assert!((kept - found).abs() < 1e-10, "{limit}: {kept} {found}");
        assert!(state.canonical_error() < 1e-12);
        assert!(state.bond_dims().iter().all(|bond| *bond <= limit));
    }
    Ok(())
}

#[test]
fn a_cutoff_alone_truncates() -> Result<()> {
    let n = 12;
    let (steps, levels) = brickwall(n, 8, None, 9);
    let vector = dense(n, &steps);
    let (state, log) = run::<C64>(n, &steps, &levels, &evolution(1e-3, Some(0.005)))?;
    assert!(log.canonical && log.is_lossy() && log.discarded.iter().all(|lost| *lost <= 1e-3));
    assert!(!log.saturated.iter().any(|full| *full));
    let fidelity = inner(&vector, &amplitudes(&state)).norm_sqr();
    assert!((fidelity - norm(&state)?).abs() < 0.02, "{fidelity} {}", norm(&state)?);
    assert!(state.canonical_error() < 1e-12);
    Ok(())
}

#[test]
fn single_precision_stays_near_double() -> Result<()> {
    let n = 13;
    for circuit in [brickwall(n, 40, Some(12), 4), ladders(n, 12, 12)] {
        let (steps, levels) = &circuit;
        let (double, _) = run::<C64>(n, steps, levels, &evolution(1e-12, AT_ONCE))?;
        let (single, log) = run::<C32>(n, steps, levels, &evolution(1e-12, AT_ONCE))?;
        assert!(log.canonical && single.canonical_error() < 1e-5, "{}", single.canonical_error());
        let cosine = inner(&amplitudes(&double), &amplitudes(&single)).norm();
        assert!(cosine > 1.0 - 1e-5, "{cosine}");
        let logs = [
            log_norm_squared(&double, &Cancel::default())?,
            log_norm_squared(&single, &Cancel::default())?,
        ];
        assert!((logs[0] - logs[1]).abs() < 1e-3, "{logs:?}");
    }
    Ok(())
}

#[test]
fn rounding_takes_nothing_off_the_norm_in_thousands_of_moves() -> Result<()> {
    // Nothing is lost here, whatever the number of layers.
    let n = 6;
    let (steps, levels) = brickwall(n, 400, Some(8), 12);
    let (state, log) = run::<C32>(n, &steps, &levels, &evolution(1e-12, AT_ONCE))?;
    let lost: f64 = log.discarded.iter().sum();
    assert!(lost < 1e-8, "{lost}");
    let found = log_norm_squared(&state, &Cancel::default())?;
    assert!(found.abs() < 2e-5, "{found}");
    let fidelity = inner(&dense(n, &steps), &amplitudes(&state)).norm_sqr();
    assert!((fidelity - 1.0).abs() < 2e-4, "{fidelity}");
    Ok(())
}

fn degenerate_states<T: Scalar>(tolerance: f64) -> Result<()> {
    let n = 9;
    // Nothing entangled at all; a GHZ state; pairs made, unmade and made again.
    for (hadamards, again) in [(vec![], 2), (vec![0], 1), (vec![0, 3, 4, 8], 3), (vec![0], 4)] {
        let (steps, levels) = graph_of_cnots(n, &hadamards, again);
        let (state, log) = run::<T>(n, &steps, &levels, &evolution(0.0, AT_ONCE))?;
        let fidelity = inner(&dense(n, &steps), &amplitudes(&state)).norm_sqr();
        assert!((fidelity - 1.0).abs() < tolerance, "{hadamards:?} {again}: {fidelity}");
        assert!(state.canonical_error() < tolerance && log.canonical);
        if (hadamards.len(), again) == (1, 1) {
            for bond in 1..n {
                let weights = schmidt_weights(&state, bond);
                assert_eq!(weights.len(), 2);
                assert!(weights.iter().all(|weight| (weight - 0.5).abs() < tolerance));
            }
        }
    }
    Ok(())
}

#[test]
fn degenerate_weights_and_dependent_columns_are_harmless() -> Result<()> {
    degenerate_states::<C64>(1e-12)?;
    degenerate_states::<C32>(1e-5)
}

#[test]
fn a_bond_of_one_keeps_a_product() -> Result<()> {
    for n in [2, 3, 8] {
        let (steps, levels) = brickwall(n, 6, Some(1), 2);
        let (state, log) = run::<C64>(n, &steps, &levels, &evolution(0.0, Some(0.0)))?;
        assert!(log.canonical && log.largest_bond == 1 && state.canonical_error() < 1e-12);
        assert!(norm(&state)? > 0.0);
    }
    Ok(())
}

#[test]
fn deep_circuits_do_not_underflow() -> Result<()> {
    // A norm of less than e^-400, far below what single precision holds.
    let (n, depth) = (24, 600);
    let (steps, levels) = brickwall(n, depth, Some(2), 31);
    let (double, _) = run::<C64>(n, &steps, &levels, &evolution(0.0, Some(0.1)))?;
    let (single, _) = run::<C32>(n, &steps, &levels, &evolution(1e-12, Some(0.1)))?;
    let found = log_norm_squared(&double, &Cancel::default())?;
    assert!(found < -400.0 && found.is_finite(), "{found}");
    assert!((log_norm_squared(&single, &Cancel::default())? / found - 1.0).abs() < 0.05);
    assert!(single.canonical_error() < 1e-5);
    Ok(())
}

#[test]
fn a_thousand_sites_and_few_layers() -> Result<()> {
    let n = 1000;
    let (steps, levels) = brickwall(n, 6, Some(3), 17);
    let (state, log) = run::<C64>(n, &steps, &levels, &evolution(0.0, Some(0.004 * 999.0)))?;
    assert_eq!((log.sweeps, log.canonical), (1, true));
    assert!(state.canonical_error() < 1e-12, "{}", state.canonical_error());
    let [never, always] = peers(n, &(steps, levels))?;
    let logs =
        [&state, &never, &always].map(|state| log_norm_squared(state, &Cancel::default()).unwrap());
    assert!(logs[0] > logs[1] && logs[0] > 1.02 * logs[2], "{logs:?}");
    // Values are those of the state as it is, read in either way.
    let words: Vec<Word> = (0..n).step_by(37).map(|site| Word::new(&[(site, Pauli::Z)])).collect();
    let read = |readout| {
        word_expectations(&state, &words, readout, Parallelism::Sequential, &Cancel::default())
    };
    for (x, y) in read(Readout::Local)?.iter().zip(read(Readout::State)?) {
        assert!((x - y).abs() < 1e-11, "{x} {y}");
    }
    Ok(())
}
