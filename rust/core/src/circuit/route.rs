//! From gates on wires to operations on neighbouring sites.
//!
//! Wires move only when two that interact are apart, and never move back: the permutation of wires
//! over sites is part of the plan. A gate on three wires or more acts where they are, on the whole
//! stretch of sites between them.
//!
//! Where two wires meet decides what later gates cost, and so does which of several gates that commute
//! goes first. The running bounds of the bonds price the moves themselves; a look ahead prices later
//! ones as well (`meeting.rs`). No rule always wins, so a caller tries several (`search.rs`) and says
//! what a better one may cost at most.
//!
//! A circuit from a product state may also be routed backwards, its last gate first: then the order
//! at the end is the given one, and that at the start is what comes out. Where wires scatter
//! forwards they gather backwards: the inverse Fourier transform of 100 wires takes 9,321 steps so,
//! 170,352 forwards.

use super::bonds::{BondBounds, two_site_flops};
use super::chain::{Chain, Spoke};
use super::fans::{Fan, Gathered, Item};
use super::front::{Dependencies, Front};
use super::gate_table::GateKind;
use super::meeting::{FarPair, MoveCosts};
use super::parts::{Fixed, Part, PhaseFactor, Placement, SiteOperation, Source, Width};
use super::structure::{Gate, Structure};
use crate::pauli::Pauli;

/// A circuit as operations on sites.
#[derive(Debug)]
pub(super) struct Routed {
    /// The operations in the order of the circuit.
    pub(super) operations: Vec<SiteOperation>,
    /// The gates on three sites or more.
    pub(super) chains: Vec<Chain>,
    /// The global phases.
    pub(super) phases: Vec<PhaseFactor>,
    /// The measurements.
    pub(super) cuts: Vec<Cut>,
    /// The wire that starts on each site.
    pub(super) order: Vec<u32>,
    /// Final site of each wire.
    pub(super) site_of_wire: Vec<usize>,
    /// Final wire of each site.
    pub(super) wire_of_site: Vec<usize>,
    /// Swaps made for distance or for the final order, plus sites that gates on many wires had to
    /// bridge; 0 says that no other site order can save anything.
    pub(super) detours: usize,
    /// Rough bound of the floating-point operations, those of fans at a discount.
    pub(super) price: f64,
    /// The share of that which swaps have.
    pub(super) moves: f64,
}

/// A measurement between operations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// Operations before it.
    pub(super) operations: usize,
    /// Global phases before it.
    pub(super) phases: usize,
    /// The measured site.
    pub(super) site: usize,
}

/// Which later meetings count where two wires meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum LookAhead {
    /// None.
    Nothing,
    /// The next one of either wire.
    Partners,
    /// So many of those that come next, of whatever wires.
    Meetings(usize),
}

/// How to route.
#[derive(Clone, Copy)]
pub(super) struct Routing<'a> {
    /// Of gates that commute those with the nearest wires go first; `None` keeps the order.
    pub(super) nearest_first: Option<&'a Dependencies>,
    /// Largest bond kept; it only enters the choice of meeting points.
    pub(super) limit: Option<usize>,
    /// What a meeting point is chosen for besides the gate itself.
    pub(super) look_ahead: LookAhead,
    /// What is not worth the price, see [`Routed::price`].
    pub(super) budget: f64,
    /// Whether swaps at the end bring wire i back to site i.
    pub(super) restore_order: bool,
    /// Whether to begin with the last gate, see above; neither measurements nor loaded states allow
    /// that.
    pub(super) backwards: bool,
}

/// Routes `structure` with wire `order[site]` starting on each site, or backwards ending there; `None`
/// past the budget.
pub(super) fn route(
    structure: &Structure,
    gathered: &Gathered,
    order: &[u32],
    routing: Routing<'_>,
) -> Option<Routed> {
    let bounds = BondBounds::initial(structure.loaded(), order, routing.limit);
    let mut router = Router::new(order, bounds, routing.limit, structure.n_gates());
    router.look_ahead = routing.look_ahead;
    let in_order = || gathered.items.iter();
    if routing.look_ahead != LookAhead::Nothing && routing.nearest_first.is_none() {
        router.pairs = in_order().filter_map(|item| pair_of(structure, *item)).collect();
        if routing.backwards {
            router.pairs.reverse();
        }
        if routing.look_ahead == LookAhead::Partners {
            router.next_of_wires = next_of_wires(&router.pairs, structure.n_wires());
        }
    }
    if let Some(dependencies) = routing.nearest_first {
        let mut front = Front::new(dependencies);
        while let Some(item) = front.next(|a, b| router.site(a).abs_diff(router.site(b))) {
            router.ahead.clear();
            if let LookAhead::Meetings(count) = routing.look_ahead {
                router.ahead.extend(front.waiting().take(count));
            }
            router.add(structure, gathered, item, routing)?;
        }
    } else if routing.backwards {
        in_order().rev().try_for_each(|item| router.add(structure, gathered, *item, routing))?;
    } else {
        in_order().try_for_each(|item| router.add(structure, gathered, *item, routing))?;
    }
    if routing.backwards {
        return Some(router.routed.reversed());
    }
    if routing.restore_order {
        router.restore_order();
    }
    (router.routed.price < routing.budget).then_some(router.routed)
}

/// What an operation of a fan counts: fans move no wire, and so keep what is near in the circuit near on
/// the chain, where true bonds are far below their bounds (Fourier transform of 60 wires: bonds of 10
/// with fans, of 32 and more with swaps).
const FAN_PRICE: f64 = 0.25;
/// A fan whose stretch has more sites than this for each wire is routed gate by gate.
const SPARSE: usize = 2;

/// The two wires that a gate makes meet.
///
/// Wires go by their names of now: a SWAP in between makes a look ahead a guess, at no harm but cost.
fn pair_of(structure: &Structure, item: Item) -> Option<[u32; 2]> {
    let Item::Gate(position) = item else { return None };
    let mut wires = structure.gate(position).interacting_wires();
    match [wires.next(), wires.next(), wires.next()] {
        [Some(first), Some(second), None] => Some([first, second]),
        _ => None,
    }
}

/// For each of `pairs`, the next one of its first and of its second wire.
fn next_of_wires(pairs: &[[u32; 2]], n_wires: usize) -> Vec<[Option<u32>; 2]> {
    let mut next = vec![None; n_wires];
    let mut own = vec![[None; 2]; pairs.len()];
    for (at, pair) in pairs.iter().enumerate().rev() {
        own[at] = pair.map(|wire| next[wire as usize].replace(at as u32));
    }
    own
}

impl Routed {
    /// The same operations from the last to the first.
    fn reversed(mut self) -> Self {
        self.operations.reverse();
        let first = std::mem::take(&mut self.order);
        self.order = self.wire_of_site.iter().map(|&wire| wire as u32).collect();
        for (site, &wire) in first.iter().enumerate() {
            self.wire_of_site[site] = wire as usize;
            self.site_of_wire[wire as usize] = site;
        }
        self
    }
}

struct Router {
    routed: Routed,
    limit: Option<usize>,
    bounds: BondBounds,
    /// How many of the next meetings count.
    look_ahead: LookAhead,
    /// With look-ahead, the two wires of every meeting, in the order in which they come.
    pairs: Vec<[u32; 2]>,
    /// For every meeting, the next one of either wire.
    next_of_wires: Vec<[Option<u32>; 2]>,
    /// Or the next meetings themselves.
    ahead: Vec<[u32; 2]>,
    /// Meetings so far.
    met: usize,
    /// The left site of the last step on two sites, for each site.
    last_pair: Vec<usize>,
    /// Scratch of [`Router::bring_together`].
    moves: MoveCosts,
}

impl Router {
    fn new(order: &[u32], bounds: BondBounds, limit: Option<usize>, n_gates: usize) -> Self {
        let wire_of_site: Vec<usize> = order.iter().map(|&wire| wire as usize).collect();
        let mut site_of_wire = vec![0; wire_of_site.len()];
        for (site, &wire) in wire_of_site.iter().enumerate() {
            site_of_wire[wire] = site;
        }
        Self {
            bounds,
            look_ahead: LookAhead::Nothing,
            next_of_wires: Vec::new(),
            pairs: Vec::new(),
            ahead: Vec::new(),
            met: 0,
            last_pair: vec![usize::MAX; order.len()],
            routed: Routed {
                operations: Vec::with_capacity(n_gates),
                chains: Vec::new(),
                phases: Vec::new(),
                cuts: Vec::new(),
                order: order.to_vec(),
                site_of_wire,
                wire_of_site,
                detours: 0,
                price: 0.0,
                moves: 0.0,
            },
            limit,
            moves: MoveCosts::default(),
        }
    }

    /// Adds an item, unless the budget is spent.
    fn add(
        &mut self,
        structure: &Structure,
        gathered: &Gathered,
        item: Item,
        routing: Routing<'_>,
    ) -> Option<()> {
        match item {
            Item::Gate(position) => self.add_gate(&structure.gate(position)),
            Item::Fan(fan) => self.add_fan(structure, &gathered.fans[fan], routing.backwards),
        }
        (self.routed.price < routing.budget).then_some(())
    }

    fn add_gate(&mut self, gate: &Gate<'_>) {
        match gate.spec.kind {
            GateKind::Measure => return self.add_cut(gate),
            GateKind::Relabel if gate.only_renames() => {
                if let &[first, second] = gate.wires {
                    self.exchange(self.site(first), self.site(second));
                }
                return;
            }
            _ => {}
        }
        let mut wires = gate.interacting_wires();
        match [wires.next(), wires.next(), wires.next()] {
            [None, ..] => self.add_phase(gate),
            [Some(wire), None, _] => self.add_one(self.site(wire), one_wire_source(gate)),
            [Some(first), Some(second), None] => self.add_pair(gate, first, second),
            _ => self.add_chain(gate),
        }
    }

    fn add_cut(&mut self, gate: &Gate<'_>) {
        let Some(&wire) = gate.wires.first() else { return };
        let site = self.site(wire);
        self.bounds.project(site);
        let (operations, phases) = (self.routed.operations.len(), self.routed.phases.len());
        self.routed.cuts.push(Cut { operations, phases, site });
    }

    fn add_phase(&mut self, gate: &Gate<'_>) {
        let scale = match gate.spec.kind {
            GateKind::PauliRotation { .. } => 0.5,
            _ if gate.spec.parameters > 0 => 1.0,
            _ => return,
        };
        self.routed.phases.push(PhaseFactor { gate: gate.position as u32, scale });
    }

    fn add_pair(&mut self, gate: &Gate<'_>, first: u32, second: u32) {
        // U or a phase where the controls agree: 1 + P ⊗ (U − 1).
        let rank = if gate.controls.is_empty() { gate.spec.rank } else { 2 };
        self.met += 1;
        let left = self.bring_together(rank, first, second);
        let in_order = self.site(first) == left;
        let mut letters = gate.acting_letters();
        let part = match [letters.next(), letters.next()] {
            [Some(a), Some(b)] => Part {
                source: Source::Rotation {
                    gate: gate.position as u32,
                    letters: if in_order { [a, b] } else { [b, a] },
                },
                placement: Placement::Forward,
            },
            _ => Part {
                source: Source::Gate { gate: gate.position as u32 },
                placement: if in_order { Placement::Forward } else { Placement::Reversed },
            },
        };
        self.add_two(left, rank, part);
    }

    fn add_chain(&mut self, gate: &Gate<'_>) {
        let mut places: Vec<u32> =
            gate.interacting_wires().map(|wire| self.site(wire) as u32).collect();
        let first = places.iter().copied().min().unwrap_or_default();
        places.iter_mut().for_each(|place| *place -= first);
        let wires = places.len();
        self.push_chain(first, wires, Chain::new(gate, places), 1.0);
    }

    /// A fan acts where its wires are.
    fn add_fan(&mut self, structure: &Structure, fan: &Fan, backwards: bool) {
        let hub = self.site(fan.hub) as u32;
        let mut spokes: Vec<Spoke> = Vec::with_capacity(fan.gates.len());
        for &gate in &fan.gates {
            let mut wires = structure.gate(gate as usize).interacting_wires();
            let (Some(one), Some(two)) = (wires.next(), wires.next()) else { continue };
            let hub_first = one == fan.hub;
            let place = self.site(if hub_first { two } else { one }) as u32;
            spokes.push(Spoke { gate, place, hub_first });
        }
        let first = spokes.iter().map(|spoke| spoke.place).fold(hub, u32::min);
        spokes.iter_mut().for_each(|spoke| spoke.place -= first);
        let mut places: Vec<u32> = spokes.iter().map(|spoke| spoke.place).collect();
        places.sort_unstable();
        places.dedup();
        let chain = Chain::fan(hub - first, fan.basis, spokes);
        // Or the same two wires over and over.
        // Or the same two wires over and over.
        if chain.sites() > SPARSE * (places.len() + 1) || places.len() == 1 {
            let mut add = |gate: &u32| self.add_gate(&structure.gate(*gate as usize));
            if backwards {
                fan.gates.iter().rev().for_each(&mut add);
            } else {
                fan.gates.iter().for_each(&mut add);
            }
            return;
        }
        self.push_chain(first, places.len() + 1, chain, FAN_PRICE);
    }

    /// Applies `chain`, which `wires` wires need, from site `first` on, at `price` for each operation.
    fn push_chain(&mut self, first: u32, wires: usize, chain: Chain, price: f64) {
        self.routed.detours += chain.sites() - wires;
        let cost = self.bounds.apply_chain(first as usize, &chain.bonds, self.limit);
        self.routed.price += price * cost.flops;
        self.last_pair[first as usize..first as usize + chain.sites()].fill(usize::MAX);
        self.routed.operations.push(SiteOperation {
            site: first as usize,
            width: Width::Chain(chain.sites() as u32),
            rank: chain.bonds.iter().copied().max().unwrap_or(1) as usize,
            part: Part {
                source: Source::Chain { chain: self.routed.chains.len() as u32 },
                placement: Placement::Forward,
            },
        });
        self.routed.chains.push(chain);
    }

    fn site(&self, wire: u32) -> usize {
        self.routed.site_of_wire[wire as usize]
    }

    fn add_one(&mut self, site: usize, source: Source) {
        let part = Part { source, placement: Placement::First };
        let operation = SiteOperation { site, width: Width::One, rank: 1, part };
        self.routed.operations.push(operation);
    }

    fn add_two(&mut self, site: usize, rank: usize, part: Part) {
        let around = self.bounds.around(site);
        self.bounds.apply(site, rank, self.limit);
        // What follows on the same pair becomes part of the same step.
        if self.last_pair[site..site + 2] != [site; 2] {
            self.routed.price += two_site_flops(around, self.bounds.at(site + 1));
            self.last_pair[site..site + 2].fill(site);
        }
        self.routed.operations.push(SiteOperation { site, width: Width::Two, rank, part });
    }

    /// The wires of two sites trade places, in name only.
    fn exchange(&mut self, a: usize, b: usize) {
        self.routed.wire_of_site.swap(a, b);
        for site in [a, b] {
            self.routed.site_of_wire[self.routed.wire_of_site[site]] = site;
        }
    }

    /// Swaps the two wires of a gate of operator rank `rank` onto neighbouring sites and returns the
    /// left one.
    fn bring_together(&mut self, rank: usize, first: u32, second: u32) -> usize {
        let (first, second) = (self.site(first), self.site(second));
        let (a, b) = (first.min(second), first.max(second));
        if b == a + 1 {
            return a;
        }
        let window = match self.look_ahead {
            LookAhead::Meetings(count) => self.met..(self.met + count).min(self.pairs.len()),
            _ => 0..0,
        };
        let window = self.pairs.get(window).unwrap_or_default();
        let own = self.met.checked_sub(1).and_then(|now| self.next_of_wires.get(now));
        let own = own.into_iter().flatten().flatten().map(|next| &self.pairs[*next as usize]);
        let ahead = window.iter().chain(&self.ahead).chain(own);
        let later = ahead.map(|pair| pair.map(|wire| self.site(wire))).collect();
        let partners = self.look_ahead == LookAhead::Partners;
        let pair = FarPair { a, b, rank, limit: self.limit, later, partners };
        let meeting = self.moves.cheapest_meeting(&self.bounds, &pair);
        for site in a..meeting {
            self.move_apart(site);
        }
        for site in (meeting + 1..b).rev() {
            self.move_apart(site);
        }
        self.routed.detours += b - a - 1;
        meeting
    }

    /// Swaps every wire i to site i: odd and even neighbours in turn, at most n rounds, and no more
    /// swaps than there are pairs of wires in the wrong order.
    fn restore_order(&mut self) {
        let n_sites = self.routed.wire_of_site.len();
        for round in 0..n_sites {
            if self.routed.wire_of_site.is_sorted() {
                break;
            }
            for site in (round % 2..n_sites - 1).step_by(2) {
                if self.routed.wire_of_site[site] > self.routed.wire_of_site[site + 1] {
                    self.move_apart(site);
                    self.routed.detours += 1;
                }
            }
        }
    }

    /// A SWAP on `site`, `site + 1`.
    fn move_apart(&mut self, site: usize) {
        let part = Part { source: Source::Fixed(Fixed::Swap), placement: Placement::Forward };
        let before = self.routed.price;
        self.add_two(site, 4, part);
        self.routed.moves += self.routed.price - before;
        self.exchange(site, site + 1);
    }
}

/// A gate on one site: of a rotation without controls the letter says all.
fn one_wire_source(gate: &Gate<'_>) -> Source {
    let position = gate.position as u32;
    match gate.acting_letters().next() {
        Some(letter) => Source::Rotation { gate: position, letters: [letter, Pauli::I] },
        None => Source::Gate { gate: position },
    }
}
