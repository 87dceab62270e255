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
mod losses;
mod mixture;
mod survey;
mod tally;

use std::time::Instant;

use self::followers::{Followers, History, Lost, Parting};
use self::gathered::{Gathered, wants_average};
use self::losses::Losses;
use self::survey::Survey;
use crate::circuit::{Measure, Plan, Width};
use crate::error::{Error, Result};
use crate::group::Group;
use crate::mps::{Loose, MAX_SPECTRUM_SITES, log_norm_squared, outcome_probabilities, project};
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
/// Attempts in vain at a shot before a survey of what is kept makes one that is not, if it can.
const ATTEMPTS_BEFORE_SURVEY: u64 = 1 << 6;
/// Most attempts at all shots of a circuit that no survey can be made of.
const MOST_ATTEMPTS: usize = 1 << 23;
/// Attempts that are followed together.
const ATTEMPTS_TOGETHER: usize = 1 << 20;
/// A sweep comes once as many sites were contracted for want of one as this many sweeps have: each
/// site of a sweep costs several times as much.
const SWEEPS_SAVED: usize = 2;

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
/// [`Error::Unsupported`] for an average over too many histories; [`Error::Impossible`] if nothing is
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
struct Walk<'a, T: Scalar> {
    group: &'a Group,
    plan: &'a Plan,
    row: usize,
    shared: &'a Shared<'a, T>,
    keys: Vec<ShotKey>,
    /// The first measurement that is not postselected.
    first_free: usize,
    start: Start,
    waiting: Vec<History<T>>,
    /// Tensor entries of those that wait.
    held: usize,
    /// Attempts at each shot that has none yet, and at all of them.
    attempts_made: u64,
    attempts_in_all: usize,
    survey: Option<Survey>,
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
        let measures = group.structure.measures();
        let is_free = |measure: &Measure| measure.postselect.is_none();
        let first_free = measures.iter().position(is_free).unwrap_or(measures.len());
        Ok(Self {
            group,
            plan,
            row,
            shared,
            keys: requests.samplings.iter().map(|sampling| values.key(sampling)).collect(),
            first_free,
            start,
            waiting: Vec::new(),
            held: 0,
            attempts_made: 0,
            attempts_in_all: 0,
            survey: None,
            gathered: Gathered::new(values, first_free == measures.len(), tensors, report),
            lost: Lost::nothing(),
        })
    }

    fn measures(&self) -> &'a [Measure] {
        self.group.structure.measures()
    }

    fn run(mut self) -> Result<CircuitResult> {
        let averaged = wants_average(self.gathered.values.requests);
        self.follow_all(averaged.then_some(0.0), 1)?;
        let fills = self.measures().iter().any(|measure| measure.fill);
        while fills && self.gathered.n_missing() > 0 {
            self.gathered.check_left(&self.lost)?;
            let vain = self.attempts_made;
            if vain == ATTEMPTS_BEFORE_SURVEY
                && let Some(survey) = Survey::new(self.measures())
            {
                // Which attempts a shot has made by now does not depend on other shots.
                self.look_ahead(survey)?;
                self.follow_all(None, 1)?;
                break;
            }
            self.check_attempts()?;
            // As many as were made in vain, so that few rounds come to an unlikely outcome.
            let together = (ATTEMPTS_TOGETHER / self.gathered.n_missing()) as u64;
            let mut more = vain.min(together).max(1);
            if vain < ATTEMPTS_BEFORE_SURVEY {
                more = more.min(ATTEMPTS_BEFORE_SURVEY - vain);
            }
            self.follow_all(None, more)?;
        }
        self.gathered.finish(&self.lost)
    }

    /// A history before its first segment.
    fn beginning(&mut self, followers: Followers) -> Result<History<T>> {
        let state = self.start.state()?;
        let (entries, largest) = (state.n_entries(), state.bond_dims().into_iter().max());
        self.gathered.report.note_size::<T>(entries, largest.unwrap_or(1));
        Ok(History {
            state,
            entries,
            loose: Loose::default(),
            phase: C64::ONE,
            outcomes: Vec::new(),
            followers,
            losses: Losses::new(self.start.log().discarded),
        })
    }

    /// Follows all histories that the average takes and `more` attempts at every shot that has none
    /// yet.
    fn follow_all(&mut self, log_weight: Option<f64>, more: u64) -> Result<()> {
        let attempts = self.gathered.next_attempts(self.attempts_made, more);
        self.attempts_made += more;
        let beginning = self.beginning(Followers { log_weight, attempts })?;
        self.attempts_in_all += beginning.followers.n_attempts();
        self.push(beginning);
        while let Some(mut history) = self.pop() {
            self.shared.cancel.check()?;
            let discarded = self.advance(&mut history)?;
            match self.plan.segments()[history.outcomes.len()].measured {
                Some(site) => self.measure(history, site)?,
                None => self.gathered.read(&history, &discarded, self.shared)?,
            }
        }
        Ok(())
    }

    /// Follows all histories to the last postselection, to find what it leaves of each.
    fn look_ahead(&mut self, mut survey: Survey) -> Result<()> {
        let followers =
            Followers { log_weight: Some(0.0), attempts: vec![Vec::new(); self.keys.len()] };
        let beginning = self.beginning(followers)?;
        self.push(beginning);
        let mut lost = Lost::nothing();
        while let Some(mut history) = self.pop() {
            self.shared.cancel.check()?;
            if history.outcomes.len() == survey.end {
                let log_weight = history.followers.log_weight.unwrap_or(f64::NEG_INFINITY);
                survey.add(self.measures(), &history.outcomes, log_weight);
                continue;
            }
            self.advance(&mut history)?;
            if let Some(site) = self.plan.segments()[history.outcomes.len()].measured {
                let parting = self.parting(&mut history, site)?;
                let followers = parting.part(&history.followers, &self.keys, &mut lost);
                self.part(history, site, &parting, followers)?;
            }
        }
        if survey.is_empty() {
            self.lost = lost;
            return self.gathered.check_left(&self.lost);
        }
        let left_out = (lost.log_weight - survey.log_total()).exp();
        let dropped = &mut self.gathered.report.dropped_branches;
        *dropped = dropped.max(left_out);
        self.survey = Some(survey);
        Ok(())
    }

    fn push(&mut self, history: History<T>) {
        self.held += history.entries;
        self.waiting.push(history);
    }

    fn pop(&mut self) -> Option<History<T>> {
        let history = self.waiting.pop()?;
        self.held -= history.entries;
        Some(history)
    }

    /// Runs the segment that comes next and returns the weight that each of its steps discarded.
    ///
    /// Nothing here takes time in proportion to the number of sites unless the segment does: a history
    /// of a thousand measurements in a row comes here a thousand times.
    fn advance(&mut self, history: &mut History<T>) -> Result<Vec<f64>> {
        let (plan, shared) = (self.plan, self.shared);
        let left = shared.max_held.saturating_sub(self.held);
        if history.entries > left {
            return Err(Error::Resource(format!(
                "the states of {} histories of mid-circuit outcomes need more than memory_limit \
                 leaves for them; set max_bond_dim, raise cutoff, or raise memory_limit",
                self.waiting.len() + 1
            )));
        }
        let outcomes = &history.outcomes;
        let planned = &plan.segments()[outcomes.len()];
        // Measurements in a row need no canonical state between them, but where they jump to and fro
        // it pays; truncations and readouts need it.
        let entangles = plan.steps()[planned.steps.clone()].iter().any(|s| s.width != Width::One);
        let jumped = history.loose.contracted() > SWEEPS_SAVED * plan.n_sites();
        if !history.loose.is_empty() && (entangles || planned.measured.is_none() || jumped) {
            self.gathered.canonicalise(&mut history.state, shared)?;
            history.entries = history.state.n_entries();
            history.loose = Loose::default();
        }
        let segment = BoundSegment::new(self.group, self.row, plan, outcomes, Bonds::Full)?;
        history.phase *= segment.phase;
        if !entangles {
            segment.apply_one_site_steps(&mut history.state);
            self.gathered.report.note_size::<T>(self.held + history.entries, 1);
            return Ok(vec![0.0; planned.steps.len()]);
        }
        let threshold = Some(sweep_threshold(plan.n_sites()));
        let mut log = segment.apply(&mut history.state, threshold, left, shared)?;
        history.entries = history.state.n_entries();
        history.losses.add(&log.discarded_on_bond);
        if log.is_lossy() && !log.canonical {
            history.loose = Loose::all(plan.n_sites());
        }
        log.peak_entries += self.held;
        let report = &mut self.gathered.report;
        report.saturated.iter_mut().zip(&log.saturated).for_each(|(bond, cut)| *bond |= cut);
        report.add_run::<T>(&log);
        Ok(log.discarded)
    }

    /// The measurement that ends a segment.
    fn parting(&self, history: &mut History<T>, site: usize) -> Result<Parting> {
        let measurement = history.outcomes.len();
        let (state, loose) = (&history.state, &mut history.loose);
        let survey = self.survey.as_ref().filter(|survey| measurement < survey.end);
        Ok(Parting {
            measurement,
            measure: self.measures()[measurement],
            only_history: measurement <= self.first_free,
            probabilities: outcome_probabilities(state, site, loose, self.shared.cancel)?,
            given_kept: survey.map(|s| s.given_kept(self.measures(), &history.outcomes)),
        })
    }

    /// Ends a segment: whoever follows the history goes on with one outcome or the other.
    fn measure(&mut self, mut history: History<T>, site: usize) -> Result<()> {
        let parting = self.parting(&mut history, site)?;
        if parting.probabilities.iter().all(|probability| *probability == 0.0) {
            // Rounding has left nothing of it.
            history.followers.log_weight.into_iter().for_each(|weight| self.lost.add(weight));
            return self.gathered.report_end(&history, self.shared);
        }
        let followers = parting.part(&history.followers, &self.keys, &mut self.lost);
        self.check_number(followers.iter().filter(|f| f.log_weight.is_some()).count())?;
        if followers.iter().all(Followers::is_empty) {
            return self.gathered.report_end(&history, self.shared);
        }
        self.part(history, site, &parting, followers)
    }

    /// Sends those who follow a history on, each with its outcome.
    fn part(
        &mut self,
        mut history: History<T>,
        site: usize,
        parting: &Parting,
        followers: [Followers; 2],
    ) -> Result<()> {
        let share = |outcome: bool, after: &Followers| {
            let counts = history.losses.any() && !after.is_empty();
            if counts { parting.log_share(outcome, &history.followers, after) } else { 0.0 }
        };
        let mut goes_on: Vec<(bool, f64, Followers)> = [false, true]
            .into_iter()
            .zip(followers)
            .map(|(outcome, after)| (outcome, share(outcome, &after), after))
            .filter(|(.., after)| !after.is_empty())
            .collect();
        // Only postselection needs it, and only where something was lost.
        let log_norm = if goes_on.iter().any(|(_, log_share, _)| *log_share != 0.0) {
            log_norm_squared(&history.state, self.shared.cancel)?
        } else {
            0.0
        };
        // An average adds up in one order, whoever else follows.
        if goes_on.iter().all(|(.., followers)| followers.log_weight.is_none()) {
            goes_on.sort_by_key(|(.., followers)| followers.n_attempts());
        }
        // What comes first goes on the stack last, and takes the state itself.
        let mut goes_on = goes_on.into_iter();
        let Some(first) = goes_on.next() else { return Ok(()) };
        if let Some(second) = goes_on.next() {
            let copy = History {
                state: history.state.clone(),
                loose: history.loose.clone(),
                outcomes: history.outcomes.clone(),
                followers: second.2,
                losses: history.losses.clone(),
                ..history
            };
            self.go_on(copy, site, parting, (second.0, second.1, log_norm));
        }
        history.followers = first.2;
        self.go_on(history, site, parting, (first.0, first.1, log_norm));
        Ok(())
    }

    /// Projects a history onto an outcome and puts it on the stack. Its followers are left with a share
    /// of what it was, of the given norm.
    fn go_on(
        &mut self,
        mut history: History<T>,
        site: usize,
        parting: &Parting,
        (outcome, log_share, log_norm): (bool, f64, f64),
    ) {
        let chosen = (outcome, parting.probabilities[usize::from(outcome)]);
        let History { state, loose, .. } = &mut history;
        project(state, site, chosen, parting.measure.reset, loose);
        if log_share != 0.0 {
            history.losses.postselect(log_share, log_norm);
        }
        history.outcomes.push(outcome);
        self.push(history);
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
            self.measures().len()
        )))
    }

    fn check_attempts(&self) -> Result<()> {
        if self.attempts_in_all <= MOST_ATTEMPTS {
            return Ok(());
        }
        Err(Error::Numerical(format!(
            "{} attempts left {} shots without the postselected outcomes; postselect likelier ones, \
             let postselection drop shots (postselect_mode=\"hw-like\"), or postselect before the \
             13th measurement that is not postselected: then every attempt succeeds",
            self.attempts_in_all,
            self.gathered.n_missing()
        )))
    }
}
