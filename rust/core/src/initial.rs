//! The state that a circuit starts in.

use crate::cancel::Cancel;
use crate::circuit::Plan;
use crate::error::Result;
use crate::group::{Group, LoadedState};
use crate::linalg::Truncation;
use crate::mps::{Mps, SweepLog, load_amplitudes, load_tensors};
use crate::scalar::C64;

/// A loaded state on the sites of a plan, truncated like any step.
#[derive(Debug, Clone)]
pub(crate) struct InitialState {
    pub mps: Mps<C64>,
    /// What the truncation lost.
    pub log: SweepLog,
}

impl InitialState {
    /// That of one row of `group`; `None` for |0…0⟩.
    pub(crate) fn of_row(
        group: &Group,
        row: usize,
        plan: &Plan,
        policy: &Truncation,
        cancel: &Cancel,
    ) -> Result<Option<Self>> {
        let n = plan.n_sites();
        let mut site_of_wire = vec![0; n];
        for (site, &wire) in plan.first_wire_of_site().iter().enumerate() {
            site_of_wire[wire as usize] = site;
        }
        let wires = &group.structure.loaded().wires;
        let sites: Vec<usize> = wires.iter().map(|&wire| site_of_wire[wire as usize]).collect();
        let (mps, log) = match &group.loaded {
            LoadedState::None => return Ok(None),
            LoadedState::Vectors(_) => {
                load_amplitudes(group.loaded_vector(row), &sites, n, policy, cancel)?
            }
            LoadedState::Tensors(tensors) => load_tensors(tensors, &sites, n, policy, cancel)?,
        };
        Ok(Some(Self { mps, log }))
    }
}
