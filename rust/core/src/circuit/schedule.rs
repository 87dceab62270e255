//! Orders steps into levels: what one level holds may run at once.
//!
//! A step on sites i, i + 1 writes its two tensors and the Schmidt values between them, and reads
//! the Schmidt values of the bond left of site i. Those are written only by steps on i − 1, i,
//! which share site i with it: so steps without a common site are independent.

use std::ops::Range;

use super::fusion::FusedStep;
use super::parts::Width;

/// Steps in the order in which they run.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Positions in the list of fused steps, by level, within a level by site.
    pub(super) order: Vec<u32>,
    /// The stretch of `order` that is each level.
    pub(super) levels: Vec<Range<usize>>,
}

/// Schedules `steps`, given so that every one comes after those it depends on: a step's level is
/// one more than the highest level of the last steps on its sites.
pub(super) fn schedule(steps: &[FusedStep], n_sites: usize) -> Schedule {
    let mut next_level = vec![0_u32; n_sites];
    let level_of: Vec<u32> = steps
        .iter()
        .map(|step| {
            let last = step.site + usize::from(step.width == Width::Two);
            let level = next_level[step.site].max(next_level[last]);
            next_level[step.site] = level + 1;
            next_level[last] = level + 1;
            level
        })
        .collect();
    let mut order: Vec<u32> = (0..steps.len() as u32).collect();
    order.sort_unstable_by_key(|&step| (level_of[step as usize], steps[step as usize].site));
    let levels = order
        .chunk_by(|&a, &b| level_of[a as usize] == level_of[b as usize])
        .scan(0, |start, level| {
            let range = *start..*start + level.len();
            *start = range.end;
            Some(range)
        })
        .collect();
    Schedule { order, levels }
}
