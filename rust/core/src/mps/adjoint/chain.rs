//! The derivative of a chain step.
//!
//! The step (see [`crate::mps::chain`]) depends on `R_i` only through `R_iᴴ R_i`, and so the isometry Q
//! of a QR factorization may stand still in the derivative:
//!
//! ```text
//! R_a = diag(s),  R_{i+1} = Qᴴ (R_i C_i)               from the left
//! Y_i = C_i X_i,  θ_i = R_i Y_i,  V_i from θ_i,  X_{i−1} = Y_i V_iᴴ       from the right
//!
//! g_θ = θ M̄                   M̄: `cut.rs`
//! g_Y = g_X V + Rᴴ g_θ
//! g_R = g_θ Yᴴ, and of the next one: g_N = Q g_R', g_R += g_N Cᴴ
//! g_C = g_Y Xᴴ + Rᴴ g_N
//! ```
//!
//! Everything is carried in the weighted form, in which small weights cancel: with `RᴴR`, terms of `1/s_k`
//! would meet terms of `s_k`, and leave their rounding errors.
//!
//! What the operator depends on changes one of its tensors, see [`ChainTangents`].

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{
    Workspace, add_adjoint_times, add_times, add_times_adjoint, adjoint_times, matrix, matrix_mut,
    times, times_adjoint,
};
use crate::mps::SiteTensor;
use crate::mps::adjoint::cut::{Cut, Moved, along_dropped, along_kept};
use crate::mps::chain::{Carry, Factors, Made, add_two, factors, identity};
use crate::mps::tape::Record;
use crate::operator::{ChainOperator, OperatorSite};
use crate::scalar::C64;

/// Derivatives of a chain's operator: each changes the tensor of one site.
pub(crate) struct ChainTangents<'a> {
    /// How far right of the first site, and what stands there instead.
    pub tensors: Vec<(usize, &'a OperatorSite)>,
}

impl<'a> ChainTangents<'a> {
    /// Those on site `i`, each with its sum.
    fn at<'s>(
        &'s self,
        i: usize,
        sums: &'s mut [f64],
    ) -> impl Iterator<Item = (&'s mut f64, &'s (usize, &'a OperatorSite))> {
        sums.iter_mut().zip(&self.tensors).filter(move |(_, (site, _))| *site == i)
    }
}

/// What all values need of one step.
pub(super) struct ChainFactors<'a> {
    sites: Vec<Site<'a>>,
    tangents: ChainTangents<'a>,
    left_scale: f64,
}

/// One site of the stretch, and all that the step made on it.
struct Site<'a> {
    c: Factors<'a>,
    carry: Carry,
    /// How the next one came from it; not of the last site.
    made: Option<Made>,
    /// X, with so many columns, and Y.
    x: Vec<C64>,
    columns: usize,
    y: Vec<C64>,
    /// The cut left of it; none left of the first site.
    cut: Option<SiteCut<'a>>,
}

struct SiteCut<'a> {
    cut: Cut<'a, C64>,
    scale: f64,
    /// `θVᴴ` and `θV_dᴴ`, and `Y V_dᴴ`.
    with_kept: Vec<C64>,
    with_dropped: Vec<C64>,
    y_with_dropped: Vec<C64>,
}

/// The cotangents before a step.
pub(super) struct ChainCotangent {
    pub tensors: Vec<Vec<C64>>,
    /// To be added to those of the weights left of the stretch.
    pub weights: Vec<C64>,
    /// The derivative along each tangent.
    pub tangents: Vec<f64>,
}

impl<'a> ChainFactors<'a> {
    /// `after` are the tensors that the step left.
    pub fn new(
        record: &'a Record<C64>,
        operator: &'a ChainOperator,
        tangents: ChainTangents<'a>,
        after: &[&'a SiteTensor<C64>],
        workspace: &mut Workspace,
        cancel: &Cancel,
    ) -> Result<Self> {
        let chain = factors(&record.tensors, operator);
        let mut carries = vec![(Carry::first(&record.left_schmidt), None)];
        for (i, site) in chain.iter().enumerate().take(chain.len().saturating_sub(1)) {
            cancel.check()?;
            let (next, made) = carries[i].0.next(site, workspace)?;
            carries[i].1 = Some(made);
            carries.push((next, None));
        }
        let outer = chain.last().map_or(1, |site| site.r);
        let (mut x, mut columns) = (identity(outer), outer);
        let mut sites = Vec::with_capacity(chain.len());
        for (i, (c, (carry, made))) in chain.into_iter().zip(carries).enumerate().rev() {
            cancel.check()?;
            let y = c.onto_right(&x, columns);
            let cut = match i.checked_sub(1) {
                None => None,
                Some(bond) => {
                    let (Some(cut), Some(tensor)) = (record.cuts.get(bond), after.get(i)) else {
                        return Err(Error::Internal("a chain step lacks a cut".to_owned()));
                    };
                    let cut_of = Cut {
                        v: &tensor.entries,
                        kept: &cut.kept,
                        dropped: &cut.dropped,
                        columns: 2 * columns,
                    };
                    Some(SiteCut::new(cut_of, cut.scale, &carry, &y))
                }
            };
            let next = cut.as_ref().map(|cut| {
                let (kept, rows) = (cut.cut.kept.len(), c.l * c.w.left);
                let mut next = along_kept(&y, cut.cut.v, (rows, 2 * columns, kept));
                next.iter_mut().for_each(|x| *x *= cut.scale);
                (next, kept)
            });
            sites.push(Site { c, carry, made, x, columns, y, cut });
            match next {
                Some(next) => (x, columns) = next,
                None => break,
            }
        }
        sites.reverse();
        Ok(Self { sites, tangents, left_scale: record.left_scale })
    }

    /// Pulls the cotangents of all tensors of the stretch and of the weights between them back.
    pub fn pull(&self, tensors: &[Option<&[C64]>], weights: &[Option<&[C64]>]) -> ChainCotangent {
        let mut sums = Sums {
            b: self.sites.iter().map(|site| vec![C64::ZERO; site.c.b.len()]).collect(),
            tangents: vec![0.0; self.tangents.tensors.len()],
        };
        // Of R_i, at first from the cut left of i alone.
        let mut of_carry: Vec<Option<Vec<C64>>> = Vec::with_capacity(self.sites.len());
        let mut g_x: Option<Vec<C64>> = None;
        for (i, site) in self.sites.iter().enumerate() {
            let own = tensors.get(i).copied().flatten();
            let left = i.checked_sub(1);
            let g_y = if let (Some(cut), Some(bond)) = (&site.cut, left) {
                let r = weights.get(bond).copied().flatten();
                let (g_y, g_r) = cut.pull(site, g_x.as_deref(), own, r);
                of_carry.push(Some(g_r));
                g_y
            } else {
                of_carry.push(None);
                let zero = || vec![C64::ZERO; site.y.len()];
                own.map_or_else(zero, |g| g.iter().map(|x| x * self.left_scale).collect())
            };
            g_x = Some(self.behind(i, &g_y, &mut sums));
        }
        for i in (0..self.sites.len().saturating_sub(1)).rev() {
            let Some(g_r) = of_carry.pop().flatten() else { continue };
            let before = self.before(i, &g_r, self.sites[i + 1].carry.scale, &mut sums);
            match &mut of_carry[i] {
                Some(own) => own.iter_mut().zip(before).for_each(|(x, y)| *x += y),
                none => *none = Some(before),
            }
        }
        let weights = self.sites.first().map_or_else(Vec::new, |site| {
            let zero = || vec![C64::ZERO; site.c.l * site.c.l];
            let g_r = of_carry.pop().flatten();
            g_r.map_or_else(zero, |g_r| of_weights(&g_r, &site.carry.entries, site.c.l))
        });
        ChainCotangent { tensors: sums.b, weights, tangents: sums.tangents }
    }

    /// From the cotangent of `Y = C X` to those of C, and to that of X, which is returned.
    fn behind(&self, i: usize, g_y: &[C64], sums: &mut Sums) -> Vec<C64> {
        let Site { c, x, columns, .. } = &self.sites[i];
        let (l, r, w) = (c.l, c.r, c.w);
        let m = c.half_right(x, *columns);
        let outs = || g_y.chunks_exact(2 * l * w.left);
        for (sum, (_, tangent)) in self.tangents.at(i, &mut sums.tangents) {
            for (g, m) in outs().zip(m.chunks_exact(2 * l * w.right)) {
                // Σ conj(g_Y[l, w, p, x]) · W'[w, p, p', w'] · M[l, p', w', x]
                for block in &tangent.blocks {
                    let place = block.left * l..(block.left + 1) * l;
                    let (g0, g1) = g.split_at(l * w.left);
                    let m = &m[block.right * 2 * l..][..2 * l];
                    *sum += along(&block.matrix, [&g0[place.clone()], &g1[place]], m);
                }
            }
        }
        // g_M[l, p', w', x] = Σ_{w p} conj(W[w, p, p', w']) · g_Y[l, w, p, x]
        let mut g_m = vec![C64::ZERO; m.len()];
        for (to, from) in g_m.chunks_exact_mut(2 * l * w.right).zip(outs()) {
            let (zero, one) = from.split_at(l * w.left);
            for block in &w.blocks {
                let place = block.left * l..(block.left + 1) * l;
                let (to0, to1) = to[block.right * 2 * l..][..2 * l].split_at_mut(l);
                let [a, b, c, d] = block.matrix.map(|x| x.conj());
                add_two(to0, a, &zero[place.clone()], c, &one[place.clone()]);
                add_two(to1, b, &zero[place.clone()], d, &one[place]);
            }
        }
        // g_B[(l p), r] += Σ_{w' x} g_M[(l p), (w' x)] · conj(X[r, (w' x)])
        add_times_adjoint(
            matrix_mut(&mut sums.b[i], 2 * l, r),
            matrix(&g_m, 2 * l, w.right * columns),
            matrix(x, r, w.right * columns),
        );
        // g_X[r, (w' x)] = Σ_{l p} conj(B[(l p), r]) · g_M[(l p), (w' x)]
        let mut g_x = vec![C64::ZERO; x.len()];
        adjoint_times(
            matrix_mut(&mut g_x, r, w.right * columns),
            matrix(&c.b, 2 * l, r),
            matrix(&g_m, 2 * l, w.right * columns),
        );
        g_x
    }

    /// From the cotangent of R right of a site, which was multiplied by `scale`, to those of C, and to
    /// that of R left of it, which is returned.
    fn before(&self, i: usize, g_r: &[C64], scale: f64, sums: &mut Sums) -> Vec<C64> {
        let Site { c, carry, made, .. } = &self.sites[i];
        let (k, l, r, w) = (carry.rows, c.l, c.r, c.w);
        let side = r * w.right;
        let rows = g_r.len() / side;
        // g_N[(k p), (r w')] = Σ_j Q[(k p), j] · g_R'[j, (r w')]
        let mut g_n = vec![C64::ZERO; 2 * k * side];
        if let Some(Made { q, .. }) = made {
            times(
                matrix_mut(&mut g_n, 2 * k, side),
                matrix(q, 2 * k, rows),
                matrix(g_r, rows, side),
            );
        }
        g_n.iter_mut().for_each(|x| *x *= scale);
        let m = c.half_left(carry);
        let part = k * 2 * r;
        for (sum, (_, tangent)) in self.tangents.at(i, &mut sums.tangents) {
            for block in &tangent.blocks {
                let g = g_n[block.right * part..][..part].chunks_exact(2 * k);
                let m = m[block.left * part..][..part].chunks_exact(2 * k);
                for (g, m) in g.zip(m) {
                    let (g0, g1) = g.split_at(k);
                    *sum += along(&block.matrix, [g0, g1], m);
                }
            }
        }
        // g_M[k, p', r, w] = Σ_{p w'} conj(W[w, p, p', w']) · g_N[k, p, r, w']
        let mut g_m = vec![C64::ZERO; m.len()];
        for block in &w.blocks {
            let from = g_n[block.right * part..][..part].chunks_exact(2 * k);
            let to = g_m[block.left * part..][..part].chunks_exact_mut(2 * k);
            let [a, b, c, d] = block.matrix.map(|x| x.conj());
            for (to, from) in to.zip(from) {
                let (to0, to1) = to.split_at_mut(k);
                let (from0, from1) = from.split_at(k);
                add_two(to0, a, from0, c, from1);
                add_two(to1, b, from0, d, from1);
            }
        }
        // g_B[l, (p r)] += Σ_{k w} conj(R[k, l, w]) · g_M[k, (p r), w]
        for (carry, g_m) in carry.entries.chunks_exact(k * l).zip(g_m.chunks_exact(part)) {
            add_adjoint_times(
                matrix_mut(&mut sums.b[i], l, 2 * r),
                matrix(carry, k, l),
                matrix(g_m, k, 2 * r),
            );
        }
        // g_R[k, l, w] = Σ_{p r} g_M[k, (p r), w] · conj(B[l, (p r)])
        let mut before = vec![C64::ZERO; carry.entries.len()];
        for (out, g_m) in before.chunks_exact_mut(k * l).zip(g_m.chunks_exact(part)) {
            times_adjoint(matrix_mut(out, k, l), matrix(g_m, k, 2 * r), matrix(&c.b, l, 2 * r));
        }
        before
    }
}

/// What the sites of a stretch contribute to.
struct Sums {
    b: Vec<Vec<C64>>,
    tangents: Vec<f64>,
}

/// `2 Re Σ_i conj(g[i, p]) · o[p, p'] · m[i, p']`
fn along(o: &[C64; 4], g: [&[C64]; 2], m: &[C64]) -> f64 {
    let (m0, m1) = m.split_at(g[0].len());
    let product = |a: &[C64], b: &[C64]| a.iter().zip(b).map(|(a, b)| a.conj() * b).sum::<C64>();
    let mut sum = C64::ZERO;
    for (row, g) in g.into_iter().enumerate() {
        for (o, m) in o[2 * row..].iter().zip([m0, m1]) {
            if *o != C64::ZERO {
                sum += o * product(g, m);
            }
        }
    }
    2.0 * sum.re
}

/// The cotangent of ρ from that of `R = diag(s)`: `g_R = R R̄`. Of the two entries that say the same the
/// one of the larger s is taken.
fn of_weights(g_r: &[C64], carry: &[C64], l: usize) -> Vec<C64> {
    let s = |a: usize| carry[a * (l + 1)].re;
    let mut weights = vec![C64::ZERO; l * l];
    for a in 0..l {
        for b in 0..l {
            weights[a + b * l] =
                if s(a) >= s(b) { g_r[a + b * l] / s(a) } else { g_r[b + a * l].conj() / s(b) };
        }
    }
    weights
}

impl<'a> SiteCut<'a> {
    fn new(cut: Cut<'a, C64>, scale: f64, carry: &Carry, y: &[C64]) -> Self {
        let (k, columns) = (carry.rows, cut.columns);
        let rows = y.len() / columns;
        // θ[k, (p x)] = Σ_{l w} R[k, (l w)] · Y[(l w), (p x)]
        let mut theta = vec![C64::ZERO; k * columns];
        times(
            matrix_mut(&mut theta, k, columns),
            matrix(&carry.entries, k, rows),
            matrix(y, rows, columns),
        );
        let kept = cut.kept.len();
        Self {
            with_kept: along_kept(&theta, cut.v, (k, columns, kept)),
            with_dropped: along_dropped(&theta, cut.dropped, (k, columns)),
            y_with_dropped: along_dropped(y, cut.dropped, (rows, columns)),
            cut,
            scale,
        }
    }

    /// From the cotangents of `X' = Y Vᴴ`, of V and of the new weights to those of Y and of R.
    fn pull(
        &self,
        site: &Site<'_>,
        g_x: Option<&[C64]>,
        g_v: Option<&[C64]>,
        r: Option<&[C64]>,
    ) -> (Vec<C64>, Vec<C64>) {
        let (k, kept, columns) = (site.carry.rows, self.cut.kept.len(), self.cut.columns);
        let rows = site.c.l * site.c.w.left;
        let g1: Option<Vec<C64>> = g_x.map(|g| g.iter().map(|x| x * self.scale).collect());
        let moved = g1.as_deref().map(|cotangent| Moved {
            cotangent,
            with_dropped: &self.y_with_dropped,
            rows,
        });
        let factors = (&self.with_kept[..], &self.with_dropped[..]);
        let pulled = self.cut.pull(k, factors, (g_v, moved.as_ref()), r);
        // g_θ = left·V + (θVᴴ)·S
        let mut g_theta = vec![C64::ZERO; k * columns];
        if let Some(left) = &pulled.left {
            times(
                matrix_mut(&mut g_theta, k, columns),
                matrix(left, k, kept),
                matrix(self.cut.v, kept, columns),
            );
        }
        if let Some(s) = &pulled.right {
            add_times(
                matrix_mut(&mut g_theta, k, columns),
                matrix(&self.with_kept, k, kept),
                matrix(s, kept, columns),
            );
        }
        // g_Y[(l w), (p x)] = Σ_j g_X'[(l w), j] · V[j, (p x)] + Σ_k conj(R[k, (l w)]) · g_θ[k, (p x)]
        let mut g_y = vec![C64::ZERO; rows * columns];
        adjoint_times(
            matrix_mut(&mut g_y, rows, columns),
            matrix(&site.carry.entries, k, rows),
            matrix(&g_theta, k, columns),
        );
        if let Some(g1) = &g1 {
            add_times(
                matrix_mut(&mut g_y, rows, columns),
                matrix(g1, rows, kept),
                matrix(self.cut.v, kept, columns),
            );
        }
        // g_R[k, (l w)] = Σ_{p x} g_θ[k, (p x)] · conj(Y[(l w), (p x)])
        let mut g_r = vec![C64::ZERO; k * rows];
        times_adjoint(
            matrix_mut(&mut g_r, k, rows),
            matrix(&g_theta, k, columns),
            matrix(&site.y, rows, columns),
        );
        (g_y, g_r)
    }
}
