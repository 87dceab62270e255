//! Fills a plan with numbers: one matrix per step, for one row of parameters.

use super::C64;
use super::gate_matrices::{cnot, hadamard, phase, rx, swap};
use super::gate_table::GateKind;
use super::matrix::{
    IDENTITY2, Matrix2, Matrix4, ONE, ZERO, adjoint2, adjoint4, deviation_from_unitary,
    exchange_wires, kron, multiply2, multiply4,
};
use super::parts::{Fixed, Part, Placement, Source, Width};
use super::pauli_rotation::{rotation2, rotation4};
use super::plan::Plan;
use super::structure::{Gate, Structure};
use crate::error::{Error, Result};

/// Largest modulus of an entry of U^H U − 1 that a given matrix may have.
const UNITARITY: f64 = 1e-6;

/// The matrices of a segment's steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// One per step, in the order of the steps: 4×4, row-major, the left site most significant; of
    /// a one-site step its 2×2, row-major, in the first four entries.
    pub matrices: Vec<[C64; 16]>,
    /// Factor of the whole state: the product of all global phases.
    pub phase: C64,
}

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

impl Plan {
    /// Computes the matrix of every step of segment `segment` for one row that
    /// [`Structure::check_row`] has passed. `outcomes` are those of the measurements before the
    /// segment: a gate whose condition they fail is the identity.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] if a row has the wrong length, `structure` is not the one that the
    /// plan was made for, or the outcomes are not those before a segment of it.
    pub fn bind(
        &self,
        segment: usize,
        structure: &Structure,
        parameters: &[f64],
        matrices: &[C64],
        outcomes: &[bool],
    ) -> Result<Bound> {
        if !self.fits(structure) {
            return Err(Error::invalid("the plan was made for another circuit structure"));
        }
        let Some(own) = self.segments().get(segment).filter(|_| outcomes.len() == segment) else {
            return Err(Error::invalid(format!(
                "segment {segment} of {} begins after {segment} measurements, got {} outcomes",
                self.segments().len(),
                outcomes.len()
            )));
        };
        let row = Row { structure, parameters, matrices, outcomes };
        row.check_lengths()?;
        let bound = self.steps()[own.steps.clone()].iter().map(|step| match step.width {
            Width::One => row.one_site_step(self.parts(step)),
            Width::Two => row.two_site_step(self.parts(step)),
        });
        let mut bound = Bound { matrices: bound.collect::<Result<_>>()?, phase: ONE };
        // A product of phases, not the phase of a sum: exact for large angles, too.
        for factor in self.phases(own) {
            let gate = structure.gate(factor.gate as usize);
            bound.phase *= phase(-factor.scale * row.angle(&gate));
        }
        Ok(bound)
    }
}

/// One row of a batch.
#[derive(Clone, Copy)]
struct Row<'a> {
    structure: &'a Structure,
    parameters: &'a [f64],
    matrices: &'a [C64],
    /// Of the measurements so far.
    outcomes: &'a [bool],
}

impl Row<'_> {
    fn check_lengths(&self) -> Result<()> {
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
    fn acts(&self, gate: &Gate<'_>) -> bool {
        gate.condition.is_none_or(|at| {
            let condition = &self.structure.conditions()[at];
            let outcome = |&m: &u32| usize::from(self.outcomes[m as usize]);
            condition.holds[condition.measurements.iter().fold(0, |at, m| 2 * at + outcome(m))]
        })
    }

    fn own_parameters(&self, gate: &Gate<'_>) -> &[f64] {
        &self.parameters[gate.first_parameter..gate.first_parameter + gate.spec.parameters]
    }

    fn entries(&self, gate: &Gate<'_>) -> &[C64] {
        &self.matrices
            [gate.first_entry..gate.first_entry + gate.spec.matrix_entries(gate.wires.len())]
    }

    /// The angle of a rotation or phase; that of an adjoint is negative, that of one that does not
    /// act is 0.
    fn angle(&self, gate: &Gate<'_>) -> f64 {
        if !self.acts(gate) {
            return 0.0;
        }
        let angle = self.own_parameters(gate).first().copied().unwrap_or(0.0);
        if gate.adjoint { -angle } else { angle }
    }

    fn one_site_step(&self, parts: &[Part]) -> Result<Matrix4> {
        let mut product = IDENTITY2;
        for part in parts {
            product = multiply2(&self.matrix2(part.source)?, &product);
        }
        let mut padded = [ZERO; 16];
        padded[..4].copy_from_slice(&product);
        Ok(padded)
    }

    fn two_site_step(&self, parts: &[Part]) -> Result<Matrix4> {
        // One-site parts wait in `sites` until a two-site part needs them.
        let mut sites = [IDENTITY2; 2];
        let mut waiting = false;
        let mut product: Option<Matrix4> = None;
        for part in parts {
            let site = match part.placement {
                Placement::First => &mut sites[0],
                Placement::Second => &mut sites[1],
                Placement::Forward | Placement::Reversed => {
                    let mut matrix = self.matrix4(part.source)?;
                    if part.placement == Placement::Reversed {
                        matrix = exchange_wires(&matrix);
                    }
                    if std::mem::take(&mut waiting) {
                        product = Some(compose(&kron(&sites[0], &sites[1]), product.as_ref()));
                        sites = [IDENTITY2; 2];
                    }
                    product = Some(compose(&matrix, product.as_ref()));
                    continue;
                }
            };
            *site = multiply2(&self.matrix2(part.source)?, site);
            waiting = true;
        }
        Ok(match product {
            Some(product) if !waiting => product,
            product => compose(&kron(&sites[0], &sites[1]), product.as_ref()),
        })
    }

    fn matrix2(&self, source: Source) -> Result<Matrix2> {
        let (gate, matrix) = match source {
            Source::Fixed(Fixed::Hadamard) => return Ok(hadamard(&[])),
            Source::Fixed(Fixed::QuarterX) => return Ok(rx(&[std::f64::consts::FRAC_PI_2])),
            Source::Fixed(Fixed::QuarterXBack) => return Ok(rx(&[-std::f64::consts::FRAC_PI_2])),
            Source::Fixed(fixed) => return Err(misplaced(fixed)),
            Source::Rotation { gate, letters } => {
                let gate = self.structure.gate(gate as usize);
                return Ok(rotation2(letters[0], self.angle(&gate)));
            }
            Source::Gate { gate } => {
                let gate = self.structure.gate(gate as usize);
                if !self.acts(&gate) {
                    return Ok(IDENTITY2);
                }
                let matrix = match (gate.spec.kind, self.entries(&gate)) {
                    (GateKind::One(matrix), _) => matrix(self.own_parameters(&gate)),
                    (GateKind::UserOne, &[a, b, c, d]) => [a, b, c, d],
                    _ => return Err(misplaced(gate.spec.name)),
                };
                (gate, matrix)
            }
        };
        Ok(if gate.adjoint { adjoint2(&matrix) } else { matrix })
    }

    fn matrix4(&self, source: Source) -> Result<Matrix4> {
        let (gate, matrix) = match source {
            Source::Fixed(Fixed::Swap) => return Ok(swap()),
            Source::Fixed(Fixed::Cnot) => return Ok(cnot(&[])),
            Source::Fixed(fixed) => return Err(misplaced(fixed)),
            Source::Rotation { gate, letters } => {
                let gate = self.structure.gate(gate as usize);
                return Ok(rotation4(letters, self.angle(&gate)));
            }
            Source::Gate { gate } => {
                let gate = self.structure.gate(gate as usize);
                if !self.acts(&gate) {
                    return Ok(kron(&IDENTITY2, &IDENTITY2));
                }
                let matrix = match gate.spec.kind {
                    GateKind::Two(matrix) => matrix(self.own_parameters(&gate)),
                    GateKind::Relabel => swap(),
                    GateKind::UserTwo => {
                        let mut matrix = [ZERO; 16];
                        matrix.copy_from_slice(self.entries(&gate));
                        matrix
                    }
                    _ => return Err(misplaced(gate.spec.name)),
                };
                (gate, matrix)
            }
        };
        Ok(if gate.adjoint { adjoint4(&matrix) } else { matrix })
    }
}

/// `matrix` after `before`.
fn compose(matrix: &Matrix4, before: Option<&Matrix4>) -> Matrix4 {
    before.map_or(*matrix, |before| multiply4(matrix, before))
}

/// A part of a plan that does not fit its place: the plan and the structure do not belong together.
fn misplaced(what: impl std::fmt::Debug) -> Error {
    Error::Internal(format!("{what:?} stands where a matrix of another size is planned"))
}
