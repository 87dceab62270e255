//! Derivatives of gates on many sites: operators that differ from the gate's in one tensor.
//!
//! The operator of a gate is `1 + P ⊗ (G − 1)`, that of a derivative `P ⊗ dG`. With the tensors of
//! G − 1 and of all dG shared but for one, the derivative is the operator with that tensor replaced,
//! and without the identity way past it.

use super::bind::StepMatrix;
use super::chain::{Acts, Chain};
use super::fan_operator::FanOnSites;
use super::gate_table::GateKind;
use super::matrix::ZERO;
use super::operator::{
    Targets, acting_way, assemble, chain_of, from_the_left, pass, project, rotation_tensors, word,
};
use super::part_matrices::misplaced;
use super::parts::Part;
use super::shifts::Shifts;
use super::split::split_together;
use super::structure::Gate;
use super::tangents::StepTangents;
use crate::error::Result;
use crate::operator::OperatorSite;

/// What a gate does to its targets, and in which tensor its derivatives differ from that.
struct Differentiated {
    targets: Targets,
    /// Where that tensor is.
    site: usize,
    /// What takes its place, for each parameter.
    tensors: Vec<OperatorSite>,
}

impl Shifts<'_> {
    /// The operator of a chain step, and its derivatives.
    pub(super) fn chain_step(
        &mut self,
        parts: &[Part],
        chains: &[Chain],
    ) -> Result<(StepMatrix, StepTangents)> {
        let row = self.row;
        let chain = chain_of(parts, chains)?;
        let (gate, places) = match &chain.acts {
            Acts::Fan { hub, basis, spokes } => {
                let fan = FanOnSites { hub: *hub as usize, basis: *basis, spokes };
                return fan.with_tangents(chain, self);
            }
            Acts::Gate { gate, places } => (row.structure.gate(*gate as usize), places),
        };
        let parameters: Vec<usize> = self.parameters(&gate).collect();
        if parameters.is_empty() {
            return Ok((row.chain_step(parts, chains)?, StepTangents::Chain(Vec::new())));
        }
        let (controls, places) = places.split_at(gate.controls.len());
        let Differentiated { targets, site, tensors } = if row.phase(&gate).is_some() {
            self.phase_on_controls(&gate, controls, &parameters)?
        } else if let GateKind::PauliRotation { .. } = gate.spec.kind {
            self.rotation_on_targets(&gate, places, &parameters)?
        } else {
            self.matrix_on_targets(&gate, places, &parameters)?
        };
        let n_sites = chain.sites();
        let operator = assemble(n_sites, (controls, gate.control_values), places, targets);
        let controlled = !controls.is_empty();
        let tensors = parameters
            .into_iter()
            .zip(tensors)
            .map(|(parameter, own)| (parameter, site, acting_way(n_sites, controlled, site, own)));
        Ok((StepMatrix::Chain(operator), StepTangents::Chain(tensors.collect())))
    }

    /// The first control has the factor.
    fn phase_on_controls(
        &mut self,
        gate: &Gate<'_>,
        places: &[u32],
        parameters: &[usize],
    ) -> Result<Differentiated> {
        let factor = self.row.phase(gate);
        let (Some(factor), Some(&place), Some(&value)) =
            (factor, places.first(), gate.control_values.first())
        else {
            return Err(misplaced(gate.spec.name));
        };
        let tensors = parameters.iter().map(|&parameter| {
            let derivative =
                self.derivative(gate, parameter, |row| Ok([row.phase(gate).unwrap_or(ZERO)]));
            derivative.map(|[factor]| pass(1, project(value, factor)))
        });
        let tensors = tensors.collect::<Result<_>>()?;
        Ok(Differentiated { targets: Targets::Phase(factor), site: place as usize, tensors })
    }

    /// The leftmost letter has the factors.
    fn rotation_on_targets(
        &mut self,
        gate: &Gate<'_>,
        places: &[u32],
        parameters: &[usize],
    ) -> Result<Differentiated> {
        let order = from_the_left(places);
        let word = word(gate, &order);
        let mut tensors = Vec::with_capacity(parameters.len());
        for &parameter in parameters {
            let factors = self.derivative(gate, parameter, |row| Ok(row.rotation_factors(gate)))?;
            tensors.extend(rotation_tensors(&word, factors).into_iter().next());
        }
        let targets = Targets::Tensors(rotation_tensors(&word, self.row.rotation_factors(gate)));
        Ok(Differentiated { targets, site: places[order[0]] as usize, tensors })
    }

    fn matrix_on_targets(
        &mut self,
        gate: &Gate<'_>,
        places: &[u32],
        parameters: &[usize],
    ) -> Result<Differentiated> {
        let order = from_the_left(places);
        // The tensors to the left and right of the centre span more than the gate needs, and least
        // with as many on either side; of two wires the second, on which controlled gates act.
        let centre = match *order {
            [_, second] => second,
            _ => (order.len() - 1) / 2,
        };
        let mut stack = vec![self.row.target_entries(gate)?];
        for &parameter in parameters {
            stack.push(self.derivative(gate, parameter, |row| row.target_entries(gate))?);
        }
        let split = split_together(&stack, &order, centre)?;
        Ok(Differentiated {
            targets: Targets::Tensors(split.tensors),
            site: places[order[centre]] as usize,
            tensors: split.others,
        })
    }
}
