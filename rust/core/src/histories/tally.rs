//! What the histories report, averaged.

use super::followers::History;
use super::losses::{log_1p_exp, log_exp_m1};
use super::mixture::{Total, average, log_add};

/// What is reported of some histories: averages by weight.
#[derive(Debug)]
struct Mean {
    total: Total,
    discarded: Vec<f64>,
    /// Logarithm of Σ weight · (e^lost − 1), the weight lost in units of what is left.
    log_lost: f64,
    /// Logarithm of Σ weight · norm.
    log_kept: f64,
    /// Logarithm of Σ weight · norm · (1/fidelity − 1); of Σ weight · norm / fidelity.
    log_lost_norm: f64,
    log_whole: f64,
}

impl Mean {
    fn new(n_sites: usize) -> Self {
        let nothing = f64::NEG_INFINITY;
        Self {
            total: Total::NOTHING,
            discarded: vec![0.0; n_sites - 1],
            log_lost: nothing,
            log_kept: nothing,
            log_lost_norm: nothing,
            log_whole: nothing,
        }
    }

    /// Takes one more history in and returns its share.
    fn add<T>(&mut self, log_weight: f64, log_norm: f64, history: &History<T>) -> f64 {
        let losses = &history.losses;
        let share = self.total.add(log_weight);
        average(&mut self.discarded, &losses.on_bond, share);
        let log_fidelity = losses.log_fidelity(log_norm);
        let log_kept = log_weight + log_norm;
        self.log_lost = log_add(self.log_lost, log_weight + log_exp_m1(losses.total));
        self.log_kept = log_add(self.log_kept, log_kept);
        self.log_whole = log_add(self.log_whole, log_kept - log_fidelity);
        let lost = log_kept + log_exp_m1((-log_fidelity).max(0.0));
        self.log_lost_norm = log_add(self.log_lost_norm, lost);
        share
    }

    fn is_empty(&self) -> bool {
        self.total.log == f64::NEG_INFINITY
    }
}

/// What the histories report, averaged; what those lost that postselection ended counts against the
/// others, since all of it may have belonged to what was kept.
#[derive(Debug)]
pub(crate) struct Tally {
    pub count: usize,
    /// Largest bonds at the end.
    pub bonds: Vec<usize>,
    kept: Mean,
    cones: Vec<f64>,
    ended: Mean,
}

impl Tally {
    pub(crate) fn new(n_sites: usize, n_cones: usize) -> Self {
        Self {
            count: 0,
            bonds: vec![1; n_sites - 1],
            kept: Mean::new(n_sites),
            cones: vec![0.0; n_cones],
            ended: Mean::new(n_sites),
        }
    }

    /// Adds a history that came to the end of the circuit, with what it discarded in each cone.
    pub(crate) fn add<T>(
        &mut self,
        log_weight: f64,
        log_norm: f64,
        cones: &[f64],
        history: &History<T>,
    ) {
        let share = self.kept.add(log_weight, log_norm, history);
        average(&mut self.cones, cones, share);
    }

    /// Adds a history of which a postselection has left nothing.
    pub(crate) fn add_ended<T>(&mut self, log_weight: f64, log_norm: f64, history: &History<T>) {
        self.ended.add(log_weight, log_norm, history);
    }

    /// Counts a history, with its bonds.
    pub(crate) fn count(&mut self, bonds: &[usize]) {
        self.bonds.iter_mut().zip(bonds).for_each(|(most, bond)| *most = (*most).max(*bond));
        self.count += 1;
    }

    /// Logarithm of the norm of what is kept, as a share of that and of what is lost; that of an exact
    /// state where there was no history.
    pub(crate) fn log_norm(&self) -> f64 {
        let Self { kept, ended, .. } = self;
        match (kept.is_empty(), ended.is_empty()) {
            (true, true) => 0.0,
            (true, false) => ended.log_kept - ended.log_whole,
            (false, _) => kept.log_kept - log_add(kept.log_whole, ended.log_lost_norm),
        }
    }

    /// Weight discarded at each bond and in each cone, relative to what is kept.
    pub(crate) fn discarded(self) -> (Vec<f64>, Vec<f64>) {
        let Self { kept, ended, mut cones, .. } = self;
        if kept.is_empty() {
            // Only histories with nothing left: all that they lost lies in every cone.
            cones.fill(ended.discarded.iter().sum());
            return (ended.discarded, cones);
        }
        let more = ended.log_lost - kept.total.log;
        if more == f64::NEG_INFINITY {
            return (kept.discarded, cones);
        }
        let with_more = |lost: f64| log_1p_exp(log_add(log_exp_m1(lost), more));
        cones.iter_mut().for_each(|cone| *cone = with_more(*cone));
        let [own, others] = [&kept, &ended].map(|mean| mean.discarded.iter().sum::<f64>());
        let total = with_more(own);
        let of_others = (more - log_add(log_exp_m1(own), more)).exp();
        let part =
            |weight: f64, of: f64, share: f64| if of > 0.0 { weight / of * share } else { 0.0 };
        let bonds = kept.discarded.iter().zip(&ended.discarded).map(|(&mine, &theirs)| {
            total * (part(mine, own, 1.0 - of_others) + part(theirs, others, of_others))
        });
        (bonds.collect(), cones)
    }
}
