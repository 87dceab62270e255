//! A group with the plans that run it.

use std::ops::Range;

use crate::circuit::{Plan, PlanSettings};
use crate::error::Result;
use crate::group::{Group, Settings};
use crate::mps::Readout;
use crate::plan_cache::{CachedPlan, PlanCache};

/// The part of `plan` that the values of `group` depend on, bit for bit: all of it, unless every one is
/// read from few sites and the weights left of them. The union of the cones of all values serves them
/// all.
fn in_light_cone(
    group: &Group,
    plan: CachedPlan,
    settings: &PlanSettings,
    readout: Readout,
    cache: &PlanCache,
) -> CachedPlan {
    let (requests, structure) = (&group.requests, &group.structure);
    let n = structure.n_wires();
    let few_sites = readout == Readout::Local
        && requests.has_local(n, readout)
        && !requests.has_global(n, readout)
        && structure.measures().is_empty();
    if !few_sites {
        return plan;
    }
    let sites = merged(requests.spans(plan.plan.site_of_wire()));
    cache.within_light_cone(plan, structure, settings, sites)
}

/// Stretches of sites that cover the same ones, in order and apart.
fn merged(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.retain(|span| !span.is_empty());
    spans.sort_unstable_by_key(|span| span.start);
    let mut apart: Vec<Range<usize>> = Vec::new();
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => apart.push(span),
        }
    }
    apart
}

/// A group and its plans.
pub(crate) struct Prepared {
    pub group: Group,
    pub main: CachedPlan,
    /// Brings the wires home for the tensors of the state, where the main plan does not: other
    /// values are read from the main plan whether the tensors are asked or not.
    pub tensors: Option<CachedPlan>,
}

impl Prepared {
    pub fn new(
        group: Group,
        mut settings: PlanSettings,
        readout: Readout,
        cache: &PlanCache,
    ) -> Result<Self> {
        let plan = |settings: &PlanSettings| cache.plan(&group.structure, settings);
        let main = plan(&settings)?;
        if !group.requests.tensors {
            let main = in_light_cone(&group, main, &settings, readout, cache);
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
