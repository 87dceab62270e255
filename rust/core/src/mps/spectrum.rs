//! Entanglement spectra: eigenvalues of the reduced density matrix of some sites.
//!
//! A block of neighbouring sites needs no 2^k matrix. Its density matrix has the eigenvalues of the
//! Gram matrix of the vectors φ that its bonds a, b select, whatever its length:
//!
//! ```text
//!       s_a ─ B_first ─ … ─ B_last ─ b        G[(a' b'), (a b)] = s_a' s_a ⟨φ_a'b'|φ_ab⟩
//!                |            |
//! ```

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{Workspace, leading_eigenpairs};
use crate::mps::environment::{Readout, checked_norm, transfer};
use crate::mps::{Mps, SiteTensor, reduced_density_matrix, schmidt_weights};
use crate::scalar::{C64, Scalar};

/// Most sites whose spectrum is read from their own density matrix.
pub const MAX_SPECTRUM_SITES: usize = 10;
/// Largest Gram matrix of a block of neighbouring sites: that of [`MAX_SPECTRUM_SITES`].
const MAX_GRAM: usize = 1 << MAX_SPECTRUM_SITES;

/// The sites to read the spectrum of `sites` from: these or their complement, sorted. Both have the
/// same spectrum in a pure state, and the smaller is cheaper.
///
/// # Errors
/// [`Error::Unsupported`] if both are many sites and neither is a block of neighbours.
pub fn spectrum_side(sites: &[usize], n_sites: usize) -> Result<Vec<usize>> {
    let mut side = sites.to_vec();
    side.sort_unstable();
    let mut other: Vec<usize> =
        (0..n_sites).filter(|site| side.binary_search(site).is_err()).collect();
    if 2 * side.len() > n_sites {
        std::mem::swap(&mut side, &mut other);
    }
    if side.len() <= MAX_SPECTRUM_SITES || is_block(&side) {
        Ok(side)
    } else if is_block(&other) {
        Ok(other)
    } else {
        Err(too_many(sites.len(), "they are no block of neighbours on the chain"))
    }
}

fn is_block(sorted: &[usize]) -> bool {
    sorted.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

fn too_many(count: usize, why: &str) -> Error {
    Error::Unsupported(format!(
        "expected at most {MAX_SPECTRUM_SITES} wires for an entanglement spectrum or entropy, or a \
         block at an end of the chain, got {count} wires ({why}); ask for fewer wires, or set \
         ordering=\"given\" and number the wires of the block first or last"
    ))
}

/// Eigenvalues of ρ of the given sites (sorted), descending; they sum to 1, zeros may be left out.
/// Read with the local readout; blocks at an end of more than [`MAX_SPECTRUM_SITES`] sites from the
/// Schmidt values, for which the state must be canonical. Cost O(8^k + 4^k χ³) for k sites, for a
/// block of neighbours with bonds a and b O(min(a, b)² χ³) for each site and O((a·b)³) if less.
///
/// # Errors
/// [`Error::Unsupported`] if there are too many sites, [`Error::Numerical`] if the state is zero or
/// the eigenproblem failed, [`Error::Interrupted`] soon after `cancel` is set.
pub fn entanglement_spectrum<T: Scalar>(
    state: &Mps<T>,
    sites: &[usize],
    cancel: &Cancel,
) -> Result<Vec<f64>> {
    let (k, n) = (sites.len(), state.n_sites());
    let (Some(&first), Some(&last)) = (sites.first(), sites.last()) else { return Ok(vec![1.0]) };
    if k == n {
        return Ok(vec![1.0]);
    }
    let few = k <= MAX_SPECTRUM_SITES;
    if is_block(sites) {
        if !few && (first == 0 || last + 1 == n) {
            return Ok(schmidt_weights(state, if first == 0 { last + 1 } else { first }));
        }
        let gram = state.sites[first].left.saturating_mul(state.sites[last].right);
        if gram <= if few { 1 << k } else { MAX_GRAM } {
            return eigenvalues(block_gram(state, first, last, cancel)?, gram);
        }
        if !few {
            let why = format!("a block with bonds {gram} = left · right, at most {MAX_GRAM}");
            return Err(too_many(k, &why));
        }
    }
    if few {
        return spectrum_of_density(reduced_density_matrix(state, sites, Readout::Local, cancel)?);
    }
    Err(too_many(k, "they are no block of neighbours on the chain"))
}

/// The lower triangle of G, column-major.
fn block_gram<T: Scalar>(
    state: &Mps<T>,
    first: usize,
    last: usize,
    cancel: &Cancel,
) -> Result<Vec<C64>> {
    let mut block: Vec<SiteTensor<T>> = state.sites[first..=last].to_vec();
    let (left, right) = (block[0].left, block[block.len() - 1].right);
    let weights = &state.schmidt[first];
    // One pass through the block for each pair of the bond that stays open: take the smaller.
    let mirror = right < left;
    if mirror {
        block.reverse();
        block = block.iter().map(mirrored).collect();
    }
    let (open, far) = if mirror { (right, left) } else { (left, right) };
    let rows: Vec<SiteTensor<T>> = (0..open).map(|a| row(&block[0], a)).collect();
    let weight = |open: usize, far: usize| weights[if mirror { far } else { open }];
    let dim = open * far;
    let mut gram = vec![C64::ZERO; dim * dim];
    let mut product = Vec::new();
    for ket in 0..open {
        for bra in ket..open {
            cancel.check()?;
            // E[c d] of one row of the open bond in each layer
            let mut environment = transfer(&[T::ONE], &rows[bra], &rows[ket], &mut product);
            for site in &block[1..] {
                environment = transfer(&environment, site, site, &mut product);
            }
            for (d, column) in environment.chunks_exact(far).enumerate() {
                for (c, value) in column.iter().enumerate() {
                    let weights = weight(bra, c) * weight(ket, d);
                    gram[(bra * far + c) + (ket * far + d) * dim] = value.to_c64() * weights;
                }
            }
        }
    }
    Ok(gram)
}

/// `B'[a p r] = B[row p r]`, a = 0 alone
fn row<T: Scalar>(site: &SiteTensor<T>, row: usize) -> SiteTensor<T> {
    let entries = site.entries.iter().skip(row).step_by(site.left).copied().collect();
    SiteTensor { left: 1, right: site.right, entries }
}

/// `B'[r p l] = B[l p r]`
fn mirrored<T: Scalar>(site: &SiteTensor<T>) -> SiteTensor<T> {
    let (left, right) = (site.left, site.right);
    let mut entries = Vec::with_capacity(site.entries.len());
    for l in 0..left {
        for p in 0..2 {
            entries.extend((0..right).map(|r| site.entries[l + left * (p + 2 * r)]));
        }
    }
    SiteTensor { left: right, right: left, entries }
}

/// Eigenvalues of a density matrix, descending; they sum to 1.
///
/// # Errors
/// [`Error::Numerical`] if the eigenproblem failed.
pub(crate) fn spectrum_of_density(rho: Vec<C64>) -> Result<Vec<f64>> {
    // Row-major and Hermitian: read as column-major it is the transpose, of equal eigenvalues.
    let dim = rho.len().isqrt();
    eigenvalues(rho, dim)
}

/// Eigenvalues of a positive matrix (its lower triangle), descending, divided by their sum.
fn eigenvalues(mut matrix: Vec<C64>, dim: usize) -> Result<Vec<f64>> {
    // In single precision a diagonal is real to rounding only, and the solver takes it as it is.
    matrix.iter_mut().step_by(dim + 1).for_each(|x| x.im = 0.0);
    let trace = checked_norm((0..dim).map(|i| matrix[i * dim + i].re).sum())?;
    let (values, _) = leading_eigenpairs(&mut matrix, dim, dim, &mut Workspace::default())
        .ok_or_else(|| {
            Error::Numerical(format!(
                "the eigenvalues of a {dim}×{dim} density matrix did not converge; ask for fewer \
                 wires"
            ))
        })?;
    // Below zero by rounding only; and what is left of the sum is divided out.
    let mut values: Vec<f64> = values.into_iter().map(|value| (value / trace).max(0.0)).collect();
    let sum: f64 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= sum);
    Ok(values)
}
