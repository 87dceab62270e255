//! The part of a plan that chosen sites depend on.
//!
//! A step on sites i … j changes their tensors and the Schmidt weights between them, and reads, besides
//! these, the weights of the bond left of site i. Those were written by the last step across that bond,
//! and that one has site i, too. So what a site holds at the end depends, bit for bit, on the steps met
//! by a scan backwards that begins with the site and takes in all sites of every step that shares one.

use std::ops::Range;

use super::bonds::BondBounds;
use super::layout::{Layout, dry_run};
use super::parts::{Segment, Width};
use super::plan::Plan;
use super::structure::Structure;

impl Plan {
    /// The plan without the steps that `sites`, read at the end, do not depend on; `None` if no step on
    /// two sites or more can be left out, or if the circuit is measured on its way. `limit` is the one
    /// that the plan was made for.
    pub(crate) fn within_light_cone(
        &self,
        sites: &[Range<usize>],
        structure: &Structure,
        limit: Option<usize>,
    ) -> Option<Self> {
        let Layout { steps, levels, segments, parts, chains, order, .. } = self.layout();
        let [segment] = segments.as_slice() else { return None };
        let mut reached = vec![false; self.n_sites()];
        sites.iter().for_each(|span| reached[span.clone()].fill(true));
        let mut needed = vec![false; steps.len()];
        for (step, needed) in steps.iter().zip(&mut needed).rev() {
            if reached[step.span()].contains(&true) {
                reached[step.span()].fill(true);
                *needed = true;
            }
        }
        let unneeded = steps
            .iter()
            .zip(&needed)
            .filter(|(step, needed)| !**needed && step.width != Width::One);
        let left_out = unneeded.count();
        if left_out == 0 {
            return None;
        }
        let (mut kept, mut kept_parts, mut kept_levels) = (Vec::new(), Vec::new(), Vec::new());
        for level in levels {
            let first = kept.len();
            for (step, _) in
                steps[level.clone()].iter().zip(&needed[level.clone()]).filter(|s| *s.1)
            {
                let mut step = step.clone();
                let own = kept_parts.len();
                kept_parts.extend_from_slice(&parts[step.parts.clone()]);
                step.parts = own..kept_parts.len();
                kept.push(step);
            }
            if kept.len() > first {
                kept_levels.push(first..kept.len());
            }
        }
        let segment =
            Segment { steps: 0..kept.len(), levels: 0..kept_levels.len(), ..segment.clone() };
        let bounds = BondBounds::initial(structure.loaded(), order, limit);
        let cost = dry_run(
            &kept,
            &kept_levels,
            std::slice::from_ref(&segment),
            (&kept_parts, chains),
            bounds,
        );
        let layout = Layout {
            steps: kept,
            levels: kept_levels,
            segments: vec![segment],
            parts: kept_parts,
            cost,
            ..self.layout().clone()
        };
        Some(self.with_layout(layout, left_out))
    }
}
