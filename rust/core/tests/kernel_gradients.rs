//! Derivatives of fidelities with other states, beside finite differences of what they are derivatives of.
#![allow(clippy::unwrap_used)] // in a test a panic is the report

mod gradient_cases;
mod steps;

use std::sync::Arc;

use bondline::circuit::Structure;
use bondline::{
    Cancel, EncodeJob, EncodedStates, Error, Group, KernelGradient, KernelGradientJob, PlanCache,
    Readout, Requests, Settings, log_overlaps,
};
use gradient_cases::{Circuit, brick, error, far, largest, many, settings};
use steps::Random;

fn group(circuit: &Circuit, rows: &[Vec<f64>]) -> Group {
    Group {
        structure: Arc::new(Structure::new(circuit.arrays.clone()).unwrap()),
        rows: rows.len(),
        parameters: rows.concat(),
        matrices: circuit.matrices.clone(),
        loaded: circuit.loaded.clone(),
        requests: Requests::default(),
    }
}

fn encoded(group: Group, settings: &Settings) -> EncodedStates {
    let settings = Settings { sweeps: false, ..settings.clone() };
    let job = EncodeJob::prepare(group, settings, &PlanCache::default()).unwrap();
    job.execute(&Cancel::default()).unwrap().states
}

/// With a cutoff far below what finite differences see.
fn fine(limit: Option<usize>) -> Settings {
    let cutoff = if limit.is_none() { 1e-26 } else { 1e-18 };
    Settings { cutoff, ..settings(limit, Readout::Local) }
}

/// Rows of parameters, other states of the same circuit, and weights of all pairs.
struct Case {
    circuit: Circuit,
    rows: Vec<Vec<f64>>,
    others: EncodedStates,
    weights: Vec<f64>,
    settings: Settings,
}

impl Case {
    /// The others are encoded without limit.
    fn new(circuit: Circuit, rows: Vec<Vec<f64>>, limit: Option<usize>) -> Self {
        let mut random = Random(77);
        let count = circuit.parameters.len();
        let others: Vec<Vec<f64>> =
            (0..3).map(|_| (0..count).map(|_| 2.0 * random.next()).collect()).collect();
        let others = encoded(group(&circuit, &others), &fine(None));
        let weights = (0..3 * rows.len()).map(|_| random.next()).collect();
        Self { circuit, rows, others, weights, settings: fine(limit) }
    }

    /// With one row, the circuit's own parameters.
    fn own(circuit: Circuit, limit: Option<usize>) -> Self {
        let rows = vec![circuit.parameters.clone()];
        Self::new(circuit, rows, limit)
    }

    fn job(&self, settings: Settings) -> Result<KernelGradientJob, Error> {
        let moved = vec![true; self.rows.len() * self.circuit.parameters.len()];
        let (others, weights) = (self.others.clone(), self.weights.clone());
        let group = group(&self.circuit, &self.rows);
        KernelGradientJob::prepare(group, others, weights, moved, settings, &PlanCache::default())
    }

    fn found(&self, settings: Settings) -> KernelGradient {
        self.job(settings).unwrap().execute(&Cancel::default()).unwrap()
    }

    /// Fourth-order differences of the weighted fidelities of row 0.
    fn differences(&self, step: f64) -> Vec<f64> {
        let count = self.circuit.parameters.len();
        let shifts = [2.0, 1.0, -1.0, -2.0];
        let mut rows = Vec::with_capacity(4 * count);
        for at in 0..count {
            for shift in shifts {
                let mut row = self.rows[0].clone();
                row[at] += shift * step;
                rows.push(row);
            }
        }
        let states = encoded(group(&self.circuit, &rows), &self.settings);
        let logs = log_overlaps(&states, Some(&self.others), Some(1), &Cancel::default()).unwrap();
        let values: Vec<f64> = logs
            .chunks_exact(3)
            .map(|logs| logs.iter().zip(&self.weights).map(|(log, c)| c * log.exp()).sum())
            .collect();
        let slope = |v: &[f64]| (8.0 * (v[1] - v[2]) - (v[0] - v[3])) / (12.0 * step);
        values.chunks_exact(4).map(slope).collect()
    }
}

#[test]
fn derivatives_are_those_of_the_truncated_fidelities() {
    let mut random = Random(5);
    let circuits = [
        ("brick", brick(6, 3, &mut random)),
        ("far", far(6, &mut random)),
        ("many", many(6, &mut random)),
    ];
    for (name, circuit) in circuits {
        for limit in [None, Some(8), Some(3)] {
            let case = Case::own(circuit.clone(), limit);
            let found = case.found(case.settings.clone());
            // What the limit cuts bends more: there a difference sees less far.
            let expected = case.differences(if limit.is_none() { 1e-3 } else { 3e-4 });
            let error = error(&found.gradients, &expected);
            assert!(largest(&expected) > 1e-3);
            let tolerance = if limit.is_none() { 1e-9 } else { 1e-8 };
            assert!(error < tolerance, "{name}, {limit:?}: {error:e}");
        }
    }
}

#[test]
fn loaded_states_and_matrices_are_passed() {
    let mut random = Random(9);
    let mut circuit = Circuit::new(5);
    circuit.load_vector(&[0, 1, 2], &mut random);
    for wire in 0..5 {
        circuit.gate("RY", &[wire], &[random.next()]);
    }
    circuit.unitary(&[1, 2], &mut random).gate("IsingXY", &[2, 3], &[0.4]);
    circuit.gate("CRX", &[3, 4], &[0.7]);
    for start in [1.0, 0.0] {
        let circuit = circuit.with(|at| start * (0.3 + at as f64));
        let case = Case::own(circuit, None);
        let error = error(&case.found(case.settings.clone()).gradients, &case.differences(1e-3));
        assert!(error < 1e-9, "{start}: {error:e}");
    }
}

#[test]
fn directions_that_come_to_life_are_seen() {
    // Other states are large just where a product state has nothing.
    let mut random = Random(3);
    let circuits = [
        ("brick", brick(6, 2, &mut random)),
        ("far", far(6, &mut random)),
        ("many", many(6, &mut random)),
    ];
    for (name, circuit) in circuits {
        let own = circuit.parameters.clone();
        for scale in [0.0, 1e-10, 3e-9, 1e-8, 1e-7, 1e-6, 1e-3, 1e-2] {
            let case = Case::own(circuit.with(|at| scale * own[at]), None);
            let found = case.found(case.settings.clone());
            let error = error(&found.gradients, &case.differences(1e-3));
            assert!(error < 1e-8, "{name}, {scale:e}: {error:e}");
            assert!(found.guarded[0] || scale > 0.0, "{name}");
        }
        let half = circuit.with(|at| if at % 2 == 0 { own[at] } else { 0.0 });
        let case = Case::own(half, None);
        let error = error(&case.found(case.settings.clone()).gradients, &case.differences(1e-3));
        assert!(error < 1e-9, "{name}, half: {error:e}");
    }
}

/// Too deep to be applied without factorizations. On |00⟩ equal angles of both gates cancel.
#[test]
fn beside_a_corner_no_two_shifts_cancel() {
    let n = 14;
    let mut circuit = Circuit::new(n as usize);
    for _ in 0..4 {
        for name in ["IsingXX", "IsingYY"] {
            for wire in 0..n - 1 {
                circuit.gate(name, &[wire, wire + 1], &[0.0]);
            }
        }
    }
    let case = Case::own(circuit, None);
    let found = case.found(case.settings.clone());
    assert!(found.guarded[0]);
    let error = error(&found.gradients, &case.differences(1e-3));
    assert!(error < 1e-6, "{error:e}");
}

#[test]
fn neither_threads_nor_checkpoints_change_a_bit() {
    let mut random = Random(13);
    let circuit = brick(10, 5, &mut random);
    let own = circuit.parameters.clone();
    let mut rows: Vec<Vec<f64>> =
        (0..5).map(|_| own.iter().map(|x| x + random.next()).collect()).collect();
    rows[3] = vec![0.0; own.len()];
    let case = Case::new(circuit, rows, Some(12));
    let one = case.found(case.settings.clone());
    let bits = |found: &KernelGradient| -> Vec<u64> {
        found.gradients.iter().map(|x| x.to_bits()).collect()
    };
    let two = case.found(Settings { threads: Some(2), ..case.settings.clone() });
    assert_eq!(bits(&one), bits(&two));
    // A row by itself is what it is in company.
    let row = Case {
        rows: case.rows[1..2].to_vec(),
        weights: case.weights[3..6].to_vec(),
        others: case.others.clone(),
        circuit: case.circuit.clone(),
        settings: case.settings.clone(),
    };
    let width = own.len();
    let alone = row.found(Settings { threads: Some(2), ..row.settings.clone() });
    assert_eq!(bits(&alone), bits(&one)[width..2 * width]);
    // Little memory: the tape is forgotten, and rows evolve again from states on the way.
    let tight = (1..40).find_map(|step| {
        let settings = Settings { memory_limit: step * (1 << 18), ..case.settings.clone() };
        let found = case.job(settings).ok()?.execute(&Cancel::default()).ok()?;
        (found.checkpoints[1] > 0).then_some(found)
    });
    assert_eq!(bits(&tight.unwrap())[..3 * width], bits(&one)[..3 * width]);
}

#[test]
fn what_does_not_count_is_not_computed() {
    let mut random = Random(21);
    let circuit = brick(4, 2, &mut random);
    let mut case = Case::own(circuit, None);
    case.weights = vec![0.0; 3];
    assert!(case.found(case.settings.clone()).gradients.iter().all(|x| x.to_bits() == 0));
    case.weights = vec![f64::MAX; 3];
    let row = || case.rows[0].clone();
    case.others = encoded(group(&case.circuit, &[row(), row(), row()]), &case.settings);
    let refused = case.job(case.settings.clone()).unwrap().execute(&Cancel::default());
    assert!(matches!(refused, Err(Error::Numerical(_))));
}

#[test]
fn weights_may_have_any_size() {
    let mut random = Random(22);
    let mut case = Case::own(brick(4, 2, &mut random), None);
    case.weights = vec![1e300, 0.0, 0.0];
    let large = case.found(case.settings.clone()).gradients;
    case.weights = vec![1.0, 0.0, 0.0];
    let one = case.found(case.settings.clone()).gradients;
    for (x, y) in large.iter().zip(&one) {
        assert!((x * 1e-300 - y).abs() <= 1e-12 * largest(&one));
    }
}

#[test]
fn lists_that_do_not_fit_are_refused() {
    let mut random = Random(2);
    let circuit = brick(4, 2, &mut random);
    let mut case = Case::own(circuit, None);
    case.weights = vec![1.0; 4];
    assert!(matches!(case.job(case.settings.clone()), Err(Error::InvalidInput { .. })));
    case.weights = vec![1.0, f64::NAN, 0.0];
    let refused = case.job(case.settings.clone()).err().unwrap().to_string();
    assert!(refused.contains("row 0 and state 1"), "{refused}");
    case.weights = vec![1.0; 3];
    case.others = Case::own(brick(5, 1, &mut random), None).others;
    assert!(matches!(case.job(case.settings.clone()), Err(Error::InvalidInput { .. })));
    let case = Case::own(brick(4, 2, &mut random), None);
    let tiny = Settings { memory_limit: 64, ..case.settings.clone() };
    assert!(matches!(case.job(tiny), Err(Error::Resource(_))));
}

#[test]
fn a_cancelled_job_stops() {
    let mut random = Random(2);
    let case = Case::own(brick(6, 3, &mut random), None);
    let cancel = Cancel::default();
    cancel.set();
    let job = case.job(case.settings.clone()).unwrap();
    assert!(matches!(job.execute(&cancel), Err(Error::Interrupted)));
}

/// Deep enough that the bonds without factorizations are too large, at angles whose weights are rounding.
#[test]
fn weak_directions_of_deep_circuits_are_differentiated_beside_them() {
    let n = 14;
    for angle in [1e-11, 1e-9] {
        let mut circuit = Circuit::new(n as usize);
        for layer in 0..8 {
            for wire in 0..n {
                circuit.gate("RY", &[wire], &[angle * (0.5 + f64::from((layer + wire) % 3))]);
            }
            for wire in 0..n - 1 {
                circuit.gate("CNOT", &[wire, wire + 1], &[]);
            }
        }
        let case = Case::own(circuit, None);
        let found = case.found(case.settings.clone());
        assert!(!found.unsettled.contains(&true));
        let error = error(&found.gradients, &case.differences(1e-3));
        assert!(error < 1e-6, "{angle:e}: {error:e}");
    }
}

/// What weights are multiplied by is what derivatives are multiplied by, at corners of a truncated state, too.
#[test]
fn derivatives_are_linear_in_the_weights() {
    let n = 8;
    let mut circuit = Circuit::new(n as usize);
    for layer in 0..6 {
        for wire in 0..n {
            circuit.gate("RY", &[wire], &[[0.0, 0.7, 1.3][((layer + wire) % 3) as usize]]);
        }
        for wire in 0..n - 1 {
            circuit.gate("CNOT", &[wire, wire + 1], &[]);
        }
    }
    let mut case = Case::own(circuit, Some(3));
    let weights = case.weights.clone();
    let one = case.found(case.settings.clone());
    assert!(one.guarded.contains(&true));
    for scale in [1e-9, 1e9] {
        case.weights = weights.iter().map(|weight| scale * weight).collect();
        let scaled = case.found(case.settings.clone()).gradients;
        for (x, y) in scaled.iter().zip(&one.gradients) {
            assert!((x / scale - y).abs() <= 1e-9 * largest(&one.gradients), "{scale:e}");
        }
    }
}
