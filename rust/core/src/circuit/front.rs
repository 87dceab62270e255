//! Which gates may act next: gates that commute have no order.
//!
//! On every wire, gates in a row that commute with the same letter there form a group, and any of them
//! may act once the groups before it are done. The diagonal gates of a layer of a graph's edges can so
//! be routed in whatever order brings the wires together best: those whose wires are nearest go first.

use std::collections::BTreeSet;

use super::commuting::Letters;
use super::fans::{Gathered, Item};
use super::gate_table::GateKind;
use super::structure::Structure;
use crate::pauli::Pauli;

/// As many waiting pairs are compared: those that come first in the circuit.
const COMPARED: usize = 64;

/// Items that act on one wire in any order.
struct Group {
    letter: Option<Pauli>,
    items: Vec<u32>,
}

/// The items of a circuit by what they wait for.
pub(super) struct Front {
    items: Vec<Item>,
    /// The wires of each item, in a row.
    wires: Vec<u32>,
    first_wire: Vec<u32>,
    groups: Vec<Vec<Group>>,
    /// The group of each wire that acts now, and how many of its items are left.
    current: Vec<(usize, usize)>,
    /// On how many wires each item still waits.
    blocked: Vec<u32>,
    /// Items that need no meeting.
    free: BTreeSet<u32>,
    /// Ready items that make two wires meet.
    pairs: BTreeSet<u32>,
    /// All that are to meet yet.
    waiting: BTreeSet<u32>,
}

impl Front {
    /// The items of `gathered` in their order, or the other way round.
    pub(super) fn new(structure: &Structure, gathered: &Gathered, backwards: bool) -> Self {
        let mut items = gathered.items.clone();
        if backwards {
            items.reverse();
        }
        let mut front = Self {
            wires: Vec::with_capacity(2 * items.len()),
            first_wire: Vec::with_capacity(items.len() + 1),
            groups: (0..structure.n_wires()).map(|_| Vec::new()).collect(),
            current: Vec::new(),
            blocked: vec![0; items.len()],
            free: BTreeSet::new(),
            pairs: BTreeSet::new(),
            waiting: BTreeSet::new(),
            items,
        };
        let mut letters = Letters::default();
        let mut touched = Vec::new();
        for at in 0..front.items.len() {
            touched.clear();
            touch(structure, gathered, front.items[at], &mut letters, &mut touched);
            front.first_wire.push(front.wires.len() as u32);
            for &(wire, letter) in &touched {
                front.wires.push(wire);
                let groups = &mut front.groups[wire as usize];
                match groups.last_mut() {
                    Some(last) if letter.is_some() && last.letter == letter => {
                        last.items.push(at as u32);
                    }
                    _ => groups.push(Group { letter, items: vec![at as u32] }),
                }
            }
            front.blocked[at] = touched.len() as u32;
        }
        front.first_wire.push(front.wires.len() as u32);
        for at in 0..front.items.len() {
            match front.blocked[at] {
                0 => {
                    front.free.insert(at as u32);
                }
                2 => {
                    front.waiting.insert(at as u32);
                }
                _ => {}
            }
        }
        front.current = vec![(0, 0); front.groups.len()];
        for wire in 0..front.groups.len() {
            front.open(wire, 0);
        }
        front
    }

    /// Lets the items of group `group` of `wire` go as far as this wire is concerned.
    fn open(&mut self, wire: usize, group: usize) {
        let Some(Group { items, .. }) = self.groups[wire].get(group) else { return };
        self.current[wire] = (group, items.len());
        for &at in items {
            self.blocked[at as usize] -= 1;
            if self.blocked[at as usize] > 0 {
                continue;
            }
            if self.first_wire[at as usize + 1] - self.first_wire[at as usize] == 2 {
                self.pairs.insert(at);
            } else {
                self.free.insert(at);
            }
        }
    }

    fn wires_of(&self, pair: u32) -> [u32; 2] {
        let first = self.first_wire[pair as usize] as usize;
        [self.wires[first], self.wires[first + 1]]
    }

    /// The wires of the next meetings, in the order of the circuit.
    pub(super) fn waiting(&self) -> impl Iterator<Item = [u32; 2]> {
        self.waiting.iter().map(|&at| self.wires_of(at))
    }

    /// An item that may act now, of those that make two wires meet the one with the least distance;
    /// none if all have acted.
    pub(super) fn next(&mut self, distance: impl Fn(u32, u32) -> usize) -> Option<Item> {
        let at = if let Some(at) = self.free.pop_first() {
            at
        } else {
            let compared = self.pairs.iter().take(COMPARED).copied();
            let nearest = compared.min_by_key(|&at| {
                let [one, two] = self.wires_of(at);
                (distance(one, two), at)
            })?;
            self.pairs.remove(&nearest);
            self.waiting.remove(&nearest);
            nearest
        };
        for place in self.first_wire[at as usize]..self.first_wire[at as usize + 1] {
            let wire = self.wires[place as usize] as usize;
            let (group, left) = &mut self.current[wire];
            *left -= 1;
            if *left == 0 {
                let next = *group + 1;
                self.open(wire, next);
            }
        }
        Some(self.items[at as usize])
    }
}

/// The wires of `item`, each with the letter that it commutes with there.
fn touch(
    structure: &Structure,
    gathered: &Gathered,
    item: Item,
    letters: &mut Letters,
    touched: &mut Vec<(u32, Option<Pauli>)>,
) {
    match item {
        Item::Fan(fan) => {
            let fan = &gathered.fans[fan];
            touched.push((fan.hub, Some(fan.basis)));
            for &gate in &fan.gates {
                let wires = structure.gate(gate as usize).interacting_wires();
                touched.extend(wires.filter(|wire| *wire != fan.hub).map(|wire| (wire, None)));
            }
            touched[1..].sort_unstable();
            touched.dedup();
        }
        Item::Gate(position) => {
            let gate = structure.gate(position);
            if let Some((wires, bases)) = letters.on_two_wires(&gate) {
                touched.extend(wires.into_iter().zip(bases));
            } else if matches!(gate.spec.kind, GateKind::PauliRotation { .. })
                && gate.controls.is_empty()
            {
                touched.extend(gate.interacting_wires().zip(gate.acting_letters().map(Some)));
            } else if gate.only_renames() {
                touched.extend(gate.wires.iter().map(|wire| (*wire, None)));
            } else {
                let letter = letters.on_one_wire(&gate);
                touched.extend(gate.interacting_wires().map(|wire| (wire, letter)));
                if touched.len() > 1 {
                    touched.iter_mut().for_each(|(_, letter)| *letter = None);
                }
            }
        }
    }
}
