//! What a gate leaves alone on each of its wires: a letter that it commutes with there.
//!
//! Gates that commute with the same letter on every wire they share commute with each other: both are
//! sums of its projectors there.

use super::C64;
use super::gate_table::{GateKind, GateSpec};
use super::matrix::{IDENTITY2, Matrix4, kron, multiply2, multiply4};
use super::structure::Gate;
use crate::pauli::Pauli;

/// The letters that gates of the table commute with, found once for each row.
#[derive(Default)]
pub(super) struct Letters {
    pairs: Vec<(&'static GateSpec, [Option<Pauli>; 2])>,
    singles: Vec<(&'static GateSpec, Option<Pauli>)>,
}

/// Angles at which a gate commutes with nothing by accident.
const GENERIC: [f64; 3] = [0.3, -1.7, 2.9];

const LETTERS: [Pauli; 3] = [Pauli::Z, Pauli::X, Pauli::Y];

impl Letters {
    /// The wires of a gate that makes two meet and keeps one of them in some basis, and that basis for
    /// each.
    pub(super) fn on_two_wires(
        &mut self,
        gate: &Gate<'_>,
    ) -> Option<([u32; 2], [Option<Pauli>; 2])> {
        let mut wires = gate.interacting_wires();
        let (Some(first), Some(second), None) = (wires.next(), wires.next(), wires.next()) else {
            return None;
        };
        let mut letters = gate.acting_letters();
        let bases = match (gate.spec.kind, gate.controls.len()) {
            (GateKind::Phase, _) | (GateKind::PauliRotation { .. }, 2) => [Some(Pauli::Z); 2],
            (GateKind::PauliRotation { .. }, 1) => [Some(Pauli::Z), letters.next()],
            (GateKind::PauliRotation { .. }, _) => [letters.next(), letters.next()],
            (_, 1) => [Some(Pauli::Z), None],
            (GateKind::Two(matrix), 0) => self.of_pair(gate.spec, matrix),
            _ => return None,
        };
        (bases != [None; 2]).then_some(([first, second], bases))
    }

    fn of_pair(
        &mut self,
        spec: &'static GateSpec,
        matrix: fn(&[f64]) -> Matrix4,
    ) -> [Option<Pauli>; 2] {
        if let Some((_, known)) = self.pairs.iter().find(|(other, _)| std::ptr::eq(*other, spec)) {
            return *known;
        }
        let matrix = matrix(&GENERIC[..spec.parameters]);
        let kept = [true, false].map(|first| {
            LETTERS.into_iter().find(|letter| {
                let (letter, one) = (letter.matrix(), IDENTITY2);
                let pauli = if first { kron(&letter, &one) } else { kron(&one, &letter) };
                agree(&multiply4(&matrix, &pauli), &multiply4(&pauli, &matrix))
            })
        });
        self.pairs.push((spec, kept));
        kept
    }

    /// The letter that a gate on one wire commutes with.
    pub(super) fn on_one_wire(&mut self, gate: &Gate<'_>) -> Option<Pauli> {
        let GateKind::One(matrix) = gate.spec.kind else {
            return gate.acting_letters().next().filter(|_| gate.interacting_wires().count() == 1);
        };
        if !gate.controls.is_empty() {
            return None;
        }
        let spec = gate.spec;
        if let Some((_, known)) = self.singles.iter().find(|(other, _)| std::ptr::eq(*other, spec))
        {
            return *known;
        }
        let matrix = matrix(&GENERIC[..spec.parameters]);
        let kept = LETTERS.into_iter().find(|letter| {
            let pauli = letter.matrix();
            agree(&multiply2(&matrix, &pauli), &multiply2(&pauli, &matrix))
        });
        self.singles.push((spec, kept));
        kept
    }
}

fn agree(a: &[C64], b: &[C64]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).norm() < 1e-12)
}
