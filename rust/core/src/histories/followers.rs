//! Who follows a history of mid-circuit outcomes: the average over all histories, and shots.
//!
//! A shot is followed as one or more *attempts*. Where postselection drops shots there is one; where
//! it fills them up, the first attempt that nothing drops is the shot, so that shots are of the
//! distribution *given* all postselected outcomes, those of earlier measurements included.

use super::losses::Losses;
use super::mixture::log_add;
use crate::circuit::Measure;
use crate::mps::{Loose, Mps};
use crate::rng::{FIRST_MEASUREMENT_DRAW, ShotKey};
use crate::scalar::C64;

/// An average follows no outcome less likely than this: the sum of all that is left out stays below
/// what values are good for.
const LEAST_PROBABILITY: f64 = 1e-14;

/// Who takes part in a history.
#[derive(Debug, Clone)]
pub(crate) struct Followers {
    /// Logarithm of its probability, for the average.
    pub log_weight: Option<f64>,
    /// The attempts of each sampling.
    pub attempts: Vec<Vec<u64>>,
}

impl Followers {
    pub fn n_attempts(&self) -> usize {
        self.attempts.iter().map(Vec::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.log_weight.is_none() && self.n_attempts() == 0
    }
}

/// A history so far.
pub(crate) struct History<T> {
    pub state: Mps<T>,
    /// Entries of its tensors.
    pub entries: usize,
    /// Sites out of canonical form.
    pub loose: Loose,
    /// Factor of the state.
    pub phase: C64,
    pub outcomes: Vec<bool>,
    pub followers: Followers,
    pub losses: Losses,
}

/// A postselected outcome that rounding noise cannot be told from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Impossible {
    pub measurement: usize,
    pub outcome: bool,
}

/// What became of followers that do not go on.
#[derive(Debug)]
pub(crate) struct Lost {
    /// Logarithm of the probability that the average did not follow.
    pub log_weight: f64,
    /// Whether postselection dropped an attempt that might have been kept.
    pub by_chance: bool,
    /// A postselected outcome of probability zero.
    pub impossible: Option<Impossible>,
}

impl Lost {
    pub fn nothing() -> Self {
        Self { log_weight: f64::NEG_INFINITY, by_chance: false, impossible: None }
    }

    /// Counts a history that the average does not follow.
    pub fn add(&mut self, log_weight: f64) {
        self.log_weight = log_add(self.log_weight, log_weight);
    }
}

/// A measurement that parts followers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parting {
    pub measurement: usize,
    pub measure: Measure,
    /// Whether this is the only history that comes so far: all measurements before were postselected.
    pub only_history: bool,
    /// Of the outcomes 0 and 1.
    pub probabilities: [f64; 2],
    /// Of the outcomes 0 and 1 given that all postselections to come are kept, where that is known:
    /// with them no attempt is in vain.
    pub given_kept: Option<[f64; 2]>,
}

impl Parting {
    /// The followers of either outcome. `keys` are those of the samplings.
    pub fn part(&self, followers: &Followers, keys: &[ShotKey], lost: &mut Lost) -> [Followers; 2] {
        if let Some(outcome) = self.measure.postselect
            && self.probability(outcome) == 0.0
        {
            lost.impossible = Some(Impossible { measurement: self.measurement, outcome });
        }
        let mut parted = [false, true].map(|outcome| Followers {
            log_weight: followers.log_weight.and_then(|w| self.averaged(outcome, w, lost)),
            attempts: vec![Vec::new(); keys.len()],
        });
        for (at, (attempts, key)) in followers.attempts.iter().zip(keys).enumerate() {
            for &attempt in attempts {
                match self.outcome(attempt, key) {
                    Some(outcome) => parted[usize::from(outcome)].attempts[at].push(attempt),
                    None => lost.by_chance |= self.may_be_kept(),
                }
            }
        }
        parted
    }

    fn probability(&self, outcome: bool) -> f64 {
        self.probabilities[usize::from(outcome)]
    }

    fn may_be_kept(&self) -> bool {
        self.measure.postselect.is_none_or(|outcome| self.probability(outcome) > 0.0)
    }

    /// Logarithm of the weight that an average goes on with after `outcome`.
    fn averaged(&self, outcome: bool, log_weight: f64, lost: &mut Lost) -> Option<f64> {
        let probability = self.probability(outcome);
        let log_weight = log_weight + probability.ln();
        match self.measure.postselect {
            Some(kept) => (kept == outcome && probability > 0.0).then_some(log_weight),
            None if probability > LEAST_PROBABILITY => Some(log_weight),
            None => {
                lost.add(log_weight);
                None
            }
        }
    }

    /// The outcome of an attempt, or none if postselection drops it.
    fn outcome(&self, attempt: u64, key: &ShotKey) -> Option<bool> {
        let of = |probabilities: [f64; 2]| {
            let draw = key.uniform(attempt, FIRST_MEASUREMENT_DRAW + self.measurement as u64);
            draw >= probabilities[0]
        };
        match (self.measure.postselect, self.given_kept) {
            (Some(kept), _) if self.projects() => (self.probability(kept) > 0.0).then_some(kept),
            (None, Some(given_kept)) => Some(of(given_kept)),
            (postselect, _) => {
                let outcome = of(self.probabilities);
                postselect.is_none_or(|kept| kept == outcome).then_some(outcome)
            }
        }
    }

    /// Whether attempts go on with the postselected outcome for certain: in the only history that is
    /// trying again until it comes.
    fn projects(&self) -> bool {
        self.given_kept.is_some() || (self.measure.fill && self.only_history)
    }

    /// Logarithm of the share of a history's followers that is left with `outcome`, for all that they
    /// have lost: the probability of a postselected outcome, where none of them is drawn, else how
    /// many of `before` attempts drew it. Where attempts know what is kept later, each stands for as
    /// many as it saves.
    pub fn log_share(&self, outcome: bool, before: &Followers, after: &Followers) -> f64 {
        let probability = self.probability(outcome);
        match (self.measure.postselect, self.given_kept) {
            (None, None) => 0.0,
            (None, Some(given_kept)) => (probability / given_kept[usize::from(outcome)]).ln(),
            _ if before.log_weight.is_some() || self.projects() => probability.ln(),
            _ => (after.n_attempts() as f64 / before.n_attempts() as f64).ln(),
        }
    }
}
