//! The leading right singular directions of a large matrix, from a sketch of its rows.
//!
//! A Nyström approximation of K = θθᴴ (Halko, Martinsson and Tropp, arXiv:0909.4061, section 5.4) on a
//! space that was multiplied by K once, then half a step of subspace iteration:
//!
//! ```text
//! W₀ = K Pᴴ                       the columns of the heaviest rows of θ, a few more than are wanted
//! F₀ = W₀ L^(-H)                  P W₀ = L Lᴴ: K ≈ F₀ F₀ᴴ
//! W  = K F₀, F = W L^(-H)         F₀ᴴ W = L Lᴴ: better, K ≈ F Fᴴ
//! X  = F U diag(m)^(-1/2)         Fᴴ F = U diag(m) Uᴴ: the wanted left singular vectors, by weight
//! V  = orth(θᴴ X)
//! ```
//!
//! All but the last orthogonalisation in single precision, twice as fast: which space is kept need not
//! be known better where much is thrown away. That is one Cholesky-QR in double precision, and the caller
//! takes the weights of the directions from θ V: right, whatever the space. The heaviest rows see more of
//! what matters than random mixtures do, but where θ is made of two blocks of nearly equal rows they are
//! those of one block: so it is checked that nothing heavy was left out.

use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place_with_conj as solve;
use faer::prelude::default;
use faer::{Conj, MatRef, Par};

use super::eigh::unchecked_eigenpairs;
use super::{
    Workspace, adjoint_times, adjoint_times_lower, gram, matrix, matrix_mut, probe, times,
    times_adjoint_lower,
};
use crate::scalar::{Double, Scalar};

/// Directions that are sketched for one that is wanted. With 1.1, 1.15 and 1.2 the steps of W2 lost
/// .5%, .3% and .1% more than exact cuts of the same matrices.
const OVERSAMPLING: f64 = 1.15;
/// And so many more.
const SPARE: usize = 8;
/// A direction that was left out may weigh this much of the weakest kept one: .6 to 1 where a sketch is
/// sound, 19 and more where it missed something.
const STRAY: f64 = 2.0;
const POWER_STEPS: usize = 3;
/// A row of which less than this share is beside those before it is dependent on them as far as single
/// precision can tell: 32 units in the last place.
const RESOLVED: f64 = 32.0 * f32::EPSILON as f64;
/// What `|V y|²` may differ from `|y|²` by, for each direction.
const TOLERANCE: f64 = 1e-11;

/// Buffers of sketches, reused from one to the next.
pub(crate) struct SketchBuffers<S> {
    theta: Vec<S>,
    kernel: Vec<S>,
    image: Vec<S>,
    left: Vec<S>,
    small: Vec<S>,
    directions: Vec<S>,
}

impl<S> Default for SketchBuffers<S> {
    fn default() -> Self {
        Self {
            theta: Vec::new(),
            kernel: Vec::new(),
            image: Vec::new(),
            left: Vec::new(),
            small: Vec::new(),
            directions: Vec::new(),
        }
    }
}

/// How many rows a sketch for `kept` directions takes.
pub(crate) fn sketch_size(kept: usize) -> usize {
    (OVERSAMPLING * kept as f64) as usize + SPARE
}

/// `kept` orthonormal directions, as columns (cols × kept), that hold nearly as much of `theta`
/// (rows × cols) as its leading right singular vectors, in the order of their weights. `None` if the
/// sketch found fewer directions or something failed. Cost O(rows · cols · kept).
///
/// `theta` must have more rows and columns than [`sketch_size`].
pub(crate) fn sketched_directions<W: Double>(
    theta: &[W],
    (rows, cols): (usize, usize),
    kept: usize,
    buffers: &mut SketchBuffers<W::Single>,
    workspace: &mut Workspace,
) -> Option<Vec<W>> {
    let zero = <W::Single as Scalar>::ZERO;
    let size = sketch_size(kept);
    buffers.theta.clear();
    buffers.theta.extend(theta.iter().map(|x| x.to_single()));
    let theta = matrix(&buffers.theta, rows, cols);
    // K[(l p), (l' p')] = Σ_{q r} θ[(l p), (q r)] · conj(θ[(l' p'), (q r)])
    buffers.kernel.resize(rows * rows, zero);
    times_adjoint_lower(matrix_mut(&mut buffers.kernel, rows, rows), theta, theta);
    mirror(&mut buffers.kernel, rows);
    let kernel = &buffers.kernel[..rows * rows];
    let heaviest = heaviest_rows(kernel, rows, size);
    buffers.image.clear();
    buffers.small.clear();
    for chosen in &heaviest {
        let column = &kernel[chosen * rows..(chosen + 1) * rows];
        buffers.image.extend_from_slice(column);
        buffers.small.extend(heaviest.iter().map(|row| column[*row]));
    }
    if !whiten(&mut buffers.small, &mut buffers.image, (rows, size), workspace) {
        return None;
    }
    buffers.left.resize(rows * size, zero);
    // W[(l p), j] = Σ_{l' p'} K[(l p), (l' p')] · F₀[(l' p'), j]
    let image = matrix(&buffers.image, rows, size);
    times(matrix_mut(&mut buffers.left, rows, size), matrix(kernel, rows, rows), image);
    // L Lᴴ = F₀ᴴ W has the squares of the weights: where they fall off steeply it is not known, but
    // there F₀ is good enough.
    let left = matrix(&buffers.left, rows, size);
    adjoint_times_lower(matrix_mut(&mut buffers.small, size, size), image, left);
    if whiten(&mut buffers.small, &mut buffers.left, (rows, size), workspace) {
        std::mem::swap(&mut buffers.image, &mut buffers.left);
    }
    // K ≈ F Fᴴ: its eigenvectors are the left singular vectors of F.
    gram(matrix_mut(&mut buffers.small, size, size), matrix(&buffers.image, rows, size));
    let (weights, mut turn) = unchecked_eigenpairs(&mut buffers.small, size, kept, workspace)?;
    for (column, weight) in turn.chunks_exact_mut(size).zip(&weights) {
        if *weight <= f64::from(f32::EPSILON) * weights[0] {
            return None;
        }
        // Once to normalise F U, once more to normalise θᴴ F U.
        column.iter_mut().for_each(|x| *x = x.scale(1.0 / *weight));
    }
    // X[(l p), k] = Σ_j F[(l p), j] · U[j, k]
    times(
        matrix_mut(&mut buffers.left, rows, kept),
        matrix(&buffers.image, rows, size),
        matrix(&turn, size, kept),
    );
    // V[(q r), k] = Σ_{l p} conj(θ[(l p), (q r)]) · X[(l p), k]
    buffers.directions.resize(cols * kept, zero);
    adjoint_times(
        matrix_mut(&mut buffers.directions, cols, kept),
        theta,
        matrix(&buffers.left, rows, kept),
    );
    let mut vectors: Vec<W> =
        buffers.directions[..cols * kept].iter().map(|x| W::from_c64(x.to_c64())).collect();
    if !orthonormalise(&mut vectors, cols, kept, workspace) {
        return None;
    }
    buffers.directions.iter_mut().zip(&vectors).for_each(|(x, v)| *x = v.to_single());
    let directions = matrix(&buffers.directions, cols, kept);
    are_leading::<W>(theta, directions, weights[kept - 1]).then_some(vectors)
}

/// `W ← W L^(-H)` for the Hermitian matrix `small = L Lᴴ`, of which the lower triangle is read. Whether L
/// is known well enough; if not, `W` is left as it was.
fn whiten<S: Scalar>(
    small: &mut [S],
    image: &mut [S],
    (rows, size): (usize, usize),
    workspace: &mut Workspace,
) -> bool {
    let whole: Vec<f64> = small.iter().step_by(size + 1).map(|x| x.norm_sqr().sqrt()).collect();
    let request = cholesky_in_place_scratch::<S>(size, Par::Seq, default());
    let factor = matrix_mut(small, size, size);
    let stack = workspace.stack(request);
    if cholesky_in_place(factor, default(), Par::Seq, stack, default()).is_err() {
        return false;
    }
    let mut pivots = small.iter().step_by(size + 1).zip(&whole);
    if !pivots.all(|(pivot, whole)| pivot.norm_sqr() > RESOLVED * whole) {
        return false;
    }
    let image = matrix_mut(image, rows, size);
    solve(matrix(small, size, size), Conj::Yes, image.transpose_mut(), Par::Seq);
    true
}

/// Fills the upper triangle of a Hermitian matrix of which the lower one is known.
fn mirror<S: Scalar>(entries: &mut [S], n: usize) {
    const TILE: usize = 16;
    for first in (0..n).step_by(TILE) {
        for start in (0..=first).step_by(TILE) {
            for row in first..n.min(first + TILE) {
                for column in start..row.min(start + TILE) {
                    entries[row * n + column] = entries[column * n + row].conj();
                }
            }
        }
    }
}

/// The indices of the heaviest rows of θ, from θθᴴ, the heaviest first.
fn heaviest_rows<S: Scalar>(kernel: &[S], rows: usize, count: usize) -> Vec<usize> {
    let weights: Vec<f64> =
        kernel.iter().step_by(rows + 1).map(|weight| weight.norm_sqr()).collect();
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
    order.truncate(count);
    order
}

/// Whether no direction that was left out weighs much more than the weakest one that is kept: the
/// largest squared singular value of `θ(1 − V Vᴴ)`, by three steps of the power method on one fixed
/// vector, is at most [`STRAY`] times `weakest`. `directions` are V, rounded to single precision.
fn are_leading<W: Double>(
    theta: MatRef<'_, W::Single>,
    directions: MatRef<'_, W::Single>,
    weakest: f64,
) -> bool {
    let zero = <W::Single as Scalar>::ZERO;
    let ((rows, cols), kept) = (theta.shape(), directions.ncols());
    let mut x: Vec<W::Single> = (0..cols).map(|at| probe::<W>(at).to_single()).collect();
    let (mut image, mut along, mut inside) = (vec![zero; rows], vec![zero; kept], vec![zero; cols]);
    let mut largest = 0.0;
    for _ in 0..POWER_STEPS {
        // x ← (1 − V Vᴴ) x
        adjoint_times(matrix_mut(&mut along, kept, 1), directions, matrix(&x, cols, 1));
        times(matrix_mut(&mut inside, cols, 1), directions, matrix(&along, kept, 1));
        x.iter_mut().zip(&inside).for_each(|(x, inside)| *x -= *inside);
        let norm: f64 = x.iter().map(|x| x.norm_sqr()).sum();
        times(matrix_mut(&mut image, rows, 1), theta, matrix(&x, cols, 1));
        largest = image.iter().map(|y| y.norm_sqr()).sum::<f64>() / norm;
        // x ← θᴴ θ x, of length about 1
        let unit = 1.0 / norm.sqrt();
        image.iter_mut().for_each(|y| *y = y.scale(unit));
        adjoint_times(matrix_mut(&mut x, cols, 1), theta, matrix(&image, rows, 1));
    }
    largest <= STRAY * weakest
}

/// Cholesky-QR of columns that are nearly orthonormal; whether it succeeded.
fn orthonormalise<W: Double>(
    vectors: &mut [W],
    cols: usize,
    kept: usize,
    workspace: &mut Workspace,
) -> bool {
    // Vᴴ V = L Lᴴ, V ← V L^(-H)
    let mut overlaps = vec![W::ZERO; kept * kept];
    gram(matrix_mut(&mut overlaps, kept, kept), matrix(vectors, cols, kept));
    let request = cholesky_in_place_scratch::<W>(kept, Par::Seq, default());
    let factor = matrix_mut(&mut overlaps, kept, kept);
    let stack = workspace.stack(request);
    if cholesky_in_place(factor, default(), Par::Seq, stack, default()).is_err() {
        return false;
    }
    let factor = matrix(&overlaps, kept, kept);
    solve(factor, Conj::Yes, matrix_mut(vectors, cols, kept).transpose_mut(), Par::Seq);
    // |V y|² = |y|² for one fixed random y.
    let mut mixed = vec![W::ZERO; cols];
    let mut expected = 0.0;
    for (index, vector) in vectors.chunks_exact(cols).enumerate() {
        let y = probe::<W>(index);
        expected += y.norm_sqr();
        mixed.iter_mut().zip(vector).for_each(|(mix, v)| *mix += *v * y);
    }
    let found: f64 = mixed.iter().map(|x| x.norm_sqr()).sum();
    (found - expected).abs() <= TOLERANCE * expected * kept as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{right_singular_vectors, thin_qr};
    use crate::scalar::C64;

    /// Random directions, the k-th damped by `decay^k`, of rank `rank`.
    fn damped<W: Double>(rows: usize, cols: usize, rank: usize, decay: f64) -> Vec<W> {
        let left: Vec<W> = (0..rows * rank)
            .map(|at| probe::<W>(at).scale(decay.powf((at / rows) as f64)))
            .collect();
        let right: Vec<W> = (0..rank * cols).map(|at| probe(at + 77_777)).collect();
        let mut product = vec![W::ZERO; rows * cols];
        times(
            matrix_mut(&mut product, rows, cols),
            matrix(&left, rows, rank),
            matrix(&right, rank, cols),
        );
        product
    }

    /// The shares of the weight that a sketch loses and that the best directions lose.
    fn losses<W: Double>(
        theta: &[W],
        (rows, cols): (usize, usize),
        kept: usize,
    ) -> Option<(f64, f64)> {
        let (mut buffers, mut workspace) = (SketchBuffers::default(), Workspace::default());
        let vectors = sketched_directions(theta, (rows, cols), kept, &mut buffers, &mut workspace)?;
        let mut overlaps = vec![W::ZERO; kept * kept];
        let view = matrix(&vectors, cols, kept);
        adjoint_times(matrix_mut(&mut overlaps, kept, kept), view, view);
        for (at, entry) in overlaps.iter().enumerate() {
            let expected = if at % (kept + 1) == 0 { W::ONE } else { W::ZERO };
            assert!((*entry - expected).modulus() < 1e-13);
        }
        let mut held = vec![W::ZERO; rows * kept];
        times(matrix_mut(&mut held, rows, kept), matrix(theta, rows, cols), view);
        let weight = |entries: &[W]| entries.iter().map(|x| x.norm_sqr()).sum::<f64>();
        let exact = right_singular_vectors(matrix(theta, rows, cols), &mut workspace).unwrap();
        let squares = exact.singular_values.iter().map(|s| s * s);
        let (best, total) = (squares.clone().take(kept).sum::<f64>(), squares.sum::<f64>());
        Some((1.0 - weight(&held) / total, 1.0 - best / total))
    }

    fn check<W: Double>(rows: usize, cols: usize, decay: f64) {
        let theta = damped::<W>(rows, cols, rows.min(cols), decay);
        let (lost, least) = losses(&theta, (rows, cols), 24).unwrap();
        assert!(lost >= least - 1e-12 && lost < 1.03 * least + 1e-9, "{lost:e} {least:e}");
    }

    #[test]
    fn a_sketch_keeps_nearly_as_much_as_the_best_directions_and_is_orthonormal() {
        for (rows, cols) in [(64, 64), (48, 100), (100, 48)] {
            for decay in [1.0, 0.97, 0.85] {
                check::<C64>(rows, cols, decay);
                check::<f64>(rows, cols, decay);
            }
        }
    }

    /// From flat spectra to those of which single precision does not know the end.
    #[test]
    fn graded_spectra_rows_of_graded_weight_and_nearly_dependent_rows_lose_little_more_or_say_so() {
        let (n, kept) = (128, 64);
        let mut found = 0;
        for decay in [1.0, 0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.93, 0.92, 0.91, 0.9, 0.88] {
            let spectrum = damped::<C64>(n, n, n, decay);
            let mut rows = damped::<C64>(n, n, n, 1.0);
            for (at, x) in rows.iter_mut().enumerate() {
                *x = x.scale(decay.powf((at % n) as f64));
            }
            let mut cases = vec![spectrum.clone(), rows];
            for apart in [0.3, 1e-2, 1e-3] {
                let mut pairs = spectrum.clone();
                for at in (0..n * n).step_by(2) {
                    pairs[at + 1] = pairs[at] + pairs[at + 1].scale(apart);
                }
                cases.push(pairs);
            }
            for (case, theta) in cases.iter().enumerate() {
                let Some((lost, least)) = losses(theta, (n, n), kept) else { continue };
                found += 1;
                assert!(lost < 1.05 * least + 1e-8, "{case} {decay}: {lost:e} {least:e}");
            }
        }
        assert!(found > 30, "{found}");
    }

    /// Two blocks of rows, all of one slightly heavier than all of the other, in each half of the
    /// directions strong: a sketch that starts from the heaviest rows sees one block only.
    #[test]
    fn a_sketch_knows_when_it_missed_a_block_of_lighter_rows() {
        let (side, kept) = (32, 32);
        let mut workspace = Workspace::default();
        let mut rotation = |seed: usize| {
            let random: Vec<C64> = (0..side * side).map(|at| probe(at + seed)).collect();
            thin_qr(&random, side, side, &mut workspace).unwrap().q
        };
        for weak in [0.2, 0.01] {
            let mut theta = vec![C64::ZERO; 4 * side * side];
            for (block, size) in [(0, 1.05), (1, 0.95)] {
                let (left, right) = (rotation(1 + block), rotation(1000 + block));
                for (i, j) in (0..side * side).map(|at| (at % side, at / side)) {
                    let s = |k: usize| size * if k < side / 2 { 1.0 } else { weak };
                    let entry = (0..side).map(|k| left[i + side * k] * right[j + side * k] * s(k));
                    theta[block * side + i + 2 * side * (block * side + j)] = entry.sum();
                }
            }
            let shape = (2 * side, 2 * side);
            let (mut buffers, mut workspace) = (SketchBuffers::default(), Workspace::default());
            let vectors = sketched_directions(&theta, shape, kept, &mut buffers, &mut workspace);
            // .17 and more is lost then, which has to be seen.
            let Some(vectors) = vectors else { continue };
            let mut held = vec![C64::ZERO; 2 * side * kept];
            times(
                matrix_mut(&mut held, 2 * side, kept),
                matrix(&theta, 2 * side, 2 * side),
                matrix(&vectors, 2 * side, kept),
            );
            let weight = |entries: &[C64]| entries.iter().map(C64::norm_sqr).sum::<f64>();
            let (lost, least) =
                (1.0 - weight(&held) / weight(&theta), weak * weak / (1.0 + weak * weak));
            assert!(lost < 1.1 * least, "{lost:e} {least:e}");
        }
    }

    #[test]
    fn a_sketch_of_too_few_directions_says_so() {
        let (mut buffers, mut workspace) = (SketchBuffers::default(), Workspace::default());
        for rank in [1, 10, 23] {
            let theta = damped::<C64>(64, 64, rank, 1.0);
            let found = sketched_directions(&theta, (64, 64), 24, &mut buffers, &mut workspace);
            assert!(found.is_none(), "{rank}");
        }
    }
}
