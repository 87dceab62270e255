//! Weight discarded inside the light cone of a value.
//!
//! With the local readout a truncation outside the cone of a value does not reach it, so a wide
//! circuit does not look worse by its width alone.

use std::ops::Range;

/// Support of each step and what it discarded.
#[derive(Debug)]
pub struct LightCones<'a> {
    /// Sites of each step, in the order of the run.
    pub supports: &'a [Range<usize>],
    /// Relative weight discarded at each step.
    pub discarded: &'a [f64],
    /// Number of sites.
    pub n_sites: usize,
}

impl LightCones<'_> {
    /// Sum of the discarded weights of the steps that can reach each of the `values`, given as
    /// lists of sites. One backward scan for all: O(steps · values / 64).
    #[must_use]
    pub fn discarded_weight<'v>(
        &self,
        values: impl ExactSizeIterator<Item = &'v [usize]>,
    ) -> Vec<f64> {
        let count = values.len();
        let mut weights = vec![0.0; count];
        if count == 0 || self.discarded.iter().all(|weight| *weight == 0.0) {
            return weights;
        }
        // reached[site]: a bit for each value whose cone holds the site.
        let words = count.div_ceil(64);
        let mut reached = vec![0_u64; self.n_sites * words];
        for (value, sites) in values.enumerate() {
            for site in sites {
                reached[site * words + value / 64] |= 1 << (value % 64);
            }
        }
        for (support, weight) in self.supports.iter().zip(self.discarded).rev() {
            for word in 0..words {
                let union =
                    support.clone().fold(0, |bits, site| bits | reached[site * words + word]);
                for site in support.clone() {
                    reached[site * words + word] = union;
                }
                let mut bits = if *weight > 0.0 { union } else { 0 };
                while bits != 0 {
                    weights[64 * word + bits.trailing_zeros() as usize] += weight;
                    bits &= bits - 1;
                }
            }
        }
        weights
    }
}
