//! Left vectors of prefixes of outcomes, all in one batch.
//!
//! ```text
//!   <x_0| <x_1|  <x|
//!     |     |     |           W[r, x] = Σ_l B[l, bit, r] · V[l, x]
//!    B_0 ─ B_1 ─  B ─ r       V: the normalised vectors of the prefixes so far, one column each
//! ```
//!
//! In a right-canonical state the squared norm of W is the probability of `bit` after the prefix.

use crate::linalg::{matrix, matrix_mut, times};
use crate::mps::SiteTensor;
use crate::scalar::Scalar;

/// Shots or strings of one batch: the products are wide enough, and a batch is small enough to give
/// every thread some. Never depends on the number of threads. (10,000 shots of 1,000 sites with bond
/// 32 on one busy core: 5.5 s in batches of 256, 5.0 s of 1,024, 16.6 s of 4,096.)
pub(crate) const BATCH: usize = 1024;
/// An outcome less likely than this multiple of [`Scalar::NOISE_FLOOR`] squared is impossible: products
/// over a bond leave a few times the floor.
const NOISE: f64 = 16.0;
/// Stands for "no prefix yet" in tables of prefixes.
pub(crate) const NONE: usize = usize::MAX;

/// The vectors of some prefixes, grown by one outcome each; not normalised.
pub(crate) struct Grown<T> {
    vectors: Vec<T>,
    dim: usize,
    /// Squared norm of each vector; 0 where it is rounding noise, which has no direction.
    pub weights: Vec<f64>,
    gathered: Vec<T>,
}

impl<T: Scalar> Grown<T> {
    pub(crate) fn new() -> Self {
        Self { vectors: Vec::new(), dim: 0, weights: Vec::new(), gathered: Vec::new() }
    }

    /// Forgets all vectors; the next ones have `dim` entries.
    pub(crate) fn clear(&mut self, dim: usize) {
        self.dim = dim;
        self.vectors.clear();
        self.weights.clear();
    }

    /// Grows the columns `members` of `prefixes` by the outcome `bit` of `site`; they follow those
    /// that are there.
    pub(crate) fn grow(
        &mut self,
        prefixes: &[T],
        members: &[usize],
        site: &SiteTensor<T>,
        bit: usize,
    ) {
        if members.is_empty() {
            return;
        }
        let (l, r) = (site.left, site.right);
        self.gathered.clear();
        for &member in members {
            self.gathered.extend_from_slice(&prefixes[member * l..(member + 1) * l]);
        }
        let before = self.vectors.len();
        self.vectors.resize(before + r * members.len(), T::ZERO);
        let grown = &mut self.vectors[before..];
        // W[r, x] = Σ_l B[l, bit, r] · V[l, x]
        times(
            matrix_mut(grown, r, members.len()),
            matrix(&site.entries, 2 * l, r).subrows(bit * l, l).transpose(),
            matrix(&self.gathered, l, members.len()),
        );
        let noise = NOISE * T::NOISE_FLOOR * T::NOISE_FLOOR;
        let norm = |vector: &[T]| {
            let weight = squared_norm(vector);
            if weight <= noise { 0.0 } else { weight }
        };
        self.weights.extend(grown.chunks_exact(r).map(norm));
    }

    /// Appends vector `slot`, normalised, to `prefixes`.
    pub(crate) fn push_normalised(&self, slot: usize, prefixes: &mut Vec<T>) {
        let factor = 1.0 / self.weights[slot].sqrt();
        let vector = &self.vectors[slot * self.dim..(slot + 1) * self.dim];
        // In double precision: the factor itself may be too large for single.
        prefixes.extend(vector.iter().map(|x| T::from_c64(x.to_c64() * factor)));
    }
}

/// Sums in eight places at once: one sum after the other would wait for every addition.
fn squared_norm<T: Scalar>(vector: &[T]) -> f64 {
    let (blocks, rest) = vector.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for block in blocks {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum += x.norm_sqr();
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|x| x.norm_sqr()).sum::<f64>()
}

/// The distinct ones among the prefixes of some shots, in the order of first sight.
pub(crate) struct Members {
    /// Indices of the distinct prefixes.
    pub prefixes: Vec<usize>,
    /// The place in that list of each prefix, or [`NONE`].
    slots: Vec<usize>,
}

impl Members {
    pub(crate) fn new() -> Self {
        Self { prefixes: Vec::new(), slots: Vec::new() }
    }

    /// Forgets all; the next ones are below `count`.
    pub(crate) fn clear(&mut self, count: usize) {
        self.prefixes.clear();
        self.slots.clear();
        self.slots.resize(count, NONE);
    }

    pub(crate) fn add(&mut self, prefix: usize) {
        if self.slots[prefix] == NONE {
            self.slots[prefix] = self.prefixes.len();
            self.prefixes.push(prefix);
        }
    }

    /// The place of `prefix` in the list.
    pub(crate) fn slot(&self, prefix: usize) -> usize {
        self.slots[prefix]
    }
}
