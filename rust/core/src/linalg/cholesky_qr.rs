//! Thin QR of columns that are nearly orthogonal, as Schmidt vectors after a few truncations are: by a
//! Cholesky factorization of the overlaps of the scaled columns, a third of the cost of Householder's.

use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place_with_conj as solve;
use faer::prelude::default;
use faer::{Conj, Par};

use super::qr::passes;
use super::{ThinQr, Workspace, gram, matrix, matrix_mut, squared_norm, thin_qr};
use crate::error::Result;
use crate::scalar::Double;

/// Least sine of the angle between a column and those before it for a QR in double precision: .1 costs two
/// digits.
const LEAST_SINE: f64 = 0.1;

/// [`thin_qr`] of `a` (rows × cols, column-major): by Cholesky where the columns are nearly orthogonal,
/// whatever their lengths, else by Householder. Cost O(rows · cols²).
///
/// # Errors
/// Those of [`thin_qr`].
pub(crate) fn nearly_orthogonal_qr<W: Double>(
    a: &[W],
    rows: usize,
    cols: usize,
    workspace: &mut Workspace,
) -> Result<ThinQr<W>> {
    let Some((q, r)) = cholesky_qr(a, rows, cols, workspace) else {
        return thin_qr(a, rows, cols, workspace);
    };
    if passes(a, &q, &r, rows, cols) {
        return Ok(ThinQr { q, r, fallbacks: 0 });
    }
    let by_householder = thin_qr(a, rows, cols, workspace)?;
    Ok(ThinQr { fallbacks: by_householder.fallbacks + 1, ..by_householder })
}

/// Unchecked; `None` where [`orthonormalise_scaled`] finds the columns too far from orthogonal.
fn cholesky_qr<W: Double>(
    a: &[W],
    rows: usize,
    cols: usize,
    workspace: &mut Workspace,
) -> Option<(Vec<W>, Vec<W>)> {
    let mut q = a.to_vec();
    let (lengths, lower) = orthonormalise_scaled(&mut q, (rows, cols), LEAST_SINE, workspace)?;
    let mut r = vec![W::ZERO; cols * cols];
    for (col, length) in lengths.iter().enumerate() {
        for row in 0..=col {
            // R[row, col] = conj(L[col, row]) · D[col]
            r[row + cols * col] = lower[col + cols * row].conj().scale(*length);
        }
    }
    Some((q, r))
}

/// Makes the columns of `a` (rows × cols, column-major) orthonormal, each within the span of itself and those
/// before it, and returns their lengths D and L of `A = Q Lᴴ D`. The error of Q is that of rounding over
/// the square of `least_sine`.
///
/// `None` where the sine of the angle between a column and those before it is below `least_sine`, or where
/// one is zero or not finite; unchecked otherwise.
pub(super) fn orthonormalise_scaled<W: Double>(
    a: &mut [W],
    (rows, cols): (usize, usize),
    least_sine: f64,
    workspace: &mut Workspace,
) -> Option<(Vec<f64>, Vec<W>)> {
    if cols > rows || cols == 0 {
        return None;
    }
    let lengths: Vec<f64> =
        a.chunks_exact(rows).map(|column| squared_norm(column).sqrt()).collect();
    // Shorter ones have lost digits to the smallest numbers there are.
    let sound = |length: &f64| *length > 1e-140 && length.is_finite();
    if !lengths.iter().all(sound) {
        return None;
    }
    // A = Y D with columns of length 1; Yᴴ Y = L Lᴴ; Q = Y L^(-H), R = Lᴴ D
    for (column, length) in a.chunks_exact_mut(rows).zip(&lengths) {
        column.iter_mut().for_each(|x| *x = x.scale(1.0 / length));
    }
    let mut lower = vec![W::ZERO; cols * cols];
    gram(matrix_mut(&mut lower, cols, cols), matrix(a, rows, cols));
    let request = cholesky_in_place_scratch::<W>(cols, Par::Seq, default());
    let stack = workspace.stack(request);
    cholesky_in_place(matrix_mut(&mut lower, cols, cols), default(), Par::Seq, stack, default())
        .ok()?;
    let mut sines = lower.iter().step_by(cols + 1);
    if !sines.all(|sine| sine.modulus() >= least_sine) {
        return None;
    }
    solve(
        matrix(&lower, cols, cols),
        Conj::Yes,
        matrix_mut(a, rows, cols).transpose_mut(),
        Par::Seq,
    );
    Some((lengths, lower))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{adjoint_times, probe, times};
    use crate::scalar::C64;

    /// Orthonormal columns, each with some of the next and of a length of its own.
    fn nearly_orthogonal<W: Double>(rows: usize, cols: usize, share: f64) -> Result<Vec<W>> {
        let random: Vec<W> = (0..rows * cols).map(probe).collect();
        let ThinQr { q, .. } = thin_qr(&random, rows, cols, &mut Workspace::default())?;
        let mut mixed = q.clone();
        for (at, x) in mixed.iter_mut().enumerate() {
            let next = q.get(at + rows).copied().unwrap_or(W::ZERO);
            *x = (*x + next.scale(share)).scale(0.7_f64.powf((at / rows) as f64));
        }
        Ok(mixed)
    }

    fn check<W: Double>(a: &[W], rows: usize, cols: usize) -> Result<()> {
        let found = nearly_orthogonal_qr(a, rows, cols, &mut Workspace::default())?;
        assert_eq!(found.fallbacks, 0);
        let k = rows.min(cols);
        let mut overlaps = vec![W::ZERO; k * k];
        let q = matrix(&found.q, rows, k);
        adjoint_times(matrix_mut(&mut overlaps, k, k), q, q);
        for (at, x) in overlaps.iter().enumerate() {
            let expected = if at % (k + 1) == 0 { 1.0 } else { 0.0 };
            assert!((x.to_c64() - expected).norm() < 1e-13, "{rows}x{cols}: {x:?}");
        }
        let mut product = vec![W::ZERO; rows * cols];
        times(matrix_mut(&mut product, rows, cols), q, matrix(&found.r, k, cols));
        let columns = product.chunks_exact(rows).zip(a.chunks_exact(rows));
        for (column, expected) in columns {
            let size = expected.iter().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
            // Of each column, however short beside the first.
            for (x, y) in column.iter().zip(expected) {
                assert!((*x - *y).modulus() <= 1e-13 * size.max(f64::MIN_POSITIVE));
            }
        }
        Ok(())
    }

    fn check_all<W: Double>() -> Result<()> {
        for (rows, cols) in [(1, 1), (4, 2), (20, 20), (64, 32), (130, 65)] {
            let a = nearly_orthogonal::<W>(rows, cols, 0.3)?;
            let cholesky = cholesky_qr(&a, rows, cols, &mut Workspace::default());
            assert!(cholesky.is_some(), "{rows}x{cols}");
            check(&a, rows, cols)?;
        }
        Ok(())
    }

    #[test]
    fn columns_of_any_length_become_orthonormal() -> Result<()> {
        check_all::<C64>()?;
        check_all::<f64>()
    }

    #[test]
    fn dependent_zero_and_too_many_columns_go_to_householder() -> Result<()> {
        let column: Vec<C64> = (0..6).map(probe).collect();
        let mut close = [column.clone(), column.clone()].concat();
        close[6] += 1e-3;
        let zero = [column.clone(), vec![C64::ZERO; 6]].concat();
        let wide: Vec<C64> = (0..15).map(probe).collect();
        let tiny: Vec<C64> = column.iter().map(|x| x * 1e-160).collect();
        for (rows, cols, a) in
            [(6, 2, close), (6, 2, zero), (3, 5, wide), (6, 1, tiny), (4, 3, vec![C64::ZERO; 12])]
        {
            assert!(cholesky_qr(&a, rows, cols, &mut Workspace::default()).is_none());
            if rows >= cols && a.iter().all(|x| x.norm() > 1e-100 || *x == C64::ZERO) {
                check(&a, rows, cols)?;
            }
        }
        Ok(())
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        let broken = vec![C64::new(f64::NAN, 0.0); 12];
        assert!(nearly_orthogonal_qr(&broken, 4, 3, &mut Workspace::default()).is_err());
    }
}
