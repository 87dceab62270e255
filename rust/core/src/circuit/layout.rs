//! One site order worked out in full: routed, fused, scheduled, and its cost.

use std::ops::Range;

use super::bonds::{BondBounds, after_step, one_site_flops, two_site_flops};
use super::fusion::{FusedStep, fuse};
use super::parts::{Part, PhaseFactor, Placement, PlannedStep, Segment, SiteOperation, Width};
use super::route::{Routed, Routing, route};
use super::schedule::schedule;
use super::structure::Structure;

/// Everything that a plan holds for one starting order of the wires.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) steps: Vec<PlannedStep>,
    pub(super) levels: Vec<Range<usize>>,
    pub(super) segments: Vec<Segment>,
    pub(super) parts: Vec<Part>,
    pub(super) phases: Vec<PhaseFactor>,
    /// Wire `order[site]` starts on each site.
    pub(super) order: Vec<u32>,
    pub(super) site_of_wire: Vec<usize>,
    pub(super) wire_of_site: Vec<usize>,
    pub(super) cost: Cost,
    /// See [`Routed::detours`](super::route::Routed::detours).
    pub(super) detours: usize,
}

/// What a dry run of the rank bounds says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) flops: f64,
    pub(super) peak_elements: f64,
    pub(super) max_bond: f64,
}

/// Lays `structure` out with wire `order[site]` starting on each site.
pub(super) fn lay_out(structure: &Structure, order: &[u32], routing: Routing) -> Layout {
    let routed = route(structure, order, routing);
    let (mut steps, mut levels, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    let mut segments = Vec::with_capacity(routed.cuts.len() + 1);
    for (operations, phases, measured) in between_measurements(&routed) {
        let (first_step, first_level) = (steps.len(), levels.len());
        add_segment(
            &routed.operations[operations],
            order.len(),
            (&mut steps, &mut levels),
            &mut parts,
        );
        segments.push(Segment {
            steps: first_step..steps.len(),
            levels: first_level..levels.len(),
            phases,
            measured,
        });
    }
    let bounds = BondBounds::initial(structure.loaded(), order, routing.limit);
    Layout {
        cost: dry_run(&steps, &levels, &segments, bounds),
        order: order.to_vec(),
        steps,
        levels,
        segments,
        parts,
        phases: routed.phases,
        site_of_wire: routed.site_of_wire,
        wire_of_site: routed.wire_of_site,
        detours: routed.detours,
    }
}

/// The operations and the phases of each segment, and the site measured at its end.
fn between_measurements(
    routed: &Routed,
) -> impl Iterator<Item = (Range<usize>, Range<usize>, Option<usize>)> {
    let ends = routed.cuts.iter().map(|cut| (cut.operations, cut.phases, Some(cut.site)));
    let last = (routed.operations.len(), routed.phases.len(), None);
    ends.chain(std::iter::once(last)).scan((0, 0), |start, (operations, phases, measured)| {
        let segment = (start.0..operations, start.1..phases, measured);
        *start = (operations, phases);
        Some(segment)
    })
}

/// Fuses and schedules the operations of one segment and appends its steps, levels and parts.
fn add_segment(
    operations: &[SiteOperation],
    n_sites: usize,
    (steps, levels): (&mut Vec<PlannedStep>, &mut Vec<Range<usize>>),
    parts: &mut Vec<Part>,
) {
    let fused = fuse(operations, n_sites);
    let scheduled = schedule(&fused.steps, n_sites);
    let mut position_of = vec![0_u32; fused.steps.len()];
    for (position, &step) in scheduled.order.iter().enumerate() {
        position_of[step as usize] = position as u32;
    }
    let first = steps.len();
    steps.extend(scheduled.order.iter().map(|&step| planned(&fused.steps[step as usize])));
    levels.extend(scheduled.levels.iter().map(|level| level.start + first..level.end + first));
    let step_of_operation: Vec<u32> =
        fused.step_of_operation.iter().map(|&step| position_of[step as usize]).collect();
    distribute(operations, &step_of_operation, &mut steps[first..], parts);
}

fn planned(step: &FusedStep) -> PlannedStep {
    let FusedStep { site, width, rank, limit } = *step;
    PlannedStep { site, width, rank, limit, parts: 0..0 }
}

/// Appends the parts of all steps, step by step, in the order of the operations within each; writes
/// every step's range.
fn distribute(
    operations: &[SiteOperation],
    step_of_operation: &[u32],
    steps: &mut [PlannedStep],
    parts: &mut Vec<Part>,
) {
    let first = parts.len();
    for &step in step_of_operation {
        steps[step as usize].parts.end += 1;
    }
    let mut start = first;
    for step in &mut *steps {
        let size = step.parts.end;
        // `end` is where the next part goes, until all have come.
        step.parts = start..start;
        start += size;
    }
    let mut order = vec![0_u32; operations.len()];
    for (operation, &step) in step_of_operation.iter().enumerate() {
        let range = &mut steps[step as usize].parts;
        order[range.end - first] = operation as u32;
        range.end += 1;
    }
    parts.reserve(operations.len());
    for step in &*steps {
        let own = step.parts.start - first..step.parts.end - first;
        parts.extend(order[own].iter().map(|&operation| {
            let SiteOperation { site, mut part, .. } = operations[operation as usize];
            if part.placement == Placement::First && site != step.site {
                part.placement = Placement::Second;
            }
            part
        }));
    }
}

/// Follows the bounds of the bonds, `bounds` at the start, through all steps and measurements.
pub(super) fn dry_run(
    steps: &[PlannedStep],
    levels: &[Range<usize>],
    segments: &[Segment],
    mut bounds: BondBounds,
) -> Cost {
    let mut elements = bounds.elements();
    let mut cost = Cost { flops: 0.0, peak_elements: elements, max_bond: bounds.largest() };
    for segment in segments {
        for level in &levels[segment.levels.clone()] {
            let (mut grown, mut shrunk) = (0.0, 0.0);
            for step in &steps[level.clone()] {
                if step.width == Width::One {
                    cost.flops += one_site_flops(bounds.at(step.site), bounds.at(step.site + 1));
                    continue;
                }
                let [l, m, r] = bounds.around(step.site);
                let bond = after_step([l, m, r], step.rank, step.limit);
                bounds.apply(step.site, step.rank, step.limit);
                cost.flops += two_site_flops([l, m, r], bond);
                cost.max_bond = cost.max_bond.max(bond);
                let change = 2.0 * (l + r) * (bond - m);
                grown += change.max(0.0);
                shrunk += change.min(0.0);
            }
            // The steps of a level run in any order: those that grow may all come first.
            cost.peak_elements = cost.peak_elements.max(elements + grown);
            elements += grown + shrunk;
        }
        if let Some(site) = segment.measured {
            bounds.project(site);
            elements = bounds.elements();
        }
    }
    cost
}
