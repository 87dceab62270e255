//! The engine's entry: a batch of circuits in, values and reports out.
//!
//! [`Job::prepare`] finds every input error and refuses what would not fit in memory before any
//! work; [`Job::execute`] does the work: circuits over threads, or the steps of a level over threads
//! where circuits are fewer.

use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

use crate::cancel::Cancel;
use crate::circuit::{GateKind, Plan, PlanSettings, Width};
use crate::error::{Error, Result};
use crate::group::{Group, Precision, Settings};
use crate::ieee::IeeeArithmetic;
use crate::memory::MemoryPlan;
use crate::mps::{
    Evolution, EvolutionLog, Mps, Parallelism, Readout, Scratches, SiteTensor, Step, StepGate,
    dense_amplitudes, evolve, log_norm_squared, pauli_expectations,
};
use crate::plan_cache::PlanCache;
use crate::pool::{available_threads, pool};
use crate::report::Report;
use crate::request::Requests;
use crate::scalar::{C32, C64, Scalar};
use crate::values::Values;

/// Global results re-canonicalise once this much weight per bond was discarded. A sweep costs about
/// one layer; at this threshold the state has all of the fidelity of sweeping after every layer
/// (n = 14, Haar, depth 16, chi 16: F .4103 against .4104, never swept .4065).
const SWEEP_WEIGHT_PER_BOND: f64 = 0.004;
/// Below this many floating-point operations a job runs on the calling thread, in milliseconds.
const SMALL_JOB: f64 = 2e6;

/// Values and report of one circuit.
#[derive(Debug, Clone)]
pub struct CircuitResult {
    /// ⟨P⟩ of each word.
    pub words: Vec<f64>,
    /// Variance of each sum.
    pub variances: Vec<f64>,
    /// Each distribution, 2^k entries.
    pub probabilities: Vec<Vec<f64>>,
    /// Each density matrix, row-major, 4^k entries.
    pub densities: Vec<Vec<C64>>,
    /// Each entanglement spectrum, descending.
    pub spectra: Vec<Vec<f64>>,
    /// Natural logarithm of the probability of each bitstring.
    pub log_probabilities: Vec<f64>,
    /// Each sampling.
    pub samples: Vec<SampleResult>,
    /// Each joint distribution of mid-circuit outcomes.
    pub outcomes: Vec<Vec<f64>>,
    /// The site tensors, normalised, in the order of the wires, if asked.
    pub tensors: Option<Vec<SiteTensor<C64>>>,
    /// The Schmidt values of the inner bonds, if the tensors are asked.
    pub schmidt_values: Option<Vec<Vec<f64>>>,
    /// All amplitudes, if asked.
    pub dense_state: Option<Vec<C64>>,
    /// What was discarded.
    pub report: Report,
}

/// Shots of one sampling.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleResult {
    /// shots × wires, 0 or 1.
    pub bits: Vec<u8>,
    /// shots × mid-circuit measurements; 255 where postselection dropped the shot.
    pub outcomes: Vec<u8>,
}

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
    groups: Vec<(Group, Arc<Plan>)>,
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
        };
        let mut planned = Vec::with_capacity(groups.len());
        for (index, group) in groups.into_iter().enumerate() {
            let plan = group
                .check()
                .and_then(|()| not_yet(&group))
                .and_then(|()| cache.plan(&group.structure, &plan_settings))
                .map_err(|error| error.in_group(index))?;
            planned.push((group, plan));
        }
        let memory = MemoryPlan::new(&planned, &settings, threads)?;
        Ok(Self { groups: planned, settings, threads, memory })
    }

    /// Whether the job is done sooner than a thread could be asked to do it.
    #[must_use]
    pub fn is_small(&self) -> bool {
        let flops = self.groups.iter().map(|(group, plan)| {
            let steps = plan.flops() + 1e3 * plan.steps().len() as f64;
            (steps + group.requests.flops(plan.n_sites())) * group.rows as f64
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
        let results = if self.is_small() || self.threads == 1 {
            self.run_rows(cancel, false)?
        } else {
            pool(self.threads)?.install(|| self.run_rows(cancel, true))?
        };
        let mut results = results.into_iter();
        let groups = self.groups.into_iter();
        Ok(groups
            .map(|(group, plan)| GroupResult {
                plan,
                requests: group.requests,
                rows: results.by_ref().take(group.rows).collect(),
            })
            .collect())
    }

    /// Every row of every group, in order.
    fn run_rows(&self, cancel: &Cancel, pooled: bool) -> Result<Vec<CircuitResult>> {
        let rows: Vec<(usize, usize)> = self
            .groups
            .iter()
            .enumerate()
            .flat_map(|(index, (group, _))| (0..group.rows).map(move |row| (index, row)))
            .collect();
        let circuits_share =
            pooled && rows.len() >= self.threads && self.memory.at_once == self.threads;
        let parallelism =
            if pooled && !circuits_share { Parallelism::Pool } else { Parallelism::Sequential };
        let shared = Shared {
            single: Scratches::default(),
            double: Scratches::default(),
            parallelism,
            cancel,
        };
        let run = |&(index, row): &(usize, usize)| {
            let (group, plan) = &self.groups[index];
            match self.settings.precision {
                Precision::Single => self.run_row(group, plan, row, &shared.single, &shared),
                Precision::Double => self.run_row(group, plan, row, &shared.double, &shared),
            }
            .map_err(|error| error.in_row(row).in_group(index))
        };
        if circuits_share {
            rows.par_iter().map(run).collect()
        } else {
            rows.iter().map(run).collect()
        }
    }

    fn run_row<T: Scalar>(
        &self,
        group: &Group,
        plan: &Plan,
        row: usize,
        scratches: &Scratches<T>,
        shared: &Shared<'_>,
    ) -> Result<CircuitResult> {
        shared.cancel.check()?;
        let started = Instant::now();
        let bound = plan.bind(&group.structure, group.parameters(row), group.matrices(row))?;
        let steps = steps_of::<T>(plan, &bound.matrices);
        let requests = &group.requests;
        let n = plan.n_sites();
        let mut evolution = Evolution {
            cutoff: self.settings.cutoff,
            method: self.settings.method,
            sweep_threshold: None,
            max_entries: self.memory.max_entries,
        };
        let mut evolved = |sweep_threshold| -> Result<(Mps<T>, EvolutionLog)> {
            evolution.sweep_threshold = sweep_threshold;
            let mut state = Mps::zeros(n)?;
            let (levels, mode) = (plan.levels(), shared.parallelism);
            let log =
                evolve(&mut state, &steps, levels, &evolution, mode, scratches, shared.cancel)?;
            Ok((state, log))
        };
        // Few-wire values with the local readout want the causal weights of the never-swept state,
        // global ones the swept state: each the same whatever else is asked.
        let threshold = SWEEP_WEIGHT_PER_BOND * (n - 1) as f64;
        let local = self.settings.readout == Readout::Local;
        let causal_wanted = local && (requests.has_local() || !requests.has_global());
        let global_wanted = requests.has_global() || !local;
        let causal = if causal_wanted { Some(evolved(None)?) } else { None };
        let swept = match &causal {
            Some((_, log)) if log.discarded.iter().sum::<f64>() <= threshold => None,
            _ if global_wanted => Some(evolved(Some(threshold))?),
            _ => None,
        };
        let few = causal.as_ref().or(swept.as_ref());
        let global = swept.as_ref().or(causal.as_ref());
        let (Some((few, few_log)), Some((global, global_log))) = (few, global) else {
            return Err(Error::Internal("no state was evolved".to_owned()));
        };
        let values = Values { plan, requests, readout: self.settings.readout, row };
        let cones = values.cones(few_log);
        let mut methods = few_log.methods;
        if swept.is_some() && causal.is_some() {
            methods.add(global_log.methods);
        }
        let mut discarded = vec![0.0; n - 1];
        for (step, weight) in plan.steps().iter().zip(&few_log.discarded) {
            if step.width == Width::Two {
                discarded[step.site] += weight;
            }
        }
        Ok(CircuitResult {
            words: pauli_expectations(
                few,
                &values.words(),
                self.settings.readout,
                shared.parallelism,
                shared.cancel,
            )?,
            variances: values.variances(few, shared.cancel)?,
            probabilities: values.probabilities(few, shared.cancel)?,
            densities: values.densities(few, shared.cancel)?,
            spectra: Vec::new(),
            log_probabilities: Vec::new(),
            samples: values.samples(global, global_log, shared.parallelism, shared.cancel)?,
            outcomes: Vec::new(),
            tensors: None,
            schmidt_values: None,
            dense_state: requests.dense_state.then(|| {
                let mut amplitudes = dense_amplitudes(global, plan.wire_of_site());
                amplitudes.iter_mut().for_each(|x| *x *= bound.phase);
                amplitudes
            }),
            report: Report {
                log_norm: log_norm_squared(global, shared.cancel)?,
                coherence: f64::NAN,
                branches: 1,
                peak_bytes: 0,
                discarded,
                bonds: global.bond_dims(),
                largest_bond: few_log.largest_bond.max(global_log.largest_bond),
                saturated: few_log.saturated.clone(),
                cones,
                methods,
                sweeps: global_log.sweeps,
                seconds: started.elapsed().as_secs_f64(),
            },
        })
    }
}

/// What the engine is told but does not do yet.
fn not_yet(group: &Group) -> Result<()> {
    let (structure, requests) = (&group.structure, &group.requests);
    let what = [
        (structure.gates().any(|gate| !gate.controls.is_empty()), "controlled gates"),
        (
            structure.n_matrix_entries() > 0
                && structure.gates().any(|g| matches!(g.spec.kind, GateKind::UserMany)),
            "matrices on three or more wires",
        ),
        (
            !structure.measures().is_empty() || !structure.conditions().is_empty(),
            "mid-circuit measurements",
        ),
        (!structure.loaded().wires.is_empty(), "initial states"),
        (!requests.spectra.is_empty(), "entanglement spectra"),
        (!requests.bitstrings.is_empty(), "probabilities of bitstrings"),
        (requests.tensors, "the tensors of the state"),
    ];
    match what.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(Error::Unsupported(format!("the engine does not offer {what} yet"))),
        None => Ok(()),
    }
}

/// What the rows of a job share.
struct Shared<'a> {
    single: Scratches<C32>,
    double: Scratches<C64>,
    parallelism: Parallelism,
    cancel: &'a Cancel,
}

fn steps_of<T: Scalar>(plan: &Plan, matrices: &[[C64; 16]]) -> Vec<Step<T>> {
    let steps = plan.steps().iter().zip(matrices);
    steps
        .map(|(step, matrix)| {
            let gate = match step.width {
                Width::One => StepGate::One(std::array::from_fn(|i| T::from_c64(matrix[i]))),
                Width::Two => StepGate::Two(matrix.map(T::from_c64), step.rank),
            };
            Step { site: step.site, gate, limit: step.limit }
        })
        .collect()
}
