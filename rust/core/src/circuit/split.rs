//! Splits the matrix of a few wires into one tensor for each site, alone or with others of its kind.
//!
//! Matrices that are split together share all tensors but one:
//!
//! ```text
//!     │     │     │     │         C depends on which of the matrices it is; the bonds towards C span
//!     L ─── C ─── R ─── R         what all of them need
//!     │     │     │     │
//! ```

use super::C64;
use super::matrix::ZERO;
use crate::error::{Error, Result};
use crate::linalg::{Workspace, matrix, matrix_mut, right_singular_vectors, times};
use crate::operator::{Block, OperatorSite};

/// Singular values below this fraction of a unitary's norm are rounding errors of its entries.
const NOISE: f64 = 1e-15;

/// Matrices that were split together.
pub(super) struct Split {
    /// The tensors of the first matrix, from left to right.
    pub(super) tensors: Vec<OperatorSite>,
    /// What takes the place of the tensor in the centre for each of the other matrices.
    pub(super) others: Vec<OperatorSite>,
}

/// Splits `entries` (2^k × 2^k, row-major, wire 0 most significant) into tensors from left to right;
/// `wires` lists the wires in the order of their sites. Cost O(4^{3k/2}), by SVDs from the right.
pub(super) fn split(entries: &[C64], wires: &[usize]) -> Result<Vec<OperatorSite>> {
    Ok(split_together(&[entries], wires, 0)?.tensors)
}

/// Splits all of `stack` like [`split`], with shared tensors on all sites but the one at position
/// `centre` of `wires`: by SVDs from both ends towards it.
pub(super) fn split_together(
    stack: &[impl AsRef<[C64]>],
    wires: &[usize],
    centre: usize,
) -> Result<Split> {
    let (k, depth) = (wires.len(), stack.len());
    let mut workspace = Workspace::default();
    // T[(a s_0 … s_{k-1})], a the matrix and s = (p p'); the indices first named run fastest.
    let mut rest = Rest { entries: by_sites(stack, wires), columns: 1, sites: k };
    let mut tensors = Vec::with_capacity(k);
    for _ in centre + 1..k {
        let Peeled { kept, columns, vectors } = rest.peel(k, &mut workspace)?;
        let entry = |l: usize, s: usize, r: usize| vectors[l * 4 * columns + s + 4 * r].conj();
        tensors.push(tensor(kept, columns, entry));
    }
    let right = rest.columns;
    // T[(a s_0 … s_c), x] with the bond x to the right becomes T[(a x s_c … s_0)].
    let mut rest = rest.mirrored(depth);
    let mut left_tensors = Vec::with_capacity(centre);
    for _ in 0..centre {
        let Peeled { kept, columns, vectors } = rest.peel(k, &mut workspace)?;
        let entry = |l: usize, s: usize, r: usize| vectors[r * 4 * columns + s + 4 * l].conj();
        left_tensors.push(tensor(columns, kept, entry));
    }
    // T[(a x s_c), y] with the bond y to the left.
    let mut centres = (0..depth).map(|a| {
        let entry =
            |l: usize, s: usize, r: usize| rest.entries[a + depth * (r + right * (s + 4 * l))];
        tensor(rest.columns, right, entry)
    });
    tensors.extend(centres.next());
    tensors.extend(left_tensors.into_iter().rev());
    tensors.reverse();
    Ok(Split { tensors, others: centres.collect() })
}

/// `T[(a … s_{j-1} s_j), x]`: what is not split off yet.
struct Rest {
    entries: Vec<C64>,
    /// Dimension of x.
    columns: usize,
    /// How many indices s there are.
    sites: usize,
}

/// A tensor `V[kept, (s x)]`, conjugate and transposed.
struct Peeled {
    kept: usize,
    /// Dimension of x.
    columns: usize,
    vectors: Vec<C64>,
}

impl Rest {
    /// Splits off the last site of a matrix on `k` wires.
    fn peel(&mut self, k: usize, workspace: &mut Workspace) -> Result<Peeled> {
        let norm = ((1_u64 << k) as f64).sqrt();
        let (columns, cols) = (self.columns, 4 * self.columns);
        let rows = self.entries.len() / cols;
        // T[(a … s_{j-1}), (s_j x)] = U·S·V: V is the tensor, T·Vᴴ = U·S moves on.
        let theta = matrix(&self.entries, rows, cols);
        let factors = right_singular_vectors(theta, workspace).ok_or_else(|| {
            Error::Numerical(
                "no singular value decomposition of a gate's matrix passed its check".to_owned(),
            )
        })?;
        let kept = factors.singular_values.iter().take_while(|s| **s > NOISE * norm).count().max(1);
        let mut moved = vec![ZERO; rows * kept];
        let vectors = matrix(&factors.vectors, cols, kept);
        times(matrix_mut(&mut moved, rows, kept), theta, vectors);
        *self = Self { entries: moved, columns: kept, sites: self.sites - 1 };
        Ok(Peeled { kept, columns, vectors: factors.vectors })
    }

    /// `T[(a s_0 … s_j), x]` as `T[(a x s_j … s_0)]`.
    fn mirrored(&self, depth: usize) -> Self {
        let words = 1 << (2 * self.sites);
        let mut entries = vec![ZERO; self.entries.len()];
        for (at, entry) in self.entries.iter().enumerate() {
            let (a, word, x) = (at % depth, at / depth % words, at / depth / words);
            let mirrored =
                (0..self.sites).fold(0, |mirrored, site| 4 * mirrored + (word >> (2 * site) & 3));
            entries[a + depth * (x + self.columns * mirrored)] = *entry;
        }
        Self { entries, columns: 1, sites: self.sites }
    }
}

/// The entries of the matrices by the index pairs s = 2p + p' of the sites: the matrix runs fastest,
/// then the leftmost site.
fn by_sites(stack: &[impl AsRef<[C64]>], wires: &[usize]) -> Vec<C64> {
    let k = wires.len();
    let mut sorted = Vec::with_capacity(stack.len() << (2 * k));
    for at in 0..1_usize << (2 * k) {
        let (mut row, mut column) = (0, 0);
        for (site, wire) in wires.iter().enumerate() {
            row |= (at >> (2 * site + 1) & 1) << (k - 1 - wire);
            column |= (at >> (2 * site) & 1) << (k - 1 - wire);
        }
        sorted.extend(stack.iter().map(|entries| entries.as_ref()[(row << k) + column]));
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
