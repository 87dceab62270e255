//! The plan of a circuit: its steps on sites, and what running them may cost.

use std::ops::Range;

use super::bonds::BondBounds;
use super::chain::Chain;
use super::layout::{Cost, Layout, dry_run};
use super::order::lay_out_in_order;
use super::parts::{Part, PhaseFactor, PlannedStep, Segment, Width};
use super::settings::PlanSettings;
use super::structure::Structure;
use crate::error::{Error, Result};

/// A circuit as scheduled steps, good for any parameters.
#[derive(Debug, Clone)]
pub struct Plan {
    layout: Layout,
    /// Wires, gates, parameters, matrix entries and mid-circuit measurements of the structure that
    /// the plan was made for.
    sizes: [usize; 5],
    /// Steps on two sites or more that the circuit has besides.
    left_out: usize,
}

impl Plan {
    /// Orders, routes, fuses and schedules `structure`: O(gates) work, plus the sites passed by
    /// far-apart gates.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] if `max_bond_dim` is 0, an explicit ordering is no permutation of the
    /// wires, or an ordering contradicts that of loaded tensors.
    pub fn new(structure: &Structure, settings: &PlanSettings) -> Result<Self> {
        if settings.max_bond_dim == Some(0) {
            return Err(Error::invalid(
                "max_bond_dim must be at least 1 or None (no limit), got 0",
            ));
        }
        let layout = lay_out_in_order(structure, settings)?;
        Ok(Self { layout, sizes: sizes(structure), left_out: 0 })
    }

    /// Sites of the chain: as many as wires.
    #[must_use]
    pub fn n_sites(&self) -> usize {
        self.layout.wire_of_site.len()
    }

    /// The steps, level by level and within a level by site: an order in which they may run.
    #[must_use]
    pub fn steps(&self) -> &[PlannedStep] {
        &self.layout.steps
    }

    /// Stretches of [`steps`](Self::steps) that share no site: each may run in any order or at
    /// once, once those before it are done.
    #[must_use]
    pub fn levels(&self) -> &[Range<usize>] {
        &self.layout.levels
    }

    /// The stretches between mid-circuit measurements, one more than those: measurement m ends
    /// segment m.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.layout.segments
    }

    /// Mid-circuit measurements of the circuit.
    #[must_use]
    pub fn n_measures(&self) -> usize {
        self.sizes[4]
    }

    /// Number of steps on two sites or more: those that cost and those that truncate.
    #[must_use]
    pub fn n_truncating_steps(&self) -> usize {
        self.layout.steps.iter().filter(|step| step.width != Width::One).count()
    }

    /// Number of steps on two sites or more that the circuit has besides, outside the light cone that the
    /// plan was made for.
    #[must_use]
    pub fn n_left_out(&self) -> usize {
        self.left_out
    }

    /// The factors of a step's matrix, the first to act first.
    #[must_use]
    pub fn parts(&self, step: &PlannedStep) -> &[Part] {
        self.layout.parts.get(step.parts.clone()).unwrap_or_default()
    }

    /// The site of each wire at the end of the circuit.
    #[must_use]
    pub fn site_of_wire(&self) -> &[usize] {
        &self.layout.site_of_wire
    }

    /// The wire on each site at the end of the circuit.
    #[must_use]
    pub fn wire_of_site(&self) -> &[usize] {
        &self.layout.wire_of_site
    }

    /// The wire on each site at the start.
    #[must_use]
    pub fn first_wire_of_site(&self) -> &[u32] {
        &self.layout.order
    }

    /// Whether the two plans are one and the same program.
    #[must_use]
    pub fn same_program(&self, other: &Self) -> bool {
        let (one, two) = (&self.layout, &other.layout);
        one.order == two.order
            && one.steps == two.steps
            && one.levels == two.levels
            && one.parts == two.parts
    }

    /// What running from an initial state costs, the state with bond `dims[k]` after the first k of its
    /// wires: tensors are often smaller than their number of wires allows.
    pub(crate) fn cost_from(
        &self,
        structure: &Structure,
        dims: &[usize],
        limit: Option<usize>,
    ) -> Cost {
        let (loaded, order) = (structure.loaded(), &self.layout.order);
        let bounds = BondBounds::initial(loaded, order, limit).tightened(loaded, order, dims);
        let Layout { steps, levels, segments, parts, chains, .. } = &self.layout;
        dry_run(steps, levels, segments, (parts, chains), bounds)
    }

    /// What running from |0…0⟩, or from vectors of amplitudes, costs: from a dry run in which a step
    /// of operator rank R makes a bond m at most min(R·m, 2l, 2r, limit).
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.layout.cost
    }

    /// Whether the plan was made for a structure of these sizes.
    pub(super) fn fits(&self, structure: &Structure) -> bool {
        self.sizes == sizes(structure)
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A plan for the same circuit with `left_out` more of its steps left out.
    pub(super) fn with_layout(&self, layout: Layout, left_out: usize) -> Self {
        Self { layout, sizes: self.sizes, left_out: self.left_out + left_out }
    }

    pub(super) fn chains(&self) -> &[Chain] {
        &self.layout.chains
    }

    pub(super) fn phases(&self, segment: &Segment) -> &[PhaseFactor] {
        &self.layout.phases[segment.phases.clone()]
    }
}

fn sizes(structure: &Structure) -> [usize; 5] {
    [
        structure.n_wires(),
        structure.n_gates(),
        structure.n_parameters(),
        structure.n_matrix_entries(),
        structure.measures().len(),
    ]
}
