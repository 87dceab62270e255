//! Which gates may act next: gates that commute have no order.
//!
//! On every wire, gates in a row that commute with the same letter there form a group, and any of them
//! may act once the groups before it are done. The diagonal gates of a layer of a graph's edges can so
//! be routed in whatever order brings the wires together best: those whose wires are nearest go first.

use std::collections::{BTreeSet, VecDeque};

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

/// Which items wait for which.
pub(super) struct Dependencies {
    items: Vec<Item>,
    /// The wires of each item, in a row.
    wires: Vec<u32>,
    first_wire: Vec<u32>,
    groups: Vec<Vec<Group>>,
}

impl Dependencies {
    /// Those of `gathered` in its order, or the other way round.
    pub(super) fn new(structure: &Structure, gathered: &Gathered, backwards: bool) -> Self {
        let mut items = gathered.items.clone();
        if backwards {
            items.reverse();
        }
        let mut wires = Vec::with_capacity(2 * items.len());
        let mut first_wire = Vec::with_capacity(items.len() + 1);
        let mut groups: Vec<Vec<Group>> = (0..structure.n_wires()).map(|_| Vec::new()).collect();
        let mut letters = Letters::default();
        let mut touched = Vec::new();
        for (at, item) in items.iter().enumerate() {
            touched.clear();
            touch(structure, gathered, *item, &mut letters, &mut touched);
            first_wire.push(wires.len() as u32);
            for &(wire, letter) in &touched {
                wires.push(wire);
                let groups = &mut groups[wire as usize];
                match groups.last_mut() {
                    Some(last) if letter.is_some() && last.letter == letter => {
                        last.items.push(at as u32);
                    }
                    _ => groups.push(Group { letter, items: vec![at as u32] }),
                }
            }
        }
        first_wire.push(wires.len() as u32);
        Self { items, wires, first_wire, groups }
    }

    fn wires_of(&self, at: u32) -> &[u32] {
        let at = at as usize;
        &self.wires[self.first_wire[at] as usize..self.first_wire[at + 1] as usize]
    }
}

/// What has not acted yet.
pub(super) struct Front<'a> {
    all: &'a Dependencies,
    /// The group of each wire that acts now, and how many of its items are left.
    current: Vec<(usize, usize)>,
    /// On how many wires each item still waits.
    blocked: Vec<u32>,
    /// Ready items that need no meeting.
    free: VecDeque<u32>,
    /// Ready items that make two wires meet.
    pairs: BTreeSet<u32>,
    /// All that are to meet yet.
    waiting: BTreeSet<u32>,
}

impl<'a> Front<'a> {
    pub(super) fn new(all: &'a Dependencies) -> Self {
        let counts = all.first_wire.windows(2).map(|pair| pair[1] - pair[0]);
        let blocked: Vec<u32> = counts.collect();
        let with = |count: u32| {
            let items = blocked.iter().enumerate().filter(move |(_, wires)| **wires == count);
            items.map(|(at, _)| at as u32)
        };
        let mut front = Self {
            current: vec![(0, 0); all.groups.len()],
            free: with(0).collect(),
            pairs: BTreeSet::new(),
            waiting: with(2).collect(),
            blocked,
            all,
        };
        for wire in 0..all.groups.len() {
            front.open(wire, 0);
        }
        front
    }

    /// Lets the items of group `group` of `wire` go as far as this wire is concerned.
    fn open(&mut self, wire: usize, group: usize) {
        let Some(Group { items, .. }) = self.all.groups[wire].get(group) else { return };
        self.current[wire] = (group, items.len());
        for &at in items {
            self.blocked[at as usize] -= 1;
            if self.blocked[at as usize] > 0 {
                continue;
            }
            if self.all.wires_of(at).len() == 2 {
                self.pairs.insert(at);
            } else {
                self.free.push_back(at);
            }
        }
    }

    /// The wires of the next meetings, in the order of the circuit.
    pub(super) fn waiting(&self) -> impl Iterator<Item = [u32; 2]> {
        self.waiting.iter().filter_map(|&at| self.all.wires_of(at).try_into().ok())
    }

    /// An item that may act now, of those that make two wires meet the one with the least distance;
    /// none if all have acted.
    pub(super) fn next(&mut self, distance: impl Fn(u32, u32) -> usize) -> Option<Item> {
        let at = if let Some(at) = self.free.pop_front() {
            at
        } else {
            let compared = self.pairs.iter().take(COMPARED).copied();
            let nearest = compared.min_by_key(|&at| match *self.all.wires_of(at) {
                [one, two] => (distance(one, two), at),
                _ => (usize::MAX, at),
            })?;
            self.pairs.remove(&nearest);
            self.waiting.remove(&nearest);
            nearest
        };
        for &wire in self.all.wires_of(at) {
            let (group, left) = &mut self.current[wire as usize];
            *left -= 1;
            if *left == 0 {
                let next = *group + 1;
                self.open(wire as usize, next);
            }
        }
        Some(self.all.items[at as usize])
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
