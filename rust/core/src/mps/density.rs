//! Reduced density matrices and probabilities of few sites.
//!
//! Depth first over the chosen sites: each choice of bra and ket bit has one environment, and only
//! one path of them is held at a time.

use crate::cancel::Cancel;
use crate::error::Result;
use crate::linalg::{adjoint_times, matrix_mut};
use crate::mps::environment::{
    Environments, Readout, checked_norm, half_transfer, rescale, transfer,
};
use crate::mps::{Mps, dense_amplitudes};
use crate::scalar::{C64, Scalar};

/// ρ of the given sites (any order, the first most significant), row-major 2^k × 2^k, trace 1.
/// Sites must be distinct. Cost O(4^k χ³) and the span between the sites.
///
/// # Errors
/// [`crate::Error::Interrupted`] soon after `cancel` is set; [`crate::Error::Numerical`] if the
/// state is zero.
pub fn reduced_density_matrix<T: Scalar>(
    state: &Mps<T>,
    sites: &[usize],
    readout: Readout,
    cancel: &Cancel,
) -> Result<Vec<C64>> {
    let dim = 1 << sites.len();
    let mut rho = vec![C64::ZERO; dim * dim];
    let mut leaf = |bra: usize, ket: usize, value| rho[ket * dim + bra] = value;
    walk(state, sites, readout, false, cancel, &mut leaf)?;
    let trace = checked_norm((0..dim).map(|i| rho[i * dim + i].re).sum())?;
    for row in 0..dim {
        for col in 0..=row {
            // ρ[ket, bra]; symmetrised, so that it is Hermitian to the last bit.
            let mean = (rho[row * dim + col] + rho[col * dim + row].conj()) * (0.5 / trace);
            rho[row * dim + col] = mean;
            rho[col * dim + row] = mean.conj();
        }
    }
    Ok(rho)
}

/// Probabilities of the 2^k outcomes on the given sites (any order, the first most significant);
/// they sum to 1. Cost O(2^k χ³) and the span between the sites; of all sites O(2^n χ).
///
/// # Errors
/// [`crate::Error::Interrupted`] soon after `cancel` is set; [`crate::Error::Numerical`] if the
/// state is zero.
pub fn probabilities<T: Scalar>(
    state: &Mps<T>,
    sites: &[usize],
    readout: Readout,
    cancel: &Cancel,
) -> Result<Vec<f64>> {
    if sites.len() == state.n_sites() {
        // Nothing is traced out: both readouts are |amplitude|², a factor χ² cheaper.
        let place_of_site = inverse(sites);
        let amplitudes = dense_amplitudes(state, &place_of_site, cancel)?;
        let found: Vec<f64> = amplitudes.iter().map(C64::norm_sqr).collect();
        checked_norm(found.iter().sum())?;
        return Ok(found);
    }
    let mut found = vec![0.0; 1 << sites.len()];
    let mut leaf = |_, ket: usize, value: C64| found[ket] = value.re.max(0.0);
    walk(state, sites, readout, true, cancel, &mut leaf)?;
    let total = checked_norm(found.iter().sum())?;
    found.iter_mut().for_each(|p| *p /= total);
    Ok(found)
}

fn inverse(permutation: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; permutation.len()];
    for (place, &site) in permutation.iter().enumerate() {
        inverse[site] = place;
    }
    inverse
}

/// Hands `(bra bits, ket bits, Σ …)` for every pair of bit strings to `leaf`; only equal pairs if
/// `diagonal`.
fn walk<T: Scalar>(
    state: &Mps<T>,
    sites: &[usize],
    readout: Readout,
    diagonal: bool,
    cancel: &Cancel,
    leaf: &mut dyn FnMut(usize, usize, C64),
) -> Result<()> {
    // Chain order, each site with its place in the caller's order.
    let mut ordered: Vec<(usize, usize)> =
        sites.iter().enumerate().map(|(place, &site)| (site, sites.len() - 1 - place)).collect();
    ordered.sort_unstable();
    let environments = Environments::new(state, readout, cancel)?;
    let Some(&(first, _)) = ordered.first() else {
        leaf(0, 0, C64::ONE);
        return Ok(());
    };
    let environments = &environments;
    let mut walker = Walker { environments, ordered: &ordered, diagonal, cancel, leaf };
    walker.descend(0, environments.left(first), 0, (0, 0))
}

struct Walker<'a, 'e, T> {
    environments: &'a Environments<'e, T>,
    ordered: &'a [(usize, usize)],
    diagonal: bool,
    cancel: &'a Cancel,
    leaf: &'a mut dyn FnMut(usize, usize, C64),
}

impl<T: Scalar> Walker<'_, '_, T> {
    /// `environment` is divided by 2^`exponent`.
    fn descend(
        &mut self,
        depth: usize,
        mut environment: Vec<T>,
        mut exponent: i32,
        (bra, ket): (usize, usize),
    ) -> Result<()> {
        self.cancel.check()?;
        let state = self.environments.state();
        let (at, place) = self.ordered[depth];
        let mut half = Vec::new();
        if let Some((previous, _)) = depth.checked_sub(1).map(|d| self.ordered[d]) {
            for between in previous + 1..at {
                let site = &state.sites[between];
                environment = transfer(&environment, site, site, &mut half);
                exponent += rescale(&mut environment);
            }
        }
        let site = &state.sites[at];
        half_transfer(&environment, site, &mut half);
        drop(environment);
        for (s, t) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            if self.diagonal && s != t {
                continue;
            }
            // E'[c d] = Σ_a conj(B[a s c]) · K[a t d], one bit of bra and ket each
            let mut next = vec![T::ZERO; site.right * site.right];
            let rows = |entries, bit: usize| {
                crate::linalg::matrix(entries, 2 * site.left, site.right)
                    .subrows(bit * site.left, site.left)
            };
            adjoint_times(
                matrix_mut(&mut next, site.right, site.right),
                rows(site.entries.as_slice(), s),
                rows(half.as_slice(), t),
            );
            let (bra, ket) = (bra | s << place, ket | t << place);
            if depth + 1 == self.ordered.len() {
                let value = self.environments.close(&next, at) * 2.0_f64.powi(exponent);
                (self.leaf)(bra, ket, value);
            } else {
                self.descend(depth + 1, next, exponent, (bra, ket))?;
            }
        }
        Ok(())
    }
}
