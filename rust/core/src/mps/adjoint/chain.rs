//! The derivative of a chain step.
//!
//! The step (see [`crate::mps::chain`]) depends on what is left of a cut only through
//! `P_i = R_iᴴ R_i`, and so no derivative of a QR factorization is needed:
//!
//! ```text
//! P_a = diag(s²),  P_{i+1} = C_iᴴ P_i C_i              from the left
//! Y_i = C_i X_i,  M_i = Y_iᴴ P_i Y_i,  V_i from M_i,  X_{i−1} = Y_i V_iᴴ       from the right
//!
//! g_Y = g_X V + P Y M̄         M̄: `cut.rs`, with θ = R Y
//! P̄_i = Y M̄ Yᴴ + C_i P̄_{i+1} C_iᴴ
//! g_C = g_Y Xᴴ + P C P̄_{i+1}
//! ```
//!
//! What the operator depends on changes one of its tensors, see [`ChainTangents`].

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{
    MethodCounts, Workspace, add_adjoint_times, add_times, add_times_adjoint, adjoint_times,
    matrix, matrix_mut, times, times_adjoint,
};
use crate::mps::SiteTensor;
use crate::mps::adjoint::cut::{Cut, along_dropped, along_kept, of_vectors};
use crate::mps::adjoint::two_site::hermitian;
use crate::mps::chain::{Carry, Factors, add_two, factors, identity, orthogonalise};
use crate::mps::tape::Record;
use crate::operator::{ChainOperator, OperatorSite};
use crate::scalar::C64;

/// Derivatives of a chain's operator: each changes the tensor of one site.
pub(crate) struct ChainTangents<'a> {
    /// How far right of the first site.
    pub site: usize,
    pub tensors: Vec<&'a OperatorSite>,
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
    /// X, with so many columns, and Y.
    x: Vec<C64>,
    columns: usize,
    y: Vec<C64>,
    /// The cut left of it; none left of the first site.
    cut: Option<SiteCut<'a>>,
}

struct SiteCut<'a> {
    cut: Cut<'a>,
    scale: f64,
    theta: Vec<C64>,
    with_kept: Vec<C64>,
    with_dropped: Vec<C64>,
    /// Y Vᴴ
    y_kept: Vec<C64>,
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
        let mut methods = MethodCounts::default();
        let schmidt = &record.left_schmidt;
        let carries = orthogonalise(&chain, schmidt, &mut methods, workspace, cancel)?;
        let outer = chain.last().map_or(1, |site| site.r);
        let (mut x, mut columns) = (identity(outer), outer);
        let mut sites = Vec::with_capacity(chain.len());
        for (i, (c, carry)) in chain.into_iter().zip(carries).enumerate().rev() {
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
                    Some(SiteCut::new(cut_of, cut.scale, &carry, &y, c.l * c.w.left))
                }
            };
            let next = cut.as_ref().map(|cut| {
                let next = cut.y_kept.iter().map(|x| x * cut.scale).collect::<Vec<C64>>();
                (next, cut.cut.kept.len())
            });
            sites.push(Site { c, carry, x, columns, y, cut });
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
        // Of P_i, from the cut left of i alone.
        let mut of_p: Vec<Option<Vec<C64>>> = Vec::with_capacity(self.sites.len());
        let mut g_x: Option<Vec<C64>> = None;
        for (i, site) in self.sites.iter().enumerate() {
            let own = tensors.get(i).copied().flatten();
            let g_y = match (&site.cut, i) {
                (Some(cut), 1..) => {
                    let r = weights.get(i - 1).copied().flatten();
                    let (g_y, p) = cut.pull(site, g_x.as_deref(), own, r);
                    of_p.push(Some(p));
                    g_y
                }
                _ => {
                    of_p.push(None);
                    let zero = || vec![C64::ZERO; site.y.len()];
                    own.map_or_else(zero, |g| g.iter().map(|x| x * self.left_scale).collect())
                }
            };
            g_x = Some(self.behind(i, &g_y, &mut sums));
        }
        let mut p: Option<Vec<C64>> = None;
        for (i, site) in self.sites.iter().enumerate().rev() {
            let scale = self.sites.get(i + 1).map_or(1.0, |next| next.carry.scale);
            let passed = p.map(|mut p| {
                p.iter_mut().for_each(|x| *x *= scale * scale);
                self.before(i, &p, &mut sums);
                site.through(&p)
            });
            p = match (passed, of_p.pop().flatten()) {
                (Some(mut passed), Some(own)) => {
                    passed.iter_mut().zip(own).for_each(|(x, y)| *x += y);
                    Some(passed)
                }
                (passed, own) => passed.or(own),
            };
        }
        let l = self.sites.first().map_or(1, |site| site.c.l);
        ChainCotangent {
            tensors: sums.b,
            weights: p.unwrap_or_else(|| vec![C64::ZERO; l * l]),
            tangents: sums.tangents,
        }
    }

    /// From the cotangent of `Y = C X` to those of C, and to that of X, which is returned.
    fn behind(&self, i: usize, g_y: &[C64], sums: &mut Sums) -> Vec<C64> {
        let Site { c, x, columns, .. } = &self.sites[i];
        let (l, r, w) = (c.l, c.r, c.w);
        let m = c.half_right(x, *columns);
        let outs = || g_y.chunks_exact(2 * l * w.left);
        if self.tangents.site == i {
            for (sum, tangent) in sums.tangents.iter_mut().zip(&self.tangents.tensors) {
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

    /// From the cotangent `p` of `P_{i+1} = C_iᴴ P_i C_i` to those of C.
    fn before(&self, i: usize, p: &[C64], sums: &mut Sums) {
        let Site { c, carry, .. } = &self.sites[i];
        let (k, l, r, w) = (carry.rows, c.l, c.r, c.w);
        let n = c.onto_left(carry);
        let side = r * w.right;
        // g_N[(k p), (r w')] = Σ N[(k p), y] · P̄[y, (r w')]
        let mut g_n = vec![C64::ZERO; n.len()];
        times(matrix_mut(&mut g_n, 2 * k, side), matrix(&n, 2 * k, side), matrix(p, side, side));
        let m = c.half_left(carry);
        let part = k * 2 * r;
        if self.tangents.site == i {
            for (sum, tangent) in sums.tangents.iter_mut().zip(&self.tangents.tensors) {
                for block in &tangent.blocks {
                    let g = g_n[block.right * part..][..part].chunks_exact(2 * k);
                    let m = m[block.left * part..][..part].chunks_exact(2 * k);
                    for (g, m) in g.zip(m) {
                        let (g0, g1) = g.split_at(k);
                        *sum += along(&block.matrix, [g0, g1], m);
                    }
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

impl Site<'_> {
    /// `C P̄ Cᴴ`, for the cotangent `p` of P right of the site.
    fn through(&self, p: &[C64]) -> Vec<C64> {
        let (rows, columns) = (self.c.l * self.c.w.left, self.c.r * self.c.w.right);
        // Z[(l w), p, y] = Σ_x C[(l w), p, x] · P̄[x, y]
        let z = self.c.onto_right(p, columns);
        let mut sum = vec![C64::ZERO; rows * rows];
        for physical in 0..2 {
            let of = |y: usize| &z[(physical + 2 * y) * rows..][..rows];
            let mut adjoint = vec![C64::ZERO; columns * rows];
            for y in 0..columns {
                for (row, x) in of(y).iter().enumerate() {
                    adjoint[y + row * columns] = x.conj();
                }
            }
            // Σ_y C[a, p, y] · conj(Z[b, p, y]): for both p, of which one is wanted
            let both = self.c.onto_right(&adjoint, rows);
            for b in 0..rows {
                let wanted = &both[(physical + 2 * b) * rows..][..rows];
                sum[b * rows..(b + 1) * rows].iter_mut().zip(wanted).for_each(|(x, y)| *x += y);
            }
        }
        sum
    }
}

impl<'a> SiteCut<'a> {
    fn new(cut: Cut<'a>, scale: f64, carry: &Carry, y: &[C64], rows: usize) -> Self {
        let (k, columns) = (carry.rows, cut.columns);
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
            y_kept: along_kept(y, cut.v, (rows, columns, kept)),
            theta,
            cut,
            scale,
        }
    }

    /// From the cotangents of `X' = Y Vᴴ`, of V and of the new weights to those of Y and of P.
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
        let x = of_vectors(g1.as_deref(), g_v, &site.y, (rows, columns, kept));
        let factors = (&self.theta[..], &self.with_kept[..], &self.with_dropped[..]);
        let pulled = self.cut.pull(k, factors, (&x, g_v), r);
        // g_θ = left·V + (θVᴴ)·S
        let mut g_theta = vec![C64::ZERO; k * columns];
        times(
            matrix_mut(&mut g_theta, k, columns),
            matrix(&pulled.left, k, kept),
            matrix(self.cut.v, kept, columns),
        );
        add_times(
            matrix_mut(&mut g_theta, k, columns),
            matrix(&self.with_kept, k, kept),
            matrix(&pulled.right, kept, columns),
        );
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
        // P̄ = H + Hᴴ,  H = Y Vᴴ (½ A (Y Vᴴ)ᴴ + S Yᴴ)
        let mut inner = vec![C64::ZERO; kept * rows];
        times_adjoint(
            matrix_mut(&mut inner, kept, rows),
            matrix(&pulled.right, kept, columns),
            matrix(&site.y, rows, columns),
        );
        if let Some(a) = &pulled.a {
            let half: Vec<C64> = a.iter().map(|x| x * 0.5).collect();
            add_times_adjoint(
                matrix_mut(&mut inner, kept, rows),
                matrix(&half, kept, kept),
                matrix(&self.y_kept, rows, kept),
            );
        }
        let mut p = vec![C64::ZERO; rows * rows];
        times(
            matrix_mut(&mut p, rows, rows),
            matrix(&self.y_kept, rows, kept),
            matrix(&inner, kept, rows),
        );
        hermitian(&mut p, rows);
        (g_y, p)
    }
}
