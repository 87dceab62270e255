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

use std::time::Instant;

use crate::circuit::{Measure, Plan};
use crate::error::{Error, Result};
use crate::group::Group;
use crate::mixture::{Mixture, Tally, log_add};
use crate::mps::{
    EvolutionLog, Mps, canonicalise, log_norm_squared, outcome_probabilities, project,
};
use crate::program::{Bonds, BoundSegment, Shared, Start, sweep_threshold};
use crate::report::Report;
use crate::request::Requests;
use crate::result::{CircuitResult, SampleResult};
use crate::rng::FIRST_MEASUREMENT_DRAW;
use crate::scalar::Scalar;
use crate::values::Values;

/// Most histories of an average. Each is a run of its own, so this many of the smallest circuits
/// take seconds; where more are likely, as many shots tell as much.
const MOST_HISTORIES: usize = 4096;
/// An average follows no outcome less likely than this: the sum of all that is left out stays below
/// what values are good for.
const LEAST_PROBABILITY: f64 = 1e-14;
/// The outcome of a measurement in a shot that postselection dropped.
const DROPPED: u8 = 255;

/// # Errors
/// [`Error::Unsupported`] if the circuit has mid-circuit measurements and something is asked that
/// only a pure state has.
pub(crate) fn check_pure(group: &Group) -> Result<()> {
    let requests = &group.requests;
    let what = [
        (requests.dense_state, "state()"),
        (requests.tensors, "the tensors of the state"),
        (!requests.bitstrings.is_empty(), "the probability of a bitstring"),
        (!requests.spectra.is_empty(), "an entanglement entropy or spectrum"),
    ];
    match what.iter().find(|(asked, _)| *asked) {
        Some((_, what)) if !group.structure.measures().is_empty() => {
            Err(Error::Unsupported(format!(
                "after mid-circuit measurements the state is a mixture, and {what} is of one pure \
                 state; ask for density_matrix, probs or shots, or take the measurements out"
            )))
        }
        _ => Ok(()),
    }
}

/// Bound of the number of histories of one row.
pub(crate) fn most_histories(group: &Group) -> f64 {
    let splits = splits(group) as f64;
    let averaged = if wants_average(&group.requests) { MOST_HISTORIES as f64 } else { 0.0 };
    (averaged + shots(group) as f64).min(splits.exp2())
}

/// Bound of the number of states that wait while another is in work.
pub(crate) fn most_waiting(group: &Group) -> usize {
    let splits = splits(group);
    if wants_average(&group.requests) { splits } else { splits.min(shots(group).max(1) - 1) }
}

/// Measurements that may have either outcome.
fn splits(group: &Group) -> usize {
    group.structure.measures().iter().filter(|measure| measure.postselect.is_none()).count()
}

fn shots(group: &Group) -> usize {
    group.requests.samplings.iter().map(|sampling| sampling.shots).sum()
}

/// Whether something is asked of the average over all histories: whatever is no sampling, and the
/// report where nothing is.
fn wants_average(requests: &Requests) -> bool {
    let few = requests.supports().len();
    few > 0 || !requests.outcomes.is_empty() || requests.samplings.is_empty()
}

/// Who takes part in a history.
#[derive(Debug, Clone)]
struct Followers {
    /// Logarithm of its probability, for the average.
    log_weight: Option<f64>,
    /// The shots of each sampling.
    shots: Vec<Vec<u64>>,
}

impl Followers {
    fn none(samplings: usize) -> Self {
        Self { log_weight: None, shots: vec![Vec::new(); samplings] }
    }

    fn n_shots(&self) -> usize {
        self.shots.iter().map(Vec::len).sum()
    }

    fn is_empty(&self) -> bool {
        self.log_weight.is_none() && self.n_shots() == 0
    }
}

/// A history so far.
struct History<T> {
    state: Mps<T>,
    outcomes: Vec<bool>,
    followers: Followers,
    /// Relative weight discarded at each bond.
    discarded: Vec<f64>,
}

/// A postselected outcome that rounding noise cannot be told from.
struct Impossible {
    measurement: usize,
    outcome: bool,
}

/// One row of a group, history by history.
struct Run<'a, T> {
    group: &'a Group,
    row: usize,
    shared: &'a Shared<'a, T>,
    values: Values<'a>,
    waiting: Vec<History<T>>,
    mixture: Mixture,
    samples: Vec<SampleResult>,
    tally: Tally,
    /// Logarithm of the probability that was not followed.
    log_dropped: f64,
    impossible: Option<Impossible>,
    report: Report,
}

/// Values, shots and report of one row of a circuit with mid-circuit measurements.
///
/// # Errors
/// [`Error::Unsupported`] for an average over too many histories; [`Error::Numerical`] if nothing is
/// left after a postselection; those of the evolution.
pub(crate) fn run_histories<T: Scalar>(
    group: &Group,
    plan: &Plan,
    row: usize,
    shared: &Shared<'_, T>,
) -> Result<CircuitResult> {
    let started = Instant::now();
    let (n, requests) = (plan.n_sites(), &group.requests);
    let start = Start::new(group, row, plan, Bonds::Full, shared)?;
    let loaded = start.log();
    let all_shots = requests.samplings.iter().map(|sampling| (0..sampling.shots as u64).collect());
    let first = History {
        state: start.state()?,
        outcomes: Vec::new(),
        followers: Followers {
            log_weight: wants_average(requests).then_some(0.0),
            shots: all_shots.collect(),
        },
        discarded: loaded.discarded,
    };
    let values = Values { plan, requests, readout: shared.settings.readout, row };
    let mut run = Run {
        group,
        row,
        shared,
        tally: Tally::new(n, requests.supports().len()),
        values,
        waiting: vec![first],
        mixture: Mixture::new(),
        samples: empty_samples(requests, plan.n_measures()),
        log_dropped: f64::NEG_INFINITY,
        impossible: None,
        report: Report { methods: loaded.methods, ..Report::starting(loaded.saturated) },
    };
    run.follow_all()?;
    let mut result = run.finish()?;
    result.report.seconds = started.elapsed().as_secs_f64();
    Ok(result)
}

/// Every shot dropped.
fn empty_samples(requests: &Requests, n_measures: usize) -> Vec<SampleResult> {
    let samples = requests.samplings.iter().map(|sampling| SampleResult {
        bits: vec![0; sampling.shots * sampling.wires.len()],
        outcomes: vec![DROPPED; sampling.shots * n_measures],
    });
    samples.collect()
}

impl<T: Scalar> Run<'_, T> {
    fn follow_all(&mut self) -> Result<()> {
        while let Some(mut history) = self.waiting.pop() {
            self.shared.cancel.check()?;
            let log = self.advance(&mut history)?;
            let lossy = log.discarded.iter().any(|weight| *weight > 0.0);
            let segment = &self.values.plan.segments()[history.outcomes.len()];
            match segment.measured {
                Some(site) => self.measure(history, site, lossy)?,
                None => self.read(history, &log, lossy)?,
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
    fn measure(&mut self, mut history: History<T>, site: usize, lossy: bool) -> Result<()> {
        if lossy {
            self.canonicalise(&mut history.state)?;
        }
        let measurement = history.outcomes.len();
        let probabilities = outcome_probabilities(&history.state, site)?;
        let followers = self.part(&history.followers, measurement, probabilities)?;
        let mut goes_on: Vec<_> =
            [false, true].into_iter().zip(followers).filter(|(_, f)| !f.is_empty()).collect();
        let averaged = goes_on.iter().filter(|(_, f)| f.log_weight.is_some()).count();
        self.check_number(averaged)?;
        // The outcome that comes first goes on the stack last, and takes the state itself.
        let Some((outcome, followers)) = goes_on.first().cloned() else {
            return self.end(&history);
        };
        if let Some((outcome, followers)) = goes_on.drain(1..).next() {
            let copy = History {
                state: history.state.clone(),
                outcomes: history.outcomes.clone(),
                followers: Followers::none(0),
                discarded: history.discarded.clone(),
            };
            self.go_on(copy, site, (outcome, probabilities[1]), followers)?;
        }
        self.go_on(history, site, (outcome, probabilities[usize::from(outcome)]), followers)
    }

    /// Sends the followers of a history to the outcomes of a measurement.
    fn part(
        &mut self,
        followers: &Followers,
        measurement: usize,
        probabilities: [f64; 2],
    ) -> Result<[Followers; 2]> {
        let Measure { postselect, fill, .. } = self.group.structure.measures()[measurement];
        let requests = self.values.requests;
        let mut parted = [(); 2].map(|()| Followers::none(requests.samplings.len()));
        for ((outcome, probability), part) in
            [false, true].into_iter().zip(probabilities).zip(&mut parted)
        {
            let kept = postselect.is_none_or(|kept| kept == outcome);
            if let Some(log_weight) = followers.log_weight.filter(|_| kept) {
                let log_weight = log_weight + probability.ln();
                if postselect.is_none() && probability <= LEAST_PROBABILITY {
                    self.log_dropped = log_add(self.log_dropped, log_weight);
                } else if probability == 0.0 {
                    self.impossible = Some(Impossible { measurement, outcome });
                } else {
                    part.log_weight = Some(log_weight);
                }
            }
        }
        for (at, sampling) in requests.samplings.iter().enumerate() {
            let key = self.values.key(sampling);
            for &shot in &followers.shots[at] {
                let drawn = key.uniform(shot, FIRST_MEASUREMENT_DRAW + measurement as u64);
                let outcome = match postselect {
                    Some(kept) if fill => kept,
                    _ => drawn >= probabilities[0],
                };
                if postselect.is_none_or(|kept| kept == outcome) {
                    parted[usize::from(outcome)].shots[at].push(shot);
                }
            }
        }
        match postselect {
            Some(outcome) if probabilities[usize::from(outcome)] == 0.0 => {
                // Shots are here only where postselection brings all of them.
                let brought = parted[usize::from(outcome)].n_shots() > 0;
                if brought {
                    Err(impossible(&Impossible { measurement, outcome }))
                } else {
                    Ok(parted)
                }
            }
            _ => Ok(parted),
        }
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
        (outcome, probability): (bool, f64),
        followers: Followers,
    ) -> Result<()> {
        let reset = self.group.structure.measures()[history.outcomes.len()].reset;
        let cancel = self.shared.cancel;
        let methods = project(&mut history.state, site, outcome, probability, reset, cancel)?;
        self.report.methods.add(methods);
        self.report.sweeps += 1;
        history.outcomes.push(outcome);
        history.followers = followers;
        self.waiting.push(history);
        Ok(())
    }

    fn canonicalise(&mut self, state: &mut Mps<T>) -> Result<()> {
        self.report.methods.add(canonicalise(state, self.shared.cancel)?);
        self.report.sweeps += 1;
        Ok(())
    }

    /// Reads a history that has come to the end of the circuit.
    fn read(&mut self, mut history: History<T>, log: &EvolutionLog, lossy: bool) -> Result<()> {
        let (mode, cancel) = (self.shared.parallelism, self.shared.cancel);
        self.report_on(&history, Some(log))?;
        if let Some(log_weight) = history.followers.log_weight {
            let few = self.values.few_wire(&history.state, mode, cancel)?;
            let means = self.values.means(&few.words);
            self.mixture.add(log_weight, history.outcomes.clone(), few, means);
        }
        if lossy && history.followers.n_shots() > 0 {
            self.canonicalise(&mut history.state)?;
        }
        for (at, sampling) in self.values.requests.samplings.iter().enumerate() {
            let shots = &history.followers.shots[at];
            if shots.is_empty() {
                continue;
            }
            let drawn = self.values.shots(sampling, &history.state, shots, mode, cancel)?;
            let (columns, measures) = (sampling.wires.len(), history.outcomes.len());
            let result = &mut self.samples[at];
            for (position, &shot) in shots.iter().enumerate() {
                let shot = shot as usize;
                let bits = &drawn[position * columns..][..columns];
                result.bits[shot * columns..][..columns].copy_from_slice(bits);
                let outcomes = &mut result.outcomes[shot * measures..][..measures];
                outcomes.iter_mut().zip(&history.outcomes).for_each(|(o, m)| *o = u8::from(*m));
            }
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
        let averaged = wants_average(self.values.requests);
        let followers = &history.followers;
        let log_weight =
            if averaged { followers.log_weight } else { Some((followers.n_shots() as f64).ln()) };
        let Some(log_weight) = log_weight else { return Ok(()) };
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

    fn finish(self) -> Result<CircuitResult> {
        let requests = self.values.requests;
        if wants_average(requests) && self.mixture.len() == 0 {
            return Err(self.impossible.as_ref().map_or_else(
                || Error::Internal("no history came to its end".to_owned()),
                impossible,
            ));
        }
        let mut report = self.report;
        report.branches = self.tally.count;
        report.log_norm = self.tally.log_norm();
        report.dropped_branches = if self.log_dropped == f64::NEG_INFINITY {
            0.0
        } else {
            (self.log_dropped - self.mixture.log_total()).exp()
        };
        report.discarded = self.tally.discarded;
        report.cones = self.tally.cones;
        report.bonds = self.tally.bonds;
        let (few, outcomes) = self.mixture.finish(&requests.outcomes);
        Ok(CircuitResult {
            words: few.words,
            variances: few.variances,
            probabilities: few.probabilities,
            densities: few.densities,
            spectra: Vec::new(),
            log_probabilities: Vec::new(),
            samples: self.samples,
            outcomes,
            tensors: None,
            schmidt_values: None,
            dense_state: None,
            report,
        })
    }
}

fn impossible(found: &Impossible) -> Error {
    Error::Numerical(format!(
        "postselecting outcome {} of mid-circuit measurement {} leaves nothing: the outcome has \
         probability 0 (to rounding); postselect the other outcome or none",
        u8::from(found.outcome),
        found.measurement
    ))
}
