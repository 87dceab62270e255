//! The measurement of one site: probabilities of its outcomes, and what is left of the state.

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::mps::{Loose, Mps};
use crate::scalar::{C64, Scalar};

/// An outcome less likely than this multiple of [`Scalar::NOISE_FLOOR`] squared comes from rounding:
/// amplitudes that should cancel leave up to some hundred rounding errors.
const NOISE: f64 = 1e4;

/// Probabilities of the outcomes 0 and 1 of `site`; they sum to 1, and one that is rounding noise is
/// 0. Of a state of norm zero both are 0. All sites but `loose` are in canonical form. Cost O(χ³), and
/// O(χ³) for each loose site between `site` and the one measured before.
///
/// # Errors
/// [`Error::Numerical`] if the state is not finite; [`Error::Interrupted`] soon after `cancel` is set.
pub fn outcome_probabilities<T: Scalar>(
    state: &Mps<T>,
    site: usize,
    loose: &mut Loose,
    cancel: &Cancel,
) -> Result<[f64; 2]> {
    loose.turn_to(state, site, cancel)?;
    let (theta, rows) = loose.theta(state, site);
    // p[b] = Σ_{k m} |θ[k b m]|²
    let mut weights = [0.0; 2];
    for block in theta.chunks_exact(2 * rows) {
        for (weight, column) in weights.iter_mut().zip(block.chunks_exact(rows)) {
            *weight += column.iter().map(C64::norm_sqr).sum::<f64>();
        }
    }
    let total: f64 = weights.iter().sum();
    if !total.is_finite() {
        return Err(Error::Numerical(format!(
            "expected a state of finite norm before a measurement, got squared norm {total}"
        )));
    }
    if total == 0.0 {
        return Ok([0.0; 2]);
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

/// Projects `site`, the one whose probabilities were asked last, onto `outcome`, which has the given
/// one, and with `reset` brings it to |0⟩. The probability does not count as norm lost
/// ([`crate::mps::log_norm_squared`]). The site becomes one of the `loose` ones, unless nothing is
/// entangled with it. Cost O(χ²).
pub fn project<T: Scalar>(
    state: &mut Mps<T>,
    site: usize,
    (outcome, probability): (bool, f64),
    reset: bool,
    loose: &mut Loose,
) {
    let tensor = &mut state.sites[site];
    let factor = 1.0 / probability.sqrt();
    for block in tensor.entries.chunks_exact_mut(2 * tensor.left) {
        let (zero, one) = block.split_at_mut(tensor.left);
        let (kept, gone) = if outcome { (&mut *one, &mut *zero) } else { (&mut *zero, &mut *one) };
        // In double precision: the factor itself may be too large for single.
        kept.iter_mut().for_each(|x| *x = T::from_c64(x.to_c64() * factor));
        gone.fill(T::ZERO);
        if outcome && reset {
            zero.swap_with_slice(one);
        }
    }
    if tensor.left > 1 || tensor.right > 1 {
        loose.add(site);
    }
}
