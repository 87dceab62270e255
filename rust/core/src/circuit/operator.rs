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
use super::chain::Chain;
use super::matrix::{IDENTITY2, Matrix2, ONE, ZERO};
use crate::operator::{Block, ChainOperator, OperatorSite};
use crate::pauli::Pauli;

/// What a gate does to its targets where its controls agree.
pub(super) enum Targets {
    /// No target: a factor.
    Phase(C64),
    /// The tensors of G (without controls) or of G − 1 (with), one for each target, from the left.
    Tensors(Vec<OperatorSite>),
}

/// The controls of a gate: where each is on the stretch, and its value.
pub(super) type Controls<'a> = (&'a [u32], &'a [u8]);

/// Puts `targets`, which sit on `places`, and the controls of `chain` together.
pub(super) fn assemble(
    chain: &Chain,
    (controls, values): Controls<'_>,
    targets: Targets,
) -> ChainOperator {
    let n_sites = chain.sites();
    let controlled = !controls.is_empty();
    let (factor, tensors) = match targets {
        // The factor goes where the first control is.
        Targets::Phase(factor) => (factor - ONE, Vec::new()),
        Targets::Tensors(tensors) => (ONE, tensors),
    };
    let mut own: Vec<Option<OperatorSite>> = vec![None; n_sites];
    let mut places: Vec<u32> = chain.places[controls.len()..].to_vec();
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
    let shift = usize::from(controlled);
    let mut sites = Vec::with_capacity(n_sites);
    for (at, (own, projector)) in own.into_iter().zip(projector).enumerate() {
        let site = own.unwrap_or_else(|| pass(width, projector.unwrap_or(IDENTITY2)));
        width = site.right;
        let (first, last) = (at == 0, at + 1 == n_sites);
        let mut blocks: Vec<Block> = Vec::with_capacity(site.blocks.len() + shift);
        if controlled {
            blocks.push(Block { left: 0, right: 0, matrix: IDENTITY2 });
        }
        blocks.extend(site.blocks.into_iter().map(|block| Block {
            // At the ends both ways share the only index.
            left: if first { 0 } else { block.left + shift },
            right: if last { 0 } else { block.right + shift },
            matrix: block.matrix,
        }));
        sites.push(OperatorSite {
            left: if first { 1 } else { site.left + shift },
            right: if last { 1 } else { site.right + shift },
            blocks,
        });
    }
    ChainOperator { sites }
}

/// Hands every index on, with `matrix` on the way.
fn pass(width: usize, matrix: Matrix2) -> OperatorSite {
    let blocks = (0..width).map(|index| Block { left: index, right: index, matrix });
    OperatorSite { left: width, right: width, blocks: blocks.collect() }
}

/// `weight` times the projector on `value`.
fn project(value: u8, weight: C64) -> Matrix2 {
    if value == 0 { [weight, ZERO, ZERO, ZERO] } else { [ZERO, ZERO, ZERO, weight] }
}

/// exp(−iθ/2 · P), or with `minus_one` that minus 1, for a word of letters in the order of sites.
pub(super) fn rotation_tensors(word: &[Pauli], angle: f64, minus_one: bool) -> Vec<OperatorSite> {
    let (sin, cos) = (angle / 2.0).sin_cos();
    // cos(θ/2) − 1, without cancellation.
    let stay = if minus_one { -2.0 * (angle / 4.0).sin().powi(2) } else { cos };
    let factors = [C64::new(stay, 0.0), C64::new(0.0, -sin)];
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
