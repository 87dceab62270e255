//! The dense vector of all 2^n amplitudes. The caller checks its size first.

use crate::cancel::Cancel;
use crate::error::Result;
use crate::linalg::{matrix, matrix_mut, times};
use crate::mps::Mps;
use crate::scalar::{C64, Scalar};

/// Amplitudes between two looks at the flag that stops a run.
const CHECKED_EVERY: usize = 1 << 20;

/// All amplitudes, normalised; bit order: `wire_of_site[i]` says which wire site i holds, and wire
/// 0 is the most significant bit. Cost and memory O(2^n χ).
///
/// # Errors
/// [`Error::Interrupted`](crate::Error::Interrupted) soon after `cancel` is set.
pub fn dense_amplitudes<T: Scalar>(
    state: &Mps<T>,
    wire_of_site: &[usize],
    cancel: &Cancel,
) -> Result<Vec<C64>> {
    // v[x, r]: bits of the sites so far (site 0 most significant) and the open bond.
    let mut vector = vec![T::ONE];
    let mut rows = 1;
    for site in &state.sites {
        cancel.check()?;
        let (l, r) = (site.left, site.right);
        // v'[(x p), r] = Σ_l v[x, l] · B[l, p, r]
        let mut product = vec![T::ZERO; rows * 2 * r];
        times(
            matrix_mut(&mut product, rows, 2 * r),
            matrix(&vector, rows, l),
            matrix(&site.entries, l, 2 * r),
        );
        vector = vec![T::ZERO; rows * 2 * r];
        for (column, block) in product.chunks_exact(rows).enumerate() {
            cancel.check()?;
            let (bit, bond) = (column % 2, column / 2);
            for (x, value) in block.iter().enumerate() {
                vector[2 * x + bit + 2 * rows * bond] = *value;
            }
        }
        rows *= 2;
    }
    // In two levels: one running sum of 2^24 squares is off by 5e-11.
    let norms = vector.chunks(1 << 12).map(|part| part.iter().map(|x| x.norm_sqr()).sum::<f64>());
    let norm = norms.sum::<f64>().sqrt();
    let n = state.n_sites();
    let mut amplitudes = vec![C64::ZERO; rows];
    let in_order = wire_of_site.iter().enumerate().all(|(site, &wire)| site == wire);
    for (index, value) in vector.iter().enumerate() {
        if index % CHECKED_EVERY == 0 {
            cancel.check()?;
        }
        let target = if in_order {
            index
        } else {
            (0..n).fold(0, |bits, site| {
                bits | (index >> (n - 1 - site) & 1) << (n - 1 - wire_of_site[site])
            })
        };
        amplitudes[target] = value.to_c64() / norm;
    }
    Ok(amplitudes)
}
