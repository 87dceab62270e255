//! Expectation values of many words of one-site operators, sharing environments.
//!
//! Words are grouped by their first site and read through a trie: words with a common beginning
//! share its environments, and all letters at one site share one product. Each value is divided by
//! that of the identity on the same support, so that ⟨1⟩ is 1 exactly and no value leaves [-1, 1]
//! by more than rounding, whatever was truncated. Environments carry a power of two of their own: a
//! projector on 1,000 sites is right down to the smallest number, in single precision too.

use rayon::prelude::*;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::local_operator::LocalOperator;
use crate::mps::environment::{
    Environments, Readout, checked_norm, finish_transfer, half_transfer, rescale,
};
use crate::mps::{Mps, Parallelism};
use crate::scalar::{C64, Scalar};

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
    let mut by_first_site: Vec<Vec<usize>> = vec![Vec::new(); state.n_sites()];
    let mut values = vec![1.0; words.len()];
    for (index, word) in words.iter().enumerate() {
        if !word.is_identity() {
            by_first_site[word.first].push(index);
        }
    }
    let group = |(first, members): (usize, &Vec<usize>)| -> Result<Vec<(usize, f64)>> {
        cancel.check()?;
        read_group(&environments, first, words, members)
    };
    let busy = || by_first_site.iter().enumerate().filter(|(_, members)| !members.is_empty());
    let found: Result<Vec<_>> = match parallelism {
        Parallelism::Pool => busy().collect::<Vec<_>>().into_par_iter().map(group).collect(),
        Parallelism::Sequential => busy().map(group).collect(),
    };
    for (index, value) in found?.into_iter().flatten() {
        values[index] = value;
    }
    Ok(values)
}

/// A word of a group, or the identity of one length that normalises words of that length.
struct Path<'a> {
    letters: &'a [LocalOperator],
    /// Where the value goes.
    slot: usize,
}

fn read_group<T: Scalar>(
    environments: &Environments<'_, T>,
    first: usize,
    words: &[Word],
    members: &[usize],
) -> Result<Vec<(usize, f64)>> {
    let longest = members.iter().map(|&i| words[i].letters.len()).max().unwrap_or(0);
    let identity = vec![LocalOperator::IDENTITY; longest];
    let mut lengths: Vec<usize> = members.iter().map(|&i| words[i].letters.len()).collect();
    lengths.sort_unstable();
    lengths.dedup();
    let norms = lengths.iter().enumerate();
    let mut paths: Vec<Path<'_>> =
        norms.map(|(slot, &length)| Path { letters: &identity[..length], slot }).collect();
    paths.extend(members.iter().enumerate().map(|(position, &index)| Path {
        letters: &words[index].letters,
        slot: lengths.len() + position,
    }));
    paths.sort_by(|a, b| a.letters.cmp(b.letters).then(a.slot.cmp(&b.slot)));

    let mut values = vec![Scaled { value: 0.0, exponent: 0 }; paths.len()];
    let mut reader = Reader { environments, first, product: Vec::new(), values: &mut values };
    reader.descend(&paths, 0, environments.left(first), 0);
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

struct Reader<'a, 'e, T> {
    environments: &'a Environments<'e, T>,
    first: usize,
    product: Vec<T>,
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
            let site = &self.environments.state().sites[self.first + depth];
            let mut half = std::mem::take(&mut self.product);
            half_transfer(&environment, site, &mut half);
            if paths.iter().any(|path| path.letters.len() == depth + 1) {
                let block = self.two_by_two(&half, self.first + depth);
                for path in paths.iter().filter(|path| path.letters.len() == depth + 1) {
                    let o = path.letters[depth].matrix();
                    let value = (0..4).map(|i| o[i] * block[i]).sum::<C64>().re;
                    self.values[path.slot] = Scaled { value, exponent };
                }
            }
            let mut partings: Vec<(&[Path<'_>], Vec<T>, i32)> = Vec::new();
            for same_letter in paths.chunk_by(|a, b| a.letters[depth] == b.letters[depth]) {
                // Sorted: what ends here comes before what goes on.
                let longer = same_letter.partition_point(|path| path.letters.len() == depth + 1);
                let rest = &same_letter[longer..];
                if let Some(path) = rest.first() {
                    let letter = path.letters[depth];
                    let rotated = apply_letter(&half, site.left, letter);
                    let ket = rotated.as_deref().unwrap_or(&half);
                    let mut next = finish_transfer(site, ket, site.right);
                    let taken_out = rescale(&mut next);
                    partings.push((rest, next, exponent + taken_out));
                }
            }
            self.product = half;
            depth += 1;
            let Some(last) = partings.pop() else { return };
            for (rest, branch, exponent) in partings {
                self.descend(rest, depth, branch, exponent);
            }
            (paths, environment, exponent) = last;
        }
    }

    /// `D[s t] = Σ_{a c d} conj(B[a s c]) · K[a t d] · R[c d]` (row-major): the value of a letter O
    /// at the last site of its word is `Σ_{s t} O[s t] D[s t]`.
    fn two_by_two(&self, half: &[T], at: usize) -> [C64; 4] {
        let site = &self.environments.state().sites[at];
        let mut block = [C64::ZERO; 4];
        match self.environments.right(at) {
            None => {
                let columns = site.entries.chunks_exact(2 * site.left);
                for (bra, ket) in columns.zip(half.chunks_exact(2 * site.left)) {
                    for (index, entry) in block.iter_mut().enumerate() {
                        let bra = &bra[index / 2 * site.left..][..site.left];
                        let ket = &ket[index % 2 * site.left..][..site.left];
                        *entry += bra
                            .iter()
                            .zip(ket)
                            .map(|(b, k)| b.to_c64().conj() * k.to_c64())
                            .sum::<C64>();
                    }
                }
            }
            Some(_) => {
                for (index, entry) in block.iter_mut().enumerate() {
                    let mut unit = [T::ZERO; 4];
                    unit[index] = T::ONE;
                    let ket = apply_matrix(half, site.left, &unit);
                    let closed = finish_transfer(site, &ket, site.right);
                    *entry = self.environments.close(&closed, at);
                }
            }
        }
        block
    }
}

/// `K'[a s d] = Σ_t O[s t] · K[a t d]`, or `None` where O is the identity.
fn apply_letter<T: Scalar>(half: &[T], left: usize, letter: LocalOperator) -> Option<Vec<T>> {
    (letter != LocalOperator::IDENTITY)
        .then(|| apply_matrix(half, left, &letter.matrix().map(T::from_c64)))
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
