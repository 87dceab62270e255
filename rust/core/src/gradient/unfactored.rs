//! Derivatives at which nothing is factorized: each gate multiplies bonds by what it may need there.
//!
//! ```text
//!  G = Σ_a L_a ⊗ R_a        B'_i[l p (a m)] = L_a B_i,  B'_{i+1}[(a m) q r] = R_a B_{i+1}
//! ```
//!
//! A truncated state has corners and weak directions, behind which the cotangents of its tensors know
//! nothing. Here there are none: the bond has a place for every product of operators that G *or one of
//! its derivatives* consists of, if only with zeros. The tensors are polynomials in what the gates depend
//! on, and their derivative is exact to rounding. A bond larger than the space on one of its sides is that
//! whole space. Bonds grow with the depth, so this serves shallow circuits only.

use crate::circuit::StepTangents;
use crate::error::Result;
use crate::linalg::{
    Expected, Method, Truncation, Workspace, adjoint_times, matrix, matrix_mut, times,
    times_adjoint, truncate,
};
use crate::mps::adjoint::Cotangent;
use crate::mps::{Mps, SiteTensor, StepGate};
use crate::operator::{ChainOperator, OperatorSite};
use crate::program::{Program, Shared};
use crate::scalar::C64;

/// Bonds up to which this is worth while.
const LARGEST_BOND: usize = 64;
/// Parts of derivatives below this have no place of their own.
const NOTHING: f64 = 1e-13;

/// A circuit applied, with all that the way back needs.
pub(super) struct Unfactored<'a> {
    pub state: Mps<C64>,
    steps: Vec<Applied<'a>>,
    /// Entries of all tensors before the steps.
    held: usize,
}

/// The identity of two sites.
static IDENTITY: [C64; 16] = {
    let mut entries = [C64::ZERO; 16];
    let mut at = 0;
    while at < 16 {
        entries[at] = C64::ONE;
        at += 5;
    }
    entries
};

/// One step: the tensors before it, and what acted on them.
struct Applied<'a> {
    site: usize,
    before: Vec<SiteTensor<C64>>,
    action: Action<'a>,
}

enum Action<'a> {
    One(&'a [C64; 4], &'a [(usize, [C64; 4])]),
    /// Of two sites, with a bond of products.
    Pair(Box<Factors>),
    /// Of two sites, with a bond that is the whole space on its left, or else on its right.
    Merged(&'a [C64; 16], &'a [(usize, [C64; 16])], Side),
    Chain(&'a ChainOperator, &'a [(usize, usize, OperatorSite)]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// G as products of row-major 2×2 matrices, and its derivatives as those of the factors.
struct Factors {
    left: Vec<[C64; 4]>,
    right: Vec<[C64; 4]>,
    tangents: Vec<Tangent>,
}

struct Tangent {
    parameter: usize,
    left: Vec<[C64; 4]>,
    right: Vec<[C64; 4]>,
}

impl<'a> Unfactored<'a> {
    /// Applies all steps; `None` if bonds become too large, or the tensors larger than `bytes`.
    ///
    /// # Errors
    /// Those of the first state; [`crate::Error::Interrupted`] soon after the job is cancelled.
    pub fn apply(
        program: &'a Program,
        tangents: &'a [StepTangents],
        shared: &Shared<'_, C64>,
        bytes: usize,
    ) -> Result<Option<Self>> {
        let mut workspace = Workspace::default();
        let mut found = Self { state: program.first_state()?, steps: Vec::new(), held: 0 };
        for (step, tangents) in program.steps().iter().zip(tangents) {
            shared.cancel.check()?;
            let (site, width) = (step.site, step.gate.width());
            match (&step.gate, tangents) {
                (StepGate::One(u), StepTangents::One(own)) => {
                    found.push(site, width, Action::One(u, own));
                }
                (StepGate::Two(gate, _), StepTangents::Two(own)) => {
                    let factors = Factors::new(gate, own, &mut workspace)?;
                    let bond = factors.left.len() * found.state.sites[site].right;
                    let action = match found.smaller_side(site) {
                        (side, space) if bond > space => Action::Merged(gate, own, side),
                        _ => Action::Pair(Box::new(factors)),
                    };
                    found.push(site, width, action);
                }
                (StepGate::Chain(operator), StepTangents::Chain(own)) => {
                    found.push(site, width, Action::Chain(operator, own));
                    let inner = site..site + width - 1;
                    for at in inner.clone().chain(inner.rev()) {
                        let (side, space) = found.smaller_side(at);
                        if found.state.sites[at].right > space {
                            found.push(at, 2, Action::Merged(&IDENTITY, &[], side));
                        }
                    }
                }
                _ => return Ok(None),
            }
            let after = &found.state.sites[site..site + width];
            let too_large = after.iter().any(|tensor| tensor.right > LARGEST_BOND);
            if too_large || found.held * size_of::<C64>() > bytes {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    /// Applies an action to `width` sites.
    fn push(&mut self, site: usize, width: usize, action: Action<'a>) {
        let before = self.state.sites[site..site + width].to_vec();
        self.held += before.iter().map(|tensor| tensor.entries.len()).sum::<usize>();
        self.state.sites.splice(site..site + width, action.apply(&before));
        self.steps.push(Applied { site, before, action });
    }

    /// On which side of the bond right of `site` there is less space, and how much.
    fn smaller_side(&self, site: usize) -> (Side, usize) {
        let (outer, inner) =
            (2 * self.state.sites[site].left, 2 * self.state.sites[site + 1].right);
        if outer <= inner { (Side::Left, outer) } else { (Side::Right, inner) }
    }

    /// Adds the derivatives that `cotangent`, one of [`state`](Self::state), says to `gradient`.
    pub fn back(&self, mut cotangent: Cotangent, gradient: &mut [f64]) {
        for Applied { site, before, action } in self.steps.iter().rev() {
            let place = &mut cotangent.tensors[*site..site + before.len()];
            let after: Option<Vec<Vec<C64>>> = place.iter_mut().map(Option::take).collect();
            let Some(after) = after else { continue };
            for (place, own) in place.iter_mut().zip(action.pull(before, &after, gradient)) {
                *place = Some(own);
            }
        }
    }
}

impl Action<'_> {
    fn apply(&self, before: &[SiteTensor<C64>]) -> Vec<SiteTensor<C64>> {
        match (self, before) {
            (Self::Pair(factors), [left, right]) => {
                vec![onto_left(left, &factors.left), onto_right(right, &factors.right)]
            }
            (Self::Merged(gate, _, side), [left, right]) => {
                let merged = merged(left, right, gate);
                let (outer, inner) = (2 * left.left, 2 * right.right);
                let tensor =
                    |left: usize, right: usize, entries| SiteTensor { left, right, entries };
                match side {
                    Side::Left => vec![
                        tensor(left.left, outer, identity(outer)),
                        tensor(outer, right.right, merged),
                    ],
                    Side::Right => vec![
                        tensor(left.left, inner, merged),
                        tensor(inner, right.right, identity(inner)),
                    ],
                }
            }
            (Self::Chain(operator, _), sites) => {
                sites.iter().zip(&operator.sites).map(|(b, w)| times_operator(b, w)).collect()
            }
            (Self::One(u, _), sites) => {
                sites.iter().map(|site| onto_left(site, std::slice::from_ref(*u))).collect()
            }
            _ => before.to_vec(),
        }
    }

    /// From the cotangents of the tensors behind the step to those before it.
    fn pull(
        &self,
        before: &[SiteTensor<C64>],
        after: &[Vec<C64>],
        gradient: &mut [f64],
    ) -> Vec<Vec<C64>> {
        match (self, before, after) {
            (Self::One(u, tangents), [b], [g]) => {
                let (own, of_u) = back_from_left(b, std::slice::from_ref(*u), g);
                for (parameter, tangent) in *tangents {
                    gradient[*parameter] += along(&of_u[0], tangent);
                }
                vec![own]
            }
            (Self::Pair(factors), [b1, b2], [g1, g2]) => {
                let (left, of_left) = back_from_left(b1, &factors.left, g1);
                let (right, of_right) = back_from_right(b2, &factors.right, g2);
                for tangent in &factors.tangents {
                    let parts = of_left.iter().zip(&tangent.left);
                    let parts = parts.chain(of_right.iter().zip(&tangent.right));
                    gradient[tangent.parameter] += parts.map(|(g, d)| along(g, d)).sum::<f64>();
                }
                vec![left, right]
            }
            (Self::Merged(gate, tangents, side), [b1, b2], [g1, g2]) => {
                let g_c = if *side == Side::Left { g2 } else { g1 };
                let (pulled, of_gate) = back_from_merged([b1, b2], gate, g_c);
                for (parameter, tangent) in *tangents {
                    gradient[*parameter] += along(&of_gate, tangent);
                }
                pulled
            }
            (Self::Chain(operator, tangents), sites, after) => {
                for (parameter, place, tangent) in *tangents {
                    let moved = times_operator(&sites[*place], tangent);
                    let parts = after[*place].iter().zip(&moved.entries);
                    gradient[*parameter] +=
                        2.0 * parts.map(|(g, d)| (g.conj() * d).re).sum::<f64>();
                }
                let pairs = sites.iter().zip(&operator.sites).zip(after);
                pairs.map(|((b, w), g)| back_from_operator(b, w, g)).collect()
            }
            _ => after.to_vec(),
        }
    }
}

impl Factors {
    /// `M[(p p'), (q q')] = Σ_k σ_k u_k v_k`: a derivative dM is one of `σ u` where it has rows v, one of v
    /// where it has columns u, and the rest needs places of its own.
    fn new(
        gate: &[C64; 16],
        tangents: &[(usize, [C64; 16])],
        workspace: &mut Workspace,
    ) -> Result<Self> {
        let m = operator_matrix(gate);
        let policy = Truncation {
            limit: None,
            cutoff: 0.0,
            noise_floor: NOTHING,
            method: Method::Svd,
            expected: Expected::Nothing,
            keep_dropped: false,
        };
        let cut = truncate(matrix(&m, 4, 4), 4, &policy, workspace)?;
        let root = std::f64::consts::SQRT_2;
        let v: Vec<[C64; 4]> =
            cut.vectors.chunks_exact(4).map(|v| std::array::from_fn(|c| v[c])).collect();
        let u: Vec<[C64; 4]> = v.iter().map(|v| onto(&m, v)).collect();
        // What of each derivative has neither a column u nor a row v.
        let mut found = Vec::with_capacity(tangents.len());
        let mut places: Vec<[C64; 4]> = Vec::new();
        for (parameter, tangent) in tangents {
            let mut rest = operator_matrix(tangent);
            let left: Vec<[C64; 4]> = v.iter().map(|v| onto(&rest, v)).collect();
            for (d, v) in left.iter().zip(&v) {
                subtract(&mut rest, d, &v.map(|x| x.conj()));
            }
            let mut right = Vec::with_capacity(v.len());
            for u in &u {
                let weight: f64 = u.iter().map(C64::norm_sqr).sum();
                // w[c] = Σ_r conj(u[r]) · rest[r, c] / |u|²
                let w: [C64; 4] = std::array::from_fn(|c| {
                    (0..4).map(|r| u[r].conj() * rest[r + 4 * c]).sum::<C64>() / weight
                });
                subtract(&mut rest, u, &w);
                right.push(w.map(|x| x * root));
            }
            for r in 0..4 {
                let mut row: [C64; 4] = std::array::from_fn(|c| rest[r + 4 * c]);
                for _ in 0..2 {
                    for place in &places {
                        let share: C64 = place.iter().zip(&row).map(|(e, x)| e.conj() * x).sum();
                        row.iter_mut().zip(place).for_each(|(x, e)| *x -= share * e);
                    }
                }
                let norm = row.iter().map(C64::norm_sqr).sum::<f64>().sqrt();
                if norm > NOTHING {
                    places.push(row.map(|x| x / norm));
                }
            }
            found.push((*parameter, left, right, rest));
        }
        let zero = [C64::ZERO; 4];
        let tangents = found.into_iter().map(|(parameter, mut left, mut right, rest)| {
            left.extend(places.iter().map(|place| onto(&rest, &place.map(|x| x.conj()))));
            left.iter_mut().flatten().for_each(|x| *x /= root);
            right.extend(places.iter().map(|_| zero));
            Tangent { parameter, left, right }
        });
        let tangents = tangents.collect();
        let left = u.iter().map(|u| u.map(|x| x / root)).chain(places.iter().map(|_| zero));
        let right = v.iter().map(|v| v.map(|x| x.conj() * root));
        let right = right.chain(places.iter().map(|place| place.map(|x| x * root)));
        Ok(Self { left: left.collect(), right: right.collect(), tangents })
    }
}

/// `M[(p p'), (q q')]` of a row-major `G[(p q), (p' q')]`, column-major.
fn operator_matrix(gate: &[C64; 16]) -> [C64; 16] {
    std::array::from_fn(|at| {
        let (row, column) = (at % 4, at / 4);
        let (p, p_in, q, q_in) = (row / 2, row % 2, column / 2, column % 2);
        gate[4 * (2 * p + q) + 2 * p_in + q_in]
    })
}

/// `M v`
fn onto(m: &[C64; 16], v: &[C64; 4]) -> [C64; 4] {
    std::array::from_fn(|r| (0..4).map(|c| m[r + 4 * c] * v[c]).sum())
}

/// `M −= a bᵀ`
fn subtract(m: &mut [C64; 16], a: &[C64; 4], b: &[C64; 4]) {
    m.iter_mut().enumerate().for_each(|(at, x)| *x -= a[at % 4] * b[at / 4]);
}

/// `2 Re Σ conj(g) d`
fn along<const N: usize>(g: &[C64; N], d: &[C64; N]) -> f64 {
    2.0 * g.iter().zip(d).map(|(g, d)| (g.conj() * d).re).sum::<f64>()
}

/// `B'[l, p, (a m)] = Σ_{p'} L_a[p, p'] · B[l, p', m]`, a slower than m.
fn onto_left(b: &SiteTensor<C64>, factors: &[[C64; 4]]) -> SiteTensor<C64> {
    let l = b.left;
    let mut entries = Vec::with_capacity(factors.len() * b.entries.len());
    for f in factors {
        for column in b.entries.chunks_exact(2 * l) {
            let (zero, one) = column.split_at(l);
            entries.extend(zero.iter().zip(one).map(|(x, y)| f[0] * x + f[1] * y));
            entries.extend(zero.iter().zip(one).map(|(x, y)| f[2] * x + f[3] * y));
        }
    }
    SiteTensor { left: l, right: factors.len() * b.right, entries }
}

/// The cotangents of B and of the factors of [`onto_left`].
fn back_from_left(
    b: &SiteTensor<C64>,
    factors: &[[C64; 4]],
    g: &[C64],
) -> (Vec<C64>, Vec<[C64; 4]>) {
    let l = b.left;
    let mut own = vec![C64::ZERO; b.entries.len()];
    let mut of_factors = vec![[C64::ZERO; 4]; factors.len()];
    let blocks = g.chunks_exact(b.entries.len()).zip(factors).zip(&mut of_factors);
    for ((g, f), of_f) in blocks {
        let columns = g.chunks_exact(2 * l).zip(b.entries.chunks_exact(2 * l));
        for ((g, b), own) in columns.zip(own.chunks_exact_mut(2 * l)) {
            for i in 0..l {
                let [g0, g1, b0, b1] = [g[i], g[l + i], b[i], b[l + i]];
                own[i] += f[0].conj() * g0 + f[2].conj() * g1;
                own[l + i] += f[1].conj() * g0 + f[3].conj() * g1;
                of_f[0] += g0 * b0.conj();
                of_f[1] += g0 * b1.conj();
                of_f[2] += g1 * b0.conj();
                of_f[3] += g1 * b1.conj();
            }
        }
    }
    (own, of_factors)
}

/// `B'[(a m), q, r] = Σ_{q'} R_a[q, q'] · B[m, q', r]`, a slower than m.
fn onto_right(b: &SiteTensor<C64>, factors: &[[C64; 4]]) -> SiteTensor<C64> {
    let m = b.left;
    let mut entries = Vec::with_capacity(factors.len() * b.entries.len());
    for column in b.entries.chunks_exact(2 * m) {
        let (zero, one) = column.split_at(m);
        for row in [0, 2] {
            for f in factors {
                let pairs = zero.iter().zip(one);
                entries.extend(pairs.map(|(x, y)| f[row] * x + f[row + 1] * y));
            }
        }
    }
    SiteTensor { left: factors.len() * m, right: b.right, entries }
}

/// The cotangents of B and of the factors of [`onto_right`].
fn back_from_right(
    b: &SiteTensor<C64>,
    factors: &[[C64; 4]],
    g: &[C64],
) -> (Vec<C64>, Vec<[C64; 4]>) {
    let m = b.left;
    let mut own = vec![C64::ZERO; b.entries.len()];
    let mut of_factors = vec![[C64::ZERO; 4]; factors.len()];
    let columns = g.chunks_exact(2 * m * factors.len()).zip(b.entries.chunks_exact(2 * m));
    for ((g, b), own) in columns.zip(own.chunks_exact_mut(2 * m)) {
        let (g_zero, g_one) = g.split_at(m * factors.len());
        for (a, (f, of_f)) in factors.iter().zip(&mut of_factors).enumerate() {
            for i in 0..m {
                let [g0, g1, b0, b1] = [g_zero[a * m + i], g_one[a * m + i], b[i], b[m + i]];
                own[i] += f[0].conj() * g0 + f[2].conj() * g1;
                own[m + i] += f[1].conj() * g0 + f[3].conj() * g1;
                of_f[0] += g0 * b0.conj();
                of_f[1] += g0 * b1.conj();
                of_f[2] += g1 * b0.conj();
                of_f[3] += g1 * b1.conj();
            }
        }
    }
    (own, of_factors)
}

/// `T[l, (p q), r] = Σ_m B_i[l, p, m] · B_{i+1}[m, q, r]`
fn product(left: &SiteTensor<C64>, right: &SiteTensor<C64>) -> Vec<C64> {
    let (rows, columns) = (2 * left.left, 2 * right.right);
    let mut out = vec![C64::ZERO; rows * columns];
    times(
        matrix_mut(&mut out, rows, columns),
        matrix(&left.entries, rows, left.right),
        matrix(&right.entries, left.right, columns),
    );
    out
}

/// `C[l, (p q), r] = Σ_{p' q'} G[(p q), (p' q')] · T[l, (p' q'), r]`
fn merged(left: &SiteTensor<C64>, right: &SiteTensor<C64>, gate: &[C64; 16]) -> Vec<C64> {
    let mut c = product(left, right);
    rotate(&mut c, left.left, gate);
    c
}

/// Applies G to blocks of entries `[l, p, q]`, l fastest.
fn rotate(entries: &mut [C64], l: usize, gate: &[C64; 16]) {
    for block in entries.chunks_exact_mut(4 * l) {
        for i in 0..l {
            let old: [C64; 4] = std::array::from_fn(|pq| block[i + l * (pq / 2 + 2 * (pq % 2))]);
            for pq in 0..4 {
                block[i + l * (pq / 2 + 2 * (pq % 2))] =
                    (0..4).map(|b| gate[4 * pq + b] * old[b]).sum();
            }
        }
    }
}

/// The cotangents of both tensors and of G, from that of C.
fn back_from_merged(
    [b1, b2]: [&SiteTensor<C64>; 2],
    gate: &[C64; 16],
    g_c: &[C64],
) -> (Vec<Vec<C64>>, [C64; 16]) {
    let (l, rows, columns) = (b1.left, 2 * b1.left, 2 * b2.right);
    let t = product(b1, b2);
    let place = |i: usize, pq: usize| i + l * (pq / 2 + 2 * (pq % 2));
    let mut of_gate = [C64::ZERO; 16];
    for (g, t) in g_c.chunks_exact(4 * l).zip(t.chunks_exact(4 * l)) {
        for (at, sum) in of_gate.iter_mut().enumerate() {
            *sum += (0..l).map(|i| g[place(i, at / 4)] * t[place(i, at % 4)].conj()).sum::<C64>();
        }
    }
    let mut g_t = g_c.to_vec();
    let back = std::array::from_fn(|at| gate[at % 4 * 4 + at / 4].conj());
    rotate(&mut g_t, l, &back);
    // g_i[(l p), m] = Σ_{q r} g_T[(l p), (q r)] · conj(B_{i+1}[m, (q r)])
    let mut left = vec![C64::ZERO; rows * b1.right];
    times_adjoint(
        matrix_mut(&mut left, rows, b1.right),
        matrix(&g_t, rows, columns),
        matrix(&b2.entries, b1.right, columns),
    );
    // g_{i+1}[m, (q r)] = Σ_{l p} conj(B_i[(l p), m]) · g_T[(l p), (q r)]
    let mut right = vec![C64::ZERO; b1.right * columns];
    adjoint_times(
        matrix_mut(&mut right, b1.right, columns),
        matrix(&b1.entries, rows, b1.right),
        matrix(&g_t, rows, columns),
    );
    (vec![left, right], of_gate)
}

fn identity(side: usize) -> Vec<C64> {
    let mut entries = vec![C64::ZERO; side * side];
    entries.iter_mut().step_by(side + 1).for_each(|x| *x = C64::ONE);
    entries
}

/// `B'[(w l), p, (w' r)] = Σ_{p'} W[w, p, p', w'] · B[l, p', r]`, w slower than l.
fn times_operator(b: &SiteTensor<C64>, w: &OperatorSite) -> SiteTensor<C64> {
    let (l, r) = (b.left, b.right);
    let (left, right) = (l * w.left, r * w.right);
    let mut entries = vec![C64::ZERO; left * 2 * right];
    for block in &w.blocks {
        let m = &block.matrix;
        for (c, column) in b.entries.chunks_exact(2 * l).enumerate() {
            let to = left * 2 * (c + r * block.right) + l * block.left;
            for i in 0..l {
                let (x, y) = (column[i], column[l + i]);
                entries[to + i] += m[0] * x + m[1] * y;
                entries[to + left + i] += m[2] * x + m[3] * y;
            }
        }
    }
    SiteTensor { left, right, entries }
}

/// The cotangent of B of [`times_operator`].
fn back_from_operator(b: &SiteTensor<C64>, w: &OperatorSite, g: &[C64]) -> Vec<C64> {
    let (l, r) = (b.left, b.right);
    let left = l * w.left;
    let mut own = vec![C64::ZERO; b.entries.len()];
    for block in &w.blocks {
        let m = block.matrix.map(|x| x.conj());
        for (c, column) in own.chunks_exact_mut(2 * l).enumerate() {
            let from = left * 2 * (c + r * block.right) + l * block.left;
            for i in 0..l {
                let (x, y) = (g[from + i], g[from + left + i]);
                column[i] += m[0] * x + m[2] * y;
                column[l + i] += m[1] * x + m[3] * y;
            }
        }
    }
    own
}
