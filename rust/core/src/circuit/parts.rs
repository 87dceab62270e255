//! What a step is made of: each part is one 2×2 or 4×4 matrix, or an operator on many sites, and
//! where its numbers come from.

use std::ops::Range;

use crate::pauli::Pauli;

/// How many neighbouring sites a step acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    /// One site.
    One,
    /// Sites i and i + 1.
    Two,
    /// That many sites from i, three or more: a step of a single part.
    Chain(u32),
}

impl Width {
    /// The number of sites.
    #[must_use]
    pub fn sites(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Chain(sites) => sites as usize,
        }
    }
}

/// One step on neighbouring sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStep {
    /// The site, or the leftmost one.
    pub site: usize,
    /// How many sites.
    pub width: Width,
    /// Bound of the operator Schmidt rank, for any parameters: 1, 2 or 4 on one or two sites, on
    /// more the largest between any two of them.
    pub rank: usize,
    /// Largest bond that the step may leave; `None` for no limit. On one site it says nothing.
    pub limit: Option<usize>,
    pub(super) parts: Range<usize>,
}

impl PlannedStep {
    /// Its sites.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.site..self.site + self.width.sites()
    }
}

/// Where a part's matrix acts within its step, whose sites are i and (for two sites) i + 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Placement {
    /// A 2×2 on site i.
    First,
    /// A 2×2 on site i + 1.
    Second,
    /// A 4×4 whose first wire is on site i; or an operator on all sites of the step.
    Forward,
    /// A 4×4 whose first wire is on site i + 1.
    Reversed,
}

impl Placement {
    pub(super) fn is_on_one_site(self) -> bool {
        matches!(self, Self::First | Self::Second)
    }
}

/// A matrix that no parameter moves and that no gate of the circuit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fixed {
    /// 4×4: two wires trade sites.
    Swap,
}

/// Where the numbers of a part's matrix come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The matrix of gate `gate` of the circuit.
    Gate {
        /// Position in the circuit.
        gate: u32,
    },
    /// exp(−iθ/2 · P) with the angle of the Pauli rotation `gate`; P acts on the part's sites in
    /// site order, and in a part on one site the second letter is the identity.
    Rotation {
        /// Position in the circuit.
        gate: u32,
        /// P.
        letters: [Pauli; 2],
    },
    /// A matrix of the planner's own.
    Fixed(Fixed),
    /// The operator of a gate on many sites.
    Chain {
        /// Position in the plan's list of such gates.
        chain: u32,
    },
}

/// One factor of a step's matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part {
    /// What it is.
    pub source: Source,
    /// Where in the step it acts.
    pub placement: Placement,
}

/// A factor exp(−i·scale·θ) of the whole state, with θ the (only) parameter of a gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PhaseFactor {
    /// Position in the circuit.
    pub(super) gate: u32,
    /// 1 for a global phase, 1/2 for a rotation about the identity word.
    pub(super) scale: f64,
}

/// What happens up to a mid-circuit measurement, or after the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its share of the plan's steps.
    pub steps: Range<usize>,
    /// Its share of the plan's levels.
    pub levels: Range<usize>,
    pub(super) phases: Range<usize>,
    /// The site measured at its end; `None` for the last segment.
    pub measured: Option<usize>,
}

/// One operation on sites, before fusion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SiteOperation {
    /// The site, or the leftmost one.
    pub(super) site: usize,
    /// How many sites.
    pub(super) width: Width,
    /// Bound of the operator Schmidt rank; 1 on one site.
    pub(super) rank: usize,
    /// Its matrix: First on one site, Forward or Reversed on more.
    pub(super) part: Part,
}
