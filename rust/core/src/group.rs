//! What a job is made of: circuits of one structure, and the settings of the run.

use std::sync::Arc;

use crate::cancel::Cancel;
use crate::circuit::{Ordering, Structure};
use crate::error::{Error, Result};
use crate::linalg::Method;
use crate::mps::{Readout, SiteTensor, check_chain, log_norm_of_tensors};
use crate::request::Requests;
use crate::scalar::C64;

/// Number type of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// Whether the state behind global values, and with [`Readout::State`] behind all, is
    /// re-canonicalised on the way. A differentiated circuit is not: its value and its derivative are
    /// those of one program.
    pub sweeps: bool,
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
        match &self.loaded {
            LoadedState::None if wires == 0 => Ok(()),
            LoadedState::None => Err(Error::invalid(format!(
                "the circuit names {wires} wires of an initial state, but none is given"
            ))),
            _ if wires == 0 => Err(Error::invalid("an initial state is given, but for no wires")),
            LoadedState::Vectors(amplitudes) => {
                let (rows, given) = (self.rows, amplitudes.len());
                let fits = |rows: usize| {
                    1_usize.checked_shl(wires as u32).and_then(|dim| dim.checked_mul(rows))
                        == Some(given)
                };
                if !fits(1) && !fits(rows) {
                    return Err(Error::invalid(format!(
                        "expected 2^{wires} amplitudes for the initial state of {wires} wires, once \
                         or for each of {rows} rows, got {given}"
                    )));
                }
                if self.loads_one_state() {
                    return check_vector(self.loaded_vector(0));
                }
                let check = |row| check_vector(self.loaded_vector(row)).map_err(|e| e.in_row(row));
                (0..rows).try_for_each(check)
            }
            LoadedState::Tensors(tensors) => {
                if tensors.len() != wires {
                    return Err(Error::invalid(format!(
                        "expected one tensor for each of the {wires} wires of the initial state, \
                         got {}",
                        tensors.len()
                    )));
                }
                check_chain(tensors)
                    .map_err(|error| Error::invalid(format!("initial state: {error}")))?;
                check_norm(0.5 * log_norm_of_tensors(tensors, &Cancel::default())?)
            }
        }
    }

    /// Rough number of operations to load the state of one row, a bond of 16 given.
    pub(crate) fn loaded_flops(&self) -> f64 {
        match &self.loaded {
            LoadedState::None => 0.0,
            LoadedState::Vectors(_) => 1e3 * (self.structure.loaded().wires.len() as f64).exp2(),
            LoadedState::Tensors(tensors) => {
                let cost = |t: &SiteTensor<C64>| (t.left * t.right * (t.left + t.right)) as f64;
                300.0 * tensors.iter().map(cost).sum::<f64>()
            }
        }
    }

    /// Whether all rows start in the same state.
    pub(crate) fn loads_one_state(&self) -> bool {
        match &self.loaded {
            LoadedState::Vectors(amplitudes) => {
                amplitudes.len() >> self.structure.loaded().wires.len() == 1
            }
            _ => true,
        }
    }

    /// The amplitudes that `row` starts with; none if it starts otherwise.
    pub(crate) fn loaded_vector(&self, row: usize) -> &[C64] {
        let LoadedState::Vectors(amplitudes) = &self.loaded else { return &[] };
        let dim = 1 << self.structure.loaded().wires.len();
        let start = if self.loads_one_state() { 0 } else { row * dim };
        &amplitudes[start..start + dim]
    }
}

/// Largest distance of an initial state's norm from 1: rounding, not a mistake.
const NORM_TOLERANCE: f64 = 1e-6;

fn check_vector(amplitudes: &[C64]) -> Result<()> {
    if let Some(at) = amplitudes.iter().position(|amplitude| !amplitude.is_finite()) {
        return Err(Error::invalid(format!(
            "amplitude {at} of the initial state is {}; amplitudes must be finite numbers",
            amplitudes[at]
        )));
    }
    check_norm(0.5 * amplitudes.iter().map(C64::norm_sqr).sum::<f64>().ln())
}

fn check_norm(log_norm: f64) -> Result<()> {
    let norm = log_norm.exp();
    if (norm - 1.0).abs() <= NORM_TOLERANCE {
        return Ok(());
    }
    let shown = if norm.is_normal() {
        format!("{norm:.6e}")
    } else {
        format!("10^{:.0}", log_norm / std::f64::consts::LN_10)
    };
    Err(Error::invalid(format!(
        "the initial state must have norm 1 (to {NORM_TOLERANCE:.0e}), got {shown}; normalise it: \
         divide it by its norm"
    )))
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
