//! Laws of light cones: what is left out of a run moves no bit of its values, and the report says so.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

use std::f64::consts::FRAC_1_SQRT_2;
use std::sync::Arc;

use bondline::circuit::{CircuitArrays, GATES, Loaded, Structure};
use bondline::{
    C64, Cancel, CircuitResult, GradientJob, GradientMethod, Group, Job, LoadedState, Method,
    Ordering, Outputs, Pauli, PlanCache, Precision, Readout, Requests, Result, Sampling, Settings,
};

const N: usize = 24;

fn settings(max_bond_dim: Option<usize>, precision: Precision, ordering: Ordering) -> Settings {
    Settings {
        max_bond_dim,
        cutoff: 1e-16,
        precision,
        readout: Readout::Local,
        sweeps: true,
        ordering,
        method: Method::Auto,
        threads: Some(1),
        memory_limit: 1 << 30,
    }
}

/// Brickwork of RY, RZ and CNOT, with a far pair and a long Pauli rotation in the left half.
fn group(depth: usize, loaded: &[u32], requests: Requests) -> Result<Group> {
    let id = |name: &str| GATES.iter().position(|gate| gate.name == name).unwrap() as u16;
    let mut arrays = CircuitArrays { n_wires: N, ..CircuitArrays::default() };
    arrays.loaded = Loaded { wires: loaded.to_vec(), ..Loaded::default() };
    let mut parameters = Vec::new();
    let mut add = |name: &str, wires: &[usize], count: usize| {
        arrays.gates.push(id(name));
        arrays.wire_counts.push(wires.len() as u32);
        arrays.wires.extend(wires.iter().map(|&wire| wire as u32));
        for _ in 0..count {
            let at = parameters.len() as f64;
            parameters.push((1.7 * at + 0.3 * at * at).sin() * 2.0);
        }
    };
    for layer in 0..depth {
        for wire in 0..N {
            add("RY", &[wire], 1);
            add("RZ", &[wire], 1);
        }
        for wire in (layer % 2..N - 1).step_by(2) {
            add("CNOT", &[wire, wire + 1], 0);
        }
        if layer == 1 {
            add("CNOT", &[5, 2], 0);
            add("MultiRZ", &[7, 8, 9, 10], 1);
        }
    }
    let loaded = match loaded.len() {
        0 => LoadedState::None,
        wires => {
            let mut ghz = vec![C64::from(0.0); 1 << wires];
            (ghz[0], ghz[(1 << wires) - 1]) = (FRAC_1_SQRT_2.into(), FRAC_1_SQRT_2.into());
            LoadedState::Vectors(ghz)
        }
    };
    Ok(Group {
        structure: Arc::new(Structure::new(arrays)?),
        rows: 1,
        parameters,
        matrices: vec![],
        loaded,
        requests,
    })
}

/// The values, and how many steps were left out.
fn run(group: Group, settings: &Settings) -> Result<(CircuitResult, usize)> {
    let job = Job::prepare(vec![group], settings.clone(), &PlanCache::default())?;
    let mut found = job.execute(&Cancel::default())?.remove(0);
    Ok((found.rows.remove(0), found.plan.n_left_out()))
}

/// One request each for values of few wires.
fn few_wire_requests() -> Vec<Requests> {
    let z = |wire: usize| vec![(wire, Pauli::Z.into())];
    vec![
        Requests { words: vec![z(0)], ..Requests::default() },
        Requests { words: vec![z(N - 1), z(11)], ..Requests::default() },
        Requests {
            words: vec![vec![(8, Pauli::X.into()), (10, Pauli::Y.into())], vec![]],
            ..Requests::default()
        },
        Requests {
            words: vec![z(6), vec![(7, Pauli::X.into())]],
            variances: std::iter::once(0..2).collect(),
            variance_terms: vec![0, 1],
            variance_coefficients: vec![0.5, 1.5],
            ..Requests::default()
        },
        Requests { probabilities: vec![vec![4, 2]], ..Requests::default() },
        Requests { densities: vec![vec![13], vec![20, 21]], ..Requests::default() },
        Requests { spectra: vec![vec![16, 17, 18]], ..Requests::default() },
    ]
}

/// With shots of all wires, which need the whole state.
fn with_shots(requests: &Requests) -> Requests {
    let letters = vec![Pauli::Z; N];
    Requests {
        samplings: vec![Sampling { wires: (0..N).collect(), letters, shots: 3, stream: 1 }],
        seeds: vec![[1, 2]],
        ..requests.clone()
    }
}

fn same_values(one: &CircuitResult, other: &CircuitResult) {
    assert_eq!(one.words, other.words);
    assert_eq!(one.variances, other.variances);
    assert_eq!(one.probabilities, other.probabilities);
    assert_eq!(one.densities, other.densities);
    assert_eq!(one.spectra, other.spectra);
    assert_eq!(one.report.cones, other.report.cones);
}

#[test]
fn no_bit_of_a_value_depends_on_what_lies_outside_its_light_cone() -> Result<()> {
    let explicit = Ordering::Explicit((0..N as u32).map(|site| site ^ 1).collect());
    for precision in [Precision::Double, Precision::Single] {
        for bond in [Some(2), Some(5), Some(16), None] {
            for ordering in [Ordering::Given, Ordering::Auto, explicit.clone()] {
                for loaded in [&[][..], &[3, 4, 5, 12]] {
                    let settings = settings(bond, precision, ordering.clone());
                    for requests in few_wire_requests() {
                        let (alone, left_out) =
                            run(group(4, loaded, requests.clone())?, &settings)?;
                        let whole = group(4, loaded, with_shots(&requests))?;
                        let (whole, none) = run(whole, &settings)?;
                        assert!(left_out > 0 && none == 0, "{left_out} {none}");
                        if bond == Some(2) {
                            assert!(whole.report.log_norm < -0.1, "this should lose much");
                        }
                        same_values(&alone, &whole);
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn the_report_is_that_of_the_steps_that_were_run() -> Result<()> {
    let settings = settings(Some(2), Precision::Double, Ordering::Given);
    let [end, ..] = &few_wire_requests()[..] else { panic!() };
    let (alone, left_out) = run(group(4, &[], end.clone())?, &settings)?;
    let (whole, _) = run(group(4, &[], with_shots(end))?, &settings)?;
    assert!(left_out > 30, "{left_out}");
    // Far from the wire nothing was done, so nothing was lost there.
    assert!(alone.report.discarded[12..].iter().all(|weight| *weight == 0.0));
    assert!(whole.report.discarded[12..].iter().any(|weight| *weight > 0.01));
    assert!(alone.report.log_norm > whole.report.log_norm);
    Ok(())
}

#[test]
fn whole_states_other_readouts_and_measured_circuits_leave_nothing_out() -> Result<()> {
    let own = settings(Some(4), Precision::Double, Ordering::Given);
    let [end, ..] = &few_wire_requests()[..] else { panic!() };
    let whole = [
        Requests { bitstrings: vec![0; N], ..end.clone() },
        Requests { tensors: true, ..end.clone() },
        Requests { spectra: vec![(0..N / 2).collect()], ..end.clone() },
        with_shots(end),
        Requests::default(),
    ];
    for requests in whole {
        assert_eq!(run(group(4, &[], requests)?, &own)?.1, 0);
    }
    let state = Settings { readout: Readout::State, ..own.clone() };
    assert_eq!(run(group(4, &[], end.clone())?, &state)?.1, 0);
    Ok(())
}

#[test]
fn derivatives_inside_a_light_cone_are_those_of_the_whole_circuit() -> Result<()> {
    let settings = settings(Some(4), Precision::Double, Ordering::Given);
    let gradients = |words: Vec<Vec<_>>| -> Result<_> {
        let group = group(4, &[], Requests { words, ..Requests::default() })?;
        let (words, parameters) = (group.requests.words.len(), group.parameters.len());
        let outputs = Outputs {
            count: 1,
            rows: 1,
            words: (0..words).map(|word| if word == 0 { 1.0 } else { 0.0 }).collect(),
            differentiated: vec![true; parameters],
            ..Outputs::default()
        };
        let (method, cache) = (GradientMethod::Adjoint, PlanCache::default());
        let job =
            GradientJob::prepare(vec![group], vec![outputs], settings.clone(), method, &cache)?;
        let mut found = job.execute(&Cancel::default())?.remove(0);
        Ok((found.rows.remove(0).gradients, found.result.plan.n_left_out()))
    };
    let z = |wire: usize| vec![(wire, Pauli::Z.into())];
    let (alone, left_out) = gradients(vec![z(16)])?;
    let all = [16].into_iter().chain(0..16).chain(17..N).map(z).collect();
    let (in_company, none) = gradients(all)?;
    assert!(left_out > 10 && none == 0, "{left_out} {none}");
    assert!(alone.iter().any(|x| x.abs() > 0.05), "{alone:?}");
    for (one, other) in alone.iter().zip(&in_company) {
        assert!((one - other).abs() < 1e-12, "{one} {other}");
    }
    let outside = alone.iter().filter(|x| **x == 0.0).count();
    assert!(outside > alone.len() / 3, "{outside}");
    Ok(())
}
