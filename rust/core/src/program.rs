//! One row of a group on one plan: bound to its numbers, ready to evolve.

use crate::cancel::Cancel;
use crate::circuit::{Plan, StepMatrix};
use crate::error::Result;
use crate::group::{Group, Settings};
use crate::initial::InitialState;
use crate::linalg::Truncation;
use crate::mps::{Evolution, EvolutionLog, Mps, Parallelism, Scratches, Step, StepGate, evolve};
use crate::scalar::{C64, Scalar};

/// What the rows of a job share.
pub(crate) struct Shared<'a, T> {
    pub settings: &'a Settings,
    /// Most tensor entries of one state.
    pub max_entries: usize,
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

/// One row of a group on one plan.
pub(crate) struct Program<'a> {
    plan: &'a Plan,
    steps: Vec<Step>,
    /// `None` for |0…0⟩.
    initial: Option<InitialState>,
    /// Factor of the whole state.
    pub phase: C64,
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

impl<'a> Program<'a> {
    /// # Errors
    /// Those of [`Plan::bind`] and of loading the initial state.
    pub(crate) fn new<T: Scalar>(
        group: &Group,
        row: usize,
        plan: &'a Plan,
        bonds: Bonds,
        shared: &Shared<'_, T>,
    ) -> Result<Self> {
        let bound = plan.bind(&group.structure, group.parameters(row), group.matrices(row))?;
        let truncation = Truncation {
            limit: bonds.limit(shared.settings.max_bond_dim),
            cutoff: shared.settings.cutoff,
            noise_floor: T::NOISE_FLOOR,
            method: shared.settings.method,
            small_weights_expected: false,
        };
        Ok(Self {
            plan,
            steps: steps_of(plan, bound.matrices, bonds),
            initial: InitialState::of_row(group, row, plan, &truncation, shared.cancel)?,
            phase: bound.phase,
        })
    }

    /// The final state, re-canonicalised on the way whenever `sweep_threshold` was discarded.
    ///
    /// # Errors
    /// Those of [`evolve`].
    pub(crate) fn evolve<T: Scalar>(
        &self,
        sweep_threshold: Option<f64>,
        shared: &Shared<'_, T>,
    ) -> Result<Evolved<T>> {
        let evolution = Evolution {
            cutoff: shared.settings.cutoff,
            method: shared.settings.method,
            sweep_threshold,
            max_entries: shared.max_entries,
        };
        let n = self.plan.n_sites();
        let mut state = match &self.initial {
            Some(initial) => initial.mps.cast(),
            None => Mps::zeros(n)?,
        };
        let mut log = evolve(
            &mut state,
            &self.steps,
            self.plan.levels(),
            &evolution,
            shared.parallelism,
            &shared.scratches,
            shared.cancel,
        )?;
        let mut loaded = vec![0.0; n - 1];
        if let Some(initial) = &self.initial {
            loaded.clone_from(&initial.log.discarded);
            log.methods.add(initial.log.methods);
            let saturated = log.saturated.iter_mut().zip(&initial.log.saturated);
            saturated.for_each(|(bond, cut)| *bond |= cut);
        }
        Ok(Evolved { state, log, loaded })
    }
}

fn steps_of(plan: &Plan, matrices: Vec<StepMatrix>, bonds: Bonds) -> Vec<Step> {
    let steps = plan.steps().iter().zip(matrices);
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
