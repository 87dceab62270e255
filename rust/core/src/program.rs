//! One row of a group on one plan: bound to its numbers, ready to evolve.
//!
//! A [`Program`] is a circuit without mid-circuit measurements, which is one [`BoundSegment`];
//! with them each history binds its segments as it comes to them.

use std::ops::Range;

use crate::cancel::Cancel;
use crate::circuit::{Plan, PlannedStep, StepMatrix, StepTangents};
use crate::error::Result;
use crate::group::{Group, Settings};
use crate::initial::InitialState;
use crate::linalg::Expected;
use crate::linalg::Truncation;
use crate::mps::{
    Evolution, EvolutionLog, Mps, Parallelism, Scratches, Step, StepGate, SweepLog, Tape,
    apply_one_site, evolve, evolve_on_tape,
};
use crate::scalar::{C64, Scalar};

/// Of global results, evolution goes on around a centre once this much weight per bond was discarded,
/// and a sweep comes last. Before it, steps run on all threads and need no QR; after it, every cut is the
/// best one for the whole state.
const SWEEP_WEIGHT_PER_BOND: f64 = 0.004;

/// The weight that makes a centre worth its cost on `n_sites` sites.
pub(crate) fn sweep_threshold(n_sites: usize) -> f64 {
    SWEEP_WEIGHT_PER_BOND * (n_sites - 1) as f64
}

/// What the rows of a job share.
pub(crate) struct Shared<'a, T: Scalar> {
    pub settings: &'a Settings,
    /// Most tensor entries of one state.
    pub max_entries: usize,
    /// Most tensor entries of all states of a circuit: of one in work and those that wait.
    pub max_held: usize,
    pub scratches: Scratches<T>,
    pub parallelism: Parallelism,
    pub cancel: &'a Cancel,
}

/// The bond dimensions of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bonds {
    Full,
    /// Half of every limit.
    Halved,
}

impl Bonds {
    fn limit(self, limit: Option<usize>) -> Option<usize> {
        match self {
            Self::Full => limit,
            Self::Halved => limit.map(|limit| (limit / 2).max(1)),
        }
    }
}

/// A segment of a plan for one row and the outcomes before it.
pub(crate) struct BoundSegment {
    steps: Vec<Step>,
    /// Stretches of the steps.
    levels: Vec<Range<usize>>,
    /// Factor of the whole state.
    pub phase: C64,
}

impl BoundSegment {
    /// Binds the segment that follows `outcomes`.
    ///
    /// # Errors
    /// Those of [`Plan::bind`].
    pub(crate) fn new(
        group: &Group,
        row: usize,
        plan: &Plan,
        outcomes: &[bool],
        bonds: Bonds,
    ) -> Result<Self> {
        let at = outcomes.len();
        let (parameters, matrices) = (group.parameters(row), group.matrices(row));
        let bound = plan.bind(at, &group.structure, parameters, matrices, outcomes)?;
        let segment = &plan.segments()[at];
        let first = segment.steps.start;
        let levels = plan.levels()[segment.levels.clone()].iter();
        Ok(Self {
            steps: steps_of(&plan.steps()[segment.steps.clone()], bound.matrices, bonds),
            levels: levels.map(|level| level.start - first..level.end - first).collect(),
            phase: bound.phase,
        })
    }

    /// Applies the segment to `state`, which may hold `max_entries` and goes on around a centre once
    /// `sweep_threshold` was discarded.
    ///
    /// # Errors
    /// Those of [`evolve`].
    pub(crate) fn apply<T: Scalar>(
        &self,
        state: &mut Mps<T>,
        sweep_threshold: Option<f64>,
        max_entries: usize,
        shared: &Shared<'_, T>,
    ) -> Result<EvolutionLog> {
        let evolution = Evolution {
            cutoff: shared.settings.cutoff,
            method: shared.settings.method,
            sweep_threshold,
            max_entries,
        };
        let (mode, scratches) = (shared.parallelism, &shared.scratches);
        evolve(state, &self.steps, &self.levels, &evolution, mode, scratches, shared.cancel)
    }

    /// Applies those steps that act on one site. They truncate nothing, and take no time in proportion
    /// to the number of sites.
    pub(crate) fn apply_one_site_steps<T: Scalar>(&self, state: &mut Mps<T>) {
        for step in &self.steps {
            if let StepGate::One(u) = &step.gate {
                apply_one_site(&mut state.sites[step.site], u);
            }
        }
    }
}

/// The state that a row starts in.
pub(crate) struct Start {
    /// `None` for |0…0⟩.
    initial: Option<InitialState>,
    n_sites: usize,
}

impl Start {
    /// # Errors
    /// Those of loading the initial state.
    pub(crate) fn new<T: Scalar>(
        group: &Group,
        row: usize,
        plan: &Plan,
        bonds: Bonds,
        shared: &Shared<'_, T>,
    ) -> Result<Self> {
        let truncation = Truncation {
            limit: bonds.limit(shared.settings.max_bond_dim),
            cutoff: shared.settings.cutoff,
            noise_floor: T::NOISE_FLOOR,
            method: shared.settings.method,
            expected: Expected::Nothing,
            keep_dropped: false,
        };
        let initial = InitialState::of_row(group, row, plan, &truncation, shared.cancel)?;
        Ok(Self { initial, n_sites: plan.n_sites() })
    }

    pub(crate) fn state<T: Scalar>(&self) -> Result<Mps<T>> {
        match &self.initial {
            Some(initial) => Ok(initial.mps.cast()),
            None => Mps::zeros(self.n_sites),
        }
    }

    /// What truncating the initial state did, none of it where nothing was loaded.
    pub(crate) fn log(&self) -> SweepLog {
        let log = self.initial.as_ref().map(|initial| initial.log.clone());
        log.unwrap_or_else(|| SweepLog::new(self.n_sites))
    }
}

/// One row of a group on one plan without measurements.
pub(crate) struct Program {
    start: Start,
    segment: BoundSegment,
    /// Factor of the whole state.
    pub phase: C64,
}

impl Program {
    /// With `parameters` in the place of those of the row, and the derivatives of every step by those
    /// that are `differentiated`.
    ///
    /// # Errors
    /// Those of [`Plan::bind_with_tangents`] and of loading the initial state.
    pub(crate) fn with_tangents(
        group: &Group,
        row: usize,
        plan: &Plan,
        parameters: &[f64],
        differentiated: &[bool],
        shared: &Shared<'_, C64>,
    ) -> Result<(Self, Vec<StepTangents>)> {
        let matrices = group.matrices(row);
        let (bound, tangents) =
            plan.bind_with_tangents(&group.structure, parameters, matrices, differentiated)?;
        let segment = BoundSegment {
            steps: steps_of(plan.steps(), bound.matrices, Bonds::Full),
            levels: plan.levels().to_vec(),
            phase: bound.phase,
        };
        let start = Start::new(group, row, plan, Bonds::Full, shared)?;
        Ok((Self { start, segment, phase: bound.phase }, tangents))
    }

    pub(crate) fn n_sites(&self) -> usize {
        self.start.n_sites
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.segment.steps
    }

    pub(crate) fn levels(&self) -> &[Range<usize>] {
        &self.segment.levels
    }

    /// The state before the first step.
    pub(crate) fn first_state<T: Scalar>(&self) -> Result<Mps<T>> {
        self.start.state()
    }

    /// The final state from the first one, never swept, with what derivatives need on `tape`.
    ///
    /// # Errors
    /// Those of [`evolve`].
    pub(crate) fn evolve_on_tape(
        &self,
        mut state: Mps<C64>,
        cutoff: f64,
        tape: &mut Tape<C64>,
        shared: &Shared<'_, C64>,
    ) -> Result<Evolved<C64>> {
        let log = self.evolve_stretch(&mut state, 0..self.levels().len(), cutoff, tape, shared)?;
        Ok(self.evolved(state, log))
    }

    /// Applies a stretch of levels to `state`, as [`evolve_on_tape`](Self::evolve_on_tape).
    ///
    /// # Errors
    /// Those of [`evolve`].
    pub(crate) fn evolve_stretch(
        &self,
        state: &mut Mps<C64>,
        levels: Range<usize>,
        cutoff: f64,
        tape: &mut Tape<C64>,
        shared: &Shared<'_, C64>,
    ) -> Result<EvolutionLog> {
        let evolution = Evolution {
            cutoff,
            method: shared.settings.method,
            sweep_threshold: None,
            max_entries: shared.max_entries,
        };
        evolve_on_tape(
            state,
            (self.steps(), &self.levels()[levels]),
            &evolution,
            shared.parallelism,
            &shared.scratches,
            Some(tape),
            shared.cancel,
        )
    }

    fn evolved<T>(&self, state: Mps<T>, mut log: EvolutionLog) -> Evolved<T> {
        let start = self.start.log();
        log.methods.add(start.methods);
        log.saturated.iter_mut().zip(start.saturated).for_each(|(bond, cut)| *bond |= cut);
        Evolved { state, log, loaded: start.discarded }
    }
}

/// A state and how it came about.
pub(crate) struct Evolved<T> {
    pub state: Mps<T>,
    pub log: EvolutionLog,
    /// Relative weight that truncating the initial state discarded at the bond right of each site.
    pub loaded: Vec<f64>,
}

impl<T> Evolved<T> {
    /// Relative weight discarded since the state was loaded.
    pub(crate) fn discarded(&self) -> f64 {
        self.log.discarded.iter().sum()
    }

    /// Relative weight discarded in all.
    pub(crate) fn lost(&self) -> f64 {
        self.discarded() + self.loaded.iter().sum::<f64>()
    }

    /// Whether `max_bond_dim` took something worth asking how it adds up.
    pub(crate) fn is_cut(&self, from: f64) -> bool {
        self.lost() > from && self.log.saturated.contains(&true)
    }
}

impl Program {
    /// # Errors
    /// Those of [`Plan::bind`] and of loading the initial state.
    pub(crate) fn new<T: Scalar>(
        group: &Group,
        row: usize,
        plan: &Plan,
        bonds: Bonds,
        shared: &Shared<'_, T>,
    ) -> Result<Self> {
        let segment = BoundSegment::new(group, row, plan, &[], bonds)?;
        let phase = segment.phase;
        Ok(Self { start: Start::new(group, row, plan, bonds, shared)?, segment, phase })
    }

    /// The final state; canonical if more than `sweep_threshold` was discarded.
    ///
    /// # Errors
    /// Those of [`evolve`].
    pub(crate) fn evolve<T: Scalar>(
        &self,
        sweep_threshold: Option<f64>,
        shared: &Shared<'_, T>,
    ) -> Result<Evolved<T>> {
        let mut state = self.start.state()?;
        let log = self.segment.apply(&mut state, sweep_threshold, shared.max_entries, shared)?;
        Ok(self.evolved(state, log))
    }
}

fn steps_of(steps: &[PlannedStep], matrices: Vec<StepMatrix>, bonds: Bonds) -> Vec<Step> {
    let steps = steps.iter().zip(matrices);
    steps
        .map(|(step, matrix)| {
            let gate = match matrix {
                StepMatrix::One(matrix) => StepGate::One(matrix),
                StepMatrix::Two(matrix) => StepGate::Two(matrix, step.rank),
                StepMatrix::Chain(operator) => StepGate::Chain(operator),
            };
            Step { site: step.site, gate, limit: bonds.limit(step.limit) }
        })
        .collect()
}
