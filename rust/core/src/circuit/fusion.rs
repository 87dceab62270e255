//! Merges operations on sites into steps: every operation lands in exactly one.
//!
//! One-site operations join the last step on their site, two-site operations the last step if it
//! is on the same pair; so a step is as large as the order of operations allows, and the number of
//! truncations as small. An operation on more sites is a step of its own.

use super::parts::{SiteOperation, Width};

/// A step before it is scheduled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FusedStep {
    /// The site, or the leftmost one.
    pub(super) site: usize,
    /// How many sites.
    pub(super) width: Width,
    /// Bound of the operator Schmidt rank.
    pub(super) rank: usize,
}

/// Operations gathered into steps.
#[derive(Debug)]
pub(super) struct Fused {
    /// The steps, every one after those it depends on.
    pub(super) steps: Vec<FusedStep>,
    /// The step of each operation. Within a step, operations act in their own order.
    pub(super) step_of_operation: Vec<u32>,
}

/// No step yet.
const NONE: u32 = u32::MAX;

/// Fuses `operations` on `n_sites` sites.
pub(super) fn fuse(operations: &[SiteOperation], n_sites: usize) -> Fused {
    let mut steps: Vec<FusedStep> = Vec::new();
    // One-site steps swallowed by a two-site step, with that step.
    let mut absorbed_by: Vec<u32> = Vec::new();
    let mut last_on_site = vec![NONE; n_sites];
    let mut step_of_operation = Vec::with_capacity(operations.len());

    for operation in operations {
        let site = operation.site;
        let last = last_on_site[site];
        let last_width = steps.get(last as usize).map(|step| step.width);
        let joins = match (operation.width, last_width) {
            (Width::One, Some(Width::One | Width::Two)) => true,
            // Last on both sites and two wide: it is on this very pair.
            (Width::Two, Some(Width::Two)) => last == last_on_site[site + 1],
            _ => false,
        };
        let joined = if joins { last } else { NONE };
        if joined != NONE {
            let step = &mut steps[joined as usize];
            step.rank = (step.rank * operation.rank).min(4);
            step_of_operation.push(joined);
            continue;
        }
        let opened = steps.len() as u32;
        let SiteOperation { width, rank, .. } = *operation;
        steps.push(FusedStep { site, width, rank });
        absorbed_by.push(NONE);
        step_of_operation.push(opened);
        for last in &mut last_on_site[site..site + width.sites()] {
            // Nothing came after the one-site step that is still the last on its site, so it may
            // act later: within a two-site step.
            let one_site = steps.get(*last as usize).is_some_and(|step| step.width == Width::One);
            if one_site && width == Width::Two {
                absorbed_by[*last as usize] = opened;
            }
            *last = opened;
        }
    }
    drop_absorbed(steps, &absorbed_by, step_of_operation)
}

fn drop_absorbed(
    mut steps: Vec<FusedStep>,
    absorbed_by: &[u32],
    mut step_of_operation: Vec<u32>,
) -> Fused {
    let mut kept = 0;
    let new_position: Vec<u32> = absorbed_by
        .iter()
        .map(|&by| {
            let position = kept;
            kept += u32::from(by == NONE);
            position
        })
        .collect();
    for step in &mut step_of_operation {
        let by = absorbed_by[*step as usize];
        *step = new_position[if by == NONE { *step } else { by } as usize];
    }
    let mut absorbed = absorbed_by.iter().map(|&by| by != NONE);
    steps.retain(|_| !absorbed.next().unwrap_or(false));
    Fused { steps, step_of_operation }
}
