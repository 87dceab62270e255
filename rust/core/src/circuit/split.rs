//! Splits the matrix of a few wires into one tensor for each site.

use super::C64;
use super::matrix::ZERO;
use crate::error::{Error, Result};
use crate::linalg::{Workspace, matrix, matrix_mut, right_singular_vectors, times};
use crate::operator::{Block, OperatorSite};

/// Singular values below this fraction of a unitary's norm are rounding errors of its entries.
const NOISE: f64 = 1e-15;

/// Splits `entries` (2^k × 2^k, row-major, wire 0 most significant) into tensors from left to right;
/// `wires` lists the wires in the order of their sites. Cost O(4^{3k/2}), by SVDs from the right.
pub(super) fn split(entries: &[C64], wires: &[usize]) -> Result<Vec<OperatorSite>> {
    let k = wires.len();
    let norm = ((1_u64 << k) as f64).sqrt();
    let mut workspace = Workspace::default();
    // T[(s_0 … s_{j-1}), (s_j x)] for the sites not yet split off, s = (p p') and s_0 running
    // fastest, x the bond to the right.
    let mut rest = by_sites(entries, wires);
    let mut columns = 1;
    let mut sites = Vec::with_capacity(k);
    for site in (1..k).rev() {
        let (rows, cols) = (1 << (2 * site), 4 * columns);
        // T = U·S·V: V is the tensor, T·Vᴴ = U·S moves on.
        let theta = matrix(&rest, rows, cols);
        let factors = right_singular_vectors(theta, &mut workspace).ok_or_else(|| {
            Error::Numerical(
                "no singular value decomposition of a gate's matrix passed its check".to_owned(),
            )
        })?;
        let kept = factors.singular_values.iter().take_while(|s| **s > NOISE * norm).count().max(1);
        let mut moved = vec![ZERO; rows * kept];
        let vectors = matrix(&factors.vectors, cols, kept);
        times(matrix_mut(&mut moved, rows, kept), theta, vectors);
        let entry = |left: usize, s: usize, right: usize| {
            factors.vectors[left * cols + s + 4 * right].conj()
        };
        sites.push(tensor(kept, columns, entry));
        (rest, columns) = (moved, kept);
    }
    sites.push(tensor(1, columns, |_, s, right| rest[s + 4 * right]));
    sites.reverse();
    Ok(sites)
}

/// The entries by the index pairs s = 2p + p' of the sites, the leftmost running fastest.
fn by_sites(entries: &[C64], wires: &[usize]) -> Vec<C64> {
    let k = wires.len();
    let mut sorted = vec![ZERO; entries.len()];
    for (at, out) in sorted.iter_mut().enumerate() {
        let (mut row, mut column) = (0, 0);
        for (site, wire) in wires.iter().enumerate() {
            row |= (at >> (2 * site + 1) & 1) << (k - 1 - wire);
            column |= (at >> (2 * site) & 1) << (k - 1 - wire);
        }
        *out = entries[(row << k) + column];
    }
    sorted
}

fn tensor(left: usize, right: usize, entry: impl Fn(usize, usize, usize) -> C64) -> OperatorSite {
    let pairs = (0..left).flat_map(|l| (0..right).map(move |r| (l, r)));
    let blocks = pairs.map(|(l, r)| Block {
        left: l,
        right: r,
        matrix: std::array::from_fn(|s| entry(l, s, r)),
    });
    let blocks = blocks.filter(|block| block.matrix.iter().any(|x| *x != ZERO));
    OperatorSite { left, right, blocks: blocks.collect() }
}
