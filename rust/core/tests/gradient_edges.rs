//! Cuts between weights that coincide, and what is refused.
#![allow(clippy::unwrap_used)] // in a test a panic is the report

mod gradient_cases;
mod steps;

use bondline::circuit::Measure;
use bondline::{
    C64, Error, GradientJob, GradientMethod, Outputs, Pauli, PlanCache, Readout, Sampling,
};
use gradient_cases::{
    Case, Circuit, READOUTS, Read, X, Y, Z, brick, differentiate, error, settings,
};
use steps::Random;

fn rotated(circuit: &mut Circuit, random: &mut Random) {
    for wire in 0..circuit.arrays.n_wires as u32 {
        circuit.gate("RY", &[wire], &[random.next()]);
        circuit.gate("RZ", &[wire], &[random.next()]);
    }
}

#[test]
fn where_all_weights_coincide_the_cut_stays_and_the_gap_is_told() {
    let n = 5;
    let mut circuit = Circuit::new(n);
    circuit.gate("Hadamard", &[0], &[]);
    for wire in 0..n as u32 - 1 {
        circuit.gate("CNOT", &[wire, wire + 1], &[]);
    }
    rotated(&mut circuit, &mut Random(3));
    let case = Case::new(circuit, Read::chain(n, &mut Random(4)));
    for readout in READOUTS {
        let found = case.differentiate(settings(Some(1), readout), GradientMethod::Adjoint);
        let report = &found.result.rows[0].report;
        assert!(report.smallest_gap < 1e-10, "{}", report.smallest_gap);
        assert_eq!(report.shifted_cuts, 0);
        assert_eq!(report.largest_bond, 1);
        assert!(found.rows[0].gradients.iter().all(|x| x.is_finite() && x.abs() < 10.0));
        assert!(found.result.rows[0].words.iter().all(|x| x.abs() < 1.0 + 1e-12));
    }
}

/// Two pairs across the middle of four wires, 0 with 2 and 1 with 3: weights a/2, a/2, b/2, b/2 there.
fn two_pairs() -> Case {
    let mut circuit = Circuit::new(4);
    circuit.gate("RY", &[0], &[0.8]).gate("CNOT", &[0, 1], &[]);
    circuit.gate("Hadamard", &[2], &[]).gate("CNOT", &[2, 3], &[]);
    circuit.matrices = vec![C64::ZERO; 16];
    [0, 6, 9, 15].into_iter().for_each(|at| circuit.matrices[at] = C64::ONE);
    circuit.gate("QubitUnitary2", &[1, 2], &[]);
    rotated(&mut circuit, &mut Random(3));
    let words = [vec![(0, Z), (2, Z)], vec![(1, Z), (3, Z)], vec![(1, X)], vec![(2, Y), (3, X)]];
    let words: Vec<_> = words.into_iter().zip(1..).map(|(word, c)| (f64::from(c), word)).collect();
    Case::new(circuit, Read::words(&words))
}

#[test]
fn a_cut_between_equal_weights_moves_to_the_next_gap() {
    let case = two_pairs();
    for readout in READOUTS {
        let at =
            |limit| case.differentiate(settings(Some(limit), readout), GradientMethod::Adjoint);
        let (two, three, four) = (at(2), at(3), at(4));
        let reports = [&two, &three, &four].map(|found| found.result.rows[0].report.clone());
        assert_eq!(reports.each_ref().map(|report| report.shifted_cuts > 0), [false, true, false]);
        assert_eq!(reports.each_ref().map(|report| report.largest_bond), [2, 2, 4]);
        // tan² of half the angle is the ratio of the weights.
        let gap = 1.0 - 0.4_f64.tan().powi(2);
        assert!((reports[0].smallest_gap - gap).abs() < 1e-12);
        assert!((reports[1].smallest_gap - gap).abs() < 1e-12);
        assert!(reports[2].smallest_gap >= 1.0);
        // The same state, so the same values and derivatives.
        for (x, y) in two.result.rows[0].words.iter().zip(&three.result.rows[0].words) {
            assert!((x - y).abs() < 1e-13, "{x} {y}");
        }
        assert!(error(&three.rows[0].gradients, &two.rows[0].gradients) < 1e-12);
        // Both pairs keep their weights together whatever the angles are.
        let expected = case.differences(1e-3, settings(Some(2), readout));
        let error = error(&three.rows[0].gradients, &expected);
        assert!(error < 1e-10, "{readout:?}: {error:e}");
    }
}

#[test]
fn degenerate_kept_weights_do_no_harm() {
    // Bell pairs side by side: all weights of the cuts between them coincide, and none is dropped.
    let mut circuit = Circuit::new(6);
    for [a, b] in [[0, 3], [1, 4], [2, 5]] {
        circuit.gate("Hadamard", &[a], &[]).gate("CNOT", &[a, b], &[]);
    }
    rotated(&mut circuit, &mut Random(3));
    for wire in 0..5 {
        circuit.gate("IsingXX", &[wire, wire + 1], &[0.3]);
    }
    let case = Case::new(circuit, Read::mixed(6, 2, &mut Random(4)));
    let expected = case.differences(1e-3, settings(None, Readout::Local));
    for readout in READOUTS {
        let found = case.adjoint(settings(None, readout));
        assert!(error(&found.gradients, &expected) < 1e-10, "{readout:?}");
    }
}

fn message(result: bondline::Result<impl Sized>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

fn case() -> Case {
    let mut random = Random(1);
    Case::new(brick(6, 1, &mut random), Read::mixed(6, 2, &mut random))
}

fn refusal(case: &Case, outputs: Outputs) -> Error {
    let group = case.group(&case.own_row());
    let settings = settings(Some(4), Readout::Local);
    differentiate(group, outputs, settings, GradientMethod::Adjoint).unwrap_err()
}

#[test]
fn what_has_no_derivative_is_refused() {
    let changes: [fn(&mut Case); 7] = [
        |case| {
            case.circuit.gate("MidMeasureMP", &[0], &[]);
            let measure = Measure { reset: false, postselect: None, fill: false };
            case.circuit.arrays.measures.push(measure);
        },
        |case| case.read.requests.dense_state = true,
        |case| case.read.requests.tensors = true,
        |case| case.read.requests.spectra = vec![vec![0]],
        |case| case.read.requests.bitstrings = vec![0; 6],
        |case| case.read.requests.outcomes = vec![vec![]],
        |case| {
            let letters = vec![Pauli::Z];
            let sampling = Sampling { wires: vec![0], letters, shots: 5, stream: 0 };
            case.read.requests.samplings = vec![sampling];
            case.read.requests.seeds = vec![[1, 2]];
        },
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut case = case();
        change(&mut case);
        let error = refusal(&case, case.outputs());
        assert!(matches!(error, Error::Unsupported(_)), "{at}: {error}");
    }
}

#[test]
fn outputs_that_do_not_fit_are_refused() {
    let case = case();
    let changes: [fn(&mut Outputs); 11] = [
        |outputs| outputs.count = 3,
        |outputs| outputs.rows = 2,
        |outputs| outputs.words.truncate(2),
        |outputs| outputs.variances.push(0.0),
        |outputs| outputs.probabilities[0].truncate(4),
        |outputs| outputs.probabilities.clear(),
        |outputs| outputs.densities[0].truncate(16),
        |outputs| outputs.densities.push(Vec::new()),
        |outputs| outputs.differentiated.truncate(1),
        |outputs| outputs.words[1] = f64::NAN,
        |outputs| outputs.densities[0][3].im = f64::INFINITY,
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut outputs = case.outputs();
        change(&mut outputs);
        let error = refusal(&case, outputs);
        assert!(matches!(error, Error::InvalidInput { group: Some(0), .. }), "{at}: {error:?}");
    }
    let groups = vec![case.group(&case.own_row())];
    let settings = settings(None, Readout::Local);
    let (method, cache) = (GradientMethod::Adjoint, PlanCache::default());
    let found = message(GradientJob::prepare(groups, Vec::new(), settings, method, &cache));
    assert!(found.contains("expected outputs for each of 1 groups, got 0"), "{found}");
}

#[test]
fn no_outputs_or_no_parameters_are_an_empty_jacobian() {
    let mut case = case();
    let none = Outputs {
        count: 0,
        rows: 1,
        probabilities: vec![Vec::new()],
        densities: vec![Vec::new()],
        differentiated: case.differentiated(),
        ..Outputs::default()
    };
    for method in [GradientMethod::Adjoint, GradientMethod::TwoState] {
        let group = case.group(&case.own_row());
        let found = differentiate(group, none.clone(), settings(None, Readout::Local), method);
        assert!(found.unwrap().rows[0].gradients.is_empty());
    }
    case.circuit = Circuit::new(6);
    case.circuit.gate("Hadamard", &[0], &[]).gate("CNOT", &[0, 1], &[]);
    for method in [GradientMethod::Adjoint, GradientMethod::TwoState] {
        let found = case.differentiate(settings(None, Readout::Local), method);
        assert!(found.rows[0].gradients.is_empty());
        assert_eq!(found.rows[0].variance_coefficients.len(), 8);
        assert!(!found.rows[0].guarded);
    }
}
