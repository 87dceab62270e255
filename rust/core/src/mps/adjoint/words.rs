//! Cotangents of a sum of words' expectation values.
//!
//! ```text
//!   ┌─ conj(B) ─┐
//!   E     O     F          value = Σ E[a b] conj(B[a s c]) O[s t] B[b t d] F[c d]
//!   └─── B ─────┘          g[a s c] = Σ E[a b] O[s t] B[b t d] F[c d]
//! ```
//!
//! Words are gathered by their first site and walked as a trie, as their values are: down with E, back
//! up with F, the sum over all words that go on from there, each with its weight. The value of a word
//! is divided by that of the identity on its support, so the identity is one more word, its weight
//! such that the scale of the state has no influence.

use std::borrow::Cow;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::linalg::{matrix, matrix_mut, times, times_adjoint};
use crate::local_operator::LocalOperator;
use crate::mps::adjoint::Cotangent;
use crate::mps::environment::{
    Environments, Readout, checked_norm, finish_transfer, half_transfer, onto_left, rescale,
    transfer,
};
use crate::mps::words::{Word, apply_matrix};
use crate::mps::{Mps, SiteTensor};
use crate::scalar::C64;

/// The cotangent of `Σ_j weight_j ⟨W_j⟩` over distinct words, given with their values.
///
/// # Errors
/// [`crate::Error::Interrupted`] soon after `cancel` is set; [`crate::Error::Numerical`] if the state
/// is zero.
pub(crate) fn word_cotangent(
    state: &Mps<C64>,
    terms: &[(f64, &Word, f64)],
    readout: Readout,
    cancel: &Cancel,
) -> Result<Cotangent> {
    let environments = Environments::new(state, readout, cancel)?;
    let mut sums = Sums::new(&environments);
    let mut by_first_site: Vec<Vec<(f64, &Word, f64)>> = vec![Vec::new(); state.n_sites()];
    for term in terms.iter().filter(|(weight, word, _)| *weight != 0.0 && !word.is_identity()) {
        by_first_site[term.1.first].push(*term);
    }
    for (first, members) in by_first_site.iter().enumerate() {
        if !members.is_empty() {
            cancel.check()?;
            sums.add_group(first, members)?;
        }
    }
    sums.finish(cancel)
}

/// A word of a group, or the identity of one length; what it weighs already divided by the norm.
struct Path<'a> {
    letters: &'a [LocalOperator],
    weight: f64,
}

/// Cotangents while they grow.
pub(super) struct Sums<'a, 'e> {
    environments: &'a Environments<'e, C64>,
    pub cotangent: Cotangent,
    /// Of the environment left of each site, by the values that begin there.
    roots: Vec<Option<Vec<C64>>>,
    /// Of the environment right of each site, by those that end there; for the state readout only.
    ends: Vec<Option<Vec<C64>>>,
    half: Vec<C64>,
}

impl<'a, 'e> Sums<'a, 'e> {
    pub fn new(environments: &'a Environments<'e, C64>) -> Self {
        let n = environments.state().n_sites();
        Self {
            environments,
            cotangent: Cotangent::zero(n),
            roots: vec![None; n],
            ends: vec![None; n],
            half: Vec::new(),
        }
    }

    fn add_group(&mut self, first: usize, members: &[(f64, &Word, f64)]) -> Result<()> {
        let longest = members.iter().map(|(_, word, _)| word.letters.len()).max().unwrap_or(0);
        let norms = self.norms(first, longest)?;
        let identity = vec![LocalOperator::IDENTITY; longest];
        let mut of_norm = vec![0.0; longest + 1];
        let mut paths = Vec::with_capacity(members.len() + 1);
        for (weight, word, value) in members {
            let length = word.letters.len();
            let weight = weight / norms[length];
            of_norm[length] -= weight * value;
            paths.push(Path { letters: &word.letters, weight });
        }
        let norms = of_norm.into_iter().enumerate().filter(|(_, weight)| *weight != 0.0);
        paths.extend(norms.map(|(length, weight)| Path { letters: &identity[..length], weight }));
        paths.sort_by(|a, b| a.letters.cmp(b.letters));
        let root = self.walk(first, &paths, 0, &self.environments.left(first), 0);
        self.add_root(first, &root);
        Ok(())
    }

    /// The value of the identity from `first` over 0 to `longest` sites.
    fn norms(&mut self, first: usize, longest: usize) -> Result<Vec<f64>> {
        let state = self.environments.state();
        let mut environment = self.environments.left(first);
        let mut norms = vec![1.0];
        let mut exponent = 0;
        for at in first..first + longest {
            let site = &state.sites[at];
            half_transfer(&environment, site, &mut self.half);
            // The last one is only to be closed.
            let value = if at + 1 == first + longest && self.environments.right(at).is_none() {
                site.entries.iter().zip(&self.half).map(|(b, k)| (b.conj() * k).re).sum()
            } else {
                environment = finish_transfer(site, &self.half, site.right);
                let taken_out = rescale(&mut environment);
                exponent += taken_out;
                self.environments.close(&environment, at).re
            };
            norms.push(checked_norm(value * 2.0_f64.powi(exponent))?);
        }
        Ok(norms)
    }

    /// Walks `paths` (sorted, equal in their first `depth` letters) on from `environment`, which is
    /// divided by 2^`exponent`, and returns its cotangent. One recursion for each letter of the longest
    /// path; an environment lives as long as its site.
    fn walk(
        &mut self,
        first: usize,
        paths: &[Path<'_>],
        depth: usize,
        environment: &[C64],
        exponent: i32,
    ) -> Vec<C64> {
        let at = first + depth;
        let site = &self.environments.state().sites[at];
        // T[(b s), c] = Σ_{t d} O[s t] B[b t d] F[c d], over all letters O and what follows them.
        let mut behind = vec![C64::ZERO; site.entries.len()];
        let mut ending = [C64::ZERO; 4];
        let mut half: Option<Vec<C64>> = None;
        for same_letter in paths.chunk_by(|a, b| a.letters[depth] == b.letters[depth]) {
            let letter = same_letter[0].letters[depth].matrix();
            // Sorted: what ends here comes before what goes on.
            let longer = same_letter.partition_point(|path| path.letters.len() == depth + 1);
            let (ends, rest) = same_letter.split_at(longer);
            let weight: f64 = ends.iter().map(|path| path.weight).sum();
            ending.iter_mut().zip(letter).for_each(|(sum, o)| *sum += o * weight);
            if !rest.is_empty() {
                let half = half.get_or_insert_with(|| {
                    let mut half = Vec::new();
                    half_transfer(environment, site, &mut half);
                    half
                });
                let turned = turned(half, site.left, &letter);
                let mut next = finish_transfer(site, &turned, site.right);
                let taken_out = rescale(&mut next);
                let found = self.walk(first, rest, depth + 1, &next, exponent + taken_out);
                add_behind(&mut behind, site, &letter, Some(&found));
            }
        }
        if ending != [C64::ZERO; 4] {
            add_behind(&mut behind, site, &ending, self.environments.right(at));
            self.add_end(at, environment, &ending, exponent);
        }
        self.add_site(at, environment, &behind, 2.0_f64.powi(exponent));
        cotangent_of_left(site, &behind)
    }

    /// `g[a s c] += factor · Σ_b E[a b] T[b s c]`
    pub fn add_site(&mut self, at: usize, environment: &[C64], behind: &[C64], factor: f64) {
        let left = self.environments.state().sites[at].left;
        onto_left(environment, behind, left, &mut self.half);
        self.cotangent.add_tensor(at, &self.half, factor);
    }

    /// Notes what values that begin at `first` say of the environment left of it.
    pub fn add_root(&mut self, first: usize, root: &[C64]) {
        super::add(&mut self.roots[first], root, 1.0);
    }

    /// Notes what values that end at `at` say of the environment right of it.
    fn add_end(&mut self, at: usize, environment: &[C64], letter: &[C64; 4], exponent: i32) {
        if self.environments.right(at).is_none() {
            return;
        }
        let site = &self.environments.state().sites[at];
        half_transfer(environment, site, &mut self.half);
        let turned = apply_matrix(&self.half, site.left, letter);
        let end = finish_transfer(site, &turned, site.right);
        self.add_closed(at, &end, 2.0_f64.powi(exponent));
    }

    /// The same from E behind the site.
    pub fn add_closed(&mut self, at: usize, end: &[C64], factor: f64) {
        super::add(&mut self.ends[at], end, factor);
    }

    /// What is left of and right of all supports.
    pub fn finish(mut self, cancel: &Cancel) -> Result<Cotangent> {
        let state = self.environments.state();
        let Some((left_scales, right_scales)) = self.environments.scales() else {
            for first in 0..state.n_sites() {
                if let Some(root) = self.roots[first].take() {
                    let dim = state.sites[first].left;
                    self.cotangent.add_weights(first, &of_weights(&root, dim), 1.0);
                }
            }
            return Ok(self.cotangent);
        };
        // From the right: F of the environment left of each site.
        let mut f: Option<Vec<C64>> = None;
        for at in (0..state.n_sites()).rev() {
            cancel.check()?;
            let site = &state.sites[at];
            if let Some(mut behind) = f.take() {
                scale(&mut behind, 1.0 / left_scales[at + 1]);
                let mut whole = vec![C64::ZERO; site.entries.len()];
                add_behind(&mut whole, site, &IDENTITY, Some(&behind));
                self.add_site(at, &self.environments.left(at), &whole, 1.0);
                f = Some(cotangent_of_left(site, &whole));
            }
            if let Some(root) = self.roots[at].take() {
                super::add(&mut f, &root, 1.0);
            }
        }
        // From the left: E in the place of the environment right of each site.
        let mut e: Option<Vec<C64>> = None;
        for (at, (site, right_scale)) in state.sites.iter().zip(right_scales).enumerate() {
            cancel.check()?;
            if let Some(mut before) = e.take() {
                scale(&mut before, 1.0 / right_scale);
                let mut whole = vec![C64::ZERO; site.entries.len()];
                add_behind(&mut whole, site, &IDENTITY, self.environments.right(at));
                self.add_site(at, &before, &whole, 1.0);
                e = Some(transfer(&before, site, site, &mut self.half));
            }
            if let Some(end) = self.ends[at].take() {
                super::add(&mut e, &end, 1.0);
            }
        }
        Ok(self.cotangent)
    }
}

const IDENTITY: [C64; 4] = [C64::ONE, C64::ZERO, C64::ZERO, C64::ONE];

fn scale(entries: &mut [C64], factor: f64) {
    entries.iter_mut().for_each(|x| *x *= factor);
}

/// [`apply_matrix`], sparing the identity.
fn turned<'a>(half: &'a [C64], left: usize, o: &[C64; 4]) -> Cow<'a, [C64]> {
    if *o == IDENTITY { Cow::Borrowed(half) } else { Cow::Owned(apply_matrix(half, left, o)) }
}

/// `T[b s c] += Σ_{t d} O[s t] B[b t d] F[c d]`; without F for the identity.
pub(super) fn add_behind(
    behind: &mut [C64],
    site: &SiteTensor<C64>,
    o: &[C64; 4],
    f: Option<&[C64]>,
) {
    let onto_f = f.map(|f| times_environment(&site.entries, site, f));
    let part = turned(onto_f.as_deref().unwrap_or(&site.entries), site.left, o);
    behind.iter_mut().zip(&*part).for_each(|(sum, x)| *sum += x);
}

/// `Σ_d B[(b t) d] F[c d]`, for B or something of its shape.
pub(super) fn times_environment(entries: &[C64], site: &SiteTensor<C64>, f: &[C64]) -> Vec<C64> {
    let (l, r) = (site.left, site.right);
    let mut out = vec![C64::ZERO; entries.len()];
    times(matrix_mut(&mut out, 2 * l, r), matrix(entries, 2 * l, r), matrix(f, r, r).transpose());
    out
}

/// `F[a b] = Σ_{s c} conj(B[a s c]) T[b s c]`
pub(super) fn cotangent_of_left(site: &SiteTensor<C64>, behind: &[C64]) -> Vec<C64> {
    let (l, r) = (site.left, site.right);
    // Transposed: Σ T[b (s c)] · conj(B[a (s c)])
    let mut transposed = vec![C64::ZERO; l * l];
    times_adjoint(
        matrix_mut(&mut transposed, l, l),
        matrix(behind, l, 2 * r),
        matrix(&site.entries, l, 2 * r),
    );
    (0..l * l).map(|at| transposed[at / l + at % l * l]).collect()
}

/// The cotangent of ρ (dE = tr(R dρ)) from F: `value = Σ ρ[a b] F[a b]`.
fn of_weights(f: &[C64], dim: usize) -> Vec<C64> {
    (0..dim * dim).map(|at| (f[at / dim + at % dim * dim] + f[at].conj()) * 0.5).collect()
}
