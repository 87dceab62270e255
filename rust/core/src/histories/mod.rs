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
//! What follows a measurement needs a canonical state, so all values here are of the swept state.

mod followers;
mod gathered;
mod mixture;

use std::time::Instant;

use self::followers::{Followers, History, Lost, Parting};
use self::gathered::{Gathered, wants_average};
use crate::circuit::{Plan, Width};
use crate::error::{Error, Result};
use crate::group::Group;
use crate::mps::{EvolutionLog, MAX_SPECTRUM_SITES, outcome_probabilities, project};
use crate::prepared::Prepared;
use crate::program::{Bonds, BoundSegment, Shared, Start, sweep_threshold};
use crate::report::Report;
use crate::request::Requests;
use crate::result::CircuitResult;
use crate::rng::ShotKey;
use crate::scalar::{C64, Scalar};
use crate::values::Values;

/// Most histories of an average. Each is a run of its own, so this many of the smallest circuits
/// take seconds; where more are likely, as many shots tell as much.
const MOST_HISTORIES: usize = 4096;
/// Most attempts at a shot that postselection is to leave.
const MOST_ATTEMPTS: u64 = 1 << 14;
/// Attempts that are followed together.
const ATTEMPTS_TOGETHER: usize = 1 << 20;

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
    let walk = Walk::new((group, &group.requests, tensors_here), main, row, shared)?;
    let mut result = walk.run()?;
    if let Some(homeward) = &prepared.tensors {
        // Other values do not depend on whether the tensors are asked.
        let requests = Requests { tensors: true, ..Requests::default() };
        let home = Walk::new((group, &requests, true), &homeward.plan, row, shared)?.run()?;
        (result.tensors, result.schmidt_values) = (home.tensors, home.schmidt_values);
        result.report.add_report(&home.report);
    }
    result.report.seconds = started.elapsed().as_secs_f64();
    Ok(result)
}

/// One row of a group, history by history.
struct Walk<'a, T> {
    group: &'a Group,
    plan: &'a Plan,
    row: usize,
    shared: &'a Shared<'a, T>,
    keys: Vec<ShotKey>,
    start: Start,
    waiting: Vec<History<T>>,
    attempts_made: u64,
    gathered: Gathered<'a>,
    lost: Lost,
}

impl<'a, T: Scalar> Walk<'a, T> {
    /// With what is asked, and whether the tensors of the state are to be read here.
    fn new(
        (group, requests, tensors): (&'a Group, &'a Requests, bool),
        plan: &'a Plan,
        row: usize,
        shared: &'a Shared<'a, T>,
    ) -> Result<Self> {
        let values = Values { plan, requests, readout: shared.settings.readout, row };
        let start = Start::new(group, row, plan, Bonds::Full, shared)?;
        let loaded = start.log();
        let report = Report { methods: loaded.methods, ..Report::starting(loaded.saturated) };
        Ok(Self {
            group,
            plan,
            row,
            shared,
            keys: requests.samplings.iter().map(|sampling| values.key(sampling)).collect(),
            start,
            waiting: Vec::new(),
            attempts_made: 0,
            gathered: Gathered::new(values, free_measurements(group) == 0, tensors, report),
            lost: Lost::nothing(),
        })
    }

    fn run(mut self) -> Result<CircuitResult> {
        let averaged = wants_average(self.gathered.values.requests);
        self.follow_all(averaged.then_some(0.0), 1)?;
        let fills = self.group.structure.measures().iter().any(|measure| measure.fill);
        while fills && self.gathered.n_missing() > 0 {
            self.gathered.check_left(&self.lost)?;
            self.check_attempts()?;
            // As many as were made in vain, so that few rounds come to an unlikely outcome.
            let together = (ATTEMPTS_TOGETHER / self.gathered.n_missing()) as u64;
            self.follow_all(None, self.attempts_made.min(together).max(1))?;
        }
        self.gathered.finish(&self.lost)
    }

    /// Follows all histories that the average takes and `more` attempts at every shot that has none
    /// yet.
    fn follow_all(&mut self, log_weight: Option<f64>, more: u64) -> Result<()> {
        let attempts = self.gathered.next_attempts(self.attempts_made, more);
        self.attempts_made += more;
        self.waiting.push(History {
            state: self.start.state()?,
            loose: 0..0,
            phase: C64::ONE,
            outcomes: Vec::new(),
            followers: Followers { log_weight, attempts },
            discarded: self.start.log().discarded,
        });
        while let Some(mut history) = self.waiting.pop() {
            self.shared.cancel.check()?;
            let log = self.advance(&mut history)?;
            match self.plan.segments()[history.outcomes.len()].measured {
                Some(site) => self.measure(history, site)?,
                None => self.gathered.read(&history, &log, self.shared)?,
            }
        }
        Ok(())
    }

    /// Runs the segment that comes next.
    fn advance(&mut self, history: &mut History<T>) -> Result<EvolutionLog> {
        let (plan, shared) = (self.plan, self.shared);
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
        let planned = &plan.segments()[outcomes.len()];
        // Measurements in a row need no canonical state between them; truncations and readouts do.
        let entangles = plan.steps()[planned.steps.clone()].iter().any(|s| s.width != Width::One);
        if !history.loose.is_empty() && (entangles || planned.measured.is_none()) {
            self.gathered.canonicalise(&mut history.state, shared)?;
            history.loose = 0..0;
        }
        let segment = BoundSegment::new(self.group, self.row, plan, outcomes, Bonds::Full)?;
        history.phase *= segment.phase;
        let threshold = Some(sweep_threshold(plan.n_sites()));
        let mut log = segment.apply(&mut history.state, threshold, left, shared)?;
        let discarded = history.discarded.iter_mut().zip(&log.discarded_on_bond);
        discarded.for_each(|(bond, weight)| *bond += weight);
        if log.is_lossy() {
            history.loose = 0..plan.n_sites();
        }
        log.peak_entries += held;
        let report = &mut self.gathered.report;
        report.saturated.iter_mut().zip(&log.saturated).for_each(|(bond, cut)| *bond |= cut);
        report.add_run::<T>(&log);
        Ok(log)
    }

    /// Ends a segment: whoever follows the history goes on with one outcome or the other.
    fn measure(&mut self, mut history: History<T>, site: usize) -> Result<()> {
        let (state, loose, cancel) = (&history.state, &history.loose, self.shared.cancel);
        let (measures, measurement) = (self.group.structure.measures(), history.outcomes.len());
        let parting = Parting {
            measurement,
            measure: measures[measurement],
            only_history: measures[..measurement].iter().all(|before| before.postselect.is_some()),
            probabilities: outcome_probabilities(state, site, loose, cancel)?,
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
        let Some(first) = goes_on.next() else {
            let averaged = history.followers.log_weight.is_some();
            return if averaged {
                Ok(())
            } else {
                self.gathered.report_on(&history, None, self.shared)
            };
        };
        if let Some(second) = goes_on.next() {
            let copy = History {
                state: history.state.clone(),
                loose: history.loose.clone(),
                phase: history.phase,
                outcomes: history.outcomes.clone(),
                followers: second.1,
                discarded: history.discarded.clone(),
            };
            self.go_on(copy, site, &parting, second.0);
        }
        history.followers = first.1;
        self.go_on(history, site, &parting, first.0);
        Ok(())
    }

    /// Refuses an average over too many histories, `more` of them being about to go on.
    fn check_number(&self, more: usize) -> Result<()> {
        let waiting = self.waiting.iter().filter(|h| h.followers.log_weight.is_some()).count();
        if self.gathered.n_averaged() + waiting + more <= MOST_HISTORIES {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "without shots every history of mid-circuit outcomes is run, and the circuit's {} \
             measurements have more than {MOST_HISTORIES} of them; use shots",
            self.group.structure.measures().len()
        )))
    }

    /// Projects a history onto an outcome and puts it on the stack.
    fn go_on(&mut self, mut history: History<T>, site: usize, parting: &Parting, outcome: bool) {
        let chosen = (outcome, parting.probabilities[usize::from(outcome)]);
        let History { state, loose, .. } = &mut history;
        project(state, site, chosen, parting.measure.reset, loose);
        history.outcomes.push(outcome);
        self.waiting.push(history);
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
}
