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

use std::sync::Arc;

use crate::cancel::Cancel;
use crate::circuit::StepTangents;
use crate::error::Result;
use crate::gradient::factors::Factors;
use crate::linalg::Workspace;
use crate::mps::adjoint::{Cotangent, back_from_merge, merge};
use crate::mps::{Mps, SiteTensor, StepGate, rotate};
use crate::operator::{ChainOperator, OperatorSite};
use crate::program::{Program, Shared};
use crate::scalar::C64;

/// Bytes that all tensors may take, and one of how many parts of all memory: the same for any number of
/// threads, and on most machines whatever is free, since bits depend on it.
const MOST_BYTES: u64 = 1 << 29;
const SHARES: u64 = 16;

/// What each step will do, and the bonds that come of it.
pub(super) struct Layout<'a> {
    first: Mps<C64>,
    steps: Vec<(usize, Action<'a>)>,
    /// Left of each site and at the right end.
    bonds: Vec<usize>,
    /// Entries of all tensors before the steps.
    held: usize,
}

/// A circuit applied, with all that the way back needs.
pub(super) struct Unfactored<'a> {
    pub state: Mps<C64>,
    steps: Vec<Applied<'a>>,
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
    Pair(Arc<Factors>),
    /// Of two sites, with a bond that is the whole space on its left, or else on its right.
    Merged(&'a [C64; 16], &'a [(usize, [C64; 16])], Side),
    Chain(&'a ChainOperator, &'a [(usize, usize, OperatorSite)]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl<'a> Layout<'a> {
    /// Of all steps; `None` if a bond becomes larger than `largest`.
    ///
    /// # Errors
    /// Those of the first state and of [`Factors::new`].
    pub fn new(
        program: &'a Program,
        tangents: &'a [StepTangents],
        largest: usize,
    ) -> Result<Option<Self>> {
        let mut workspace = Workspace::default();
        let first: Mps<C64> = program.first_state()?;
        let bonds = first.sites.iter().map(|site| site.left).chain([1]).collect();
        let mut found = Self { first, steps: Vec::new(), bonds, held: 0 };
        // Of the last gate without parameters: most others are the same.
        let mut known: Option<(&[C64; 16], Arc<Factors>)> = None;
        for (step, tangents) in program.steps().iter().zip(tangents) {
            let site = step.site;
            match (&step.gate, tangents) {
                (StepGate::One(u), StepTangents::One(own)) => {
                    found.push(site, Action::One(u, own));
                }
                (StepGate::Two(gate, _), StepTangents::Two(own)) => {
                    let same = known.take().filter(|(other, _)| own.is_empty() && *other == gate);
                    let factors = match same {
                        Some((_, factors)) => factors,
                        None => Arc::new(Factors::new(gate, own, &mut workspace)?),
                    };
                    if own.is_empty() {
                        known = Some((gate, Arc::clone(&factors)));
                    }
                    let bond = factors.left.len() * found.bonds[site + 1];
                    let action = match found.smaller_side(site) {
                        (side, space) if bond > space => Action::Merged(gate, own, side),
                        _ => Action::Pair(factors),
                    };
                    found.push(site, action);
                }
                (StepGate::Chain(operator), StepTangents::Chain(own)) => {
                    found.push(site, Action::Chain(operator, own));
                    let inner = site..site + operator.sites.len() - 1;
                    for at in inner.clone().chain(inner.rev()) {
                        let (side, space) = found.smaller_side(at);
                        if found.bonds[at + 1] > space {
                            found.push(at, Action::Merged(&IDENTITY, &[], side));
                        }
                    }
                }
                _ => return Ok(None),
            }
            let after = &found.bonds[site + 1..=site + step.gate.width()];
            if after.iter().any(|bond| *bond > largest) {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    /// Notes an action from `site` on, and what it makes of the bonds.
    fn push(&mut self, site: usize, action: Action<'a>) {
        let bonds = &mut self.bonds[site..=site + action.width()];
        self.held += bonds.windows(2).map(|pair| 2 * pair[0] * pair[1]).sum::<usize>();
        match &action {
            Action::One(..) => {}
            Action::Pair(factors) => bonds[1] *= factors.left.len(),
            Action::Merged(_, _, Side::Left) => bonds[1] = 2 * bonds[0],
            Action::Merged(_, _, Side::Right) => bonds[1] = 2 * bonds[2],
            Action::Chain(operator, _) => {
                let pairs = bonds[1..].iter_mut().zip(&operator.sites);
                pairs.for_each(|(bond, site)| *bond *= site.right);
            }
        }
        self.steps.push((site, action));
    }

    /// On which side of the bond right of `site` there is less space, and how much.
    fn smaller_side(&self, site: usize) -> (Side, usize) {
        let (outer, inner) = (2 * self.bonds[site], 2 * self.bonds[site + 2]);
        if outer <= inner { (Side::Left, outer) } else { (Side::Right, inner) }
    }

    /// Whether there is memory for all tensors and `more` bytes.
    pub fn fits(&self, shared: &Shared<'_, C64>, more: usize) -> bool {
        let bytes = (self.bytes() + more) as u64;
        bytes <= MOST_BYTES.min(shared.settings.memory_limit / SHARES)
    }

    /// Bytes of the tensors before all steps and at the end.
    pub fn bytes(&self) -> usize {
        (self.held + self.entries()) * size_of::<C64>()
    }

    /// Entries of the final state.
    pub fn entries(&self) -> usize {
        self.bonds.windows(2).map(|pair| 2 * pair[0] * pair[1]).sum()
    }

    /// Multiplications of a product of environments with the final tensor of each site.
    pub fn products(&self) -> impl Iterator<Item = f64> {
        let pairs = self.bonds.windows(2).map(|pair| (pair[0] as f64, pair[1] as f64));
        pairs.map(|(left, right)| 2.0 * left * right * (left + right))
    }

    /// Applies all steps.
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`] soon after the job is cancelled.
    pub fn apply(self, cancel: &Cancel) -> Result<Unfactored<'a>> {
        let mut state = self.first;
        let mut steps = Vec::with_capacity(self.steps.len());
        for (site, action) in self.steps {
            cancel.check()?;
            let own = site..site + action.width();
            let after = action.apply(&state.sites[own.clone()]);
            let before = state.sites.splice(own, after).collect();
            steps.push(Applied { site, before, action });
        }
        Ok(Unfactored { state, steps })
    }
}

impl Unfactored<'_> {
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
    /// How many sites it acts on.
    fn width(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Pair(_) | Self::Merged(..) => 2,
            Self::Chain(operator, _) => operator.sites.len(),
        }
    }

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

/// `C[l, (p q), r] = Σ_{p' q'} G[(p q), (p' q')] · T[l, (p' q'), r]`
fn merged(left: &SiteTensor<C64>, right: &SiteTensor<C64>, gate: &[C64; 16]) -> Vec<C64> {
    let mut c = merge(left, right);
    rotate(&mut c, left.left, gate);
    c
}

/// The cotangents of both tensors and of G, from that of C.
fn back_from_merged(
    [b1, b2]: [&SiteTensor<C64>; 2],
    gate: &[C64; 16],
    g_c: &[C64],
) -> (Vec<Vec<C64>>, [C64; 16]) {
    let l = b1.left;
    let t = merge(b1, b2);
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
    let (left, right) = back_from_merge([b1, b2], &g_t);
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
