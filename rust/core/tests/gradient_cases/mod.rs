//! Circuits to differentiate, and derivatives of their values by finite differences.
#![allow(dead_code, missing_docs)] // each test file uses a part
#![allow(clippy::unwrap_used)] // in a test a panic is the report

use std::f64::consts::FRAC_PI_2;
use std::sync::Arc;

use bondline::circuit::{ADJOINT_BIT, CircuitArrays, GATES, Structure};
use bondline::mps::SiteTensor;
use bondline::{
    C64, Cancel, Derivatives, GradientJob, GradientMethod, Group, GroupGradient, Job, LoadedState,
    LocalOperator, Method, Ordering, Outputs, Pauli, PlanCache, Precision, Readout, Requests,
    Result, Settings,
};

use crate::steps::Random;

pub const READOUTS: [Readout; 2] = [Readout::Local, Readout::State];

pub const X: LocalOperator = LocalOperator::Pauli(Pauli::X);
pub const Y: LocalOperator = LocalOperator::Pauli(Pauli::Y);
pub const Z: LocalOperator = LocalOperator::Pauli(Pauli::Z);

/// Gates with their numbers.
#[derive(Clone)]
pub struct Circuit {
    pub arrays: CircuitArrays,
    pub parameters: Vec<f64>,
    pub matrices: Vec<C64>,
    pub loaded: LoadedState,
}

impl Circuit {
    pub fn new(n_wires: usize) -> Self {
        Self {
            arrays: CircuitArrays { n_wires, ..CircuitArrays::default() },
            parameters: Vec::new(),
            matrices: Vec::new(),
            loaded: LoadedState::None,
        }
    }

    pub fn gate(&mut self, name: &str, wires: &[u32], parameters: &[f64]) -> &mut Self {
        self.controlled(name, &[], wires, parameters)
    }

    /// With controls and the value that each must have.
    pub fn controlled(
        &mut self,
        name: &str,
        controls: &[(u32, u8)],
        wires: &[u32],
        parameters: &[f64],
    ) -> &mut Self {
        let id = GATES.iter().position(|gate| gate.name == name).unwrap();
        let arrays = &mut self.arrays;
        arrays.gates.push(id as u16);
        arrays.wire_counts.push((controls.len() + wires.len()) as u32);
        arrays.wires.extend(controls.iter().map(|(wire, _)| wire));
        arrays.wires.extend(wires);
        arrays.control_counts.push(controls.len() as u32);
        arrays.control_values.extend(controls.iter().map(|(_, value)| value));
        self.parameters.extend(parameters);
        self
    }

    /// Makes the last gate its adjoint.
    pub fn adjoint(&mut self) -> &mut Self {
        *self.arrays.gates.last_mut().unwrap() |= ADJOINT_BIT;
        self
    }

    /// Letters: 0 I, 1 X, 2 Y, 3 Z.
    pub fn pauli_rot(&mut self, wires: &[u32], letters: &[u8], angle: f64) -> &mut Self {
        self.arrays.letters.extend(letters);
        self.gate("PauliRot", wires, &[angle])
    }

    pub fn unitary(&mut self, wires: &[u32], random: &mut Random) -> &mut Self {
        match wires.len() {
            1 => self.matrices.extend(random.unitary::<4>(2)),
            2 => self.matrices.extend(random.unitary::<16>(4)),
            _ => self.matrices.extend(random.unitary::<64>(8)),
        }
        let name = ["QubitUnitary1", "QubitUnitary2", "QubitUnitary"][wires.len() - 1];
        self.gate(name, wires, &[])
    }

    pub fn load_vector(&mut self, wires: &[u32], random: &mut Random) -> &mut Self {
        let mut vector: Vec<C64> =
            (0..1 << wires.len()).map(|_| C64::new(random.next(), random.next())).collect();
        let norm = vector.iter().map(C64::norm_sqr).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
        self.arrays.loaded.wires = wires.to_vec();
        self.loaded = LoadedState::Vectors(vector);
        self
    }

    pub fn load_tensors(&mut self, wires: &[u32], tensors: &[SiteTensor<C64>]) -> &mut Self {
        self.arrays.loaded.wires = wires.to_vec();
        self.arrays.loaded.ordered = true;
        self.loaded = LoadedState::Tensors(tensors.to_vec());
        self
    }

    /// `set` in the place of every parameter.
    pub fn with(&self, set: impl FnMut(usize) -> f64) -> Self {
        let parameters = (0..self.parameters.len()).map(set).collect();
        Self { parameters, ..self.clone() }
    }
}

/// RY and RZ on every wire, then `IsingXX`, `IsingYY` or `IsingZZ` on all pairs of neighbours.
pub fn brick(n: u32, layers: usize, random: &mut Random) -> Circuit {
    let mut circuit = Circuit::new(n as usize);
    for layer in 0..layers {
        for wire in 0..n {
            circuit.gate("RY", &[wire], &[3.0 * random.next()]);
            circuit.gate("RZ", &[wire], &[3.0 * random.next()]);
        }
        let name = ["IsingXX", "IsingYY", "IsingZZ"][layer % 3];
        for first in (0..2).flat_map(|start| (start..n - 1).step_by(2)) {
            circuit.gate(name, &[first, first + 1], &[2.0 * random.next()]);
        }
    }
    circuit
}

/// RY on every wire, then CNOT, CZ and Givens rotations: nothing has an imaginary part.
pub fn real(n: u32, layers: usize, random: &mut Random) -> Circuit {
    let mut circuit = Circuit::new(n as usize);
    for layer in 0..layers {
        for wire in 0..n {
            circuit.gate("RY", &[wire], &[3.0 * random.next()]);
        }
        for first in 0..n - 1 {
            let wires = [first, first + 1];
            match (layer + first as usize) % 3 {
                0 => circuit.gate("SingleExcitation", &wires, &[3.0 * random.next()]),
                1 => circuit.gate("CZ", &wires, &[]),
                _ => circuit.gate("CNOT", &wires, &[]),
            };
        }
    }
    circuit
}

fn rotate_all(circuit: &mut Circuit, random: &mut Random) {
    for wire in 0..circuit.arrays.n_wires as u32 {
        let angles = [(); 3].map(|()| 3.0 * random.next());
        circuit.gate("U3", &[wire], &angles);
    }
}

/// Two-wire gates of every kind, far ones among them, on at least 6 wires.
pub fn far(n: u32, random: &mut Random) -> Circuit {
    let mut circuit = Circuit::new(n as usize);
    let names = [
        "CRX",
        "CRY",
        "CRZ",
        "ControlledPhaseShift",
        "IsingXY",
        "SingleExcitation",
        "FermionicSWAP",
        "PSWAP",
        "CPhaseShift01",
        "SingleExcitationMinus",
    ];
    for (at, name) in names.into_iter().enumerate() {
        if at % 2 == 0 {
            rotate_all(&mut circuit, random);
        }
        let (a, b) = (at as u32 * 3 % n, (at as u32 * 5 + 2) % n);
        let b = if a == b { (b + 1) % n } else { b };
        circuit.gate(name, &[a, b], &[3.0 * random.next()]);
        let c = (at as u32 * 2 + 1) % (n - 1);
        circuit.gate("CNOT", &[c, c + 1], &[]);
        if at % 3 == 1 {
            circuit.gate("SWAP", &[0, n - 2], &[]);
            circuit.gate("CRot", &[n - 1, 1], &[(); 3].map(|()| 3.0 * random.next())).adjoint();
        }
    }
    rotate_all(&mut circuit, random);
    circuit
}

/// Gates on many wires between layers of rotations, on at least 6 wires.
pub fn many(n: u32, random: &mut Random) -> Circuit {
    let mut circuit = Circuit::new(n as usize);
    let wires: Vec<u32> = (0..n).collect();
    let letters: Vec<u8> = (0..n as u8).map(|wire| wire * 3 % 4).collect();
    let last = n - 1;
    let mut angles = || [(); 3].map(|()| 2.0 * random.next());
    let drawn: Vec<[f64; 3]> = (0..8).map(|_| angles()).collect();
    let mut random = Random(n.into());
    let mut layer = |circuit: &mut Circuit| {
        for wire in 0..n {
            circuit.gate("RY", &[wire], &[2.0 * random.next()]);
        }
    };
    layer(&mut circuit);
    circuit.gate("MultiRZ", &wires, &drawn[0][..1]);
    circuit.pauli_rot(&wires, &letters, drawn[0][1]);
    layer(&mut circuit);
    circuit.gate("DoubleExcitation", &[0, 1, 3, last], &drawn[1][..1]);
    circuit.controlled("Rot", &[(0, 0), (4, 1)], &[2], &drawn[2]);
    layer(&mut circuit);
    circuit.gate("OrbitalRotation", &[last, 1, 3, 2], &drawn[3][..1]).adjoint();
    circuit.controlled("GlobalPhase", &[(1, 1), (2, 1), (4, 1)], &[], &drawn[3][1..2]);
    layer(&mut circuit);
    circuit.controlled("SingleExcitation", &[(0, 1)], &[2, last], &drawn[4][..1]);
    circuit.controlled("MultiRZ", &[(3, 0)], &[0, 1, last], &drawn[4][1..2]);
    circuit.controlled("PauliX", &[(0, 1), (1, 1), (2, 1)], &[last], &[]);
    layer(&mut circuit);
    circuit.gate("DoubleExcitationMinus", &[2, 1, last, 0], &drawn[5][..1]);
    circuit.pauli_rot(&[4, 0, 2], &[1, 2, 3], drawn[6][0]).adjoint();
    circuit.gate("GlobalPhase", &[], &drawn[7][..1]);
    layer(&mut circuit);
    circuit
}

/// Matrices given entry by entry among other gates.
pub fn with_matrices(circuit: &mut Circuit, random: &mut Random) {
    let n = circuit.arrays.n_wires as u32;
    circuit.unitary(&[1], random);
    circuit.unitary(&[n - 1, 2], random);
    for wire in 0..n {
        circuit.gate("PhaseShift", &[wire], &[3.0 * random.next()]);
        circuit.gate("RX", &[wire], &[3.0 * random.next()]);
    }
    circuit.unitary(&[0, 3, 2], random);
    for wire in 0..n - 1 {
        circuit.gate("CRY", &[wire, wire + 1], &[3.0 * random.next()]);
        circuit.gate("U2", &[wire], &[3.0 * random.next(), 2.0 * random.next()]);
    }
}

/// What is read and what is made of it.
#[derive(Clone)]
pub struct Read {
    pub requests: Requests,
    pub outputs: Outputs,
}

impl Read {
    /// Words alone, with weights of one output.
    pub fn words(words: &[(f64, Vec<(usize, LocalOperator)>)]) -> Self {
        let requests = Requests {
            words: words.iter().map(|(_, word)| word.clone()).collect(),
            ..Requests::default()
        };
        let weights = words.iter().map(|(weight, _)| *weight).collect();
        let outputs = Outputs { count: 1, rows: 1, words: weights, ..Outputs::default() };
        Self { requests, outputs }
    }

    /// `count` outputs that mix words, projectors, a variance, a distribution and a density matrix, on
    /// at least 6 wires.
    pub fn mixed(n: usize, count: usize, random: &mut Random) -> Self {
        let requests = Requests {
            words: vec![
                vec![(0, Z), (2, X)],
                vec![(3, Y)],
                vec![(n - 2, Z), (n - 1, Z)],
                vec![(1, LocalOperator::ProjectZero), (4, LocalOperator::ProjectOne)],
                vec![(1, X)],
                vec![(0, X), (1, Y), (3, Z), (n - 1, X)],
            ],
            variances: std::iter::once(0..4).collect(),
            variance_terms: vec![0, 1, 2, 4],
            variance_coefficients: vec![0.7, -0.4, 1.1, 0.5],
            probabilities: vec![vec![3, 1]],
            densities: vec![vec![4, 2]],
            ..Requests::default()
        };
        let outputs = random_weights(&requests, count, 1, random);
        Self { requests, outputs }
    }

    /// Fields and couplings of neighbours.
    pub fn chain(n: usize, random: &mut Random) -> Self {
        let fields = (0..n).map(|wire| vec![(wire, X)]);
        let pairs = (0..n - 1).map(|wire| vec![(wire, Z), (wire + 1, Z)]);
        let words: Vec<_> = fields.chain(pairs).map(|word| (random.next(), word)).collect();
        Self::words(&words)
    }
}

pub fn random_weights(
    requests: &Requests,
    count: usize,
    rows: usize,
    random: &mut Random,
) -> Outputs {
    let mut numbers =
        |width: usize| -> Vec<f64> { (0..rows * count * width).map(|_| random.next()).collect() };
    let (words, variances) = (numbers(requests.words.len()), numbers(requests.variances.len()));
    let probabilities = requests.probabilities.iter().map(|wires| numbers(1 << wires.len()));
    let probabilities = probabilities.collect();
    let densities = requests.densities.iter().map(|wires| {
        let side = 1 << wires.len();
        let mut one = || -> Vec<C64> {
            let drawn: Vec<f64> = (0..2 * side * side).map(|_| random.next()).collect();
            let m = |row: usize, column: usize| {
                C64::new(drawn[row * side + column], drawn[side * side + row * side + column])
            };
            let places = (0..side * side).map(|at| (at / side, at % side));
            places.map(|(row, column)| m(row, column) + m(column, row).conj()).collect()
        };
        (0..rows * count).flat_map(|_| one()).collect()
    });
    let densities = densities.collect();
    Outputs { count, rows, words, variances, probabilities, densities, differentiated: Vec::new() }
}

pub fn settings(max_bond_dim: Option<usize>, readout: Readout) -> Settings {
    Settings {
        max_bond_dim,
        cutoff: 1e-18,
        precision: Precision::Double,
        readout,
        sweeps: false,
        ordering: Ordering::Given,
        method: Method::Auto,
        threads: Some(1),
        memory_limit: 1 << 30,
    }
}

/// A circuit and what is differentiated.
#[derive(Clone)]
pub struct Case {
    pub circuit: Circuit,
    pub read: Read,
    /// By every so many-th parameter.
    pub every: usize,
}

impl Case {
    pub fn new(circuit: Circuit, read: Read) -> Self {
        Self { circuit, read, every: 1 }
    }

    pub fn every(self, every: usize) -> Self {
        Self { every, ..self }
    }

    pub fn differentiated(&self) -> Vec<bool> {
        (0..self.circuit.parameters.len()).map(|at| at % self.every == 0).collect()
    }

    pub fn outputs(&self) -> Outputs {
        Outputs { differentiated: self.differentiated(), ..self.read.outputs.clone() }
    }

    /// One circuit for each row of parameters.
    pub fn group(&self, rows: &[Vec<f64>]) -> Group {
        let circuit = &self.circuit;
        Group {
            structure: Arc::new(Structure::new(circuit.arrays.clone()).unwrap()),
            rows: rows.len(),
            parameters: rows.concat(),
            matrices: circuit.matrices.clone(),
            loaded: circuit.loaded.clone(),
            requests: self.read.requests.clone(),
        }
    }

    pub fn own_row(&self) -> Vec<Vec<f64>> {
        vec![self.circuit.parameters.clone()]
    }

    pub fn differentiate(&self, settings: Settings, method: GradientMethod) -> GroupGradient {
        differentiate(self.group(&self.own_row()), self.outputs(), settings, method).unwrap()
    }

    pub fn adjoint(&self, settings: Settings) -> Derivatives {
        self.differentiate(settings, GradientMethod::Adjoint).rows.remove(0)
    }

    pub fn two_state(&self, settings: Settings) -> Derivatives {
        self.differentiate(settings, GradientMethod::TwoState).rows.remove(0)
    }

    /// The outputs of circuits with other parameters, rows × outputs, from their values.
    pub fn values(&self, rows: &[Vec<f64>], settings: Settings) -> Vec<Vec<f64>> {
        let job = Job::prepare(vec![self.group(rows)], settings, &PlanCache::default()).unwrap();
        let results = job.execute(&Cancel::default()).unwrap().remove(0).rows;
        let outputs = &self.read.outputs;
        let value = |row: usize, output: usize| {
            let result = &results[row];
            let at = if outputs.rows == 1 { output } else { row * outputs.count + output };
            let of = outputs.rows * outputs.count;
            let mut sum = dot(share(&outputs.words, at, of), &result.words);
            sum += dot(share(&outputs.variances, at, of), &result.variances);
            for (weights, p) in outputs.probabilities.iter().zip(&result.probabilities) {
                sum += dot(share(weights, at, of), p);
            }
            for (weights, rho) in outputs.densities.iter().zip(&result.densities) {
                let side = rho.len().isqrt();
                let weights = share(weights, at, of);
                let trace: C64 =
                    (0..rho.len()).map(|at| weights[at] * rho[at % side * side + at / side]).sum();
                sum += trace.re;
            }
            sum
        };
        (0..rows.len()).map(|row| (0..outputs.count).map(|k| value(row, k)).collect()).collect()
    }

    /// Parameter shifts by π/2: what rotations without controls have, for outputs that are linear in words.
    pub fn shifts(&self, settings: Settings) -> Vec<f64> {
        let settings = Settings { cutoff: 0.0, ..settings };
        let own = &self.circuit.parameters;
        let moved = |at: usize, by: f64| {
            let mut row = own.clone();
            row[at] += by;
            row
        };
        let rows: Vec<Vec<f64>> =
            (0..own.len()).flat_map(|at| [FRAC_PI_2, -FRAC_PI_2].map(|by| moved(at, by))).collect();
        let values = self.values(&rows, settings);
        let by = |output: usize| {
            values.chunks_exact(2).map(move |pair| (pair[0][output] - pair[1][output]) / 2.0)
        };
        (0..self.read.outputs.count).flat_map(by).collect()
    }

    /// Central differences of fourth order with `step`, outputs × parameters; 0 where not asked for.
    pub fn differences(&self, step: f64, settings: Settings) -> Vec<f64> {
        // Below the weights that a gradient leaves out: no value may jump between two neighbours.
        let settings = Settings { cutoff: 0.0, ..settings };
        let own = &self.circuit.parameters;
        let wanted: Vec<usize> = (0..own.len()).step_by(self.every).collect();
        let moved = |(at, by): (usize, f64)| {
            let mut row = own.clone();
            row[at] += by * step;
            row
        };
        let places = wanted.iter().flat_map(|&at| [1.0, -1.0, 2.0, -2.0].map(|by| (at, by)));
        let rows: Vec<Vec<f64>> = places.map(moved).collect();
        let values = self.values(&rows, settings);
        let mut found = vec![0.0; self.read.outputs.count * own.len()];
        for (&at, values) in wanted.iter().zip(values.chunks_exact(4)) {
            for output in 0..self.read.outputs.count {
                let [near, before, far, far_before] = [0, 1, 2, 3].map(|i| values[i][output]);
                found[output * own.len() + at] =
                    (8.0 * (near - before) - (far - far_before)) / (12.0 * step);
            }
        }
        found
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn share<T>(list: &[T], at: usize, of: usize) -> &[T] {
    let width = list.len() / of;
    &list[at * width..(at + 1) * width]
}

pub fn differentiate(
    group: Group,
    outputs: Outputs,
    settings: Settings,
    method: GradientMethod,
) -> Result<GroupGradient> {
    let cache = PlanCache::default();
    let job = GradientJob::prepare(vec![group], vec![outputs], settings, method, &cache)?;
    Ok(job.execute(&Cancel::default())?.remove(0))
}

pub fn largest(list: &[f64]) -> f64 {
    list.iter().fold(0.0_f64, |most, x| most.max(x.abs()))
}

/// Largest difference over the largest of `expected`.
pub fn error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let differences: Vec<f64> = found.iter().zip(expected).map(|(x, y)| x - y).collect();
    assert!(differences.iter().all(|x| x.is_finite()));
    largest(&differences) / largest(expected)
}
