//! Expectation values of many words of one-site operators, sharing environments.
//!
//! Words are grouped by their first site and read through a trie: words with a common beginning
//! share its environments, all letters at one site share one product, and all words that end at one
//! site share what closes them there (see [`crate::mps::one_letter`]). Each value is divided by that of the identity on the same support, so that ⟨1⟩ is 1 exactly and no value leaves [-1, 1]
//! by more than rounding, whatever was truncated. Environments carry a power of two of their own: a
//! projector on 1,000 sites is right down to the smallest number, in single precision too.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::local_operator::LocalOperator;
use crate::mps::environment::{Environments, Readout, checked_norm, rescale};
use crate::mps::one_letter::{AtWeights, Behind, Closing, is_diagonal};
use crate::mps::{Mps, Parallelism};
use crate::scalar::Scalar;

/// A product of one-site operators, its letters: on consecutive sites from `first`, neither
/// beginning nor ending with the identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub(crate) first: usize,
    pub(crate) letters: Vec<LocalOperator>,
}

impl Word {
    /// The word with the given letters, every site at most once, in any order.
    #[must_use]
    pub fn new<O: Into<LocalOperator> + Copy>(factors: &[(usize, O)]) -> Self {
        let letters = factors.iter().map(|(site, letter)| (*site, (*letter).into()));
        let proper = || letters.clone().filter(|(_, letter)| *letter != LocalOperator::IDENTITY);
        let first = proper().map(|(site, _)| site).min().unwrap_or(0);
        let length = proper().map(|(site, _)| site - first + 1).max().unwrap_or(0);
        let mut word = vec![LocalOperator::IDENTITY; length];
        for (site, letter) in proper() {
            word[site - first] = letter;
        }
        Self { first, letters: word }
    }

    /// Whether this is the identity.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.letters.is_empty()
    }

    /// First and last site, `None` for the identity.
    #[must_use]
    pub fn support(&self) -> Option<(usize, usize)> {
        (!self.is_identity()).then(|| (self.first, self.first + self.letters.len() - 1))
    }

    /// Sites with a letter other than the identity.
    pub fn sites(&self) -> impl Iterator<Item = usize> + '_ {
        let with_letter = self
            .letters
            .iter()
            .enumerate()
            .filter(|(_, letter)| **letter != LocalOperator::IDENTITY);
        with_letter.map(|(offset, _)| self.first + offset)
    }
}

/// ⟨W⟩ of each word, in order. Cost O(χ³) for each distinct beginning of a word, per site.
///
/// # Errors
/// [`crate::Error::Interrupted`] soon after `cancel` is set; [`crate::Error::Numerical`] if the
/// state is zero.
pub fn word_expectations<T: Scalar>(
    state: &Mps<T>,
    words: &[Word],
    readout: Readout,
    parallelism: Parallelism,
    cancel: &Cancel,
) -> Result<Vec<f64>> {
    let environments = Environments::new(state, readout, cancel)?;
    let mut groups: Vec<Group> = Vec::new();
    groups.resize_with(state.n_sites(), Group::default);
    let mut values = vec![1.0; words.len()];
    for (index, word) in words.iter().enumerate() {
        if !word.is_identity() {
            groups[word.first].members.push(index);
            groups[word.first].lengths.push(word.letters.len());
        }
    }
    let closings = Closings::new(&environments);
    for (first, group) in groups.iter_mut().enumerate() {
        group.lengths.sort_unstable();
        group.lengths.dedup();
        closings.announce(first, &group.lengths);
    }
    let group = |(first, group): (usize, &Group)| -> Result<Vec<(usize, f64)>> {
        cancel.check()?;
        read_group(&closings, first, words, group)
    };
    let busy = || groups.iter().enumerate().filter(|(_, group)| !group.members.is_empty());
    let found: Result<Vec<_>> = match parallelism {
        Parallelism::Pool => busy().collect::<Vec<_>>().into_par_iter().map(group).collect(),
        Parallelism::Sequential => busy().map(group).collect(),
    };
    for (index, value) in found?.into_iter().flatten() {
        values[index] = value;
    }
    Ok(values)
}

/// The words that begin at one site.
#[derive(Default)]
struct Group {
    members: Vec<usize>,
    /// How long they are, each length once.
    lengths: Vec<usize>,
}

/// A word of a group, or the identity of one length that normalises words of that length.
struct Path<'a> {
    letters: &'a [LocalOperator],
    /// Where the value goes.
    slot: usize,
}

fn read_group<T: Scalar>(
    closings: &Closings<'_, T>,
    first: usize,
    words: &[Word],
    Group { members, lengths }: &Group,
) -> Result<Vec<(usize, f64)>> {
    let longest = lengths.last().copied().unwrap_or(0);
    let identity = vec![LocalOperator::IDENTITY; longest];
    let norms = lengths.iter().enumerate();
    let mut paths: Vec<Path<'_>> =
        norms.map(|(slot, &length)| Path { letters: &identity[..length], slot }).collect();
    paths.extend(members.iter().enumerate().map(|(position, &index)| Path {
        letters: &words[index].letters,
        slot: lengths.len() + position,
    }));
    paths.sort_by(|a, b| a.letters.cmp(b.letters).then(a.slot.cmp(&b.slot)));

    let mut values = vec![Scaled { value: 0.0, exponent: 0 }; paths.len()];
    let mut reader = Reader {
        closings,
        first,
        behind: Behind::new(),
        spare: Vec::new(),
        held: vec![None; longest],
        values: &mut values,
    };
    reader.descend(&paths, 0, closings.environments.left(first), 0);
    drop(reader);
    closings.release(first, lengths);
    members
        .iter()
        .enumerate()
        .map(|(position, &index)| {
            let norm = lengths.partition_point(|&length| length < words[index].letters.len());
            let norm = values[norm];
            checked_norm(norm.value)?;
            Ok((index, values[lengths.len() + position].over(norm)))
        })
        .collect()
}

/// What closes words at each site, shared by all groups: made by the first that ends there, dropped
/// after the last.
struct Closings<'e, T> {
    environments: &'e Environments<'e, T>,
    sites: Vec<Mutex<Shared<T>>>,
}

struct Shared<T> {
    users: usize,
    closing: Option<Arc<Closing<T>>>,
}

impl<'e, T: Scalar> Closings<'e, T> {
    fn new(environments: &'e Environments<'e, T>) -> Self {
        let sites = environments.state().sites.iter();
        let sites = sites.map(|_| Mutex::new(Shared { users: 0, closing: None })).collect();
        Self { environments, sites }
    }

    /// Whether a word of this length is read between Schmidt weights and the identity, and needs none.
    fn is_free(&self, first: usize, length: usize) -> bool {
        length == 1 && self.environments.right(first).is_none()
    }

    /// Notes where a group's words will end.
    fn announce(&self, first: usize, lengths: &[usize]) {
        for &length in lengths.iter().filter(|&&length| !self.is_free(first, length)) {
            let shared = self.sites[first + length - 1].lock();
            shared.unwrap_or_else(PoisonError::into_inner).users += 1;
        }
    }

    fn at(&self, at: usize) -> Arc<Closing<T>> {
        let mut shared = self.sites[at].lock().unwrap_or_else(PoisonError::into_inner);
        let site = &self.environments.state().sites[at];
        let made = || Arc::new(Closing::new(site, self.environments.right(at)));
        Arc::clone(shared.closing.get_or_insert_with(made))
    }

    fn release(&self, first: usize, lengths: &[usize]) {
        for &length in lengths.iter().filter(|&&length| !self.is_free(first, length)) {
            let shared = self.sites[first + length - 1].lock();
            let mut shared = shared.unwrap_or_else(PoisonError::into_inner);
            shared.users -= 1;
            if shared.users == 0 {
                shared.closing = None;
            }
        }
    }
}

struct Reader<'a, 'e, T> {
    closings: &'a Closings<'e, T>,
    first: usize,
    behind: Behind<T>,
    /// Environments that are done with, their memory to be used again.
    spare: Vec<Vec<T>>,
    /// What closes words, by their length, where some did.
    held: Vec<Option<Arc<Closing<T>>>>,
    values: &'a mut [Scaled],
}

/// `value · 2^exponent`
#[derive(Debug, Clone, Copy)]
struct Scaled {
    value: f64,
    exponent: i32,
}

impl Scaled {
    fn over(self, norm: Self) -> f64 {
        // In two steps: either factor is a number where the product still is one.
        let exponent = self.exponent - norm.exponent;
        let half = exponent / 2;
        self.value / norm.value * 2.0_f64.powi(half) * 2.0_f64.powi(exponent - half)
    }
}

impl<T: Scalar> Reader<'_, '_, T> {
    /// Reads `paths` (sorted, equal in their first `depth` letters) from `environment`, which has
    /// taken those letters in, divided by 2^`exponent`. Recursion only where paths part: one
    /// environment for each parting.
    fn descend(
        &mut self,
        mut paths: &[Path<'_>],
        mut depth: usize,
        mut environment: Vec<T>,
        mut exponent: i32,
    ) {
        loop {
            let at = self.first + depth;
            let site = &self.closings.environments.state().sites[at];
            if paths.iter().any(|path| path.letters.len() == depth + 1) {
                self.close(paths, depth, &environment, exponent);
            }
            // Sorted: what ends here comes before what goes on.
            let going_on = paths.chunk_by(|a, b| a.letters[depth] == b.letters[depth]).filter_map(
                |same_letter| {
                    let longer =
                        same_letter.partition_point(|path| path.letters.len() == depth + 1);
                    same_letter[longer..]
                        .first()
                        .map(|path| (path.letters[depth], &same_letter[longer..]))
                },
            );
            let diagonal = going_on.clone().any(|(letter, _)| is_diagonal(letter));
            let flips = going_on.clone().any(|(letter, _)| !is_diagonal(letter));
            if !diagonal && !flips {
                self.spare.push(environment);
                return;
            }
            self.behind.take_in(&environment, site, diagonal, flips);
            self.spare.push(environment);
            let mut partings: Vec<(&[Path<'_>], Vec<T>, i32)> = Vec::new();
            for (letter, rest) in going_on {
                let mut next = self.spare.pop().unwrap_or_default();
                self.behind.write(letter, &mut next);
                let taken_out = rescale(&mut next);
                partings.push((rest, next, exponent + taken_out));
            }
            depth += 1;
            let Some(last) = partings.pop() else { return };
            for (rest, branch, exponent) in partings {
                self.descend(rest, depth, branch, exponent);
            }
            (paths, environment, exponent) = last;
        }
    }

    /// Reads those of `paths` that end at this site.
    fn close(&mut self, paths: &[Path<'_>], depth: usize, environment: &[T], exponent: i32) {
        let at = self.first + depth;
        let environments = self.closings.environments;
        let site = &environments.state().sites[at];
        let ends = paths.iter().filter(|path| path.letters.len() == depth + 1);
        if self.closings.is_free(self.first, depth + 1) {
            let found = AtWeights::new(site, &environments.state().schmidt[at]);
            for path in ends {
                let value = found.value(path.letters[depth]);
                self.values[path.slot] = Scaled { value, exponent };
            }
            return;
        }
        let closing = self.held[depth].get_or_insert_with(|| self.closings.at(at));
        let mut last: Option<(LocalOperator, f64)> = None;
        for path in ends {
            let letter = path.letters[depth];
            let value = match last {
                Some((known, value)) if known == letter => value,
                _ => closing.value(environment, letter, site, environments.right(at)),
            };
            last = Some((letter, value));
            self.values[path.slot] = Scaled { value, exponent };
        }
    }
}

/// `out[a s d] = Σ_t O[s t] · half[a t d]`; most letters have one entry in a row.
pub(crate) fn apply_matrix<T: Scalar>(half: &[T], left: usize, o: &[T; 4]) -> Vec<T> {
    let mut out = Vec::with_capacity(half.len());
    for from in half.chunks_exact(2 * left) {
        let (zero, one) = from.split_at(left);
        for row in o.chunks_exact(2) {
            match (row[0] == T::ZERO, row[1] == T::ZERO) {
                (_, true) if row[0] == T::ONE => out.extend_from_slice(zero),
                (true, _) if row[1] == T::ONE => out.extend_from_slice(one),
                (_, true) => out.extend(zero.iter().map(|x| row[0] * *x)),
                (true, _) => out.extend(one.iter().map(|y| row[1] * *y)),
                _ => out.extend(zero.iter().zip(one).map(|(x, y)| row[0] * *x + row[1] * *y)),
            }
        }
    }
    out
}
