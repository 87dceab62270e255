//! Probabilities of outcomes given that all postselections to come are kept.
//!
//! A walk over all histories up to the last postselection tells the weight of what each of them leaves.
//! A measurement before it then has the outcome b with probability
//!
//! ```text
//! P(b | what came before, kept) = S(before, b) / (S(before, 0) + S(before, 1))
//! ```
//!
//! with S the sum of the weights that are kept in the end. An attempt that draws so is kept for certain
//! (Doob's h-transform), whatever the probability of the postselected outcomes.

use std::collections::HashMap;

use super::mixture::log_add;
use crate::circuit::Measure;

/// Free measurements before the last postselection, at most: 4,096 histories to survey.
const MOST_FREE: usize = 12;

/// What is kept, history by history.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Nothing is postselected after so many measurements.
    pub end: usize,
    /// Logarithm of S by the free outcomes so far.
    kept: HashMap<Vec<bool>, f64>,
}

impl Survey {
    /// An empty survey; none where it would take too many histories.
    pub fn new(measures: &[Measure]) -> Option<Self> {
        let last = measures.iter().rposition(|measure| measure.postselect.is_some());
        let end = last.map_or(0, |last| last + 1);
        let free = measures[..end].iter().filter(|measure| measure.postselect.is_none()).count();
        (free <= MOST_FREE).then(|| Self { end, kept: HashMap::new() })
    }

    fn free(measures: &[Measure], outcomes: &[bool]) -> Vec<bool> {
        let free = outcomes.iter().zip(measures).filter(|(_, m)| m.postselect.is_none());
        free.map(|(outcome, _)| *outcome).collect()
    }

    /// Adds a history that the last postselection kept.
    pub fn add(&mut self, measures: &[Measure], outcomes: &[bool], log_weight: f64) {
        let mut free = Self::free(measures, outcomes);
        loop {
            let kept = self.kept.entry(free.clone()).or_insert(f64::NEG_INFINITY);
            *kept = log_add(*kept, log_weight);
            if free.pop().is_none() {
                break;
            }
        }
    }

    /// Logarithm of the weight of all that is kept.
    pub fn log_total(&self) -> f64 {
        self.kept.get(&Vec::new()).copied().unwrap_or(f64::NEG_INFINITY)
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Probabilities of the outcomes of the measurement that follows `outcomes`; both are 0 where
    /// nothing is kept.
    pub fn given_kept(&self, measures: &[Measure], outcomes: &[bool]) -> [f64; 2] {
        let mut free = Self::free(measures, outcomes);
        let mut of = |outcome: bool| {
            free.push(outcome);
            let kept = self.kept.get(&free).copied();
            free.pop();
            kept.unwrap_or(f64::NEG_INFINITY)
        };
        let logs = [of(false), of(true)];
        let total = log_add(logs[0], logs[1]);
        logs.map(|log| if log == f64::NEG_INFINITY { 0.0 } else { (log - total).exp() })
    }
}

#[cfg(test)]
mod tests {
    use super::Survey;
    use crate::circuit::Measure;

    #[test]
    fn outcomes_are_drawn_by_what_they_leave() {
        let free = Measure { reset: false, postselect: None, fill: true };
        let one = Measure { postselect: Some(true), ..free };
        let measures = [free, one, free, one, free];
        let mut survey = Survey::new(&measures).unwrap();
        assert_eq!(survey.end, 4);
        for (outcomes, weight) in [
            ([false, true, false, true], 0.1_f64),
            ([false, true, true, true], 0.2),
            ([true, true, true, true], 0.1),
        ] {
            survey.add(&measures, &outcomes, weight.ln() - 2000.0);
        }
        let is = |found: [f64; 2], expected: [f64; 2]| {
            assert!((found[0] - expected[0]).abs() < 1e-12, "{found:?} {expected:?}");
            assert!((found[1] - expected[1]).abs() < 1e-12, "{found:?} {expected:?}");
        };
        is(survey.given_kept(&measures, &[]), [0.75, 0.25]);
        is(survey.given_kept(&measures, &[false, true]), [1.0 / 3.0, 2.0 / 3.0]);
        is(survey.given_kept(&measures, &[true, true]), [0.0, 1.0]);
    }
}
