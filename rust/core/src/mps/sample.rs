//! Perfect sampling (Ferris & Vidal 2012, arXiv:1201.3974): the sites are measured from left to
//! right, every outcome with its probability given those before it.
//!
//! All shots of a batch go together: shots with equal outcomes and letters so far share one left
//! vector, and one product moves all vectors to the next site. The second outcome is worked out
//! only for the vectors of which some shot may take it.

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

/// Outcome 1 is looked at for numbers this close below the probability of outcome 0, because the
/// two probabilities sum to 1 only up to rounding.
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
            batch.measure(at, site)?;
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
    zero: Grown<T>,
    one: Grown<T>,
    members: Members,
    candidates: Members,
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
            zero: Grown::new(),
            one: Grown::new(),
            members: Members::new(),
            candidates: Members::new(),
        }
    }

    /// Measures site `at` for all shots.
    fn measure(&mut self, at: usize, site: &SiteTensor<T>) -> Result<()> {
        for (draw, &shot) in self.draws.iter_mut().zip(self.shots) {
            *draw = self.key.uniform(shot, at as u64);
        }
        self.next.clear();
        for letter in [Pauli::X, Pauli::Y, Pauli::Z] {
            let of_letter: Vec<usize> = (0..self.shots.len())
                .filter(|shot| self.bases.letter(self.first + shot, at) == letter)
                .collect();
            if !of_letter.is_empty() {
                self.measure_in(at, &in_basis(site, letter), &of_letter)?;
            }
        }
        std::mem::swap(&mut self.vectors, &mut self.next);
        std::mem::swap(&mut self.prefix_of, &mut self.next_of);
        Ok(())
    }

    /// Measures `site`, its physical index that of the outcomes, for some of the shots.
    fn measure_in(&mut self, at: usize, site: &SiteTensor<T>, shots: &[usize]) -> Result<()> {
        let count = self.vectors.len() / site.left;
        self.members.collect(shots.iter().map(|&shot| self.prefix_of[shot]), count);
        self.zero.grow(&self.vectors, &self.members.prefixes, site, 0);
        let weight_of_zero = |prefix| self.zero.weights[self.members.slot(prefix)];
        let near_one = shots.iter().filter(|&&shot| {
            self.draws[shot] >= weight_of_zero(self.prefix_of[shot]) * (1.0 - SLACK)
        });
        self.candidates.collect(near_one.map(|&shot| self.prefix_of[shot]), count);
        self.one.grow(&self.vectors, &self.candidates.prefixes, site, 1);
        let mut children = vec![[NONE; 2]; self.members.prefixes.len()];
        for &shot in shots {
            let prefix = self.prefix_of[shot];
            let (slot, second) = (self.members.slot(prefix), self.candidates.slot(prefix));
            let zero = self.zero.weights[slot];
            let one = if second == NONE { 0.0 } else { self.one.weights[second] };
            let total = zero + one;
            if !(total > 0.0 && total.is_finite()) {
                return Err(Error::Numerical(format!(
                    "the outcomes of site {at} have total probability {total}: the state to draw \
                     from has norm zero or is not canonical"
                )));
            }
            // Compared with both: one minus the other is off by a rounding error, in single
            // precision enough to take impossible outcomes.
            let takes_one = one > 0.0 && self.draws[shot] * total >= zero;
            self.bits[shot] = u8::from(takes_one);
            let child = &mut children[slot][usize::from(takes_one)];
            if *child == NONE {
                *child = self.next.len() / site.right;
                let (grown, slot) =
                    if takes_one { (&self.one, second) } else { (&self.zero, slot) };
                grown.push_normalised(slot, &mut self.next);
            }
            self.next_of[shot] = *child;
        }
        Ok(())
    }
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
