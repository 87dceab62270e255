//! The operator of a fan, for one row of numbers.
//!
//! ```text
//!   gap    spoke      hub      spoke
//!    1 ───── U_0 ── |0⟩⟨0| ── U'_0        bond index 0: the hub is 0
//!    1 ───── U_1 ── |1⟩⟨1| ── U'_1                   1: it is 1, both in the fan's basis
//! ```

use std::f64::consts::FRAC_1_SQRT_2;

use super::C64;
use super::bind::StepMatrix;
use super::chain::{Chain, Spoke};
use super::matrix::{IDENTITY2, Matrix2, Matrix4, exchange_wires, multiply2};
use super::parts::Source;
use super::row::Row;
use super::shifts::Shifts;
use super::structure::Gate;
use super::tangents::StepTangents;
use crate::error::Result;
use crate::operator::{Block, ChainOperator, OperatorSite};
use crate::pauli::Pauli;

/// A fan on its stretch of sites.
pub(super) struct FanOnSites<'a> {
    pub(super) hub: usize,
    pub(super) basis: Pauli,
    pub(super) spokes: &'a [Spoke],
}

/// What a site of the stretch does for each value of the hub.
type Branches = [Matrix2; 2];

impl FanOnSites<'_> {
    pub(super) fn operator(&self, n_sites: usize, row: &Row<'_>) -> Result<ChainOperator> {
        let mut branches = vec![[IDENTITY2; 2]; n_sites];
        branches[self.hub] = vectors(self.basis).map(|vector| projector(&vector));
        for spoke in self.spokes {
            let own = self.branches(&matrix_of(row, spoke)?);
            let place = &mut branches[spoke.place as usize];
            *place = [0, 1].map(|v| multiply2(&own[v], &place[v]));
        }
        let sites = branches.iter().enumerate().map(|(at, own)| tensor(at, n_sites, own));
        Ok(ChainOperator { sites: sites.collect() })
    }

    /// `⟨v| matrix |v⟩` of the hub's two values v; the hub is the first wire of `matrix`.
    fn branches(&self, matrix: &Matrix4) -> Branches {
        vectors(self.basis).map(|vector| {
            // U[q, q'] = Σ_{p p'} conj(v[p]) · G[p q, p' q'] · v[p']
            std::array::from_fn(|at| {
                let (row, column) = (at / 2, at % 2);
                let mut sum = C64::ZERO;
                for (p, left) in vector.iter().enumerate() {
                    for (p_in, right) in vector.iter().enumerate() {
                        sum += left.conj() * matrix[(2 * p + row) * 4 + 2 * p_in + column] * right;
                    }
                }
                sum
            })
        })
    }

    /// The operator, and its derivatives by the parameters of its gates.
    pub(super) fn with_tangents(
        &self,
        chain: &Chain,
        shifts: &mut Shifts<'_>,
    ) -> Result<(StepMatrix, StepTangents)> {
        let n_sites = chain.sites();
        let row = shifts.row;
        let mut tensors = Vec::new();
        // After the gates so far, for each place.
        let own: Vec<Branches> = self
            .spokes
            .iter()
            .map(|spoke| Ok(self.branches(&matrix_of(&row, spoke)?)))
            .collect::<Result<_>>()?;
        for (at, spoke) in self.spokes.iter().enumerate() {
            let gate = row.structure.gate(spoke.gate as usize);
            for parameter in shifts.parameters(&gate).collect::<Vec<_>>() {
                let derivative =
                    shifts.derivative(&gate, parameter, |row| matrix_of(row, spoke))?;
                // The other gates on the same place stay as they are.
                let mut branches = [IDENTITY2; 2];
                for (other, matrices) in self.spokes.iter().zip(&own).enumerate().filter_map(
                    |(index, (other, matrices))| {
                        (other.place == spoke.place).then_some((index, *matrices))
                    },
                ) {
                    let matrices = if other == at { self.branches(&derivative) } else { matrices };
                    branches = [0, 1].map(|v| multiply2(&matrices[v], &branches[v]));
                }
                let place = spoke.place as usize;
                tensors.push((parameter, place, tensor(place, n_sites, &branches)));
            }
        }
        Ok((StepMatrix::Chain(self.operator(n_sites, &row)?), StepTangents::Chain(tensors)))
    }
}

/// The matrix of a fan's gate, the hub as its first wire.
fn matrix_of(row: &Row<'_>, spoke: &Spoke) -> Result<Matrix4> {
    let gate = row.structure.gate(spoke.gate as usize);
    let matrix = row.matrix4(source_of(&gate))?;
    Ok(if spoke.hub_first { matrix } else { exchange_wires(&matrix) })
}

/// A gate on two wires in its own order.
fn source_of(gate: &Gate<'_>) -> Source {
    let position = gate.position as u32;
    let mut letters = gate.acting_letters();
    match (gate.controls.is_empty(), letters.next(), letters.next()) {
        (true, Some(a), Some(b)) => Source::Rotation { gate: position, letters: [a, b] },
        _ => Source::Gate { gate: position },
    }
}

/// The tensor at place `at`: each branch keeps its own bond index, but at the ends, where both share the
/// only one.
fn tensor(at: usize, n_sites: usize, branches: &Branches) -> OperatorSite {
    let (first, last) = (at == 0, at + 1 == n_sites);
    let blocks = branches.iter().enumerate().map(|(v, matrix)| Block {
        left: if first { 0 } else { v },
        right: if last { 0 } else { v },
        matrix: *matrix,
    });
    OperatorSite {
        left: if first { 1 } else { 2 },
        right: if last { 1 } else { 2 },
        blocks: blocks.collect(),
    }
}

/// The eigenvectors of a letter, of the eigenvalue +1 first.
fn vectors(basis: Pauli) -> [[C64; 2]; 2] {
    let (zero, one) = (C64::ZERO, C64::ONE);
    let half = C64::new(FRAC_1_SQRT_2, 0.0);
    match basis {
        Pauli::X => [[half, half], [half, -half]],
        Pauli::Y => [[half, half * C64::I], [half, -half * C64::I]],
        Pauli::I | Pauli::Z => [[one, zero], [zero, one]],
    }
}

fn projector(vector: &[C64; 2]) -> Matrix2 {
    std::array::from_fn(|at| vector[at / 2] * vector[at % 2].conj())
}
