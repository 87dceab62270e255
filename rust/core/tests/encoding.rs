//! Circuits whose states are kept: the right ones, whatever is encoded beside them.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

mod packed;

use std::sync::Arc;

use bondline::circuit::{CircuitArrays, GATES, Measure, Structure};
use bondline::{
    Cancel, CircuitResult, EncodeJob, Encoded, Error, Group, Job, LoadedState, Method, Ordering,
    PlanCache, Precision, Readout, Requests, Result, Settings,
};
use packed::{Plain, Random, dense_overlap, overlaps, plain};

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

/// Layers of RY, RZ (unless real) and CNOT on neighbours, every third time on a far pair as well.
fn group(n: usize, rows: usize, depth: usize, (real, far): (bool, bool)) -> Result<Group> {
    let id = |name| GATES.iter().position(|gate| gate.name == name).unwrap() as u16;
    let mut arrays = CircuitArrays { n_wires: n, ..CircuitArrays::default() };
    let mut add = |gate: u16, wires: &[usize]| {
        arrays.gates.push(gate);
        arrays.wire_counts.push(wires.len() as u32);
        arrays.wires.extend(wires.iter().map(|&wire| wire as u32));
    };
    let turns: &[&str] = if real { &["RY"] } else { &["RY", "RZ"] };
    for layer in 0..depth {
        for wire in 0..n {
            for &name in turns {
                add(id(name), &[wire]);
            }
        }
        for wire in (layer % 2..n - 1).step_by(2) {
            add(id("CNOT"), &[wire, wire + 1]);
        }
        if far && layer % 3 == 1 {
            add(id("CNOT"), &[n - 2, 1]);
        }
    }
    let count = rows * n * depth * turns.len();
    let mut random = Random(16);
    Ok(Group {
        structure: Arc::new(Structure::new(arrays)?),
        rows,
        parameters: (0..count).map(|_| 1.5 * random.next()).collect(),
        matrices: vec![],
        loaded: LoadedState::None,
        requests: Requests::default(),
    })
}

fn encode(group: Group, settings: Settings) -> Result<Encoded> {
    EncodeJob::prepare(group, settings, &PlanCache::default())?.execute(&Cancel::default())
}

fn run(mut group: Group, settings: Settings, requests: Requests) -> Result<Vec<CircuitResult>> {
    group.requests = requests;
    let job = Job::prepare(vec![group], settings, &PlanCache::default())?;
    Ok(job.execute(&Cancel::default())?.remove(0).rows)
}

#[test]
fn encoded_circuits_have_the_overlaps_of_their_dense_states() -> Result<()> {
    for (n, depth) in [(4, 3), (5, 4), (10, 8)] {
        for (real, precision) in [
            (false, Precision::Double),
            (true, Precision::Double),
            (false, Precision::Single),
            (true, Precision::Single),
        ] {
            let rows = 5;
            let circuit = || group(n, rows, depth, (real, true));
            let exact = run(
                circuit()?,
                settings(None),
                Requests { dense_state: true, ..Requests::default() },
            )?;
            for ordering in [Ordering::Given, Ordering::Auto] {
                let settings = Settings { precision, ordering, ..settings(None) };
                let tolerance = if precision == Precision::Single { 1e-4 } else { 1e-9 };
                let encoded = encode(circuit()?, settings)?;
                let states = &encoded.states;
                assert_eq!((states.states().len(), states.n_wires()), (rows, n));
                assert_eq!(states.single_precision(), precision == Precision::Single);
                assert_eq!(encoded.result.plan.n_sites(), n);
                let found = overlaps(states, None)?;
                for (index, found) in found.iter().enumerate() {
                    let of = |row: usize| exact[row].dense_state.as_deref().unwrap();
                    let exact = dense_overlap(of(index / rows), of(index % rows));
                    assert!((found.exp() - exact).abs() < tolerance, "{found} {exact}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn encoded_states_are_normalised_and_those_that_a_circuit_exports() -> Result<()> {
    for (limit, precision) in
        [(None, Precision::Double), (Some(3), Precision::Double), (Some(3), Precision::Single)]
    {
        let settings = || Settings { precision, ..settings(limit) };
        // Without a far pair the sites stay in the order of the wires, in which tensors go out.
        let circuit = || group(9, 3, 8, (false, false));
        let encoded = encode(circuit()?, settings())?;
        let requests = Requests { tensors: true, ..Requests::default() };
        let exported = run(circuit()?, settings(), requests)?;
        for ((state, result), exported) in
            encoded.states.states().iter().zip(&encoded.result.rows).zip(&exported)
        {
            let state = plain(state);
            let dense = state.dense();
            let tolerance = if precision == Precision::Single { 1e-5 } else { 1e-12 };
            assert!((dense_overlap(&dense, &dense) - 1.0).abs() < tolerance);
            assert!(limit.is_none_or(|limit| state.bonds.iter().all(|bond| *bond <= limit)));
            // The same state, and what is reported of it.
            let sites = exported.tensors.as_ref().unwrap();
            let entries = sites.iter().flat_map(|site| {
                (0..2 * site.left).flat_map(move |row| {
                    let start = row % 2 * site.left + row / 2;
                    (0..site.right).map(move |r| site.entries[start + 2 * site.left * r])
                })
            });
            let other = Plain { bonds: state.bonds.clone(), entries: entries.collect() };
            assert!((dense_overlap(&dense, &other.dense()) - 1.0).abs() < tolerance);
            let (found, expected) = (&result.report, &exported.report);
            assert_eq!(found.discarded, expected.discarded);
            assert_eq!(found.bonds, expected.bonds);
            assert_eq!(found.log_norm.to_bits(), expected.log_norm.to_bits());
        }
    }
    Ok(())
}

#[test]
fn encoding_has_the_same_bits_on_any_number_of_threads_and_for_any_rows_beside() -> Result<()> {
    let circuit = || group(10, 6, 6, (false, true));
    let settings = |threads| Settings { threads, ..settings(Some(5)) };
    let one = encode(circuit()?, settings(Some(1)))?.states;
    for threads in [Some(2), Some(8), None] {
        assert_eq!(encode(circuit()?, settings(threads))?.states, one);
    }
    let mut few = circuit()?;
    let width = few.parameters.len() / few.rows;
    (few.parameters, few.rows) = (few.parameters[2 * width..4 * width].to_vec(), 2);
    assert_eq!(encode(few, settings(Some(1)))?.states, one.rows(2, 4)?);
    Ok(())
}

/// One RY on the only wire.
fn one_wire(rows: usize, arrays: CircuitArrays) -> Result<Group> {
    Ok(Group {
        structure: Arc::new(Structure::new(arrays)?),
        rows,
        parameters: (0..rows).map(|row| 0.7 * row as f64).collect(),
        matrices: vec![],
        loaded: LoadedState::None,
        requests: Requests::default(),
    })
}

fn turn() -> CircuitArrays {
    let gate = GATES.iter().position(|gate| gate.name == "RY").unwrap() as u16;
    CircuitArrays {
        n_wires: 1,
        gates: vec![gate],
        wire_counts: vec![1],
        wires: vec![0],
        ..CircuitArrays::default()
    }
}

#[test]
fn one_wire_and_no_rows() -> Result<()> {
    let states = encode(one_wire(4, turn())?, settings(None))?.states;
    let found = overlaps(&states, None)?;
    for (index, found) in found.iter().enumerate() {
        let angle = 0.35 * ((index / 4) as f64 - (index % 4) as f64);
        assert!((found.exp() - angle.cos().powi(2)).abs() < 1e-12);
    }
    let none = encode(one_wire(0, turn())?, settings(None))?;
    assert!(none.states.states().is_empty() && none.result.rows.is_empty());
    assert_eq!(none.states.n_wires(), 1);
    Ok(())
}

#[test]
fn a_circuit_that_measures_on_the_way_is_refused() -> Result<()> {
    let mut arrays = turn();
    let measure = GATES.iter().position(|gate| gate.name == "MidMeasureMP").unwrap() as u16;
    arrays.gates.push(measure);
    arrays.wire_counts.push(1);
    arrays.wires.push(0);
    arrays.measures = vec![Measure { reset: false, postselect: None, fill: false }];
    let found = encode(one_wire(2, arrays)?, settings(None));
    let Err(Error::Unsupported(text)) = found else { panic!("not refused") };
    assert!(text.contains("mid-circuit"), "{text}");
    Ok(())
}

#[test]
fn states_that_do_not_fit_are_refused() -> Result<()> {
    let refused = |group: Group, settings: Settings| {
        let Err(Error::Resource(text)) = encode(group, settings) else { panic!("not refused") };
        assert!(text.contains("memory_limit"), "{text}");
    };
    // Even product states are too many: known before any work.
    let many = one_wire(100_000, turn())?;
    let prepared =
        EncodeJob::prepare(many, Settings { memory_limit: 1 << 20, ..settings(None) }, &cache());
    assert!(matches!(prepared, Err(Error::Resource(_))));
    // One state fits, all do not: known once they have grown.
    let circuit = |rows| group(10, rows, 12, (false, true));
    let size = encode(circuit(1)?, settings(None))?.states.n_bytes() as u64;
    let limit = |memory_limit| Settings { memory_limit, ..settings(None) };
    assert_eq!(encode(circuit(2)?, limit(20 * size))?.states.states().len(), 2);
    refused(circuit(40)?, limit(20 * size));
    Ok(())
}

fn cache() -> PlanCache {
    PlanCache::default()
}

#[test]
fn encoding_stops_when_told() -> Result<()> {
    let job = EncodeJob::prepare(group(6, 3, 4, (false, true))?, settings(None), &cache())?;
    let cancel = Cancel::default();
    cancel.set();
    assert!(matches!(job.execute(&cancel), Err(Error::Interrupted)));
    Ok(())
}
