//! The letters of words: Pauli letters and projectors on basis states.

use crate::pauli::Pauli;
use crate::scalar::C64;

/// An operator on one wire, Hermitian and of norm 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LocalOperator {
    /// A Pauli letter or the identity.
    Pauli(Pauli),
    /// |0⟩⟨0|
    ProjectZero,
    /// |1⟩⟨1|
    ProjectOne,
}

impl LocalOperator {
    /// The identity.
    pub const IDENTITY: Self = Self::Pauli(Pauli::I);

    /// The operator of a code as the Python side sends it (0 I, 1 X, 2 Y, 3 Z, 4 |0⟩⟨0|,
    /// 5 |1⟩⟨1|); `None` for any other.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            4 => Some(Self::ProjectZero),
            5 => Some(Self::ProjectOne),
            _ => Pauli::from_code(code).map(Self::Pauli),
        }
    }

    /// The 2×2 matrix, row-major.
    #[must_use]
    pub fn matrix(self) -> [C64; 4] {
        let (zero, one) = (C64::ZERO, C64::ONE);
        match self {
            Self::Pauli(letter) => letter.matrix(),
            Self::ProjectZero => [one, zero, zero, zero],
            Self::ProjectOne => [zero, zero, zero, one],
        }
    }
}

impl From<Pauli> for LocalOperator {
    fn from(letter: Pauli) -> Self {
        Self::Pauli(letter)
    }
}
