//! Derivatives of what gates do by their parameters.
//!
//! In each parameter, every gate of the table is a sum of exp(±iωθ) with ω = 0, 1/2 or 1. On such a
//! sum the derivative is a combination of values at shifted angles, exactly. So a gate needs no second
//! matrix for its derivatives.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, PI};

use super::C64;
use super::parts::Source;
use super::row::Row;
use super::structure::Gate;
use crate::error::Result;

/// f'(θ) = Σ weight · f(θ + shift): two pairs ±x with weights ±c for which Σ 2c·sin(ωx) = ω. From
/// ω = 1, at which the sine of π vanishes, the weight of π/2 is 1/2; from ω = 1/2 that of π is
/// (1/2 − sin(π/4)) / 2.
const SHIFTS: [(f64, f64); 4] = [
    (FRAC_PI_2, 0.5),
    (-FRAC_PI_2, -0.5),
    (PI, (0.5 - FRAC_1_SQRT_2) / 2.0),
    (-PI, (FRAC_1_SQRT_2 - 0.5) / 2.0),
];

/// The same where ω is 1/2 and nothing else: ±i/2 = 1/2 · exp(±iπ/2).
const SHIFT_OF_HALF_ANGLES: [(f64, f64); 1] = [(PI, 0.5)];

/// One row, to be differentiated.
pub(super) struct Shifts<'a> {
    pub(super) row: Row<'a>,
    /// The parameters of the row, all of them unshifted between two calls.
    shifted: Vec<f64>,
    /// Which parameters are differentiated.
    differentiated: &'a [bool],
}

impl<'a> Shifts<'a> {
    /// `differentiated` has an entry for every parameter of the row.
    pub(super) fn new(row: Row<'a>, differentiated: &'a [bool]) -> Self {
        Self { row, shifted: row.parameters.to_vec(), differentiated }
    }

    /// The parameters of a gate that are differentiated.
    pub(super) fn parameters(&self, gate: &Gate<'_>) -> impl Iterator<Item = usize> + use<'a> {
        let own = if self.row.acts(gate) { gate.spec.parameters } else { 0 };
        let differentiated = self.differentiated;
        (gate.first_parameter..gate.first_parameter + own).filter(|&at| differentiated[at])
    }

    /// The derivatives of what a part is made from, each with its parameter.
    pub(super) fn for_each_derivative<M: AsMut<[C64]>>(
        &mut self,
        source: Source,
        value: impl Fn(&Row<'_>) -> Result<M>,
        mut take: impl FnMut(usize, M),
    ) -> Result<()> {
        let (Source::Gate { gate } | Source::Rotation { gate, .. }) = source else {
            return Ok(());
        };
        let gate = self.row.structure.gate(gate as usize);
        for parameter in self.parameters(&gate) {
            take(parameter, self.derivative(&gate, parameter, &value)?);
        }
        Ok(())
    }

    /// The derivative by `parameter` of entries that `value` computes from a row: those of `gate`, or
    /// with controls of the gate minus 1.
    pub(super) fn derivative<M: AsMut<[C64]>>(
        &mut self,
        gate: &Gate<'_>,
        parameter: usize,
        value: impl Fn(&Row<'_>) -> Result<M>,
    ) -> Result<M> {
        // Where the controls disagree, ω is 0.
        let shifts = if gate.spec.half_angles && gate.controls.is_empty() {
            &SHIFT_OF_HALF_ANGLES[..]
        } else {
            &SHIFTS
        };
        let angle = self.row.parameters[parameter];
        let mut term = |(shift, weight): (f64, f64)| -> Result<M> {
            self.shifted[parameter] = angle + shift;
            let mut term = value(&Row { parameters: &self.shifted, ..self.row })?;
            term.as_mut().iter_mut().for_each(|x| *x *= weight);
            Ok(term)
        };
        let mut sum = term(shifts[0])?;
        for shift in &shifts[1..] {
            let mut term = term(*shift)?;
            sum.as_mut().iter_mut().zip(term.as_mut()).for_each(|(sum, x)| *sum += *x);
        }
        self.shifted[parameter] = angle;
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Circuit, Random};
    use super::super::{ADJOINT_BIT, GATES, GateKind};
    use super::{C64, Result, Row, Shifts};

    /// All that binding reads of a gate.
    fn values(row: &Row<'_>) -> Result<Vec<C64>> {
        let gate = row.structure.gate(0);
        if let Some(factor) = row.phase(&gate) {
            return Ok(vec![factor]);
        }
        match gate.spec.kind {
            GateKind::PauliRotation { .. } => Ok(row.rotation_factors(&gate).to_vec()),
            _ => row.target_entries(&gate),
        }
    }

    fn values_at(row: Row<'_>, parameter: usize, shift: f64) -> Result<Vec<C64>> {
        let mut shifted = row.parameters.to_vec();
        shifted[parameter] += shift;
        values(&Row { parameters: &shifted, ..row })
    }

    #[test]
    fn shifts_give_the_derivatives_of_every_gate() -> Result<()> {
        const STEP: f64 = 1e-5;
        let mut random = Random(1);
        let all = GATES.iter().enumerate().filter(|(_, spec)| spec.parameters > 0);
        for (id, spec) in all.flat_map(|gate| [gate; 24]) {
            let targets = if spec.wires == 0 { random.below(4) } else { spec.wires };
            let controls = random.below(3);
            let mut circuit = Circuit::new(targets + controls + 1);
            let wires = random.distinct(targets + controls, targets + controls + 1);
            let parameters: Vec<f64> = (0..spec.parameters).map(|_| random.angle()).collect();
            if matches!(spec.kind, GateKind::PauliRotation { letters_given: true }) {
                circuit.letters.extend((0..targets).map(|_| random.below(4) as u8));
            }
            circuit.add_controlled(spec.name, &[0, 1][..controls], &wires, &parameters);
            circuit.gates[0] |= [0, ADJOINT_BIT][random.below(2)];
            let structure = circuit.structure()?;
            for at in 0..spec.parameters {
                let row = Row {
                    structure: &structure,
                    parameters: &parameters,
                    matrices: &[],
                    outcomes: &[],
                };
                let derivative =
                    Shifts::new(row, &[true; 3]).derivative(&structure.gate(0), at, values)?;
                let later = values_at(row, at, STEP)?;
                let earlier = values_at(row, at, -STEP)?;
                for ((x, later), earlier) in derivative.iter().zip(later).zip(earlier) {
                    let difference = (later - earlier) / (2.0 * STEP);
                    assert!((x - difference).norm() < 1e-9, "{} {id}: {x} {difference}", spec.name);
                }
            }
        }
        Ok(())
    }
}
