//! Fans: gates that share a wire, the hub, and say the same of it, as one operator.
//!
//! A controlled phase is `Σ_v |v⟩⟨v| ⊗ U_v`: its control keeps its value v and decides what happens to
//! the other wire. So does a CNOT to its control and, in the basis of X, to its target. Gates of this
//! form with the same hub and the same basis multiply to `Σ_v |v⟩⟨v| ⊗ U_v ⊗ U'_v ⊗ …`, an operator of
//! bond 2 whatever their number: a Fourier transform of n wires has n of them. As one step on a stretch
//! of sites they move no wire.
//!
//! Gates join a fan at the place of its first one, so nothing else may touch the hub, nor the wire that
//! they bring, in between.

use super::commuting::Letters;
use super::gate_table::GateKind;
use super::structure::Structure;
use crate::pauli::Pauli;

/// Gates that share a hub.
#[derive(Debug)]
pub(super) struct Fan {
    /// The shared wire.
    pub(super) hub: u32,
    /// The letter that every gate commutes with on the hub.
    pub(super) basis: Pauli,
    /// Positions in the circuit, ascending.
    pub(super) gates: Vec<u32>,
}

/// What is routed at one go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Item {
    /// The gate at this position.
    Gate(usize),
    /// A fan, by its position in the list of fans.
    Fan(usize),
}

/// A circuit with its fans gathered.
#[derive(Debug)]
pub(super) struct Gathered {
    /// In an order in which they may act.
    pub(super) items: Vec<Item>,
    pub(super) fans: Vec<Fan>,
}

impl Gathered {
    /// Every gate by itself.
    pub(super) fn single(structure: &Structure) -> Self {
        Self { items: (0..structure.n_gates()).map(Item::Gate).collect(), fans: Vec::new() }
    }

    /// With all fans of at least `least` gates.
    pub(super) fn with_fans(structure: &Structure, least: usize) -> Self {
        let groups = groups(structure);
        let mut fans: Vec<Fan> = Vec::new();
        let mut items = Vec::with_capacity(structure.n_gates());
        // Every group's place among the fans, once its first gate has come.
        let mut fan_of = vec![None; groups.fans.len()];
        for (position, group) in groups.of_gate.into_iter().enumerate() {
            let fan = group.filter(|&at| groups.fans[at].gates.len() >= least);
            match fan {
                None => items.push(Item::Gate(position)),
                Some(at) if fan_of[at].is_none() => {
                    let Fan { hub, basis, ref gates } = groups.fans[at];
                    fan_of[at] = Some(fans.len());
                    items.push(Item::Fan(fans.len()));
                    fans.push(Fan { hub, basis, gates: gates.clone() });
                }
                Some(_) => {}
            }
        }
        Self { items, fans }
    }
}

/// Every gate that may be in a fan, in exactly one.
struct Groups {
    fans: Vec<Fan>,
    of_gate: Vec<Option<usize>>,
}

/// A wire that the last gates on it leave open for more: their group and the basis.
type Open = Option<(usize, Pauli)>;

fn groups(structure: &Structure) -> Groups {
    let n_wires = structure.n_wires();
    let mut groups = Groups { fans: Vec::new(), of_gate: vec![None; structure.n_gates()] };
    let mut open: Vec<Open> = vec![None; n_wires];
    // The last gate on each wire, counted from 1.
    let mut last = vec![0_usize; n_wires];
    let mut letters = Letters::default();
    for gate in structure.gates() {
        if matches!(gate.spec.kind, GateKind::Measure) {
            // Gates after it may depend on its outcome.
            open.fill(None);
        }
        let position = gate.position;
        if let Some((wires, bases)) = letters.on_two_wires(&gate) {
            let joined = [(0, 1), (1, 0)].into_iter().find_map(|(hub, spoke)| {
                let (group, basis) = open[wires[hub] as usize]?;
                let before = last[wires[spoke] as usize];
                let fan = &groups.fans[group];
                let first = fan.gates.first().map_or(0, |first| *first as usize);
                let own = before > 0 && groups.of_gate[before - 1] == Some(group);
                let fits = bases[hub] == Some(basis) && (before <= first || own);
                fits.then_some((hub, group, basis))
            });
            if let Some((hub, group, basis)) = joined {
                let fan = &mut groups.fans[group];
                // The first gate left both of its wires open.
                if let &[first] = fan.gates.as_slice() {
                    for wire in structure.gate(first as usize).interacting_wires() {
                        let place = &mut open[wire as usize];
                        *place = place.filter(|(other, _)| *other != group);
                    }
                }
                fan.gates.push(position as u32);
                (fan.hub, fan.basis) = (wires[hub], basis);
                groups.of_gate[position] = Some(group);
                open[wires[1 - hub] as usize] = None;
                open[wires[hub] as usize] = Some((group, basis));
            } else {
                let group = groups.fans.len();
                for (wire, basis) in wires.iter().zip(bases) {
                    open[*wire as usize] = basis.map(|basis| (group, basis));
                }
                let (hub, basis) = (wires[0], bases[0].unwrap_or(Pauli::Z));
                groups.fans.push(Fan { hub, basis, gates: vec![position as u32] });
                groups.of_gate[position] = Some(group);
            }
            wires.iter().for_each(|&wire| last[wire as usize] = position + 1);
        } else if !matches!(gate.spec.kind, GateKind::Phase) || !gate.controls.is_empty() {
            let kept = letters.on_one_wire(&gate);
            for &wire in gate.controls.iter().chain(gate.wires) {
                let place = &mut open[wire as usize];
                *place = place.filter(|(_, basis)| kept == Some(*basis));
                last[wire as usize] = position + 1;
            }
        }
    }
    groups
}
