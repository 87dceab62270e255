//! Products of 2×2 and 4×4 matrices, row-major in flat arrays: what binding a plan multiplies.
//!
//! In a 4×4 matrix the first wire (or site) is the most significant part of both indices.

use super::C64;

/// A one-site matrix, row-major.
pub(super) type Matrix2 = [C64; 4];
/// A two-site matrix, row-major, first site most significant.
pub(super) type Matrix4 = [C64; 16];

/// Zero.
pub(super) const ZERO: C64 = C64::new(0.0, 0.0);
/// One.
pub(super) const ONE: C64 = C64::new(1.0, 0.0);
/// The imaginary unit.
pub(super) const I: C64 = C64::new(0.0, 1.0);

/// The 2×2 unit matrix.
pub(super) const IDENTITY2: Matrix2 = [ONE, ZERO, ZERO, ONE];

/// `a · b` of two 2×2 matrices.
#[inline]
pub(super) fn multiply2(a: &Matrix2, b: &Matrix2) -> Matrix2 {
    [
        a[0] * b[0] + a[1] * b[2],
        a[0] * b[1] + a[1] * b[3],
        a[2] * b[0] + a[3] * b[2],
        a[2] * b[1] + a[3] * b[3],
    ]
}

/// `a · b` of two 4×4 matrices.
#[inline]
pub(super) fn multiply4(a: &Matrix4, b: &Matrix4) -> Matrix4 {
    let mut product = [ZERO; 16];
    for (row, out) in a.chunks_exact(4).zip(product.chunks_exact_mut(4)) {
        for (weight, b_row) in row.iter().zip(b.chunks_exact(4)) {
            for (o, x) in out.iter_mut().zip(b_row) {
                *o += weight * x;
            }
        }
    }
    product
}

/// `a · (b ⊗ 1)`: `b` on the first site, before `a`.
#[inline]
pub(super) fn times_first(a: &Matrix4, b: &Matrix2) -> Matrix4 {
    // out[r, p q] = Σ_p' a[r, p' q] · b[p', p]
    std::array::from_fn(|at| {
        let (row, p, q) = (at / 4 * 4, at / 2 % 2, at % 2);
        a[row + q] * b[p] + a[row + 2 + q] * b[2 + p]
    })
}

/// `a · (1 ⊗ b)`: `b` on the second site, before `a`.
#[inline]
pub(super) fn times_second(a: &Matrix4, b: &Matrix2) -> Matrix4 {
    // out[r, p q] = Σ_q' a[r, p q'] · b[q', q]
    std::array::from_fn(|at| {
        let (row, p, q) = (at / 4 * 4, at / 2 % 2, at % 2);
        a[row + 2 * p] * b[q] + a[row + 2 * p + 1] * b[2 + q]
    })
}

/// Kronecker product: `a` on the first site, `b` on the second.
#[inline]
pub(super) fn kron(a: &Matrix2, b: &Matrix2) -> Matrix4 {
    std::array::from_fn(|at| {
        let (row, column) = (at / 4, at % 4);
        a[(row / 2) * 2 + column / 2] * b[(row % 2) * 2 + column % 2]
    })
}

/// Conjugate transpose of a 2×2 matrix.
pub(super) fn adjoint2(a: &Matrix2) -> Matrix2 {
    std::array::from_fn(|at| a[(at % 2) * 2 + at / 2].conj())
}

/// Conjugate transpose of a 4×4 matrix.
pub(super) fn adjoint4(a: &Matrix4) -> Matrix4 {
    std::array::from_fn(|at| a[(at % 4) * 4 + at / 4].conj())
}

/// Replaces a row-major `side` × `side` matrix by its conjugate transpose.
pub(super) fn adjoint_in_place(entries: &mut [C64], side: usize) {
    for row in 0..side {
        for column in 0..row {
            entries.swap(row * side + column, column * side + row);
        }
    }
    entries.iter_mut().for_each(|x| *x = x.conj());
}

/// `target` where the first wire is `value`.
pub(super) fn controlled2(value: u8, target: &Matrix2) -> Matrix4 {
    let mut matrix = [ZERO; 16];
    let (acts, idle) = if value == 0 { (0, 10) } else { (10, 0) };
    for (at, x) in target.iter().enumerate() {
        matrix[acts + at / 2 * 4 + at % 2] = *x;
    }
    (matrix[idle], matrix[idle + 5]) = (ONE, ONE);
    matrix
}

/// The same operator with its two wires named in the other order: `P a P` with the swap `P`.
pub(super) fn exchange_wires(a: &Matrix4) -> Matrix4 {
    const SWAPPED: [usize; 4] = [0, 2, 1, 3];
    std::array::from_fn(|at| a[SWAPPED[at / 4] * 4 + SWAPPED[at % 4]])
}

/// Largest modulus of an entry of U^H U − 1, for a row-major `side` × `side` matrix U.
pub(super) fn deviation_from_unitary(entries: &[C64], side: usize) -> f64 {
    let mut largest = 0.0_f64;
    for left in 0..side {
        for right in 0..side {
            let overlap: C64 = (0..side)
                .map(|row| entries[row * side + left].conj() * entries[row * side + right])
                .sum();
            let expected = if left == right { ONE } else { ZERO };
            largest = largest.max((overlap - expected).norm());
        }
    }
    largest
}
