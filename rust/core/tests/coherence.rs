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
    let arrays =
        CircuitArrays { n_wires: N as usize, gates, wire_counts, wires, ..CircuitArrays::default() };
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
        ordering: Ordering::Given,
        method: Method::Auto,
        threads: Some(1),
        memory_limit: 1 << 30,
    }
}

fn local(mut group: Group) -> Group {
    let words = vec![vec![(5, Pauli::Z)]];
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
    for (dt, steps, limit) in [(0.05, 60, 8), (0.02, 150, 8), (0.1, 40, 8), (0.1, 40, 4)] {
        let group = trotter(&[dt], steps);
        let exact = fresh(&group, &settings(None))?.remove(0);
        let cut = fresh(&group, &settings(Some(limit)))?.remove(0);
        let quick = fresh(&local(group), &settings(Some(limit)))?.remove(0);
        let truth = fidelity(&exact, &cut);
        assert!(exact.report.coherence.is_nan(), "nothing was lost there");
        println!("{dt} {steps} {limit} {truth} norm {} corr {} local norm {} corr {}", cut.report.log_norm.exp(), corrected(&cut), quick.report.log_norm.exp(), corrected(&quick));
    }
    Ok(())
}
