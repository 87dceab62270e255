//! Derivatives of fidelities with other states, as kernels have them.
//!
//! ```text
//! E_i = Σ_j c_ij |⟨φ_j|ψ_i⟩|² / ⟨ψ_i|ψ_i⟩          dE_i by the parameters of row i
//! ```
//!
//! The others `φ_j` are encoded states and stand still, whatever they depend on: who differentiates a kernel of a
//! set with itself counts both of its sides. A row is evolved once on a tape, the sum over j becomes one
//! cotangent of its final state, and that goes back once: so the cost is three evolutions and for each
//! pair about four overlaps. Only one tape for each row in work is held at a time.
//!
//! Corners of the truncated state and weak directions (see `mod.rs`) matter more here than for expectation
//! values: another state may be large just where this one has nothing. A second state would have to be the
//! sum of all others, with bonds as many times as large; where nothing is truncated the circuit is applied
//! without factorizations instead (`unfactored.rs`). Only if its bonds become too large, or where the limit
//! cuts, is the derivative at a corner the mean of those on its both sides.

use std::time::Instant;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::gradient::taped::{Room, Taped};
use crate::gradient::unfactored::Layout;
use crate::gradient::{COST, LEAST_CUTOFF, NO_GAP, NOTHING_CUT, NOTHING_LOST, Shifts, beside};
use crate::group::{Group, Precision, Settings};
use crate::ieee::IeeeArithmetic;
use crate::mps::Mps;
use crate::mps::adjoint::{Cotangent, PackedState, fidelity_cotangent};
use crate::overlaps::{EncodedStates, InDouble};
use crate::plan_cache::PlanCache;
use crate::report::Report;
use crate::request::Requests;
use crate::row::Row;
use crate::run::{Job, SMALL_JOB};
use crate::scalar::C64;

/// Bonds up to which a circuit is applied without factorizations rather than beside a corner.
const LARGEST_BOND: usize = 64;

/// Derivatives of the weighted fidelities of each row of a group.
#[derive(Debug, Clone)]
pub struct KernelGradient {
    /// rows × parameters.
    pub gradients: Vec<f64>,
    /// Of each row: whether its state has a corner, or a cut without a gap, so that no tape took the derivative.
    pub guarded: Vec<bool>,
    /// Of each row: whether nothing could be told for certain: both sides of a corner disagree, or a cut has no
    /// gap, and the circuit is too deep to be applied without factorizations.
    pub unsettled: Vec<bool>,
    /// Of each row: states kept to evolve from again, since memory had no room for all steps.
    pub checkpoints: Vec<usize>,
}

/// A validated group with its weights, ready to run.
pub struct KernelGradientJob {
    job: Job,
    others: EncodedStates,
    weights: Vec<f64>,
    differentiated: Vec<bool>,
}

impl KernelGradientJob {
    /// Validates everything. `weights` are rows × others, `differentiated` rows × parameters.
    ///
    /// # Errors
    /// Those of [`Job::prepare`]; [`Error::InvalidInput`] if a list has another length, a weight is not
    /// finite or the widths differ; [`Error::Unsupported`] for mid-circuit measurements.
    pub fn prepare(
        mut group: Group,
        others: EncodedStates,
        weights: Vec<f64>,
        differentiated: Vec<bool>,
        settings: Settings,
        cache: &PlanCache,
    ) -> Result<Self> {
        let structure = &group.structure;
        if !structure.measures().is_empty() {
            return Err(Error::Unsupported(
                "a circuit with mid-circuit measurements has no one state to compare; leave them out"
                    .to_owned(),
            ));
        }
        if others.n_wires() != structure.n_wires() {
            return Err(Error::invalid(format!(
                "expected encoded states of {} wires, got {}; encode them with the feature map that is \
                 differentiated",
                structure.n_wires(),
                others.n_wires()
            )));
        }
        let size = |what: &str, given: usize, columns: usize| {
            if Some(given) == group.rows.checked_mul(columns) {
                return Ok(());
            }
            Err(Error::invalid(format!(
                "expected {what} of {} rows and {columns} columns, got {given} numbers",
                group.rows
            )))
        };
        size("weights", weights.len(), others.states().len())?;
        size("flags", differentiated.len(), structure.n_parameters())?;
        if let Some(place) = weights.iter().position(|weight| !weight.is_finite()) {
            let (row, column) = (place / others.states().len(), place % others.states().len());
            return Err(Error::invalid(format!(
                "the weight of row {row} and state {column} is {}; give finite numbers",
                weights[place]
            )));
        }
        group.requests = Requests::default();
        let held = others.n_bytes() as u64;
        let Some(memory_limit) = settings.memory_limit.checked_sub(held).filter(|left| *left > 0)
        else {
            return Err(Error::Resource(format!(
                "{} encoded states take {held} bytes, more than memory_limit ({} bytes); compare with \
                 fewer states at a time, or raise memory_limit",
                others.states().len(),
                settings.memory_limit
            )));
        };
        let settings = Settings {
            precision: Precision::Double,
            cutoff: settings.cutoff.max(LEAST_CUTOFF),
            sweeps: false,
            memory_limit,
            ..settings
        };
        let job = Job::prepare(vec![group], settings, cache)?;
        Ok(Self { job, others, weights, differentiated })
    }

    /// Whether the job is done sooner than a thread could be asked to do it.
    #[must_use]
    pub fn is_small(&self) -> bool {
        let pairs = (self.weights.len() * self.others.n_wires()) as f64;
        let bond = self.others.largest_bond() as f64;
        COST * self.job.flops() + 1e2 * pairs * bond.powi(3) < SMALL_JOB
    }

    /// Runs the job. The bits do not depend on the number of threads.
    ///
    /// # Errors
    /// Those of [`Job::execute`].
    pub fn execute(self, cancel: &Cancel) -> Result<KernelGradient> {
        let _ieee = IeeeArithmetic::enter();
        let others: Vec<InDouble<'_>> =
            self.others.states().iter().map(|state| state.in_double()).collect();
        let room = Room::of(&self.job.memory);
        let run = |row: &Row<'_, C64>| {
            let parameters = row.prepared.group.structure.n_parameters();
            let task = Task {
                row,
                others: &others,
                weights: &self.weights[row.index * others.len()..][..others.len()],
                differentiated: &self.differentiated[row.index * parameters..][..parameters],
                room,
            };
            task.differentiate()
        };
        let rows = |pooled| self.job.each_row(cancel, pooled, run, |found| &mut found.report);
        let rows = self.job.on_threads(self.is_small(), rows)?;
        Ok(KernelGradient {
            guarded: rows.iter().map(|row| row.guarded).collect(),
            unsettled: rows.iter().map(|row| row.unsettled).collect(),
            checkpoints: rows.iter().map(|row| row.checkpoints).collect(),
            gradients: rows.into_iter().flat_map(|row| row.gradient).collect(),
        })
    }
}

/// What a row gives back.
struct RowGradient {
    gradient: Vec<f64>,
    guarded: bool,
    unsettled: bool,
    checkpoints: usize,
    report: Report,
}

/// One row and what is wanted of it.
struct Task<'a> {
    row: &'a Row<'a, C64>,
    others: &'a [InDouble<'a>],
    weights: &'a [f64],
    differentiated: &'a [bool],
    room: Room,
}

impl Task<'_> {
    fn differentiate(&self) -> Result<RowGradient> {
        let Self { row, room, .. } = *self;
        row.shared.cancel.check()?;
        let started = Instant::now();
        let mut found = RowGradient {
            gradient: vec![0.0; self.differentiated.len()],
            guarded: false,
            unsettled: false,
            checkpoints: 0,
            report: Report::starting(Vec::new()),
        };
        let idle = self.weights.iter().all(|weight| *weight == 0.0);
        if idle || !self.differentiated.contains(&true) {
            return Ok(found);
        }
        let own = row.prepared.group.parameters(row.index);
        let cutoff = row.shared.settings.cutoff;
        let (taped, evolved) = Taped::evolve(row, own, self.differentiated, cutoff, room)?;
        found.report = Report::starting(evolved.log.saturated.clone());
        found.checkpoints = taped.checkpoints();
        // What the cutoff takes can be kept, what the limit takes cannot.
        let cut = evolved.log.saturated.contains(&true);
        let whole = evolved.discarded() < if cut { NOTHING_CUT } else { NOTHING_LOST };
        let (corner, torn) = (taped.at_corner(), evolved.log.smallest_gap < NO_GAP);
        found.guarded = corner || torn;
        let weak = found.guarded || whole && taped.is_graded();
        let mut gradient = None;
        if torn || whole && weak {
            gradient = self.unfactored(&taped)?;
        }
        if gradient.is_none() && weak {
            let shifts = if whole { Shifts::ByPlace } else { Shifts::ByValue };
            // No fidelity changes by more than 1: what the weights add up to is the scale.
            let scale = self.weights.iter().map(|weight| weight.abs()).sum();
            gradient = beside(own, self.differentiated, (shifts, scale), |there| self.at(there))?
                .and_then(|mut mean| mean.pop());
            found.unsettled = torn;
            if gradient.is_none() && !torn && !whole {
                gradient = self.unfactored(&taped)?;
            }
        }
        found.gradient = if let Some(gradient) = gradient {
            gradient
        } else {
            found.unsettled = weak;
            self.adjoint(&taped, &evolved.state)?
        };
        found.report.seconds = started.elapsed().as_secs_f64();
        Ok(found)
    }

    /// The derivatives at other parameters.
    fn at(&self, parameters: &[f64]) -> Result<Vec<Vec<f64>>> {
        let (taped, evolved) =
            Taped::evolve(self.row, parameters, self.differentiated, LEAST_CUTOFF, self.room)?;
        Ok(vec![self.adjoint(&taped, &evolved.state)?])
    }

    fn adjoint(&self, taped: &Taped<'_>, last: &Mps<C64>) -> Result<Vec<f64>> {
        let cotangent = self.cotangent(last)?;
        let mut gradients = [vec![0.0; self.differentiated.len()]];
        taped.back(last, &mut [cotangent], &mut gradients)?;
        let [gradient] = gradients;
        Ok(gradient)
    }

    /// Of the circuit without truncations; `None` where its bonds become too large.
    fn unfactored(&self, taped: &Taped<'_>) -> Result<Option<Vec<f64>>> {
        let (program, tangents) = taped.program();
        let layout = Layout::new(program, tangents, LARGEST_BOND)?;
        let Some(layout) = layout.filter(|layout| layout.fits(self.row.shared, 0)) else {
            return Ok(None);
        };
        let applied = layout.apply(self.row.shared.cancel)?;
        let mut gradient = vec![0.0; self.differentiated.len()];
        applied.back(self.cotangent(&applied.state)?, &mut gradient);
        Ok(Some(gradient))
    }

    fn cotangent(&self, last: &Mps<C64>) -> Result<Cotangent> {
        let others: Vec<PackedState<'_>> = self
            .others
            .iter()
            .map(|state| PackedState { dims: &state.dims, entries: &state.entries })
            .collect();
        fidelity_cotangent(last, &others, self.weights, self.row.shared.cancel)
    }
}
