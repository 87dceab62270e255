//! Fills a plan with numbers: one matrix or operator per step, for one row of parameters.

use super::C64;
use super::chain::Chain;
use super::gate_matrices::{phase, swap};
use super::gate_table::GateKind;
use super::matrix::{
    IDENTITY2, Matrix2, Matrix4, ONE, ZERO, adjoint_in_place, adjoint2, adjoint4, controlled2,
    deviation_from_unitary, exchange_wires, kron, multiply2, multiply4,
};
use super::operator::{Targets, assemble, rotation_tensors};
use super::parts::{Fixed, Part, Placement, Source, Width};
use super::pauli_rotation::{rotation2, rotation4};
use super::plan::Plan;
use super::split::split;
use super::structure::{Gate, Structure};
use crate::error::{Error, Result};
use crate::operator::{ChainOperator, OperatorSite};
use crate::pauli::Pauli;

/// Largest modulus of an entry of U^H U − 1 that a given matrix may have.
const UNITARITY: f64 = 1e-6;

/// What one step applies.
#[derive(Debug, Clone, PartialEq)]
pub enum StepMatrix {
    /// On one site: 2×2, row-major. Also the identity in place of a gate on many sites that does not
    /// act.
    One(Matrix2),
    /// On two sites: 4×4, row-major, the left site most significant.
    Two(Matrix4),
    /// On more sites.
    Chain(ChainOperator),
}

/// The matrices of a segment's steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// One per step, in the order of the steps.
    pub matrices: Vec<StepMatrix>,
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
            Width::One => row.one_site_step(self.parts(step)).map(StepMatrix::One),
            Width::Two => row.two_site_step(self.parts(step)).map(StepMatrix::Two),
            Width::Chain(_) => row.chain_step(self.parts(step), self.chains()),
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

    fn one_site_step(&self, parts: &[Part]) -> Result<Matrix2> {
        let mut product = IDENTITY2;
        for part in parts {
            product = multiply2(&self.matrix2(part.source)?, &product);
        }
        Ok(product)
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
        match source {
            Source::Rotation { gate, letters } => {
                Ok(rotation2(letters[0], self.angle(&self.structure.gate(gate as usize))))
            }
            Source::Gate { gate } => {
                let gate = self.structure.gate(gate as usize);
                if !self.acts(&gate) {
                    return Ok(IDENTITY2);
                }
                match (gate.control_values, self.phase(&gate)) {
                    (&[value], Some(factor)) => Ok(phase_on(value, factor)),
                    _ => self.target2(&gate),
                }
            }
            Source::Fixed(_) | Source::Chain { .. } => Err(misplaced(source)),
        }
    }

    fn matrix4(&self, source: Source) -> Result<Matrix4> {
        match source {
            Source::Fixed(Fixed::Swap) => Ok(swap()),
            Source::Rotation { gate, letters } => {
                Ok(rotation4(letters, self.angle(&self.structure.gate(gate as usize))))
            }
            Source::Gate { gate } => {
                let gate = self.structure.gate(gate as usize);
                if !self.acts(&gate) {
                    return Ok(kron(&IDENTITY2, &IDENTITY2));
                }
                match (gate.control_values, self.phase(&gate)) {
                    (&[first, second], Some(factor)) => {
                        Ok(controlled2(first, &phase_on(second, factor)))
                    }
                    (&[value], None) => Ok(controlled2(value, &self.target2(&gate)?)),
                    _ => self.target4(&gate),
                }
            }
            Source::Chain { .. } => Err(misplaced(source)),
        }
    }

    /// The factor of a gate that does nothing else where its controls agree.
    fn phase(&self, gate: &Gate<'_>) -> Option<C64> {
        match gate.spec.kind {
            GateKind::Phase => Some(phase(-self.angle(gate))),
            GateKind::PauliRotation { .. } if gate.acting_letters().next().is_none() => {
                Some(phase(-self.angle(gate) / 2.0))
            }
            _ => None,
        }
    }

    /// A gate on one wire, without its controls.
    fn target2(&self, gate: &Gate<'_>) -> Result<Matrix2> {
        let matrix = match (gate.spec.kind, self.entries(gate)) {
            (GateKind::One(matrix), _) => matrix(self.own_parameters(gate)),
            (GateKind::UserOne, &[a, b, c, d]) => [a, b, c, d],
            (GateKind::PauliRotation { .. }, _) => {
                let mut letters = gate.acting_letters();
                let letter = letters.next().ok_or_else(|| misplaced(gate.spec.name))?;
                return Ok(rotation2(letter, self.angle(gate)));
            }
            _ => return Err(misplaced(gate.spec.name)),
        };
        Ok(if gate.adjoint { adjoint2(&matrix) } else { matrix })
    }

    /// A gate on two wires, without its controls.
    fn target4(&self, gate: &Gate<'_>) -> Result<Matrix4> {
        let matrix = match gate.spec.kind {
            GateKind::Two(matrix) => matrix(self.own_parameters(gate)),
            GateKind::Relabel => swap(),
            GateKind::UserTwo => {
                let mut matrix = [ZERO; 16];
                matrix.copy_from_slice(self.entries(gate));
                matrix
            }
            _ => return Err(misplaced(gate.spec.name)),
        };
        Ok(if gate.adjoint { adjoint4(&matrix) } else { matrix })
    }

    fn chain_step(&self, parts: &[Part], chains: &[Chain]) -> Result<StepMatrix> {
        let chain = match parts {
            &[Part { source: Source::Chain { chain }, .. }] => chains.get(chain as usize),
            _ => None,
        };
        let chain = chain.ok_or_else(|| misplaced(parts))?;
        let gate = self.structure.gate(chain.gate as usize);
        if !self.acts(&gate) {
            return Ok(StepMatrix::One(IDENTITY2));
        }
        let (controls, targets) = chain.places.split_at(gate.controls.len());
        let targets = match self.phase(&gate) {
            Some(factor) => Targets::Phase(factor),
            None => Targets::Tensors(self.target_tensors(&gate, targets)?),
        };
        let operator = assemble(chain, (controls, gate.control_values), targets);
        Ok(StepMatrix::Chain(operator))
    }

    /// The tensors of the gate on its targets, or with controls those of the gate minus 1.
    fn target_tensors(&self, gate: &Gate<'_>, places: &[u32]) -> Result<Vec<OperatorSite>> {
        let controlled = !gate.controls.is_empty();
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_unstable_by_key(|&wire| places[wire]);
        let mut entries = match gate.spec.kind {
            GateKind::PauliRotation { .. } => {
                let letters: Vec<Pauli> = gate.acting_letters().collect();
                let word: Vec<Pauli> = order.iter().map(|&wire| letters[wire]).collect();
                return Ok(rotation_tensors(&word, self.angle(gate), controlled));
            }
            GateKind::Many(matrix) => matrix(self.own_parameters(gate)),
            GateKind::UserMany => self.entries(gate).to_vec(),
            _ if order.len() == 1 => self.target2(gate)?.to_vec(),
            _ => self.target4(gate)?.to_vec(),
        };
        let side = 1 << order.len();
        if gate.adjoint && matches!(gate.spec.kind, GateKind::Many(_) | GateKind::UserMany) {
            adjoint_in_place(&mut entries, side);
        }
        if controlled {
            entries.iter_mut().step_by(side + 1).for_each(|x| *x -= ONE);
        }
        split(&entries, &order)
    }
}

/// `factor` on `value`, 1 on the other one.
fn phase_on(value: u8, factor: C64) -> Matrix2 {
    if value == 0 { [factor, ZERO, ZERO, ONE] } else { [ONE, ZERO, ZERO, factor] }
}

/// `matrix` after `before`.
fn compose(matrix: &Matrix4, before: Option<&Matrix4>) -> Matrix4 {
    before.map_or(*matrix, |before| multiply4(matrix, before))
}

/// A part of a plan that does not fit its place: the plan and the structure do not belong together.
fn misplaced(what: impl std::fmt::Debug) -> Error {
    Error::Internal(format!("{what:?} stands where a matrix of another size is planned"))
}
