//! Averages over histories of mid-circuit outcomes.
//!
//! A history's weight comes as its logarithm: after a thousand postselections of probability 1/2 the
//! weight itself is no number any more. Averages run along, x̄ ← x̄ + (x − x̄)·w/Σw, so that only the
//! logarithm of Σw is ever needed.

use std::ops::{AddAssign, Mul, Sub};

use crate::scalar::C64;
use crate::values::FewWire;

/// ln(e^a + e^b)
pub(crate) fn log_add(a: f64, b: f64) -> f64 {
    let (most, least) = (a.max(b), a.min(b));
    if least == f64::NEG_INFINITY { most } else { most + (least - most).exp().ln_1p() }
}

/// The sum of weights so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Total {
    pub log: f64,
}

impl Total {
    pub const NOTHING: Self = Self { log: f64::NEG_INFINITY };

    /// Takes one more weight in and returns its share of the sum.
    pub fn add(&mut self, log_weight: f64) -> f64 {
        self.log = log_add(self.log, log_weight);
        (log_weight - self.log).exp()
    }
}

/// Moves each mean towards its new value.
pub(super) fn average<X>(means: &mut [X], values: &[X], share: f64)
where
    X: Copy + AddAssign + Sub<Output = X> + Mul<f64, Output = X>,
{
    means.iter_mut().zip(values).for_each(|(mean, &value)| *mean += (value - *mean) * share);
}

/// Values of the mixture of all histories.
#[derive(Debug)]
pub(crate) struct Mixture {
    total: Total,
    few: FewWire,
    /// Mean of each sum whose variance is asked.
    means: Vec<f64>,
    /// Outcomes and logarithm of the weight of each history.
    histories: Vec<(Vec<bool>, f64)>,
}

impl Mixture {
    pub(crate) fn new() -> Self {
        let few = FewWire::default();
        Self { total: Total::NOTHING, few, means: Vec::new(), histories: Vec::new() }
    }

    /// Histories so far.
    pub(crate) fn len(&self) -> usize {
        self.histories.len()
    }

    /// Logarithm of the sum of all weights.
    pub(crate) fn log_total(&self) -> f64 {
        self.total.log
    }

    /// Adds one history: the values of its state, and the means of the sums.
    pub(crate) fn add(
        &mut self,
        log_weight: f64,
        outcomes: Vec<bool>,
        few: FewWire,
        means: Vec<f64>,
    ) {
        let share = self.total.add(log_weight);
        if self.histories.is_empty() {
            (self.few, self.means) = (few, means);
        } else {
            average(&mut self.few.words, &few.words, share);
            for (mean, values) in self.few.probabilities.iter_mut().zip(&few.probabilities) {
                average(mean, values, share);
            }
            for (mean, values) in self.few.densities.iter_mut().zip(&few.densities) {
                average::<C64>(mean, values, share);
            }
            // The variance of a mixture is the mean variance and the variance of the means; as a
            // running one it loses no digits (West 1979).
            let variances = self.few.variances.iter_mut().zip(&few.variances);
            for ((variance, added), (mean, value)) in
                variances.zip(self.means.iter_mut().zip(&means))
            {
                let distance = value - *mean;
                *variance += (added + (1.0 - share) * distance * distance - *variance) * share;
                *mean += distance * share;
            }
        }
        self.histories.push((outcomes, log_weight));
    }

    /// The values, and the joint distribution of each list of measurements, the first most
    /// significant.
    pub(crate) fn finish(self, lists: &[Vec<usize>]) -> (FewWire, Vec<Vec<f64>>) {
        let distribution = |list: &Vec<usize>| {
            let mut found = vec![0.0; 1 << list.len()];
            for (outcomes, log_weight) in &self.histories {
                let at = list.iter().fold(0, |at, &m| 2 * at + usize::from(outcomes[m]));
                found[at] += (log_weight - self.total.log).exp();
            }
            found
        };
        let outcomes = lists.iter().map(distribution).collect();
        (self.few, outcomes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Mixture, log_add};
    use crate::values::FewWire;

    #[test]
    fn sums_of_exponentials() {
        assert!((log_add(0.5_f64.ln(), 0.25_f64.ln()) - 0.75_f64.ln()).abs() < 1e-15);
        let nothing = f64::NEG_INFINITY;
        assert_eq!(log_add(nothing, -3.0).to_bits(), (-3.0_f64).to_bits());
        assert_eq!(log_add(nothing, nothing).to_bits(), nothing.to_bits());
        assert!((log_add(-5000.0, -5000.0) - (2.0_f64.ln() - 5000.0)).abs() < 1e-12);
    }

    /// Weights 1/6, 1/3, 1/2, all of them far below the smallest number; one variance of values
    /// that differ by little.
    #[test]
    fn averages_of_tiny_weights_and_variances_of_close_means() {
        let mut mixture = Mixture::new();
        for (step, weight) in [1.0_f64, 2.0, 3.0].into_iter().enumerate() {
            let mean = 1e6 + step as f64 * 1e-3;
            let few = FewWire {
                words: vec![step as f64],
                variances: vec![1e-6 * weight],
                probabilities: vec![vec![1.0 - mean / 2e6, mean / 2e6]],
                densities: Vec::new(),
            };
            mixture.add(weight.ln() - 3000.0, vec![step == 2], few, vec![mean]);
        }
        let (few, outcomes) = mixture.finish(&[vec![0], vec![]]);
        // Logarithms near -3000 are right to 5e-13.
        assert!((few.words[0] - 4.0 / 3.0).abs() < 1e-12);
        // Mean variance 7/3 e-6; means 0, 1e-3, 2e-3: second moment 7/3 e-6, mean 4/3 e-3.
        let expected = 1e-6 * (7.0 / 3.0 + 7.0 / 3.0 - 16.0 / 9.0);
        assert!((few.variances[0] / expected - 1.0).abs() < 1e-6, "{}", few.variances[0]);
        assert!((few.probabilities[0].iter().sum::<f64>() - 1.0).abs() < 1e-15);
        assert!((outcomes[0][0] - 0.5).abs() < 1e-12 && (outcomes[0][1] - 0.5).abs() < 1e-12);
        assert!((outcomes[1][0] - 1.0).abs() < 1e-12);
    }
}
