//! Thin QR by Householder reflections: unconditionally stable, so it needs no fallback.

use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply,
};
use faer::linalg::qr::no_pivoting::factor;
use faer::prelude::default;
use faer::{Conj, Mat, Par};

use super::{Workspace, matrix, matrix_mut};
use crate::scalar::C64;

/// `a = q · r` with `q` (rows × k) orthonormal and `r` (k × cols) upper triangular,
/// k = min(rows, cols); all column-major. `a` is overwritten. Cost O(rows · cols · k).
pub fn thin_qr(
    a: &mut [C64],
    rows: usize,
    cols: usize,
    workspace: &mut Workspace,
) -> (Vec<C64>, Vec<C64>) {
    let k = rows.min(cols);
    let block = factor::recommended_block_size::<C64>(rows, cols);
    let mut reflectors = Mat::<C64>::zeros(block, k);
    let request = factor::qr_in_place_scratch::<C64>(rows, cols, block, Par::Seq, default())
        .or(apply_scratch::<C64>(rows, block, k));
    let stack = workspace.stack(request);
    factor::qr_in_place(matrix_mut(a, rows, cols), reflectors.as_mut(), Par::Seq, stack, default());
    let mut r = vec![C64::ZERO; k * cols];
    for col in 0..cols {
        let upper = k.min(col + 1);
        r[col * k..col * k + upper].copy_from_slice(&a[col * rows..col * rows + upper]);
    }
    let mut q = vec![C64::ZERO; rows * k];
    for diagonal in 0..k {
        q[diagonal * rows + diagonal] = C64::ONE;
    }
    apply(
        matrix(a, rows, cols).subcols(0, k),
        reflectors.as_ref(),
        Conj::No,
        matrix_mut(&mut q, rows, k),
        Par::Seq,
        workspace.stack(request),
    );
    (q, r)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{probe, times};

    #[test]
    fn factors_multiply_back_and_q_is_orthonormal() {
        for (rows, cols) in [(1, 1), (5, 3), (3, 5), (64, 17), (130, 130)] {
            let a: Vec<C64> = (0..rows * cols).map(probe).collect();
            let k = rows.min(cols);
            let (q, r) = thin_qr(&mut a.clone(), rows, cols, &mut Workspace::default());
            let mut product = vec![C64::ZERO; rows * cols];
            times(matrix_mut(&mut product, rows, cols), matrix(&q, rows, k), matrix(&r, k, cols));
            let error = product.iter().zip(&a).map(|(x, y)| (x - y).norm()).fold(0.0, f64::max);
            assert!(error < 1e-12, "{rows}x{cols}: {error:e}");
        }
    }
}
