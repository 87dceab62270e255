//! Distributions and density matrices of few sites as sums of words.
//!
//! Their words carry a letter, if only the identity, on every site from the first to the last: so they
//! are normalised together, as the distribution or the matrix is.

use crate::local_operator::LocalOperator;
use crate::mps::Word;
use crate::pauli::Pauli;
use crate::scalar::C64;

/// A word with its weight and its value.
pub(super) type Term = (f64, Word, f64);

const LETTERS: [Pauli; 4] = [Pauli::I, Pauli::X, Pauli::Y, Pauli::Z];

/// `Σ weights[b] p[b]` over the outcomes b on `sites` (the first most significant), with `found` the
/// probabilities p.
pub(super) fn projector_terms(sites: &[usize], weights: &[f64], found: &[f64]) -> Vec<Term> {
    let outcomes = weights.iter().zip(found).enumerate().filter(|(_, (weight, _))| **weight != 0.0);
    outcomes
        .map(|(outcome, (weight, p))| {
            let bit = |place: usize| outcome >> (sites.len() - 1 - place) & 1;
            let letter =
                |place| [LocalOperator::ProjectZero, LocalOperator::ProjectOne][bit(place)];
            (*weight, spread(sites, letter), *p)
        })
        .collect()
}

/// `tr(weights ρ)` with ρ of `sites` (the first most significant) as Pauli words; both row-major.
pub(super) fn density_terms(sites: &[usize], weights: &[C64], rho: &[C64]) -> Vec<Term> {
    let (weights, values) = (pauli_traces(weights, sites.len()), pauli_traces(rho, sites.len()));
    let dim = (1_u64 << sites.len()) as f64;
    let words = weights.iter().zip(values).enumerate().filter(|(_, (weight, _))| **weight != 0.0);
    words
        .map(|(index, (weight, value))| {
            let letter =
                |place: usize| LETTERS[index >> (2 * (sites.len() - 1 - place)) & 3].into();
            (weight / dim, spread(sites, letter), value)
        })
        .collect()
}

/// The word with `letter(j)` on `sites[j]`, and the identity on all sites between them.
fn spread(sites: &[usize], letter: impl Fn(usize) -> LocalOperator) -> Word {
    let first = sites.iter().min().copied().unwrap_or(0);
    let length = sites.iter().max().map_or(0, |last| last + 1 - first);
    let mut letters = vec![LocalOperator::IDENTITY; length];
    for (place, site) in sites.iter().enumerate() {
        letters[site - first] = letter(place);
    }
    Word { first, letters }
}

/// tr(M P) of a Hermitian M with each Pauli word P on k wires, the first most significant in base 4.
/// One wire at a time: O(k 4^k).
fn pauli_traces(matrix: &[C64], k: usize) -> Vec<f64> {
    let dim = 1 << k;
    // By the pairs (row bit, column bit) of each wire instead of (row, column).
    let mut terms = vec![C64::ZERO; dim * dim];
    for (at, x) in matrix.iter().enumerate() {
        let (row, column) = (at / dim, at % dim);
        let pair = |wire: usize| (row >> wire & 1) << 1 | column >> wire & 1;
        terms[(0..k).fold(0, |sum, wire| sum | pair(wire) << (2 * wire))] = *x;
    }
    for wire in 0..k {
        let stride = 1 << (2 * wire);
        for block in terms.chunks_exact_mut(4 * stride) {
            for at in 0..stride {
                let [a, b, c, d] = [0, 1, 2, 3].map(|pair| block[at + pair * stride]);
                // tr of [[a, b], [c, d]] with 1, X, Y, Z
                let found = [a + d, b + c, C64::I * (b - c), a - d];
                for (pair, x) in found.into_iter().enumerate() {
                    block[at + pair * stride] = x;
                }
            }
        }
    }
    terms.into_iter().map(|x| x.re).collect()
}

#[cfg(test)]
mod tests {
    use super::{LETTERS, pauli_traces};
    use crate::scalar::C64;

    #[test]
    fn traces_with_pauli_words() {
        let entry = |row: usize, column: usize| {
            let (a, b) = (row.min(column) as f64, row.max(column) as f64);
            let sign = if row <= column { 1.0 } else { -1.0 };
            C64::new(1.0 + a * b, if row == column { 0.0 } else { sign * (a - 2.0 * b) })
        };
        let m: Vec<C64> = (0..16).map(|at| entry(at / 4, at % 4)).collect();
        for (index, found) in pauli_traces(&m, 2).into_iter().enumerate() {
            let (first, second) = (LETTERS[index / 4].matrix(), LETTERS[index % 4].matrix());
            let word = |row: usize, column: usize| {
                first[row / 2 * 2 + column / 2] * second[row % 2 * 2 + column % 2]
            };
            let expected: C64 = (0..16).map(|at| m[at] * word(at % 4, at / 4)).sum();
            assert!((expected.re - found).abs() < 1e-12, "{index}");
        }
    }
}
