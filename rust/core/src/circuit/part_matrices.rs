//! The matrix of each part of a step on one or two sites, for one row of numbers.

use super::C64;
use super::gate_matrices::{phase, swap};
use super::gate_table::GateKind;
use super::matrix::{
    IDENTITY2, Matrix2, Matrix4, ONE, ZERO, adjoint2, adjoint4, controlled2, exchange_wires, kron,
};
use super::parts::{Fixed, Part, Placement, Source};
use super::pauli_rotation::{rotation2, rotation4};
use super::row::Row;
use super::structure::Gate;
use crate::error::{Error, Result};

impl Row<'_> {
    /// A part on both sites of a step, as it is placed there.
    #[inline]
    pub(super) fn placed4(&self, part: Part) -> Result<Matrix4> {
        let matrix = self.matrix4(part.source)?;
        Ok(if part.placement == Placement::Reversed { exchange_wires(&matrix) } else { matrix })
    }

    #[inline]
    pub(super) fn matrix2(&self, source: Source) -> Result<Matrix2> {
        match source {
            Source::Rotation { gate, letters } => {
                Ok(rotation2(letters[0], self.angle(&self.structure.gate(gate as usize))))
            }
            Source::Gate { gate } => {
                let gate = self.structure.gate(gate as usize);
                if !self.acts(&gate) {
                    return Ok(IDENTITY2);
                }
                match (gate.control_values, self.phase(&gate)) {
                    (&[value], Some(factor)) => Ok(phase_on(value, factor)),
                    _ => self.target2(&gate),
                }
            }
            Source::Fixed(_) | Source::Chain { .. } => Err(misplaced(source)),
        }
    }

    pub(super) fn matrix4(&self, source: Source) -> Result<Matrix4> {
        match source {
            Source::Fixed(Fixed::Swap) => Ok(swap()),
            Source::Rotation { gate, letters } => {
                Ok(rotation4(letters, self.angle(&self.structure.gate(gate as usize))))
            }
            Source::Gate { gate } => {
                let gate = self.structure.gate(gate as usize);
                if !self.acts(&gate) {
                    return Ok(kron(&IDENTITY2, &IDENTITY2));
                }
                match (gate.control_values, self.phase(&gate)) {
                    (&[first, second], Some(factor)) => {
                        Ok(controlled2(first, &phase_on(second, factor)))
                    }
                    (&[value], None) => Ok(controlled2(value, &self.target2(&gate)?)),
                    _ => self.target4(&gate),
                }
            }
            Source::Chain { .. } => Err(misplaced(source)),
        }
    }

    /// The factor of a gate that does nothing else where its controls agree.
    #[inline]
    pub(super) fn phase(&self, gate: &Gate<'_>) -> Option<C64> {
        match gate.spec.kind {
            GateKind::Phase => Some(phase(-self.angle(gate))),
            GateKind::PauliRotation { .. } if gate.acting_letters().next().is_none() => {
                Some(phase(-self.angle(gate) / 2.0))
            }
            _ => None,
        }
    }

    /// A gate on one wire, without its controls.
    #[inline]
    pub(super) fn target2(&self, gate: &Gate<'_>) -> Result<Matrix2> {
        let matrix = match (gate.spec.kind, self.entries(gate)) {
            (GateKind::One(matrix), _) => matrix(self.own_parameters(gate)),
            (GateKind::UserOne, &[a, b, c, d]) => [a, b, c, d],
            (GateKind::PauliRotation { .. }, _) => {
                let mut letters = gate.acting_letters();
                let letter = letters.next().ok_or_else(|| misplaced(gate.spec.name))?;
                return Ok(rotation2(letter, self.angle(gate)));
            }
            _ => return Err(misplaced(gate.spec.name)),
        };
        Ok(if gate.adjoint { adjoint2(&matrix) } else { matrix })
    }

    /// A gate on two wires, without its controls.
    pub(super) fn target4(&self, gate: &Gate<'_>) -> Result<Matrix4> {
        let matrix = match gate.spec.kind {
            GateKind::Two(matrix) => matrix(self.own_parameters(gate)),
            GateKind::Relabel => swap(),
            GateKind::UserTwo => {
                let mut matrix = [ZERO; 16];
                matrix.copy_from_slice(self.entries(gate));
                matrix
            }
            _ => return Err(misplaced(gate.spec.name)),
        };
        Ok(if gate.adjoint { adjoint4(&matrix) } else { matrix })
    }
}

/// `factor` on `value`, 1 on the other one.
fn phase_on(value: u8, factor: C64) -> Matrix2 {
    if value == 0 { [factor, ZERO, ZERO, ONE] } else { [ONE, ZERO, ZERO, factor] }
}

/// A part of a plan that does not fit its place: the plan and the structure do not belong together.
pub(super) fn misplaced(what: impl std::fmt::Debug) -> Error {
    Error::Internal(format!("{what:?} stands where a matrix of another size is planned"))
}
