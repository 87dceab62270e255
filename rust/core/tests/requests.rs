//! Laws of a job's values: each is of one state, and depends on nothing else that is asked.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

use std::ops::Range;
use std::sync::Arc;

use bondline::circuit::{CircuitArrays, GATES, Structure};
use bondline::mps::{
    Bases, Evolution, Mps, Parallelism, Scratches, Step, StepGate, Word, WordSum, evolve,
    log_probabilities, probabilities, reduced_density_matrix, sample, variance, word_expectations,
};
use bondline::{
    C32, C64, Cancel, CircuitResult, Error, Group, Job, LoadedState, LocalOperator, Method,
    Ordering, Pauli, PlanCache, Precision, Readout, Requests, Result, Sampling, Scalar, Settings,
    ShotKey,
};

const SEED: [u64; 2] = [7, 8];

fn settings(max_bond_dim: Option<usize>, readout: Readout) -> Settings {
    Settings {
        max_bond_dim,
        cutoff: 0.0,
        precision: Precision::Double,
        readout,
        sweeps: true,
        ordering: Ordering::Given,
        method: Method::Auto,
        threads: Some(1),
        memory_limit: 1 << 30,
    }
}

/// Layers of RY, RZ and CNOT on neighbours and on one far pair.
fn group(n: usize, depth: usize, requests: Requests) -> Result<Group> {
    let id = |name| GATES.iter().position(|gate| gate.name == name).unwrap() as u16;
    let mut arrays = CircuitArrays { n_wires: n, ..CircuitArrays::default() };
    let mut parameters = Vec::new();
    let mut add = |gate: u16, wires: &[usize]| {
        arrays.gates.push(gate);
        arrays.wire_counts.push(wires.len() as u32);
        arrays.wires.extend(wires.iter().map(|&wire| wire as u32));
    };
    for layer in 0..depth {
        for wire in 0..n {
            add(id("RY"), &[wire]);
            add(id("RZ"), &[wire]);
            for _ in 0..2 {
                let count = parameters.len() as f64;
                parameters.push((1.7 * count + 0.3 * count * count).sin() * 2.0);
            }
        }
        for wire in (layer % 2..n - 1).step_by(2) {
            add(id("CNOT"), &[wire, wire + 1]);
        }
        if layer % 3 == 1 {
            add(id("CNOT"), &[n - 2, 1]);
        }
    }
    Ok(Group {
        structure: Arc::new(Structure::new(arrays)?),
        rows: 1,
        parameters,
        matrices: vec![],
        loaded: LoadedState::None,
        requests,
    })
}

fn run(group: Group, settings: Settings) -> Result<CircuitResult> {
    let job = Job::prepare(vec![group], settings, &PlanCache::default())?;
    Ok(job.execute(&Cancel::default())?.remove(0).rows.remove(0))
}

fn sampling(wires: Vec<usize>, shots: usize) -> Sampling {
    let letters = vec![Pauli::Z; wires.len()];
    Sampling { wires, letters, shots, stream: 3 }
}

fn local_values() -> Requests {
    Requests {
        words: vec![
            vec![(2, Pauli::Z.into()), (5, LocalOperator::ProjectOne)],
            vec![(0, Pauli::X.into())],
        ],
        variances: std::iter::once(0..2).collect(),
        variance_terms: vec![0, 1],
        variance_coefficients: vec![0.5, 1.5],
        probabilities: vec![vec![4, 1]],
        densities: vec![vec![3]],
        spectra: vec![vec![2, 6], vec![0, 1, 2]],
        ..Requests::default()
    }
}

#[test]
fn values_depend_on_nothing_else_that_is_asked() -> Result<()> {
    let n = 10;
    for readout in [Readout::Local, Readout::State] {
        let settings = || settings(Some(4), readout);
        let alone = run(group(n, 8, local_values())?, settings())?;
        let global = Requests {
            spectra: vec![(0..8).collect()],
            bitstrings: vec![0; n],
            samplings: vec![sampling(vec![7, 2], 50)],
            seeds: vec![SEED],
            ..Requests::default()
        };
        let global_alone = run(group(n, 8, global.clone())?, settings())?;
        let causal = Settings { sweeps: false, ..settings() };
        let unswept = run(group(n, 8, global.clone())?, causal)?;
        assert_ne!(
            unswept.log_probabilities, global_alone.log_probabilities,
            "this circuit should be canonicalised on the way"
        );
        let mut all = local_values();
        all.spectra.extend(global.spectra);
        let all = Requests {
            bitstrings: global.bitstrings,
            samplings: global.samplings,
            seeds: global.seeds,
            dense_state: true,
            ..all
        };
        let all = run(group(n, 8, all)?, settings())?;
        assert_eq!(alone.words, all.words);
        assert_eq!(alone.variances, all.variances);
        assert_eq!(alone.probabilities, all.probabilities);
        assert_eq!(alone.densities, all.densities);
        assert_eq!(alone.spectra, all.spectra[..2]);
        assert_eq!(alone.report.cones, [&all.report.cones[..5], &all.report.cones[5..7]].concat());
        assert_eq!(global_alone.spectra, all.spectra[2..]);
        assert_eq!(global_alone.log_probabilities, all.log_probabilities);
        assert_eq!(global_alone.samples, all.samples);
        assert_eq!(all.report.cones.len(), 2 + 1 + 1 + 1 + 3);
        // A spectrum of few wires is that of their density matrix.
        let purity = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
        let requests = Requests { densities: vec![vec![6, 2]], ..Requests::default() };
        let rho = run(group(n, 8, requests)?, settings())?.densities.remove(0);
        let expected: f64 = rho.iter().map(C64::norm_sqr).sum();
        assert!((purity(&all.spectra[0]) - expected).abs() < 1e-12);
    }
    Ok(())
}

#[test]
fn shots_and_bitstrings_of_a_truncated_state_are_those_of_the_swept_state() -> Result<()> {
    let n = 7;
    let strings: Vec<u8> = (0..1_usize << n)
        .flat_map(|index| (0..n).map(move |wire| (index >> (n - 1 - wire) & 1) as u8))
        .collect();
    for ordering in [Ordering::Given, Ordering::Explicit(vec![3, 0, 6, 1, 5, 2, 4])] {
        let requests = Requests {
            bitstrings: strings.clone(),
            samplings: vec![sampling((0..n).collect(), 40_000), sampling(vec![5, 0], 40_000)],
            seeds: vec![SEED],
            dense_state: true,
            spectra: vec![vec![0, 1, 2, 3, 4, 6]],
            ..Requests::default()
        };
        let settings = Settings { ordering, ..settings(Some(3), Readout::Local) };
        let found = run(group(n, 6, requests)?, settings)?;
        assert!(found.report.log_norm < -0.05, "this circuit should lose weight");
        let amplitudes = found.dense_state.unwrap();
        let exact: Vec<f64> = amplitudes.iter().map(C64::norm_sqr).collect();
        for (log, p) in found.log_probabilities.iter().zip(&exact) {
            assert!((log.exp() - p).abs() < 1e-12, "{} {p}", log.exp());
        }
        let frequencies = |bits: &[u8], width: usize| {
            let mut counts = vec![0.0; 1 << width];
            for shot in bits.chunks_exact(width) {
                counts[shot.iter().fold(0, |index, bit| 2 * index + usize::from(*bit))] += 1.0;
            }
            counts.into_iter().map(|count: f64| count / 40_000.0).collect::<Vec<_>>()
        };
        for (frequency, p) in frequencies(&found.samples[0].bits, n).iter().zip(&exact) {
            let sigma = (p * (1.0 - p) / 40_000.0).sqrt();
            assert!((frequency - p).abs() < 4.5 * sigma + 1e-4, "{frequency} {p}");
        }
        for (index, frequency) in frequencies(&found.samples[1].bits, 2).iter().enumerate() {
            let outcome = |basis: usize| 2 * (basis >> (n - 1 - 5) & 1) + (basis >> (n - 1) & 1);
            let p: f64 = (0..1 << n).filter(|b| outcome(*b) == index).map(|b| exact[b]).sum();
            assert!((frequency - p).abs() < 4.5 * (p / 40_000.0).sqrt(), "{frequency} {p}");
        }
        // All wires but one have the spectrum of that one, in the same state.
        let flip = 1 << (n - 1 - 5);
        let pairs = || (0..1_usize << n).filter(|index| index & flip == 0);
        let p: f64 = pairs().map(|index| exact[index]).sum();
        let coherence: C64 =
            pairs().map(|index| amplitudes[index] * amplitudes[index | flip].conj()).sum();
        let radius = ((p - 0.5).powi(2) + coherence.norm_sqr()).sqrt();
        assert!((found.spectra[0][0] - 0.5 - radius).abs() < 1e-12);
        assert!((found.spectra[0][1] - 0.5 + radius).abs() < 1e-12);
    }
    Ok(())
}

#[test]
fn shots_of_a_job_do_not_depend_on_threads() -> Result<()> {
    let n = 14;
    let mut seen = None;
    for threads in [1, 2, 8] {
        let requests = Requests {
            bitstrings: [vec![0; n], vec![1; n]].concat(),
            samplings: vec![sampling((0..n).rev().collect(), 3_000)],
            seeds: vec![SEED],
            ..Requests::default()
        };
        let settings = Settings { threads: Some(threads), ..settings(Some(16), Readout::Local) };
        let found = run(group(n, 12, requests)?, settings)?;
        let found = (found.samples, found.log_probabilities);
        assert!(*seen.get_or_insert_with(|| found.clone()) == found, "{threads} threads");
    }
    Ok(())
}

#[test]
fn what_cannot_be_read_is_refused_before_any_work() {
    let n = 24;
    let prepared = |requests| -> Option<Error> {
        let group = group(n, 1, requests).unwrap();
        let limits = Settings { memory_limit: 1 << 20, ..settings(Some(4), Readout::Local) };
        Job::prepare(vec![group], limits, &PlanCache::default()).err()
    };
    let scattered = (0..n).step_by(2).collect();
    let spectrum = Requests { spectra: vec![scattered], ..Requests::default() };
    assert!(matches!(prepared(spectrum), Some(Error::Unsupported(_))));
    let shots = |shots| Requests {
        samplings: vec![sampling(vec![0, 1], shots)],
        seeds: vec![SEED],
        ..Requests::default()
    };
    assert!(prepared(shots(1_000)).is_none());
    let refused = prepared(shots(1 << 20));
    assert!(matches!(&refused, Some(Error::Resource(text)) if text.contains("1048576 shots")));
}

/// |0…0⟩ after a matrix on each of some sites, unitary or not.
fn after<T: Scalar>(n: usize, matrix: [f64; 4], sites: Range<usize>) -> Result<Mps<T>> {
    let mut state = Mps::zeros(n)?;
    let gate = StepGate::One(matrix.map(C64::from));
    let steps: Vec<Step> =
        sites.map(|site| Step { site, gate: gate.clone(), limit: None }).collect();
    let evolution = Evolution {
        cutoff: 0.0,
        method: Method::Auto,
        sweep_threshold: None,
        max_entries: usize::MAX,
    };
    let (mode, scratches) = (Parallelism::Sequential, Scratches::default());
    let levels = std::array::from_fn::<_, 1, _>(|_| 0..steps.len());
    evolve(&mut state, &steps, &levels, &evolution, mode, &scratches, &Cancel::default())?;
    Ok(state)
}

/// Truncation by truncation a state loses norm; at 400 sites what is left between two far letters
/// may be less than single precision holds.
fn far_values_survive_a_tiny_norm<T: Scalar>(tolerance: f64) -> Result<()> {
    let (n, cancel) = (400, Cancel::default());
    // Each site: half of (.8, .6), so the norm of the span is 4^-400, about 1e-241.
    let state = after::<T>(n, [0.4, 0.0, 0.3, 0.0], 0..n)?;
    let z = 0.64 - 0.36;
    let words = [
        Word::new(&[(0, Pauli::Z), (n - 1, Pauli::Z)]),
        Word::new(&[(0, Pauli::Z)]),
        Word::new(&[(n - 1, Pauli::Z)]),
    ];
    let sum = WordSum { terms: vec![(1.0, &words[1]), (1.0, &words[2])] };
    for readout in [Readout::Local, Readout::State] {
        let mode = Parallelism::Sequential;
        let found = word_expectations(&state, &words, readout, mode, &cancel)?;
        for (value, expected) in found.iter().zip([z * z, z, z]) {
            assert!((value - expected).abs() < tolerance, "{value} {expected}");
        }
        let found = variance(&state, &sum, readout, &cancel)?;
        assert!((found - 2.0 * (1.0 - z * z)).abs() < tolerance, "{found}");
        let found = probabilities(&state, &[n - 1, 0], readout, &cancel)?;
        for (p, expected) in found.iter().zip([0.64 * 0.64, 0.64 * 0.36, 0.36 * 0.64, 0.36 * 0.36])
        {
            assert!((p - expected).abs() < tolerance, "{found:?}");
        }
    }
    Ok(())
}

#[test]
fn values_survive_a_tiny_norm_in_both_precisions() -> Result<()> {
    far_values_survive_a_tiny_norm::<C64>(1e-11)?;
    far_values_survive_a_tiny_norm::<C32>(1e-4)
}

#[test]
fn nothing_is_read_from_a_state_of_norm_zero() -> Result<()> {
    let (n, mode, cancel) = (4, Parallelism::Sequential, Cancel::default());
    let state = after::<C64>(n, [0.0; 4], 1..2)?;
    let words = [Word::new(&[(1, Pauli::Z)]), Word::new(&[(0, Pauli::X), (2, Pauli::Z)])];
    let sum = WordSum { terms: vec![(1.0, &words[0]), (2.0, &words[1])] };
    let is_numerical = |error: Option<Error>| matches!(error, Some(Error::Numerical(_)));
    for readout in [Readout::Local, Readout::State] {
        assert!(is_numerical(word_expectations(&state, &words, readout, mode, &cancel).err()));
        assert!(is_numerical(variance(&state, &sum, readout, &cancel).err()));
        assert!(is_numerical(probabilities(&state, &[1], readout, &cancel).err()));
        assert!(is_numerical(probabilities(&state, &[3, 1, 0, 2], readout, &cancel).err()));
        assert!(is_numerical(reduced_density_matrix(&state, &[0, 2], readout, &cancel).err()));
    }
    let key = ShotKey::new(SEED, 0);
    let bases = Bases::Same(vec![Pauli::Z; n]);
    assert!(is_numerical(sample(&state, &bases, &[0, 1], &key, mode, &cancel).err()));
    let logs = log_probabilities(&state, &[0; 4], mode, &cancel)?;
    assert_eq!(logs, [f64::NEG_INFINITY]);
    Ok(())
}
