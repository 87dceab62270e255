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
    Dropped, add_adjoint_times, add_times_adjoint, matrix, matrix_mut, times, times_adjoint,
};
use crate::scalar::Double;

/// Relative gap below which the turning of a kept towards a dropped direction has no derivative.
const NO_GAP: f64 = 1e-10;

/// A cut that was made.
pub(super) struct Cut<'a, W> {
    /// V: kept × columns, column-major.
    pub v: &'a [W],
    /// m of the kept directions.
    pub kept: &'a [f64],
    pub dropped: &'a Dropped<W>,
    pub columns: usize,
}

/// The cotangent of M, through what multiplies it: `θ M̄ = left·V + (θVᴴ)·right`; `None` is zero.
pub(super) struct Pulled<W> {
    /// rows × kept: `half + ½ θVᴴA`, and `half = ½ θVᴴA + θV_dᴴ Wᴴ`.
    pub left: Option<Vec<W>>,
    pub half: Option<Vec<W>>,
    /// S: kept × columns.
    pub right: Option<Vec<W>>,
}

/// What moves on to the left of a cut, `X' = Z Vᴴ`: its cotangent (rows × kept), and `Z V_dᴴ`.
pub(super) struct Moved<'a, W> {
    pub cotangent: &'a [W],
    pub with_dropped: &'a [W],
    pub rows: usize,
}

impl<W: Double> Cut<'_, W> {
    /// Pulls the cotangents of V, as a tensor and through what moves on, and `r` of the new weights
    /// back. `with_kept` is `θVᴴ` and `with_dropped` is `θV_dᴴ`, both with `rows` rows.
    pub fn pull(
        &self,
        rows: usize,
        (with_kept, with_dropped): (&[W], &[W]),
        (tensor, moved): (Option<&[W]>, Option<&Moved<'_, W>>),
        r: Option<&[W]>,
    ) -> Pulled<W> {
        let (k, n, d) = (self.kept.len(), self.columns, self.dropped.weights.len());
        let without_weight = tensor.filter(|_| k + d < n);
        let mut right = without_weight.map(|tensor| self.directions_without_weight(tensor));
        let mut half = None;
        if d > 0 && (tensor.is_some() || moved.is_some()) {
            let w = self.towards_dropped(tensor, moved);
            // half[i, k] = Σ_d (θV_dᴴ)[i, d] · conj(W[k, d]); θ Yᴴ is zero
            let mut coupled = vec![W::ZERO; rows * k];
            times_adjoint(
                matrix_mut(&mut coupled, rows, k),
                matrix(with_dropped, rows, d),
                matrix(&w, k, d),
            );
            half = Some(coupled);
            // S[k, c] += Σ_d W[k, d] · V_d[d, c]
            let s = right.get_or_insert_with(|| vec![W::ZERO; k * n]);
            add_times_adjoint(
                matrix_mut(s, k, n),
                matrix(&w, k, d),
                matrix(&self.dropped.vectors, n, d),
            );
        }
        let Some(a) = r.map(|r| self.of_weights(r)) else {
            return Pulled { left: half.clone(), half, right };
        };
        let mut turned = vec![W::ZERO; rows * k];
        times(matrix_mut(&mut turned, rows, k), matrix(with_kept, rows, k), matrix(&a, k, k));
        let mut left = turned.clone();
        turned.iter_mut().for_each(|x| *x = x.scale(0.5));
        if let Some(half) = &half {
            for ((left, turned), half) in left.iter_mut().zip(&mut turned).zip(half) {
                *left += *half;
                *turned += *half;
            }
        }
        Pulled { left: Some(left), half: Some(turned), right }
    }

    /// `A = (R − tr(R ρ')) / t`
    fn of_weights(&self, r: &[W]) -> Vec<W> {
        let k = self.kept.len();
        let t: f64 = self.kept.iter().sum();
        let mean: f64 =
            self.kept.iter().zip(r.iter().step_by(k + 1)).map(|(m, r)| m * r.re()).sum();
        let mut a: Vec<W> = r.iter().map(|x| x.scale(1.0 / t)).collect();
        a.iter_mut().step_by(k + 1).for_each(|x| *x -= W::of(mean / (t * t)));
        a
    }

    /// W, from `X V_dᴴ`.
    fn towards_dropped(&self, tensor: Option<&[W]>, moved: Option<&Moved<'_, W>>) -> Vec<W> {
        let (k, n, d) = (self.kept.len(), self.columns, self.dropped.weights.len());
        let mut w = vec![W::ZERO; k * d];
        if let Some(tensor) = tensor {
            // W[k, d] = Σ_c g[k, c] · conj(V_d[d, c])
            times(
                matrix_mut(&mut w, k, d),
                matrix(tensor, k, n),
                matrix(&self.dropped.vectors, n, d),
            );
        }
        if let Some(Moved { cotangent, with_dropped, rows }) = moved {
            // W[k, d] += Σ_i conj(g[i, k]) · (Z V_dᴴ)[i, d]
            add_adjoint_times(
                matrix_mut(&mut w, k, d),
                matrix(cotangent, *rows, k),
                matrix(with_dropped, *rows, d),
            );
        }
        for (column, m_d) in w.chunks_exact_mut(k).zip(&self.dropped.weights) {
            for (w, m_k) in column.iter_mut().zip(self.kept) {
                let gap = m_k - m_d;
                *w = if gap > NO_GAP * m_k { w.scale(1.0 / gap) } else { W::ZERO };
            }
        }
        w
    }

    /// Y: X without its parts along `V` and `V_d`. θ has nothing there, so what of X comes
    /// through θ does not count: its rounding errors would, divided by small weights.
    fn directions_without_weight(&self, x: &[W]) -> Vec<W> {
        let (k, n, d) = (self.kept.len(), self.columns, self.dropped.weights.len());
        let mut y = x.to_vec();
        // Y[k, c] −= Σ_j (X Vᴴ)[k, j] · V[j, c]
        let mut along = vec![W::ZERO; k * k];
        times_adjoint(matrix_mut(&mut along, k, k), matrix(x, k, n), matrix(self.v, k, n));
        along.iter_mut().for_each(|x| *x = -*x);
        crate::linalg::add_times(
            matrix_mut(&mut y, k, n),
            matrix(&along, k, k),
            matrix(self.v, k, n),
        );
        if d > 0 {
            let mut along = vec![W::ZERO; k * d];
            times(
                matrix_mut(&mut along, k, d),
                matrix(x, k, n),
                matrix(&self.dropped.vectors, n, d),
            );
            along.iter_mut().for_each(|x| *x = -*x);
            add_times_adjoint(
                matrix_mut(&mut y, k, n),
                matrix(&along, k, d),
                matrix(&self.dropped.vectors, n, d),
            );
        }
        for column in y.chunks_exact_mut(k) {
            column.iter_mut().zip(self.kept).for_each(|(y, m)| *y = y.scale(1.0 / m));
        }
        y
    }
}

/// `a · Vᴴ` for a (rows × columns) and V (kept × columns).
pub(super) fn along_kept<W: Double>(
    a: &[W],
    v: &[W],
    (rows, columns, kept): (usize, usize, usize),
) -> Vec<W> {
    let mut out = vec![W::ZERO; rows * kept];
    times_adjoint(
        matrix_mut(&mut out, rows, kept),
        matrix(a, rows, columns),
        matrix(v, kept, columns),
    );
    out
}

/// `a · V_dᴴ`, rows × dropped.
pub(super) fn along_dropped<W: Double>(
    a: &[W],
    dropped: &Dropped<W>,
    (rows, columns): (usize, usize),
) -> Vec<W> {
    let d = dropped.weights.len();
    let mut out = vec![W::ZERO; rows * d];
    if d > 0 {
        times(
            matrix_mut(&mut out, rows, d),
            matrix(a, rows, columns),
            matrix(&dropped.vectors, columns, d),
        );
    }
    out
}
