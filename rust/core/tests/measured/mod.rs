//! Circuits with mid-circuit measurements, and what they do to dense vectors, history by history.
#![allow(dead_code, missing_docs)] // each test file uses a part
#![allow(clippy::unwrap_used)] // in a test a panic is the report

use std::sync::Arc;

use bondline::circuit::{CircuitArrays, Condition, GATES, Measure, Structure};
use bondline::{
    C64, Cancel, CircuitResult, Group, Job, LoadedState, LocalOperator, Method, Ordering,
    PlanCache, Precision, Readout, Requests, Result, Settings,
};

use crate::steps::{Random, apply, inner};

/// An operation and the number of its condition.
struct Operation {
    what: What,
    condition: Option<usize>,
}

enum What {
    Matrix { wires: Vec<usize>, entries: Vec<C64> },
    Measure { wire: usize, measure: Measure },
}

/// A circuit, as arrays for the engine and as matrices for the oracle.
pub struct Circuit {
    pub arrays: CircuitArrays,
    parameters: Vec<f64>,
    matrices: Vec<C64>,
    operations: Vec<Operation>,
}

/// One history of outcomes.
pub struct Branch {
    pub outcomes: Vec<bool>,
    /// Probability of all its outcomes, postselected ones included.
    pub weight: f64,
    /// The state after it, normalised.
    pub vector: Vec<C64>,
}

impl Circuit {
    pub fn new(n_wires: usize) -> Self {
        let arrays = CircuitArrays { n_wires, ..CircuitArrays::default() };
        Self { arrays, parameters: Vec::new(), matrices: Vec::new(), operations: Vec::new() }
    }

    fn add(&mut self, name: &str, controls: usize, wires: &[usize], what: What) -> &mut Self {
        let id = GATES.iter().position(|gate| gate.name == name).unwrap();
        let arrays = &mut self.arrays;
        arrays.gates.push(id as u16);
        arrays.wire_counts.push(wires.len() as u32);
        arrays.wires.extend(wires.iter().map(|&wire| wire as u32));
        arrays.control_counts.push(controls as u32);
        arrays.conditions.push(-1);
        self.operations.push(Operation { what, condition: None });
        self
    }

    pub fn unitary(&mut self, wires: &[usize], entries: &[C64]) -> &mut Self {
        let name = ["QubitUnitary1", "QubitUnitary2", "QubitUnitary"][wires.len().min(3) - 1];
        self.matrices.extend_from_slice(entries);
        let what = What::Matrix { wires: wires.to_vec(), entries: entries.to_vec() };
        self.add(name, 0, wires, what)
    }

    pub fn random(&mut self, wires: &[usize], random: &mut Random) -> &mut Self {
        match wires.len() {
            1 => self.unitary(wires, &random.unitary::<4>(2)),
            2 => self.unitary(wires, &random.unitary::<16>(4)),
            _ => self.unitary(wires, &random.unitary::<64>(8)),
        }
    }

    /// `u` on `target` where all controls are 1.
    pub fn controlled(&mut self, controls: &[usize], target: usize, u: [C64; 4]) -> &mut Self {
        let wires: Vec<usize> = controls.iter().copied().chain([target]).collect();
        let side = 1 << wires.len();
        let mut entries = vec![C64::ZERO; side * side];
        entries.iter_mut().step_by(side + 1).for_each(|x| *x = C64::ONE);
        for (at, x) in u.into_iter().enumerate() {
            entries[(side - 2 + at / 2) * side + side - 2 + at % 2] = x;
        }
        self.matrices.extend(u);
        self.arrays.control_values.extend(controls.iter().map(|_| 1));
        self.add("QubitUnitary1", controls.len(), &wires.clone(), What::Matrix { wires, entries })
    }

    pub fn swap(&mut self, a: usize, b: usize) -> &mut Self {
        let mut entries = vec![C64::ZERO; 16];
        [0, 6, 9, 15].into_iter().for_each(|at| entries[at] = C64::ONE);
        self.add("SWAP", 0, &[a, b], What::Matrix { wires: vec![a, b], entries })
    }

    pub fn multi_rz(&mut self, wires: &[usize], angle: f64) -> &mut Self {
        let side: usize = 1 << wires.len();
        let mut entries = vec![C64::ZERO; side * side];
        for (index, x) in entries.iter_mut().step_by(side + 1).enumerate() {
            let sign = if index.count_ones() % 2 == 0 { -0.5 } else { 0.5 };
            *x = C64::from_polar(1.0, sign * angle);
        }
        self.parameters.push(angle);
        self.add("MultiRZ", 0, wires, What::Matrix { wires: wires.to_vec(), entries })
    }

    pub fn phase(&mut self, angle: f64) -> &mut Self {
        self.parameters.push(angle);
        let entries = vec![C64::from_polar(1.0, -angle)];
        self.add("GlobalPhase", 0, &[], What::Matrix { wires: vec![], entries })
    }

    pub fn h(&mut self, wire: usize) -> &mut Self {
        let h = C64::from(0.5_f64.sqrt());
        self.add(
            "Hadamard",
            0,
            &[wire],
            What::Matrix { wires: vec![wire], entries: vec![h, h, h, -h] },
        )
    }

    pub fn x(&mut self, wire: usize) -> &mut Self {
        let (o, i) = (C64::ZERO, C64::ONE);
        self.add(
            "PauliX",
            0,
            &[wire],
            What::Matrix { wires: vec![wire], entries: vec![o, i, i, o] },
        )
    }

    pub fn ry(&mut self, wire: usize, angle: f64) -> &mut Self {
        let (s, c) = (angle / 2.0).sin_cos();
        self.parameters.push(angle);
        let entries = [c, -s, s, c].map(C64::from).to_vec();
        self.add("RY", 0, &[wire], What::Matrix { wires: vec![wire], entries })
    }

    pub fn cnot(&mut self, control: usize, target: usize) -> &mut Self {
        let mut entries = vec![C64::ZERO; 16];
        [0, 5, 11, 14].into_iter().for_each(|at| entries[at] = C64::ONE);
        let wires = vec![control, target];
        self.add("CNOT", 0, &[control, target], What::Matrix { wires, entries })
    }

    pub fn measure(&mut self, wire: usize, reset: bool) -> &mut Self {
        self.measure_as(wire, Measure { reset, postselect: None, fill: false })
    }

    pub fn postselect(&mut self, wire: usize, outcome: bool, fill: bool) -> &mut Self {
        self.measure_as(wire, Measure { reset: false, postselect: Some(outcome), fill })
    }

    fn measure_as(&mut self, wire: usize, measure: Measure) -> &mut Self {
        self.arrays.measures.push(measure);
        self.add("MidMeasureMP", 0, &[wire], What::Measure { wire, measure })
    }

    /// Makes the last gate depend on outcomes: `holds` for each of theirs, the first most
    /// significant.
    pub fn when(&mut self, measurements: &[u32], holds: &[bool]) -> &mut Self {
        let number = self.arrays.condition_table.len();
        let condition = Condition { measurements: measurements.to_vec(), holds: holds.to_vec() };
        self.arrays.condition_table.push(condition);
        *self.arrays.conditions.last_mut().unwrap() = i32::try_from(number).unwrap();
        self.operations.last_mut().unwrap().condition = Some(number);
        self
    }

    pub fn group(&self, requests: Requests) -> Result<Group> {
        Ok(Group {
            structure: Arc::new(Structure::new(self.arrays.clone())?),
            rows: 1,
            parameters: self.parameters.clone(),
            matrices: self.matrices.clone(),
            loaded: LoadedState::None,
            requests,
        })
    }

    pub fn run(&self, requests: Requests, settings: Settings) -> Result<CircuitResult> {
        run(self.group(requests)?, settings)
    }

    /// Every history of a probability above zero.
    pub fn branches(&self) -> Vec<Branch> {
        let mut vector = vec![C64::ZERO; 1 << self.arrays.n_wires];
        vector[0] = C64::ONE;
        self.branches_from(vector)
    }

    pub fn branches_from(&self, vector: Vec<C64>) -> Vec<Branch> {
        let n = self.arrays.n_wires;
        let mut branches = vec![Branch { outcomes: Vec::new(), weight: 1.0, vector }];
        for operation in &self.operations {
            match &operation.what {
                What::Matrix { wires, entries } => {
                    for branch in &mut branches {
                        if operation.condition.is_none_or(|at| self.holds(at, &branch.outcomes)) {
                            apply(&mut branch.vector, n, wires, entries);
                        }
                    }
                }
                What::Measure { wire, measure } => {
                    branches =
                        branches.iter().flat_map(|b| measured(b, n, *wire, *measure)).collect();
                }
            }
        }
        branches
    }

    fn holds(&self, condition: usize, outcomes: &[bool]) -> bool {
        let Condition { measurements, holds } = &self.arrays.condition_table[condition];
        holds[measurements.iter().fold(0, |at, &m| 2 * at + usize::from(outcomes[m as usize]))]
    }
}

fn measured(branch: &Branch, n: usize, wire: usize, measure: Measure) -> Vec<Branch> {
    let mask = 1 << (n - 1 - wire);
    let kept =
        [false, true].into_iter().filter(|o| measure.postselect.is_none_or(|kept| kept == *o));
    kept.filter_map(|outcome| {
        let mut vector = branch.vector.clone();
        for (index, x) in vector.iter_mut().enumerate() {
            if (index & mask != 0) != outcome {
                *x = C64::ZERO;
            }
        }
        let p: f64 = vector.iter().map(C64::norm_sqr).sum();
        vector.iter_mut().for_each(|x| *x /= p.sqrt());
        if measure.reset && outcome {
            (0..vector.len()).filter(|index| index & mask == 0).for_each(|index| {
                vector.swap(index, index | mask);
            });
        }
        let outcomes = branch.outcomes.iter().copied().chain([outcome]).collect();
        (p > 1e-15).then_some(Branch { outcomes, weight: branch.weight * p, vector })
    })
    .collect()
}

pub fn run(group: Group, settings: Settings) -> Result<CircuitResult> {
    let job = Job::prepare(vec![group], settings, &PlanCache::default())?;
    Ok(job.execute(&Cancel::default())?.remove(0).rows.remove(0))
}

pub fn settings() -> Settings {
    Settings {
        max_bond_dim: None,
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

/// Mean over the histories.
pub fn average(branches: &[Branch], value: impl Fn(&Branch) -> f64) -> f64 {
    let total: f64 = branches.iter().map(|branch| branch.weight).sum();
    branches.iter().map(|branch| branch.weight * value(branch)).sum::<f64>() / total
}

/// The image of a vector under a word.
pub fn image(vector: &[C64], n: usize, word: &[(usize, LocalOperator)]) -> Vec<C64> {
    let mut image = vector.to_vec();
    word.iter().for_each(|(wire, letter)| apply(&mut image, n, &[*wire], &letter.matrix()));
    image
}

pub fn expectation(vector: &[C64], n: usize, word: &[(usize, LocalOperator)]) -> f64 {
    inner(vector, &image(vector, n, word)).re
}

/// The outcome on some wires of a basis state, the first most significant.
pub fn bits_of(index: usize, n: usize, wires: &[usize]) -> usize {
    wires.iter().fold(0, |bits, &wire| 2 * bits + (index >> (n - 1 - wire) & 1))
}

/// ρ of some wires, row-major.
pub fn density(vector: &[C64], n: usize, wires: &[usize]) -> Vec<C64> {
    let rest: Vec<usize> = (0..n).filter(|wire| !wires.contains(wire)).collect();
    let dim = 1 << wires.len();
    let mut rho = vec![C64::ZERO; dim * dim];
    for (a, x) in vector.iter().enumerate() {
        for (b, y) in vector.iter().enumerate() {
            if bits_of(a, n, &rest) == bits_of(b, n, &rest) {
                rho[bits_of(a, n, wires) * dim + bits_of(b, n, wires)] += x * y.conj();
            }
        }
    }
    rho
}

/// Fails where the counts are less likely than about 1e-4 under `expected`.
pub fn assert_follows(counts: &[f64], expected: &[f64]) {
    let total: f64 = counts.iter().sum();
    let (mut chi_square, mut cells, mut rare) = (0.0, 0.0, (0.0, 0.0));
    let mut add = |count: f64, mean: f64| {
        chi_square += (count - mean).powi(2) / mean;
        cells += 1.0;
    };
    for (count, p) in counts.iter().zip(expected) {
        assert!(*count == 0.0 || *p > 1e-12, "an impossible outcome was drawn");
        let mean = p * total;
        if mean < 8.0 {
            rare = (rare.0 + count, rare.1 + mean);
        } else {
            add(*count, mean);
        }
    }
    if rare.1 > 8.0 {
        add(rare.0, rare.1);
    }
    // Wilson-Hilferty: the cube root of χ²/k is nearly normal; 3.72 sigma are 1e-4.
    let k: f64 = cells - 1.0;
    if k < 1.0 {
        return;
    }
    let spread = 2.0 / (9.0 * k);
    let sigma = ((chi_square / k).cbrt() - 1.0 + spread) / spread.sqrt();
    assert!(sigma < 3.72, "chi² {chi_square} of {k}, {sigma} sigma");
}
