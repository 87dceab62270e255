//! What a plan depends on besides the circuit.

/// What a plan depends on besides the circuit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlanSettings {
    /// Largest bond kept; `None` for no limit.
    pub max_bond_dim: Option<usize>,
    /// Where the wires start.
    pub ordering: Ordering,
    /// Whether every wire i ends on site i.
    pub restore_order: bool,
}

/// How the wires are laid out on the chain of sites at the start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ordering {
    /// Wire i on site i.
    Given,
    /// The given order, or another one where that is clearly cheaper.
    Auto,
    /// `Explicit(order)`: wire `order[site]` on each site.
    Explicit(Vec<u32>),
}
