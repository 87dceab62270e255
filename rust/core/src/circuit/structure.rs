//! What circuits of one batch have in common: the same gates on the same wires.

use super::gate_table::{ADJOINT_BIT, GATES, GateKind, GateSpec};
use crate::error::{Error, Result};
use crate::pauli::Pauli;

/// The gates of a circuit and their wires, without parameters: validated, and a cache key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Structure {
    n_wires: usize,
    gates: Vec<u16>,
    wires: Vec<u32>,
    /// One letter per wire of each Pauli rotation; those of `MultiRZ` are written out.
    letters: Vec<Pauli>,
    /// 0 or 1 for each control wire of each gate.
    control_values: Vec<u8>,
    measures: Vec<Measure>,
    /// One per gate or none at all; -1 says that the gate has no condition.
    conditions: Vec<i32>,
    condition_table: Vec<Condition>,
    loaded: Loaded,
    // Where each gate's share of the flat arrays begins, and at the end their total length.
    first_control: Vec<u32>,
    first_wire: Vec<u32>,
    first_letter: Vec<u32>,
    first_parameter: Vec<u32>,
    first_entry: Vec<u32>,
}

/// Wires of a matrix given entry by entry for a gate on many.
const MANY: std::ops::RangeInclusive<usize> = 3..=8;

/// The flat arrays of a circuit.
///
/// * `gates`: ids of [`GATES`], with [`ADJOINT_BIT`] set for the adjoint of a gate;
/// * `wire_counts`: the number of wires of each gate, controls included, and `wires`, all of them
///   in a row;
/// * `letters`: one per wire of each `PauliRot`, in order; 0 I, 1 X, 2 Y, 3 Z;
/// * `control_counts`: how many of each gate's wires, the first of them, are controls (empty: none
///   has any), and `control_values`, all of them in a row;
/// * `measures`: one per mid-circuit measurement, in order;
/// * `conditions`: position in `condition_table` for each gate, -1 for none (empty: none has any);
/// * `loaded`: the wires of an initial state.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)] // said above, together
pub struct CircuitArrays {
    pub n_wires: usize,
    pub gates: Vec<u16>,
    pub wire_counts: Vec<u32>,
    pub wires: Vec<u32>,
    pub letters: Vec<u8>,
    pub control_counts: Vec<u32>,
    pub control_values: Vec<u8>,
    pub measures: Vec<Measure>,
    pub conditions: Vec<i32>,
    pub condition_table: Vec<Condition>,
    pub loaded: Loaded,
}

/// A mid-circuit measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Measure {
    /// Whether the wire is brought to |0⟩ afterwards.
    pub reset: bool,
    /// The only outcome kept, if any.
    pub postselect: Option<bool>,
    /// Whether shots with the other outcome are brought to the kept one rather than dropped.
    pub fill: bool,
}

/// When a conditional gate acts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Mid-circuit measurements that it looks at.
    pub measurements: Vec<u32>,
    /// Whether it holds for each of their outcomes; the first measurement is most significant.
    pub holds: Vec<bool>,
}

/// The wires whose initial state is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Loaded {
    /// In the order of the state.
    pub wires: Vec<u32>,
    /// Whether the state comes as tensors, which must sit in this order on the chain.
    pub ordered: bool,
}

/// One gate of a [`Structure`].
#[derive(Debug, Clone, Copy)]
pub struct Gate<'a> {
    /// Its position in the circuit.
    pub position: usize,
    /// Its row of the gate table.
    pub spec: &'static GateSpec,
    /// Whether its adjoint is meant.
    pub adjoint: bool,
    /// Its wires without the controls, in the gate's order.
    pub wires: &'a [u32],
    /// Its control wires.
    pub controls: &'a [u32],
    /// The value of each control for which the gate acts.
    pub control_values: &'a [u8],
    /// Position of its condition in the table of conditions.
    pub condition: Option<usize>,
    /// Of a Pauli rotation: one letter per wire; else empty.
    pub letters: &'a [Pauli],
    /// Where its parameters begin in a row of parameters.
    pub first_parameter: usize,
    /// Where its matrix entries begin in a row of matrices.
    pub first_entry: usize,
}

impl<'a> Gate<'a> {
    /// The wires that the gate brings into contact, in its order: its controls, both of a two-wire
    /// gate, those of a Pauli rotation whose letter is not I; none of a SWAP that only renames, and
    /// none of the identity.
    pub(super) fn interacting_wires(&self) -> impl Iterator<Item = u32> + Clone + use<'a> {
        let (controls, wires) = match self.spec.kind {
            GateKind::Phase if self.spec.parameters == 0 => (&self.controls[..0], &self.wires[..0]),
            GateKind::Phase => (self.controls, &self.wires[..0]),
            GateKind::Relabel if self.only_renames() => (self.controls, &self.wires[..0]),
            _ => (self.controls, self.wires),
        };
        let letters = self.letters;
        let acts = move |at: usize| letters.get(at) != Some(&Pauli::I);
        let targets = wires.iter().enumerate().filter(move |(at, _)| acts(*at));
        controls.iter().copied().chain(targets.map(|(_, &wire)| wire))
    }

    /// The letters that are not I, in the order of their wires.
    pub(super) fn acting_letters(&self) -> impl Iterator<Item = Pauli> + Clone + use<'a> {
        self.letters.iter().copied().filter(|letter| *letter != Pauli::I)
    }

    /// Whether it is a SWAP that is done by calling its wires by each other's names: one that acts
    /// always.
    pub(super) fn only_renames(&self) -> bool {
        matches!(self.spec.kind, GateKind::Relabel)
            && self.controls.is_empty()
            && self.condition.is_none()
    }

    /// `gate 3 (CNOT on wires 0, 5)`: how messages name it.
    #[must_use]
    pub fn describe(&self) -> String {
        describe(self.position, self.spec, self.adjoint, self.wires)
    }
}

impl Structure {
    /// Checks the flat arrays of a circuit.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] if there are no wires, if an id is unknown, a number of wires is not
    /// the gate's, a wire is out of range or repeated in one gate, an index points nowhere, or an
    /// array is of the wrong length.
    // The arrays are taken over: a caller has no other use for them.
    pub fn new(arrays: CircuitArrays) -> Result<Self> {
        let CircuitArrays { n_wires, gates, wire_counts, wires, letters, .. } = arrays;
        check_sizes(n_wires, &gates, &wire_counts, &wires)?;
        let mut structure = Self {
            n_wires,
            letters: Vec::with_capacity(letters.len()),
            control_values: arrays.control_values,
            measures: arrays.measures,
            conditions: arrays.conditions,
            condition_table: arrays.condition_table,
            loaded: arrays.loaded,
            first_control: starts(gates.len()),
            first_wire: starts(gates.len()),
            first_letter: starts(gates.len()),
            first_parameter: starts(gates.len()),
            first_entry: starts(gates.len()),
            gates: Vec::new(),
            wires: Vec::new(),
        };
        let mut rest_of_wires = wires.as_slice();
        let mut rest_of_letters = letters.as_slice();
        let (mut n_parameters, mut n_entries, mut n_controls, mut n_measures) = (0, 0, 0, 0);
        // `last_use[wire]` is the gate that named the wire last: repetition without a search.
        let mut last_use = vec![usize::MAX; n_wires];
        for (position, (&id, &count)) in gates.iter().zip(&wire_counts).enumerate() {
            let adjoint = id & ADJOINT_BIT != 0;
            let spec = GATES.get(usize::from(id & !ADJOINT_BIT)).ok_or_else(|| {
                Error::at_gate(
                    position,
                    format!(
                        "gate {position} has the unknown id {}; ids run from 0 to {} (see \
                         gate_table)",
                        id & !ADJOINT_BIT,
                        GATES.len() - 1
                    ),
                )
            })?;
            let Some((own, rest)) = rest_of_wires.split_at_checked(count as usize) else {
                return Err(Error::at_gate(
                    position,
                    format!(
                        "gate {position} ({}) names {count} wires, but only {} are left in the \
                         list of wires",
                        spec.name,
                        rest_of_wires.len()
                    ),
                ));
            };
            rest_of_wires = rest;
            let controls = arrays.control_counts.get(position).map_or(0, |count| *count as usize);
            check_wires(position, spec, adjoint, own, controls, &mut last_use)?;
            let targets = &own[controls..];
            rest_of_letters =
                structure.take_letters(position, spec, adjoint, targets, rest_of_letters)?;
            n_controls += controls;
            n_parameters += spec.parameters;
            n_entries += spec.matrix_entries(targets.len());
            n_measures += usize::from(matches!(spec.kind, GateKind::Measure));
            if n_entries > u32::MAX as usize {
                return Err(Error::Unsupported(format!(
                    "the gates of a circuit may hold at most {} matrix entries, got more at gate \
                     {position}",
                    u32::MAX
                )));
            }
            structure.first_control.push(n_controls as u32);
            structure.first_wire.push((wires.len() - rest_of_wires.len()) as u32);
            structure.first_letter.push(structure.letters.len() as u32);
            structure.first_parameter.push(n_parameters as u32);
            structure.first_entry.push(n_entries as u32);
        }
        if !rest_of_wires.is_empty() || !rest_of_letters.is_empty() {
            return Err(Error::invalid(format!(
                "the circuit's gates leave {} wires and {} Pauli letters unused; the lists must \
                 hold exactly those of the gates",
                rest_of_wires.len(),
                rest_of_letters.len()
            )));
        }
        structure.gates = gates;
        structure.wires = wires;
        structure.check_rest(&arrays.control_counts, n_controls, n_measures)?;
        structure.check_measurements()?;
        Ok(structure)
    }

    /// Checks that every condition looks back, and that measurements are neither conditional, nor
    /// controlled, nor adjoint.
    fn check_measurements(&self) -> Result<()> {
        let mut measured = 0;
        for gate in self.gates() {
            let condition = gate.condition.map(|at| &self.condition_table[at]);
            let is_measure = matches!(gate.spec.kind, GateKind::Measure);
            let plain = condition.is_none() && gate.controls.is_empty() && !gate.adjoint;
            let what = if is_measure && !plain {
                "is a measurement, which can have neither a condition, nor controls, nor an adjoint"
                    .to_owned()
            } else {
                let looked_at = condition.and_then(|c| c.measurements.iter().max());
                match looked_at {
                    Some(&last) if last >= measured => format!(
                        "depends on mid-circuit measurement {last}, but only {measured} come \
                         before it"
                    ),
                    _ => {
                        measured += u32::from(is_measure);
                        continue;
                    }
                }
            };
            return Err(Error::at_gate(gate.position, format!("{} {what}", gate.describe())));
        }
        Ok(())
    }

    /// Checks what is not checked gate by gate.
    fn check_rest(
        &self,
        control_counts: &[u32],
        n_controls: usize,
        n_measures: usize,
    ) -> Result<()> {
        let n_gates = self.gates.len();
        let table = self.condition_table.len();
        let loaded = &self.loaded.wires;
        let mut seen = vec![false; self.n_wires];
        let good = (control_counts.is_empty() || control_counts.len() == n_gates)
            && self.control_values.len() == n_controls
            && self.control_values.iter().all(|value| *value < 2)
            && self.measures.len() == n_measures
            && (self.conditions.is_empty() || self.conditions.len() == n_gates)
            && self
                .conditions
                .iter()
                .all(|&c| c == -1 || usize::try_from(c).is_ok_and(|c| c < table))
            && self.condition_table.iter().all(|condition| {
                condition.measurements.len() < 32
                    && condition.holds.len() == 1 << condition.measurements.len()
                    && condition.measurements.iter().all(|m| (*m as usize) < n_measures)
            })
            && loaded.iter().all(|&wire| {
                seen.get_mut(wire as usize).is_some_and(|seen| !std::mem::replace(seen, true))
            });
        if good {
            Ok(())
        } else {
            Err(Error::invalid(
                "the controls, mid-circuit measurements, conditions or loaded wires of a circuit do \
                 not fit its gates and wires",
            ))
        }
    }

    /// Appends the letters of one gate and returns those that are left.
    fn take_letters<'a>(
        &mut self,
        position: usize,
        spec: &GateSpec,
        adjoint: bool,
        wires: &[u32],
        given: &'a [u8],
    ) -> Result<&'a [u8]> {
        let GateKind::PauliRotation { letters_given } = spec.kind else {
            return Ok(given);
        };
        if !letters_given {
            self.letters.extend(wires.iter().map(|_| Pauli::Z));
            return Ok(given);
        }
        let name = || describe(position, spec, adjoint, wires);
        let Some((own, rest)) = given.split_at_checked(wires.len()) else {
            return Err(Error::at_gate(
                position,
                format!(
                    "{} needs {} Pauli letters, but only {} are left in the list of letters",
                    name(),
                    wires.len(),
                    given.len()
                ),
            ));
        };
        for &code in own {
            let letter = Pauli::from_code(code).ok_or_else(|| {
                Error::at_gate(
                    position,
                    format!(
                        "{} has the Pauli letter {code}; letters are 0 (I), 1 (X), 2 (Y), 3 (Z)",
                        name()
                    ),
                )
            })?;
            self.letters.push(letter);
        }
        Ok(rest)
    }

    /// Wires of the circuit, touched or not.
    #[must_use]
    pub fn n_wires(&self) -> usize {
        self.n_wires
    }

    /// Gates of the circuit.
    #[must_use]
    pub fn n_gates(&self) -> usize {
        self.gates.len()
    }

    /// Real parameters that one row must give, gate by gate.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        self.first_parameter[self.gates.len()] as usize
    }

    /// Complex matrix entries that one row must give, gate by gate.
    #[must_use]
    pub fn n_matrix_entries(&self) -> usize {
        self.first_entry[self.gates.len()] as usize
    }

    /// The mid-circuit measurements, in order.
    #[must_use]
    pub fn measures(&self) -> &[Measure] {
        &self.measures
    }

    /// The conditions that gates point to.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        &self.condition_table
    }

    /// The wires of the initial state.
    #[must_use]
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The gate at `position`.
    ///
    /// # Panics
    ///
    /// If `position` is not below [`n_gates`](Self::n_gates).
    #[must_use]
    pub fn gate(&self, position: usize) -> Gate<'_> {
        let share = |first: &[u32]| first[position] as usize..first[position + 1] as usize;
        let id = self.gates[position];
        let own = &self.wires[share(&self.first_wire)];
        let values = &self.control_values[share(&self.first_control)];
        let (controls, wires) = own.split_at(values.len());
        let condition = self.conditions.get(position).copied().unwrap_or(-1);
        Gate {
            position,
            spec: &GATES[usize::from(id & !ADJOINT_BIT)],
            adjoint: id & ADJOINT_BIT != 0,
            wires,
            controls,
            control_values: values,
            condition: usize::try_from(condition).ok(),
            letters: &self.letters[share(&self.first_letter)],
            first_parameter: self.first_parameter[position] as usize,
            first_entry: self.first_entry[position] as usize,
        }
    }

    /// The gates in the order of the circuit.
    pub fn gates(&self) -> impl Iterator<Item = Gate<'_>> {
        (0..self.n_gates()).map(|position| self.gate(position))
    }
}

/// Offsets of `n_gates` gates, to be filled: the first is 0.
fn starts(n_gates: usize) -> Vec<u32> {
    let mut starts = Vec::with_capacity(n_gates + 1);
    starts.push(0);
    starts
}

fn describe(position: usize, spec: &GateSpec, adjoint: bool, wires: &[u32]) -> String {
    const SHOWN: usize = 6;
    // Users know both entries by PennyLane's one name.
    let name = match spec.kind {
        GateKind::UserOne | GateKind::UserTwo | GateKind::UserMany => "QubitUnitary",
        _ => spec.name,
    };
    let name = if adjoint { format!("Adjoint({name})") } else { name.to_owned() };
    let shown: Vec<String> = wires.iter().take(SHOWN).map(u32::to_string).collect();
    let more = if wires.len() > SHOWN { ", ..." } else { "" };
    let plural = if wires.len() == 1 { "wire" } else { "wires" };
    match wires {
        [] => format!("gate {position} ({name})"),
        _ => format!("gate {position} ({name} on {plural} {}{more})", shown.join(", ")),
    }
}

fn check_sizes(n_wires: usize, gates: &[u16], wire_counts: &[u32], wires: &[u32]) -> Result<()> {
    // A few parameters, letters and wires per gate: their offsets fit 32 bits below these sizes.
    const MOST_GATES: usize = (u32::MAX / 16) as usize;
    if n_wires == 0 {
        return Err(Error::invalid("a circuit needs at least one wire, got 0"));
    }
    if wire_counts.len() != gates.len() {
        return Err(Error::invalid(format!(
            "there must be one wire count per gate: got {} gates and {} wire counts",
            gates.len(),
            wire_counts.len()
        )));
    }
    for (what, size, most) in [
        ("wires", n_wires, MOST_GATES),
        ("gates", gates.len(), MOST_GATES),
        ("wires named by gates", wires.len(), u32::MAX as usize),
    ] {
        if size > most {
            return Err(Error::Unsupported(format!(
                "a circuit may have at most {most} {what}, got {size}"
            )));
        }
    }
    Ok(())
}

fn check_wires(
    position: usize,
    spec: &GateSpec,
    adjoint: bool,
    wires: &[u32],
    controls: usize,
    last_use: &mut [usize],
) -> Result<()> {
    let name = || describe(position, spec, adjoint, wires);
    if controls > wires.len() || (controls > 0 && matches!(spec.kind, GateKind::Measure)) {
        return Err(Error::at_gate(
            position,
            format!("{} cannot have {controls} controls", name()),
        ));
    }
    let targets = wires.len() - controls;
    if matches!(spec.kind, GateKind::UserMany) && !MANY.contains(&targets) {
        return Err(Error::at_gate(
            position,
            format!(
                "{} has a matrix on {targets} wires without its controls; expected {} to {} \
                 (fewer are other rows of the gate table, more must be decomposed)",
                name(),
                MANY.start(),
                MANY.end()
            ),
        ));
    }
    if spec.wires != 0 && targets != spec.wires {
        return Err(Error::at_gate(
            position,
            format!("{} acts on {} wires, got {targets}", name(), spec.wires),
        ));
    }
    let n_wires = last_use.len();
    for &wire in wires {
        let Some(last) = last_use.get_mut(wire as usize) else {
            return Err(Error::at_gate(
                position,
                format!(
                    "{} names wire {wire}, but the circuit has wires 0 to {}",
                    name(),
                    n_wires - 1
                ),
            ));
        };
        if *last == position {
            return Err(Error::at_gate(
                position,
                format!("{} names wire {wire} twice; its wires must differ", name()),
            ));
        }
        *last = position;
    }
    Ok(())
}
