//! Pauli rotations on three or more sites, as ladders of two-site operations.
//!
//! exp(−iθ/2 P) = V† exp(−iθ/2 Z…Z) V with a basis change V per letter, and a rotation about Z…Z
//! needs only the parity of its sites. Two ladders of CNOTs gather it from both ends of the span
//! into the middle, exp(−iθ/2 ZZ) rotates there, and the ladders are undone:
//!
//! ```text
//!  0 ─●───────────────●─      ● control, + target, z the rotation
//!  1 ─+──●─────────●──+─
//!  2 ────+───z─────+────
//!  3 ────+───z─────+────
//!  4 ────●─────────●────
//! ```
//!
//! A site of the span that is not in the rotation (a gap) would enter the parity; a CNOT from the
//! gap to the next site towards the middle, before the ladder, cancels it:
//! `y_{g+1} = (x_{g+1} ⊕ x_g) ⊕ y_g` and `y_g = x_g ⊕ y_{g-1}` give `y_{g+1} = x_{g+1} ⊕ y_{g-1}`.
//!
//! # Bond limits
//!
//! The rotation at most doubles a bond, but the ladder doubles it on the way as well; truncating
//! there to `max_bond_dim` loses what the rotation itself does not need (a rotation by 0.01 on 12
//! sites with full bonds of 16: fidelity 0.78 where 0.99998 is possible). So the way in may use
//! twice `max_bond_dim`. On the way out the last operation on each bond truncates it to
//! `max_bond_dim`: what follows acts on one side of that bond only and leaves its Schmidt values as
//! they are, so the cut is the one that would be made at the end, for half the work of truncating
//! in a sweep of its own. Where a gap's CNOT and the ladder are both still to be undone the bond
//! carries two independent bits, hence four times `max_bond_dim` there.

use super::parts::{Fixed, Part, Placement, SiteOperation, Source, Width};
use crate::pauli::Pauli;

/// One CNOT on sites `site`, `site + 1`.
#[derive(Debug, Clone, Copy)]
struct Rung {
    site: usize,
    /// Forward: towards the right.
    placement: Placement,
    /// Whether it is the first on its bond going in, and so the last one coming out.
    outermost: bool,
}

/// Emits exp(−iθ/2 P) of gate `gate`, P given by `word`: at least two (site, letter) in the order
/// of sites, none the identity. `limit` is the largest bond kept.
pub(super) fn wide_rotation(
    gate: u32,
    word: &[(usize, Pauli)],
    limit: Option<usize>,
    mut emit: impl FnMut(SiteOperation),
) {
    let raised = |factor: usize| limit.map(|limit| limit.saturating_mul(factor));
    // The middle one of the word's sites, but never its last: the rotation acts on it and the next.
    let middle = word[(word.len() - 1) / 2].0;
    let rungs = rungs(word, middle);
    let bridged = word.iter().all(|&(site, _)| site != middle + 1);

    for &(site, letter) in word {
        emit_basis_change(site, into_z(letter), limit, &mut emit);
    }
    for rung in &rungs {
        emit(cnot(rung, raised(2)));
    }
    let letters = [Pauli::Z, Pauli::Z];
    emit(SiteOperation {
        site: middle,
        width: Width::Two,
        rank: 2,
        limit: if bridged { raised(4) } else { limit },
        part: Part { source: Source::Rotation { gate, letters }, placement: Placement::Forward },
    });
    for rung in rungs.iter().rev() {
        emit(cnot(rung, if rung.outermost { limit } else { raised(4) }));
    }
    for &(site, letter) in word {
        emit_basis_change(site, out_of_z(letter), limit, &mut emit);
    }
}

/// The CNOTs that gather the parity of the word's sites in `middle` and `middle + 1`.
fn rungs(word: &[(usize, Pauli)], middle: usize) -> Vec<Rung> {
    let (first, last) = (word[0].0, word[word.len() - 1].0);
    let mut in_word = vec![false; last - first + 1];
    for &(site, _) in word {
        in_word[site - first] = true;
    }
    let is_gap = |site: usize| !in_word[site - first];
    let towards_right =
        |site: usize, outermost: bool| Rung { site, placement: Placement::Forward, outermost };
    let towards_left =
        |site: usize, outermost: bool| Rung { site, placement: Placement::Reversed, outermost };
    let mut rungs = Vec::with_capacity(2 * (last - first));
    // The gaps' CNOTs begin at the middle, so that each control still holds its own bit.
    rungs.extend((first..middle).rev().filter(|&g| is_gap(g)).map(|g| towards_right(g, true)));
    rungs.extend((middle + 1..last).filter(|&g| is_gap(g)).map(|g| towards_left(g - 1, true)));
    // The ladders; a gap's bond has had its CNOT.
    rungs.extend((first..middle).map(|site| towards_right(site, !is_gap(site))));
    let right_ladder = (middle + 1..last).rev();
    rungs.extend(right_ladder.map(|site| towards_left(site, !is_gap(site + 1))));
    rungs
}

fn cnot(rung: &Rung, limit: Option<usize>) -> SiteOperation {
    let part = Part { source: Source::Fixed(Fixed::Cnot), placement: rung.placement };
    SiteOperation { site: rung.site, width: Width::Two, rank: 2, limit, part }
}

/// V with V P V† = Z.
fn into_z(letter: Pauli) -> Option<Fixed> {
    match letter {
        Pauli::X => Some(Fixed::Hadamard),
        Pauli::Y => Some(Fixed::QuarterX),
        Pauli::Z | Pauli::I => None,
    }
}

/// V† of [`into_z`].
fn out_of_z(letter: Pauli) -> Option<Fixed> {
    match letter {
        Pauli::X => Some(Fixed::Hadamard),
        Pauli::Y => Some(Fixed::QuarterXBack),
        Pauli::Z | Pauli::I => None,
    }
}

fn emit_basis_change(
    site: usize,
    change: Option<Fixed>,
    limit: Option<usize>,
    emit: &mut impl FnMut(SiteOperation),
) {
    if let Some(fixed) = change {
        let part = Part { source: Source::Fixed(fixed), placement: Placement::First };
        emit(SiteOperation { site, width: Width::One, rank: 1, limit, part });
    }
}
