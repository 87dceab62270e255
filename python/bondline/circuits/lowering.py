"""Circuits → flat arrays: one group for all circuits that differ in their numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pennylane.exceptions import DeviceError

from bondline.circuits.group import Group, merge
from bondline.circuits.lowered import Circuit, Lowered
from bondline.circuits.numbering import Trained, trained
from bondline.circuits.pattern import Pattern, pattern_of
from bondline.circuits.program import Program, Register, closed_register, program_of
from bondline.circuits.rows import matrix_rows, parameter_rows
from bondline.errors import InputError
from bondline.measurements.observables import Interpretation, interpret
from bondline.measurements.requests import Requests
from bondline.measurements.sampling import interpret_shots
from bondline.measurements.seeds import CallSeed, Seeds
from bondline.measurements.simple import interpret_simple
from bondline.operators.preparations import (
    InitialState,
    initial_state,
    load,
    starts_with_preparation,
)

# Most circuits have nothing of these kinds, and an empty array takes as long as a gate.
_NO_BYTES: Final = np.empty(0, dtype=np.uint8)
_NO_FLAGS: Final = np.empty(0, dtype=np.bool_)
_NO_OUTCOMES: Final = np.empty(0, dtype=np.int8)
_NO_CONDITIONS: Final = np.empty(0, dtype=np.int32)

Postselection = Literal["drop", "fill"]
"""What a postselected measurement does to shots with another outcome: drop or project them."""


def lower(
    tapes: Sequence[Any],
    wires: Any = None,
    seed: CallSeed | None = None,
    *,
    postselection: Postselection = "drop",
    initial: InitialState | None = None,
    differentiated: bool = False,
) -> Lowered:
    """Turn circuits into groups of flat arrays.

    Parameters
    ----------
    tapes : sequence of pennylane.tape.QuantumScript
        Of native operators only; see :func:`bondline.operators.gate_set.is_native`.
    wires : pennylane.wires.Wires, optional
        Wires of the device, in the order of the chain. Without them each circuit has its own, in
        the order of first use, or in that of their labels if those are 0 … n-1: so PennyLane
        orders the states of its own simulators.
    seed : CallSeed, optional
        Seed of the call, for circuits with shots.
    postselection : {"drop", "fill"}, default "drop"
        Whether shots with another outcome are dropped, or every shot is projected.
    initial : InitialState, optional
        What circuits start from that do not begin with a preparation of their own.
    differentiated : bool, default False
        Whether to look for their trainable parameters, too.

    Returns
    -------
    Lowered

    Raises
    ------
    UnsupportedError
        If a trainable parameter has no derivative.
    InputError
        If a number is not finite, a matrix not unitary or the sizes of batches differ.
    pennylane.exceptions.DeviceError
        If an operator or a measurement is not offered.
    pennylane.exceptions.WireError
        If a circuit uses a wire that the device does not have.

    Notes
    -----
    About 1 µs a gate and 3 µs a Pauli term. Batched numbers become rows; numbers without a batch
    are repeated in every row.

    Examples
    --------
    >>> import pennylane as qml
    >>> tape = qml.tape.QuantumScript([qml.RX([0.1, 0.2], wires="a")], [qml.expval(qml.Z("a"))])
    >>> lower([tape]).groups[0].parameters
    array([[0.1],
           [0.2]])
    """
    labels = tuple(getattr(wires, "labels", wires)) if wires else ()
    work = _Lowering(
        closed_register(labels) if labels else None, seed, postselection, initial, differentiated
    )
    circuits: list[Circuit] = []
    places: dict[object, int] = {}
    members: list[list[Group]] = []
    ends: list[int] = []
    patterns: dict[tuple[int, int], Pattern] = {}
    for position, tape in enumerate(tapes):
        size = len(tape.operations), len(tape.measurements)
        pattern = patterns.get(size)
        alike = None if pattern is None else work.alike(pattern, position, tape)
        if pattern is not None and alike is not None:
            group, batch, numbers = alike
            place, found, own_labels = pattern.place, pattern.found, pattern.labels
        else:
            register = Register() if work.register is None else work.register
            program, group, found, batch, numbers = work.one(position, tape, register)
            own_labels = labels or tuple(register)
            place = places.setdefault(group.structure() if len(tapes) > 1 else None, len(members))
            if place == len(members):
                members.append([])
                ends.append(0)
            if len(tapes) > 1 and (numbers is None or not numbers.data):
                pattern = pattern_of(tape, program, group, found, place, own_labels)
                if pattern is not None:
                    patterns[size] = pattern
        rows = slice(ends[place], ends[place] + len(group.parameters))
        ends[place] = rows.stop
        members[place].append(group)
        seeds = group.requests.seeds
        start = work.start_of(tape)
        circuits.append(
            Circuit(
                group=place,
                rows=rows,
                batch=batch,
                readings=found.readings,
                wires=own_labels,
                bins=tuple(slice(*bounds) for bounds in tape.shots.bins()) if tape.shots else (),
                partitioned=tape.shots.has_partitioned_shots,
                seeds=seeds if len(seeds) else None,
                initial_fidelity=float(getattr(start, "fidelity", 1.0)),
                initial_log_norm=float(getattr(start, "log_norm", 0.0)),
                trained=numbers,
                derivatives=found.derivatives,
            )
        )
    return Lowered(tapes, tuple(circuits), tuple(merge(group) for group in members))


@dataclass(slots=True, eq=False)
class _Lowering:
    """What the circuits of one call share while they are lowered."""

    register: Register | None
    seed: CallSeed | None
    postselection: Postselection
    initial: InitialState | None
    differentiated: bool = False
    known: dict[tuple[object, ...], Interpretation] = field(default_factory=dict)

    def start_of(self, tape: Any) -> InitialState | None:
        """Return the state that a circuit starts from, unless it brings its own."""
        if self.initial is None or starts_with_preparation(tape.operations):
            return None
        return self.initial

    def one(
        self, position: int, tape: Any, sites: Register
    ) -> tuple[Program, Group, Interpretation, int | None, Trained | None]:
        initial = self.start_of(tape)
        if initial is not None:
            for label in initial.wires:
                sites[label]
        program = program_of(tape, sites, initial=initial is not None)
        wires = _settled(program, tape.measurements, sites)
        if not sites:
            raise InputError(
                f"Circuit {position} acts on no wires. Give the device wires: "
                'qml.device("bondline.mps", wires=1).'
            )
        numbers = trained(position, tape, program) if self.differentiated else None
        found = self.understood(tape, sites, program, numbers)
        if initial is None:
            loaded = load(program.preparations, sites)
        else:
            loaded = initial_state(initial, sites)
        parameters, batch = parameter_rows(position, tape, sites, program.parameters)
        matrices, matrix_batch = matrix_rows(position, tape, sites, program.matrices)
        for other, owner in (
            (matrix_batch, "matrices"),
            (loaded.batch, "states"),
            (found.batch, "observables"),
        ):
            if other is not None and batch is not None and other != batch:
                raise InputError(
                    f"Circuit {position} has parameters in batches of {batch} and {owner} in "
                    f"batches of {other}. All batches in a circuit must have one size."
                )
            batch = other if batch is None else batch
        if batch is not None and len(parameters) != batch:
            parameters = np.repeat(parameters, batch, axis=0)
        requests = self.seeded(found.requests, position, tape, len(parameters))
        control_counts, control_values = _controls(program)
        group = Group(
            n_wires=len(sites),
            gates=np.array(program.gates, dtype=np.uint16),
            wire_counts=np.array(program.counts, dtype=np.uint32),
            wires=wires,
            letters=_bytes_of(program.letters),
            parameters=parameters,
            matrices=matrices,
            requests=requests,
            control_counts=control_counts,
            control_values=control_values,
            measure_resets=np.array(program.resets, dtype=np.bool_)
            if program.resets
            else _NO_FLAGS,
            measure_postselects=self.postselects(program, tape),
            conditions=_conditions(program),
            condition_measurements=tuple(program.conditions.measurements),
            condition_tables=tuple(program.conditions.tables),
            loaded_wires=loaded.wires,
            loaded_vectors=loaded.vectors,
            loaded_tensors=loaded.tensors,
        )
        _require_pure(group)
        return program, group, found, batch, numbers

    def alike(
        self, pattern: Pattern, position: int, tape: Any
    ) -> tuple[Group, int | None, Trained | None] | None:
        """Lower a circuit of the structure of another one; None if it has, or may have, its own."""
        found = pattern.parameters(tape)
        if found is None:
            return None
        numbers = trained(position, tape, pattern.program) if self.differentiated else None
        if numbers is not None and numbers.data:
            return None
        sites = Register(pattern.labels) if self.register is None else self.register
        parameters, batch = parameter_rows(position, tape, sites, found)
        requests = self.seeded(pattern.group.requests, position, tape, len(parameters))
        return replace(pattern.group, parameters=parameters, requests=requests), batch, numbers

    def seeded(self, requests: Requests, position: int, tape: Any, rows: int) -> Requests:
        """Give each row of a circuit with shots its seeds."""
        if not tape.shots:
            return requests
        call = Seeds(None).next_call() if self.seed is None else self.seed
        return replace(requests, seeds=call.rows(position, rows))

    def understood(
        self, tape: Any, sites: Register, program: Program, numbers: Trained | None
    ) -> Interpretation:
        """Understand the measurements once for the circuits of one gradient, which share them."""
        measurements, measures = tape.measurements, program.measures
        if (
            sites.closed
            and not tape.shots
            and not measures
            and (numbers is None or not numbers.data)
        ):
            simple = interpret_simple(measurements, sites, sites.understood)
            if simple is not None:
                return simple
        shots = tape.shots.total_shots
        data = () if numbers is None else numbers.data
        identity = (
            shots,
            data,
            *map(id, measurements),
            *map(id, measures),
            *(() if sites.closed else sites),
        )
        found = self.known.get(identity)
        if found is None:
            if shots:
                found = interpret_shots(measurements, sites, shots, measures)
            else:
                wanted: dict[int, list[int]] = {}
                for datum in data:
                    wanted.setdefault(datum.measurement, []).append(datum.number)
                found = interpret(measurements, sites, measures, wanted)
            self.known[identity] = found
        return found

    def postselects(self, program: Program, tape: Any) -> NDArray[np.int8]:
        """Return the outcomes to select; with 2 added every shot is projected."""
        if not program.postselects:
            return _NO_OUTCOMES
        found = np.array(program.postselects, dtype=np.int8)
        if tape.shots and self.postselection == "fill":
            found[found >= 0] += 2
        return found


def is_of(program: Program, group: Group) -> bool:
    """Return whether a program on the wires of a group has its gates, wires and matrices.

    Parameters
    ----------
    program : Program
        Without mid-circuit measurements.
    group : Group
        Of one circuit.

    Returns
    -------
    bool
    """
    counts, values = _controls(program)
    matrices = [entries.ravel() for entries in program.matrices]
    return (
        np.array_equal(program.gates, group.gates)
        and np.array_equal(program.counts, group.wire_counts)
        and np.array_equal(program.wires, group.wires)
        and np.array_equal(program.letters, group.letters)
        and np.array_equal(counts, group.control_counts)
        and np.array_equal(values, group.control_values)
        and np.array_equal(np.concatenate(matrices) if matrices else [], group.matrices[0])
    )


def _settled(program: Program, measurements: Sequence[Any], sites: Register) -> NDArray[np.uint32]:
    """Take the wires of measurements into an open register; return those of the gates."""
    wires = np.array(program.wires, dtype=np.uint32)
    if sites.closed:
        return wires
    used = len(sites)
    for measurement in measurements:
        for wire in measurement.wires:
            sites[wire]
    moved = sites.settle(used)
    return wires if moved is None else moved[wires].astype(np.uint32)


def _controls(program: Program) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    counts = np.zeros(len(program.gates), dtype=np.uint32)
    values: list[bool] = []
    for gate, given in program.controls.items():
        counts[gate] = len(given)
        values += given
    return counts, _bytes_of(values)


def _bytes_of(values: Sequence[int]) -> NDArray[np.uint8]:
    return np.array(values, dtype=np.uint8) if values else _NO_BYTES


def _flags_of(values: Sequence[bool]) -> NDArray[np.bool_]:
    return np.array(values, dtype=np.bool_) if values else _NO_FLAGS


def _conditions(program: Program) -> NDArray[np.int32]:
    """Return the condition of each gate; empty without conditions."""
    if not program.conditional:
        return _NO_CONDITIONS
    found = np.full(len(program.gates), -1, dtype=np.int32)
    for gate, condition in program.conditional.items():
        found[gate] = condition
    return found


def _require_pure(group: Group) -> None:
    """Raise if the state vector of a mixed state is asked for."""
    requests = group.requests
    if not (requests.dense_state or requests.tensors or requests.bitstrings.size):
        return
    if (group.measure_postselects < 0).any():
        raise DeviceError(
            "A circuit with mid-circuit measurements ends in a mixture of states, which has no "
            "state vector. Use qml.density_matrix(wires), postselect every measurement, or "
            "measure expval, var, probs, sample or counts."
        )
