//! What truncation took from a history, and what that means for values given postselected outcomes.
//!
//! All that was discarded before a postselection may have belonged to the outcome that it keeps, while
//! only the share P of the state is left. With F the fidelity before, in the measure in which the
//! whole state is 1:
//!
//! ```text
//! kept K = F·P, lost L = 1 − F      F' = K / (K + L) = 1 / (1 + (1/F − 1) / P)
//! ```
//!
//! which is 1 − (1 − F)/P while little is lost, and never below 0. A cone's weight w, which stands for
//! the fidelity exp(−w), follows the same rule.

/// Below this the weights that were discarded add up to what the norm lost.
const SMALL: f64 = 1e-3;

/// Logarithm of e^x − 1, for x ≥ 0.
pub(super) fn log_exp_m1(x: f64) -> f64 {
    if x > 40.0 { x } else { x.exp_m1().ln() }
}

/// ln(1 + e^x)
pub(super) fn log_1p_exp(x: f64) -> f64 {
    if x > 40.0 { x } else { x.exp().ln_1p() }
}

/// What a weight `lost` comes to where it may all lie in a share of the state, given as a logarithm.
pub(super) fn of_share(lost: f64, log_share: f64) -> f64 {
    if lost > 0.0 { log_1p_exp(log_exp_m1(lost) - log_share) } else { lost }
}

/// Weight discarded on the way of a history.
#[derive(Debug, Clone)]
pub(crate) struct Losses {
    /// At each bond, relative to what the postselections so far have kept.
    pub on_bond: Vec<f64>,
    /// The sum.
    pub total: f64,
    /// The part since the last postselection.
    since: f64,
    /// Logarithms of norm and fidelity at the last postselection.
    log_norm: f64,
    log_fidelity: f64,
}

impl Losses {
    pub fn new(on_bond: Vec<f64>) -> Self {
        let total = on_bond.iter().sum();
        Self { on_bond, total, since: total, log_norm: 0.0, log_fidelity: 0.0 }
    }

    /// Counts what a segment discarded at each bond.
    pub fn add(&mut self, on_bond: &[f64]) {
        let added: f64 = on_bond.iter().sum();
        if added > 0.0 {
            self.on_bond.iter_mut().zip(on_bond).for_each(|(bond, weight)| *bond += weight);
            self.total += added;
            self.since += added;
        }
    }

    /// Whether anything was lost.
    pub fn any(&self) -> bool {
        self.total > 0.0
    }

    /// Counts a postselection that keeps a share of the state of the given norm.
    pub fn postselect(&mut self, log_share: f64, log_norm: f64) {
        // Rounding moves a norm, too (in single precision by 5e-8 a step), and is no loss: it is of
        // every outcome alike. Small losses are read from the weights, which are right then.
        let by_weight = if self.since < 1.0 { (-self.since).ln_1p() } else { f64::NEG_INFINITY };
        let by_norm = (log_norm - self.log_norm).max(by_weight);
        let before = self.log_fidelity + if self.since < SMALL { by_weight } else { by_norm };
        self.log_fidelity = -of_share(-before, log_share);
        let total = of_share(self.total, log_share);
        let factor = total / self.total;
        self.on_bond.iter_mut().for_each(|bond| *bond *= factor);
        (self.total, self.since, self.log_norm) = (total, 0.0, log_norm);
    }

    /// Logarithm of the fidelity at the end, or wherever the norm is the given one.
    pub fn log_fidelity(&self, log_norm: f64) -> f64 {
        self.log_fidelity + (log_norm - self.log_norm)
    }
}

#[cfg(test)]
mod tests {
    use super::{Losses, of_share};

    fn is(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-11 * expected.abs(), "{found} {expected}");
    }

    #[test]
    fn a_loss_counts_against_what_is_kept() {
        is(of_share(1e-9, 1e-3_f64.ln()), 1e-6_f64.ln_1p() + 5e-16);
        is(of_share(0.3, 0.0), 0.3);
        is(of_share(0.0, -5.0), 0.0);
        // Certainly lost, and still a number.
        is(of_share(1e-3, -3000.0), 3000.0 + 1e-3_f64.exp_m1().ln());
        is(of_share(800.0, -100.0), 900.0);
    }

    #[test]
    fn fidelity_is_what_is_kept_of_kept_and_lost() {
        let mut losses = Losses::new(vec![0.0, 0.0]);
        losses.add(&[0.03, 0.01]);
        losses.postselect(0.1_f64.ln(), 0.96_f64.ln());
        // 0.096 is kept, 0.04 is lost.
        is(losses.log_fidelity(0.96_f64.ln()).exp(), 0.096 / 0.136);
        is(losses.log_fidelity(0.48_f64.ln()).exp(), 0.048 / 0.136);
        is(losses.on_bond[0], 3.0 * losses.on_bond[1]);
        is(losses.on_bond.iter().sum(), losses.total);
        is((-losses.total).exp(), 1.0 / (1.0 + 0.04_f64.exp_m1() / 0.1));
        // In two steps as in one.
        let mut twice = Losses::new(vec![0.0, 0.0]);
        twice.add(&[0.03, 0.01]);
        twice.postselect(0.4_f64.ln(), 0.96_f64.ln());
        twice.postselect(0.25_f64.ln(), 0.96_f64.ln());
        is(twice.log_fidelity(0.96_f64.ln()), losses.log_fidelity(0.96_f64.ln()));
        is(twice.total, losses.total);
    }

    #[test]
    fn a_drifting_norm_is_no_loss() {
        let mut losses = Losses::new(vec![1e-12]);
        losses.postselect(1e-6_f64.ln(), -5e-6);
        is(losses.log_fidelity(-5e-6), -1e-6_f64.ln_1p());
        let mut losses = Losses::new(vec![1e-12]);
        losses.postselect(1e-6_f64.ln(), 5e-6);
        is(losses.log_fidelity(5e-6), -1e-6_f64.ln_1p());
    }
}
