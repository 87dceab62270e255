//! The numpy reference's results, read from the file that the Python tests read too.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

use bondline::linalg::Method;
use bondline::mps::{
    Evolution, Mps, Parallelism, Scratches, Step, StepGate, Word, dense_amplitudes, evolve,
    log_norm_squared, word_expectations,
};
use bondline::{C64, Cancel, Pauli, Readout};
use serde_json::Value;

const VECTORS: &str = include_str!("../../../tests/vectors/bform.json");
const TOLERANCE: f64 = 1e-10;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn complex(value: &Value) -> Vec<C64> {
    let pairs = value.as_array().unwrap().iter().map(numbers);
    pairs.map(|pair| C64::new(pair[0], pair[1])).collect()
}

fn integer(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn steps(case: &Value) -> Vec<Step> {
    let limit = case["max_bond_dim"].as_u64().map(|limit| limit as usize);
    let step = |step: &Value| {
        let matrix = complex(&step["matrix"]);
        let gate = match step["width"].as_u64() {
            Some(1) => StepGate::One(matrix.try_into().unwrap()),
            _ => StepGate::Two(matrix.try_into().unwrap(), 4),
        };
        Step { site: integer(&step["site"]), gate, limit }
    };
    case["steps"].as_array().unwrap().iter().map(step).collect()
}

fn assert_close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (x, y) in found.iter().zip(expected) {
        assert!((x - y).abs() < TOLERANCE, "{what}: {x} instead of {y}");
    }
}

#[test]
fn every_method_reproduces_the_reference() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= 10);
    for case in cases {
        for method in [Method::Auto, Method::Gram, Method::Svd] {
            reproduces(case, method);
        }
    }
}

fn reproduces(case: &Value, method: Method) {
    let name = format!("{} {method:?}", case["name"]);
    let n = integer(&case["n"]);
    let steps = steps(case);
    let evolution = Evolution {
        cutoff: case["cutoff"].as_f64().unwrap(),
        method,
        sweep_threshold: None,
        max_entries: usize::MAX,
    };
    let mut state = Mps::<C64>::zeros(n).unwrap();
    let levels: Vec<_> = (0..steps.len()).map(|step| step..step + 1).collect();
    let log = evolve(
        &mut state,
        &steps,
        &levels,
        &evolution,
        Parallelism::Sequential,
        &Scratches::default(),
        &Cancel::default(),
    )
    .unwrap();
    let expected = &case["expected"];
    let bonds: Vec<usize> = expected["bonds"].as_array().unwrap().iter().map(integer).collect();
    assert_eq!(state.bond_dims(), bonds, "{name}");
    for (bond, schmidt) in expected["schmidt"].as_array().unwrap().iter().enumerate() {
        assert_close(state.schmidt_values(bond + 1), &numbers(schmidt), &format!("{name} schmidt"));
    }
    assert_close(&log.discarded, &numbers(&expected["discarded"]), &format!("{name} discarded"));
    let norm = log_norm_squared(&state, &Cancel::default()).unwrap().exp();
    assert_close(&[norm], &[expected["norm"].as_f64().unwrap()], &format!("{name} norm"));
    let z: Vec<_> = (0..n).map(|i| Word::new(&[(i, Pauli::Z)])).collect();
    let zz: Vec<_> = (1..n).map(|i| Word::new(&[(i - 1, Pauli::Z), (i, Pauli::Z)])).collect();
    for (readout, label) in [(Readout::Local, "local"), (Readout::State, "state")] {
        for (words, suffix) in [(&z, "z"), (&zz, "zz")] {
            let key = format!("{label}_{suffix}");
            let values = word_expectations(
                &state,
                words,
                readout,
                Parallelism::Sequential,
                &Cancel::default(),
            )
            .unwrap();
            assert_close(&values, &numbers(&expected[&key]), &format!("{name} {key}"));
        }
    }
    if let Some(amplitudes) = expected["amplitudes"].as_array() {
        let order: Vec<usize> = (0..n).collect();
        let found = dense_amplitudes(&state, &order, &Cancel::default()).unwrap();
        let expected = complex(&Value::Array(amplitudes.clone()));
        for (x, y) in found.iter().zip(&expected) {
            // Ours are normalised, those of the file have the norm of the state.
            assert!((x * norm.sqrt() - y).norm() < TOLERANCE, "{name}: {x} {y}");
        }
    }
}
