//! The operator of a gate on many sites, for one row of numbers.
//!
//! A gate G with controls is `1 + P ⊗ (G − 1)`, P the projector on its control values. So one bond
//! index carries the identity past everything, the others carry `G − 1`:
//!
//! ```text
//!   control   gap   target   control   target
//!      1 ───── 1 ───── 1 ────── 1 ───── 1          index 0: the identity
//!      P ───── 1 ───── A ────── P ───── A          from index 1: P and the tensors of G − 1
//! ```
//!
//! No matrix on all wires is ever made: `G − 1` is one of a few wires split site by site
//! (`split.rs`), a product of the letters of a Pauli rotation, or a phase.

use super::C64;
use super::bind::StepMatrix;
use super::chain::{Acts, Chain};
use super::fan_operator::FanOnSites;
use super::gate_table::GateKind;
use super::matrix::{IDENTITY2, Matrix2, ONE, ZERO, adjoint_in_place};
use super::part_matrices::misplaced;
use super::parts::{Part, Source};
use super::row::Row;
use super::split::split;
use super::structure::Gate;
use crate::error::Result;
use crate::operator::{Block, ChainOperator, OperatorSite};
use crate::pauli::Pauli;

impl Row<'_> {
    pub(super) fn chain_step(&self, parts: &[Part], chains: &[Chain]) -> Result<StepMatrix> {
        let chain = chain_of(parts, chains)?;
        let (gate, places) = match &chain.acts {
            Acts::Fan { hub, basis, spokes } => {
                let fan = FanOnSites { hub: *hub as usize, basis: *basis, spokes };
                return Ok(StepMatrix::Chain(fan.operator(chain.sites(), self)?));
            }
            Acts::Gate { gate, places } => (self.structure.gate(*gate as usize), places),
        };
        if !self.acts(&gate) {
            return Ok(StepMatrix::One(IDENTITY2));
        }
        let (controls, places) = places.split_at(gate.controls.len());
        let targets = match self.phase(&gate) {
            Some(factor) => Targets::Phase(factor),
            None => Targets::Tensors(self.target_tensors(&gate, &from_the_left(places))?),
        };
        let controls = (controls, gate.control_values);
        Ok(StepMatrix::Chain(assemble(chain.sites(), controls, places, targets)))
    }

    /// The tensors of the gate on its targets, or with controls those of the gate minus 1; `order`
    /// lists the targets from the left.
    fn target_tensors(&self, gate: &Gate<'_>, order: &[usize]) -> Result<Vec<OperatorSite>> {
        match gate.spec.kind {
            GateKind::PauliRotation { .. } => {
                Ok(rotation_tensors(&word(gate, order), self.rotation_factors(gate)))
            }
            _ => split(&self.target_entries(gate)?, order),
        }
    }

    /// The matrix of the gate on its targets, or with controls that of the gate minus 1.
    pub(super) fn target_entries(&self, gate: &Gate<'_>) -> Result<Vec<C64>> {
        let mut entries = match gate.spec.kind {
            GateKind::Many(matrix) => matrix(self.own_parameters(gate)),
            GateKind::UserMany => self.entries(gate).to_vec(),
            _ if gate.wires.len() == 1 => self.target2(gate)?.to_vec(),
            _ => self.target4(gate)?.to_vec(),
        };
        let side = 1 << gate.wires.len();
        if gate.adjoint && matches!(gate.spec.kind, GateKind::Many(_) | GateKind::UserMany) {
            adjoint_in_place(&mut entries, side);
        }
        if !gate.controls.is_empty() {
            entries.iter_mut().step_by(side + 1).for_each(|x| *x -= ONE);
        }
        Ok(entries)
    }

    /// a and b of exp(−iθ/2 · P) = a·1 + b·P, or with controls of that minus 1.
    pub(super) fn rotation_factors(&self, gate: &Gate<'_>) -> [C64; 2] {
        let angle = self.angle(gate);
        let (sin, cos) = (angle / 2.0).sin_cos();
        // cos(θ/2) − 1, without cancellation.
        let minus_one = !gate.controls.is_empty();
        let stay = if minus_one { -2.0 * (angle / 4.0).sin().powi(2) } else { cos };
        [C64::new(stay, 0.0), C64::new(0.0, -sin)]
    }
}

/// The chain that a step is made of.
pub(super) fn chain_of<'a>(parts: &[Part], chains: &'a [Chain]) -> Result<&'a Chain> {
    let chain = match parts {
        &[Part { source: Source::Chain { chain }, .. }] => chains.get(chain as usize),
        _ => None,
    };
    chain.ok_or_else(|| misplaced(parts))
}

/// The positions of `places` from the leftmost to the rightmost.
pub(super) fn from_the_left(places: &[u32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_unstable_by_key(|&wire| places[wire]);
    order
}

/// The letters of a Pauli rotation's targets in `order`.
pub(super) fn word(gate: &Gate<'_>, order: &[usize]) -> Vec<Pauli> {
    let letters: Vec<Pauli> = gate.acting_letters().collect();
    order.iter().map(|&wire| letters[wire]).collect()
}

/// What a gate does to its targets where its controls agree.
pub(super) enum Targets {
    /// No target: a factor.
    Phase(C64),
    /// The tensors of G (without controls) or of G − 1 (with), one for each target, from the left.
    Tensors(Vec<OperatorSite>),
}

/// The controls of a gate: where each is on the stretch, and its value.
pub(super) type Controls<'a> = (&'a [u32], &'a [u8]);

/// Puts `targets`, which sit on `places`, and the controls together.
pub(super) fn assemble(
    n_sites: usize,
    (controls, values): Controls<'_>,
    places: &[u32],
    targets: Targets,
) -> ChainOperator {
    let controlled = !controls.is_empty();
    let (factor, tensors) = match targets {
        // The factor goes where the first control is.
        Targets::Phase(factor) => (factor - ONE, Vec::new()),
        Targets::Tensors(tensors) => (ONE, tensors),
    };
    let mut own: Vec<Option<OperatorSite>> = vec![None; n_sites];
    let mut places: Vec<u32> = places.to_vec();
    places.sort_unstable();
    for (place, tensor) in places.into_iter().zip(tensors) {
        own[place as usize] = Some(tensor);
    }
    // The dimension that the targets have made so far.
    let mut width = 1;
    let mut projector = vec![None; n_sites];
    for (at, (&place, &value)) in controls.iter().zip(values).enumerate() {
        let weight = if at == 0 { factor } else { ONE };
        projector[place as usize] = Some(project(value, weight));
    }
    let mut sites = Vec::with_capacity(n_sites);
    for (at, (own, projector)) in own.into_iter().zip(projector).enumerate() {
        let site = own.unwrap_or_else(|| pass(width, projector.unwrap_or(IDENTITY2)));
        width = site.right;
        let mut site = acting_way(n_sites, controlled, at, site);
        if controlled {
            site.blocks.insert(0, Block { left: 0, right: 0, matrix: IDENTITY2 });
        }
        sites.push(site);
    }
    ChainOperator { sites }
}

/// `site` at place `at` of the operator, with room for the identity way beside it.
pub(super) fn acting_way(
    n_sites: usize,
    controlled: bool,
    at: usize,
    site: OperatorSite,
) -> OperatorSite {
    let shift = usize::from(controlled);
    let (first, last) = (at == 0, at + 1 == n_sites);
    let blocks = site.blocks.into_iter().map(|block| Block {
        // At the ends both ways share the only index.
        left: if first { 0 } else { block.left + shift },
        right: if last { 0 } else { block.right + shift },
        matrix: block.matrix,
    });
    OperatorSite {
        blocks: blocks.collect(),
        left: if first { 1 } else { site.left + shift },
        right: if last { 1 } else { site.right + shift },
    }
}

/// Hands every index on, with `matrix` on the way.
pub(super) fn pass(width: usize, matrix: Matrix2) -> OperatorSite {
    let blocks = (0..width).map(|index| Block { left: index, right: index, matrix });
    OperatorSite { left: width, right: width, blocks: blocks.collect() }
}

/// `weight` times the projector on `value`.
pub(super) fn project(value: u8, weight: C64) -> Matrix2 {
    if value == 0 { [weight, ZERO, ZERO, ZERO] } else { [ZERO, ZERO, ZERO, weight] }
}

/// `factors[0]`·1 + `factors[1]`·P for the word P of letters in the order of sites; the first tensor
/// has the factors.
pub(super) fn rotation_tensors(word: &[Pauli], factors: [C64; 2]) -> Vec<OperatorSite> {
    if let &[letter] = word {
        // One site, one block.
        let (one, letter) = (Pauli::I.matrix(), letter.matrix());
        let matrix = std::array::from_fn(|at| factors[0] * one[at] + factors[1] * letter[at]);
        return vec![pass(1, matrix)];
    }
    let last = word.len().saturating_sub(1);
    let tensors = word.iter().enumerate().map(|(at, letter)| {
        let (left, right) = (if at == 0 { 1 } else { 2 }, if at == last { 1 } else { 2 });
        let terms = [Pauli::I, *letter].into_iter().zip(factors).enumerate();
        let blocks = terms.map(|(term, (letter, factor))| Block {
            left: term.min(left - 1),
            right: term.min(right - 1),
            matrix: letter.matrix().map(|x| if at == 0 { factor * x } else { x }),
        });
        OperatorSite { left, right, blocks: blocks.collect() }
    });
    tensors.collect()
}
