//! Weights that are diagonal to relative precision.
//!
//! A factorization finds its vectors to an absolute precision ε, so that a direction of Schmidt value
//! s_k carries a part ε of the strongest one: nothing for the state, but as much as all of it where
//! s_k is small, and a derivative divides by s_k. So the kept directions are turned a little among
//! each other, in both tensors, until
//!
//! ```text
//! G = B_iᴴ ρ B_i = diag(m)         to |G_jk| ≤ ε √(m_j m_k), not ε m_1
//! ```
//!
//! B_i·B_{i+1} stays what it is. This is what one-sided Jacobi rotations do (Demmel and Veselić 1992),
//! here as one product, since the angles are tiny.

use crate::linalg::{add_times, adjoint_times, matrix, matrix_mut, times};
use crate::scalar::{C64, Scalar};

/// Relative weight of the weakest direction from which on nothing is gained.
const GRADED: f64 = 1e-6;
/// Relative size of what is left off the diagonal that is good enough.
const DIAGONAL: f64 = 1e-14;
/// Each round squares what is left.
const ROUNDS: usize = 3;

/// Turns the columns of `left` (rows × kept) and those of `vectors` (cols × kept, the adjoint of the
/// right tensor) alike, and returns the weights of the kept directions. `weights` are those of the
/// bond to the left, l running fastest in the rows.
pub(crate) fn align<T: Scalar>(
    left: &mut [T],
    vectors: &mut [T],
    weights: &[f64],
    kept: usize,
) -> Option<Vec<f64>> {
    let (rows, cols) = (left.len() / kept, vectors.len() / kept);
    let mut found = None;
    for _ in 0..ROUNDS {
        // G[j, k] = Σ_i conj(B[i, j]) ρ_i B[i, k]
        let mut weighted = left.to_vec();
        for column in weighted.chunks_exact_mut(weights.len()) {
            column.iter_mut().zip(weights).for_each(|(x, w)| *x = x.scale(*w));
        }
        let mut gram = vec![T::ZERO; kept * kept];
        adjoint_times(
            matrix_mut(&mut gram, kept, kept),
            matrix(left, rows, kept),
            matrix(&weighted, rows, kept),
        );
        let m: Vec<f64> = gram.iter().step_by(kept + 1).map(|x| x.to_c64().re).collect();
        let largest = m.iter().fold(0.0_f64, |a, b| a.max(*b));
        let smallest = m.iter().fold(f64::INFINITY, |a, b| a.min(*b));
        if smallest <= 0.0 || smallest > GRADED * largest {
            return found;
        }
        let Some(turn) = turn(&gram, &m, kept) else {
            return Some(m);
        };
        found = Some(m);
        for (entries, count) in [(&mut *left, rows), (&mut *vectors, cols)] {
            let before = entries.to_vec();
            add_times(
                matrix_mut(entries, count, kept),
                matrix(&before, count, kept),
                matrix(&turn, kept, kept),
            );
        }
    }
    found
}

/// Q − 1 of the unitary Q that takes G to its diagonal `m` but for second orders; `None` if it is
/// diagonal already.
fn turn<T: Scalar>(gram: &[T], m: &[f64], kept: usize) -> Option<Vec<T>> {
    // Q = exp(Z), Z[j, k] = G[j, k] / (m_k − m_j) antihermitian
    let mut z = vec![C64::ZERO; kept * kept];
    let mut diagonal = true;
    for k in 0..kept {
        for j in 0..k {
            let g = gram[j + k * kept].to_c64();
            let gap = m[k] - m[j];
            diagonal &= g.norm() <= DIAGONAL * (m[j] * m[k]).sqrt();
            // Weights that nearly coincide may mix: their sum is one weight, to the precision at hand.
            if g.norm() < 0.1 * gap.abs() {
                z[j + k * kept] = g / gap;
                z[k + j * kept] = -z[j + k * kept].conj();
            }
        }
    }
    if diagonal {
        return None;
    }
    // exp(Z) − 1 = Z + Z²/2 + …
    let mut square = vec![C64::ZERO; kept * kept];
    let view = matrix(&z, kept, kept);
    times(matrix_mut(&mut square, kept, kept), view, view);
    let turn = z.iter().zip(square).map(|(z, square)| T::from_c64(z + square * 0.5));
    Some(turn.collect())
}
