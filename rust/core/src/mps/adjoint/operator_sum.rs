//! A sum of words times a state.

use std::collections::BTreeMap;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::linalg::{Truncation, Workspace};
use crate::local_operator::LocalOperator;
use crate::mps::Mps;
use crate::mps::chain::apply_chain;
use crate::mps::words::Word;
use crate::operator::{Block, ChainOperator, OperatorSite};
use crate::scalar::C64;

/// `(constant + Σ_j weight_j W_j) |state⟩`, every bond cut by `truncation`, for a canonical state. The norm
/// is kept.
///
/// # Errors
/// [`crate::Error::Interrupted`] soon after `cancel` is set; [`crate::Error::Numerical`] if the result
/// is zero or a factorization fails.
pub(crate) fn times_sum(
    state: &Mps<C64>,
    terms: &[(f64, &Word)],
    constant: f64,
    truncation: &Truncation,
    workspace: &mut Workspace,
    cancel: &Cancel,
) -> Result<Mps<C64>> {
    let n = state.n_sites();
    let operator = operator_of(terms, constant, n);
    let truncations = vec![*truncation; n - 1];
    let update =
        apply_chain(&state.sites, &state.schmidt[0], &operator, &truncations, workspace, cancel)?;
    let mut schmidt = vec![vec![1.0]; n + 1];
    for (bond, place) in update.bonds.into_iter().zip(&mut schmidt[1..]) {
        *place = bond.schmidt;
    }
    Ok(Mps {
        sites: update.sites,
        schmidt,
        log_norm_taken_out: state.log_norm_taken_out + update.log_norm_taken_out,
    })
}

/// What is still to come of the words at a bond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ahead<'a> {
    /// No word has begun.
    Start,
    Rest(&'a [LocalOperator]),
    Done,
}

/// The sum as an operator on all sites. Words with one rest share a bond index.
fn operator_of(terms: &[(f64, &Word)], constant: f64, n: usize) -> ChainOperator {
    static UNIT: [LocalOperator; 1] = [LocalOperator::IDENTITY];
    let mut begin: Vec<Vec<(f64, &[LocalOperator])>> = vec![Vec::new(); n];
    begin[0].push((constant, &UNIT));
    for (weight, word) in terms {
        let letters = if word.letters.is_empty() { &UNIT } else { word.letters.as_slice() };
        begin[if word.letters.is_empty() { 0 } else { word.first }].push((*weight, letters));
    }
    let last_begin = begin.iter().rposition(|words| !words.is_empty()).unwrap_or(0);
    let mut left: BTreeMap<Ahead<'_>, usize> = BTreeMap::from([(Ahead::Start, 0)]);
    let mut sites = Vec::with_capacity(n);
    for (at, begin) in begin.iter().enumerate() {
        let mut right: BTreeMap<Ahead<'_>, usize> = BTreeMap::new();
        let mut sums: BTreeMap<(usize, usize), [C64; 4]> = BTreeMap::new();
        for (&ahead, &from) in &left {
            for (to, letter, weight) in ahead.over_site(begin, at < last_begin) {
                let next = right.len();
                let to = *right.entry(to).or_insert(next);
                let sum = sums.entry((from, to)).or_insert([C64::ZERO; 4]);
                sum.iter_mut().zip(letter.matrix()).for_each(|(sum, x)| *sum += x * weight);
            }
        }
        let blocks = sums.into_iter();
        let blocks = blocks.map(|((left, right), matrix)| Block { left, right, matrix });
        sites.push(OperatorSite { left: left.len(), right: right.len(), blocks: blocks.collect() });
        left = right;
    }
    ChainOperator { sites }
}

impl<'a> Ahead<'a> {
    /// What may come behind a site: what is ahead there, the letter on it, and a factor. Words may
    /// `begin` on it, or later.
    fn over_site(
        self,
        begin: &[(f64, &'a [LocalOperator])],
        later: bool,
    ) -> Vec<(Self, LocalOperator, f64)> {
        let read = |letters: &'a [LocalOperator], weight| {
            let next = if letters.len() == 1 { Self::Done } else { Self::Rest(&letters[1..]) };
            (next, letters[0], weight)
        };
        match self {
            Self::Start => {
                let begun = begin.iter().map(|(weight, letters)| read(letters, *weight));
                let wait = later.then_some((Self::Start, LocalOperator::IDENTITY, 1.0));
                begun.chain(wait).collect()
            }
            Self::Rest(letters) => vec![read(letters, 1.0)],
            Self::Done => vec![(Self::Done, LocalOperator::IDENTITY, 1.0)],
        }
    }
}
