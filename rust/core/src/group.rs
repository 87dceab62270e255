//! What a job is made of: circuits of one structure, and the settings of the run.

use std::sync::Arc;

use crate::circuit::{Ordering, Structure};
use crate::error::{Error, Result};
use crate::linalg::Method;
use crate::mps::{Readout, SiteTensor};
use crate::request::Requests;
use crate::scalar::C64;

/// Number type of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// complex64
    Single,
    /// complex128
    Double,
}

/// Settings of a run; all explicit.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Largest bond kept; `None` for no limit.
    pub max_bond_dim: Option<usize>,
    /// Largest relative weight discarded at a step below `max_bond_dim`.
    pub cutoff: f64,
    /// Number type of the state.
    pub precision: Precision,
    /// State that few-wire values are read from.
    pub readout: Readout,
    /// Where the wires start.
    pub ordering: Ordering,
    /// Factorization.
    pub method: Method,
    /// Threads; `None` for all that the process may use. Never changes a result.
    pub threads: Option<usize>,
    /// Bytes that the run may take.
    pub memory_limit: u64,
}

/// The initial state of the wires that [`Structure::loaded`] names; all others start in |0⟩.
#[derive(Debug, Clone, PartialEq)]
pub enum LoadedState {
    /// No wires are loaded.
    None,
    /// Amplitudes, the first wire most significant: one row for all, or one for each row.
    Vectors(Vec<C64>),
    /// One tensor for each loaded wire, in order: bond dimensions and entries of a site tensor.
    Tensors(Vec<SiteTensor<C64>>),
}

/// Circuits of one structure, one row of parameters each.
#[derive(Debug, Clone)]
pub struct Group {
    /// Gates and wires.
    pub structure: Arc<Structure>,
    /// Number of circuits.
    pub rows: usize,
    /// rows × parameters.
    pub parameters: Vec<f64>,
    /// One row for all, or one for each row: entries of the user's matrices.
    pub matrices: Vec<C64>,
    /// The state that the loaded wires of the structure start in.
    pub loaded: LoadedState,
    /// What to read from each row.
    pub requests: Requests,
}

impl Group {
    pub(crate) fn parameters(&self, row: usize) -> &[f64] {
        let width = self.structure.n_parameters();
        &self.parameters[row * width..(row + 1) * width]
    }

    pub(crate) fn matrices(&self, row: usize) -> &[C64] {
        let width = self.structure.n_matrix_entries();
        let start = if self.matrices.len() == width { 0 } else { row * width };
        &self.matrices[start..start + width]
    }

    /// # Errors
    /// [`Error::InvalidInput`] naming the row and the gate, before any work.
    pub(crate) fn check(&self) -> Result<()> {
        let structure = &self.structure;
        let (parameters, entries) = (structure.n_parameters(), structure.n_matrix_entries());
        if self.parameters.len() != self.rows * parameters {
            return Err(Error::invalid(format!(
                "expected {} rows of {parameters} parameters, got {} numbers",
                self.rows,
                self.parameters.len()
            )));
        }
        let matrices = self.matrices.len();
        if matrices != entries && matrices != self.rows * entries {
            return Err(Error::invalid(format!(
                "expected {entries} matrix entries for all rows or for each of {} rows, got {matrices}",
                self.rows
            )));
        }
        self.requests.check(structure.n_wires(), self.rows, structure.measures().len())?;
        self.check_loaded()?;
        for row in 0..self.rows {
            structure
                .check_row(self.parameters(row), self.matrices(row))
                .map_err(|error| error.in_row(row))?;
        }
        Ok(())
    }

    fn check_loaded(&self) -> Result<()> {
        let wires = self.structure.loaded().wires.len();
        let good = match &self.loaded {
            LoadedState::None => wires == 0,
            LoadedState::Vectors(amplitudes) => {
                let dim = 1_usize.checked_shl(wires as u32).unwrap_or(usize::MAX);
                wires > 0
                    && (amplitudes.len() == dim
                        || Some(amplitudes.len()) == dim.checked_mul(self.rows))
            }
            LoadedState::Tensors(tensors) => wires > 0 && tensors.len() == wires,
        };
        if good {
            Ok(())
        } else {
            Err(Error::invalid(format!(
                "the initial state does not fit the {wires} wires that it is for"
            )))
        }
    }
}

impl Settings {
    /// # Errors
    /// [`Error::InvalidInput`] naming the setting.
    pub(crate) fn check(&self) -> Result<()> {
        if !(self.cutoff >= 0.0 && self.cutoff < 1.0) {
            return Err(Error::invalid(format!(
                "cutoff must be at least 0 (off) and below 1, got {}",
                self.cutoff
            )));
        }
        if self.threads == Some(0) {
            return Err(Error::invalid("threads must be at least 1 or None (all), got 0"));
        }
        Ok(())
    }
}
