//! Cotangent of the variance of a sum of words.
//!
//! With m = ⟨H⟩, `Var = ⟨(H − m)²⟩`, and m may stand still in the derivative since `⟨H − m⟩ = 0`. So
//! this is the cotangent of one expectation value, of `(H − m)² − Var`, through the same pairs of
//! automaton states that the variance is read with: E of each pair from the left, F from the right.
//!
//! m is taken out site by site, as the mean of the words that have ended: each site has a word of its
//! own, the identity, with that coefficient. So no digits are lost in wide sums.

use std::collections::{BTreeMap, BTreeSet};

use crate::cancel::Cancel;
use crate::error::Result;
use crate::linalg::{matrix, matrix_mut, times, times_adjoint};
use crate::local_operator::LocalOperator;
use crate::mps::adjoint::Cotangent;
use crate::mps::adjoint::sums::Sums;
use crate::mps::environment::{
    Environments, Readout, checked_norm, finish_transfer, half_transfer,
};
use crate::mps::variance::{Layer, WordSum, product, transitions};
use crate::mps::words::apply_matrix;
use crate::mps::{Mps, SiteTensor};
use crate::scalar::C64;

/// A pair of automaton states, of the bra's and of the ket's layer.
type Pair<'a> = (Layer<'a>, Layer<'a>);
type Pairs<'a> = BTreeMap<Pair<'a>, Vec<C64>>;
type Beginnings<'a> = BTreeMap<&'a [LocalOperator], f64>;

/// The word that takes the mean out.
static UNIT: [LocalOperator; 1] = [LocalOperator::IDENTITY];

/// The derivatives of a variance.
pub(crate) struct VarianceCotangent {
    pub cotangent: Cotangent,
    /// By the coefficient of each term.
    pub coefficients: Vec<f64>,
}

/// The derivatives of `Var(sum)`. Cost as for the variance, four times, and its environments of
/// all sites are held at once.
///
/// # Errors
/// Those of [`crate::mps::variance`].
pub(crate) fn variance_cotangent(
    state: &Mps<C64>,
    sum: &WordSum<'_>,
    readout: Readout,
    cancel: &Cancel,
) -> Result<VarianceCotangent> {
    let mut coefficients = vec![0.0; sum.terms.len()];
    let Some((first, last)) = sum.support() else {
        return Ok(VarianceCotangent { cotangent: Cotangent::zero(state.n_sites()), coefficients });
    };
    let environments = Environments::new(state, readout, cancel)?;
    // E before each site, and the words that begin on it.
    let mut before: Vec<Pairs<'_>> = Vec::new();
    let mut beginnings: Vec<Beginnings<'_>> = Vec::new();
    let start = (Layer::Start, Layer::Start);
    let mut pairs = Pairs::from([(start, environments.left(first))]);
    for at in first..=last {
        cancel.check()?;
        let mut own = sum.beginnings(at);
        let mut next = advance(&pairs, &state.sites[at], &own);
        let mean = centre(&mut next, &environments, at)?;
        own.insert(&UNIT, -mean);
        before.push(std::mem::replace(&mut pairs, next));
        beginnings.push(own);
    }
    let done = (Layer::Done, Layer::Done);
    let value = |pair| pairs.get(&pair).map_or(0.0, |e| environments.close(e, last).re);
    let norm = checked_norm(value(start))?;
    let variance = value(done) / norm;

    let mut sums = Sums::new(&environments);
    let dim = state.sites[last].right;
    let right =
        environments.right(last).map_or_else(|| crate::mps::chain::identity(dim), <[_]>::to_vec);
    let scaled = |factor: f64| right.iter().map(|x| x * factor).collect::<Vec<C64>>();
    if environments.scales().is_some() {
        let mut end = vec![C64::ZERO; dim * dim];
        for (pair, factor) in [(done, 1.0 / norm), (start, -variance / norm)] {
            let found = pairs.get(&pair).into_iter().flatten();
            end.iter_mut().zip(found).for_each(|(sum, x)| *sum += x * factor);
        }
        sums.add_end(last, &end, 1.0);
    }
    let mut behind = Pairs::from([(done, scaled(1.0 / norm)), (start, scaled(-variance / norm))]);
    for at in (first..=last).rev() {
        cancel.check()?;
        let site = &state.sites[at];
        let step =
            Backward { site, before: &before[at - first], beginnings: &beginnings[at - first] };
        let turned: Pairs<'_> =
            behind.iter().map(|(pair, f)| (*pair, times_environment(site, f))).collect();
        for ((_, word), found) in sum.terms.iter().zip(&mut coefficients) {
            if word.first == at && !word.is_identity() {
                *found = step.by_coefficient(&turned, &word.letters);
            }
        }
        let whole = step.whole(&turned);
        let mut next = Pairs::new();
        for (pair, behind) in whole {
            if let Some(environment) = before[at - first].get(&pair) {
                sums.add_site(at, environment, &behind, 1.0);
            }
            next.insert(pair, cotangent_of_left(site, &behind));
        }
        behind = next;
    }
    if let Some(root) = behind.get(&start) {
        sums.add_root(first, &transposed(root, state.sites[first].left));
    }
    Ok(VarianceCotangent { cotangent: sums.finish(cancel)?, coefficients })
}

/// `Σ_d B[(b t) d] F[c d]`
fn times_environment(site: &SiteTensor<C64>, f: &[C64]) -> Vec<C64> {
    let (l, r) = (site.left, site.right);
    let mut out = vec![C64::ZERO; site.entries.len()];
    times(
        matrix_mut(&mut out, 2 * l, r),
        matrix(&site.entries, 2 * l, r),
        matrix(f, r, r).transpose(),
    );
    out
}

/// `F[a b] = Σ_{s c} conj(B[a s c]) T[b s c]`
fn cotangent_of_left(site: &SiteTensor<C64>, behind: &[C64]) -> Vec<C64> {
    let (l, r) = (site.left, site.right);
    // H[b a] = Σ T[b (s c)] · conj(B[a (s c)]), Hermitian only where both layers are one
    let mut h = vec![C64::ZERO; l * l];
    times_adjoint(
        matrix_mut(&mut h, l, l),
        matrix(behind, l, 2 * r),
        matrix(&site.entries, l, 2 * r),
    );
    transposed(&h, l)
}

fn transposed(entries: &[C64], dim: usize) -> Vec<C64> {
    (0..dim).flat_map(|row| entries[row..].iter().step_by(dim).copied()).collect()
}

/// E of every pair behind a site.
fn advance<'a>(
    pairs: &Pairs<'a>,
    site: &SiteTensor<C64>,
    beginnings: &Beginnings<'a>,
) -> Pairs<'a> {
    let mut products: BTreeMap<Pair<'a>, Option<Vec<C64>>> = BTreeMap::new();
    for ((bra, ket), environment) in pairs {
        let mut half = Vec::new();
        half_transfer(environment, site, &mut half);
        for (pair, operator) in leads_to(*bra, *ket, beginnings) {
            // K'[a s d] = Σ_t (P Q)[s t] · half[a t d]
            let turned = apply_matrix(&half, site.left, &operator);
            super::add(products.entry(pair).or_default(), &turned, 1.0);
        }
    }
    let products = products.into_iter().filter_map(|(pair, k)| Some((pair, k?)));
    products.map(|(pair, k)| (pair, finish_transfer(site, &k, site.right))).collect()
}

/// Where a pair goes over one site, and the operator between the layers.
fn leads_to<'a>(
    bra: Layer<'a>,
    ket: Layer<'a>,
    beginnings: &Beginnings<'a>,
) -> Vec<(Pair<'a>, [C64; 4])> {
    let mut found = Vec::new();
    for (bra_next, p, bra_weight) in transitions(bra, beginnings) {
        for (ket_next, q, ket_weight) in transitions(ket, beginnings) {
            let operator = product(p.matrix(), q.matrix(), bra_weight * ket_weight);
            found.push(((bra_next, ket_next), operator));
        }
    }
    found
}

/// Takes the mean of the words that have ended out of *done*, and returns it.
fn centre<'a>(
    pairs: &mut Pairs<'a>,
    environments: &Environments<'_, C64>,
    at: usize,
) -> Result<f64> {
    let (start, done) = (Layer::Start, Layer::Done);
    let value = |pair| pairs.get(&pair).map_or(0.0, |e| environments.close(e, at).re);
    let mean = value((start, done)) / checked_norm(value((start, start)))?;
    let states: BTreeSet<Layer<'a>> = pairs.keys().map(|(bra, _)| *bra).collect();
    // done ← done − mean·start, in the ket's layer and then in the bra's
    for ket_layer in [true, false] {
        for state in &states {
            let at_layer = |x: Layer<'a>| if ket_layer { (*state, x) } else { (x, *state) };
            if let Some(shift) = pairs.get(&at_layer(start)).cloned() {
                let sum =
                    pairs.entry(at_layer(done)).or_insert_with(|| vec![C64::ZERO; shift.len()]);
                sum.iter_mut().zip(shift).for_each(|(e, s)| *e -= s * mean);
            }
        }
    }
    Ok(mean)
}

/// One site on the way back.
struct Backward<'s, 'a> {
    site: &'s SiteTensor<C64>,
    before: &'s Pairs<'a>,
    beginnings: &'s Beginnings<'a>,
}

impl<'a> Backward<'_, 'a> {
    /// `T_xy[b s c] = Σ_{x' y'} Σ_t (P Q)[s t] · turned_{x'y'}[b t c]` of every pair before the site, with
    /// `turned = B F`.
    fn whole(&self, turned: &Pairs<'a>) -> Pairs<'a> {
        let mut found = Pairs::new();
        for (bra, ket) in self.before.keys() {
            let mut sum = None;
            for (pair, operator) in leads_to(*bra, *ket, self.beginnings) {
                if let Some(turned) = turned.get(&pair) {
                    super::add(&mut sum, &apply_matrix(turned, self.site.left, &operator), 1.0);
                }
            }
            if let Some(sum) = sum {
                found.insert((*bra, *ket), sum);
            }
        }
        found
    }

    /// The derivative by the coefficient of a word that begins here: the word in the ket's layer, and by
    /// symmetry as much in the bra's.
    fn by_coefficient(&self, turned: &Pairs<'a>, letters: &[LocalOperator]) -> f64 {
        let left = self.site.left;
        let mut total = 0.0;
        for ((bra, ket), environment) in self.before {
            if *ket != Layer::Start {
                continue;
            }
            let mut sum: Option<Vec<C64>> = None;
            for (bra_next, p, weight) in transitions(*bra, self.beginnings) {
                let ends = |x: &Layer<'_>| match x {
                    Layer::Done => letters.len() == 1,
                    Layer::Rest(rest) => *rest == &letters[1..] && letters.len() > 1,
                    Layer::Start => false,
                };
                let next = turned.iter().find(|((x, y), _)| *x == bra_next && ends(y));
                if let Some((_, turned)) = next {
                    let operator = product(p.matrix(), letters[0].matrix(), weight);
                    super::add(&mut sum, &apply_matrix(turned, left, &operator), 1.0);
                }
            }
            let Some(behind) = sum else { continue };
            // Σ E[a b] conj(B[a s c]) T[b s c]
            let mut product = vec![C64::ZERO; behind.len()];
            times(
                matrix_mut(&mut product, left, 2 * self.site.right),
                matrix(environment, left, left),
                matrix(&behind, left, 2 * self.site.right),
            );
            let pairs = self.site.entries.iter().zip(product);
            total += 2.0 * pairs.map(|(b, t)| (b.conj() * t).re).sum::<f64>();
        }
        total
    }
}
