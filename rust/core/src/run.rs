//! The engine's entry: a batch of circuits in, values and reports out.
//!
//! [`Job::prepare`] finds every input error and refuses what would not fit in memory before any
//! work; [`Job::execute`] does the work: circuits over threads, or the steps of a level over threads
//! where circuits are fewer.

use std::sync::Arc;

use rayon::prelude::*;

use crate::cancel::Cancel;
use crate::circuit::{Plan, PlanSettings};
use crate::coherence::{CoherenceKey, CoherenceWatch};
use crate::error::Result;
use crate::group::{Group, Precision, Settings};
use crate::histories::{check_pure, most_histories, run_histories};
use crate::ieee::IeeeArithmetic;
use crate::memory::MemoryPlan;
use crate::mps::{Parallelism, Scratches};
use crate::plan_cache::PlanCache;
use crate::pool::{available_threads, pool};
use crate::prepared::Prepared;
use crate::program::Shared;
use crate::report::Report;
use crate::request::Requests;
use crate::result::CircuitResult;
use crate::row::Row;
use crate::scalar::{C32, C64, Scalar};
use crate::values::check_spectra;

/// Below this many floating-point operations a job runs on the calling thread, in milliseconds.
pub(crate) const SMALL_JOB: f64 = 2e6;
/// A circuit of so many wires or fewer is never shared by threads: of its bonds, at most 32, but one or two
/// take nearly all of the time.
const FEW_WIRES: usize = 10;

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
    pub(crate) groups: Vec<Prepared>,
    settings: Settings,
    threads: usize,
    pub(crate) memory: MemoryPlan,
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
                .and_then(|()| Prepared::new(group, plan_settings.clone(), settings.readout, cache))
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
        self.flops() < SMALL_JOB
    }

    /// Rough number of operations.
    pub(crate) fn flops(&self) -> f64 {
        let flops = self.groups.iter().map(|prepared| {
            let group = &prepared.group;
            let plans = prepared.plans();
            let steps = plans.map(|plan| plan.cost().flops + 1e3 * plan.steps().len() as f64);
            let requests = group.requests.flops(group.structure.n_wires());
            let each = (steps.sum::<f64>() + requests) * most_histories(group);
            (each + group.loaded_flops()) * group.rows as f64
        });
        flops.sum()
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
        let results = self.on_threads(self.is_small(), run)?;
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

    /// Calls `run` on the threads that the job may use, and tells it whether there are several.
    pub(crate) fn on_threads<R: Send>(
        &self,
        small: bool,
        run: impl FnOnce(bool) -> Result<R> + Send,
    ) -> Result<R> {
        if small || self.threads == 1 || !self.can_share() {
            run(false)
        } else {
            pool(self.threads)?.install(|| run(true))
        }
    }

    /// Whether there is something to share: circuits, or the steps of one.
    fn can_share(&self) -> bool {
        let rows: usize = self.groups.iter().map(|prepared| prepared.group.rows).sum();
        let wires = self.groups.iter().map(|prepared| prepared.group.structure.n_wires());
        rows >= self.threads || wires.max() > Some(FEW_WIRES)
    }

    /// Every row of every group, in order.
    fn run_rows<T: Scalar>(&self, cancel: &Cancel, pooled: bool) -> Result<Vec<CircuitResult>> {
        let run = |row: &Row<'_, T>| match row.prepared.main.plan.n_measures() {
            0 => row.run(),
            _ => run_histories(row.prepared, row.index, row.shared),
        };
        self.each_row(cancel, pooled, run, |result| &mut result.report)
    }

    /// What `run` makes of every row of every group, in order; `report` finds the report in it.
    pub(crate) fn each_row<T: Scalar, R: Send>(
        &self,
        cancel: &Cancel,
        pooled: bool,
        run: impl Fn(&Row<'_, T>) -> Result<R> + Sync,
        report: impl Fn(&mut R) -> &mut Report,
    ) -> Result<Vec<R>> {
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
        let row_of = |index: usize, row| Row {
            prepared: &self.groups[index],
            group: index,
            index: row,
            watch: &watches[index],
            shared: &shared,
        };
        let run = |&(index, row): &(usize, usize)| {
            run(&row_of(index, row)).map_err(|error| error.in_row(row).in_group(index))
        };
        let results: Result<Vec<R>> = if circuits_share {
            // One by one: they may differ in how long they take.
            rows.par_iter().with_max_len(1).map(run).collect()
        } else {
            rows.iter().map(run).collect()
        };
        let mut results = results?;
        for (index, watch) in watches.iter().enumerate() {
            for row in watch.wanted() {
                let value = row_of(index, row).coherence_again();
                watch.set(row, value.map_err(|error| error.in_row(row).in_group(index))?);
            }
            watch.remember();
        }
        for (result, &(index, row)) in results.iter_mut().zip(&rows) {
            report(result).coherence = watches[index].value(row);
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
            swept: prepared.wants_swept(settings),
        };
        // Of a mixture no overlap tells a fidelity.
        let measurable = settings.max_bond_dim.is_some_and(|limit| limit > 1)
            && prepared.main.plan.n_measures() == 0;
        CoherenceWatch::new(&prepared.main.coherence, key, measurable)
    }
}
