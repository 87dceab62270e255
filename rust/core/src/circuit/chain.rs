//! Gates on three or more sites: which sites they take, and how wide their operators are.
//!
//! Everything here follows from the circuit's structure; the numbers come in `operator.rs`.

use super::gate_table::GateKind;
use super::structure::Gate;
use crate::pauli::Pauli;

/// A gate, or several, whose wires sit on three sites or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    /// What it is made of.
    pub(super) acts: Acts,
    /// Bound of the operator's dimension on each bond of the stretch, for any parameters.
    pub(super) bonds: Vec<u32>,
}

/// What acts on a stretch of sites. Places say how far right of its first site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Acts {
    /// One gate.
    Gate {
        /// Position in the circuit.
        gate: u32,
        /// For each of the gate's interacting wires, in its order.
        places: Vec<u32>,
    },
    /// Gates that share a wire, see `fans.rs`.
    Fan {
        /// Place of the shared wire.
        hub: u32,
        /// What all gates commute with there.
        basis: Pauli,
        /// The gates in their order.
        spokes: Vec<Spoke>,
    },
}

/// One gate of a fan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spoke {
    /// Position in the circuit.
    pub(super) gate: u32,
    /// Place of the wire that is not the hub.
    pub(super) place: u32,
    /// Whether the hub is the gate's first wire.
    pub(super) hub_first: bool,
}

impl Chain {
    /// A fan; the smallest of all places is 0.
    pub(super) fn fan(hub: u32, basis: Pauli, spokes: Vec<Spoke>) -> Self {
        let last = spokes.iter().map(|spoke| spoke.place).fold(hub, u32::max);
        Self { acts: Acts::Fan { hub, basis, spokes }, bonds: vec![2; last as usize] }
    }

    /// A gate with `places` as in [`Acts::Gate`]; the smallest of them is 0.
    pub(super) fn new(gate: &Gate<'_>, places: Vec<u32>) -> Self {
        let (controls, targets) = places.split_at(gate.controls.len());
        let last = places.iter().copied().max().unwrap_or_default();
        let bonds = (0..last).map(|bond| {
            let left = targets.iter().filter(|place| **place <= bond).count();
            // Besides the gate itself, the identity where the controls say no.
            target_dimension(gate, left, targets.len() - left) + u32::from(!controls.is_empty())
        });
        let bonds = bonds.collect();
        Self { acts: Acts::Gate { gate: gate.position as u32, places }, bonds }
    }

    /// How many sites the stretch has.
    pub(super) fn sites(&self) -> usize {
        self.bonds.len() + 1
    }
}

/// Bound of the operator Schmidt rank of a gate without its controls, or of the gate minus 1,
/// between `left` and `right` of its targets.
fn target_dimension(gate: &Gate<'_>, left: usize, right: usize) -> u32 {
    let fewer = left.min(right);
    if fewer == 0 {
        return 1;
    }
    let full = 4_u32.saturating_pow(fewer as u32);
    match gate.spec.kind {
        // cos·1 − i sin·P, with controls (cos − 1)·1 − i sin·P.
        GateKind::PauliRotation { .. } => 2,
        _ => full.min(gate.spec.rank as u32 + u32::from(!gate.controls.is_empty())),
    }
}
