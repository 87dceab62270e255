//! One row of numbers for a circuit: what each gate takes from it, and what it may hold.

use super::C64;
use super::matrix::deviation_from_unitary;
use super::structure::{Gate, Structure};
use crate::error::{Error, Result};

/// Largest modulus of an entry of U^H U − 1 that a given matrix may have.
const UNITARITY: f64 = 1e-6;

impl Structure {
    /// Checks one row of numbers for this circuit, before any work.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] if the row has the wrong length, a parameter or entry is not finite,
    /// or a matrix is not unitary to 1e-6, naming the gate.
    pub fn check_row(&self, parameters: &[f64], matrices: &[C64]) -> Result<()> {
        Row { structure: self, parameters, matrices, outcomes: &[] }.check()
    }
}

/// One row of a batch.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) structure: &'a Structure,
    pub(super) parameters: &'a [f64],
    pub(super) matrices: &'a [C64],
    /// Of the measurements so far.
    pub(super) outcomes: &'a [bool],
}

impl Row<'_> {
    pub(super) fn check_lengths(&self) -> Result<()> {
        for (what, expected, got) in [
            ("parameters", self.structure.n_parameters(), self.parameters.len()),
            ("matrix entries", self.structure.n_matrix_entries(), self.matrices.len()),
        ] {
            if expected != got {
                return Err(Error::invalid(format!(
                    "the circuit's gates take {expected} {what}, got {got}"
                )));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        self.check_lengths()?;
        if let Some(at) = self.parameters.iter().position(|x| !x.is_finite()) {
            return Err(self.not_finite(at));
        }
        if self.matrices.is_empty() {
            return Ok(());
        }
        self.structure.gates().try_for_each(|gate| self.check_matrix(&gate))
    }

    /// The error for parameter `at` of the row.
    fn not_finite(&self, at: usize) -> Error {
        let owner = self.structure.gates().find(|gate| {
            (gate.first_parameter..gate.first_parameter + gate.spec.parameters).contains(&at)
        });
        let value = self.parameters[at];
        match owner {
            Some(gate) => Error::at_gate(
                gate.position,
                format!(
                    "{}: parameter {} is {value}; parameters must be finite numbers",
                    gate.describe(),
                    at - gate.first_parameter
                ),
            ),
            None => Error::invalid(format!("parameter {at} is {value}, not a finite number")),
        }
    }

    fn check_matrix(&self, gate: &Gate<'_>) -> Result<()> {
        let entries = self.entries(gate);
        if entries.is_empty() {
            return Ok(());
        }
        if let Some(at) = entries.iter().position(|entry| !entry.is_finite()) {
            return Err(Error::at_gate(
                gate.position,
                format!(
                    "{}: matrix entry {at} is {}; entries must be finite numbers",
                    gate.describe(),
                    entries[at]
                ),
            ));
        }
        let deviation = deviation_from_unitary(entries, 1 << gate.wires.len());
        // Entries near the largest numbers overflow to NaN.
        if deviation.is_nan() || deviation > UNITARITY {
            return Err(Error::at_gate(
                gate.position,
                format!(
                    "{}: its matrix is not unitary (an entry of U^H U - 1 is {deviation:.1e}, \
                     allowed is {UNITARITY:.0e}); normalise it, or use a channel for an operation \
                     that is not unitary",
                    gate.describe()
                ),
            ));
        }
        Ok(())
    }

    /// Whether the gate acts after these outcomes; if not, the identity takes the place of its
    /// operator, whatever form that has.
    #[inline]
    pub(super) fn acts(&self, gate: &Gate<'_>) -> bool {
        gate.condition.is_none_or(|at| {
            let condition = &self.structure.conditions()[at];
            let outcome = |&m: &u32| usize::from(self.outcomes[m as usize]);
            condition.holds[condition.measurements.iter().fold(0, |at, m| 2 * at + outcome(m))]
        })
    }

    #[inline]
    pub(super) fn own_parameters(&self, gate: &Gate<'_>) -> &[f64] {
        &self.parameters[gate.first_parameter..gate.first_parameter + gate.spec.parameters]
    }

    #[inline]
    pub(super) fn entries(&self, gate: &Gate<'_>) -> &[C64] {
        &self.matrices
            [gate.first_entry..gate.first_entry + gate.spec.matrix_entries(gate.wires.len())]
    }

    /// The angle of a rotation or phase; that of an adjoint is negative, that of one that does not
    /// act is 0.
    #[inline]
    pub(super) fn angle(&self, gate: &Gate<'_>) -> f64 {
        if !self.acts(gate) {
            return 0.0;
        }
        let angle = self.own_parameters(gate).first().copied().unwrap_or(0.0);
        if gate.adjoint { -angle } else { angle }
    }
}
