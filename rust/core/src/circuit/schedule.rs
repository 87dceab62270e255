//! Orders steps into levels: what one level holds may run at once.
//!
//! A step on the sites from i writes their tensors and the Schmidt values between them, and reads
//! the Schmidt values of the bond left of site i. Those are written only by steps on i − 1 and i,
//! which share site i with it: so steps without a common site are independent.

use std::ops::Range;

use super::fusion::FusedStep;

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
            let sites = &mut next_level[step.site..step.site + step.width.sites()];
            let level = sites.iter().copied().max().unwrap_or_default();
            sites.fill(level + 1);
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
