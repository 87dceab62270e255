//! Overlaps ⟨a|b⟩, carried as logarithms: at 784 sites a typical one is 1e-163.

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::mps::Mps;
use crate::mps::environment::{scale_to_one, transfer};
use crate::scalar::{C64, Scalar};

/// ⟨a|b⟩ = `phase` · exp(`log_modulus`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlap {
    /// Natural logarithm of the modulus; minus infinity for orthogonal states.
    pub log_modulus: f64,
    /// Modulus 1; 1 for orthogonal states.
    pub phase: C64,
}

impl Overlap {
    /// The complex number itself; underflows to 0 below about 1e-308.
    #[must_use]
    pub fn value(self) -> C64 {
        self.phase * self.log_modulus.exp()
    }
}

/// ⟨a|b⟩ of the states as they are (not normalised). Cost O(n χ³).
///
/// # Errors
/// [`Error::InvalidInput`] if the states differ in their number of sites.
pub fn overlap<T: Scalar>(a: &Mps<T>, b: &Mps<T>) -> Result<Overlap> {
    if a.n_sites() != b.n_sites() {
        return Err(Error::invalid(format!(
            "expected two states of equal length, got {} and {} sites",
            a.n_sites(),
            b.n_sites()
        )));
    }
    let mut environment = vec![T::ONE];
    let mut log_modulus = 0.5 * (a.log_norm_taken_out + b.log_norm_taken_out);
    let mut product = Vec::new();
    for (bra, ket) in a.sites.iter().zip(&b.sites) {
        environment = transfer(&environment, bra, ket, &mut product);
        log_modulus += scale_to_one(&mut environment);
    }
    let last = environment[0].to_c64();
    let modulus = last.norm();
    if modulus == 0.0 {
        return Ok(Overlap { log_modulus: f64::NEG_INFINITY, phase: C64::ONE });
    }
    Ok(Overlap { log_modulus: log_modulus + modulus.ln(), phase: last / modulus })
}

/// ln⟨ψ|ψ⟩ of the state that is never renormalised, the factors taken out at sweeps included: the
/// estimate of the fidelity with the exact state. It assumes that truncation errors add
/// incoherently: right for random and hardware-efficient circuits, too high for smooth ones
/// (Trotter steps), where they add up coherently. (The product of kept weights, Π(1 - ε), is not
/// it: .0916 where the norm is .1337 and the truth .1293.)
///
/// # Errors
/// [`Error::Interrupted`] soon after `cancel` is set.
pub fn log_norm_squared<T: Scalar>(state: &Mps<T>, cancel: &Cancel) -> Result<f64> {
    let mut environment = vec![T::ONE];
    let mut product = Vec::new();
    let mut log = state.log_norm_taken_out;
    for site in &state.sites {
        cancel.check()?;
        environment = transfer(&environment, site, site, &mut product);
        log += scale_to_one(&mut environment);
    }
    Ok(log)
}
