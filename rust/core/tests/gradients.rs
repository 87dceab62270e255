//! Derivatives against finite differences of the values, truncated or not, and against second states.
#![allow(clippy::unwrap_used)] // in a test a panic is the report

mod gradient_cases;
mod states;
mod steps;

use bondline::{GradientMethod, Job, PlanCache, Readout, Requests};
use gradient_cases::{Case, Circuit, READOUTS, Read, X, Y, Z, brick, error, far, many, real};
use gradient_cases::{random_weights, settings, with_matrices};
use states::random_state;
use steps::Random;

/// Gates of every kind, and beginnings of every kind.
fn circuits(n: u32) -> Vec<(&'static str, Circuit)> {
    let mut random = Random(7);
    let mut loaded = Circuit::new(n as usize);
    loaded.load_vector(&[2, 5, 3, 0], &mut random);
    with_matrices(&mut loaded, &mut random);
    let mut tensors = Circuit::new(n as usize);
    let state = random_state(&[2, 4, 3], 4).unwrap();
    tensors.load_tensors(&[1, 2, 3, 4], state.tensors());
    with_matrices(&mut tensors, &mut random);
    vec![
        ("brick", brick(n, 4, &mut random)),
        ("far", far(n, &mut random)),
        ("many", many(n, &mut random)),
        ("real", real(n, 4, &mut random)),
        ("loaded", loaded),
        ("tensors", tensors),
    ]
}

#[test]
fn truncated_derivatives_are_those_of_the_truncated_values() {
    for (name, circuit) in circuits(8) {
        let case = Case::new(circuit, Read::mixed(8, 2, &mut Random(3))).every(5);
        for limit in [2, 3, 4, 6, 8, 16] {
            for readout in READOUTS {
                let settings = settings(Some(limit), readout);
                // A gap of 0.03 asks for steps this small.
                let expected = case.differences(1e-4, settings.clone());
                let found = case.adjoint(settings);
                let error = error(&found.gradients, &expected);
                assert!(error < 5e-9, "{name}, {limit}, {readout:?}: {error:e}");
            }
        }
    }
}

#[test]
fn full_bonds_of_sixteen_are_differentiated() {
    let mut random = Random(21);
    let case = Case::new(brick(10, 5, &mut random), Read::mixed(10, 2, &mut random)).every(17);
    for readout in READOUTS {
        let settings = settings(Some(16), readout);
        // The values keep directions of weights below 1e-18, the gradients do not.
        let expected = case.differences(1e-4, settings.clone());
        let found = case.differentiate(settings, GradientMethod::Adjoint);
        assert!(found.result.rows[0].report.saturated[4]);
        assert!(!found.rows[0].guarded);
        let error = error(&found.rows[0].gradients, &expected);
        assert!(error < 3e-8, "{readout:?}: {error:e}");
    }
}

#[test]
fn untruncated_derivatives_are_those_of_the_values_and_of_second_states() {
    for (name, circuit) in circuits(7) {
        let case = Case::new(circuit, Read::mixed(7, 3, &mut Random(5)));
        let expected = case.differences(1e-3, settings(None, Readout::Local));
        for readout in READOUTS {
            let found = case.adjoint(settings(None, readout));
            let second = case.two_state(settings(None, readout));
            let by_values = error(&second.gradients, &expected);
            assert!(by_values < 1e-10, "{name}, {readout:?}: {by_values:e}");
            let by_second = error(&found.gradients, &second.gradients);
            assert!(by_second < 1e-11, "{name}, {readout:?}: {by_second:e}");
        }
    }
}

#[test]
fn real_circuits_have_the_derivatives_that_complex_numbers_give() {
    let n = 9;
    // The phase of every wire, which no value sees, makes all numbers complex.
    let mut turned = Circuit::new(n);
    (0..n as u32).for_each(|wire| {
        turned.gate("RZ", &[wire], &[0.9]);
    });
    let circuit = real(n as u32, 5, &mut Random(4));
    let mut arrays = turned.arrays;
    arrays.gates.extend(&circuit.arrays.gates);
    arrays.wire_counts.extend(&circuit.arrays.wire_counts);
    arrays.wires.extend(&circuit.arrays.wires);
    arrays.control_counts.extend(&circuit.arrays.control_counts);
    let parameters = [turned.parameters, circuit.parameters.clone()].concat();
    let turned = Circuit { arrays, parameters, ..Circuit::new(n) };
    // With outputs whose cotangents are complex and real ones.
    for read in [Read::chain(n, &mut Random(6)), Read::mixed(n, 3, &mut Random(6))] {
        let outputs = read.outputs.count;
        for limit in [None, Some(5), Some(12)] {
            for readout in READOUTS {
                let own = Case::new(circuit.clone(), read.clone());
                let found = own.adjoint(settings(limit, readout)).gradients;
                let expected = Case::new(turned.clone(), read.clone());
                let expected = expected.adjoint(settings(limit, readout)).gradients;
                let width = expected.len() / outputs;
                let expected: Vec<f64> =
                    expected.chunks(width).flat_map(|row| row[n..].to_vec()).collect();
                let error = error(&found, &expected);
                assert!(error < 1e-12, "{limit:?}, {readout:?}: {error:e}");
            }
        }
    }
}

#[test]
fn the_values_are_those_of_a_job_that_is_never_swept() {
    for (name, circuit) in circuits(8) {
        let case = Case::new(circuit, Read::mixed(8, 1, &mut Random(3)));
        for readout in READOUTS {
            let settings = settings(Some(3), readout);
            let found = case.differentiate(settings.clone(), GradientMethod::Adjoint).result;
            let groups = vec![case.group(&case.own_row())];
            let job = Job::prepare(groups, settings, &PlanCache::default()).unwrap();
            let expected = job.execute(&bondline::Cancel::default()).unwrap().remove(0);
            let (found, expected) = (&found.rows[0], &expected.rows[0]);
            for (x, y) in found.words.iter().zip(&expected.words) {
                assert!((x - y).abs() < 1e-12, "{name}, {readout:?}: {x} {y}");
            }
            let (x, y) = (found.variances[0], expected.variances[0]);
            assert!((x - y).abs() < 1e-12, "{name}, {readout:?}: {x} {y}");
            assert_eq!(found.report.bonds, expected.report.bonds);
            let norms = found.report.log_norm - expected.report.log_norm;
            assert!(norms.abs() < 1e-12, "{name}, {readout:?}: {norms:e}");
        }
    }
}

#[test]
fn parameters_that_are_not_asked_for_get_zero_and_change_nothing() {
    let mut random = Random(2);
    let case = Case::new(brick(6, 2, &mut random), Read::mixed(6, 1, &mut random));
    let settings = settings(Some(3), Readout::Local);
    let all = case.adjoint(settings.clone()).gradients;
    let some = case.every(3).adjoint(settings).gradients;
    for (at, (all, some)) in all.iter().zip(some).enumerate() {
        let expected = if at % 3 == 0 { *all } else { 0.0 };
        assert_eq!(expected.to_bits(), some.to_bits(), "{at}");
    }
}

#[test]
fn one_site_has_a_derivative() {
    let mut circuit = Circuit::new(1);
    circuit.gate("RY", &[0], &[0.3]).gate("GlobalPhase", &[], &[0.4]).gate("RX", &[0], &[0.5]);
    let case = Case::new(circuit, Read::words(&[(2.0, vec![(0, Z)])]));
    // 2 cos(a) cos(b)
    let expected =
        [-2.0 * 0.3_f64.sin() * 0.5_f64.cos(), 0.0, -2.0 * 0.3_f64.cos() * 0.5_f64.sin()];
    for readout in READOUTS {
        for found in
            [case.adjoint(settings(None, readout)), case.two_state(settings(None, readout))]
        {
            assert!(error(&found.gradients, &expected) < 1e-14, "{:?}", found.gradients);
        }
    }
}

#[test]
fn variances_have_derivatives_by_their_coefficients() {
    let mut random = Random(8);
    let words = vec![
        vec![(0, Z), (1, Z)],
        vec![(2, X)],
        vec![],
        vec![(1, Y), (3, X)],
        vec![(4, Z), (5, Z)],
        vec![(1, Y)],
    ];
    let requests = Requests {
        words,
        variances: vec![0..5, 5..7, 7..8],
        variance_terms: vec![0, 1, 2, 3, 1, 4, 5, 2],
        variance_coefficients: vec![0.7, -0.4, 1.1, 0.5, 0.2, -0.9, 1.3, 0.6],
        ..Requests::default()
    };
    let outputs = random_weights(&requests, 2, 1, &mut random);
    let circuit = brick(6, 3, &mut random);
    let value = |coefficients: Vec<f64>, readout| {
        let mut outputs = outputs.clone();
        outputs.words.fill(0.0);
        let requests = Requests { variance_coefficients: coefficients, ..requests.clone() };
        let case = Case::new(circuit.clone(), Read { requests, outputs });
        case.values(&case.own_row(), settings(Some(4), readout)).remove(0)
    };
    for readout in READOUTS {
        let read = Read { requests: requests.clone(), outputs: outputs.clone() };
        let found = Case::new(circuit.clone(), read).adjoint(settings(Some(4), readout));
        let step = 1e-2;
        for term in 0..8 {
            // Of second degree: the difference is exact.
            let moved = |by: f64| {
                let mut coefficients = requests.variance_coefficients.clone();
                coefficients[term] += by * step;
                value(coefficients, readout)
            };
            let (after, before) = (moved(1.0), moved(-1.0));
            for output in 0..2 {
                let expected = (after[output] - before[output]) / (2.0 * step);
                let found = found.variance_coefficients[output * 8 + term];
                assert!((found - expected).abs() < 1e-11, "{readout:?} {term}: {found} {expected}");
            }
        }
    }
}
