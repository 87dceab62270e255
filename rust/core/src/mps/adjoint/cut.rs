//! The derivative of a truncation.
//!
//! A matrix θ is cut to its leading right singular vectors V (as rows), weights m: those of
//! `M = θᴴθ`. In the gauge in which dV is orthogonal to V,
//!
//! ```text
//! dV_k = Σ_d V_k dM V_dᴴ / (m_k − m_d) V_d            d: dropped directions
//! dρ'  = V dM Vᴴ / t − ρ' tr(V dM Vᴴ) / t              ρ' = diag(m)/t, t = Σ_k m_k
//! ```
//!
//! so with X the cotangent of V and R that of ρ'
//!
//! ```text
//! M̄ = Vᴴ A V + (Vᴴ S + h.c.)       A = (R − tr(R ρ')) / t
//! S = W V_d + Y                      W_kd = (X V_dᴴ)_kd / (m_k − m_d)
//! Y_k = X_k (1 − VᴴV − V_dᴴV_d) / m_k        directions without any weight
//! ```

use crate::linalg::{
    Dropped, add_times_adjoint, adjoint_times, matrix, matrix_mut, times, times_adjoint,
};
use crate::scalar::C64;

/// Relative gap below which the turning of a kept towards a dropped direction has no derivative.
const NO_GAP: f64 = 1e-10;

/// A cut that was made.
pub(super) struct Cut<'a> {
    /// V: kept × columns, column-major.
    pub v: &'a [C64],
    /// m of the kept directions.
    pub kept: &'a [f64],
    pub dropped: &'a Dropped,
    pub columns: usize,
}

/// The cotangent of M, through what multiplies it: `θ M̄ = left·V + (θVᴴ)·right`.
pub(super) struct Pulled {
    /// rows × kept: `half + ½ θVᴴA`, and `half = ½ θVᴴA + θV_dᴴ Wᴴ + θ Yᴴ`.
    pub left: Vec<C64>,
    pub half: Vec<C64>,
    /// S: kept × columns.
    pub right: Vec<C64>,
}

impl Cut<'_> {
    /// Pulls the cotangents `x` of V and `r` of the new weights back. `theta` is rows × columns,
    /// `with_kept` is θVᴴ and `with_dropped` is θV_dᴴ.
    pub fn pull(
        &self,
        rows: usize,
        (theta, with_kept, with_dropped): (&[C64], &[C64], &[C64]),
        (x, g2): (&[C64], Option<&[C64]>),
        r: Option<&[C64]>,
    ) -> Pulled {
        let (k, n, d) = (self.kept.len(), self.columns, self.dropped.weights.len());
        let mut half = vec![C64::ZERO; rows * k];
        let mut right = vec![C64::ZERO; k * n];
        if let Some(g2) = g2.filter(|_| k + d < n) {
            self.directions_without_weight(g2, &mut right);
            // θ Yᴴ
            times_adjoint(
                matrix_mut(&mut half, rows, k),
                matrix(theta, rows, n),
                matrix(&right, k, n),
            );
        }
        if d > 0 {
            let w = self.towards_dropped(x);
            // half[i, k] += Σ_d (θV_dᴴ)[i, d] · conj(W[k, d])
            add_times_adjoint(
                matrix_mut(&mut half, rows, k),
                matrix(with_dropped, rows, d),
                matrix(&w, k, d),
            );
            // S[k, c] += Σ_d W[k, d] · V_d[d, c]
            add_times_adjoint(
                matrix_mut(&mut right, k, n),
                matrix(&w, k, d),
                matrix(&self.dropped.vectors, n, d),
            );
        }
        let mut left = half.clone();
        if let Some(a) = r.map(|r| self.of_weights(r)) {
            let mut turned = vec![C64::ZERO; rows * k];
            times(matrix_mut(&mut turned, rows, k), matrix(with_kept, rows, k), matrix(&a, k, k));
            for ((left, half), x) in left.iter_mut().zip(&mut half).zip(turned) {
                *left += x;
                *half += x * 0.5;
            }
        }
        Pulled { left, half, right }
    }

    /// `A = (R − tr(R ρ')) / t`
    fn of_weights(&self, r: &[C64]) -> Vec<C64> {
        let k = self.kept.len();
        let t: f64 = self.kept.iter().sum();
        let mean: f64 = self.kept.iter().zip(r.iter().step_by(k + 1)).map(|(m, r)| m * r.re).sum();
        let mut a: Vec<C64> = r.iter().map(|x| x / t).collect();
        a.iter_mut().step_by(k + 1).for_each(|x| *x -= mean / (t * t));
        a
    }

    /// W
    fn towards_dropped(&self, x: &[C64]) -> Vec<C64> {
        let (k, n, d) = (self.kept.len(), self.columns, self.dropped.weights.len());
        let mut w = vec![C64::ZERO; k * d];
        // W[k, d] = Σ_c X[k, c] · conj(V_d[d, c])
        times(matrix_mut(&mut w, k, d), matrix(x, k, n), matrix(&self.dropped.vectors, n, d));
        for (column, m_d) in w.chunks_exact_mut(k).zip(&self.dropped.weights) {
            for (w, m_k) in column.iter_mut().zip(self.kept) {
                let gap = m_k - m_d;
                *w = if gap > NO_GAP * m_k { *w / gap } else { C64::ZERO };
            }
        }
        w
    }

    /// Y into `y`: X without its parts along V and V_d. θ has nothing there, so what of X comes
    /// through θ does not count: its rounding errors would, divided by small weights.
    fn directions_without_weight(&self, x: &[C64], y: &mut [C64]) {
        let (k, n, d) = (self.kept.len(), self.columns, self.dropped.weights.len());
        y.copy_from_slice(x);
        // Y[k, c] −= Σ_j (X Vᴴ)[k, j] · V[j, c]
        let mut along = vec![C64::ZERO; k * k];
        times_adjoint(matrix_mut(&mut along, k, k), matrix(x, k, n), matrix(self.v, k, n));
        along.iter_mut().for_each(|x| *x = -*x);
        crate::linalg::add_times(matrix_mut(y, k, n), matrix(&along, k, k), matrix(self.v, k, n));
        if d > 0 {
            let mut along = vec![C64::ZERO; k * d];
            times(
                matrix_mut(&mut along, k, d),
                matrix(x, k, n),
                matrix(&self.dropped.vectors, n, d),
            );
            along.iter_mut().for_each(|x| *x = -*x);
            add_times_adjoint(
                matrix_mut(y, k, n),
                matrix(&along, k, d),
                matrix(&self.dropped.vectors, n, d),
            );
        }
        for column in y.chunks_exact_mut(k) {
            column.iter_mut().zip(self.kept).for_each(|(y, m)| *y /= m);
        }
    }
}

/// `a · Vᴴ` for a (rows × columns) and V (kept × columns).
pub(super) fn along_kept(
    a: &[C64],
    v: &[C64],
    (rows, columns, kept): (usize, usize, usize),
) -> Vec<C64> {
    let mut out = vec![C64::ZERO; rows * kept];
    times_adjoint(
        matrix_mut(&mut out, rows, kept),
        matrix(a, rows, columns),
        matrix(v, kept, columns),
    );
    out
}

/// `a · V_dᴴ`, rows × dropped.
pub(super) fn along_dropped(
    a: &[C64],
    dropped: &Dropped,
    (rows, columns): (usize, usize),
) -> Vec<C64> {
    let d = dropped.weights.len();
    let mut out = vec![C64::ZERO; rows * d];
    if d > 0 {
        times(
            matrix_mut(&mut out, rows, d),
            matrix(a, rows, columns),
            matrix(&dropped.vectors, columns, d),
        );
    }
    out
}

/// The cotangent of V: that of the tensor it is, and `g1ᴴ · before`, where `before·Vᴴ` has the
/// cotangent `g1` (rows × kept).
pub(super) fn of_vectors(
    g1: Option<&[C64]>,
    g2: Option<&[C64]>,
    before: &[C64],
    (rows, columns, kept): (usize, usize, usize),
) -> Vec<C64> {
    let mut x = g2.map_or_else(|| vec![C64::ZERO; kept * columns], <[C64]>::to_vec);
    if let Some(g1) = g1 {
        let mut part = vec![C64::ZERO; kept * columns];
        // part[k, c] = Σ_i conj(g1[i, k]) · before[i, c]
        adjoint_times(
            matrix_mut(&mut part, kept, columns),
            matrix(g1, rows, kept),
            matrix(before, rows, columns),
        );
        x.iter_mut().zip(part).for_each(|(x, part)| *x += part);
    }
    x
}
