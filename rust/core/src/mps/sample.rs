//! Perfect sampling (Ferris, Vidal: Perfect sampling with unitary tensor networks, 2012).
//!
//! Left to right, each outcome from its exact conditional distribution. All shots of a batch go
//! together: shots with equal outcomes and bases so far share one left vector, and one product per
//! site grows them all. The second outcome's vectors are computed only where some shot takes it.

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

/// The measured letter of each site from the first to the last that is measured. [`Pauli::I`]
/// stands for a site in between whose outcome nobody asked for: it is read in Z.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bases {
    /// One letter for each site.
    Same(Vec<Pauli>),
    /// Letters of each shot.
    PerShot {
        /// Letters of each shot.
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
/// not on threads, nor on which other shots are drawn (but for numbers that fall on the edge
/// between two outcomes to the last digit). Cost O(distinct prefixes · χ²) for each site.
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
    let batch = |(index, bits): (usize, &mut [u8])| {
        let first = index * BATCH;
        let shots = &shots[first..(first + BATCH).min(shots.len())];
        Batch { state, bases, first, shots, key }.draw(bits, cancel)
    };
    match parallelism {
        Parallelism::Pool => bits.par_chunks_mut(BATCH * width).enumerate().try_for_each(batch)?,
        Parallelism::Sequential => {
            bits.chunks_mut(BATCH * width).enumerate().try_for_each(batch)?;
        }
    }
    Ok(bits)
}

struct Batch<'a, T> {
    state: &'a Mps<T>,
    bases: &'a Bases,
    /// Position of the first of these shots among all.
    first: usize,
    shots: &'a [u64],
    key: &'a ShotKey,
}

impl<T: Scalar> Batch<'_, T> {
    fn draw(&self, bits: &mut [u8], cancel: &Cancel) -> Result<()> {
        // An outcome less likely than this is rounding noise, and its vector has no direction.
        let noise = T::NOISE_FLOOR * T::NOISE_FLOOR;
        let width = self.bases.n_sites();
        let mut vectors = vec![T::ONE];
        let mut prefix_of = vec![0; self.shots.len()];
        let (mut next, mut next_of) = (Vec::new(), prefix_of.clone());
        let (mut members, mut takers) = (Members::new(), Members::new());
        let (mut zero, mut one) = (Grown::new(), Grown::new());
        let mut children: Vec<[usize; 2]> = Vec::new();
        for (at, site) in self.state.sites[..width].iter().enumerate() {
            cancel.check()?;
            let count = vectors.len() / site.left;
            let mut born = 0;
            next.clear();
            for letter in [Pauli::X, Pauli::Y, Pauli::Z] {
                let measured = || {
                    let all = 0..self.shots.len();
                    all.filter(|shot| self.bases.letter(self.first + shot, at) == letter)
                };
                members.collect(measured().map(|shot| prefix_of[shot]), count);
                if members.prefixes.is_empty() {
                    continue;
                }
                let site = in_basis(site, letter);
                zero.grow(&vectors, &members.prefixes, &site, 0);
                takers.collect(std::iter::empty(), count);
                for shot in measured() {
                    let p = zero.weights[members.slot(prefix_of[shot])];
                    let takes_one =
                        p <= noise || self.key.uniform(self.shots[shot], at as u64) >= p;
                    bits[shot * width + at] = u8::from(takes_one);
                    if takes_one {
                        takers.add(prefix_of[shot]);
                    }
                }
                one.grow(&vectors, &takers.prefixes, &site, 1);
                children.clear();
                children.resize(members.prefixes.len(), [NONE; 2]);
                for shot in measured() {
                    let prefix = prefix_of[shot];
                    let bit = &mut bits[shot * width + at];
                    if *bit == 1 && one.weights[takers.slot(prefix)] <= noise {
                        *bit = 0;
                    }
                    let slot = members.slot(prefix);
                    let child = &mut children[slot][usize::from(*bit)];
                    if *child == NONE {
                        let (grown, slot) =
                            if *bit == 1 { (&one, takers.slot(prefix)) } else { (&zero, slot) };
                        let weight = grown.weights[slot];
                        if weight.is_nan() || weight <= noise {
                            return Err(Error::Numerical(format!(
                                "no outcome at site {at} has a probability above zero: the state \
                                 to draw from has norm zero or is not canonical"
                            )));
                        }
                        grown.push_normalised(slot, &mut next);
                        *child = born;
                        born += 1;
                    }
                    next_of[shot] = *child;
                }
            }
            std::mem::swap(&mut vectors, &mut next);
            std::mem::swap(&mut prefix_of, &mut next_of);
        }
        Ok(())
    }
}

/// The tensor with the letter's eigenvalues +1 and -1 as its physical index.
fn in_basis<T: Scalar>(site: &SiteTensor<T>, letter: Pauli) -> Cow<'_, SiteTensor<T>> {
    let (h, i) = (C64::new(0.5_f64.sqrt(), 0.0), C64::new(0.0, 0.5_f64.sqrt()));
    let rotation = match letter {
        Pauli::X => [h, h, h, -h],
        // H S†
        Pauli::Y => [h, -i, h, i],
        Pauli::Z | Pauli::I => return Cow::Borrowed(site),
    };
    let entries = apply_matrix(&site.entries, site.left, &rotation.map(T::from_c64));
    Cow::Owned(SiteTensor { entries, ..*site })
}
