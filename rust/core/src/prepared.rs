//! A group with the plans that run it.

use crate::circuit::{Plan, PlanSettings};
use crate::error::Result;
use crate::group::{Group, Settings};
use crate::mps::Readout;
use crate::plan_cache::{CachedPlan, PlanCache};

/// A group and its plans.
pub(crate) struct Prepared {
    pub group: Group,
    pub main: CachedPlan,
    /// Brings the wires home for the tensors of the state, where the main plan does not: other
    /// values are read from the main plan whether the tensors are asked or not.
    pub tensors: Option<CachedPlan>,
}

impl Prepared {
    pub fn new(group: Group, mut settings: PlanSettings, cache: &PlanCache) -> Result<Self> {
        let plan = |settings: &PlanSettings| cache.plan(&group.structure, settings);
        let main = plan(&settings)?;
        if !group.requests.tensors {
            return Ok(Self { group, main, tensors: None });
        }
        settings.restore_order = true;
        let restoring = plan(&settings)?;
        let (main, tensors) = if main.plan.same_program(&restoring.plan) {
            (main, None)
        } else if group.requests.only_tensors() {
            (restoring, None)
        } else {
            (main, Some(restoring))
        };
        Ok(Self { group, main, tensors })
    }

    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        std::iter::once(&self.main).chain(&self.tensors).map(|cached| &*cached.plan)
    }

    /// Whether values of the main plan are of its swept state.
    pub fn wants_swept(&self, settings: &Settings) -> bool {
        let (requests, readout) = (&self.group.requests, settings.readout);
        let tensors_here = requests.tensors && self.tensors.is_none();
        let n = self.group.structure.n_wires();
        settings.sweeps
            && (requests.has_global(n, readout) || tensors_here || readout == Readout::State)
    }
}
