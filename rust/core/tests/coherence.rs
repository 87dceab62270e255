//! A fidelity estimate that sees errors that add up coherently.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

use std::sync::Arc;

use bondline::circuit::{CircuitArrays, GATES, Structure};
use bondline::{
    C64, Cancel, CircuitResult, Group, Job, LoadedState, Method, Ordering, Pauli, PlanCache,
    Precision, Readout, Requests, Result, Settings,
};

const N: u32 = 12;

fn id(name: &str) -> u16 {
    u16::try_from(GATES.iter().position(|gate| gate.name == name).unwrap()).unwrap()
}

/// Trotter steps of the critical Ising chain, one row for each time step: exp(-i dt X) on all wires,
/// then exp(-i dt ZZ) on all neighbours.
fn trotter(time_steps: &[f64], steps: usize) -> Group {
    let (mut gates, mut wire_counts, mut wires) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..steps {
        for wire in 0..N {
            gates.push(id("RX"));
            wire_counts.push(1);
            wires.push(wire);
        }
        for wire in (0..N - 1).step_by(2).chain((1..N - 1).step_by(2)) {
            gates.push(id("IsingZZ"));
            wire_counts.push(2);
            wires.extend([wire, wire + 1]);
        }
    }
    let parameters = time_steps.iter().flat_map(|dt| vec![2.0 * dt; gates.len()]).collect();
    let arrays = CircuitArrays {
        n_wires: N as usize,
        gates,
        wire_counts,
        wires,
        ..CircuitArrays::default()
    };
    Group {
        structure: Arc::new(Structure::new(arrays).unwrap()),
        rows: time_steps.len(),
        parameters,
        matrices: vec![],
        loaded: LoadedState::None,
        requests: Requests { dense_state: true, ..Requests::default() },
    }
}

fn settings(max_bond_dim: Option<usize>) -> Settings {
    Settings {
        max_bond_dim,
        cutoff: 0.0,
        precision: Precision::Double,
        readout: Readout::Local,
        sweeps: true,
        ordering: Ordering::Given,
        method: Method::Auto,
        threads: Some(1),
        memory_limit: 1 << 30,
    }
}

/// With local values alone, whose light cones are all of the circuit.
fn local(mut group: Group) -> Group {
    let words = (0..N as usize).map(|wire| vec![(wire, Pauli::Z.into())]).collect();
    group.requests = Requests { words, ..Requests::default() };
    group
}

fn run(group: &Group, settings: &Settings, cache: &PlanCache) -> Result<Vec<CircuitResult>> {
    let job = Job::prepare(vec![group.clone()], settings.clone(), cache)?;
    Ok(job.execute(&Cancel::default())?.remove(0).rows)
}

fn fresh(group: &Group, settings: &Settings) -> Result<Vec<CircuitResult>> {
    run(group, settings, &PlanCache::default())
}

fn fidelity(a: &CircuitResult, b: &CircuitResult) -> f64 {
    let pairs = a.dense_state.iter().flatten().zip(b.dense_state.iter().flatten());
    pairs.map(|(x, y)| x.conj() * y).sum::<C64>().norm_sqr()
}

fn corrected(result: &CircuitResult) -> f64 {
    (result.report.log_norm * result.report.coherence.max(1.0)).exp()
}

#[test]
fn smooth_circuits_are_not_believed_by_their_norm() -> Result<()> {
    for (dt, steps, limit, close) in
        [(0.05, 60, 8, 0.03), (0.02, 150, 8, 0.03), (0.1, 40, 8, 0.05), (0.1, 40, 4, 0.1)]
    {
        let group = trotter(&[dt], steps);
        let exact = fresh(&group, &settings(None))?.remove(0);
        assert!(exact.report.coherence.is_nan(), "nothing was lost there");
        let cut = fresh(&group, &settings(Some(limit)))?.remove(0);
        let truth = fidelity(&exact, &cut);
        // Of the never-swept state, which hardly differs.
        let quick = fresh(&local(group), &settings(Some(limit)))?.remove(0);
        for result in [&cut, &quick] {
            let (norm, corrected) = (result.report.log_norm.exp(), corrected(result));
            assert!((corrected - truth).abs() < close, "{truth} {norm} {corrected}");
            assert!((corrected - truth).abs() < 0.5 * (norm - truth), "{truth} {norm} {corrected}");
        }
    }
    Ok(())
}

/// Layers of random rotations and a ladder of CNOTs: there the norm is right, and stays.
#[test]
fn random_circuits_are_believed_by_their_norm() -> Result<()> {
    let (mut gates, mut wire_counts, mut wires) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..8 {
        for wire in 0..N {
            gates.push(id("Rot"));
            wire_counts.push(1);
            wires.push(wire);
        }
        for wire in 0..N - 1 {
            gates.push(id("CNOT"));
            wire_counts.push(2);
            wires.extend([wire, wire + 1]);
        }
    }
    let arrays = CircuitArrays {
        n_wires: N as usize,
        gates,
        wire_counts,
        wires,
        ..CircuitArrays::default()
    };
    let mut group = trotter(&[0.0], 0);
    group.structure = Arc::new(Structure::new(arrays).unwrap());
    // An irrational rotation fills the angles evenly.
    let angle = |place: usize| 6.0 * (place as f64 * 0.618_033_988_749_895).fract() - 3.0;
    group.parameters = (0..group.structure.n_parameters()).map(angle).collect();
    let exact = fresh(&group, &settings(None))?.remove(0);
    let cut = fresh(&group, &settings(Some(24)))?.remove(0);
    let (truth, norm) = (fidelity(&exact, &cut), cut.report.log_norm.exp());
    assert!(norm < 0.9, "{norm}");
    assert!(cut.report.coherence.is_finite());
    assert!((corrected(&cut) - truth).abs() < 0.04, "{truth} {norm} {}", corrected(&cut));
    Ok(())
}

#[test]
fn nothing_is_measured_without_a_half() -> Result<()> {
    let group = local(trotter(&[0.1], 20));
    for (max_bond_dim, cutoff) in [(Some(64), 0.0), (None, 1e-4), (Some(64), 1e-4), (Some(1), 0.0)]
    {
        let settings = Settings { cutoff, ..settings(max_bond_dim) };
        let report = fresh(&group, &settings)?.remove(0).report;
        assert!(report.coherence.is_nan(), "{max_bond_dim:?} {cutoff}");
    }
    assert!(fresh(&group, &settings(Some(2)))?[0].report.coherence > 1.0);
    Ok(())
}

/// Rows that lost about the same share the measurement of the first of them.
#[test]
fn measurements_are_shared_on_any_number_of_threads() -> Result<()> {
    let steps = [0.0, 1e-4, 0.072, 0.1, 0.05, 0.0721, 0.1001];
    let alone: Vec<f64> = steps
        .iter()
        .map(|&step| {
            let report = fresh(&local(trotter(&[step], 30)), &settings(Some(6)))?.remove(0).report;
            Ok(report.coherence)
        })
        .collect::<Result<_>>()?;
    assert!(alone[0].is_nan() && alone[1].is_nan());
    assert!(alone[2..].iter().all(|coherence| *coherence > 1.0));
    let measured_on = [2, 3, 4, 2, 3];
    for threads in [1, 2, 5] {
        let settings = Settings { threads: Some(threads), ..settings(Some(6)) };
        let found = fresh(&local(trotter(&steps, 30)), &settings)?;
        assert!(found[..2].iter().all(|result| result.report.coherence.is_nan()));
        for (result, row) in found[2..].iter().zip(measured_on) {
            let (found, expected) = (result.report.coherence, alone[row]);
            assert_eq!(found.to_bits(), expected.to_bits(), "{threads} threads, row {row}");
        }
    }
    Ok(())
}

#[test]
fn a_measurement_is_kept_for_fifty_runs() -> Result<()> {
    let cache = PlanCache::default();
    let settings = settings(Some(4));
    let measured = |dt: f64| -> Result<f64> {
        Ok(run(&local(trotter(&[dt], 15)), &settings, &cache)?[0].report.coherence)
    };
    let first = measured(0.1)?;
    let later = measured(0.1001)?;
    assert_eq!(later.to_bits(), first.to_bits());
    // Another time step loses more, and is measured by itself.
    assert_ne!(measured(0.2)?.to_bits(), first.to_bits());
    for _ in 2..50 {
        measured(0.1001)?;
    }
    let again = measured(0.1001)?;
    assert_ne!(again.to_bits(), first.to_bits());
    let other = Settings { cutoff: 1e-12, ..settings.clone() };
    let fresh_settings = run(&local(trotter(&[0.1], 15)), &other, &cache)?;
    assert_ne!(fresh_settings[0].report.coherence.to_bits(), again.to_bits());
    Ok(())
}
