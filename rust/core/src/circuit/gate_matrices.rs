//! Matrices of the named gates, in `PennyLane`'s conventions (checked against its version 0.45.1).
//!
//! Every function takes exactly the parameters that its row of the gate table announces. For two
//! wires the first wire is the most significant index.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_4};

use super::C64;
use super::matrix::{I, Matrix2, Matrix4, ONE, ZERO};
use crate::pauli::Pauli;

fn real(x: f64) -> C64 {
    C64::new(x, 0.0)
}

fn imaginary(x: f64) -> C64 {
    C64::new(0.0, x)
}

/// exp(i·angle).
pub(super) fn phase(angle: f64) -> C64 {
    let (sin, cos) = angle.sin_cos();
    C64::new(cos, sin)
}

fn diagonal4(entries: [C64; 4]) -> Matrix4 {
    let mut matrix = [ZERO; 16];
    for (at, entry) in entries.into_iter().enumerate() {
        matrix[at * 5] = entry;
    }
    matrix
}

/// `corner00` and `corner11` on |00⟩ and |11⟩, and a 2×2 block on |01⟩, |10⟩.
fn excitation_block(corner00: C64, block: Matrix2, corner11: C64) -> Matrix4 {
    let mut matrix = diagonal4([corner00, block[0], block[3], corner11]);
    matrix[6] = block[1];
    matrix[9] = block[2];
    matrix
}

/// |0⟩⟨0| ⊗ 1 + |1⟩⟨1| ⊗ target.
fn controlled(target: Matrix2) -> Matrix4 {
    let mut matrix = diagonal4([ONE, ONE, target[0], target[3]]);
    matrix[11] = target[1];
    matrix[14] = target[2];
    matrix
}

// One wire, no parameter.

pub(super) fn pauli_x(_: &[f64]) -> Matrix2 {
    Pauli::X.matrix()
}

pub(super) fn pauli_y(_: &[f64]) -> Matrix2 {
    Pauli::Y.matrix()
}

pub(super) fn pauli_z(_: &[f64]) -> Matrix2 {
    Pauli::Z.matrix()
}

pub(super) fn hadamard(_: &[f64]) -> Matrix2 {
    let h = real(FRAC_1_SQRT_2);
    [h, h, h, -h]
}

pub(super) fn s(_: &[f64]) -> Matrix2 {
    [ONE, ZERO, ZERO, I]
}

pub(super) fn t(_: &[f64]) -> Matrix2 {
    [ONE, ZERO, ZERO, phase(FRAC_PI_4)]
}

pub(super) fn sx(_: &[f64]) -> Matrix2 {
    let (plus, minus) = (C64::new(0.5, 0.5), C64::new(0.5, -0.5));
    [plus, minus, minus, plus]
}

// One wire, with parameters.

pub(super) fn rx(p: &[f64]) -> Matrix2 {
    let (sin, cos) = (p[0] / 2.0).sin_cos();
    [real(cos), imaginary(-sin), imaginary(-sin), real(cos)]
}

pub(super) fn ry(p: &[f64]) -> Matrix2 {
    let (sin, cos) = (p[0] / 2.0).sin_cos();
    [real(cos), real(-sin), real(sin), real(cos)]
}

pub(super) fn rz(p: &[f64]) -> Matrix2 {
    let half = phase(p[0] / 2.0);
    [half.conj(), ZERO, ZERO, half]
}

pub(super) fn phase_shift(p: &[f64]) -> Matrix2 {
    [ONE, ZERO, ZERO, phase(p[0])]
}

/// Parameters φ, δ.
pub(super) fn u2(p: &[f64]) -> Matrix2 {
    let h = FRAC_1_SQRT_2;
    [real(h), -phase(p[1]) * h, phase(p[0]) * h, phase(p[0]) * phase(p[1]) * h]
}

/// Parameters θ, φ, δ.
pub(super) fn u3(p: &[f64]) -> Matrix2 {
    let (sin, cos) = (p[0] / 2.0).sin_cos();
    [real(cos), -phase(p[2]) * sin, phase(p[1]) * sin, phase(p[1]) * phase(p[2]) * cos]
}

/// Parameters φ, θ, ω: RZ(ω) RY(θ) RZ(φ).
pub(super) fn rot(p: &[f64]) -> Matrix2 {
    let (sin, cos) = (p[1] / 2.0).sin_cos();
    let (before, after) = (phase(p[0] / 2.0), phase(p[2] / 2.0));
    let (sum, difference) = (before * after, before * after.conj());
    [sum.conj() * cos, -difference * sin, difference.conj() * sin, sum * cos]
}

// Two wires, no parameter.

pub(super) fn cnot(_: &[f64]) -> Matrix4 {
    controlled(pauli_x(&[]))
}

pub(super) fn cy(_: &[f64]) -> Matrix4 {
    controlled(pauli_y(&[]))
}

pub(super) fn cz(_: &[f64]) -> Matrix4 {
    controlled(pauli_z(&[]))
}

pub(super) fn ch(_: &[f64]) -> Matrix4 {
    controlled(hadamard(&[]))
}

/// SWAP as a matrix: what moves a wire to a neighbouring site.
pub(super) fn swap() -> Matrix4 {
    excitation_block(ONE, [ZERO, ONE, ONE, ZERO], ONE)
}

pub(super) fn iswap(_: &[f64]) -> Matrix4 {
    excitation_block(ONE, [ZERO, I, I, ZERO], ONE)
}

pub(super) fn siswap(_: &[f64]) -> Matrix4 {
    let h = real(FRAC_1_SQRT_2);
    excitation_block(ONE, [h, I * h, I * h, h], ONE)
}

pub(super) fn ecr(_: &[f64]) -> Matrix4 {
    let (h, ih) = (real(FRAC_1_SQRT_2), imaginary(FRAC_1_SQRT_2));
    [
        ZERO, ZERO, h, ih, //
        ZERO, ZERO, ih, h, //
        h, -ih, ZERO, ZERO, //
        -ih, h, ZERO, ZERO,
    ]
}

// Two wires, with parameters.

pub(super) fn crx(p: &[f64]) -> Matrix4 {
    controlled(rx(p))
}

pub(super) fn cry(p: &[f64]) -> Matrix4 {
    controlled(ry(p))
}

pub(super) fn crz(p: &[f64]) -> Matrix4 {
    controlled(rz(p))
}

pub(super) fn crot(p: &[f64]) -> Matrix4 {
    controlled(rot(p))
}

pub(super) fn controlled_phase_shift(p: &[f64]) -> Matrix4 {
    diagonal4([ONE, ONE, ONE, phase(p[0])])
}

pub(super) fn c_phase_shift_00(p: &[f64]) -> Matrix4 {
    diagonal4([phase(p[0]), ONE, ONE, ONE])
}

pub(super) fn c_phase_shift_01(p: &[f64]) -> Matrix4 {
    diagonal4([ONE, phase(p[0]), ONE, ONE])
}

pub(super) fn c_phase_shift_10(p: &[f64]) -> Matrix4 {
    diagonal4([ONE, ONE, phase(p[0]), ONE])
}

/// cos(θ/2) on the diagonal, `outer` on |00⟩↔|11⟩ and `inner` on |01⟩↔|10⟩.
fn cross(cos: C64, outer: C64, inner: C64) -> Matrix4 {
    let mut matrix = diagonal4([cos; 4]);
    (matrix[3], matrix[12]) = (outer, outer);
    (matrix[6], matrix[9]) = (inner, inner);
    matrix
}

pub(super) fn ising_xx(p: &[f64]) -> Matrix4 {
    let (sin, cos) = (p[0] / 2.0).sin_cos();
    cross(real(cos), imaginary(-sin), imaginary(-sin))
}

pub(super) fn ising_yy(p: &[f64]) -> Matrix4 {
    let (sin, cos) = (p[0] / 2.0).sin_cos();
    cross(real(cos), imaginary(sin), imaginary(-sin))
}

pub(super) fn ising_zz(p: &[f64]) -> Matrix4 {
    let half = phase(p[0] / 2.0);
    diagonal4([half.conj(), half, half, half.conj()])
}

pub(super) fn ising_xy(p: &[f64]) -> Matrix4 {
    let (sin, cos) = (p[0] / 2.0).sin_cos();
    excitation_block(ONE, [real(cos), imaginary(sin), imaginary(sin), real(cos)], ONE)
}

fn excitation(angle: f64, corner: C64) -> Matrix4 {
    let (sin, cos) = (angle / 2.0).sin_cos();
    excitation_block(corner, [real(cos), real(-sin), real(sin), real(cos)], corner)
}

pub(super) fn single_excitation(p: &[f64]) -> Matrix4 {
    excitation(p[0], ONE)
}

pub(super) fn single_excitation_plus(p: &[f64]) -> Matrix4 {
    excitation(p[0], phase(p[0] / 2.0))
}

pub(super) fn single_excitation_minus(p: &[f64]) -> Matrix4 {
    excitation(p[0], phase(-p[0] / 2.0))
}

pub(super) fn fermionic_swap(p: &[f64]) -> Matrix4 {
    let (sin, cos) = (p[0] / 2.0).sin_cos();
    let half = phase(p[0] / 2.0);
    let (stay, hop) = (half * cos, -I * half * sin);
    excitation_block(ONE, [stay, hop, hop, stay], phase(p[0]))
}

pub(super) fn pswap(p: &[f64]) -> Matrix4 {
    excitation_block(ONE, [ZERO, phase(p[0]), phase(p[0]), ZERO], ONE)
}
