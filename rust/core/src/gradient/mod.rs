//! Derivatives of outputs by the parameters of the gates.
//!
//! A row is evolved once, never swept, with all that its cuts drop on a tape (`taped.rs`); the values
//! are read, the outputs become cotangents of the final state (`reader.rs`), and those go back through
//! all steps at once. All parameters together cost about as much as the evolution. The derivative is
//! exact for the truncated simulation, always in double precision.
//!
//! Where a step could create directions that have no weight at all at these parameters (product states,
//! multiples of π/2) the truncated state has a corner, and the derivative there is that of one side of
//! it; where weights are very small, rounding errors count. Where nothing is truncated both are left to
//! what weights mean nothing to: the circuit without factorizations (`uncut.rs`) or, where that is too
//! large, a second state (`two_state.rs`). At a corner of a truncated state the derivative is taken a little
//! beside it, on both sides, and averaged ([`GUARD`]).

mod densities;
mod factors;
mod kernel;
mod outputs;
mod reader;
mod taped;
mod two_state;
mod uncut;
mod unfactored;

use std::time::Instant;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::gradient::reader::Reader;
use crate::gradient::taped::{Room, Taped};
use crate::gradient::uncut::Found;
use crate::group::{Group, Precision, Settings};
use crate::ieee::IeeeArithmetic;
use crate::memory::MemoryPlan;
use crate::mps::Mps;
use crate::plan_cache::PlanCache;
use crate::prepared::Prepared;
use crate::result::CircuitResult;
use crate::rng::ShotKey;
use crate::row::{Row, States};
use crate::run::{GroupResult, Job, SMALL_JOB};
use crate::scalar::C64;
use crate::values::{FewWire, Values};

pub use kernel::{KernelGradient, KernelGradientJob};
pub use outputs::Outputs;

/// How derivatives are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GradientMethod {
    /// Back through the steps of the truncated simulation: exact for it, corners apart.
    Adjoint,
    /// With a second state, the observable times the state, at twice the bond dimension: exact where
    /// nothing is truncated, corners included.
    TwoState,
}

/// Derivatives of one row.
#[derive(Debug, Clone)]
pub struct Derivatives {
    /// outputs × parameters.
    pub gradients: Vec<f64>,
    /// outputs × terms: the derivative by the coefficient of each term of the variances.
    pub variance_coefficients: Vec<f64>,
    /// Whether the truncated state has a corner or a cut without a gap here, so that no tape took the
    /// derivatives.
    pub guarded: bool,
    /// States kept to evolve from again, since memory had no room for all steps.
    pub checkpoints: usize,
    /// Largest size of what was kept of the steps, in bytes.
    pub tape_bytes: u64,
}

/// Derivatives of one group.
#[derive(Debug, Clone)]
pub struct GroupGradient {
    /// Plan, requests, values and reports.
    pub result: GroupResult,
    /// Numbers of outputs, parameters, and terms of variances.
    pub sizes: [usize; 3],
    /// One for each row.
    pub rows: Vec<Derivatives>,
}

/// What a row gives back.
struct RowGradient {
    result: CircuitResult,
    derivatives: Derivatives,
}

/// Relative weight below which a direction is dropped in any case: derivatives along weaker ones are
/// noise.
const LEAST_CUTOFF: f64 = 1e-18;
/// How far beside a corner derivatives are taken, in every parameter: the weight of what arises there,
/// its square, is far above rounding, and its influence on the average, the square again, far below.
const GUARD: f64 = 1e-7;
/// Relative weight up to which a state that the limit did not cut counts as not truncated.
const NOTHING_LOST: f64 = 1e-13;
/// The same for one that it cut.
const NOTHING_CUT: f64 = 1e-15;
/// With weights down to here a second state is exact.
const EXACT_CUTOFF: f64 = 1e-26;
/// Relative gap of a cut that runs between weights which coincide: the truncated state has no derivative.
const NO_GAP: f64 = 1e-8;
/// How far derivatives on both sides of a corner may differ.
const AGREEMENT: f64 = 1e-3;
/// The key of the random signs beside a corner.
const SIGNS: [u64; 2] = [0x626f_6e64, 0x6c69_6e65];
/// A derivative costs about three times the value.
const COST: f64 = 3.0;

/// A validated batch with its outputs, ready to run.
pub struct GradientJob {
    job: Job,
    outputs: Vec<Outputs>,
    method: GradientMethod,
}

impl GradientJob {
    /// Validates everything, as [`Job::prepare`]; outputs are those of each group.
    ///
    /// # Errors
    /// Those of [`Job::prepare`]; [`Error::Unsupported`] if a group asks for what has no derivative.
    pub fn prepare(
        groups: Vec<Group>,
        outputs: Vec<Outputs>,
        settings: Settings,
        method: GradientMethod,
        cache: &PlanCache,
    ) -> Result<Self> {
        if outputs.len() != groups.len() {
            return Err(Error::invalid(format!(
                "expected outputs for each of {} groups, got {}",
                groups.len(),
                outputs.len()
            )));
        }
        for (index, (group, outputs)) in groups.iter().zip(&outputs).enumerate() {
            outputs.check(group).map_err(|error| error.in_group(index))?;
        }
        let cutoff = settings.cutoff.max(LEAST_CUTOFF);
        let settings = Settings { precision: Precision::Double, cutoff, sweeps: false, ..settings };
        Ok(Self { job: Job::prepare(groups, settings, cache)?, outputs, method })
    }

    /// Whether the job is done sooner than a thread could be asked to do it.
    #[must_use]
    pub fn is_small(&self) -> bool {
        COST * self.job.flops() < SMALL_JOB
    }

    /// Runs the job and returns the derivatives of each group, in order. The bits do not depend on the
    /// number of threads.
    ///
    /// # Errors
    /// Those of [`Job::execute`].
    pub fn execute(self, cancel: &Cancel) -> Result<Vec<GroupGradient>> {
        let _ieee = IeeeArithmetic::enter();
        let room = Room::of(&self.job.memory);
        let run =
            |row: &Row<'_, C64>| differentiate(row, &self.outputs[row.group], self.method, room);
        let rows =
            |pooled| self.job.each_row(cancel, pooled, run, |gradient| &mut gradient.result.report);
        let rows = self.job.on_threads(self.is_small(), rows)?;
        let mut rows = rows.into_iter();
        let groups = self.job.groups.into_iter().zip(self.outputs);
        Ok(groups
            .map(|(Prepared { group, main, .. }, outputs)| {
                let own = rows.by_ref().take(group.rows);
                let (results, own) = own.map(|row| (row.result, row.derivatives)).unzip();
                let requests = group.requests;
                let parameters = outputs.differentiated.len();
                GroupGradient {
                    sizes: [outputs.count, parameters, requests.variance_terms.len()],
                    result: GroupResult { plan: main.plan, requests, rows: results },
                    rows: own,
                }
            })
            .collect())
    }
}

impl Room {
    fn of(memory: &MemoryPlan) -> Self {
        Self { tape: memory.tape_bytes / 2, cotangents: memory.tape_bytes / 2 }
    }
}

fn differentiate(
    row: &Row<'_, C64>,
    outputs: &Outputs,
    method: GradientMethod,
    room: Room,
) -> Result<RowGradient> {
    row.shared.cancel.check()?;
    let started = Instant::now();
    let settings = row.shared.settings;
    let parameters = row.prepared.group.parameters(row.index);
    let differentiated = &outputs.differentiated;
    let (taped, evolved) = Taped::evolve(row, parameters, differentiated, settings.cutoff, room)?;
    // What the cutoff takes can be kept, what the limit takes cannot.
    let cut = evolved.log.saturated.contains(&true);
    let whole = evolved.discarded() < if cut { NOTHING_CUT } else { NOTHING_LOST };
    let torn = evolved.log.smallest_gap < NO_GAP;
    let states = States { causal: Some(evolved), swept: None, phase: taped.phase() };
    let (mut result, evolved) = row.read(states)?;
    let last = &evolved.state;
    let found = few_wire(&result);
    let reader = Reader::new(last, values_of(row), &found, outputs, row.shared.cancel)?;
    let corner = taped.at_corner();
    let anything = outputs.count > 0 && differentiated.contains(&true);
    let task = Task { row, outputs, room };
    let guarded = method == GradientMethod::Adjoint && anything && (corner || torn);
    let gradients = if !anything {
        vec![vec![0.0; parameters.len()]; outputs.count]
    } else if method == GradientMethod::TwoState {
        task.two_state(&taped, last, &reader)?
    } else if whole && (guarded || taped.is_graded()) {
        let found = Found { taped: &taped, last, reader: &reader, values: &found };
        task.uncut(&found)?
    } else if guarded {
        let mean = if torn { None } else { task.beside_corner()? };
        mean.map_or_else(|| task.two_state(&taped, last, &reader), Ok)?
    } else {
        task.adjoint(&taped, last, &reader)?
    };
    let by_coefficients =
        (0..outputs.count).flat_map(|output| reader.by_coefficients(output)).collect();
    result.report.seconds = started.elapsed().as_secs_f64();
    let derivatives = Derivatives {
        gradients: gradients.concat(),
        variance_coefficients: by_coefficients,
        guarded,
        checkpoints: taped.checkpoints(),
        tape_bytes: taped.most_bytes() as u64,
    };
    Ok(RowGradient { result, derivatives })
}

/// A row and what is wanted of it.
struct Task<'a> {
    row: &'a Row<'a, C64>,
    outputs: &'a Outputs,
    room: Room,
}

/// Of every output, by every parameter.
type Gradients = Vec<Vec<f64>>;

impl Task<'_> {
    fn sizes(&self) -> (usize, usize) {
        (self.outputs.count, self.outputs.differentiated.len())
    }

    fn adjoint(
        &self,
        taped: &Taped<'_>,
        last: &Mps<C64>,
        reader: &Reader<'_>,
    ) -> Result<Gradients> {
        taped.gradients(last, reader, self.sizes(), self.room)
    }

    fn two_state(
        &self,
        taped: &Taped<'_>,
        last: &Mps<C64>,
        reader: &Reader<'_>,
    ) -> Result<Gradients> {
        let all: Vec<usize> = (0..self.outputs.count).collect();
        two_state::gradients(self.row, taped, last, reader, (&all, self.sizes().1), 2)
    }

    /// Where nothing is cut: without factorizations, or else by second states.
    fn uncut(&self, found: &Found<'_>) -> Result<Gradients> {
        let mut gradients = uncut::gradients(self.row, self.outputs, self.room, found)?;
        let left: Vec<usize> =
            (0..gradients.len()).filter(|&output| gradients[output].is_none()).collect();
        if !left.is_empty() {
            let second = self.two_state_again(&left)?;
            left.iter().zip(second).for_each(|(output, own)| gradients[*output] = Some(own));
        }
        Ok(gradients.into_iter().flatten().collect())
    }

    /// By a second state, beside a first one that keeps all that can be told from rounding.
    fn two_state_again(&self, outputs: &[usize]) -> Result<Gradients> {
        let own = self.row.prepared.group.parameters(self.row.index);
        self.at(own, EXACT_CUTOFF, |task, taped, last, reader| {
            two_state::gradients(task.row, taped, last, reader, (outputs, task.sizes().1), 4)
        })
    }

    /// The mean of the derivatives on both sides of a corner; `None` if they disagree.
    fn beside_corner(&self) -> Result<Option<Gradients>> {
        let own = self.row.prepared.group.parameters(self.row.index);
        beside(own, &self.outputs.differentiated, (Shifts::ByValue, 1.0), |there| {
            self.at(there, LEAST_CUTOFF, Self::adjoint)
        })
    }

    /// The derivatives at other parameters.
    fn at(
        &self,
        parameters: &[f64],
        cutoff: f64,
        take: impl Fn(&Self, &Taped<'_>, &Mps<C64>, &Reader<'_>) -> Result<Gradients>,
    ) -> Result<Gradients> {
        let Self { row, outputs, room } = *self;
        let (taped, evolved) =
            Taped::evolve(row, parameters, &outputs.differentiated, cutoff, room)?;
        let found = values_there(row, &evolved.state)?;
        let reader =
            Reader::new(&evolved.state, values_of(row), &found, outputs, row.shared.cancel)?;
        take(self, &taped, &evolved.state, &reader)
    }
}

/// How parameters move beside a corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shifts {
    /// Equal ones alike, so that what they have in common, a symmetry or an identity, stays: or cuts would
    /// run between weights that were equal.
    ByValue,
    /// Each on its own, so that no two cancel. For where nothing is cut.
    ByPlace,
}

/// The mean of what `take` finds a little beside `own` parameters, on both sides of the corner there; `None` if
/// both disagree, measured by `scale`, the size of what is differentiated.
fn beside(
    own: &[f64],
    differentiated: &[bool],
    (shifts, scale): (Shifts, f64),
    take: impl Fn(&[f64]) -> Result<Gradients>,
) -> Result<Option<Gradients>> {
    let shift = |side: f64| -> Vec<f64> {
        let pairs = own.iter().zip(differentiated).enumerate();
        let moved = |(place, (x, moves)): (usize, (&f64, &bool))| {
            let by = match shifts {
                Shifts::ByValue => random_sign(x.abs().to_bits()),
                Shifts::ByPlace => random_sign(place as u64) * random_size(place as u64),
            };
            if *moves { x + side * by * GUARD } else { *x }
        };
        pairs.map(moved).collect()
    };
    let mut mean = take(&shift(1.0))?;
    let other = take(&shift(-1.0))?;
    let mut agree = true;
    for (one, two) in mean.iter_mut().flatten().zip(other.iter().flatten()) {
        agree &= (*one - two).abs() <= AGREEMENT * (scale + one.abs());
        *one = 0.5 * (*one + two);
    }
    Ok(agree.then_some(mean))
}

/// 1 or -1, the same for the same number.
fn random_sign(of: u64) -> f64 {
    if ShotKey::new(SIGNS, 0).uniform(of, 0) < 0.5 { 1.0 } else { -1.0 }
}

/// From 1 to 2, the same for the same number.
fn random_size(of: u64) -> f64 {
    1.0 + ShotKey::new(SIGNS, 0).uniform(of, 1)
}

fn values_of<'a>(row: &Row<'a, C64>) -> Values<'a> {
    Values {
        plan: &row.prepared.main.plan,
        requests: &row.prepared.group.requests,
        readout: row.shared.settings.readout,
        row: row.index,
    }
}

fn values_there(row: &Row<'_, C64>, state: &Mps<C64>) -> Result<FewWire> {
    values_of(row).few_wire(state, row.shared.parallelism, row.shared.cancel)
}

fn few_wire(result: &CircuitResult) -> FewWire {
    FewWire {
        words: result.words.clone(),
        variances: result.variances.clone(),
        probabilities: result.probabilities.clone(),
        densities: result.densities.clone(),
    }
}
