//! The state: right-canonical site tensors and the Schmidt values of every bond.

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::scalar::{C64, Scalar};

/// One site tensor `B[l, p, r]`, column-major: entry `l + left·(p + 2·r)`.
///
/// The same memory is the matrix `(l p) × r` and the matrix `l × (p r)`.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteTensor<T> {
    /// Dimension of the bond to the left.
    pub left: usize,
    /// Dimension of the bond to the right.
    pub right: usize,
    /// `left · 2 · right` entries.
    pub entries: Vec<T>,
}

impl<T: Scalar> SiteTensor<T> {
    /// Whether no entry has an imaginary part.
    pub(crate) fn is_real(&self) -> bool {
        !T::COMPLEX || self.entries.iter().all(|x| x.to_c64().im == 0.0)
    }

    /// The tensor with left and right exchanged.
    pub(super) fn mirrored(&self) -> Self {
        let (left, right) = (self.left, self.right);
        let mut entries = vec![T::ZERO; self.entries.len()];
        for (at, column) in self.entries.chunks_exact(left).enumerate() {
            // B'[r, p, l] = B[l, p, r]
            let (p, r) = (at % 2, at / 2);
            let places = entries[r + right * p..].iter_mut().step_by(2 * right);
            places.zip(column).for_each(|(place, x)| *place = *x);
        }
        Self { left: right, right: left, entries }
    }

    /// The same tensor in another precision; a real one drops imaginary parts.
    pub(crate) fn cast<U: Scalar>(&self) -> SiteTensor<U> {
        let entries = self.entries.iter().map(|x| U::from_c64(x.to_c64()));
        SiteTensor { left: self.left, right: self.right, entries: entries.collect() }
    }
}

/// Whether `sites` fit together, end in bonds of 1 and hold finite numbers.
///
/// # Errors
/// [`Error::InvalidInput`] naming the tensor.
pub(crate) fn check_chain<T: Scalar>(sites: &[SiteTensor<T>]) -> Result<()> {
    let mut left = 1;
    for (i, site) in sites.iter().enumerate() {
        let fits = site.left == left && site.right > 0;
        if !fits || site.entries.len() != site.left * 2 * site.right {
            return Err(Error::invalid(format!(
                "tensor {i} has left bond {}, right bond {} and {} entries; expected left bond \
                 {left} (the right bond of its neighbour) and left·2·right entries",
                site.left,
                site.right,
                site.entries.len()
            )));
        }
        if !site.entries.iter().all(|x| x.to_c64().is_finite()) {
            return Err(Error::invalid(format!("tensor {i} holds numbers that are not finite")));
        }
        left = site.right;
    }
    if left != 1 {
        return Err(Error::invalid(format!("the last right bond must be 1, got {left}")));
    }
    Ok(())
}

/// A matrix-product state in B form (Hastings 2009, arXiv:0903.3253).
///
/// The state is never renormalised: after truncations `⟨ψ|ψ⟩` is below 1, and that norm estimates
/// the fidelity (see [`crate::mps::log_norm_squared`], which counts in the factors that sweeps and
/// very lossy steps took out of the tensors). Schmidt values are normalised.
#[derive(Debug, Clone, PartialEq)]
pub struct Mps<T> {
    pub(crate) sites: Vec<SiteTensor<T>>,
    /// `schmidt[i]`: the bond left of site i; n + 1 entries, the outer two are `[1]`.
    pub(crate) schmidt: Vec<Vec<f64>>,
    /// Logarithm of the squared norm taken out of the tensors.
    pub(crate) log_norm_taken_out: f64,
}

impl<T: Scalar> Mps<T> {
    /// |0…0⟩ on `n` sites.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if `n` is 0.
    pub fn zeros(n: usize) -> Result<Self> {
        if n == 0 {
            return Err(Error::invalid("expected at least one site, got 0"));
        }
        let site = SiteTensor { left: 1, right: 1, entries: vec![T::ONE, T::ZERO] };
        Ok(Self { sites: vec![site; n], schmidt: vec![vec![1.0]; n + 1], log_norm_taken_out: 0.0 })
    }

    /// Any tensors, brought into B form by a canonicalising sweep and normalised.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if neighbouring dimensions differ, the outer ones are not 1 or an
    /// entry is not finite; [`Error::Numerical`] if the state is zero.
    pub fn from_tensors(sites: Vec<SiteTensor<T>>) -> Result<Self> {
        let mut state = Self::zeros(sites.len())?;
        check_chain(&sites)?;
        state.sites = sites;
        super::canonicalise(&mut state, &Cancel::default())?;
        state.log_norm_taken_out = 0.0;
        Ok(state)
    }

    /// The same state in another precision; a real one drops imaginary parts.
    #[must_use]
    pub fn cast<U: Scalar>(&self) -> Mps<U> {
        Mps {
            sites: self.sites.iter().map(SiteTensor::cast).collect(),
            schmidt: self.schmidt.clone(),
            log_norm_taken_out: self.log_norm_taken_out,
        }
    }

    /// Number of sites.
    #[must_use]
    pub fn n_sites(&self) -> usize {
        self.sites.len()
    }

    /// The site tensors.
    #[must_use]
    pub fn tensors(&self) -> &[SiteTensor<T>] {
        &self.sites
    }

    /// Schmidt values on the bond left of `site` (descending, squares sum to 1); `site` = n is the
    /// right end. Exact Schmidt values while nothing was discarded or right after a sweep.
    #[must_use]
    pub fn schmidt_values(&self, site: usize) -> &[f64] {
        &self.schmidt[site]
    }

    /// Dimensions of the n - 1 inner bonds.
    #[must_use]
    pub fn bond_dims(&self) -> Vec<usize> {
        self.sites[1..].iter().map(|site| site.left).collect()
    }

    /// Number of tensor entries held.
    #[must_use]
    pub fn n_entries(&self) -> usize {
        self.sites.iter().map(|site| site.entries.len()).sum()
    }

    /// Largest deviation of `Σ_{p r} B[l p r] conj(B[l' p r])` from the identity over all sites:
    /// how far the state is from right-canonical form. Grows with the discarded weight.
    #[must_use]
    pub fn canonical_error(&self) -> f64 {
        let mut worst = 0.0_f64;
        for site in &self.sites {
            for a in 0..site.left {
                for b in 0..=a {
                    let mut sum = C64::ZERO;
                    for column in site.entries.chunks_exact(site.left) {
                        sum += column[a].to_c64() * column[b].to_c64().conj();
                    }
                    let expected = if a == b { C64::ONE } else { C64::ZERO };
                    worst = worst.max((sum - expected).norm());
                }
            }
        }
        worst
    }
}
