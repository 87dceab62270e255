//! Probabilities of given bitstrings, as logarithms: at 1,000 sites a typical one is 1e-301.

use rayon::prelude::*;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::mps::prefix::{BATCH, Grown, Members, NONE};
use crate::mps::{Mps, Parallelism};
use crate::scalar::Scalar;

/// Natural logarithm of the probability of each string of `bits` (strings × sites, 0 or 1), minus
/// infinity for probability zero. The state must be canonical (see [`crate::mps::canonicalise`]);
/// the probabilities of all strings then sum to 1. Cost O(distinct prefixes · χ²) for each site.
///
/// # Errors
/// [`Error::InvalidInput`] if `bits` are not whole strings; [`Error::Interrupted`] soon after
/// `cancel` is set.
pub fn log_probabilities<T: Scalar>(
    state: &Mps<T>,
    bits: &[u8],
    parallelism: Parallelism,
    cancel: &Cancel,
) -> Result<Vec<f64>> {
    let n = state.n_sites();
    if !bits.len().is_multiple_of(n) || bits.iter().any(|bit| *bit > 1) {
        return Err(Error::invalid(format!("expected strings of {n} bits, 0 or 1")));
    }
    // In order, so that strings with common prefixes meet in one batch.
    let mut strings: Vec<(&[u8], usize)> = bits.chunks_exact(n).zip(0..).collect();
    strings.sort_unstable();
    let batch = |strings: &[(&[u8], usize)]| read_batch(state, strings, cancel);
    let found: Vec<Vec<f64>> = match parallelism {
        Parallelism::Pool => strings.par_chunks(BATCH).map(batch).collect::<Result<_>>()?,
        Parallelism::Sequential => strings.chunks(BATCH).map(batch).collect::<Result<_>>()?,
    };
    let mut values = vec![0.0; strings.len()];
    for ((_, place), value) in strings.iter().zip(found.into_iter().flatten()) {
        values[*place] = value;
    }
    Ok(values)
}

fn read_batch<T: Scalar>(
    state: &Mps<T>,
    strings: &[(&[u8], usize)],
    cancel: &Cancel,
) -> Result<Vec<f64>> {
    let mut logs = vec![0.0; strings.len()];
    let mut vectors = vec![T::ONE];
    let mut prefix_of = vec![0; strings.len()];
    let (mut next, mut next_of) = (Vec::new(), prefix_of.clone());
    let mut possible: Vec<usize> = (0..strings.len()).collect();
    let (mut members, mut grown) = (Members::new(), Grown::new());
    let mut children = Vec::new();
    for (at, site) in state.sites.iter().enumerate() {
        cancel.check()?;
        let count = vectors.len() / site.left;
        let mut born = 0;
        next.clear();
        for bit in 0..2 {
            let with_bit = || {
                let among = possible.iter().copied();
                among.filter(|&string| usize::from(strings[string].0[at]) == bit)
            };
            members.clear(count);
            with_bit().for_each(|string| members.add(prefix_of[string]));
            grown.clear(site.right);
            grown.grow(&vectors, &members.prefixes, site, bit);
            children.clear();
            children.resize(members.prefixes.len(), NONE);
            for string in with_bit() {
                let slot = members.slot(prefix_of[string]);
                logs[string] += grown.weights[slot].ln();
                if children[slot] == NONE && grown.weights[slot] > 0.0 {
                    grown.push_normalised(slot, &mut next);
                    children[slot] = born;
                    born += 1;
                }
                next_of[string] = children[slot];
            }
        }
        std::mem::swap(&mut vectors, &mut next);
        std::mem::swap(&mut prefix_of, &mut next_of);
        possible.retain(|&string| prefix_of[string] != NONE);
        if possible.is_empty() {
            break;
        }
    }
    Ok(logs)
}
