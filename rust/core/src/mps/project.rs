//! The measurement of one site: probabilities of its outcomes, and what is left of the state.

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::MethodCounts;
use crate::mps::{Mps, canonicalise};
use crate::scalar::Scalar;

/// An outcome less likely than this multiple of [`Scalar::NOISE_FLOOR`] squared comes from rounding:
/// amplitudes that should cancel leave up to some hundred rounding errors.
const NOISE: f64 = 1e4;

/// Probabilities of the outcomes 0 and 1 of `site`; they sum to 1, and one that is rounding noise is
/// 0. The state must be canonical. Cost O(χ²).
///
/// # Errors
/// [`Error::Numerical`] if the state is zero or not finite.
pub fn outcome_probabilities<T: Scalar>(state: &Mps<T>, site: usize) -> Result<[f64; 2]> {
    let (tensor, schmidt) = (&state.sites[site], &state.schmidt[site]);
    // p[b] = Σ_{l r} s[l]² |B[l b r]|²: the right of a canonical state is the identity.
    let mut weights = [0.0; 2];
    for block in tensor.entries.chunks_exact(2 * tensor.left) {
        for (weight, column) in weights.iter_mut().zip(block.chunks_exact(tensor.left)) {
            *weight += column.iter().zip(schmidt).map(|(b, s)| s * s * b.norm_sqr()).sum::<f64>();
        }
    }
    let total: f64 = weights.iter().sum();
    if !(total > 0.0 && total.is_finite()) {
        return Err(Error::Numerical(format!(
            "expected a state of finite norm above zero before a measurement, got squared norm \
             {total}"
        )));
    }
    let least = NOISE * T::NOISE_FLOOR * T::NOISE_FLOOR;
    let [zero, one] = weights.map(|weight| weight / total);
    Ok(if one < least {
        [1.0, 0.0]
    } else if zero < least {
        [0.0, 1.0]
    } else {
        [zero, one]
    })
}

/// Projects `site` of a canonical state onto `outcome`, which has the given probability, and with
/// `reset` brings the site to |0⟩. The state comes out canonical, and the probability does not count
/// as norm lost ([`crate::mps::log_norm_squared`]). Cost O(n χ³).
///
/// # Errors
/// Those of [`canonicalise`].
pub fn project<T: Scalar>(
    state: &mut Mps<T>,
    site: usize,
    outcome: bool,
    probability: f64,
    reset: bool,
    cancel: &Cancel,
) -> Result<MethodCounts> {
    let tensor = &mut state.sites[site];
    for block in tensor.entries.chunks_exact_mut(2 * tensor.left) {
        let (zero, one) = block.split_at_mut(tensor.left);
        if !outcome {
            one.fill(T::ZERO);
        } else if reset {
            zero.copy_from_slice(one);
            one.fill(T::ZERO);
        } else {
            zero.fill(T::ZERO);
        }
    }
    let methods = canonicalise(state, cancel)?;
    state.log_norm_taken_out -= probability.ln();
    Ok(methods)
}
