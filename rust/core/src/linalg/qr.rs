//! Thin QR, checked: Householder reflections, then Gram-Schmidt.
//!
//! Householder QR is unconditionally stable, in IEEE arithmetic. On a thread that flushes denormals
//! to zero (as some runtimes set their callback threads) faer's has returned wrong factors.

use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply,
};
use faer::linalg::qr::no_pivoting::factor;
use faer::prelude::default;
use faer::{Conj, Mat, Par};

use super::{Workspace, keeps_length, matrix, matrix_mut, probe, squared_norm, times};
use crate::error::{Error, Result};
use crate::scalar::{C64, Double, Scalar};

/// A relative residual above this is a failed factorization, not rounding.
const TOLERANCE: f64 = 1e-11;

/// `a ≈ q · r`, all column-major.
#[derive(Debug, Clone)]
pub struct ThinQr<W = C64> {
    /// rows × k, orthonormal columns, k = min(rows, cols).
    pub q: Vec<W>,
    /// k × cols, upper triangular (trapezoidal where cols > rows).
    pub r: Vec<W>,
    /// How many attempts failed the check before this one.
    pub fallbacks: usize,
}

/// Thin QR of `a` (rows × cols, column-major). Cost O(rows · cols · k).
///
/// # Errors
/// [`Error::Numerical`] if no attempt passed the check (the matrix is not finite).
pub fn thin_qr<W: Double>(
    a: &[W],
    rows: usize,
    cols: usize,
    workspace: &mut Workspace,
) -> Result<ThinQr<W>> {
    let (q, r) = householder(a, rows, cols, workspace);
    if passes(a, &q, &r, rows, cols) {
        return Ok(ThinQr { q, r, fallbacks: 0 });
    }
    let (q, r) = gram_schmidt(a, rows, cols);
    if passes(a, &q, &r, rows, cols) {
        return Ok(ThinQr { q, r, fallbacks: 1 });
    }
    Err(Error::Numerical(
        "no QR factorization passed its check: the state holds numbers that are not finite; check \
         the gates' matrices and parameters"
            .to_owned(),
    ))
}

fn householder<W: Double>(
    a: &[W],
    rows: usize,
    cols: usize,
    workspace: &mut Workspace,
) -> (Vec<W>, Vec<W>) {
    let k = rows.min(cols);
    let mut a = a[..rows * cols].to_vec();
    let mut q = vec![W::ZERO; rows * k];
    orthonormal_columns(&mut a, &mut q, rows, cols, workspace);
    let mut r = vec![W::ZERO; k * cols];
    for col in 0..cols {
        let upper = k.min(col + 1);
        r[col * k..col * k + upper].copy_from_slice(&a[col * rows..col * rows + upper]);
    }
    (q, r)
}

/// Q of `a` in `q`, rows × min(rows, cols), in any precision and unchecked; R is what is left in the
/// upper triangle of `a`.
pub(super) fn orthonormal_columns<S: Scalar>(
    a: &mut [S],
    q: &mut [S],
    rows: usize,
    cols: usize,
    workspace: &mut Workspace,
) {
    let k = rows.min(cols);
    let block = factor::recommended_block_size::<S>(rows, cols);
    let mut reflectors = Mat::<S>::zeros(block, k);
    let request = factor::qr_in_place_scratch::<S>(rows, cols, block, Par::Seq, default())
        .or(apply_scratch::<S>(rows, block, k));
    factor::qr_in_place(
        matrix_mut(a, rows, cols),
        reflectors.as_mut(),
        Par::Seq,
        workspace.stack(request),
        default(),
    );
    q.fill(S::ZERO);
    for diagonal in 0..k {
        q[diagonal * rows + diagonal] = S::ONE;
    }
    apply(
        matrix(a, rows, cols).subcols(0, k),
        reflectors.as_ref(),
        Conj::No,
        matrix_mut(q, rows, k),
        Par::Seq,
        workspace.stack(request),
    );
}

/// Gram-Schmidt, every column orthogonalised twice ("twice is enough", Kahan and Parlett). A column
/// that depends on those before it is replaced by a fixed random one.
fn gram_schmidt<W: Double>(a: &[W], rows: usize, cols: usize) -> (Vec<W>, Vec<W>) {
    let k = rows.min(cols);
    let mut q: Vec<W> = Vec::with_capacity(rows * k);
    let mut r = vec![W::ZERO; k * cols];
    for col in 0..cols {
        let column = &a[col * rows..(col + 1) * rows];
        let mut rest = column.to_vec();
        let size = length(column);
        let coefficients = &mut r[col * k..(col + 1) * k];
        orthogonalise(&q, &mut rest, coefficients);
        if col >= k {
            continue;
        }
        let remainder = length(&rest);
        if remainder > 1e-14 * size {
            coefficients[col] = W::of(remainder);
            q.extend(rest.iter().map(|x| x.scale(1.0 / remainder)));
            continue;
        }
        let mut fresh: Vec<W> = (0..rows).map(|row| probe(col * rows + row)).collect();
        orthogonalise(&q, &mut fresh, &mut vec![W::ZERO; k]);
        let norm = length(&fresh);
        q.extend(fresh.iter().map(|x| x.scale(1.0 / norm)));
    }
    (q, r)
}

/// Takes the components along the columns of `q` out of `vector`, twice, and adds them up.
fn orthogonalise<W: Double>(q: &[W], vector: &mut [W], coefficients: &mut [W]) {
    for _ in 0..2 {
        for (direction, coefficient) in q.chunks_exact(vector.len()).zip(&mut *coefficients) {
            let along: W = direction.iter().zip(&*vector).map(|(d, v)| d.conj() * *v).sum();
            vector.iter_mut().zip(direction).for_each(|(v, d)| *v -= *d * along);
            *coefficient += along;
        }
    }
}

fn length<W: Double>(vector: &[W]) -> f64 {
    squared_norm(vector).sqrt()
}

/// For one fixed random x: `A x = Q (R x)`; for one y: `|Q y| = |y|`. Cost O(rows · cols).
pub(super) fn passes<W: Double>(a: &[W], q: &[W], r: &[W], rows: usize, cols: usize) -> bool {
    let k = rows.min(cols);
    let x: Vec<W> = (0..cols).map(probe).collect();
    let y: Vec<W> = (cols..cols + k).map(probe).collect();
    let (mut residual, mut reduced) = (vec![W::ZERO; rows], vec![W::ZERO; k]);
    let mut image = vec![W::ZERO; rows];
    let (q, x) = (matrix(q, rows, k), matrix(&x, cols, 1));
    times(matrix_mut(&mut residual, rows, 1), matrix(a, rows, cols), x);
    times(matrix_mut(&mut reduced, k, 1), matrix(r, k, cols), x);
    times(matrix_mut(&mut image, rows, 1), q, matrix(&reduced, k, 1));
    residual.iter_mut().zip(&image).for_each(|(a, qr)| *a -= *qr);
    let size = length(&a[..rows * cols]) * (cols as f64).sqrt();
    length(&residual) <= TOLERANCE * size && keeps_length(q, &y, TOLERANCE * k as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awkward<W: Double>() -> Vec<(usize, usize, Vec<W>)> {
        let mut cases: Vec<_> = [(1, 1), (5, 3), (3, 5), (4, 2), (64, 17), (130, 130)]
            .map(|(rows, cols)| (rows, cols, (0..rows * cols).map(probe).collect()))
            .into();
        // Dependent columns, zero columns, nothing at all.
        let column: Vec<W> = (0..6).map(probe).collect();
        cases.push((6, 3, [column.clone(), column.clone(), column].concat()));
        cases.push((4, 3, vec![W::ZERO; 12]));
        cases
    }

    #[test]
    fn both_ways_multiply_back_with_orthonormal_factors() {
        check_both_ways::<C64>();
        check_both_ways::<f64>();
    }

    fn check_both_ways<W: Double>() {
        for (rows, cols, a) in awkward::<W>() {
            let (q, r) = householder(&a, rows, cols, &mut Workspace::default());
            assert!(passes(&a, &q, &r, rows, cols), "householder {rows}x{cols}");
            let (q, r) = gram_schmidt(&a, rows, cols);
            assert!(passes(&a, &q, &r, rows, cols), "gram_schmidt {rows}x{cols}");
        }
    }

    #[test]
    fn wrong_factors_do_not_pass() {
        let (rows, cols) = (7, 4);
        let a: Vec<C64> = (0..rows * cols).map(probe).collect();
        let (q, r) = householder(&a, rows, cols, &mut Workspace::default());
        let mut doubled = q.clone();
        doubled.copy_within(0..rows, rows);
        assert!(!passes(&a, &doubled, &r, rows, cols));
        let mut scaled = r.clone();
        scaled[0] *= 1.0 + 1e-8;
        assert!(!passes(&a, &q, &scaled, rows, cols));
        let broken = vec![C64::new(f64::NAN, 0.0); rows * cols];
        assert!(thin_qr(&broken, rows, cols, &mut Workspace::default()).is_err());
    }
}
