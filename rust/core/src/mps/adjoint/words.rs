//! Cotangents of a sum of words' expectation values.
//!
//! Words are gathered by their first site and walked as a trie, as their values are: down with E, back
//! up with H (see `sums.rs`), the sum over all words that go on from there, each with its weight. The
//! value of a word is divided by that of the identity on its support, so the identity is one more word,
//! its weight such that the scale of the state has no influence.
//!
//! Letters that part at a site share the products with its tensor (see `letter_sums.rs`), and so do all
//! words that end at a site, wherever they began. For ZZ on all neighbours and X on all sites that comes to
//! 7 χ³ for each site: 1 for E behind it, 1 for what closes there, 2 for T, 1 for H, 2 for what ended there.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::local_operator::LocalOperator;
use crate::mps::adjoint::Cotangent;
use crate::mps::adjoint::letter_sums::LetterSums;
use crate::mps::adjoint::sums::{Sums, root_of};
use crate::mps::environment::{Environments, Readout, checked_norm, rescale};
use crate::mps::one_letter::{AtWeights, Behind, Closing, is_diagonal};
use crate::mps::words::{Word, apply_matrix};
use crate::mps::{Mps, SiteTensor};
use crate::pauli::Pauli;
use crate::scalar::{C64, Double};

/// A word with its weight and its value.
type Term<'a> = (f64, &'a Word, f64);

/// The cotangent of `Σ_j weight_j ⟨W_j⟩` over distinct words, given with their values. In real
/// arithmetic where the state is real and no word has a Y.
///
/// # Errors
/// [`crate::Error::Interrupted`] soon after `cancel` is set; [`crate::Error::Numerical`] if the state
/// is zero.
pub(crate) fn word_cotangent(
    state: &Mps<C64>,
    terms: &[Term<'_>],
    readout: Readout,
    cancel: &Cancel,
) -> Result<Cotangent> {
    let counts = |(weight, word, _): &&Term<'_>| *weight != 0.0 && !word.is_identity();
    let terms: Vec<Term<'_>> = terms.iter().filter(counts).copied().collect();
    let real_letters = |(_, word, _): &Term<'_>| !word.letters.contains(&Pauli::Y.into());
    if state.sites.iter().all(SiteTensor::is_real) && terms.iter().all(real_letters) {
        let state: Mps<f64> = state.cast();
        return Ok(cotangent_in(&state, &terms, readout, cancel)?.widened());
    }
    cotangent_in(state, &terms, readout, cancel)
}

fn cotangent_in<T: Double>(
    state: &Mps<T>,
    terms: &[Term<'_>],
    readout: Readout,
    cancel: &Cancel,
) -> Result<Cotangent<T>> {
    let environments = Environments::new(state, readout, cancel)?;
    let mut by_first_site: Vec<Vec<Term<'_>>> = vec![Vec::new(); state.n_sites()];
    for term in terms {
        by_first_site[term.1.first].push(*term);
    }
    let mut walker = Walker {
        sums: Sums::new(&environments),
        endings: BTreeMap::new(),
        at_first: Behind::new(),
        further: Behind::new(),
    };
    for (first, members) in by_first_site.iter().enumerate() {
        walker.close_before(first);
        if !members.is_empty() {
            cancel.check()?;
            walker.add_group(first, members)?;
        }
    }
    walker.close_before(state.n_sites());
    walker.sums.finish(cancel)
}

/// A word of a group, or the identity of one length; what it weighs already divided by the norm.
struct Path<'a> {
    letters: &'a [LocalOperator],
    weight: f64,
}

/// The identity on the first sites of a group: norms and one of the paths need it.
struct OfIdentity<T> {
    /// The value of the identity over 0 sites, 1, …, where a word has that length.
    norms: Vec<f64>,
    /// E behind each site but the last, divided by 2 to the power of the number beside it.
    environments: Vec<(Vec<T>, i32)>,
}

/// Where a walk is.
#[derive(Clone, Copy)]
struct Place<'a, T> {
    first: usize,
    depth: usize,
    /// Divided by 2^`exponent`.
    environment: &'a [T],
    exponent: i32,
    /// While all letters were the identity.
    of_identity: Option<&'a OfIdentity<T>>,
}

/// What ends at one site, wherever it began.
struct Ending<T> {
    /// Last letters with E before the site.
    letters: LetterSums<T>,
    /// H of each letter.
    closing: Closing<T>,
}

struct Walker<'a, 'e, T: Double> {
    sums: Sums<'a, 'e, T>,
    endings: BTreeMap<usize, Ending<T>>,
    /// Behind the first site of a group, and behind any other.
    at_first: Behind<T>,
    further: Behind<T>,
}

impl<T: Double> Walker<'_, '_, T> {
    fn add_group(&mut self, first: usize, members: &[Term<'_>]) -> Result<()> {
        let longest = members.iter().map(|(_, word, _)| word.letters.len()).max().unwrap_or(0);
        let left = self.sums.environments().left(first);
        if longest > 1 {
            let site = &self.sums.environments().state().sites[first];
            let mut longer = members.iter().filter(|(_, word, _)| word.letters.len() > 1);
            let flips = longer.any(|(_, word, _)| !is_diagonal(word.letters[0]));
            self.at_first.take_in(&left, site, true, flips);
        }
        let of_identity = self.of_identity(first, &left, members)?;
        let identity = vec![LocalOperator::IDENTITY; longest];
        let mut of_norm = vec![0.0; longest + 1];
        let mut paths = Vec::with_capacity(members.len() + 1);
        for (weight, word, value) in members {
            let length = word.letters.len();
            let weight = weight / of_identity.norms[length];
            of_norm[length] -= weight * value;
            paths.push(Path { letters: &word.letters, weight });
        }
        let norms = of_norm.into_iter().enumerate().filter(|(_, weight)| *weight != 0.0);
        paths.extend(norms.map(|(length, weight)| Path { letters: &identity[..length], weight }));
        paths.sort_by(|a, b| a.letters.cmp(b.letters));
        let of_identity = Some(&of_identity);
        let place = Place { first, depth: 0, environment: &left, exponent: 0, of_identity };
        let root = self.walk(place, &paths);
        self.sums.add_root(first, &root);
        Ok(())
    }

    /// The identity from `first`, with `left` before it and `at_first` behind it.
    fn of_identity(
        &mut self,
        first: usize,
        left: &[T],
        members: &[Term<'_>],
    ) -> Result<OfIdentity<T>> {
        let longest = members.iter().map(|(_, word, _)| word.letters.len()).max().unwrap_or(0);
        let mut wanted = vec![false; longest + 1];
        members.iter().for_each(|(_, word, _)| wanted[word.letters.len()] = true);
        let environments = self.sums.environments();
        let mut found = OfIdentity { norms: vec![1.0], environments: Vec::new() };
        for depth in 0..longest {
            let (at, letter) = (first + depth, LocalOperator::IDENTITY);
            let site = &environments.state().sites[at];
            let (environment, exponent) =
                found.environments.last().map_or((left, 0), |(own, exponent)| (own, *exponent));
            let norm = if !wanted[depth + 1] {
                f64::NAN
            } else if self.is_free(at, depth) {
                let found = AtWeights::new(site, &environments.state().schmidt[at]);
                checked_norm(found.value(letter))?
            } else {
                let closing = &self.ending(at).closing;
                let value = closing.value(environment, letter, site, environments.right(at));
                checked_norm(value * 2.0_f64.powi(exponent))?
            };
            found.norms.push(norm);
            if depth + 1 < longest {
                let mut next = Vec::new();
                if depth == 0 {
                    self.at_first.write(letter, &mut next);
                } else {
                    self.further.take_in(environment, site, true, false);
                    self.further.write(letter, &mut next);
                }
                let exponent = exponent + rescale(&mut next);
                found.environments.push((next, exponent));
            }
        }
        Ok(found)
    }

    /// Walks `paths` (sorted, equal in their first `depth` letters) on from an environment, and returns
    /// its H. One recursion for each letter of the longest path; an environment lives as long as its
    /// site.
    fn walk(&mut self, place: Place<'_, T>, paths: &[Path<'_>]) -> Vec<T> {
        let Place { first, depth, environment, exponent, .. } = place;
        let at = first + depth;
        let environments = self.sums.environments();
        let site = &environments.state().sites[at];
        let factor = 2.0_f64.powi(exponent);
        let is_free = self.is_free(at, depth);
        let mut root: Option<Vec<T>> = None;
        let mut here = [C64::ZERO; 4];
        let mut going_on: Vec<(LocalOperator, &[Path<'_>])> = Vec::new();
        for same_letter in paths.chunk_by(|a, b| a.letters[depth] == b.letters[depth]) {
            let letter = same_letter[0].letters[depth];
            // Sorted: what ends here comes before what goes on.
            let longer = same_letter.partition_point(|path| path.letters.len() == depth + 1);
            let (ends, rest) = same_letter.split_at(longer);
            if !rest.is_empty() {
                going_on.push((letter, rest));
            }
            if ends.is_empty() {
                continue;
            }
            let weight: f64 = ends.iter().map(|path| path.weight).sum();
            if is_free {
                here.iter_mut().zip(letter.matrix()).for_each(|(sum, o)| *sum += o * weight);
            } else {
                let root = root.get_or_insert_with(|| vec![T::ZERO; site.left * site.left]);
                let ending = self.ending(at);
                ending.letters.add(letter, environment, weight * factor);
                ending.closing.add_to(root, letter, weight, site, environments.right(at));
            }
        }
        if going_on.is_empty() && !is_free {
            return root.unwrap_or_default();
        }
        let mut letters = LetterSums::new();
        for (child, (letter, rest)) in self.children(place, &going_on).into_iter().zip(going_on) {
            let Child { environment, exponent, of_identity } = child;
            let (depth, environment) = (depth + 1, &*environment);
            let place = Place { first, depth, environment, exponent, of_identity };
            letters.add(letter, &self.walk(place, rest), 1.0);
        }
        let mut behind = letters.onto_right(site);
        if is_free {
            let here = apply_matrix(&site.entries, site.left, &here.map(T::from_c64));
            behind.iter_mut().zip(here).for_each(|(sum, x)| *sum += x);
        }
        self.sums.add_site(at, environment, &behind, factor);
        let mut whole = root_of(site, &behind);
        if let Some(root) = root {
            whole.iter_mut().zip(root).for_each(|(sum, x)| *sum += x);
        }
        whole
    }

    /// Where each of the letters leads.
    fn children<'p>(
        &mut self,
        place: Place<'p, T>,
        letters: &[(LocalOperator, &[Path<'_>])],
    ) -> Vec<Child<'p, T>> {
        let Place { first, depth, environment, exponent, of_identity } = place;
        let known = |letter: LocalOperator| {
            let own = of_identity.filter(|_| letter == LocalOperator::IDENTITY)?;
            own.environments.get(depth).map(|(environment, exponent)| Child {
                environment: Cow::Borrowed(environment.as_slice()),
                exponent: *exponent,
                of_identity,
            })
        };
        let behind = if depth == 0 {
            &self.at_first
        } else {
            let unknown =
                || letters.iter().map(|(letter, _)| *letter).filter(|l| known(*l).is_none());
            let (diagonal, flips) =
                (unknown().any(is_diagonal), unknown().any(|l| !is_diagonal(l)));
            if diagonal || flips {
                let site = &self.sums.environments().state().sites[first + depth];
                self.further.take_in(environment, site, diagonal, flips);
            }
            &self.further
        };
        let child = |letter: LocalOperator| {
            known(letter).unwrap_or_else(|| {
                let mut next = Vec::new();
                behind.write(letter, &mut next);
                let exponent = exponent + rescale(&mut next);
                Child { environment: Cow::Owned(next), exponent, of_identity: None }
            })
        };
        letters.iter().map(|(letter, _)| child(*letter)).collect()
    }

    /// Whether words that end at this depth are read between Schmidt weights and the identity: what ends
    /// there costs nothing.
    fn is_free(&self, at: usize, depth: usize) -> bool {
        depth == 0 && self.sums.environments().right(at).is_none()
    }

    fn ending(&mut self, at: usize) -> &mut Ending<T> {
        let environments = self.sums.environments();
        self.endings.entry(at).or_insert_with(|| Ending {
            letters: LetterSums::new(),
            closing: Closing::new(&environments.state().sites[at], environments.right(at)),
        })
    }

    /// Sites before `first`, where no more words end.
    fn close_before(&mut self, first: usize) {
        while let Some(entry) = self.endings.first_entry().filter(|entry| *entry.key() < first) {
            let (at, ending) = entry.remove_entry();
            self.sums.add_ending(at, &ending.letters);
        }
    }
}

/// An environment one site further.
struct Child<'a, T: Clone> {
    environment: Cow<'a, [T]>,
    exponent: i32,
    of_identity: Option<&'a OfIdentity<T>>,
}
