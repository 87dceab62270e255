//! The measurement of one site: probabilities of its outcomes, and what is left of the state.
//!
//! Sites that were projected, or whatever a truncation has touched, are out of canonical form: the
//! *loose* sites, a range, empty right after a sweep. Left of it the Schmidt weights hold, right of
//! it the identity, so that a measurement only contracts what lies between:
//!
//! ```text
//!        ┌─ loose sites ─┐           ┌─ conj(B) ─┐
//!   s² ─ B ─ B ─ B ─ … ─ B ─ 1       E     b     R      p[b] = Σ conj(B[a b c]) E[a a'] B[a' b d] R[c d]
//!                │                   └─── B ─────┘
//!              site
//! ```

use std::ops::Range;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{matrix, matrix_mut, times};
use crate::mps::Mps;
use crate::mps::environment::{half_transfer, scale_to_one, transfer, transfer_from_right};
use crate::scalar::Scalar;

/// An outcome less likely than this multiple of [`Scalar::NOISE_FLOOR`] squared comes from rounding:
/// amplitudes that should cancel leave up to some hundred rounding errors.
const NOISE: f64 = 1e4;

/// Probabilities of the outcomes 0 and 1 of `site`; they sum to 1, and one that is rounding noise is
/// 0. All sites but `loose` are in canonical form. Cost O(χ²) and O(χ³) for each site from `site` to
/// the far ends of `loose`.
///
/// # Errors
/// [`Error::Numerical`] if the state is zero or not finite; [`Error::Interrupted`] soon after
/// `cancel` is set.
pub fn outcome_probabilities<T: Scalar>(
    state: &Mps<T>,
    site: usize,
    loose: &Range<usize>,
    cancel: &Cancel,
) -> Result<[f64; 2]> {
    let weights = if loose.is_empty() {
        canonical_weights(state, site)
    } else {
        loose_weights(state, site, loose, cancel)?
    };
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

fn canonical_weights<T: Scalar>(state: &Mps<T>, site: usize) -> [f64; 2] {
    let (tensor, schmidt) = (&state.sites[site], &state.schmidt[site]);
    // p[b] = Σ_{l r} s[l]² |B[l b r]|²
    let mut weights = [0.0; 2];
    for block in tensor.entries.chunks_exact(2 * tensor.left) {
        for (weight, column) in weights.iter_mut().zip(block.chunks_exact(tensor.left)) {
            *weight += column.iter().zip(schmidt).map(|(b, s)| s * s * b.norm_sqr()).sum::<f64>();
        }
    }
    weights
}

/// Up to a factor: environments are scaled on the way.
fn loose_weights<T: Scalar>(
    state: &Mps<T>,
    site: usize,
    loose: &Range<usize>,
    cancel: &Cancel,
) -> Result<[f64; 2]> {
    let mut product = Vec::new();
    let first = loose.start.min(site);
    let mut left = diagonal(state.schmidt[first].iter().map(|s| s * s));
    for tensor in &state.sites[first..site] {
        cancel.check()?;
        left = transfer(&left, tensor, tensor, &mut product);
        scale_to_one(&mut left);
    }
    let end = loose.end.max(site + 1);
    let outer = state.sites[end - 1].right;
    let mut right = diagonal(std::iter::repeat_n(1.0, outer));
    for tensor in state.sites[site + 1..end].iter().rev() {
        cancel.check()?;
        right = transfer_from_right(&right, tensor, &mut product);
        scale_to_one(&mut right);
    }
    let tensor = &state.sites[site];
    let (l, r) = (tensor.left, tensor.right);
    half_transfer(&left, tensor, &mut product);
    // Q[(a b) c] = Σ_d K[(a b) d] · R[c d]
    let mut closed = vec![T::ZERO; 2 * l * r];
    times(
        matrix_mut(&mut closed, 2 * l, r),
        matrix(&product, 2 * l, r),
        matrix(&right, r, r).transpose(),
    );
    // p[b] = Σ_{a c} conj(B[a b c]) · Q[a b c]
    let mut weights = [0.0; 2];
    for (bra, ket) in tensor.entries.chunks_exact(2 * l).zip(closed.chunks_exact(2 * l)) {
        let columns = bra.chunks_exact(l).zip(ket.chunks_exact(l));
        for (weight, (bra, ket)) in weights.iter_mut().zip(columns) {
            let terms = bra.iter().zip(ket).map(|(b, k)| (b.to_c64().conj() * k.to_c64()).re);
            *weight += terms.sum::<f64>();
        }
    }
    // Below zero by rounding only.
    Ok(weights.map(|weight| weight.max(0.0)))
}

fn diagonal<T: Scalar>(values: impl ExactSizeIterator<Item = f64>) -> Vec<T> {
    let dim = values.len();
    let mut matrix = vec![T::ZERO; dim * dim];
    matrix.iter_mut().step_by(dim + 1).zip(values).for_each(|(x, value)| *x = T::ONE.scale(value));
    matrix
}

/// Projects `site` onto `outcome`, which has the given probability, and with `reset` brings it to
/// |0⟩. The probability does not count as norm lost ([`crate::mps::log_norm_squared`]). The site
/// becomes one of the `loose` ones, unless nothing is entangled with it. Cost O(χ²).
pub fn project<T: Scalar>(
    state: &mut Mps<T>,
    site: usize,
    (outcome, probability): (bool, f64),
    reset: bool,
    loose: &mut Range<usize>,
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
        *loose = if Range::is_empty(loose) {
            site..site + 1
        } else {
            loose.start.min(site)..loose.end.max(site + 1)
        };
    }
}
