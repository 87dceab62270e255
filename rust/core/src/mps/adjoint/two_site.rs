//! The derivative of a two-site step.
//!
//! ```text
//! C = G·(B_i B_{i+1}),  θ = s·C,  V = right singular vectors of θ,  B'_i = C Vᴴ,  B'_{i+1} = V
//!
//! X   = g'_{i+1} + g'_iᴴ C                          cotangent of V
//! g_C = g'_i V + ρ C M̄                              M̄: `cut.rs`, with C in the place of θ
//! R_i += Tr_phys(C M̄ Cᴴ)
//! ```
//!
//! and `g_C` goes back through G and the product. One 4×4 cotangent serves all parameters inside G.
//! Cost about 36 χ³ for each value where nothing is spared, half of which the forward step takes.

use std::borrow::Cow;

use crate::linalg::{add_adjoint_times, add_times, matrix, matrix_mut, times, times_adjoint};
use crate::mps::SiteTensor;
use crate::mps::adjoint::cut::{Cut, Moved, along_dropped};
use crate::mps::adjoint::{adjoint_of, back_from_merge};
use crate::mps::rotate::{PAIR, rotate};
use crate::mps::tape::Record;
use crate::scalar::{C64, Double};

/// What all values need of one step.
pub(super) struct PairFactors<'a, W: Double> {
    gate: [C64; 16],
    weights: Vec<f64>,
    before: [&'a SiteTensor<W>; 2],
    /// B'_i and B'_{i+1}, the former without `left_scale`.
    with_kept: Cow<'a, [W]>,
    v: &'a [W],
    cut: Cut<'a, W>,
    left_scale: f64,
    c: Vec<W>,
    with_dropped: Vec<W>,
}

/// The cotangents before a step.
pub(super) struct PairCotangent<W> {
    pub left: Vec<W>,
    pub right: Vec<W>,
    /// To be added to those of the weights left of the pair; `None` is zero.
    pub weights: Option<Vec<W>>,
    /// Of the gate: dE = 2 Re Σ conj(g) dG, row-major.
    pub gate: [C64; 16],
}

impl<'a, W: Double> PairFactors<'a, W> {
    /// `after` are the tensors that the step left; `None` if `record` is not one of two sites.
    pub fn new(
        record: &'a Record<W>,
        gate: &[C64; 16],
        after: [&'a SiteTensor<W>; 2],
    ) -> Option<Self> {
        let ([left, right], [cut]) = (record.tensors.as_slice(), record.cuts.as_slice()) else {
            return None;
        };
        let (rows, columns) = (2 * left.left, 2 * right.right);
        // C = G·(B_i B_{i+1}) again: 4 χ³ against as many numbers to keep.
        let mut c = vec![W::ZERO; rows * columns];
        times(
            matrix_mut(&mut c, rows, columns),
            matrix(&left.entries, rows, left.right),
            matrix(&right.entries, left.right, columns),
        );
        rotate(&mut c, left.left, gate);
        let [after_left, after_right] = after;
        let with_kept = scaled(&after_left.entries, 1.0 / record.left_scale);
        Some(Self {
            gate: *gate,
            weights: record.left_schmidt.iter().map(|s| s * s).collect(),
            before: [left, right],
            with_kept,
            v: &after_right.entries,
            cut: Cut { v: &after_right.entries, kept: &cut.kept, dropped: &cut.dropped, columns },
            left_scale: record.left_scale,
            with_dropped: along_dropped(&c, &cut.dropped, (rows, columns)),
            c,
        })
    }

    /// Pulls the cotangents of both tensors and of the weights between them back.
    pub fn pull(
        &self,
        left: Option<&[W]>,
        right: Option<&[W]>,
        weights: Option<&[W]>,
    ) -> PairCotangent<W> {
        let [b1, b2] = self.before;
        let (l, k) = (b1.left, self.cut.kept.len());
        let (rows, columns) = (2 * l, 2 * b2.right);
        let g1 = left.map(|left| scaled(left, self.left_scale));
        let moved = g1.as_deref().map(|cotangent| Moved {
            cotangent,
            with_dropped: &self.with_dropped,
            rows,
        });
        let factors = (&self.with_kept[..], &self.with_dropped[..]);
        let pulled = self.cut.pull(rows, factors, (right, moved.as_ref()), weights);
        // R_i[a, b] = Σ_{p k} half[a p k] · conj(B'_i[b p k]), and its adjoint
        let of_left = pulled.half.map(|half| {
            let mut of_left = vec![W::ZERO; l * l];
            times_adjoint(
                matrix_mut(&mut of_left, l, l),
                matrix(&half, l, 2 * k),
                matrix(&self.with_kept, l, 2 * k),
            );
            hermitian(&mut of_left, l);
            of_left
        });
        // g_C = (g'_i + ρ·left)·V + (ρ·B'_i)·S
        let mut first = pulled.left;
        if let Some(left) = &mut first {
            scale_rows(left, &self.weights);
            left.iter_mut().zip(g1.iter().flat_map(|g1| g1.iter())).for_each(|(x, g)| *x += *g);
        }
        let mut g_c = vec![W::ZERO; rows * columns];
        if let Some(first) = first.as_deref().or(g1.as_deref()) {
            times(
                matrix_mut(&mut g_c, rows, columns),
                matrix(first, rows, k),
                matrix(self.v, k, columns),
            );
        }
        if let Some(s) = &pulled.right {
            let mut second = self.with_kept.to_vec();
            scale_rows(&mut second, &self.weights);
            add_times(
                matrix_mut(&mut g_c, rows, columns),
                matrix(&second, rows, k),
                matrix(s, k, columns),
            );
        }
        let gate = of_gate(&g_c, &self.c, l, &self.gate);
        rotate(&mut g_c, l, &adjoint_of(&self.gate, 4));
        let (left, right) = back_from_merge([b1, b2], &g_c);
        PairCotangent { left, right, weights: of_left, gate }
    }
}

/// Times a power of two, which is nearly always 1.
fn scaled<W: Double>(entries: &[W], factor: f64) -> Cow<'_, [W]> {
    if factor.to_bits() == 1.0_f64.to_bits() {
        Cow::Borrowed(entries)
    } else {
        Cow::Owned(entries.iter().map(|x| x.scale(factor)).collect())
    }
}

/// Multiplies row (l p) by `weights[l]`, l running fastest.
fn scale_rows<W: Double>(entries: &mut [W], weights: &[f64]) {
    for column in entries.chunks_exact_mut(weights.len()) {
        column.iter_mut().zip(weights).for_each(|(x, w)| *x = x.scale(*w));
    }
}

/// Adds its adjoint to a square matrix.
fn hermitian<W: Double>(entries: &mut [W], side: usize) {
    for a in 0..side {
        for b in 0..=a {
            let sum = entries[a + b * side] + entries[b + a * side].conj();
            entries[a + b * side] = sum;
            entries[b + a * side] = sum.conj();
        }
    }
}

/// `g_G[a, b] = Σ g_C[a] · conj(T[b])` over all l and r, a and b the pairs (p q). The gate is unitary,
/// so `T = Gᴴ C` and `g_G = (Σ g_C conj(C)) G`.
fn of_gate<W: Double>(g_c: &[W], c: &[W], l: usize, gate: &[C64; 16]) -> [C64; 16] {
    let mut sums = [W::ZERO; 16];
    for (g, c) in g_c.chunks_exact(4 * l).zip(c.chunks_exact(4 * l)) {
        // sums[b, a] += Σ_l conj(c[l, b]) · g[l, a]
        add_adjoint_times(matrix_mut(&mut sums, 4, 4), matrix(c, l, 4), matrix(g, l, 4));
    }
    let sum = |a: usize, b: usize| sums[4 * PAIR[a] + PAIR[b]].to_c64();
    std::array::from_fn(|at| (0..4).map(|i| sum(at / 4, i) * gate[4 * i + at % 4]).sum())
}
