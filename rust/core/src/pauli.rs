//! The letters of Pauli words.

use crate::scalar::C64;

/// A letter of a Pauli word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pauli {
    /// Identity.
    I,
    /// σx
    X,
    /// σy
    Y,
    /// σz
    Z,
}

impl Pauli {
    /// The letter of a code as the Python side sends it (0 I, 1 X, 2 Y, 3 Z); `None` for any other.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::I, Self::X, Self::Y, Self::Z].get(usize::from(code)).copied()
    }

    /// The 2×2 matrix, row-major.
    #[must_use]
    pub fn matrix(self) -> [C64; 4] {
        let (zero, one, i) = (C64::ZERO, C64::ONE, C64::I);
        match self {
            Self::I => [one, zero, zero, one],
            Self::X => [zero, one, one, zero],
            Self::Y => [zero, -i, i, zero],
            Self::Z => [one, zero, zero, -one],
        }
    }
}
