//! The gates that the engine knows: one row each, its position being its id.
//!
//! A new gate is a row here and a function in `gate_matrices.rs`; names and conventions are
//! `PennyLane`'s (`op.name`). Of a parameter θ, entries may have 1, exp(±iθ/2) and exp(±iθ) and
//! nothing else: derivatives rely on it (`shifts.rs`).

use super::C64;
use super::gate_matrices as m;
use super::many_wire_matrices as many;

/// Set in a gate id of a [`Structure`](super::Structure): the adjoint (conjugate transpose) of the
/// gate.
pub const ADJOINT_BIT: u16 = 1 << 15;

/// One row of the gate table.
#[derive(Debug, Clone, Copy)]
pub struct GateSpec {
    /// `PennyLane`'s `op.name`; `QubitUnitary1` and `QubitUnitary2` are both its `QubitUnitary`.
    pub name: &'static str,
    /// Wires that the gate acts on; 0 means any number.
    pub wires: usize,
    /// Real parameters that it consumes.
    pub parameters: usize,
    /// Bound of its operator Schmidt rank between any two parts of its wires, for any parameters:
    /// 1, 2 or 4 up to two wires. A bond grows at most by this factor.
    pub rank: usize,
    /// Whether its entries are made of exp(±iθ/2) alone in every parameter θ, as those of rotations
    /// are; of others, 1 and exp(±iθ) may be part, too.
    pub half_angles: bool,
    /// What the gate does to the state.
    pub kind: GateKind,
}

/// What a gate does, and where its matrix comes from.
#[derive(Debug, Clone, Copy)]
pub enum GateKind {
    /// One wire; the 2×2 matrix, row-major, from exactly [`GateSpec::parameters`] numbers.
    One(fn(&[f64]) -> [C64; 4]),
    /// Two wires; the 4×4 matrix, row-major, first wire most significant.
    Two(fn(&[f64]) -> [C64; 16]),
    /// A few wires; the matrix, row-major, first wire most significant.
    Many(fn(&[f64]) -> Vec<C64>),
    /// Two wires trade places (SWAP): a change of names, no step at all.
    Relabel,
    /// exp(−iθ/2 · P) with a Pauli word P on any number of wires.
    PauliRotation {
        /// The circuit gives the letters (`PauliRot`); otherwise they are all Z (`MultiRZ`).
        letters_given: bool,
    },
    /// Multiplies the state by exp(−iφ), whatever its wires; without a parameter (`Identity`) by 1.
    Phase,
    /// A 2×2 unitary given entry by entry.
    UserOne,
    /// A 4×4 unitary given entry by entry, first wire most significant.
    UserTwo,
    /// A unitary on three to eight wires given entry by entry, first wire most significant.
    UserMany,
    /// A measurement of one wire in the middle of the circuit.
    Measure,
}

impl GateSpec {
    const fn of_half_angles(self) -> Self {
        Self { half_angles: true, ..self }
    }

    /// Complex matrix entries that the gate consumes on `wires` wires.
    #[must_use]
    pub fn matrix_entries(&self, wires: usize) -> usize {
        match self.kind {
            GateKind::UserOne => 4,
            GateKind::UserTwo => 16,
            GateKind::UserMany => 1 << (2 * wires.min(15)),
            _ => 0,
        }
    }
}

const fn one(name: &'static str, parameters: usize, matrix: fn(&[f64]) -> [C64; 4]) -> GateSpec {
    other(name, 1, parameters, 1, GateKind::One(matrix))
}

const fn two(
    name: &'static str,
    parameters: usize,
    rank: usize,
    matrix: fn(&[f64]) -> [C64; 16],
) -> GateSpec {
    other(name, 2, parameters, rank, GateKind::Two(matrix))
}

const fn other(
    name: &'static str,
    wires: usize,
    parameters: usize,
    rank: usize,
    kind: GateKind,
) -> GateSpec {
    GateSpec { name, wires, parameters, rank, half_angles: false, kind }
}

/// The gate table; a gate's id is its position.
pub static GATES: &[GateSpec] = &[
    other("Identity", 0, 0, 1, GateKind::Phase),
    other("GlobalPhase", 0, 1, 1, GateKind::Phase),
    one("PauliX", 0, m::pauli_x),
    one("PauliY", 0, m::pauli_y),
    one("PauliZ", 0, m::pauli_z),
    one("Hadamard", 0, m::hadamard),
    one("S", 0, m::s),
    one("T", 0, m::t),
    one("SX", 0, m::sx),
    one("RX", 1, m::rx).of_half_angles(),
    one("RY", 1, m::ry).of_half_angles(),
    one("RZ", 1, m::rz).of_half_angles(),
    one("PhaseShift", 1, m::phase_shift),
    one("U1", 1, m::phase_shift),
    one("U2", 2, m::u2),
    one("U3", 3, m::u3),
    one("Rot", 3, m::rot).of_half_angles(),
    two("CNOT", 0, 2, m::cnot),
    two("CZ", 0, 2, m::cz),
    two("CY", 0, 2, m::cy),
    two("CH", 0, 2, m::ch),
    other("SWAP", 2, 0, 4, GateKind::Relabel),
    two("ISWAP", 0, 4, m::iswap),
    two("SISWAP", 0, 4, m::siswap),
    two("ECR", 0, 2, m::ecr),
    two("CRX", 1, 2, m::crx),
    two("CRY", 1, 2, m::cry),
    two("CRZ", 1, 2, m::crz),
    two("CRot", 3, 2, m::crot),
    two("ControlledPhaseShift", 1, 2, m::controlled_phase_shift),
    two("CPhaseShift00", 1, 2, m::c_phase_shift_00),
    two("CPhaseShift01", 1, 2, m::c_phase_shift_01),
    two("CPhaseShift10", 1, 2, m::c_phase_shift_10),
    two("IsingXX", 1, 2, m::ising_xx).of_half_angles(),
    two("IsingYY", 1, 2, m::ising_yy).of_half_angles(),
    two("IsingZZ", 1, 2, m::ising_zz).of_half_angles(),
    two("IsingXY", 1, 4, m::ising_xy),
    two("SingleExcitation", 1, 4, m::single_excitation),
    two("SingleExcitationPlus", 1, 4, m::single_excitation_plus),
    two("SingleExcitationMinus", 1, 4, m::single_excitation_minus),
    two("FermionicSWAP", 1, 4, m::fermionic_swap),
    two("PSWAP", 1, 4, m::pswap),
    other("MultiRZ", 0, 1, 2, GateKind::PauliRotation { letters_given: false }).of_half_angles(),
    other("PauliRot", 0, 1, 2, GateKind::PauliRotation { letters_given: true }).of_half_angles(),
    other("QubitUnitary1", 1, 0, 1, GateKind::UserOne),
    other("QubitUnitary2", 2, 0, 4, GateKind::UserTwo),
    other("QubitUnitary", 0, 0, 256, GateKind::UserMany),
    other("MidMeasureMP", 1, 0, 1, GateKind::Measure),
    other("DoubleExcitation", 4, 1, 5, GateKind::Many(many::double_excitation)),
    other("DoubleExcitationPlus", 4, 1, 5, GateKind::Many(many::double_excitation_plus)),
    other("DoubleExcitationMinus", 4, 1, 5, GateKind::Many(many::double_excitation_minus)),
    other("OrbitalRotation", 4, 1, 16, GateKind::Many(many::orbital_rotation)),
];

#[cfg(test)]
mod tests {
    use super::super::matrix::{ZERO, deviation_from_unitary};
    use super::super::split::split;
    use super::{C64, GATES, GateKind};

    const ANGLES: [[f64; 3]; 4] =
        [[0.0, 0.0, 0.0], [0.3, -1.7, 2.9], [-6.5, 4.1, 0.2], [12.0, -0.4, 7.7]];

    /// Number of pivots above 1e-10 of the operator as a map from the first wire's index pairs to
    /// the second's, by elimination with full pivoting.
    fn operator_rank(matrix: &[C64; 16]) -> usize {
        let mut rows = [[ZERO; 4]; 4];
        for (at, &entry) in matrix.iter().enumerate() {
            let (p, q, p_in, q_in) = (at / 8, at / 4 % 2, at / 2 % 2, at % 2);
            rows[2 * p + p_in][2 * q + q_in] = entry;
        }
        for rank in 0..4 {
            let places = (0..16).map(|at| (at / 4, at % 4));
            let (row, column) = places
                .max_by(|a, b| rows[a.0][a.1].norm().total_cmp(&rows[b.0][b.1].norm()))
                .unwrap_or_default();
            let pivot_row = rows[row];
            if pivot_row[column].norm() < 1e-10 {
                return rank;
            }
            for row in &mut rows {
                let factor = row[column] / pivot_row[column];
                for (x, pivot) in row.iter_mut().zip(pivot_row) {
                    *x -= factor * pivot;
                }
                row[column] = ZERO;
            }
        }
        4
    }

    #[test]
    fn every_matrix_is_unitary_and_within_its_rank() {
        for spec in GATES {
            let mut largest_rank = 0;
            for angles in ANGLES {
                let parameters = &angles[..spec.parameters];
                match spec.kind {
                    GateKind::One(matrix) => {
                        let deviation = deviation_from_unitary(&matrix(parameters), 2);
                        assert!(deviation < 1e-14, "{}: {deviation}", spec.name);
                        largest_rank = 1;
                    }
                    GateKind::Two(matrix) => {
                        let matrix = matrix(parameters);
                        let deviation = deviation_from_unitary(&matrix, 4);
                        assert!(deviation < 1e-14, "{}: {deviation}", spec.name);
                        largest_rank = largest_rank.max(operator_rank(&matrix));
                    }
                    GateKind::Many(matrix) => {
                        let matrix = matrix(parameters);
                        let deviation = deviation_from_unitary(&matrix, 1 << spec.wires);
                        assert!(deviation < 1e-14, "{}: {deviation}", spec.name);
                        // Two sites on either side, for every choice of the two.
                        for order in [[0, 1, 2, 3], [0, 2, 1, 3], [0, 3, 1, 2]] {
                            let split = split(&matrix, &order).unwrap_or_default();
                            largest_rank = largest_rank.max(split[1].right);
                        }
                    }
                    _ => largest_rank = spec.rank,
                }
            }
            assert_eq!(largest_rank, spec.rank, "{}: the bound is not the rank", spec.name);
        }
    }

    #[test]
    fn names_are_unique_and_ids_leave_room_for_the_adjoint_bit() {
        for (id, spec) in GATES.iter().enumerate() {
            assert!(GATES[..id].iter().all(|other| other.name != spec.name), "{}", spec.name);
        }
        assert!(GATES.len() < usize::from(super::ADJOINT_BIT));
    }
}
