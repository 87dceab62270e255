//! Operators on a stretch of neighbouring sites, one sparse tensor per site.
//!
//! ```text
//!     │     │     │         W[w, p, p', w']: p out, p' in, w and w' the bonds; the outer two
//!  ── W ─── W ─── W ──      bonds of an operator have dimension 1
//!     │     │     │
//! ```

use crate::scalar::C64;

/// The tensor of one site, as its 2×2 blocks that are not zero.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorSite {
    /// Dimension of the bond to the left.
    pub left: usize,
    /// Dimension of the bond to the right.
    pub right: usize,
    /// What leads from a left to a right bond index; no pair of indices twice.
    pub blocks: Vec<Block>,
}

/// `W[left, p, p', right]` as a 2×2 matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Index of the left bond.
    pub left: usize,
    /// Index of the right bond.
    pub right: usize,
    /// Row-major, row p.
    pub matrix: [C64; 4],
}

/// An operator on neighbouring sites.
#[derive(Debug, Clone, PartialEq)]
pub struct ChainOperator {
    /// One for each site, from left to right; dimensions of shared bonds agree and the outer ones
    /// are 1.
    pub sites: Vec<OperatorSite>,
}
