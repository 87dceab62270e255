//! Exact derivatives of values read from an evolved state, backwards through its evolution.
//!
//! A value E of the final state has a *cotangent* for every tensor and every bond:
//!
//! ```text
//! dE = Σ_i 2 Re ⟨g_i, dB_i⟩ + Σ_i tr(R_i dρ_i)       ρ_i = diag(s_i²), the weights left of site i
//! ```
//!
//! `words.rs` and `variance.rs` make those of a value (with `sums.rs`), `two_site.rs` and `chain.rs` bring them from
//! behind a step to before it (`pairs.rs`: in real numbers where nothing is complex), `cut.rs` does the part of both that is a truncation, and `backward.rs`
//! goes through all steps. Along the way each step gives the derivative by what it applies.
//!
//! The weights have matrices, not vectors of cotangents: the derivative is taken in the gauge in
//! which kept directions do not turn among each other, where dρ is not diagonal. So no denominator
//! between two kept weights appears, and degenerate Schmidt values do no harm. The derivative is that
//! of the truncated simulation itself, to rounding, at every bond dimension.

mod backward;
mod chain;
mod cut;
mod letter_sums;
mod operator_sum;
mod overlaps;
mod pairs;
mod sums;
#[cfg(test)]
mod tests_steps;
#[cfg(test)]
mod tests_values;
mod two_site;
mod two_state;
mod variance;
mod words;

pub(crate) use backward::{Differentiable, TangentGate, pull_back};
pub(crate) use operator_sum::times_sum;
pub(crate) use overlaps::{PackedState, fidelity_cotangent};
pub(crate) use two_state::SecondState;
pub(crate) use variance::{VarianceCotangent, variance_cotangent};
pub(crate) use words::word_cotangent;

use crate::linalg::{adjoint_times, matrix, matrix_mut, times, times_adjoint};
use crate::mps::SiteTensor;
use crate::scalar::{C64, Double};

/// `T[(l p), (q r)] = Σ_m B_i[(l p), m] · B_{i+1}[m, (q r)]`
pub(crate) fn merge<W: Double>(left: &SiteTensor<W>, right: &SiteTensor<W>) -> Vec<W> {
    let (rows, columns) = (2 * left.left, 2 * right.right);
    let mut out = vec![W::ZERO; rows * columns];
    times(
        matrix_mut(&mut out, rows, columns),
        matrix(&left.entries, rows, left.right),
        matrix(&right.entries, left.right, columns),
    );
    out
}

/// The cotangents of both tensors, from that of what they are merged to.
pub(crate) fn back_from_merge<W: Double>(
    [b1, b2]: [&SiteTensor<W>; 2],
    of_merged: &[W],
) -> (Vec<W>, Vec<W>) {
    let (rows, middle, columns) = (2 * b1.left, b1.right, 2 * b2.right);
    let of_merged = matrix(of_merged, rows, columns);
    // g_i[(l p), m] = Σ_{q r} g_T[(l p), (q r)] · conj(B_{i+1}[m, (q r)])
    let mut left = vec![W::ZERO; rows * middle];
    times_adjoint(
        matrix_mut(&mut left, rows, middle),
        of_merged,
        matrix(&b2.entries, middle, columns),
    );
    // g_{i+1}[m, (q r)] = Σ_{l p} conj(B_i[(l p), m]) · g_T[(l p), (q r)]
    let mut right = vec![W::ZERO; middle * columns];
    adjoint_times(
        matrix_mut(&mut right, middle, columns),
        matrix(&b1.entries, rows, middle),
        of_merged,
    );
    (left, right)
}

/// The adjoint of a row-major `side` × `side` matrix.
fn adjoint_of<const N: usize>(g: &[C64; N], side: usize) -> [C64; N] {
    std::array::from_fn(|at| g[at % side * side + at / side].conj())
}

/// `2 Re Σ conj(g) d`
fn along<const N: usize>(g: &[C64; N], d: &[C64; N]) -> f64 {
    2.0 * g.iter().zip(d).map(|(g, d)| (g.conj() * d).re).sum::<f64>()
}

/// What one step gives for one value.
struct Pulled {
    value: usize,
    /// Cotangents of the tensors before it, from left to right.
    sites: Vec<Vec<C64>>,
    /// To be added to those of the weights left of them.
    weights: Option<Vec<C64>>,
    /// By each of its parameters.
    derivatives: Vec<(usize, f64)>,
}

/// Cotangents of one value; `None` is zero.
#[derive(Debug, Clone)]
pub(crate) struct Cotangent<T = C64> {
    /// Of each site tensor, stored like it.
    pub tensors: Vec<Option<Vec<T>>>,
    /// Of the weights on the bond left of each site and at the right end: Hermitian, column-major.
    pub weights: Vec<Option<Vec<T>>>,
}

impl<T: Double> Cotangent<T> {
    pub fn zero(n_sites: usize) -> Self {
        Self { tensors: vec![None; n_sites], weights: vec![None; n_sites + 1] }
    }

    /// Adds `factor` times another one.
    pub fn add(&mut self, other: &Self, factor: f64) {
        for (sum, part) in self.tensors.iter_mut().zip(&other.tensors) {
            part.iter().for_each(|part| add(sum, part, factor));
        }
        for (sum, part) in self.weights.iter_mut().zip(&other.weights) {
            part.iter().for_each(|part| add(sum, part, factor));
        }
    }

    /// Adds `factor` times `part` to the cotangent of a tensor.
    fn add_tensor(&mut self, site: usize, part: &[T], factor: f64) {
        add(&mut self.tensors[site], part, factor);
    }

    /// Adds to the cotangent of the weights left of `site`.
    fn add_weights(&mut self, site: usize, part: &[T], factor: f64) {
        add(&mut self.weights[site], part, factor);
    }

    /// The same in complex numbers.
    fn widened(self) -> Cotangent {
        let wide = |list: Vec<Option<Vec<T>>>| {
            let each = |own: Option<Vec<T>>| own.map(widened);
            list.into_iter().map(each).collect()
        };
        Cotangent { tensors: wide(self.tensors), weights: wide(self.weights) }
    }
}

/// In the same memory where nothing changes.
fn widened<T: Double>(entries: Vec<T>) -> Vec<C64> {
    entries.into_iter().map(T::to_c64).collect()
}

fn add<T: Double>(sum: &mut Option<Vec<T>>, part: &[T], factor: f64) {
    match sum {
        Some(sum) => sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x.scale(factor)),
        None => *sum = Some(part.iter().map(|x| x.scale(factor)).collect()),
    }
}
