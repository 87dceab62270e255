//! The leading right singular directions of a large matrix, from a sketch of its rows.
//!
//! Halko, Martinsson and Tropp (arXiv:0909.4061), with one step of subspace iteration:
//!
//! ```text
//! Y₀ = the heaviest rows of θ       a few more than are wanted
//! A  = orth(θ Y₀ᴴ)
//! Z  = θᴴ A                         what θ does on that space
//! V  = Z U diag(m)^(-1/2)           Zᴴ Z = U diag(m) Uᴴ: the wanted ones, by weight
//! ```
//!
//! All of it in single precision, twice as fast: which space is kept need not be known better where
//! much is thrown away. Then one Cholesky factorization in double precision makes the directions
//! orthonormal, and the caller takes their weights from θ V: right, whatever the space. The
//! heaviest rows see more of what matters than random mixtures do, but where θ is made of two blocks of
//! nearly equal rows they are those of one block: so it is checked that nothing heavy was left out.

use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place_with_conj as solve;
use faer::prelude::default;
use faer::{Conj, MatRef, Par};

use super::cholesky_qr::orthonormalise_scaled;
use super::eigh::unchecked_eigenpairs;
use super::qr::orthonormal_columns;
use super::{
    Workspace, adjoint_times, gram, keeps_length, matrix, matrix_mut, probe, squared_norm, times,
    times_adjoint,
};
use crate::scalar::{Double, Scalar};

/// Directions that are sketched for one that is wanted. Infidelity of a Haar circuit at bonds of 256,
/// 20 wires, 20 layers: .0554, .0548, .0546 with 1.1, 1.2, 1.35, and .0546 with exact cuts. Where
/// the spectrum is steep (layers of rotations and a chain of CNOTs) 1.1 costs more.
const OVERSAMPLING: f64 = 1.25;
/// And so many more.
const SPARE: usize = 8;
/// A direction that was left out may weigh this much of the weakest kept one: .6 to 1 where a sketch is
/// sound, 19 and more where it missed something.
const STRAY: f64 = 2.0;
const POWER_STEPS: usize = 3;
/// Least sine of the angle between a column of the image and those before it for Cholesky-QR in double
/// precision. In graded images it leaves an error of Q of 1e-10. Without pivots it bounds no condition (Kahan's
/// matrices), so nothing rests on it: directions are made orthonormal again, and weights come from θ V.
const LEAST_SINE: f64 = 1e-4;
/// What `|V y|²` may differ from `|y|²` by, for each direction.
const TOLERANCE: f64 = 1e-11;

/// Buffers of sketches, reused from one to the next.
pub(crate) struct SketchBuffers<S> {
    theta: Vec<S>,
    rows: Vec<S>,
    image: Vec<S>,
    orthonormal: Vec<S>,
    small: Vec<S>,
    directions: Vec<S>,
}

impl<S> Default for SketchBuffers<S> {
    fn default() -> Self {
        Self {
            theta: Vec::new(),
            rows: Vec::new(),
            image: Vec::new(),
            orthonormal: Vec::new(),
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
    let heaviest = heaviest_rows(&buffers.theta, rows, size);
    buffers.rows.clear();
    for column in buffers.theta.chunks_exact(rows) {
        buffers.rows.extend(heaviest.iter().map(|row| column[*row]));
    }
    // W[(l p), j] = Σ_{q r} θ[(l p), (q r)] · conj(Y₀[j, (q r)])
    buffers.image.resize(rows * size, zero);
    times_adjoint(
        matrix_mut(&mut buffers.image, rows, size),
        theta,
        matrix(&buffers.rows, size, cols),
    );
    if !by_cholesky::<W>(&buffers.image, &mut buffers.orthonormal, (rows, size), workspace) {
        buffers.orthonormal.resize(rows * size, zero);
        orthonormal_columns(&mut buffers.image, &mut buffers.orthonormal, rows, size, workspace);
    }
    // Z[(q r), j] = Σ_{l p} conj(θ[(l p), (q r)]) · A[(l p), j]
    buffers.directions.resize(cols * size, zero);
    adjoint_times(
        matrix_mut(&mut buffers.directions, cols, size),
        theta,
        matrix(&buffers.orthonormal, rows, size),
    );
    buffers.small.resize(size * size, zero);
    gram(matrix_mut(&mut buffers.small, size, size), matrix(&buffers.directions, cols, size));
    let (weights, mut turn) = unchecked_eigenpairs(&mut buffers.small, size, kept, workspace)?;
    for (column, weight) in turn.chunks_exact_mut(size).zip(&weights) {
        if *weight <= f64::from(f32::EPSILON) * weights[0] {
            return None;
        }
        column.iter_mut().for_each(|x| *x = x.scale(1.0 / weight.sqrt()));
    }
    // V[(q r), k] = Σ_j Z[(q r), j] · U[j, k]
    buffers.image.resize(cols * kept, zero);
    times(
        matrix_mut(&mut buffers.image, cols, kept),
        matrix(&buffers.directions, cols, size),
        matrix(&turn, size, kept),
    );
    if !are_leading::<W>(theta, matrix(&buffers.image, cols, kept), weights[kept - 1]) {
        return None;
    }
    let mut vectors: Vec<W> =
        buffers.image[..cols * kept].iter().map(|x| W::from_c64(x.to_c64())).collect();
    orthonormalise(&mut vectors, cols, kept, workspace).then_some(vectors)
}

/// Orthonormal columns with the span of those of `image`, in `orthonormal`, by a Cholesky factorization in double
/// precision: two thirds of the cost of Householder's in single. Whether that keeps the digits of single
/// precision.
fn by_cholesky<W: Double>(
    image: &[W::Single],
    orthonormal: &mut Vec<W::Single>,
    shape: (usize, usize),
    workspace: &mut Workspace,
) -> bool {
    let mut columns: Vec<W> = Vec::with_capacity(image.len());
    columns.extend(image[..shape.0 * shape.1].iter().map(|x| W::from_c64(x.to_c64())));
    if orthonormalise_scaled(&mut columns, shape, LEAST_SINE, workspace).is_none() {
        return false;
    }
    orthonormal.clear();
    orthonormal.extend(columns.iter().map(|x| x.to_single()));
    true
}

/// The indices of the heaviest rows, ascending.
fn heaviest_rows<S: Scalar>(theta: &[S], rows: usize, count: usize) -> Vec<usize> {
    let mut weights = vec![0.0; rows];
    for column in theta.chunks_exact(rows) {
        weights.iter_mut().zip(column).for_each(|(weight, x)| *weight += x.norm_sqr());
    }
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
    order.truncate(count);
    order.sort_unstable();
    order
}

/// Whether no direction that was left out weighs much more than the weakest one that is kept: the
/// largest squared singular value of `θ(1 − V Vᴴ)`, by three steps of the power method on one fixed
/// vector, is at most [`STRAY`] times `weakest`. `directions` are V, orthonormal to single precision.
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
        let norm = squared_norm(&x);
        times(matrix_mut(&mut image, rows, 1), theta, matrix(&x, cols, 1));
        largest = squared_norm(&image) / norm;
        // x ← θᴴ θ x, of length about 1
        let unit = 1.0 / norm.sqrt();
        image.iter_mut().for_each(|y| *y = y.scale(unit));
        adjoint_times(matrix_mut(&mut x, cols, 1), theta, matrix(&image, rows, 1));
    }
    largest <= STRAY * weakest
}

/// Cholesky-QR of columns that are orthonormal to single precision; whether it succeeded.
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
    let y: Vec<W> = (0..kept).map(probe).collect();
    keeps_length(matrix(vectors, cols, kept), &y, TOLERANCE * kept as f64)
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

    fn check<W: Double>(rows: usize, cols: usize, decay: f64) {
        let kept = 24;
        let theta = damped::<W>(rows, cols, rows.min(cols), decay);
        let (mut buffers, mut workspace) = (SketchBuffers::default(), Workspace::default());
        let found = sketched_directions(&theta, (rows, cols), kept, &mut buffers, &mut workspace);
        let vectors = found.unwrap();
        let mut overlaps = vec![W::ZERO; kept * kept];
        let view = matrix(&vectors, cols, kept);
        adjoint_times(matrix_mut(&mut overlaps, kept, kept), view, view);
        for (at, entry) in overlaps.iter().enumerate() {
            let expected = if at % (kept + 1) == 0 { W::ONE } else { W::ZERO };
            assert!((*entry - expected).modulus() < 1e-13);
        }
        let mut held = vec![W::ZERO; rows * kept];
        times(matrix_mut(&mut held, rows, kept), matrix(&theta, rows, cols), view);
        let weight = |entries: &[W]| entries.iter().map(|x| x.norm_sqr()).sum::<f64>();
        let exact = right_singular_vectors(matrix(&theta, rows, cols), &mut workspace).unwrap();
        let squares = exact.singular_values.iter().map(|s| s * s);
        let (best, total) = (squares.clone().take(kept).sum::<f64>(), squares.sum::<f64>());
        let (lost, least) = (1.0 - weight(&held) / total, 1.0 - best / total);
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
