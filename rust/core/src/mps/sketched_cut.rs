//! The cut of a two-site step by a sketch: where much is lost anyway, two thirds of the cost of a Gram
//! matrix (χ = 128: 10.0 ms a step against 14.6, in one run).
//!
//! The sketch says which directions are kept; everything that is told of them is computed from them in
//! double precision, so that weights and losses are right however good the sketch.

use faer::MatRef;

use crate::linalg::{
    Cut, Expected, Method, MethodCounts, Truncation, adjoint_times, matrix, matrix_mut, probe,
    sketch_size, sketched_directions, squared_norm, times,
};
use crate::mps::two_site::Scratch;
use crate::scalar::{Double, Scalar};

/// Limits from which a sketch is faster than a Gram matrix.
const SKETCH_FROM: usize = 48;
/// Relative weight that a step must discard, and be expected to discard, for a sketch: single
/// precision blurs the state by about 5e-10 a step.
pub(super) const LEAST_LOSS: f64 = 1e-7;
/// The directions of a sketch are not quite those of the weights. What that leaves off the diagonal
/// must be small beside what is discarded: this share of it.
const NEARLY: f64 = 0.1;

/// What came of a sketch.
pub(super) enum Sketched<T: Scalar> {
    /// The cut and the new left tensor.
    Taken(Cut<T::Double>, Vec<T>),
    /// None was worth trying, or it was not good enough.
    Not { tried: bool },
}

/// Truncates θ by a sketch where that is allowed: no derivative is asked, the limit cuts at least
/// [`LEAST_LOSS`], and more directions are dropped than the sketch takes besides those it keeps.
pub(super) fn sketched_cut<T: Scalar>(
    left_schmidt: &[f64],
    (rows, cols): (usize, usize),
    bound: usize,
    truncation: &Truncation,
    scratch: &mut Scratch<T>,
) -> Sketched<T> {
    let allowed = truncation.method == Method::Auto && !truncation.keep_dropped;
    let Some(kept) = truncation.limit.filter(|limit| {
        allowed && truncation.expected == Expected::Losses && *limit >= SKETCH_FROM
    }) else {
        return Sketched::Not { tried: false };
    };
    if bound.min(rows).min(cols) <= sketch_size(kept) {
        return Sketched::Not { tried: false };
    }
    let Scratch { weighted, workspace, buffers, .. } = scratch;
    let Some(mut vectors) = sketched_directions(weighted, (rows, cols), kept, buffers, workspace)
    else {
        return Sketched::Not { tried: true };
    };
    let mut left = scratch.project(&vectors, (rows, cols));
    // X[(l p), k] = s_l B'_i[l p k] and m_k = |X_k|², in double precision and of the directions as they are.
    let mut weighted = Vec::with_capacity(left.len());
    for column in left.chunks_exact(left_schmidt.len()) {
        weighted.extend(column.iter().zip(left_schmidt).map(|(x, s)| x.to_double().scale(*s)));
    }
    let mut weights: Vec<f64> = weighted.chunks_exact(rows).map(squared_norm).collect();
    let total = squared_norm(&scratch.weighted);
    let kept_weight: f64 = weights.iter().sum();
    let discarded = 1.0 - kept_weight / total;
    if !(discarded >= LEAST_LOSS
        && is_diagonal(matrix(&weighted, rows, kept), &weights, NEARLY * discarded * total))
    {
        return Sketched::Not { tried: true };
    }
    sort_by_weight(&mut weights, &mut vectors, &mut left);
    if weights[kept - 1] <= truncation.noise_floor.powi(2) * weights[0] {
        return Sketched::Not { tried: true };
    }
    scratch.right.clear();
    scratch.right.extend(vectors.iter().map(|v| T::from_double(*v)));
    let cut = Cut {
        vectors,
        schmidt: weights.iter().map(|m| (m / kept_weight).sqrt()).collect(),
        discarded,
        total_weight: total,
        saturated: true,
        // Not known of a sketch, and of use to derivatives only, which never sketch.
        gap: 1.0,
        shifted: false,
        methods: MethodCounts { sketch: 1, ..MethodCounts::default() },
        dropped: None,
    };
    Sketched::Taken(cut, left)
}

/// Whether X has columns of the squared lengths `weights` that are orthogonal up to `tolerance`, the
/// Frobenius norm of `E = XᴴX − diag(m)` as far as one fixed random vector tells it: `|E y| / |y| · √k`.
fn is_diagonal<W: Double>(x: MatRef<'_, W>, weights: &[f64], tolerance: f64) -> bool {
    let (rows, kept) = x.shape();
    let y: Vec<W> = (0..kept).map(probe).collect();
    let (mut mixed, mut residual) = (vec![W::ZERO; rows], vec![W::ZERO; kept]);
    times(matrix_mut(&mut mixed, rows, 1), x, matrix(&y, kept, 1));
    adjoint_times(matrix_mut(&mut residual, kept, 1), x, matrix(&mixed, rows, 1));
    residual.iter_mut().zip(y.iter().zip(weights)).for_each(|(r, (y, m))| *r -= y.scale(*m));
    (squared_norm(&residual) * kept as f64 / squared_norm(&y)).sqrt() <= tolerance
}

/// Descending weights, with the columns that belong to them.
fn sort_by_weight<W: Copy, T: Copy>(
    weights: &mut Vec<f64>,
    vectors: &mut Vec<W>,
    left: &mut Vec<T>,
) {
    if weights.is_sorted_by(|a, b| a >= b) {
        return;
    }
    let kept = weights.len();
    let mut order: Vec<usize> = (0..kept).collect();
    order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
    *weights = order.iter().map(|k| weights[*k]).collect();
    *vectors = columns_in(&order, vectors);
    *left = columns_in(&order, left);
}

fn columns_in<X: Copy>(order: &[usize], columns: &[X]) -> Vec<X> {
    let rows = columns.len() / order.len();
    order.iter().flat_map(|k| columns[k * rows..(k + 1) * rows].iter().copied()).collect()
}
