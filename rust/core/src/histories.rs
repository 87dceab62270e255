//! Circuits with mid-circuit measurements: every distinct history of outcomes is run once.
//!
//! Depth first. A history is followed for the average over all of them, with its probability, and
//! for those shots of each sampling that draw it; where both outcomes have followers the state is
//! copied. At most one copy waits for each measurement on the way.
//!
//! ```text
//!            ┌ 0 ─ segment 1 ┬ 0 ─ segment 2 ─ values and shots
//!  segment 0 ┤               └ 1 ─ segment 2 ─ …
//!            └ 1 (waits)
//! ```
//!
//! A measurement needs a canonical state, so all values here are of the swept state.

use std::borrow::Cow;
use std::time::Instant;

use crate::circuit::{Measure, Plan};
use crate::error::{Error, Result};
use crate::followers::{Followers, Impossible, Lost, Parting};
use crate::group::Group;
use crate::mixture::{Mixture, Tally};
use crate::mps::{
    EvolutionLog, MAX_SPECTRUM_SITES, Mps, canonicalise, log_norm_squared, normalised_tensors,
    outcome_probabilities, project, spectrum_of_density,
};
use crate::prepared::Prepared;
use crate::program::{Bonds, BoundSegment, Shared, Start, sweep_threshold};
use crate::report::Report;
use crate::request::Requests;
use crate::result::{CircuitResult, SampleResult};
use crate::rng::{ShotKey, attempt, shot_of};
use crate::scalar::{C64, Scalar};
use crate::values::{Values, Whole};

/// Most histories of an average. Each is a run of its own, so this many of the smallest circuits
/// take seconds; where more are likely, as many shots tell as much.
const MOST_HISTORIES: usize = 4096;
/// Most attempts at a shot that postselection is to leave.
const MOST_ATTEMPTS: u64 = 1 << 14;
/// Attempts that are followed together.
const ATTEMPTS_TOGETHER: usize = 1 << 20;
/// The outcome of a measurement in a shot that postselection dropped.
const DROPPED: u8 = 255;
/// No attempt at a shot was kept yet.
const NONE: u64 = u64::MAX;

/// # Errors
/// [`Error::Unsupported`] if the circuit leaves a mixture of states and something is asked that only
/// a pure state has.
pub(crate) fn check_pure(group: &Group) -> Result<()> {
    let requests = &group.requests;
    let long = |wires: &Vec<usize>| wires.len() > MAX_SPECTRUM_SITES;
    let what = [
        (requests.dense_state, "state()".to_owned()),
        (requests.tensors, "the tensors of the state".to_owned()),
        (!requests.bitstrings.is_empty(), "the probability of a bitstring".to_owned()),
        (
            requests.spectra.iter().any(long),
            format!("an entanglement spectrum or entropy of more than {MAX_SPECTRUM_SITES} wires"),
        ),
    ];
    match what.iter().find(|(asked, _)| *asked) {
        Some((_, what)) if free_measurements(group) > 0 => Err(Error::Unsupported(format!(
            "after mid-circuit measurements the state is a mixture, and {what} is of one pure state; \
             ask for density_matrix, probs or shots, postselect every measurement, or take the \
             measurements out"
        ))),
        _ => Ok(()),
    }
}

/// Bound of the number of histories of one row.
pub(crate) fn most_histories(group: &Group) -> f64 {
    let averaged = if wants_average(&group.requests) { MOST_HISTORIES as f64 } else { 0.0 };
    (averaged + shots(group) as f64).min((free_measurements(group) as f64).exp2()).max(1.0)
}

/// Bound of the number of states that wait while another is in work.
pub(crate) fn most_waiting(group: &Group) -> usize {
    let free = free_measurements(group);
    if wants_average(&group.requests) {
        return free;
    }
    // The outcome with fewer attempts goes first, so that every state that waits stands for at
    // least as many as all work meanwhile.
    let fills = group.structure.measures().iter().any(|measure| measure.fill);
    let attempts = if fills { ATTEMPTS_TOGETHER.max(shots(group)) } else { shots(group) };
    free.min(attempts.max(1).ilog2() as usize)
}

/// Measurements that may have either outcome.
fn free_measurements(group: &Group) -> usize {
    group.structure.measures().iter().filter(|measure| measure.postselect.is_none()).count()
}

fn shots(group: &Group) -> usize {
    group.requests.samplings.iter().map(|sampling| sampling.shots).sum()
}

/// Whether something is asked of the average over all histories: whatever is no sampling, and the
/// report where nothing is.
fn wants_average(requests: &Requests) -> bool {
    let few = !requests.supports().is_empty() || !requests.outcomes.is_empty();
    let whole = requests.dense_state || requests.tensors || !requests.bitstrings.is_empty();
    few || whole || requests.samplings.is_empty()
}

/// Values, shots and report of one row of a circuit with mid-circuit measurements.
///
/// # Errors
/// [`Error::Unsupported`] for an average over too many histories; [`Error::Numerical`] if nothing is
/// left after a postselection; those of the evolution.
pub(crate) fn run_histories<T: Scalar>(
    prepared: &Prepared,
    row: usize,
    shared: &Shared<'_, T>,
) -> Result<CircuitResult> {
    let started = Instant::now();
    let (group, main) = (&prepared.group, &*prepared.main.plan);
    let tensors_here = group.requests.tensors && prepared.tensors.is_none();
    let walk = Walk::new(group, &group.requests, main, row, shared)?;
    let mut result = Walk { tensors: tensors_here, ..walk }.run()?;
    if let Some(homeward) = &prepared.tensors {
        // Other values do not depend on whether the tensors are asked.
        let requests = Requests { tensors: true, ..Requests::default() };
        let walk = Walk::new(group, &requests, &homeward.plan, row, shared)?;
        let home = Walk { tensors: true, ..walk }.run()?;
        (result.tensors, result.schmidt_values) = (home.tensors, home.schmidt_values);
        result.report.add_report(&home.report);
    }
    result.report.seconds = started.elapsed().as_secs_f64();
    Ok(result)
}

/// A history so far.
struct History<T> {
    state: Mps<T>,
    /// Factor of the state.
    phase: C64,
    outcomes: Vec<bool>,
    followers: Followers,
    /// Relative weight discarded at each bond.
    discarded: Vec<f64>,
}

/// One row of a group, history by history.
struct Walk<'a, T> {
    group: &'a Group,
    row: usize,
    shared: &'a Shared<'a, T>,
    values: Values<'a>,
    keys: Vec<ShotKey>,
    start: Start,
    /// Whether the tensors of the state are to be read.
    tensors: bool,
    waiting: Vec<History<T>>,
    mixture: Mixture,
    /// Of the only history.
    whole: Option<Whole>,
    samples: Vec<SampleResult>,
    /// The attempt that became each shot of each sampling.
    kept: Vec<Vec<u64>>,
    attempts_made: u64,
    tally: Tally,
    lost: Lost,
    report: Report,
}

impl<'a, T: Scalar> Walk<'a, T> {
    fn new(
        group: &'a Group,
        requests: &'a Requests,
        plan: &'a Plan,
        row: usize,
        shared: &'a Shared<'a, T>,
    ) -> Result<Self> {
        let values = Values { plan, requests, readout: shared.settings.readout, row };
        let start = Start::new(group, row, plan, Bonds::Full, shared)?;
        let loaded = start.log();
        let samples = requests.samplings.iter().map(|sampling| SampleResult {
            bits: vec![0; sampling.shots * sampling.wires.len()],
            outcomes: vec![DROPPED; sampling.shots * plan.n_measures()],
        });
        Ok(Self {
            group,
            row,
            shared,
            keys: requests.samplings.iter().map(|sampling| values.key(sampling)).collect(),
            values,
            start,
            tensors: false,
            waiting: Vec::new(),
            mixture: Mixture::new(),
            whole: None,
            samples: samples.collect(),
            kept: requests.samplings.iter().map(|sampling| vec![NONE; sampling.shots]).collect(),
            attempts_made: 0,
            tally: Tally::new(plan.n_sites(), requests.supports().len()),
            lost: Lost::nothing(),
            report: Report { methods: loaded.methods, ..Report::starting(loaded.saturated) },
        })
    }

    fn run(mut self) -> Result<CircuitResult> {
        let requests = self.values.requests;
        self.follow_all(wants_average(requests).then_some(0.0), self.next_attempts(1))?;
        if self.group.structure.measures().iter().any(|measure| measure.fill) {
            while self.kept.iter().flatten().any(|kept| *kept == NONE) {
                self.check_left()?;
                self.check_attempts()?;
                let missing = self.kept.iter().flatten().filter(|kept| **kept == NONE).count();
                // As many as were made in vain, so that few rounds come to an unlikely outcome.
                let more = self.attempts_made.min((ATTEMPTS_TOGETHER / missing) as u64).max(1);
                self.follow_all(None, self.next_attempts(more))?;
            }
        }
        self.finish()
    }

    /// The next `more` attempts at every shot of which none was kept.
    fn next_attempts(&self, more: u64) -> (Vec<Vec<u64>>, u64) {
        let numbers = self.attempts_made..self.attempts_made + more;
        let of_sampling = |kept: &Vec<u64>| {
            let missing = (0..kept.len()).filter(|&shot| kept[shot] == NONE);
            missing.flat_map(|shot| numbers.clone().map(move |n| attempt(shot, n))).collect()
        };
        (self.kept.iter().map(of_sampling).collect(), more)
    }

    /// Follows all histories that an average and some attempts take.
    fn follow_all(
        &mut self,
        log_weight: Option<f64>,
        (attempts, more): (Vec<Vec<u64>>, u64),
    ) -> Result<()> {
        self.attempts_made += more;
        self.waiting.push(History {
            state: self.start.state()?,
            phase: C64::ONE,
            outcomes: Vec::new(),
            followers: Followers { log_weight, attempts },
            discarded: self.start.log().discarded,
        });
        while let Some(mut history) = self.waiting.pop() {
            self.shared.cancel.check()?;
            let log = self.advance(&mut history)?;
            let segment = &self.values.plan.segments()[history.outcomes.len()];
            match segment.measured {
                Some(site) => self.measure(history, site, &log)?,
                None => self.read(&history, &log)?,
            }
        }
        Ok(())
    }

    /// Runs the segment that comes next.
    fn advance(&mut self, history: &mut History<T>) -> Result<EvolutionLog> {
        let (plan, shared) = (self.values.plan, self.shared);
        let held: usize = self.waiting.iter().map(|other| other.state.n_entries()).sum();
        let left = shared.max_entries.saturating_sub(held);
        if history.state.n_entries() > left {
            return Err(Error::Resource(format!(
                "the states of {} histories of mid-circuit outcomes need more than memory_limit \
                 leaves for them; set max_bond_dim, raise cutoff, or raise memory_limit",
                self.waiting.len() + 1
            )));
        }
        let outcomes = &history.outcomes;
        let segment = BoundSegment::new(self.group, self.row, plan, outcomes, Bonds::Full)?;
        history.phase *= segment.phase;
        let threshold = Some(sweep_threshold(plan.n_sites()));
        let mut log = segment.apply(&mut history.state, threshold, left, shared)?;
        let discarded = history.discarded.iter_mut().zip(&log.discarded_on_bond);
        discarded.for_each(|(bond, weight)| *bond += weight);
        self.report.saturated.iter_mut().zip(&log.saturated).for_each(|(bond, cut)| *bond |= cut);
        log.peak_entries += held;
        self.report.add_run::<T>(&log);
        Ok(log)
    }

    /// Ends a segment: whoever follows the history goes on with one outcome or the other.
    fn measure(&mut self, mut history: History<T>, site: usize, log: &EvolutionLog) -> Result<()> {
        if is_lossy(log) {
            self.canonicalise(&mut history.state)?;
        }
        let (measures, measurement) = (self.group.structure.measures(), history.outcomes.len());
        let parting = Parting {
            measurement,
            measure: measures[measurement],
            only_history: measures[..measurement].iter().all(|before| before.postselect.is_some()),
            probabilities: outcome_probabilities(&history.state, site)?,
        };
        let followers = parting.part(&history.followers, &self.keys, &mut self.lost);
        let mut goes_on: Vec<(bool, Followers)> =
            [false, true].into_iter().zip(followers).filter(|(_, f)| !f.is_empty()).collect();
        self.check_number(goes_on.iter().filter(|(_, f)| f.log_weight.is_some()).count())?;
        // An average adds up in one order, whoever else follows.
        if goes_on.iter().all(|(_, followers)| followers.log_weight.is_none()) {
            goes_on.sort_by_key(|(_, followers)| followers.n_attempts());
        }
        // What comes first goes on the stack last, and takes the state itself.
        let mut goes_on = goes_on.into_iter();
        let Some(first) = goes_on.next() else { return self.end(&history) };
        if let Some(second) = goes_on.next() {
            let copy = History {
                state: history.state.clone(),
                phase: history.phase,
                outcomes: history.outcomes.clone(),
                followers: second.1,
                discarded: history.discarded.clone(),
            };
            self.go_on(copy, site, &parting, second.0)?;
        }
        history.followers = first.1;
        self.go_on(history, site, &parting, first.0)
    }

    /// Refuses an average over too many histories, `more` of them being about to go on.
    fn check_number(&self, more: usize) -> Result<()> {
        let waiting = self.waiting.iter().filter(|h| h.followers.log_weight.is_some()).count();
        if self.mixture.len() + waiting + more <= MOST_HISTORIES {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "without shots every history of mid-circuit outcomes is run, and the circuit's {} \
             measurements have more than {MOST_HISTORIES} of them; use shots",
            self.group.structure.measures().len()
        )))
    }

    /// Projects a history onto an outcome and puts it on the stack.
    fn go_on(
        &mut self,
        mut history: History<T>,
        site: usize,
        parting: &Parting,
        outcome: bool,
    ) -> Result<()> {
        let (Measure { reset, .. }, cancel) = (parting.measure, self.shared.cancel);
        let probability = parting.probabilities[usize::from(outcome)];
        let methods = project(&mut history.state, site, outcome, probability, reset, cancel)?;
        self.report.methods.add(methods);
        self.report.sweeps += 1;
        history.outcomes.push(outcome);
        self.waiting.push(history);
        Ok(())
    }

    fn canonicalise(&mut self, state: &mut Mps<T>) -> Result<()> {
        self.report.methods.add(canonicalise(state, self.shared.cancel)?);
        self.report.sweeps += 1;
        Ok(())
    }

    /// Reads a history that has come to the end of the circuit.
    fn read(&mut self, history: &History<T>, log: &EvolutionLog) -> Result<()> {
        let (mode, cancel) = (self.shared.parallelism, self.shared.cancel);
        self.report_on(history, Some(log))?;
        let is_pure = free_measurements(self.group) == 0;
        if let Some(log_weight) = history.followers.log_weight {
            let mut few = self.values.few_wire(&history.state, mode, cancel)?;
            let means = self.values.means(&few.words);
            if !is_pure {
                let densities = self.values.spectrum_densities(&history.state, cancel)?;
                few.densities.extend(densities);
            }
            self.mixture.add(log_weight, history.outcomes.clone(), few, means);
        }
        let (whole_wanted, n) =
            (is_pure && history.followers.log_weight.is_some(), self.values.plan.n_sites());
        let canonical_wanted = whole_wanted
            && self.values.requests.has_canonical(n, self.values.readout)
            || history.followers.n_attempts() > 0;
        let mut canonical = Cow::Borrowed(&history.state);
        if canonical_wanted && is_lossy(log) {
            self.canonicalise(canonical.to_mut())?;
        }
        if whole_wanted {
            let states = (&history.state, &history.state, &*canonical);
            let mut whole = self.values.whole(states, history.phase, mode, cancel)?;
            if self.tensors {
                whole.tensors = Some(normalised_tensors(&history.state, history.phase, cancel)?);
            }
            self.whole = Some(whole);
        }
        for at in 0..self.samples.len() {
            self.draw(at, history, &canonical)?;
        }
        Ok(())
    }

    /// Draws the shots of sampling `at` that follow a history.
    fn draw(&mut self, at: usize, history: &History<T>, canonical: &Mps<T>) -> Result<()> {
        let kept = &mut self.kept[at];
        // The attempts at one shot stand in order, side by side.
        let mut attempts = history.followers.attempts[at].clone();
        attempts.dedup_by_key(|attempt| shot_of(*attempt));
        attempts.retain(|attempt| *attempt < kept[shot_of(*attempt)]);
        if attempts.is_empty() {
            return Ok(());
        }
        let (sampling, mode) = (&self.values.requests.samplings[at], self.shared.parallelism);
        let drawn = self.values.shots(sampling, canonical, &attempts, mode, self.shared.cancel)?;
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

    /// Ends a history that nobody follows any more; where there is no average, the shots that
    /// postselection dropped count in the report.
    fn end(&mut self, history: &History<T>) -> Result<()> {
        if history.followers.log_weight.is_none() {
            self.report_on(history, None)?;
        }
        Ok(())
    }

    /// Adds a history to the report, by its probability or, without an average, by its shots.
    fn report_on(&mut self, history: &History<T>, last: Option<&EvolutionLog>) -> Result<()> {
        let followers = &history.followers;
        let averaged = wants_average(self.values.requests);
        let by_shots =
            (!averaged && followers.n_attempts() > 0).then(|| (followers.n_attempts() as f64).ln());
        let Some(log_weight) = followers.log_weight.or(by_shots) else { return Ok(()) };
        // What was lost before a measurement lies in the past of every value: an outcome tells on
        // all sites.
        let segment = &self.values.plan.segments()[history.outcomes.len()];
        let of_segment = last.map_or(&[][..], |log| &log.discarded);
        let before = history.discarded.iter().sum::<f64>() - of_segment.iter().sum::<f64>();
        let steps = &self.values.plan.steps()[segment.steps.clone()];
        let mut cones = self.values.cones(steps, of_segment);
        cones.iter_mut().for_each(|cone| *cone += before.max(0.0));
        let log_norm = log_norm_squared(&history.state, self.shared.cancel)?;
        let bonds = history.state.bond_dims();
        self.tally.add(log_weight, (&history.discarded, &cones), &bonds, log_norm);
        Ok(())
    }

    /// # Errors
    /// [`Error::Numerical`] if nothing is left of what was asked.
    fn check_left(&self) -> Result<()> {
        let averaged = !wants_average(self.values.requests) || self.mixture.len() > 0;
        let drawn = |kept: &Vec<u64>| kept.is_empty() || kept.iter().any(|kept| *kept != NONE);
        let all_drawn = self.lost.by_chance || self.kept.iter().all(drawn);
        match self.lost.impossible {
            Some(Impossible { measurement, outcome }) if !(averaged && all_drawn) => {
                Err(Error::Numerical(format!(
                    "postselecting outcome {} of mid-circuit measurement {measurement} leaves \
                     nothing: the outcome has probability 0 (to rounding); postselect the other \
                     outcome or none",
                    u8::from(outcome)
                )))
            }
            None if !averaged => Err(Error::Internal("no history came to its end".to_owned())),
            _ => Ok(()),
        }
    }

    fn check_attempts(&self) -> Result<()> {
        if self.attempts_made <= MOST_ATTEMPTS {
            return Ok(());
        }
        Err(Error::Numerical(format!(
            "after {} attempts some shots had none of the postselected outcomes; postselect likelier \
             ones, or let postselection drop shots (postselect_mode=\"hw-like\")",
            self.attempts_made
        )))
    }

    fn finish(self) -> Result<CircuitResult> {
        self.check_left()?;
        let requests = self.values.requests;
        let mut report = self.report;
        report.branches = self.tally.count;
        report.log_norm = self.tally.log_norm();
        report.dropped_branches = (self.lost.log_weight - self.mixture.log_total()).exp();
        if self.lost.log_weight == f64::NEG_INFINITY {
            report.dropped_branches = 0.0;
        }
        report.discarded = self.tally.discarded;
        report.cones = self.tally.cones;
        report.bonds = self.tally.bonds;
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

/// Whether the evolution left a state that is not canonical.
fn is_lossy(log: &EvolutionLog) -> bool {
    log.discarded.iter().any(|weight| *weight > 0.0)
}
