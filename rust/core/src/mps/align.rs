//! Weights that are diagonal to relative precision.
//!
//! A factorization finds its vectors to an absolute precision ε, so that a direction of Schmidt value
//! `s_k` carries a part ε of the strongest one: nothing for the state, but a derivative divides by `s_k`.
//! So the kept directions are turned a little among each other, in both factors of `X'·V`, until
//!
//! ```text
//! G = (R X')ᴴ (R X') = diag(m)         to |G_jk| ≤ ε √(m_j m_k), not ε m_1
//! ```
//!
//! where R weighs the rows of X' as the state does; `X'·V` stays what it is. One-sided Jacobi rotations
//! do this (Demmel and Veselić 1992). Most angles are tiny and taken together in one product; pairs of
//! nearly equal weights are rotated one by one.

use crate::linalg::{add_times, adjoint_times, matrix, matrix_mut, times};
use crate::scalar::Double;

/// Relative weight of the weakest direction above which there is nothing to gain.
const GRADED: f64 = 1e-8;
/// What may be left off the diagonal.
const DIAGONAL: f64 = 4.0 * f64::EPSILON;
/// An angle up to this is one of many taken together: what that neglects is its third power.
const TINY_ANGLE: f64 = 1e-3;
/// Each round squares what is left, so that three suffice.
const ROUNDS: usize = 8;

/// Whether directions are weak enough beside the strongest one for [`align`] to matter.
pub(crate) fn is_graded(schmidt: &[f64]) -> bool {
    let (largest, smallest) = (schmidt.first(), schmidt.last());
    largest.zip(smallest).is_some_and(|(a, b)| b * b < GRADED * a * a)
}

/// Turns the columns of `left` (X', rows × kept) and of `vectors` (the adjoint of V, cols × kept) alike
/// and returns their weights m. `weigh` multiplies by R.
pub(crate) fn align<W: Double>(
    left: &mut [W],
    vectors: &mut [W],
    kept: usize,
    weigh: impl Fn(&[W]) -> Vec<W>,
) -> Vec<f64> {
    let mut m = Vec::new();
    for _ in 0..ROUNDS {
        let mut weighted = weigh(left);
        let gram = gram_of(&weighted, kept);
        m = gram.iter().step_by(kept + 1).map(|x| x.re()).collect();
        let (turn, close) = angles(&gram, &m, kept);
        if let Some(turn) = turn {
            for entries in [&mut *left, &mut *vectors] {
                let (count, before) = (entries.len() / kept, entries.to_vec());
                add_times(
                    matrix_mut(entries, count, kept),
                    matrix(&before, count, kept),
                    matrix(&turn, kept, kept),
                );
            }
        } else if close.is_empty() {
            break;
        } else {
            for (j, k) in close {
                rotate([left, vectors, &mut weighted], j, k, kept);
            }
        }
    }
    m
}

/// `G[j, k] = Σ_i conj(W[i, j]) W[i, k]`
fn gram_of<W: Double>(weighted: &[W], kept: usize) -> Vec<W> {
    let view = matrix(weighted, weighted.len() / kept, kept);
    let mut gram = vec![W::ZERO; kept * kept];
    adjoint_times(matrix_mut(&mut gram, kept, kept), view, view);
    gram
}

/// `Q − 1` of the unitary Q that takes all tiny angles together, if there are any, and the pairs whose
/// angles are larger.
fn angles<W: Double>(gram: &[W], m: &[f64], kept: usize) -> (Option<Vec<W>>, Vec<(usize, usize)>) {
    // Q = exp(Z), Z[j, k] = G[j, k] / (m_k − m_j) antihermitian
    let mut z = vec![W::ZERO; kept * kept];
    let (mut any, mut close) = (false, Vec::new());
    for k in 0..kept {
        for j in 0..k {
            let (g, gap) = (gram[j + k * kept], m[k] - m[j]);
            if g.modulus() <= DIAGONAL * (m[j] * m[k]).sqrt() {
                continue;
            }
            if g.modulus() <= TINY_ANGLE * gap.abs() {
                any = true;
                z[j + k * kept] = g.scale(1.0 / gap);
                z[k + j * kept] = -z[j + k * kept].conj();
            } else {
                close.push((j, k));
            }
        }
    }
    if !any {
        return (None, close);
    }
    // exp(Z) − 1 = Z + Z²/2 + …
    let mut turn = vec![W::ZERO; kept * kept];
    let view = matrix(&z, kept, kept);
    times(matrix_mut(&mut turn, kept, kept), view, view);
    turn.iter_mut().zip(&z).for_each(|(square, z)| *square = *z + square.scale(0.5));
    (Some(turn), close)
}

/// Makes columns j and k of the last of the matrices orthogonal by rotating them in all of them.
fn rotate<W: Double>(matrices: [&mut [W]; 3], j: usize, k: usize, kept: usize) {
    let weighted = &*matrices[2];
    let rows = weighted.len() / kept;
    let (a, b) = (&weighted[j * rows..(j + 1) * rows], &weighted[k * rows..(k + 1) * rows]);
    let g: W = a.iter().zip(b).map(|(a, b)| a.conj() * *b).sum();
    if g == W::ZERO {
        return;
    }
    let weight = |column: &[W]| column.iter().map(|x| x.norm_sqr()).sum::<f64>();
    // The smaller root of t² + 2τt − 1 = 0, as in Jacobi's method.
    let tau = (weight(b) - weight(a)) / (2.0 * g.modulus());
    let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
    let cos = 1.0 / (1.0 + t * t).sqrt();
    let sin = g.scale(1.0 / g.modulus()).scale(cos * t);
    for entries in matrices {
        let rows = entries.len() / kept;
        let (head, tail) = entries.split_at_mut(k * rows);
        for (x, y) in head[j * rows..(j + 1) * rows].iter_mut().zip(tail) {
            (*x, *y) = (x.scale(cos) - *y * sin.conj(), *x * sin + y.scale(cos));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{align, gram_of};
    use crate::linalg::{matrix, matrix_mut, times};
    use crate::linalg::{probe, right_singular_vectors};
    use crate::scalar::C64;

    #[test]
    fn weights_become_diagonal_to_relative_precision_and_the_product_stays() {
        let (rows, kept) = (12, 6);
        // Weights from 1 to 1e-22, two pairs of them equal.
        let s = [1.0, 1.0, 1e-3, 1e-9, 1e-9, 1e-11];
        let mut left: Vec<C64> = (0..rows * kept).map(probe).collect();
        let orthogonal = |seed: usize| {
            let random: Vec<C64> = (0..rows * kept).map(|at| probe(at + seed)).collect();
            let view = matrix(&random, kept, rows);
            right_singular_vectors(view, &mut crate::linalg::Workspace::default()).unwrap().vectors
        };
        for ((column, u), s) in
            left.chunks_exact_mut(rows).zip(orthogonal(100).chunks_exact(rows)).zip(s)
        {
            // Rows weigh 1 to 1e-6: what the state sees is U S.
            column.iter_mut().zip(u).enumerate().for_each(|(i, (x, u))| *x = u * s / weight(i));
        }
        let mut vectors = orthogonal(300);
        // What a factorization leaves: every direction has a little of every other.
        for (entries, sign) in [(&mut left, 1.0), (&mut vectors, 1.0)] {
            let before = entries.clone();
            for j in 0..kept {
                for k in 0..kept {
                    let angle = if j < k { 1e-15 } else { -1e-15 } * sign;
                    for i in 0..rows {
                        if j != k {
                            entries[k * rows + i] += before[j * rows + i] * angle;
                        }
                    }
                }
            }
        }
        let weigh = |left: &[C64]| -> Vec<C64> {
            left.iter().enumerate().map(|(at, x)| x * weight(at % rows)).collect()
        };
        let product = |left: &[C64], vectors: &[C64]| {
            let conj: Vec<C64> = vectors.iter().map(C64::conj).collect();
            let mut out = vec![C64::ZERO; rows * rows];
            times(
                matrix_mut(&mut out, rows, rows),
                matrix(left, rows, kept),
                matrix(&conj, rows, kept).transpose(),
            );
            out
        };
        let before = product(&left, &vectors);
        let off = |left: &[C64]| {
            let gram = gram_of(&weigh(left), kept);
            let m = |k: usize| gram[k * (kept + 1)].re;
            let pairs = (0..kept * kept).filter(|at| at / kept != at % kept);
            pairs
                .map(|at| gram[at].norm() / (m(at / kept) * m(at % kept)).sqrt())
                .fold(0.0_f64, f64::max)
        };
        assert!(off(&left) > 1e-5);
        let m = align(&mut left, &mut vectors, kept, weigh);
        assert!(off(&left) < 1e-14, "{:e}", off(&left));
        for (m, s) in m.iter().zip(s) {
            assert!((m / (s * s) - 1.0).abs() < 1e-6, "{m:e} {s:e}");
        }
        for (x, y) in product(&left, &vectors).iter().zip(before) {
            assert!((x - y).norm() < 1e-8 * y.norm().max(1.0));
        }
    }

    fn weight(row: usize) -> f64 {
        0.1_f64.powf((row % 7) as f64)
    }
}
