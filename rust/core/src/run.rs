//! The engine's entry: a batch of circuits in, values and reports out.
//!
//! [`Job::prepare`] finds every input error and refuses what would not fit in memory before any
//! work; [`Job::execute`] does the work: circuits over threads, or the steps of a level over threads
//! where circuits are fewer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

use crate::cancel::Cancel;
use crate::circuit::{Plan, PlanSettings};
use crate::coherence::{CoherenceKey, CoherenceWatch, coherence, worth_measuring};
use crate::error::{Error, Result};
use crate::group::{Group, Precision, Settings};
use crate::histories::{check_pure, most_histories, run_histories};
use crate::ieee::IeeeArithmetic;
use crate::memory::MemoryPlan;
use crate::mps::{
    Mps, Parallelism, Readout, Scratches, canonicalise, log_norm_squared, normalised_tensors,
};
use crate::plan_cache::PlanCache;
use crate::pool::{available_threads, pool};
use crate::prepared::Prepared;
use crate::program::{Bonds, Evolved, Program, Shared, sweep_threshold};
use crate::report::Report;
use crate::request::Requests;
use crate::result::{CircuitResult, SampleResult};
use crate::scalar::{C32, C64, Scalar};
use crate::values::{FewWire, Values, check_spectra};

/// Below this many floating-point operations a job runs on the calling thread, in milliseconds.
const SMALL_JOB: f64 = 2e6;

/// Results of one group.
#[derive(Debug, Clone)]
pub struct GroupResult {
    /// The plan that served.
    pub plan: Arc<Plan>,
    /// What was asked.
    pub requests: Requests,
    /// One for each row.
    pub rows: Vec<CircuitResult>,
}

/// A validated batch, ready to run.
pub struct Job {
    groups: Vec<Prepared>,
    settings: Settings,
    threads: usize,
    memory: MemoryPlan,
}

impl Job {
    /// Validates everything, plans every structure, and checks the memory that will be needed.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming gate and row, [`Error::Resource`] naming the bytes.
    pub fn prepare(groups: Vec<Group>, settings: Settings, cache: &PlanCache) -> Result<Self> {
        let _ieee = IeeeArithmetic::enter();
        settings.check()?;
        let threads = settings.threads.unwrap_or_else(available_threads);
        let plan_settings = PlanSettings {
            max_bond_dim: settings.max_bond_dim,
            ordering: settings.ordering.clone(),
            restore_order: false,
        };
        let mut planned = Vec::with_capacity(groups.len());
        for (index, group) in groups.into_iter().enumerate() {
            let prepared = group
                .check()
                .and_then(|()| check_pure(&group))
                .and_then(|()| Prepared::new(group, plan_settings.clone(), cache))
                .and_then(|prepared| {
                    check_spectra(&prepared.main.plan, &prepared.group.requests)?;
                    Ok(prepared)
                })
                .map_err(|error| error.in_group(index))?;
            planned.push(prepared);
        }
        let memory = MemoryPlan::new(&planned, &settings, threads)?;
        Ok(Self { groups: planned, settings, threads, memory })
    }

    /// Whether the job is done sooner than a thread could be asked to do it.
    #[must_use]
    pub fn is_small(&self) -> bool {
        let flops = self.groups.iter().map(|prepared| {
            let group = &prepared.group;
            let plans = prepared.plans();
            let steps = plans.map(|plan| plan.cost().flops + 1e3 * plan.steps().len() as f64);
            let requests = group.requests.flops(group.structure.n_wires());
            let each = (steps.sum::<f64>() + requests) * most_histories(group);
            (each + group.loaded_flops()) * group.rows as f64
        });
        flops.sum::<f64>() < SMALL_JOB
    }

    /// Runs the job and returns one result for each group, in order. The bits do not depend on the
    /// number of threads.
    ///
    /// # Errors
    /// [`Error::Interrupted`] soon after `cancel` is set; [`Error::Resource`],
    /// [`Error::Numerical`] as the steps report them.
    pub fn execute(self, cancel: &Cancel) -> Result<Vec<GroupResult>> {
        let _ieee = IeeeArithmetic::enter();
        let run = |pooled| match self.settings.precision {
            Precision::Single => self.run_rows::<C32>(cancel, pooled),
            Precision::Double => self.run_rows::<C64>(cancel, pooled),
        };
        let results = if self.is_small() || self.threads == 1 {
            run(false)?
        } else {
            pool(self.threads)?.install(|| run(true))?
        };
        let mut results = results.into_iter();
        let groups = self.groups.into_iter();
        Ok(groups
            .map(|Prepared { group, main, .. }| GroupResult {
                plan: main.plan,
                requests: group.requests,
                rows: results.by_ref().take(group.rows).collect(),
            })
            .collect())
    }

    /// Every row of every group, in order.
    fn run_rows<T: Scalar>(&self, cancel: &Cancel, pooled: bool) -> Result<Vec<CircuitResult>> {
        let rows: Vec<(usize, usize)> = self
            .groups
            .iter()
            .enumerate()
            .flat_map(|(index, prepared)| (0..prepared.group.rows).map(move |row| (index, row)))
            .collect();
        let circuits_share =
            pooled && rows.len() >= self.threads && self.memory.at_once == self.threads;
        let parallelism =
            if pooled && !circuits_share { Parallelism::Pool } else { Parallelism::Sequential };
        let shared = Shared::<T> {
            settings: &self.settings,
            max_entries: self.memory.max_entries,
            max_held: self.memory.max_held,
            scratches: Scratches::default(),
            parallelism,
            cancel,
        };
        let watches: Vec<_> = self.groups.iter().map(|prepared| self.watch(prepared)).collect();
        let run = |&(index, row): &(usize, usize)| {
            let (prepared, watch) = (&self.groups[index], &watches[index]);
            let result = if prepared.main.plan.n_measures() > 0 {
                run_histories(prepared, row, &shared)
            } else {
                self.run_row(prepared, row, watch, &shared)
            };
            result.map_err(|error| error.in_row(row).in_group(index))
        };
        let results: Result<Vec<CircuitResult>> = if circuits_share {
            rows.par_iter().map(run).collect()
        } else {
            rows.iter().map(run).collect()
        };
        let mut results = results?;
        for (index, (watch, prepared)) in watches.iter().zip(&self.groups).enumerate() {
            for row in watch.wanted() {
                let value = self
                    .reported(prepared, row, Bonds::Full, &shared)
                    .and_then(|full| self.coherence(prepared, row, &full, &shared));
                watch.set(row, value.map_err(|error| error.in_row(row).in_group(index))?);
            }
            watch.remember();
        }
        for (result, &(index, row)) in results.iter_mut().zip(&rows) {
            result.report.coherence = watches[index].value(row);
        }
        Ok(results)
    }

    /// What the group knows of its coherence before it runs.
    fn watch<'a>(&self, prepared: &'a Prepared) -> CoherenceWatch<'a> {
        let settings = &self.settings;
        let key = CoherenceKey {
            cutoff: settings.cutoff.to_bits(),
            precision: settings.precision,
            method: settings.method,
            swept: prepared.wants_swept(settings.readout),
        };
        // Of a mixture no overlap tells a fidelity.
        let measurable = settings.max_bond_dim.is_some_and(|limit| limit > 1)
            && prepared.main.plan.n_measures() == 0;
        CoherenceWatch::new(&prepared.main.coherence, key, measurable)
    }

    fn run_row<T: Scalar>(
        &self,
        prepared: &Prepared,
        row: usize,
        watch: &CoherenceWatch<'_>,
        shared: &Shared<'_, T>,
    ) -> Result<CircuitResult> {
        shared.cancel.check()?;
        let started = Instant::now();
        let (group, plan, readout) = (&prepared.group, &*prepared.main.plan, self.settings.readout);
        let program = Program::new(group, row, plan, Bonds::Full, shared)?;
        let requests = &group.requests;
        let (n, mode) = (plan.n_sites(), shared.parallelism);
        // Few-wire values with the local readout want the causal weights of the never-swept state,
        // global ones the swept state: each the same whatever else is asked.
        let threshold = sweep_threshold(n);
        let swept_wanted = prepared.wants_swept(readout);
        let causal_wanted =
            readout == Readout::Local && (requests.has_local(n, readout) || !swept_wanted);
        let causal = causal_wanted.then(|| program.evolve(None, shared)).transpose()?;
        let swept = match &causal {
            Some(causal) if causal.discarded() <= threshold => None,
            _ if swept_wanted => Some(program.evolve(Some(threshold), shared)?),
            _ => None,
        };
        let (Some(few), Some(global)) =
            (causal.as_ref().or(swept.as_ref()), swept.as_ref().or(causal.as_ref()))
        else {
            return Err(Error::Internal("no state was evolved".to_owned()));
        };
        let values = Values { plan, requests, readout, row };
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
        if requests.has_canonical(n, readout) && global.discarded() > 0.0 {
            report.methods.add(canonicalise(canonical.to_mut(), shared.cancel)?);
            report.sweeps += 1;
        }
        let exported = requests.tensors.then(|| -> Result<_> {
            let Some(cached) = &prepared.tensors else {
                return normalised_tensors(&global.state, program.phase, shared.cancel);
            };
            // The norm reported is the least of those behind the values.
            let homeward = Program::new(group, row, &cached.plan, Bonds::Full, shared)?;
            let home = homeward.evolve(Some(threshold), shared)?;
            let log_norm = log_norm_squared(&home.state, shared.cancel)?;
            report.log_norm = report.log_norm.min(log_norm);
            report.add_run::<T>(&home.log);
            normalised_tensors(&home.state, homeward.phase, shared.cancel)
        });
        let (tensors, schmidt_values) = exported.transpose()?.unzip();
        let (few, global) = (&few.state, &global.state);
        let FewWire { words, variances, probabilities, densities } =
            values.few_wire(few, mode, shared.cancel)?;
        let whole = values.whole((few, global, &*canonical), program.phase, mode, shared.cancel)?;
        let mut result = CircuitResult {
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
        let reported = swept.or(causal).filter(|run| run.is_cut(worth_measuring::<T>()));
        if watch.finish(row, reported.as_ref().map(Evolved::lost))
            && let Some(full) = &reported
        {
            watch.set(row, self.coherence(prepared, row, &full.state, shared)?);
        }
        result.report.seconds = started.elapsed().as_secs_f64();
        Ok(result)
    }

    /// How the errors of one row add up, whose state at the full bonds is `full`.
    fn coherence<T: Scalar>(
        &self,
        prepared: &Prepared,
        row: usize,
        full: &Mps<T>,
        shared: &Shared<'_, T>,
    ) -> Result<f64> {
        let half = self.reported(prepared, row, Bonds::Halved, shared)?;
        coherence(&half, full, shared.cancel)
    }

    /// The state of one row whose norm is reported.
    fn reported<T: Scalar>(
        &self,
        prepared: &Prepared,
        row: usize,
        bonds: Bonds,
        shared: &Shared<'_, T>,
    ) -> Result<Mps<T>> {
        let plan = &prepared.main.plan;
        let program = Program::new(&prepared.group, row, plan, bonds, shared)?;
        let swept = prepared.wants_swept(self.settings.readout);
        Ok(program.evolve(swept.then_some(sweep_threshold(plan.n_sites())), shared)?.state)
    }
}
