//! The engine's entry: a batch of circuits in, values and reports out.
//!
//! [`Job::prepare`] finds every input error and refuses what would not fit in memory before any
//! work; [`Job::execute`] does the work: circuits over threads, or the steps of a level over threads
//! where circuits are fewer.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as AtomicOrdering};
use std::time::Instant;

use rayon::prelude::*;

use crate::circuit::{Ordering, Plan, PlanSettings, Structure, Width};
use crate::error::{Error, Result};
use crate::ieee::IeeeArithmetic;
use crate::linalg::Method;
use crate::mps::{
    Evolution, EvolutionLog, LightCones, Mps, Parallelism, PauliSum, PauliWord, Readout, Scratches,
    Step, StepGate, dense_amplitudes, evolve, log_norm_squared, pauli_expectations, probabilities,
    reduced_density_matrix, variance,
};
use crate::plan_cache::PlanCache;
use crate::pool::{available_threads, pool};
use crate::report::Report;
use crate::request::Requests;
use crate::scalar::{C32, C64, Scalar};

/// Global results re-canonicalise once this much weight per bond was discarded. A sweep costs about
/// one layer; at this threshold the state has all of the fidelity of sweeping after every layer
/// (n = 14, Haar, depth 16, chi 16: F .4103 against .4104, never swept .4065).
const SWEEP_WEIGHT_PER_BOND: f64 = 0.004;
/// Below this many floating-point operations a job runs on the calling thread, in milliseconds.
const SMALL_JOB: f64 = 2e6;

/// Number type of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// complex64
    Single,
    /// complex128
    Double,
}

/// Settings of a run; all explicit.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Largest bond kept; `None` for no limit.
    pub max_bond_dim: Option<usize>,
    /// Largest relative weight discarded at a step below `max_bond_dim`.
    pub cutoff: f64,
    /// Number type of the state.
    pub precision: Precision,
    /// State that few-wire values are read from.
    pub readout: Readout,
    /// Where the wires start.
    pub ordering: Ordering,
    /// Factorization.
    pub method: Method,
    /// Threads; `None` for all that the process may use. Never changes a result.
    pub threads: Option<usize>,
    /// Bytes that the run may take.
    pub memory_limit: u64,
}

/// Circuits of one structure, one row of parameters each.
#[derive(Debug, Clone)]
pub struct Group {
    /// Gates and wires.
    pub structure: Arc<Structure>,
    /// Number of circuits.
    pub rows: usize,
    /// rows × parameters.
    pub parameters: Vec<f64>,
    /// One row for all, or one for each row: entries of the user's matrices.
    pub matrices: Vec<C64>,
    /// What to read from each row.
    pub requests: Requests,
}

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
    /// All amplitudes, if asked.
    pub dense_state: Option<Vec<C64>>,
    /// What was discarded.
    pub report: Report,
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
    /// Circuits that fit in memory at once, at most `threads`.
    at_once: usize,
    /// Most tensor entries of one state.
    max_entries: usize,
}

impl Job {
    /// Validates everything, plans every structure, and checks the memory that will be needed.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming gate and row, [`Error::Resource`] naming the bytes.
    pub fn prepare(groups: Vec<Group>, settings: Settings, cache: &PlanCache) -> Result<Self> {
        let _ieee = IeeeArithmetic::enter();
        check_settings(&settings)?;
        let threads = settings.threads.unwrap_or_else(available_threads);
        let plan_settings = PlanSettings {
            max_bond_dim: settings.max_bond_dim,
            ordering: settings.ordering.clone(),
        };
        let mut planned = Vec::with_capacity(groups.len());
        for (index, group) in groups.into_iter().enumerate() {
            let plan = check_group(&group)
                .and_then(|()| cache.plan(&group.structure, &plan_settings))
                .map_err(|error| error.in_group(index))?;
            planned.push((group, plan));
        }
        let mut job = Self { groups: planned, settings, threads, at_once: 1, max_entries: 0 };
        job.plan_memory()?;
        Ok(job)
    }

    /// Whether the job is done sooner than a thread could be asked to do it.
    #[must_use]
    pub fn is_small(&self) -> bool {
        let flops = self.groups.iter().map(|(group, plan)| {
            let values = group.requests.words.len() as f64 * 1e3;
            (plan.flops() + values + 1e3 * plan.steps().len() as f64) * group.rows as f64
        });
        let dense = self.groups.iter().any(|(group, _)| {
            group.requests.dense_state || !group.requests.probabilities.is_empty()
        });
        flops.sum::<f64>() < SMALL_JOB && !dense
    }

    /// Runs the job and returns one result for each group, in order. The bits do not depend on the
    /// number of threads.
    ///
    /// # Errors
    /// [`Error::Interrupted`] soon after `cancel` is set; [`Error::Resource`],
    /// [`Error::Numerical`] as the steps report them.
    pub fn execute(self, cancel: &AtomicBool) -> Result<Vec<GroupResult>> {
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
    fn run_rows(&self, cancel: &AtomicBool, pooled: bool) -> Result<Vec<CircuitResult>> {
        let rows: Vec<(usize, usize)> = self
            .groups
            .iter()
            .enumerate()
            .flat_map(|(index, (group, _))| (0..group.rows).map(move |row| (index, row)))
            .collect();
        let circuits_share = pooled && rows.len() >= self.threads && self.at_once == self.threads;
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
        if shared.cancel.load(AtomicOrdering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let started = Instant::now();
        let bound = plan.bind(&group.structure, group.parameters(row), group.matrices(row))?;
        let steps = steps_of::<T>(plan, &bound.matrices);
        let requests = &group.requests;
        let n = plan.n_sites();
        let mut evolution = Evolution {
            cutoff: self.settings.cutoff,
            method: self.settings.method,
            sweep_threshold: None,
            max_entries: self.max_entries,
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
        let causal_wanted = local && (requests.has_local() || !requests.dense_state);
        let global_wanted = requests.dense_state || !local;
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
        let parallel = shared.parallelism == Parallelism::Pool;
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
            words: pauli_expectations(few, &values.words(), self.settings.readout, parallel),
            variances: values.variances(few, shared.cancel)?,
            probabilities: values.probabilities(few, shared.cancel)?,
            densities: values.densities(few, shared.cancel)?,
            dense_state: requests.dense_state.then(|| {
                let mut amplitudes = dense_amplitudes(global, plan.wire_of_site());
                amplitudes.iter_mut().for_each(|x| *x *= bound.phase);
                amplitudes
            }),
            report: Report {
                norm: log_norm_squared(global).exp(),
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

    /// How many circuits fit at once, or an error if not even one does.
    fn plan_memory(&mut self) -> Result<()> {
        let entry = match self.settings.precision {
            Precision::Single => size_of::<C32>(),
            Precision::Double => size_of::<C64>(),
        } as f64;
        let limit = self.settings.memory_limit as f64;
        let mut results = 0.0;
        let mut circuit = 0.0_f64;
        for (group, plan) in &self.groups {
            let (kept, working, what) = request_bytes(group);
            if kept + working > limit {
                return Err(too_much(&what, kept + working, limit));
            }
            results += kept;
            // A bound made by max_bond_dim is taken at its word. Without a limit the bound is
            // 2^(n/2), which few circuits come near: there the size is watched during the run.
            let state = match self.settings.max_bond_dim {
                Some(_) => {
                    plan.peak_elements() * entry + 8.0 * 16.0 * plan.max_bond().powi(2) * 4.0
                }
                None => 0.0,
            };
            let bonds = format!("the states of {} wires", plan.n_sites());
            if state > limit {
                return Err(too_much(&bonds, state, limit));
            }
            circuit = circuit.max(state + working);
        }
        if results + circuit > limit {
            return Err(too_much("the results of the whole batch", results + circuit, limit));
        }
        let fit = if circuit > 0.0 { ((limit - results) / circuit).floor() } else { f64::MAX };
        self.at_once = if fit >= self.threads as f64 { self.threads } else { 1 };
        self.max_entries = ((limit - results) / self.at_once as f64 / entry) as usize;
        Ok(())
    }
}

/// What the rows of a job share.
struct Shared<'a> {
    single: Scratches<C32>,
    double: Scratches<C64>,
    parallelism: Parallelism,
    cancel: &'a AtomicBool,
}

impl Group {
    fn parameters(&self, row: usize) -> &[f64] {
        let width = self.structure.n_parameters();
        &self.parameters[row * width..(row + 1) * width]
    }

    fn matrices(&self, row: usize) -> &[C64] {
        let width = self.structure.n_matrix_entries();
        let start = if self.matrices.len() == width { 0 } else { row * width };
        &self.matrices[start..start + width]
    }
}

/// The requested few-wire values of one row, on sites.
struct Values<'a> {
    plan: &'a Plan,
    requests: &'a Requests,
    readout: Readout,
    row: usize,
}

impl Values<'_> {
    fn sites(&self, wires: &[usize]) -> Vec<usize> {
        wires.iter().map(|&wire| self.plan.site_of_wire()[wire]).collect()
    }

    fn words(&self) -> Vec<PauliWord> {
        let site = |wire: usize| self.plan.site_of_wire()[wire];
        let words = self.requests.words.iter();
        words
            .map(|word| {
                let factors: Vec<_> = word.iter().map(|(wire, p)| (site(*wire), *p)).collect();
                PauliWord::new(&factors)
            })
            .collect()
    }

    fn variances<T: Scalar>(&self, state: &Mps<T>, cancel: &AtomicBool) -> Result<Vec<f64>> {
        let words = self.words();
        let coefficients = self.requests.coefficients(self.row);
        let variances = self.requests.variances.iter().map(|terms| {
            check(cancel)?;
            let terms = terms.clone();
            let pairs = self.requests.variance_terms[terms.clone()].iter();
            let sum = PauliSum {
                terms: coefficients[terms].iter().copied().zip(pairs.map(|&w| &words[w])).collect(),
            };
            Ok(variance(state, &sum, self.readout).max(0.0))
        });
        variances.collect()
    }

    fn probabilities<T: Scalar>(
        &self,
        state: &Mps<T>,
        cancel: &AtomicBool,
    ) -> Result<Vec<Vec<f64>>> {
        let lists = self.requests.probabilities.iter().map(|wires| {
            check(cancel)?;
            Ok(probabilities(state, &self.sites(wires), self.readout))
        });
        lists.collect()
    }

    fn densities<T: Scalar>(&self, state: &Mps<T>, cancel: &AtomicBool) -> Result<Vec<Vec<C64>>> {
        let lists = self.requests.densities.iter().map(|wires| {
            check(cancel)?;
            Ok(reduced_density_matrix(state, &self.sites(wires), self.readout))
        });
        lists.collect()
    }

    fn cones(&self, log: &EvolutionLog) -> Vec<f64> {
        let supports: Vec<Range<usize>> = self
            .plan
            .steps()
            .iter()
            .map(|step| step.site..step.site + if step.width == Width::Two { 2 } else { 1 })
            .collect();
        let cones = LightCones {
            supports: &supports,
            discarded: &log.discarded,
            n_sites: self.plan.n_sites(),
        };
        let values: Vec<Vec<usize>> =
            self.requests.supports().iter().map(|wires| self.sites(wires)).collect();
        cones.discarded_weight(values.iter().map(Vec::as_slice))
    }
}

fn check(cancel: &AtomicBool) -> Result<()> {
    if cancel.load(AtomicOrdering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
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

fn check_settings(settings: &Settings) -> Result<()> {
    if !(settings.cutoff >= 0.0 && settings.cutoff < 1.0) {
        return Err(Error::invalid(format!(
            "cutoff must be at least 0 (off) and below 1, got {}",
            settings.cutoff
        )));
    }
    if settings.threads == Some(0) {
        return Err(Error::invalid("threads must be at least 1 or None (all), got 0"));
    }
    Ok(())
}

fn check_group(group: &Group) -> Result<()> {
    let structure = &group.structure;
    let (parameters, entries) = (structure.n_parameters(), structure.n_matrix_entries());
    if group.parameters.len() != group.rows * parameters {
        return Err(Error::invalid(format!(
            "expected {} rows of {parameters} parameters, got {} numbers",
            group.rows,
            group.parameters.len()
        )));
    }
    let matrices = group.matrices.len();
    if matrices != entries && matrices != group.rows * entries {
        return Err(Error::invalid(format!(
            "expected {entries} matrix entries for all rows or for each of {} rows, got {matrices}",
            group.rows
        )));
    }
    group.requests.check(structure.n_wires(), group.rows)?;
    for row in 0..group.rows {
        structure
            .check_row(group.parameters(row), group.matrices(row))
            .map_err(|error| error.in_row(row))?;
    }
    Ok(())
}

/// Bytes of a group's results and of the working memory of one row's readout, and what the largest
/// of them is.
fn request_bytes(group: &Group) -> (f64, f64, String) {
    let rows = group.rows as f64;
    let mut parts: Vec<(f64, f64, String)> = Vec::new();
    let numbers = |wires: usize, factor: f64| (wires as f64 * factor).exp2();
    let n = group.structure.n_wires();
    if group.requests.dense_state {
        let bytes = 16.0 * numbers(n, 1.0);
        parts.push((rows * bytes, 3.0 * bytes, format!("state() of {n} wires, 2^{n} numbers")));
    }
    for wires in group.requests.probabilities.iter().map(Vec::len) {
        let bytes = 8.0 * numbers(wires, 1.0);
        parts.push((rows * bytes, bytes, format!("probs on {wires} wires, 2^{wires} numbers")));
    }
    for wires in group.requests.densities.iter().map(Vec::len) {
        let bytes = 16.0 * numbers(wires, 2.0);
        parts.push((rows * bytes, bytes, format!("a density matrix of {wires} wires")));
    }
    let what = parts.iter().max_by(|a, b| a.0.total_cmp(&b.0)).map(|part| part.2.clone());
    let kept = parts.iter().map(|part| part.0).sum();
    let working = parts.iter().map(|part| part.1).fold(0.0, f64::max);
    (kept, working, what.unwrap_or_default())
}

fn too_much(what: &str, needed: f64, limit: f64) -> Error {
    Error::Resource(format!(
        "{what} may need {}, more than memory_limit ({}); ask for fewer wires or rows, lower \
         max_bond_dim, or raise memory_limit",
        bytes(needed),
        bytes(limit)
    ))
}

/// A size a person can read, with the exact bytes where a number of bytes still says something.
fn bytes(count: f64) -> String {
    const UNITS: [&str; 6] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let power = (count.max(1.0).log2() / 10.0).floor() as usize;
    match UNITS.get(power) {
        Some(&"bytes") => format!("{count:.0} bytes"),
        Some(unit) => {
            format!("{:.2} {unit} ({count:.0} bytes)", count / (10.0 * power as f64).exp2())
        }
        None => format!("2^{:.0} bytes", count.log2()),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_readable() {
        assert_eq!(bytes(12.0), "12 bytes");
        assert_eq!(bytes(1536.0), "1.50 KiB (1536 bytes)");
        assert_eq!(bytes(34.0_f64.exp2() * 8.0), "128.00 GiB (137438953472 bytes)");
        assert_eq!(bytes(100.0_f64.exp2()), "2^100 bytes");
    }
}
