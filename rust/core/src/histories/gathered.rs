//! What the histories of mid-circuit outcomes of one row leave: averages, shots and the report.

use std::borrow::Cow;

use super::followers::{History, Impossible, Lost};
use super::mixture::Mixture;
use super::tally::Tally;
use crate::error::{Error, Result};
use crate::mps::{Mps, canonicalise, log_norm_squared, normalised_tensors, spectrum_of_density};
use crate::program::Shared;
use crate::report::Report;
use crate::request::Requests;
use crate::result::{CircuitResult, SampleResult};
use crate::rng::{attempt, shot_of};
use crate::scalar::Scalar;
use crate::values::{Values, Whole};

/// The outcome of a measurement in a shot that postselection dropped.
const DROPPED: u8 = 255;
/// No attempt at a shot was kept yet.
const NONE: u64 = u64::MAX;

/// Whether something is asked of the average over all histories: whatever is no sampling, and the
/// report where nothing is.
pub(crate) fn wants_average(requests: &Requests) -> bool {
    let few = !requests.supports().is_empty() || !requests.outcomes.is_empty();
    let whole = requests.dense_state || requests.tensors || !requests.bitstrings.is_empty();
    few || whole || requests.samplings.is_empty()
}

/// What is gathered history by history.
pub(crate) struct Gathered<'a> {
    pub values: Values<'a>,
    /// Whether there is only one history, whose state is pure.
    is_pure: bool,
    /// Whether the tensors of the state are to be read.
    tensors: bool,
    averaged: bool,
    mixture: Mixture,
    /// Of the only history.
    whole: Option<Whole>,
    samples: Vec<SampleResult>,
    /// The attempt that became each shot of each sampling.
    kept: Vec<Vec<u64>>,
    tally: Tally,
    pub report: Report,
}

impl<'a> Gathered<'a> {
    pub fn new(values: Values<'a>, is_pure: bool, tensors: bool, report: Report) -> Self {
        let (plan, requests) = (values.plan, values.requests);
        let samples = requests.samplings.iter().map(|sampling| SampleResult {
            bits: vec![0; sampling.shots * sampling.wires.len()],
            outcomes: vec![DROPPED; sampling.shots * plan.n_measures()],
        });
        Self {
            values,
            is_pure,
            tensors,
            averaged: wants_average(requests),
            mixture: Mixture::new(),
            whole: None,
            samples: samples.collect(),
            kept: requests.samplings.iter().map(|sampling| vec![NONE; sampling.shots]).collect(),
            tally: Tally::new(plan.n_sites(), requests.supports().len()),
            report,
        }
    }

    /// Histories in the average so far.
    pub fn n_averaged(&self) -> usize {
        self.mixture.len()
    }

    /// Shots of which no attempt was kept.
    pub fn n_missing(&self) -> usize {
        self.kept.iter().flatten().filter(|kept| **kept == NONE).count()
    }

    /// Attempts `from` to `from + more` at every shot of which none was kept.
    pub fn next_attempts(&self, from: u64, more: u64) -> Vec<Vec<u64>> {
        let of_sampling = |kept: &Vec<u64>| {
            let missing = (0..kept.len()).filter(|&shot| kept[shot] == NONE);
            missing.flat_map(|shot| (from..from + more).map(move |n| attempt(shot, n))).collect()
        };
        self.kept.iter().map(of_sampling).collect()
    }

    /// Brings a state into canonical form.
    ///
    /// # Errors
    /// Those of [`canonicalise`].
    pub fn canonicalise<T: Scalar>(
        &mut self,
        state: &mut Mps<T>,
        shared: &Shared<'_, T>,
    ) -> Result<()> {
        self.report.methods.add(canonicalise(state, shared.cancel)?);
        self.report.sweeps += 1;
        Ok(())
    }

    /// Reads a history that has come to the end of the circuit, with what each step of its last
    /// segment discarded.
    ///
    /// # Errors
    /// Those of the readouts.
    pub fn read<T: Scalar>(
        &mut self,
        history: &History<T>,
        discarded: &[f64],
        shared: &Shared<'_, T>,
    ) -> Result<()> {
        let (mode, cancel) = (shared.parallelism, shared.cancel);
        self.report_on(history, discarded, shared)?;
        let (values, state) = (self.values, &history.state);
        if let Some(log_weight) = history.followers.log_weight {
            let mut few = values.few_wire(state, mode, cancel)?;
            let means = values.means(&few.words);
            if !self.is_pure {
                few.densities.extend(values.spectrum_densities(state, cancel)?);
            }
            self.mixture.add(log_weight, history.outcomes.clone(), few, means);
        }
        let whole_wanted = self.is_pure && history.followers.log_weight.is_some();
        let canonical_wanted = history.followers.n_attempts() > 0
            || (whole_wanted
                && values.requests.has_canonical(values.plan.n_sites(), values.readout));
        let mut canonical = Cow::Borrowed(state);
        if canonical_wanted && !history.loose.is_empty() {
            self.canonicalise(canonical.to_mut(), shared)?;
        }
        if whole_wanted {
            let phase = history.phase;
            let mut whole = values.whole((state, state, &*canonical), phase, mode, cancel)?;
            if self.tensors {
                whole.tensors = Some(normalised_tensors(state, phase, cancel)?);
            }
            self.whole = Some(whole);
        }
        (0..self.samples.len()).try_for_each(|at| self.draw(at, history, &canonical, shared))
    }

    /// Draws the shots of sampling `at` that follow a history.
    fn draw<T: Scalar>(
        &mut self,
        at: usize,
        history: &History<T>,
        canonical: &Mps<T>,
        shared: &Shared<'_, T>,
    ) -> Result<()> {
        let kept = &mut self.kept[at];
        // The attempts at one shot stand side by side, in order.
        let mut attempts = history.followers.attempts[at].clone();
        attempts.dedup_by_key(|attempt| shot_of(*attempt));
        attempts.retain(|attempt| *attempt < kept[shot_of(*attempt)]);
        if attempts.is_empty() {
            return Ok(());
        }
        let (sampling, mode) = (&self.values.requests.samplings[at], shared.parallelism);
        let drawn = self.values.shots(sampling, canonical, &attempts, mode, shared.cancel)?;
        let (columns, measures) = (sampling.wires.len(), history.outcomes.len());
        let result = &mut self.samples[at];
        for (position, attempt) in attempts.into_iter().enumerate() {
            let shot = shot_of(attempt);
            kept[shot] = attempt;
            let bits = &drawn[position * columns..][..columns];
            result.bits[shot * columns..][..columns].copy_from_slice(bits);
            let outcomes = &mut result.outcomes[shot * measures..][..measures];
            outcomes.iter_mut().zip(&history.outcomes).for_each(|(o, m)| *o = u8::from(*m));
        }
        Ok(())
    }

    /// The weight of a history in the report: its probability, or where nothing is averaged its
    /// number of shots, attempts in vain included.
    fn log_weight<T>(&self, history: &History<T>) -> Option<f64> {
        let followers = &history.followers;
        let shots = (!self.averaged && followers.n_attempts() > 0)
            .then(|| (followers.n_attempts() as f64).ln());
        followers.log_weight.or(shots)
    }

    /// Reports on a history that has come to the end of the circuit.
    fn report_on<T: Scalar>(
        &mut self,
        history: &History<T>,
        discarded: &[f64],
        shared: &Shared<'_, T>,
    ) -> Result<()> {
        let Some(log_weight) = self.log_weight(history) else { return Ok(()) };
        // What was lost before a measurement lies in the past of every value: an outcome tells on
        // all sites.
        let segment = &self.values.plan.segments()[history.outcomes.len()];
        let before = history.losses.total - discarded.iter().sum::<f64>();
        let steps = &self.values.plan.steps()[segment.steps.clone()];
        let mut cones = self.values.cones(steps, discarded);
        cones.iter_mut().for_each(|cone| *cone += before.max(0.0));
        let log_norm = log_norm_squared(&history.state, shared.cancel)?;
        self.tally.add(log_weight, log_norm, &cones, history);
        self.tally.count(&history.state.bond_dims());
        Ok(())
    }

    /// Reports on a history of which a measurement has left nothing.
    ///
    /// # Errors
    /// [`Error::Interrupted`] soon after the job is cancelled.
    pub fn report_end<T: Scalar>(
        &mut self,
        history: &History<T>,
        shared: &Shared<'_, T>,
    ) -> Result<()> {
        let Some(log_weight) = self.log_weight(history) else { return Ok(()) };
        let log_norm = if history.losses.any() {
            log_norm_squared(&history.state, shared.cancel)?
        } else {
            0.0
        };
        self.tally.add_ended(log_weight, log_norm, history);
        if !self.averaged {
            self.tally.count(&history.state.bond_dims());
        }
        Ok(())
    }

    /// # Errors
    /// [`Error::Impossible`] if nothing is left of what was asked.
    pub fn check_left(&self, lost: &Lost) -> Result<()> {
        let averaged = !self.averaged || self.mixture.len() > 0;
        let drawn = |kept: &Vec<u64>| kept.is_empty() || kept.iter().any(|kept| *kept != NONE);
        let all_drawn = lost.by_chance || self.kept.iter().all(drawn);
        match lost.impossible {
            Some(Impossible { measurement, outcome }) if !(averaged && all_drawn) => {
                let message = format!(
                    "postselecting outcome {} of mid-circuit measurement {measurement} leaves \
                     nothing: the outcome has probability 0 (to rounding); postselect the other \
                     outcome or none",
                    u8::from(outcome)
                );
                Err(Error::Impossible { message, row: None, group: None })
            }
            None if !averaged => Err(Error::Internal("no history came to its end".to_owned())),
            _ => Ok(()),
        }
    }

    /// The results, given what did not come to its end.
    ///
    /// # Errors
    /// Those of [`Gathered::check_left`] and of the spectra of mixtures.
    pub fn finish(mut self, lost: &Lost) -> Result<CircuitResult> {
        self.check_left(lost)?;
        let requests = self.values.requests;
        let followed = self.mixture.log_total();
        let left_out = (lost.log_weight - followed).exp();
        let (branches, log_norm) = (self.tally.count, self.tally.log_norm());
        let bonds = std::mem::take(&mut self.tally.bonds);
        let (discarded, cones) = self.tally.discarded();
        let report = Report {
            branches,
            log_norm,
            // Nothing of nothing where there was no average.
            dropped_branches: self.report.dropped_branches.max(left_out),
            discarded,
            cones,
            bonds,
            ..self.report
        };
        let (mut few, outcomes) = self.mixture.finish(&requests.outcomes);
        let mut whole = self.whole.unwrap_or_default();
        if few.densities.len() > requests.densities.len() {
            let densities = few.densities.split_off(requests.densities.len());
            whole.spectra =
                densities.into_iter().map(spectrum_of_density).collect::<Result<_>>()?;
        }
        let (tensors, schmidt_values) = whole.tensors.unzip();
        Ok(CircuitResult {
            words: few.words,
            variances: few.variances,
            probabilities: few.probabilities,
            densities: few.densities,
            spectra: whole.spectra,
            log_probabilities: whole.log_probabilities,
            samples: self.samples,
            outcomes,
            tensors,
            schmidt_values,
            dense_state: whole.dense_state,
            report,
        })
    }
}
