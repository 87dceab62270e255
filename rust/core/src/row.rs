//! One row of a group without mid-circuit measurements: evolved, read and reported.

use std::borrow::Cow;
use std::time::Instant;

use crate::coherence::{CoherenceWatch, coherence, worth_measuring};
use crate::error::{Error, Result};
use crate::mps::{Mps, Readout, canonicalise, log_norm_squared, normalised_tensors};
use crate::prepared::Prepared;
use crate::program::{Bonds, Evolved, Program, Shared, sweep_threshold};
use crate::report::Report;
use crate::result::{CircuitResult, SampleResult};
use crate::scalar::{C64, Scalar};
use crate::values::{FewWire, Values};

/// A row and what its job knows of it.
pub(crate) struct Row<'a, T: Scalar> {
    pub prepared: &'a Prepared,
    /// Position of its group.
    pub group: usize,
    /// In its group.
    pub index: usize,
    pub watch: &'a CoherenceWatch<'a>,
    pub shared: &'a Shared<'a, T>,
}

/// The final states that values are read from; at least one.
pub(crate) struct States<T> {
    /// Never swept: its weights know their causal past only.
    pub causal: Option<Evolved<T>>,
    /// Re-canonicalised on the way.
    pub swept: Option<Evolved<T>>,
    /// Factor of both.
    pub phase: C64,
}

impl<T: Scalar> Row<'_, T> {
    pub fn run(&self) -> Result<CircuitResult> {
        self.shared.cancel.check()?;
        let started = Instant::now();
        let states = self.evolve()?;
        let mut result = self.read(states)?.0;
        result.report.seconds = started.elapsed().as_secs_f64();
        Ok(result)
    }

    /// As [`run`](Self::run) of a group that asks for nothing, with the swept state and its phase.
    pub fn run_whole(&self) -> Result<(CircuitResult, Evolved<T>, C64)> {
        self.shared.cancel.check()?;
        let started = Instant::now();
        let Row { prepared, index: row, shared, .. } = self;
        let plan = &*prepared.main.plan;
        let program = Program::new(&prepared.group, *row, plan, Bonds::Full, shared)?;
        let sweeps = shared.settings.sweeps.then(|| sweep_threshold(plan.n_sites()));
        let swept = Some(program.evolve(sweeps, shared)?);
        let (mut result, state) =
            self.read(States { causal: None, swept, phase: program.phase })?;
        result.report.seconds = started.elapsed().as_secs_f64();
        Ok((result, state, program.phase))
    }

    fn evolve(&self) -> Result<States<T>> {
        let Row { prepared, index: row, shared, .. } = self;
        let (group, plan) = (&prepared.group, &*prepared.main.plan);
        let (n, settings) = (plan.n_sites(), shared.settings);
        let program = Program::new(group, *row, plan, Bonds::Full, shared)?;
        // Few-wire values with the local readout want the causal weights of the never-swept state,
        // global ones the swept state: each the same whatever else is asked.
        let threshold = sweep_threshold(n);
        let swept_wanted = prepared.wants_swept(settings);
        let has_local = group.requests.has_local(n, settings.readout);
        let causal_wanted = !swept_wanted || (settings.readout == Readout::Local && has_local);
        let causal = causal_wanted.then(|| program.evolve(None, shared)).transpose()?;
        let swept = match &causal {
            Some(causal) if causal.discarded() <= threshold => None,
            _ if swept_wanted => Some(program.evolve(Some(threshold), shared)?),
            _ => None,
        };
        Ok(States { causal, swept, phase: program.phase })
    }

    /// The requested values and the report, and the state that few-wire values were read from.
    pub fn read(&self, states: States<T>) -> Result<(CircuitResult, Evolved<T>)> {
        let Row { prepared, index: row, watch, shared, .. } = self;
        let (group, plan, readout) =
            (&prepared.group, &*prepared.main.plan, shared.settings.readout);
        let requests = &group.requests;
        let (n, mode) = (plan.n_sites(), shared.parallelism);
        let States { causal, swept, phase } = states;
        let (Some(few), Some(global)) =
            (causal.as_ref().or(swept.as_ref()), swept.as_ref().or(causal.as_ref()))
        else {
            return Err(Error::Internal("no state was evolved".to_owned()));
        };
        let values = Values { plan, requests, readout, row: *row };
        let mut cones = values.cones(plan.steps(), &few.log.discarded);
        // What a loaded state has lost lies in the past of every value.
        let lost_at_start: f64 = few.loaded.iter().sum();
        cones.iter_mut().for_each(|cone| *cone += lost_at_start);
        let mut discarded = few.loaded.clone();
        let during = discarded.iter_mut().zip(&few.log.discarded_on_bond);
        during.for_each(|(bond, weight)| *bond += weight);
        let log_norm = log_norm_squared(&global.state, shared.cancel)?;
        if !log_norm.is_finite() {
            return Err(Error::Numerical(format!("the state has norm zero (ln {log_norm})")));
        }
        let mut report = Report {
            log_norm,
            discarded,
            bonds: global.state.bond_dims(),
            cones,
            ..Report::starting(few.log.saturated.clone())
        };
        for evolved in causal.iter().chain(&swept) {
            report.add_run::<T>(&evolved.log);
        }
        // Only a state that lost nothing is canonical as it is.
        let mut canonical = Cow::Borrowed(&global.state);
        if requests.has_canonical(n, readout) && global.discarded() > 0.0 && !global.log.canonical {
            report.methods.add(canonicalise(canonical.to_mut(), shared.cancel)?);
            report.sweeps += 1;
        }
        let exported = requests.tensors.then(|| -> Result<_> {
            let Some(cached) = &prepared.tensors else {
                return normalised_tensors(&global.state, phase, shared.cancel);
            };
            // The norm reported is the least of those behind the values.
            let homeward = Program::new(group, *row, &cached.plan, Bonds::Full, shared)?;
            let home = homeward.evolve(Some(sweep_threshold(n)), shared)?;
            let log_norm = log_norm_squared(&home.state, shared.cancel)?;
            report.log_norm = report.log_norm.min(log_norm);
            report.add_run::<T>(&home.log);
            normalised_tensors(&home.state, homeward.phase, shared.cancel)
        });
        let (tensors, schmidt_values) = exported.transpose()?.unzip();
        let (few, global) = (&few.state, &global.state);
        let FewWire { words, variances, probabilities, densities } =
            values.few_wire(few, mode, shared.cancel)?;
        let whole = values.whole((few, global, &*canonical), phase, mode, shared.cancel)?;
        let result = CircuitResult {
            words,
            variances,
            probabilities,
            densities,
            spectra: whole.spectra,
            log_probabilities: whole.log_probabilities,
            samples: values
                .samples(&canonical, mode, shared.cancel)?
                .into_iter()
                .map(|bits| SampleResult { bits, outcomes: Vec::new() })
                .collect(),
            // Of no measurements there is one outcome.
            outcomes: vec![vec![1.0]; requests.outcomes.len()],
            tensors,
            schmidt_values,
            dense_state: whole.dense_state,
            report,
        };
        let reported = swept.as_ref().or(causal.as_ref());
        let reported = reported.filter(|run| run.is_cut(worth_measuring::<T>()));
        if watch.finish(*row, reported.map(Evolved::lost))
            && let Some(full) = reported
        {
            watch.set(*row, self.coherence(&full.state)?);
        }
        let few =
            causal.or(swept).ok_or_else(|| Error::Internal("no state was read".to_owned()))?;
        Ok((result, few))
    }

    /// How the errors of the row add up, whose state at the full bonds is gone.
    pub fn coherence_again(&self) -> Result<f64> {
        self.coherence(&self.reported(Bonds::Full)?)
    }

    /// How the errors of the row add up, whose state at the full bonds is `full`.
    fn coherence(&self, full: &Mps<T>) -> Result<f64> {
        coherence(&self.reported(Bonds::Halved)?, full, self.shared.cancel)
    }

    /// The state whose norm is reported.
    fn reported(&self, bonds: Bonds) -> Result<Mps<T>> {
        let Row { prepared, index: row, shared, .. } = self;
        let plan = &prepared.main.plan;
        let program = Program::new(&prepared.group, *row, plan, bonds, shared)?;
        let swept = prepared.wants_swept(shared.settings);
        Ok(program.evolve(swept.then_some(sweep_threshold(plan.n_sites())), shared)?.state)
    }
}
