//! Chain step: apply an operator on many neighbouring sites and compress once.
//!
//! ```text
//!  s_a ─ B_a ─ B_{a+1} ─ … ─ B_b ─         C_i = W_i·B_i, its bonds the pairs (bond of B, bond of W)
//!         │      │           │        →    s_a ─ B'_a ─ s'_{a+1} ─ B'_{a+1} ─ … ─ s'_b ─ B'_b ─
//!        W_a ── W_{a+1} ─ … ─ W_b
//! ```
//!
//! As in the two-site step everything right of the stretch is orthonormal and `s_a` weighs what is
//! left of it, so every cut is optimal for the whole state, and nothing outside is read or written.
//!
//! 1. From the left, the weighted chain is made orthogonal: `R_a = diag(s_a)` and
//!    `R_i·C_i = Q·R_{i+1}`. Only R goes on.
//! 2. From the right, with `X` for what the sites to the right have become (at first 1):
//!    `θ_i = R_i·C_i·X`, its leading right singular vectors V are the new tensor, and
//!    `X ← C_i·X·Vᴴ`. The last one, `C_a·X`, is the new leftmost tensor: no inverse of a weight is
//!    ever taken (Hastings 2009, there for two sites).

use std::f64::consts::LN_2;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::linalg::{
    MethodCounts, ThinQr, Truncation, Workspace, matrix, matrix_mut, thin_qr, times, truncate,
};
use crate::mps::SiteTensor;
use crate::mps::align::{align, is_graded};
use crate::mps::two_site::{
    BondUpdate, CutRecord, SMALL_NORM, StepUpdate, rounded_norm, weighted_norm,
};
use crate::operator::{ChainOperator, OperatorSite};
use crate::scalar::{C64, Double, Scalar};

/// One site of the chain C, in factors: the entries of B in double precision, and W.
pub(crate) struct Factors<'a, W = C64> {
    /// Bonds of B.
    pub l: usize,
    pub r: usize,
    pub b: Vec<W>,
    pub w: &'a OperatorSite,
}

/// `R_i`: rows × (l w), l running fastest.
pub(crate) struct Carry<W = C64> {
    pub rows: usize,
    pub entries: Vec<W>,
    /// Power of two that it was multiplied by.
    pub scale: f64,
}

/// The sites of a chain.
pub(crate) fn factors<'a, T: Scalar>(
    tensors: &[SiteTensor<T>],
    operator: &'a ChainOperator,
) -> Vec<Factors<'a, T::Double>> {
    let sites = tensors.iter().zip(&operator.sites);
    sites
        .map(|(tensor, w)| Factors {
            l: tensor.left,
            r: tensor.right,
            b: tensor.entries.iter().map(|x| x.to_double()).collect(),
            w,
        })
        .collect()
}

/// Most numbers that the step on tensors of these bonds holds at once besides the state: all R and
/// the largest matrix to be factorized.
pub(crate) fn working_entries(bonds: &[usize], operator: &ChainOperator) -> usize {
    let mut rows = bonds[0];
    let (mut kept, mut largest) = (0_usize, 0_usize);
    for (pair, w) in bonds.windows(2).zip(&operator.sites) {
        kept = kept.saturating_add(rows.saturating_mul(pair[0] * w.left));
        let columns = pair[1] * w.right;
        largest = largest.max(rows.saturating_mul(2 * columns));
        rows = (2 * rows).min(columns);
    }
    kept.saturating_add(largest.saturating_mul(3))
}

/// Applies `operator` to `tensors`, one for each of its sites, with `left_schmidt` left of the
/// first, and truncates every bond between them by its own of `truncations`. Cost, with operator
/// bonds w: O(w²χ³) for each site.
pub(crate) fn apply_chain<T: Scalar>(
    tensors: &[SiteTensor<T>],
    left_schmidt: &[f64],
    operator: &ChainOperator,
    truncations: &[Truncation],
    workspace: &mut Workspace,
    cancel: &Cancel,
) -> Result<StepUpdate<T>> {
    let chain = factors(tensors, operator);
    let mut methods = MethodCounts::default();
    let carries = orthogonalise(&chain, left_schmidt, &mut methods, workspace, cancel)?;

    let outer = chain.last().map_or(1, |site| site.r);
    let mut log_norm_taken_out = 0.0;
    let mut sites = Vec::with_capacity(chain.len());
    let mut bonds = Vec::with_capacity(truncations.len());
    let (mut cuts, mut left_scale) = (Vec::new(), 1.0);
    let mut x = identity(outer);
    let mut columns = outer;
    for (i, site) in chain.iter().enumerate().rev() {
        cancel.check()?;
        let y = site.onto_right(&x, columns);
        let rows = site.l * site.w.left;
        let Some(truncation) = i.checked_sub(1).and_then(|bond| truncations.get(bond)) else {
            // B'_a[l, p, x] = Σ C_a[l, p, (r w')] · X[(r w'), x]
            let mut entries = y;
            let exponent = rescue(&mut entries, |at| left_schmidt[at % site.l]);
            log_norm_taken_out += 2.0 * exponent * LN_2;
            left_scale = (-exponent).exp2();
            let exact = T::ROUNDS.then(|| weighted_norm(&entries, left_schmidt));
            let entries: Vec<T> = entries.into_iter().map(T::from_double).collect();
            if let Some(exact) = exact {
                log_norm_taken_out += (exact / weighted_norm(&entries, left_schmidt)).ln();
            }
            sites.push(SiteTensor { left: site.l, right: columns, entries });
            break;
        };
        // θ[k, (p x)] = Σ_{l w} R[k, (l w)] · Y[(l w), (p x)]
        let carry = &carries[i];
        let mut theta = vec![T::Double::ZERO; carry.rows * 2 * columns];
        times(
            matrix_mut(&mut theta, carry.rows, 2 * columns),
            matrix(&carry.entries, carry.rows, rows),
            matrix(&y, rows, 2 * columns),
        );
        let theta = matrix(&theta, carry.rows, 2 * columns);
        let mut cut = truncate(theta, rows, truncation, workspace)?;
        methods.add(cut.methods);
        let kept = cut.rank();
        // X'[(l w), k] = Σ_{p x} Y[(l w), (p x)] · conj(V[k, (p x)])
        x = vec![T::Double::ZERO; rows * kept];
        times(
            matrix_mut(&mut x, rows, kept),
            matrix(&y, rows, 2 * columns),
            matrix(&cut.vectors, 2 * columns, kept),
        );
        if truncation.keep_dropped && is_graded(&cut.schmidt) {
            let weigh = |x: &[T::Double]| {
                let mut weighted = vec![T::Double::ZERO; carry.rows * kept];
                times(
                    matrix_mut(&mut weighted, carry.rows, kept),
                    matrix(&carry.entries, carry.rows, rows),
                    matrix(x, rows, kept),
                );
                weighted
            };
            let weights = align(&mut x, &mut cut.vectors, kept, weigh);
            cut.set_weights(&weights);
        }
        let exponent = rescue(&mut x, |_| 1.0);
        log_norm_taken_out += 2.0 * exponent * LN_2;
        cuts.extend(CutRecord::take(&mut cut, (-exponent).exp2()));
        if T::ROUNDS {
            let vectors = cut.vectors.chunks_exact(2 * columns).zip(&cut.schmidt);
            let norm: f64 = vectors.map(|(vector, s)| s * s * rounded_norm::<T>(vector)).sum();
            log_norm_taken_out -= norm.ln();
        }
        // B'_i[k, p, x] = V[k, (p x)]
        let mut entries = vec![T::ZERO; kept * 2 * columns];
        for (k, vector) in cut.vectors.chunks_exact(2 * columns).enumerate() {
            for (column, v) in vector.iter().enumerate() {
                entries[k + column * kept] = T::from_double(v.conj());
            }
        }
        sites.push(SiteTensor { left: kept, right: columns, entries });
        bonds.push(BondUpdate::take(&mut cut));
        columns = kept;
    }
    sites.reverse();
    bonds.reverse();
    cuts.reverse();
    Ok(StepUpdate { sites, bonds, log_norm_taken_out, methods, left_scale, cuts })
}

/// `R_i` of every site, from the left.
fn orthogonalise<W: Double>(
    chain: &[Factors<'_, W>],
    left_schmidt: &[f64],
    methods: &mut MethodCounts,
    workspace: &mut Workspace,
    cancel: &Cancel,
) -> Result<Vec<Carry<W>>> {
    let mut carries = vec![Carry::first(left_schmidt)];
    for pair in chain.windows(2).zip(0..) {
        cancel.check()?;
        let (next, Made { fallbacks, .. }) = carries[pair.1].next(&pair.0[0], workspace)?;
        methods.fallbacks += fallbacks;
        carries.push(next);
    }
    Ok(carries)
}

/// How a [`Carry`] came from the one before it.
pub(crate) struct Made<W = C64> {
    /// Q: (2·rows before) × rows.
    pub q: Vec<W>,
    fallbacks: usize,
}

impl<W: Double> Carry<W> {
    /// `diag(s)`
    pub fn first(left_schmidt: &[f64]) -> Self {
        let rows = left_schmidt.len();
        let mut entries = vec![W::ZERO; rows * rows];
        for (at, s) in left_schmidt.iter().enumerate() {
            entries[at * (rows + 1)] = W::of(*s);
        }
        Self { rows, entries, scale: 1.0 }
    }

    /// R right of `site`, this one being left of it.
    pub fn next(
        &self,
        site: &Factors<'_, W>,
        workspace: &mut Workspace,
    ) -> Result<(Self, Made<W>)> {
        // N[(k p), (r w')] = Q[(k p), j] · R'[j, (r w')]
        let (rows, columns) = (2 * self.rows, site.r * site.w.right);
        let n = site.onto_left(self);
        let ThinQr { q, r: mut entries, fallbacks } = thin_qr(&n, rows, columns, workspace)?;
        // Its size says nothing: the cuts are relative, and the norm stays with X.
        let exponent = rescue(&mut entries, |_| 1.0);
        let next = Self { rows: rows.min(columns), entries, scale: (-exponent).exp2() };
        Ok((next, Made { q, fallbacks }))
    }
}

impl<W: Double> Factors<'_, W> {
    /// `M[k, (p r), w] = Σ_l R[k, l, w] · B[l, (p r)]`
    pub fn half_left(&self, carry: &Carry<W>) -> Vec<W> {
        let (k, l, r) = (carry.rows, self.l, self.r);
        let mut m = vec![W::ZERO; k * 2 * r * self.w.left];
        let parts = m.chunks_exact_mut(k * 2 * r).zip(carry.entries.chunks_exact(k * l));
        for (out, part) in parts {
            times(matrix_mut(out, k, 2 * r), matrix(part, k, l), matrix(&self.b, l, 2 * r));
        }
        m
    }

    /// `M[(l p), (w' x)] = Σ_r B[(l p), r] · X[r, (w' x)]`, X with `columns` columns.
    pub fn half_right(&self, x: &[W], columns: usize) -> Vec<W> {
        let (l, r, w) = (self.l, self.r, self.w);
        let mut m = vec![W::ZERO; 2 * l * w.right * columns];
        times(
            matrix_mut(&mut m, 2 * l, w.right * columns),
            matrix(&self.b, 2 * l, r),
            matrix(x, r, w.right * columns),
        );
        m
    }

    /// `N[(k p), (r w')] = Σ_{l w} R[k, (l w)] · C[(l w), p, (r w')]`
    pub fn onto_left(&self, carry: &Carry<W>) -> Vec<W> {
        let (k, r, w) = (carry.rows, self.r, self.w);
        let m = self.half_left(carry);
        // N[k, p, r, w'] = Σ_{w p'} W[w, p, p', w'] · M[k, p', r, w]
        let mut n = vec![W::ZERO; k * 2 * r * w.right];
        for block in &w.blocks {
            let from = m[block.left * k * 2 * r..][..k * 2 * r].chunks_exact(2 * k);
            let to = n[block.right * k * 2 * r..][..k * 2 * r].chunks_exact_mut(2 * k);
            to.zip(from).for_each(|(to, from)| add_block(to, from, &block.matrix));
        }
        n
    }

    /// `Y[(l w), (p x)] = Σ_{r w'} C[(l w), p, (r w')] · X[(r w'), x]`, X with `columns` columns.
    pub fn onto_right(&self, x: &[W], columns: usize) -> Vec<W> {
        let (l, w) = (self.l, self.w);
        let m = self.half_right(x, columns);
        // Y[l, w, p, x] = Σ_{w' p'} W[w, p, p', w'] · M[l, p', w', x]
        let mut y = vec![W::ZERO; 2 * l * w.left * columns];
        for (to, from) in y.chunks_exact_mut(2 * l * w.left).zip(m.chunks_exact(2 * l * w.right)) {
            let (zero, one) = to.split_at_mut(l * w.left);
            for block in &w.blocks {
                let (from0, from1) = from[block.right * 2 * l..][..2 * l].split_at(l);
                let place = block.left * l..(block.left + 1) * l;
                let [a, b, c, d] = block.matrix;
                add_two(&mut zero[place.clone()], a, from0, b, from1);
                add_two(&mut one[place], c, from0, d, from1);
            }
        }
        y
    }
}

/// `to[k, p] += Σ_{p'} matrix[p, p'] · from[k, p']`
fn add_block<W: Double>(to: &mut [W], from: &[W], matrix: &[C64; 4]) {
    let rows = to.len() / 2;
    let (to0, to1) = to.split_at_mut(rows);
    let (from0, from1) = from.split_at(rows);
    add_two(to0, matrix[0], from0, matrix[1], from1);
    add_two(to1, matrix[2], from0, matrix[3], from1);
}

/// `to += a·x + b·y`, sparing what is zero: most blocks are diagonal.
pub(crate) fn add_two<W: Double>(to: &mut [W], a: C64, x: &[W], b: C64, y: &[W]) {
    let (a, b) = (W::from_c64(a), W::from_c64(b));
    match (a == W::ZERO, b == W::ZERO) {
        (true, true) => {}
        (false, true) => to.iter_mut().zip(x).for_each(|(to, x)| *to += a * *x),
        (true, false) => to.iter_mut().zip(y).for_each(|(to, y)| *to += b * *y),
        (false, false) => {
            to.iter_mut().zip(x).zip(y).for_each(|((to, x), y)| *to += a * *x + b * *y);
        }
    }
}

/// Takes a power of two out of `entries` if their squared norm, each weighted, is small: exact, and
/// before it could underflow. Returns its exponent: `entries` were `returned · 2^exponent`.
fn rescue<W: Double>(entries: &mut [W], weight: impl Fn(usize) -> f64) -> f64 {
    let total: f64 =
        entries.iter().enumerate().map(|(at, x)| x.norm_sqr() * weight(at).powi(2)).sum();
    // A state of norm zero is for the truncation to report.
    if total >= SMALL_NORM || total == 0.0 {
        return 0.0;
    }
    let exponent = (total.log2() / 2.0).round();
    let factor = (-exponent).exp2();
    entries.iter_mut().for_each(|x| *x = x.scale(factor));
    exponent
}

pub(crate) fn identity<W: Double>(side: usize) -> Vec<W> {
    let mut entries = vec![W::ZERO; side * side];
    entries.iter_mut().step_by(side + 1).for_each(|x| *x = W::ONE);
    entries
}
