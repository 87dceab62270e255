//! Perfect sampling (Ferris & Vidal 2012, arXiv:1201.3974): the sites are measured from left to
//! right, every outcome with its probability given those before it.
//!
//! All shots of a batch go together: shots with equal outcomes and letters so far share one left
//! vector, and one product moves all vectors to the next site.
//!
//! The numbers that decide are known beforehand, so the outcome of every shot is guessed: 1 if its
//! number is above the probability of outcome 0 at that site over all shots. The guess is worked out
//! first, and its probability mostly tells that it was right. The other outcome is worked out only
//! for vectors of which some shot's guess was wrong, or too near to the edge to tell.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::mps::prefix::{BATCH, Grown, Members, NONE};
use crate::mps::words::apply_matrix;
use crate::mps::{Mps, Parallelism, SiteTensor};
use crate::pauli::Pauli;
use crate::rng::ShotKey;
use crate::scalar::{C64, Scalar};

/// Both outcomes are compared for numbers this close to the edge between them, because their
/// probabilities sum to 1 only up to rounding.
const SLACK: f64 = 1e-5;

/// The measured letter of each site from the first to the last that is measured. [`Pauli::I`]
/// stands for a site in between whose outcome nobody asked for: it is measured in Z.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bases {
    /// One letter for each site.
    Same(Vec<Pauli>),
    /// Letters of each shot.
    PerShot {
        /// Number of sites.
        sites: usize,
        /// shots × sites.
        letters: Vec<Pauli>,
    },
}

impl Bases {
    /// Number of sites that are drawn.
    #[must_use]
    pub fn n_sites(&self) -> usize {
        match self {
            Self::Same(letters) => letters.len(),
            Self::PerShot { sites, .. } => *sites,
        }
    }

    fn letter(&self, shot: usize, site: usize) -> Pauli {
        let letter = match self {
            Self::Same(letters) => letters[site],
            Self::PerShot { sites, letters } => letters[shot * sites + site],
        };
        if letter == Pauli::I { Pauli::Z } else { letter }
    }

    fn check(&self, n_sites: usize, shots: usize) -> Result<()> {
        let drawn = self.n_sites();
        let fits = match self {
            Self::Same(_) => true,
            Self::PerShot { letters, .. } => letters.len() == shots * drawn,
        };
        if drawn <= n_sites && fits {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "expected letters for at most {n_sites} sites, for all or each of {shots} shots, got \
             letters for {drawn} sites"
        )))
    }
}

/// Draws the shots numbered `shots` from `state` and returns shots × sites bits, 1 for the
/// eigenvalue -1, for the sites that `bases` names. The state must be canonical (see
/// [`crate::mps::canonicalise`]).
///
/// The bits of a site depend on the key, the number of the shot and the letters up to the site:
/// not on threads, nor on sites further right, nor on which other shots are drawn (but for numbers
/// that fall on the edge between two outcomes to the last digit). Cost O(distinct prefixes · χ²)
/// for each site.
///
/// # Errors
/// [`Error::InvalidInput`] if the bases do not fit, [`Error::Numerical`] if the state is zero,
/// [`Error::Interrupted`] soon after `cancel` is set.
pub fn sample<T: Scalar>(
    state: &Mps<T>,
    bases: &Bases,
    shots: &[u64],
    key: &ShotKey,
    parallelism: Parallelism,
    cancel: &Cancel,
) -> Result<Vec<u8>> {
    bases.check(state.n_sites(), shots.len())?;
    let width = bases.n_sites();
    let mut bits = vec![0; shots.len() * width];
    if bits.is_empty() {
        return Ok(bits);
    }
    let batch = |(index, bits): (usize, &mut [u8])| -> Result<()> {
        let first = index * BATCH;
        let shots = &shots[first..(first + BATCH).min(shots.len())];
        let mut batch = Batch::new(bases, first, shots, key);
        for (at, site) in state.sites[..width].iter().enumerate() {
            cancel.check()?;
            batch.measure(at, site, &state.schmidt[at])?;
            bits.iter_mut().skip(at).step_by(width).zip(&batch.bits).for_each(|(b, own)| *b = *own);
        }
        Ok(())
    };
    if parallelism == Parallelism::Pool {
        let batches = bits.par_chunks_mut(BATCH * width).enumerate();
        batches.with_max_len(1).try_for_each(batch)?;
    } else {
        bits.chunks_mut(BATCH * width).enumerate().try_for_each(batch)?;
    }
    Ok(bits)
}

/// Some shots on their way from left to right.
struct Batch<'a, T> {
    bases: &'a Bases,
    /// Position of the first of these shots among all.
    first: usize,
    shots: &'a [u64],
    key: &'a ShotKey,
    /// One normalised left vector for each distinct prefix, one after the other.
    vectors: Vec<T>,
    prefix_of: Vec<usize>,
    /// Those of the next site.
    next: Vec<T>,
    next_of: Vec<usize>,
    /// Outcome of each shot at the site in work, and the random number that decides it.
    bits: Vec<u8>,
    draws: Vec<f64>,
    /// Those of each outcome: its vectors, which prefixes they are of, and their place in `next`.
    branches: [Branch<T>; 2],
    /// Shots whose site in work is measured in one letter.
    of_letter: Vec<usize>,
}

/// The vectors after one outcome.
struct Branch<T> {
    grown: Grown<T>,
    members: Members,
    children: Vec<usize>,
}

impl<T: Scalar> Branch<T> {
    fn new() -> Self {
        Self { grown: Grown::new(), members: Members::new(), children: Vec::new() }
    }

    fn clear(&mut self, count: usize, dim: usize) {
        self.grown.clear(dim);
        self.members.clear(count);
    }

    /// Works out the vectors of those members that have none yet.
    fn grow(&mut self, vectors: &[T], site: &SiteTensor<T>, bit: usize) {
        let new = self.grown.weights.len();
        self.grown.grow(vectors, &self.members.prefixes[new..], site, bit);
    }

    /// The probability of the outcome after `prefix`; `None` where it was not worked out.
    fn weight(&self, prefix: usize) -> Option<f64> {
        self.grown.weights.get(self.members.slot(prefix)).copied()
    }
}

impl<'a, T: Scalar> Batch<'a, T> {
    fn new(bases: &'a Bases, first: usize, shots: &'a [u64], key: &'a ShotKey) -> Self {
        Self {
            bases,
            first,
            shots,
            key,
            vectors: vec![T::ONE],
            prefix_of: vec![0; shots.len()],
            next: Vec::new(),
            next_of: vec![0; shots.len()],
            bits: vec![0; shots.len()],
            draws: vec![0.0; shots.len()],
            branches: [Branch::new(), Branch::new()],
            of_letter: Vec::new(),
        }
    }

    /// Measures site `at` for all shots; `schmidt` are the weights left of it.
    fn measure(&mut self, at: usize, site: &SiteTensor<T>, schmidt: &[f64]) -> Result<()> {
        for (draw, &shot) in self.draws.iter_mut().zip(self.shots) {
            *draw = self.key.uniform(shot, at as u64);
        }
        self.next.clear();
        let mut of_letter = std::mem::take(&mut self.of_letter);
        for letter in [Pauli::X, Pauli::Y, Pauli::Z] {
            of_letter.clear();
            of_letter.extend(
                (0..self.shots.len())
                    .filter(|shot| self.bases.letter(self.first + shot, at) == letter),
            );
            if !of_letter.is_empty() {
                self.measure_in(at, &in_basis(site, letter), schmidt, &of_letter)?;
            }
        }
        self.of_letter = of_letter;
        std::mem::swap(&mut self.vectors, &mut self.next);
        std::mem::swap(&mut self.prefix_of, &mut self.next_of);
        Ok(())
    }

    /// Measures `site`, its physical index that of the outcomes, for some of the shots.
    fn measure_in(
        &mut self,
        at: usize,
        site: &SiteTensor<T>,
        schmidt: &[f64],
        shots: &[usize],
    ) -> Result<()> {
        let count = self.vectors.len() / site.left;
        let [zero, one] = &mut self.branches;
        zero.clear(count, site.right);
        one.clear(count, site.right);
        let edge = probability_of_zero(site, schmidt);
        for &shot in shots {
            let guess = if self.draws[shot] < edge { &mut *zero } else { &mut *one };
            guess.members.add(self.prefix_of[shot]);
        }
        zero.grow(&self.vectors, site, 0);
        one.grow(&self.vectors, site, 1);
        for &shot in shots {
            let (prefix, draw) = (self.prefix_of[shot], self.draws[shot]);
            match (zero.weight(prefix), one.weight(prefix)) {
                (Some(zero), None) if !is_certain(draw, zero) => one.members.add(prefix),
                (None, Some(one)) if !is_certain(1.0 - draw, one) => zero.members.add(prefix),
                _ => {}
            }
        }
        zero.grow(&self.vectors, site, 0);
        one.grow(&self.vectors, site, 1);
        for branch in [&mut *zero, one] {
            branch.children.clear();
            branch.children.resize(branch.members.prefixes.len(), NONE);
        }
        for &shot in shots {
            let (prefix, draw) = (self.prefix_of[shot], self.draws[shot]);
            let [zero, one] = &self.branches;
            let takes_one = match (zero.weight(prefix), one.weight(prefix)) {
                (None, Some(_)) => true,
                (_, None) => false,
                (Some(zero), Some(one)) => {
                    let total = zero + one;
                    if !(total > 0.0 && total.is_finite()) {
                        return Err(Error::Numerical(format!(
                            "the outcomes of site {at} have total probability {total}: the state \
                             to draw from has norm zero or is not canonical"
                        )));
                    }
                    // Compared with both: one minus the other is off by a rounding error, in single
                    // precision enough to take impossible outcomes.
                    one > 0.0 && draw * total >= zero
                }
            };
            self.bits[shot] = u8::from(takes_one);
            let branch = &mut self.branches[usize::from(takes_one)];
            let slot = branch.members.slot(prefix);
            let child = &mut branch.children[slot];
            if *child == NONE {
                *child = self.next.len() / site.right;
                branch.grown.push_normalised(slot, &mut self.next);
            }
            self.next_of[shot] = *child;
        }
        Ok(())
    }
}

/// Whether an outcome of this probability is surely taken by a number this far from its end. A
/// probability that is no number or above 1 has the two compared, and the total refused.
fn is_certain(distance: f64, probability: f64) -> bool {
    probability < 1.0 + SLACK && distance < probability - SLACK
}

/// `Σ_{a r} s_a² |B[a 0 r]|²`: how often the outcome is 0 over all shots. For guesses only.
fn probability_of_zero<T: Scalar>(site: &SiteTensor<T>, schmidt: &[f64]) -> f64 {
    let columns = site.entries.chunks_exact(2 * site.left);
    columns.flat_map(|column| column.iter().zip(schmidt)).map(|(x, s)| x.norm_sqr() * s * s).sum()
}

/// The tensor with the letter's eigenvalues +1 and -1 as its physical index.
fn in_basis<T: Scalar>(site: &SiteTensor<T>, letter: Pauli) -> Cow<'_, SiteTensor<T>> {
    let h = std::f64::consts::FRAC_1_SQRT_2;
    let (one, i) = (C64::ONE * h, C64::I * h);
    // Rows: the bras of the eigenvectors to +1 and -1.
    let bras = match letter {
        Pauli::X => [one, one, one, -one],
        Pauli::Y => [one, -i, one, i],
        Pauli::Z | Pauli::I => return Cow::Borrowed(site),
    };
    let entries = apply_matrix(&site.entries, site.left, &bras.map(T::from_c64));
    Cow::Owned(SiteTensor { entries, ..*site })
}
