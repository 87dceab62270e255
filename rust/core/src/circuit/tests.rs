//! Laws of plans, checked against dense vectors: whatever the circuit, the site order and the
//! bond limit, the bound steps multiply to the circuit.

use super::matrix::{ONE, ZERO, adjoint_in_place, adjoint2, adjoint4, kron, multiply2, multiply4};
use super::{
    ADJOINT_BIT, Bound, C64, CircuitArrays, GATES, Gate, GateKind, Ordering, Plan, PlanSettings,
    StepMatrix, Structure,
};
use crate::error::Result;
use crate::operator::ChainOperator;
use crate::pauli::Pauli;

/// splitmix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(super) fn angle(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64 * 14.0 - 7.0
    }

    /// `count` of the numbers below `end`, in random order.
    pub(super) fn distinct(&mut self, count: usize, end: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..end as u32).collect();
        for at in 0..count {
            let other = at + self.below(end - at);
            all.swap(at, other);
        }
        all.truncate(count);
        all
    }

    fn unitary2(&mut self) -> [C64; 4] {
        super::gate_matrices::u3(&[self.angle(), self.angle(), self.angle()])
    }

    fn unitary4(&mut self) -> [C64; 16] {
        let mut product = kron(&self.unitary2(), &self.unitary2());
        for entangler in [super::gate_matrices::cnot, super::gate_matrices::iswap] {
            let locals = kron(&self.unitary2(), &self.unitary2());
            product = multiply4(&locals, &multiply4(&entangler(&[]), &product));
        }
        product
    }
}

/// A random unitary on `wires` wires, row-major: random pairs on random wires.
fn unitary(wires: usize, random: &mut Random) -> Vec<C64> {
    let side = 1 << wires;
    let mut rows = vec![Dense { n: wires, amplitudes: vec![ZERO; side] }; side];
    rows.iter_mut().enumerate().for_each(|(at, row)| row.amplitudes[at] = ONE);
    for _ in 0..3 * wires {
        let pair: Vec<usize> =
            random.distinct(2, wires).into_iter().map(|wire| wire as usize).collect();
        let matrix = random.unitary4();
        rows.iter_mut().for_each(|row| row.apply(&pair, &matrix));
    }
    rows.into_iter().flat_map(|row| row.amplitudes).collect()
}

/// All entries of an operator, row-major, first site most significant.
pub(super) fn matrix_of(operator: &ChainOperator) -> Vec<C64> {
    let mut partial = vec![vec![ONE]];
    let mut side = 1;
    for site in &operator.sites {
        assert_eq!(partial.len(), site.left);
        let mut next = vec![vec![ZERO; 4 * side * side]; site.right];
        for block in &site.blocks {
            for (at, x) in partial[block.left].iter().enumerate() {
                for (entry, y) in block.matrix.iter().enumerate() {
                    let (row, column) = (2 * (at / side) + entry / 2, 2 * (at % side) + entry % 2);
                    next[block.right][row * 2 * side + column] += x * y;
                }
            }
        }
        partial = next;
        side *= 2;
    }
    partial.swap_remove(0)
}

/// The arrays of a circuit, with its row of numbers.
#[derive(Default)]
pub(super) struct Circuit {
    pub(super) n_wires: usize,
    pub(super) gates: Vec<u16>,
    wire_counts: Vec<u32>,
    wires: Vec<u32>,
    pub(super) letters: Vec<u8>,
    control_counts: Vec<u32>,
    control_values: Vec<u8>,
    pub(super) parameters: Vec<f64>,
    pub(super) matrices: Vec<C64>,
}

pub(super) fn id(name: &str) -> u16 {
    GATES.iter().position(|spec| spec.name == name).map_or(u16::MAX, |id| id as u16)
}

impl Circuit {
    pub(super) fn new(n_wires: usize) -> Self {
        Self { n_wires, ..Self::default() }
    }

    pub(super) fn add(&mut self, name: &str, wires: &[u32], parameters: &[f64]) -> &mut Self {
        self.add_controlled(name, &[], wires, parameters)
    }

    /// The first wires are controls, one for each of `values`.
    pub(super) fn add_controlled(
        &mut self,
        name: &str,
        values: &[u8],
        wires: &[u32],
        parameters: &[f64],
    ) -> &mut Self {
        self.gates.push(id(name));
        self.control_counts.push(values.len() as u32);
        self.control_values.extend(values);
        self.wire_counts.push(wires.len() as u32);
        self.wires.extend(wires);
        self.parameters.extend(parameters);
        self
    }

    pub(super) fn add_random(&mut self, id: usize, random: &mut Random) {
        let spec = &GATES[id];
        let targets = match (spec.kind, spec.wires) {
            // Measurements are no matrices.
            (GateKind::Measure, _) => return,
            (GateKind::UserMany, _) => 3 + random.below(3),
            (_, 0) => random.below(self.n_wires + 1),
            (_, wires) => wires,
        };
        if targets > self.n_wires {
            return;
        }
        let free = self.n_wires - targets;
        let controls = if random.below(2) == 0 { 0 } else { random.below(free + 1) };
        let adjoint = if random.below(3) == 0 { ADJOINT_BIT } else { 0 };
        self.gates.push(id as u16 | adjoint);
        self.control_counts.push(controls as u32);
        self.control_values.extend((0..controls).map(|_| random.below(2) as u8));
        self.wire_counts.push((controls + targets) as u32);
        self.wires.extend(random.distinct(controls + targets, self.n_wires));
        self.parameters.extend((0..spec.parameters).map(|_| random.angle()));
        match spec.kind {
            GateKind::PauliRotation { letters_given: true } => {
                self.letters.extend((0..targets).map(|_| random.below(4) as u8));
            }
            GateKind::UserOne => self.matrices.extend(random.unitary2()),
            GateKind::UserTwo => self.matrices.extend(random.unitary4()),
            GateKind::UserMany => self.matrices.extend(unitary(targets, random)),
            _ => {}
        }
    }

    pub(super) fn structure(&self) -> Result<Structure> {
        let Self { n_wires, gates, wire_counts, wires, letters, .. } = self;
        let (gates, counts) = (gates.clone(), wire_counts.clone());
        Structure::new(CircuitArrays {
            n_wires: *n_wires,
            gates,
            wire_counts: counts,
            wires: wires.clone(),
            letters: letters.clone(),
            control_counts: self.control_counts.clone(),
            control_values: self.control_values.clone(),
            ..CircuitArrays::default()
        })
    }
}

/// A dense state on n qubits, the first most significant.
#[derive(Clone)]
struct Dense {
    n: usize,
    amplitudes: Vec<C64>,
}

impl Dense {
    fn random(n: usize, random: &mut Random) -> Self {
        let mut amplitudes: Vec<C64> =
            (0..1 << n).map(|_| C64::new(random.angle(), random.angle())).collect();
        let norm = amplitudes.iter().map(C64::norm_sqr).sum::<f64>().sqrt();
        for amplitude in &mut amplitudes {
            *amplitude /= norm;
        }
        Self { n, amplitudes }
    }

    fn bit(&self, wire: usize) -> usize {
        1 << (self.n - 1 - wire)
    }

    /// Applies a row-major matrix on `wires`, the first most significant.
    fn apply(&mut self, wires: &[usize], matrix: &[C64]) {
        let side = 1 << wires.len();
        let mask: usize = wires.iter().map(|&wire| self.bit(wire)).sum();
        let place = |index: usize| -> usize {
            let bits = wires.iter().rev().enumerate();
            bits.map(|(at, &wire)| if index >> at & 1 == 1 { self.bit(wire) } else { 0 }).sum()
        };
        let places: Vec<usize> = (0..side).map(place).collect();
        for rest in (0..1 << self.n).filter(|index| index & mask == 0) {
            let old: Vec<C64> = places.iter().map(|at| self.amplitudes[rest | at]).collect();
            for (row, at) in places.iter().enumerate() {
                self.amplitudes[rest | at] =
                    (0..side).map(|column| matrix[row * side + column] * old[column]).sum();
            }
        }
    }

    fn scale(&mut self, factor: C64) {
        for amplitude in &mut self.amplitudes {
            *amplitude *= factor;
        }
    }

    /// exp(−iθ/2 P) = cos − i sin · P.
    fn rotate(&mut self, wires: &[usize], letters: &[Pauli], angle: f64) {
        let mut acted = self.clone();
        for (&wire, letter) in wires.iter().zip(letters) {
            acted.apply(&[wire], &letter.matrix());
        }
        let (sin, cos) = (angle / 2.0).sin_cos();
        for (x, p) in self.amplitudes.iter_mut().zip(acted.amplitudes) {
            *x = *x * cos - C64::new(0.0, sin) * p;
        }
    }

    fn apply_gate(&mut self, gate: &Gate<'_>, circuit: &Circuit) {
        let mut acted = self.clone();
        acted.apply_targets(gate, circuit);
        let controls: Vec<(usize, bool)> = (gate.controls.iter().zip(gate.control_values))
            .map(|(&wire, &value)| (self.bit(wire as usize), value == 1))
            .collect();
        for (index, x) in acted.amplitudes.into_iter().enumerate() {
            if controls.iter().all(|&(bit, value)| (index & bit != 0) == value) {
                self.amplitudes[index] = x;
            }
        }
    }

    /// The gate without its controls.
    fn apply_targets(&mut self, gate: &Gate<'_>, circuit: &Circuit) {
        let wires: Vec<usize> = gate.wires.iter().map(|&wire| wire as usize).collect();
        let parameters = &circuit.parameters[gate.first_parameter..];
        let parameters = &parameters[..gate.spec.parameters];
        let entries = &circuit.matrices[gate.first_entry..];
        let sign = if gate.adjoint { -1.0 } else { 1.0 };
        match gate.spec.kind {
            GateKind::Phase => {
                let angle: f64 = parameters.iter().sum();
                self.scale(super::gate_matrices::phase(-sign * angle));
            }
            GateKind::PauliRotation { .. } => {
                self.rotate(&wires, gate.letters, sign * parameters[0]);
            }
            GateKind::Relabel => self.apply(&wires, &super::gate_matrices::swap()),
            GateKind::One(_) | GateKind::UserOne => {
                let mut matrix = match gate.spec.kind {
                    GateKind::One(matrix) => matrix(parameters),
                    _ => [entries[0], entries[1], entries[2], entries[3]],
                };
                if gate.adjoint {
                    matrix = adjoint2(&matrix);
                }
                self.apply(&wires, &matrix);
            }
            GateKind::Two(_) | GateKind::UserTwo => {
                let mut matrix = [ZERO; 16];
                match gate.spec.kind {
                    GateKind::Two(of) => matrix = of(parameters),
                    _ => matrix.copy_from_slice(&entries[..16]),
                }
                if gate.adjoint {
                    matrix = adjoint4(&matrix);
                }
                self.apply(&wires, &matrix);
            }
            GateKind::Many(_) | GateKind::UserMany => {
                let side = 1 << wires.len();
                let mut matrix = match gate.spec.kind {
                    GateKind::Many(of) => of(parameters),
                    _ => entries[..side * side].to_vec(),
                };
                if gate.adjoint {
                    adjoint_in_place(&mut matrix, side);
                }
                self.apply(&wires, &matrix);
            }
            GateKind::Measure => {}
        }
    }

    fn apply_steps(&mut self, plan: &Plan, bound: &Bound) {
        for (step, matrix) in plan.steps().iter().zip(&bound.matrices) {
            let sites: Vec<usize> = step.span().collect();
            match matrix {
                StepMatrix::One(matrix) => self.apply(&sites, matrix),
                StepMatrix::Two(matrix) => self.apply(&sites, matrix),
                StepMatrix::Chain(operator) => self.apply(&sites, &matrix_of(operator)),
            }
        }
        self.scale(bound.phase);
    }

    /// The same state with qubit `from[k]` as qubit k.
    fn permuted(&self, from: &[usize]) -> Self {
        let mut amplitudes = vec![ZERO; self.amplitudes.len()];
        for (index, amplitude) in amplitudes.iter_mut().enumerate() {
            let qubits = from.iter().enumerate();
            let source: usize =
                qubits.map(|(k, &q)| if index & self.bit(k) == 0 { 0 } else { self.bit(q) }).sum();
            *amplitude = self.amplitudes[source];
        }
        Self { n: self.n, amplitudes }
    }

    fn distance(&self, other: &Self) -> f64 {
        let pairs = self.amplitudes.iter().zip(&other.amplitudes);
        pairs.map(|(a, b)| (a - b).norm()).fold(0.0, f64::max)
    }
}

pub(super) fn settings(max_bond_dim: Option<usize>, ordering: Ordering) -> PlanSettings {
    PlanSettings { max_bond_dim, ordering, restore_order: false }
}

/// Levels cover the steps in order, and no level has two steps on one site.
fn check_levels(plan: &Plan) {
    let mut next = 0;
    for level in plan.levels() {
        assert_eq!(level.start, next);
        assert!(!level.is_empty());
        next = level.end;
        let mut used = vec![false; plan.n_sites()];
        for step in &plan.steps()[level.clone()] {
            for used in &mut used[step.span()] {
                assert!(!std::mem::replace(used, true), "two steps of a level share a site");
            }
        }
    }
    assert_eq!(next, plan.steps().len());
}

/// Steps and gates act alike on a random state, for every ordering and limit.
pub(super) fn check_against_gates(circuit: &Circuit, random: &mut Random) -> Result<()> {
    let structure = circuit.structure()?;
    let n = circuit.n_wires;
    let explicit = random.distinct(n, n);
    let given: Vec<u32> = (0..n as u32).collect();
    for limit in [None, Some(1), Some(4)] {
        for ordering in [Ordering::Given, Ordering::Auto, Ordering::Explicit(explicit.clone())] {
            let plan = Plan::new(&structure, &settings(limit, ordering.clone()))?;
            check_levels(&plan);
            let bound = plan.bind(0, &structure, &circuit.parameters, &circuit.matrices, &[])?;
            assert_eq!(bound.matrices.len(), plan.steps().len());
            for (site, &wire) in plan.wire_of_site().iter().enumerate() {
                assert_eq!(plan.site_of_wire()[wire], site);
            }
            // The starting order of "auto" is not told; the product state |0…0⟩ does not need it.
            let start: Option<&[u32]> = match &ordering {
                Ordering::Given => Some(&given),
                Ordering::Explicit(order) => Some(order),
                Ordering::Auto => None,
            };
            let mut by_gates = Dense { n, amplitudes: vec![ZERO; 1 << n] };
            by_gates.amplitudes[0] = ONE;
            let mut by_steps = by_gates.clone();
            if let Some(order) = start {
                by_gates = Dense::random(n, random);
                let order: Vec<usize> = order.iter().map(|&wire| wire as usize).collect();
                by_steps = by_gates.permuted(&order);
            }
            for gate in structure.gates() {
                by_gates.apply_gate(&gate, circuit);
            }
            by_steps.apply_steps(&plan, &bound);
            let distance = by_steps.permuted(plan.site_of_wire()).distance(&by_gates);
            assert!(distance < 1e-12, "{distance} with {limit:?}, {ordering:?}");
        }
    }
    Ok(())
}

#[test]
fn steps_multiply_to_the_circuit() -> Result<()> {
    let mut random = Random(1);
    for n_wires in 1..=7 {
        for _ in 0..5 {
            let mut circuit = Circuit::new(n_wires);
            for _ in 0..random.below(60) {
                circuit.add_random(random.below(GATES.len()), &mut random);
            }
            check_against_gates(&circuit, &mut random)?;
        }
    }
    Ok(())
}

#[test]
fn every_gate_alone_becomes_its_matrix() -> Result<()> {
    let mut random = Random(2);
    for id in 0..GATES.len() {
        for _ in 0..6 {
            let mut circuit = Circuit::new(6);
            circuit.add_random(id, &mut random);
            check_against_gates(&circuit, &mut random)?;
        }
    }
    Ok(())
}

#[test]
fn pauli_rotations_with_gaps_after_a_permutation_keep_their_word() -> Result<()> {
    let mut random = Random(3);
    for _ in 0..12 {
        let mut circuit = Circuit::new(7);
        for name in ["SWAP", "CNOT", "CRot", "PauliRot", "MultiRZ"] {
            circuit.add_random(usize::from(id(name)), &mut random);
        }
        for word in [vec![1, 2, 3], vec![2, 2, 0, 1], vec![3, 1, 0, 2, 3], vec![1; 6]] {
            let wires = random.distinct(word.len(), 7);
            circuit.letters.extend(word);
            circuit.add("PauliRot", &wires, &[random.angle()]);
        }
        check_against_gates(&circuit, &mut random)?;
    }
    Ok(())
}

#[test]
fn dependent_gates_keep_their_order() -> Result<()> {
    let mut random = Random(4);
    let mut circuit = Circuit::new(6);
    for _ in 0..300 {
        circuit.add_random(random.below(GATES.len()), &mut random);
    }
    let structure = circuit.structure()?;
    let plan = Plan::new(&structure, &settings(Some(4), Ordering::Given))?;
    let mut last_level = [None; 6];
    for (at, level) in plan.levels().iter().enumerate() {
        let steps = &plan.steps()[level.clone()];
        assert!(steps.is_sorted_by_key(|step| step.site));
        for step in steps {
            let sites = &mut last_level[step.span()];
            // As early as possible: some site of the step was used one level before.
            assert_eq!(sites.iter().copied().max().flatten(), at.checked_sub(1));
            sites.fill(Some(at));
        }
    }
    Ok(())
}

#[test]
fn one_site_gates_keep_their_place_before_and_after_a_gate_on_many_wires() -> Result<()> {
    let mut circuit = Circuit::new(5);
    circuit.add("RX", &[1], &[0.3]).add("RX", &[4], &[0.8]);
    circuit.add("MultiRZ", &[0, 1, 2, 3], &[0.4]).add("Hadamard", &[1], &[]);
    circuit.add("CNOT", &[1, 2], &[]).add("CNOT", &[3, 4], &[]).add("RZ", &[1], &[0.7]);
    let structure = circuit.structure()?;
    let plan = Plan::new(&structure, &settings(Some(5), Ordering::Given))?;
    let spans: Vec<_> = plan.steps().iter().map(|step| (step.span(), step.limit)).collect();
    let limit = Some(5);
    // RX on 4 is part of the CNOT; RX on 1 must act before the rotation, H on 1 after it.
    assert_eq!(spans, [(1..2, limit), (0..4, limit), (1..3, limit), (3..5, limit)]);
    assert_eq!(plan.levels(), [0..1, 1..2, 2..4]);
    check_against_gates(&circuit, &mut Random(9))
}

#[test]
fn operators_are_no_wider_than_planned() -> Result<()> {
    let mut random = Random(8);
    for _ in 0..400 {
        let mut circuit = Circuit::new(7);
        circuit.add_random(random.below(GATES.len()), &mut random);
        let structure = circuit.structure()?;
        let plan = Plan::new(&structure, &settings(None, Ordering::Given))?;
        let bound = plan.bind(0, &structure, &circuit.parameters, &circuit.matrices, &[])?;
        for matrix in &bound.matrices {
            let StepMatrix::Chain(operator) = matrix else { continue };
            let planned = &plan.chains()[0].bonds;
            assert_eq!(planned.len() + 1, operator.sites.len());
            let gate = structure.gate(0);
            for (site, planned) in operator.sites.iter().zip(planned) {
                assert!(site.right <= *planned as usize, "{}: {planned:?}", gate.describe());
            }
        }
    }
    Ok(())
}

#[test]
fn parts_tell_how_a_step_is_made() -> Result<()> {
    let mut random = Random(5);
    let mut circuit = Circuit::new(6);
    for _ in 0..120 {
        circuit.add_random(random.below(GATES.len()), &mut random);
    }
    let structure = circuit.structure()?;
    let plan = Plan::new(&structure, &settings(Some(4), Ordering::Given))?;
    let total: usize = plan.steps().iter().map(|step| plan.parts(step).len()).sum();
    let mut seen = 0;
    for step in plan.steps() {
        assert!(!plan.parts(step).is_empty());
        assert_eq!(step.parts.start, seen);
        seen = step.parts.end;
    }
    assert_eq!(seen, total);
    Ok(())
}

#[test]
fn the_product_of_two_unitaries_is_read_left_to_right() -> Result<()> {
    // A law the dense check would miss if both sides had it backwards.
    let mut circuit = Circuit::new(1);
    circuit.add("Hadamard", &[0], &[]).add("S", &[0], &[]);
    let structure = circuit.structure()?;
    let plan = Plan::new(&structure, &settings(None, Ordering::Given))?;
    let bound = plan.bind(0, &structure, &[], &[], &[])?;
    let expected = multiply2(&super::gate_matrices::s(&[]), &super::gate_matrices::hadamard(&[]));
    assert_eq!(bound.matrices, [StepMatrix::One(expected)]);
    Ok(())
}
