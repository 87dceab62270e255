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
    // Where each gate's share of the flat arrays begins, and at the end their total length.
    first_wire: Vec<u32>,
    first_letter: Vec<u32>,
    first_parameter: Vec<u32>,
    first_entry: Vec<u32>,
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
    /// Its wires, in the gate's order.
    pub wires: &'a [u32],
    /// Of a Pauli rotation: one letter per wire; else empty.
    pub letters: &'a [Pauli],
    /// Where its parameters begin in a row of parameters.
    pub first_parameter: usize,
    /// Where its matrix entries begin in a row of matrices.
    pub first_entry: usize,
}

impl<'a> Gate<'a> {
    /// The wires that the gate brings into contact, in its order: both of a two-wire gate, those of
    /// a Pauli rotation whose letter is not I; none of a SWAP, which only renames.
    pub(super) fn interacting_wires(&self) -> impl Iterator<Item = u32> + Clone + use<'a> {
        let (wires, letters) = match self.spec.kind {
            GateKind::Relabel | GateKind::Phase => (&self.wires[..0], self.letters),
            _ => (self.wires, self.letters),
        };
        let acts = |at: usize| letters.get(at) != Some(&Pauli::I);
        wires.iter().enumerate().filter(move |(at, _)| acts(*at)).map(|(_, &wire)| wire)
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
    /// * `gates`: ids of [`GATES`], with [`ADJOINT_BIT`] set for the adjoint of a gate;
    /// * `wire_counts`: the number of wires of each gate, and `wires`, all of them in a row;
    /// * `letters`: one per wire of each `PauliRot`, in order; 0 I, 1 X, 2 Y, 3 Z.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] if there are no wires, if an id is unknown, a number of wires is not
    /// the gate's, a wire is out of range or repeated in one gate, or an array is of the wrong
    /// length.
    // The arrays are taken over: a caller has no other use for them.
    #[allow(clippy::needless_pass_by_value)]
    pub fn new(
        n_wires: usize,
        gates: Vec<u16>,
        wire_counts: Vec<u32>,
        wires: Vec<u32>,
        letters: Vec<u8>,
    ) -> Result<Self> {
        check_sizes(n_wires, &gates, &wire_counts, &wires)?;
        let mut structure = Self {
            n_wires,
            letters: Vec::with_capacity(letters.len()),
            first_wire: starts(gates.len()),
            first_letter: starts(gates.len()),
            first_parameter: starts(gates.len()),
            first_entry: starts(gates.len()),
            gates: Vec::new(),
            wires: Vec::new(),
        };
        let mut rest_of_wires = wires.as_slice();
        let mut rest_of_letters = letters.as_slice();
        let (mut n_parameters, mut n_entries) = (0, 0);
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
            check_wires(position, spec, adjoint, own, &mut last_use)?;
            rest_of_letters =
                structure.take_letters(position, spec, adjoint, own, rest_of_letters)?;
            n_parameters += spec.parameters;
            n_entries += spec.matrix_entries();
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
        Ok(structure)
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

    /// The gate at `position`.
    ///
    /// # Panics
    ///
    /// If `position` is not below [`n_gates`](Self::n_gates).
    #[must_use]
    pub fn gate(&self, position: usize) -> Gate<'_> {
        let share = |first: &[u32]| first[position] as usize..first[position + 1] as usize;
        let id = self.gates[position];
        Gate {
            position,
            spec: &GATES[usize::from(id & !ADJOINT_BIT)],
            adjoint: id & ADJOINT_BIT != 0,
            wires: &self.wires[share(&self.first_wire)],
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
        GateKind::UserOne | GateKind::UserTwo => "QubitUnitary",
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
    // 16 matrix entries per gate at most: all offsets fit 32 bits below these sizes.
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
    last_use: &mut [usize],
) -> Result<()> {
    let name = || describe(position, spec, adjoint, wires);
    if spec.wires != 0 && wires.len() != spec.wires {
        return Err(Error::at_gate(
            position,
            format!("{} acts on {} wires, got {}", name(), spec.wires, wires.len()),
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
