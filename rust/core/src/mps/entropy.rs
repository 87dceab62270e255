//! Entanglement of a cut, from its Schmidt values.

use crate::mps::Mps;
use crate::scalar::Scalar;

/// Squared Schmidt values at the bond left of `site`; they sum to 1.
#[must_use]
pub fn schmidt_weights<T: Scalar>(state: &Mps<T>, site: usize) -> Vec<f64> {
    state.schmidt_values(site).iter().map(|s| s * s).collect()
}

/// -Σ w ln w, in nats.
#[must_use]
pub fn von_neumann_entropy(weights: &[f64]) -> f64 {
    -weights.iter().filter(|w| **w > 0.0).map(|w| w * w.ln()).sum::<f64>()
}

/// -ln Σ w², in nats: minus the logarithm of the purity.
#[must_use]
pub fn renyi_two_entropy(weights: &[f64]) -> f64 {
    -weights.iter().map(|w| w * w).sum::<f64>().ln()
}
