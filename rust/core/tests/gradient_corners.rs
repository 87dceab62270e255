//! Where a truncated state has corners: zeros, multiples of π/2, GHZ-like states. There derivatives come
//! from second states, or from both sides of the corner; elsewhere that does not happen.
#![allow(clippy::unwrap_used)] // in a test a panic is the report

mod gradient_cases;
mod steps;

use std::f64::consts::{FRAC_PI_2, PI};

use bondline::{GradientMethod, Readout, Requests, Settings};
use gradient_cases::{
    Case, Circuit, READOUTS, Read, X, Y, brick, error, largest, many, random_weights, settings,
};
use steps::Random;

fn layer(circuit: &mut Circuit, name: &str, mut angle: impl FnMut() -> f64) {
    for wire in 0..circuit.arrays.n_wires as u32 {
        circuit.gate(name, &[wire], &[angle()]);
    }
}

/// Rotations and a ladder of CNOT, behind a GHZ state if asked.
fn efficient(n: u32, layers: usize, ghz: bool) -> Circuit {
    let mut circuit = Circuit::new(n as usize);
    if ghz {
        circuit.gate("Hadamard", &[0], &[]);
        for wire in 0..n - 1 {
            circuit.gate("CNOT", &[wire, wire + 1], &[]);
        }
    }
    for _ in 0..layers {
        ["RX", "RY", "RZ"].into_iter().for_each(|name| layer(&mut circuit, name, || 0.0));
        for wire in 0..n - 1 {
            circuit.gate("CNOT", &[wire, wire + 1], &[]);
        }
    }
    circuit
}

#[test]
fn derivatives_at_corners_are_right() {
    let mut random = Random(4);
    let n = 6;
    let circuits = [
        ("brick", brick(n, 3, &mut random)),
        ("efficient", efficient(n, 3, false)),
        ("ghz", efficient(n, 3, true)),
        ("many", many(n, &mut random)),
    ];
    for (name, circuit) in circuits {
        let quarter = circuit.with(|at| ((at * 7 + 3) % 11 % 4) as f64 * FRAC_PI_2);
        let half = circuit.with(|at| ((at * 5 + 1) % 7 % 2) as f64 * PI);
        let mixed = circuit.with(|at| if at % 3 == 0 { random.next() } else { 0.0 });
        let places = [
            ("zero", circuit.with(|_| 0.0)),
            ("quarter", quarter),
            ("half", half),
            ("mixed", mixed),
        ];
        for (place, circuit) in places {
            let mut random = Random(6);
            for read in
                [Read::chain(n as usize, &mut random), Read::mixed(n as usize, 2, &mut random)]
            {
                let case = Case::new(circuit.clone(), read);
                let expected = case.differences(1e-3, settings(None, Readout::Local));
                for readout in READOUTS {
                    let found = case.adjoint(settings(None, readout));
                    let limited = case.adjoint(settings(Some(32), readout));
                    let second = case.two_state(settings(None, readout));
                    for (which, found) in [("none", &found), ("32", &limited), ("second", &second)]
                    {
                        let error = error(&found.gradients, &expected);
                        assert!(error < 1e-10, "{name}, {place}, {readout:?}, {which}: {error:e}");
                    }
                    assert!(found.guarded || place == "mixed", "{name}, {place}");
                }
            }
        }
    }
}

/// RY and a ladder of CNOT at random angles: no corner, but weak directions.
fn chain_of_cnots(n: u32, layers: usize, random: &mut Random) -> Circuit {
    let mut circuit = Circuit::new(n as usize);
    for _ in 0..layers {
        layer(&mut circuit, "RY", || 4.0 * random.next());
        for wire in 0..n - 1 {
            circuit.gate("CNOT", &[wire, wire + 1], &[]);
        }
    }
    circuit
}

/// Couplings of neighbours and mixers, from |0…0⟩ and from |+…+⟩, at zeros or nearly so.
fn couplings(n: u32, layers: usize, plus: bool, angles: [f64; 2]) -> Circuit {
    let mut circuit = Circuit::new(n as usize);
    if plus {
        layer(&mut circuit, "RY", || FRAC_PI_2);
    }
    for _ in 0..layers {
        for name in ["IsingZZ", "IsingXX", "IsingYY"] {
            for wire in 0..n - 1 {
                circuit.gate(name, &[wire, wire + 1], &[angles[0]]);
            }
        }
        ["RX", "RY"].into_iter().for_each(|name| layer(&mut circuit, name, || angles[1]));
    }
    circuit
}

/// Several outputs that share their words.
fn several(n: usize, random: &mut Random) -> Read {
    let chain = Read::chain(n, random);
    let requests = Requests {
        words: chain.requests.words.into_iter().chain([vec![(1, X), (n - 2, Y)]]).collect(),
        ..Requests::default()
    };
    let outputs = random_weights(&requests, 3, 1, random);
    Read { requests, outputs }
}

#[test]
fn derivatives_where_nothing_is_cut_are_those_of_parameter_shifts() {
    let mut random = Random(41);
    let mut circuits = Vec::new();
    for layers in [3, 4, 5] {
        for _ in 0..3 {
            let circuit = chain_of_cnots(9, layers, &mut random);
            circuits.push((format!("CNOT {layers}"), circuit));
        }
        circuits.push((format!("zeros {layers}"), efficient(9, layers, false)));
    }
    for plus in [false, true] {
        for angles in [[0.0, 0.0], [0.0, 0.4], [1e-9, 0.3], [1e-6, 1e-7]] {
            let circuit = couplings(7, 2, plus, angles);
            circuits.push((format!("couplings {plus} {angles:?}"), circuit));
        }
    }
    for (name, circuit) in circuits {
        let n = circuit.arrays.n_wires;
        let case = Case::new(circuit, several(n, &mut random));
        let expected = case.shifts(settings(None, Readout::Local));
        for readout in READOUTS {
            let found = case.adjoint(settings(None, readout)).gradients;
            // Of words with weights below 1; at |+⟩ and zeros all derivatives vanish.
            let differences: Vec<f64> = found.iter().zip(&expected).map(|(x, y)| x - y).collect();
            let error = largest(&differences);
            assert!(error < 1e-12, "{name}, {readout:?}: {error:e}");
        }
    }
}

/// Random bricks on some wires; the others are coupled to them and to each other at zero.
fn corner_beside_truncation(busy: u32, idle: u32) -> Circuit {
    let mut random = Random(12);
    let mut circuit = Circuit::new((busy + idle) as usize);
    for _ in 0..4 {
        for wire in 0..busy {
            circuit.gate("RY", &[wire], &[3.0 * random.next()]);
            circuit.gate("RZ", &[wire], &[3.0 * random.next()]);
        }
        for wire in 0..busy - 1 {
            circuit.gate("IsingXX", &[wire, wire + 1], &[2.0 * random.next()]);
        }
    }
    for _ in 0..2 {
        for wire in busy..busy + idle {
            circuit.gate("RY", &[wire], &[random.next()]);
        }
        for wire in busy - 1..busy + idle - 1 {
            circuit.gate("IsingXX", &[wire, wire + 1], &[0.0]);
        }
    }
    layer(&mut circuit, "RX", || random.next());
    circuit
}

#[test]
fn a_corner_beside_truncated_bonds_is_passed_on_both_sides() {
    let circuit = corner_beside_truncation(6, 3);
    for limit in [2, 3, 4] {
        for readout in READOUTS {
            let case = Case::new(circuit.clone(), Read::mixed(9, 2, &mut Random(1))).every(3);
            let settings = settings(Some(limit), readout);
            let found = case.differentiate(settings.clone(), GradientMethod::Adjoint);
            let expected = case.differences(1e-4, settings);
            let error = error(&found.rows[0].gradients, &expected);
            assert!(found.rows[0].guarded);
            assert!(found.result.rows[0].report.discarded.iter().sum::<f64>() > 1e-5);
            assert!(error < 1e-9, "{limit}, {readout:?}: {error:e}");
        }
    }
}

/// Behind a corner that a later cut truncates, the truncated value has another slope in every direction,
/// and no gradient at all: more directions come to life than it has room for. What comes is as far from
/// the exact gradient as the truncation makes it.
#[test]
fn a_corner_that_is_truncated_later_gives_an_average() {
    let n = 8;
    let mut circuit = efficient(n, 2, true);
    let later = brick(n, 3, &mut Random(4));
    circuit.parameters.extend(&later.parameters);
    circuit.arrays.gates.extend(&later.arrays.gates);
    circuit.arrays.wires.extend(&later.arrays.wires);
    circuit.arrays.wire_counts.extend(&later.arrays.wire_counts);
    circuit.arrays.control_counts.extend(&later.arrays.control_counts);
    let case = Case::new(circuit, Read::mixed(n as usize, 2, &mut Random(1)));
    let exact = case.two_state(settings(None, Readout::Local)).gradients;
    for limit in [4, 6] {
        let found =
            case.differentiate(settings(Some(limit), Readout::Local), GradientMethod::Adjoint);
        let lost: f64 = found.result.rows[0].report.discarded.iter().sum();
        let error = error(&found.rows[0].gradients, &exact);

        assert!(found.rows[0].guarded && lost > 1e-6);
        assert!(error < 10.0 * lost.sqrt(), "{limit}: {error:e} {lost:e}");
    }
}

fn trotter(n: u32, layers: usize, scale: f64, random: &mut Random) -> Circuit {
    let mut circuit = Circuit::new(n as usize);
    for wire in 0..n {
        circuit.gate("Hadamard", &[wire], &[]);
    }
    for _ in 0..layers {
        for wire in 0..n - 1 {
            circuit.gate("IsingZZ", &[wire, wire + 1], &[scale * (1.0 + 0.1 * random.next())]);
        }
        layer(&mut circuit, "RX", || 2.0 * scale * (1.0 + 0.1 * random.next()));
    }
    circuit
}

/// Couplings of a ring, each angle of a layer the same.
fn qaoa(n: u32, layers: usize, angles: [f64; 2]) -> Circuit {
    let mut circuit = Circuit::new(n as usize);
    for wire in 0..n {
        circuit.gate("Hadamard", &[wire], &[]);
    }
    for step in 0..layers {
        let growing = 1.0 + 0.1 * step as f64;
        for wire in 0..n {
            circuit.gate("IsingZZ", &[wire, (wire + 1) % n], &[angles[0] * growing]);
        }
        layer(&mut circuit, "RX", || angles[1]);
    }
    circuit
}

/// Small angles behind random rotations.
fn weak(n: u32, name: &str, scale: f64, random: &mut Random) -> Circuit {
    let mut circuit = Circuit::new(n as usize);
    ["RY", "RZ"].into_iter().for_each(|name| layer(&mut circuit, name, || 3.0 * random.next()));
    for _ in 0..4 {
        for wire in 0..n - 1 {
            circuit.gate(name, &[wire, wire + 1], &[scale * random.next()]);
        }
        layer(&mut circuit, "RX", || random.next());
    }
    circuit
}

#[test]
fn ordinary_circuits_are_not_taken_for_corners() {
    let mut random = Random(30);
    let mut circuits = vec![("random".to_owned(), brick(8, 4, &mut random))];
    for entangler in ["CNOT", "CZ", "ISWAP"] {
        let mut circuit = Circuit::new(8);
        for _ in 0..3 {
            layer(&mut circuit, "RY", || 3.0 * random.next());
            for first in (0..2).flat_map(|start| (start..7).step_by(2)) {
                circuit.gate(entangler, &[first, first + 1], &[]);
            }
        }
        circuits.push((entangler.to_owned(), circuit));
    }
    for scale in [0.3, 0.1] {
        for layers in [2, 5, 10] {
            circuits.push((
                format!("Trotter {scale} {layers}"),
                trotter(8, layers, scale, &mut random),
            ));
        }
    }
    for scale in [0.03, 0.01] {
        circuits.push((format!("Trotter {scale} 2"), trotter(8, 2, scale, &mut random)));
    }
    for angles in [[0.7, 0.4], [0.05, 0.6], [0.4, 0.05]] {
        for layers in [1, 2, 4] {
            circuits.push((format!("QAOA {angles:?} {layers}"), qaoa(8, layers, angles)));
        }
    }
    for name in ["CRY", "IsingXY", "IsingZZ"] {
        for scale in [0.3, 0.1] {
            circuits.push((format!("weak {name} {scale}"), weak(8, name, scale, &mut random)));
        }
    }
    for (name, circuit) in circuits {
        let case = Case::new(circuit, Read::chain(8, &mut random));
        // What is dropped matters by the root of its weight, a direction kept by ε over it.
        let settings = Settings { cutoff: 1e-16, ..settings(None, Readout::Local) };
        let found = case.adjoint(settings.clone());
        assert!(!found.guarded, "{name}");
        let error = error(&found.gradients, &case.differences(1e-3, settings));
        assert!(error < 3e-7, "{name}: {error:e}");
    }
}
