//! One site order worked out in full: routed, fused, scheduled, and its cost.

use std::ops::Range;

use super::bonds::{BondBounds, after_step, one_site_flops, two_site_flops};
use super::chain::Chain;
use super::fans::Gathered;
use super::fusion::{FusedStep, fuse};
use super::parts::{
    Part, PhaseFactor, Placement, PlannedStep, Segment, SiteOperation, Source, Width,
};
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
    pub(super) chains: Vec<Chain>,
    pub(super) phases: Vec<PhaseFactor>,
    /// Wire `order[site]` starts on each site.
    pub(super) order: Vec<u32>,
    pub(super) site_of_wire: Vec<usize>,
    pub(super) wire_of_site: Vec<usize>,
    pub(super) cost: Cost,
    /// See [`Routed::detours`](super::route::Routed::detours).
    pub(super) detours: usize,
    /// See [`Routed::price`](super::route::Routed::price).
    pub(super) price: f64,
    /// The share of that which swaps have.
    pub(super) moves: f64,
}

/// What a dry run of the rank bounds says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Rough bound of the floating-point operations: 32·l·r·(m + k + 10·min(l, r)) for each
    /// two-site step from a middle bond m to k, 32·l·r for a one-site step, and for a step on more
    /// sites the sum of its products.
    pub flops: f64,
    /// Bound of the most tensor elements Σ 2·l·r that the state has at any time.
    pub peak_elements: f64,
    /// Bound of the largest bond at any time, counted up to 2^100.
    pub max_bond: f64,
    /// Bound of the double-precision numbers that the steps on many sites of one level hold at once
    /// besides the state.
    pub chain_elements: f64,
}

/// Lays `structure` out with wire `order[site]` starting on each site, or ending there if it is routed
/// backwards.
pub(super) fn lay_out(
    structure: &Structure,
    gathered: &Gathered,
    order: &[u32],
    routing: Routing<'_>,
) -> Option<Layout> {
    let routed = route(structure, gathered, order, routing)?;
    let (mut steps, mut levels, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    let mut segments = Vec::with_capacity(routed.cuts.len() + 1);
    for (operations, phases, measured) in between_measurements(&routed) {
        let (first_step, first_level) = (steps.len(), levels.len());
        add_segment(
            &routed.operations[operations],
            order.len(),
            routing.limit,
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
    let bounds = BondBounds::initial(structure.loaded(), &routed.order, routing.limit);
    Some(Layout {
        cost: dry_run(&steps, &levels, &segments, (&parts, &routed.chains), bounds),
        order: routed.order,
        steps,
        levels,
        segments,
        parts,
        chains: routed.chains,
        phases: routed.phases,
        site_of_wire: routed.site_of_wire,
        wire_of_site: routed.wire_of_site,
        detours: routed.detours,
        price: routed.price,
        moves: routed.moves,
    })
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
    limit: Option<usize>,
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
    let in_order = scheduled.order.iter().map(|&step| &fused.steps[step as usize]);
    steps.extend(in_order.map(|step| planned(step, limit)));
    levels.extend(scheduled.levels.iter().map(|level| level.start + first..level.end + first));
    let step_of_operation: Vec<u32> =
        fused.step_of_operation.iter().map(|&step| position_of[step as usize]).collect();
    distribute(operations, &step_of_operation, &mut steps[first..], parts);
}

fn planned(step: &FusedStep, limit: Option<usize>) -> PlannedStep {
    let FusedStep { site, width, rank } = *step;
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
    (parts, chains): (&[Part], &[Chain]),
    mut bounds: BondBounds,
) -> Cost {
    let mut cost = Cost {
        flops: 0.0,
        peak_elements: bounds.elements(),
        max_bond: bounds.largest(),
        chain_elements: 0.0,
    };
    for segment in segments {
        let mut elements = bounds.elements();
        for level in &levels[segment.levels.clone()] {
            let (mut grown, mut shrunk, mut working) = (0.0, 0.0, 0.0);
            for step in &steps[level.clone()] {
                let change = match (step.width, parts[step.parts.start].source) {
                    (Width::One, _) => {
                        let (left, right) = (bounds.at(step.site), bounds.at(step.site + 1));
                        cost.flops += one_site_flops(left, right);
                        continue;
                    }
                    (_, Source::Chain { chain }) => {
                        let operator = &chains[chain as usize].bonds;
                        let chain = bounds.apply_chain(step.site, operator, step.limit);
                        cost.flops += chain.flops;
                        cost.max_bond = cost.max_bond.max(chain.max_bond);
                        working += chain.working;
                        chain.growth
                    }
                    _ => {
                        let [l, m, r] = bounds.around(step.site);
                        let bond = after_step([l, m, r], step.rank, step.limit);
                        bounds.apply(step.site, step.rank, step.limit);
                        cost.flops += two_site_flops([l, m, r], bond);
                        cost.max_bond = cost.max_bond.max(bond);
                        2.0 * (l + r) * (bond - m)
                    }
                };
                grown += change.max(0.0);
                shrunk += change.min(0.0);
            }
            // The steps of a level run in any order: those that grow may all come first.
            cost.peak_elements = cost.peak_elements.max(elements + grown);
            cost.chain_elements = cost.chain_elements.max(working);
            elements += grown + shrunk;
        }
        if let Some(site) = segment.measured {
            bounds.project(site);
        }
    }
    cost
}
