//! From a circuit on wires to a scheduled list of fused steps on neighbouring sites.
//!
//! Pure bookkeeping: nothing here touches a state, and everything but [`Plan::bind`] depends on the
//! circuit's structure alone, so a plan serves every row of a batch and every later call.
//!
//! ```text
//!  Structure ──order──▶ ──route──▶ operations on sites ──fuse──▶ steps ──schedule──▶ Plan
//!                                      bind(parameters) ──▶ matrices (and their derivatives)
//! ```

mod bind;
mod bonds;
mod chain;
mod chain_tangents;
mod commuting;
mod fan_operator;
mod fans;
mod front;
mod fusion;
mod gate_matrices;
mod gate_table;
mod interactions;
mod layout;
mod light_cone;
mod many_wire_matrices;
mod matrix;
mod meeting;
mod operator;
mod order;
mod part_matrices;
mod parts;
mod pauli_rotation;
mod plan;
mod route;
mod row;
mod schedule;
mod search;
mod settings;
mod shifts;
mod split;
mod structure;
mod tangents;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_fans;
#[cfg(test)]
mod tests_input;
#[cfg(test)]
mod tests_routes;
#[cfg(test)]
mod tests_tangents;

pub use bind::{Bound, StepMatrix};
pub use gate_table::{ADJOINT_BIT, GATES, GateKind, GateSpec};
pub use layout::Cost;
pub use parts::{Fixed, Part, Placement, PlannedStep, Segment, Source, Width};
pub use plan::Plan;
pub use settings::{Ordering, PlanSettings};
pub use structure::{CircuitArrays, Condition, Gate, Loaded, Measure, Structure};
pub use tangents::StepTangents;

pub use crate::scalar::C64;
