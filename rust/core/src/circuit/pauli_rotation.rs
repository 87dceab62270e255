//! Rotations about Pauli words on one and two sites.

use super::C64;
use super::matrix::{Matrix2, Matrix4, kron};
use crate::pauli::Pauli;

/// exp(−iθ/2 · P) = cos(θ/2)·1 − i sin(θ/2)·P on one site.
pub(super) fn rotation2(letter: Pauli, angle: f64) -> Matrix2 {
    rotate(letter.matrix(), 2, angle)
}

/// exp(−iθ/2 · P⊗Q) on two sites.
pub(super) fn rotation4(letters: [Pauli; 2], angle: f64) -> Matrix4 {
    rotate(kron(&letters[0].matrix(), &letters[1].matrix()), 4, angle)
}

fn rotate<const ENTRIES: usize>(pauli: [C64; ENTRIES], side: usize, angle: f64) -> [C64; ENTRIES] {
    let (sin, cos) = (angle / 2.0).sin_cos();
    let mut matrix = pauli.map(|entry| C64::new(0.0, -sin) * entry);
    for entry in matrix.iter_mut().step_by(side + 1) {
        *entry += cos;
    }
    matrix
}
