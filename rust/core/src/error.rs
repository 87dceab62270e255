//! The one error type of the crate.

/// What can go wrong. Messages say what was expected, what came, and one way out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// An argument is not of the stated form; found before any work.
    #[error("{message}")]
    InvalidInput {
        /// What was expected, what came, one hint.
        message: String,
        /// Position of the offending gate in its circuit, where one gate is to blame.
        gate: Option<usize>,
        /// Row of its group, where one row is to blame.
        row: Option<usize>,
        /// Group of the batch, where one group is to blame.
        group: Option<usize>,
    },
    /// The request is sound but outside what this engine does.
    #[error("{0}")]
    Unsupported(String),
    /// A factorization or a normalisation failed after every fallback.
    #[error("{0}")]
    Numerical(String),
    /// Nothing is left of a circuit: a postselected outcome has probability zero.
    #[error("{message}")]
    Impossible {
        /// Which outcome, of which measurement, one way out.
        message: String,
        /// Row of its group.
        row: Option<usize>,
        /// Group of the batch.
        group: Option<usize>,
    },
    /// More memory than the limit would be needed; the message names the bytes.
    #[error("{0}")]
    Resource(String),
    /// The caller asked to stop; the run ended between two steps.
    #[error("interrupted between two steps")]
    Interrupted,
    /// A defect of this crate, caught before it could unwind into the caller.
    #[error("internal error (a defect of bondline, please report it): {0}")]
    Internal(String),
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::InvalidInput`] that no single gate or row is to blame for.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidInput { message: message.into(), gate: None, row: None, group: None }
    }

    /// An [`Error::InvalidInput`] at gate `gate`.
    pub fn at_gate(gate: usize, message: impl Into<String>) -> Self {
        Self::InvalidInput { message: message.into(), gate: Some(gate), row: None, group: None }
    }

    /// The same error, naming the row of the group it came from.
    #[must_use]
    pub fn in_row(mut self, at: usize) -> Self {
        if let Self::InvalidInput { row, .. } | Self::Impossible { row, .. } = &mut self {
            *row = Some(at);
        }
        self
    }

    /// The same error, naming the group of the batch it came from.
    #[must_use]
    pub fn in_group(mut self, at: usize) -> Self {
        if let Self::InvalidInput { group, .. } | Self::Impossible { group, .. } = &mut self {
            *group = Some(at);
        }
        self
    }
}
