//! States from outside: amplitudes or tensors of some of the sites, all others in |0⟩.
//!
//! The sites given may lie apart: those between them pass the bond on, B[l, 0, r] = δ(l, r).

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{Truncation, Workspace, matrix, matrix_mut, times, truncate};
use crate::mps::canonical::{SweepLog, compress, multiply_by, right_tensor};
use crate::mps::overlap::log_norm_of_tensors;
use crate::mps::state::check_chain;
use crate::mps::{Mps, SiteTensor, canonicalise};
use crate::scalar::{C64, Scalar};

/// The state of 2^k `amplitudes` over k sites of n, the first of `sites` most significant; every
/// bond truncated by `policy`. The squared norm of the result is that of what was kept of the
/// normalised vector. Cost O(2^k χ).
///
/// # Errors
/// [`Error::Numerical`] if the vector is zero, [`Error::Interrupted`] soon after `cancel` is set.
pub(crate) fn load_amplitudes(
    amplitudes: &[C64],
    sites: &[usize],
    n: usize,
    policy: &Truncation,
    cancel: &Cancel,
) -> Result<(Mps<C64>, SweepLog)> {
    let mut state = Mps::zeros(n)?;
    let mut log = SweepLog::new(n);
    let mut workspace = Workspace::default();
    let mut in_order = sites.to_vec();
    in_order.sort_unstable();
    // rest[x + rows·(p + 2 r)]: x the bits of the sites not yet done, the leftmost *least*
    // significant, so that the next site to split off is the slowest index of x.
    let mut rest = by_site(amplitudes, sites, &in_order);
    let mut right = 1;
    for (place, &site) in in_order.iter().enumerate().rev() {
        cancel.check()?;
        let rows = 1 << place;
        let theta = matrix(&rest, rows, 2 * right);
        let cut = truncate(theta, rows.min(2 * right), policy, &mut workspace)?;
        log.methods.add(cut.methods);
        let kept = cut.rank();
        // rest'[x, k] = Σ_{p r} θ[x, (p r)] · conj(V[k, (p r)])
        let mut moved = vec![C64::ZERO; rows * kept];
        times(matrix_mut(&mut moved, rows, kept), theta, matrix(&cut.vectors, 2 * right, kept));
        state.sites[site] = right_tensor(&cut, right);
        if place > 0 {
            log.discarded[site - 1] = cut.discarded;
            for between in in_order[place - 1] + 1..=site {
                log.saturated[between - 1] = cut.saturated;
                state.schmidt[between].clone_from(&cut.schmidt);
                if between < site {
                    state.sites[between] = passing(kept);
                }
            }
        }
        (rest, right) = (moved, kept);
    }
    let last = rest.first().copied().unwrap_or(C64::ONE);
    if let Some(&first) = in_order.first() {
        multiply_by(&mut state.sites[first], last / last.norm());
    }
    if log.lossy() {
        state.log_norm_taken_out = 2.0 * last.norm().ln();
        // A cut changes the Schmidt values of the bonds right of it.
        log.methods.add(canonicalise(&mut state, cancel)?);
    }
    Ok((state, log))
}

/// The normalised amplitudes with the bit of site `in_order[t]` at place t from the *least*
/// significant.
fn by_site(amplitudes: &[C64], sites: &[usize], in_order: &[usize]) -> Vec<C64> {
    let k = sites.len();
    let largest = amplitudes.iter().map(|x| x.re.abs().max(x.im.abs())).fold(0.0, f64::max);
    let norm = amplitudes.iter().map(|x| (x / largest).norm_sqr()).sum::<f64>().sqrt();
    let place_of: Vec<usize> =
        sites.iter().map(|site| in_order.partition_point(|other| other < site)).collect();
    let mut sorted = vec![C64::ZERO; amplitudes.len()];
    for (index, amplitude) in amplitudes.iter().enumerate() {
        let target = place_of
            .iter()
            .enumerate()
            .fold(0, |target, (j, place)| target | (index >> (k - 1 - j) & 1) << place);
        sorted[target] = amplitude / largest / norm;
    }
    sorted
}

/// The state of `tensors` on `sites`, ascending, of n; every bond truncated by `policy`. The squared
/// norm of the result is that of what was kept of the normalised state. Cost O(n χ³).
///
/// # Errors
/// [`Error::InvalidInput`] if bonds do not fit or an entry is not finite, [`Error::Numerical`] if
/// the state is zero, [`Error::Interrupted`] soon after `cancel` is set.
pub(crate) fn load_tensors(
    tensors: &[SiteTensor<C64>],
    sites: &[usize],
    n: usize,
    policy: &Truncation,
    cancel: &Cancel,
) -> Result<(Mps<C64>, SweepLog)> {
    check_chain(tensors)?;
    if !sites.is_sorted_by(|a, b| a < b) || sites.len() != tensors.len() {
        return Err(Error::Internal("tensors on sites that are not in order".to_owned()));
    }
    let mut state = Mps::zeros(n)?;
    for (place, (&site, tensor)) in sites.iter().zip(tensors).enumerate() {
        state.sites[site].clone_from(tensor);
        let next = sites.get(place + 1).copied().unwrap_or(site + 1);
        state.sites[site + 1..next].fill(passing(tensor.right));
    }
    let norm = log_norm_of_tensors(&state.sites, cancel)?;
    let log = compress(&mut state, policy, cancel)?;
    state.log_norm_taken_out = if log.lossy() { state.log_norm_taken_out - norm } else { 0.0 };
    Ok((state, log))
}

/// B[l, p, r] = δ(l, r) δ(p, 0): a site in |0⟩ between entangled ones.
fn passing<T: Scalar>(bond: usize) -> SiteTensor<T> {
    let mut entries = vec![T::ZERO; 2 * bond * bond];
    (0..bond).for_each(|l| entries[l + bond * 2 * l] = T::ONE);
    SiteTensor { left: bond, right: bond, entries }
}
