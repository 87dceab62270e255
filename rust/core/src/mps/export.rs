//! The state as it is handed out: normalised, in double precision, canonical where that is asked for.

use crate::cancel::Cancel;
use crate::error::Result;
use crate::mps::canonical::{keeping_all, multiply_by, sweep};
use crate::mps::{Mps, SiteTensor};
use crate::scalar::{C64, Scalar};

/// The site tensors, and the Schmidt values of the inner bonds.
pub(crate) type Exported = (Vec<SiteTensor<C64>>, Vec<Vec<f64>>);

/// Right-canonical tensors of norm 1 and the Schmidt values of every inner bond (descending,
/// squares sum to 1) of `state` times `phase`. Cost O(n χ³).
///
/// # Errors
/// Those of [`canonicalise`](crate::mps::canonicalise).
pub(crate) fn normalised_tensors<T: Scalar>(
    state: &Mps<T>,
    phase: C64,
    cancel: &Cancel,
) -> Result<Exported> {
    // Canonicalised after widening: rounded to single precision, the tensors of a long chain would
    // be normalised no better than to 1e-6.
    let mut state: Mps<C64> = state.cast();
    sweep(&mut state, &keeping_all(T::NOISE_FLOOR), cancel)?;
    multiply_by(&mut state.sites[0], phase);
    let n = state.n_sites();
    state.schmidt.truncate(n);
    Ok((state.sites, state.schmidt.split_off(1)))
}

/// Tensors of norm 1 of `state`, whose squared norm is exp(`log_norm`) with what was taken out at sweeps, times
/// `phase`: as they are, in no canonical form. Overlaps need no more, and a sweep would cost as much as the evolution.
pub(crate) fn scaled_tensors<T: Scalar>(
    state: &Mps<T>,
    log_norm: f64,
    phase: C64,
) -> Vec<SiteTensor<C64>> {
    let mut sites: Vec<SiteTensor<C64>> = state.sites.iter().map(SiteTensor::cast).collect();
    // Shared out over the sites, as the whole factor may be beyond all numbers.
    let share = 0.5 * (state.log_norm_taken_out - log_norm) / sites.len() as f64;
    for (i, site) in sites.iter_mut().enumerate() {
        let phase = if i == 0 { phase } else { C64::ONE };
        multiply_by(site, phase * share.exp());
    }
    sites
}
