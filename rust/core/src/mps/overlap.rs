//! Overlaps ⟨a|b⟩, carried as logarithms: at 784 sites a typical one is 1e-163.

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::ieee::IeeeArithmetic;
use crate::mps::environment::{scale_to_one, transfer};
use crate::mps::state::check_chain;
use crate::mps::{Mps, SiteTensor};
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
    let taken_out = 0.5 * (a.log_norm_taken_out + b.log_norm_taken_out);
    contract(&a.sites, &b.sites, taken_out, &Cancel::default())
}

/// ⟨bra|ket⟩ of two chains of tensors of any form, as they are. Cost O(n χ³).
///
/// # Errors
/// [`Error::InvalidInput`] naming the tensor whose bonds do not fit or that holds numbers that are
/// not finite, or if the chains differ in length; [`Error::Interrupted`] soon after `cancel` is set.
pub fn overlap_of_tensors(
    bra: &[SiteTensor<C64>],
    ket: &[SiteTensor<C64>],
    cancel: &Cancel,
) -> Result<Overlap> {
    let _ieee = IeeeArithmetic::enter();
    for (name, sites) in [("bra", bra), ("ket", ket)] {
        check_chain(sites).map_err(|error| Error::invalid(format!("{name}: {error}")))?;
    }
    contract(bra, ket, 0.0, cancel)
}

fn contract<T: Scalar>(
    bra: &[SiteTensor<T>],
    ket: &[SiteTensor<T>],
    mut log_modulus: f64,
    cancel: &Cancel,
) -> Result<Overlap> {
    if bra.len() != ket.len() {
        return Err(Error::invalid(format!(
            "expected two states of equal length, got {} and {} sites",
            bra.len(),
            ket.len()
        )));
    }
    // In double precision: a product over a thousand sites gathers what each of them rounds.
    let mut environment = vec![C64::ONE];
    let mut product = Vec::new();
    for (bra, ket) in bra.iter().zip(ket) {
        cancel.check()?;
        environment = transfer(&environment, &bra.cast(), &ket.cast(), &mut product);
        log_modulus += scale_to_one(&mut environment);
    }
    let last = environment[0];
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
    Ok(state.log_norm_taken_out + log_norm_of_tensors(&state.sites, cancel)?)
}

/// ln⟨ψ|ψ⟩ of a chain of tensors that fit together.
pub(crate) fn log_norm_of_tensors<T: Scalar>(
    sites: &[SiteTensor<T>],
    cancel: &Cancel,
) -> Result<f64> {
    let mut environment = vec![C64::ONE];
    let mut product = Vec::new();
    let mut log = 0.0;
    for site in sites {
        cancel.check()?;
        let site = site.cast();
        environment = transfer(&environment, &site, &site, &mut product);
        log += scale_to_one(&mut environment);
    }
    Ok(log)
}
