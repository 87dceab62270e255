"""Circuits → flat arrays: one group for all circuits that differ in their numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from bondline import gate_set
from bondline.errors import InputError
from bondline.observables import Interpretation, interpret
from bondline.program import Program, Register, place_of, walk
from bondline.requests import Requests
from bondline.sampling import interpret_shots
from bondline.seeds import CallSeed, Seeds

_IMAGINARY_TOLERANCE: Final = 1e-10
_NO_ENTRIES: Final = np.empty((1, 0), dtype=np.complex128)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Circuits of one structure, one row of numbers each; the fields are those of the engine."""

    n_wires: int
    gates: NDArray[np.uint16]
    wire_counts: NDArray[np.uint32]
    wires: NDArray[np.uint32]
    letters: NDArray[np.uint8]
    parameters: NDArray[np.float64]
    matrices: NDArray[np.complex128]
    requests: Requests
    control_counts: NDArray[np.uint32]
    control_values: NDArray[np.uint8]
    measure_resets: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    measure_postselects: NDArray[np.int8] = field(
        default_factory=lambda: np.empty(0, dtype=np.int8)
    )
    conditions: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    condition_measurements: tuple[tuple[int, ...], ...] = ()
    condition_tables: tuple[NDArray[np.bool_], ...] = ()
    loaded_wires: tuple[int, ...] = ()
    loaded_vectors: NDArray[np.complex128] | None = None
    loaded_tensors: tuple[NDArray[np.complex128], ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Circuit:
    """Where a circuit went and how its values are read.

    Attributes
    ----------
    group : int
        Position of its group.
    rows : slice
        Its rows in the group: as many as its batch has, else one.
    batch : int or None
    readings : tuple of results.Reading, or of shots.ShotReading if there are shots
    wires : tuple
        Labels in the order of their indices.
    bins : tuple of slice
        The shots of each entry of the shot vector; empty without shots.
    partitioned : bool
        Whether values come as a tuple over the entries of the shot vector.
    seeds : ndarray of uint64, shape (rows, 2), or None
    """

    group: int
    rows: slice
    batch: int | None
    readings: tuple[Any, ...]
    wires: tuple[Any, ...]
    bins: tuple[slice, ...] = ()
    partitioned: bool = False
    seeds: NDArray[np.uint64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A batch of circuits, ready for the engine."""

    tapes: Sequence[Any]
    circuits: tuple[Circuit, ...]
    groups: tuple[Group, ...]

    def locate(self, error: InputError) -> InputError:
        """Name the operator that an error of the engine is about, where the engine says which.

        Parameters
        ----------
        error : InputError
            With the attributes ``group``, ``row`` and ``gate``.

        Returns
        -------
        InputError
            The same error if it names no gate.
        """
        if error.group is None or error.gate is None:
            return error
        row = error.row or 0
        for position, circuit in enumerate(self.circuits):
            if circuit.group == error.group and circuit.rows.start <= row < circuit.rows.stop:
                place = place_of(self.tapes[position], Register(circuit.wires), gate=error.gate)
                found = InputError(f"{place} of circuit {position}: {error}")
                found.group, found.row, found.gate = error.group, error.row, error.gate
                return found
        return error


def lower(tapes: Sequence[Any], wires: Any = None, seed: CallSeed | None = None) -> Lowered:
    """Turn circuits into groups of flat arrays.

    Parameters
    ----------
    tapes : sequence of pennylane.tape.QuantumScript
        Of native operators only; see :func:`bondline.gate_set.is_native`.
    wires : pennylane.wires.Wires, optional
        Wires of the device, in the order of the chain. Without them each circuit has its own, in
        the order of first use, or in that of their labels if those are 0 … n-1: so PennyLane
        orders the states of its own simulators.
    seed : CallSeed, optional
        Seed of the call, for circuits with shots.

    Returns
    -------
    Lowered

    Raises
    ------
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
    >>> tape = qml.tape.QuantumScript([qml.RX([0.1, 0.2], wires="a")], [qml.expval(qml.Z("a"))])
    >>> lower([tape]).groups[0].parameters
    array([[0.1],
           [0.2]])
    """
    known: dict[tuple[object, ...], Interpretation] = {}
    labels = tuple(wires) if wires else ()
    device_register = Register(labels) if labels else None
    circuits: list[Circuit] = []
    places: dict[object, int] = {}
    members: list[list[Group]] = []
    ends: list[int] = []
    for position, tape in enumerate(tapes):
        register = Register() if device_register is None else device_register
        group, found, batch = _lower_one(position, tape, register, known, seed)
        place = places.setdefault(structure(group) if len(tapes) > 1 else None, len(members))
        if place == len(members):
            members.append([])
            ends.append(0)
        rows = slice(ends[place], ends[place] + len(group.parameters))
        ends[place] = rows.stop
        members[place].append(group)
        seeds = group.requests.seeds
        circuits.append(
            Circuit(
                group=place,
                rows=rows,
                batch=batch,
                readings=found.readings,
                wires=labels or tuple(register),
                bins=tuple(slice(*bounds) for bounds in tape.shots.bins()) if tape.shots else (),
                partitioned=tape.shots.has_partitioned_shots,
                seeds=seeds if len(seeds) else None,
            )
        )
    return Lowered(tapes, tuple(circuits), tuple(_merge(group) for group in members))


def _lower_one(
    position: int,
    tape: Any,
    sites: Register,
    known: dict[tuple[object, ...], Interpretation],
    seed: CallSeed | None,
) -> tuple[Group, Interpretation, int | None]:
    program = Program()
    walk(tape.operations, sites, program)
    wires = np.array(program.wires, dtype=np.uint32)
    measurements = tape.measurements
    if not sites.closed:
        used = len(sites)
        for measurement in measurements:
            for wire in measurement.wires:
                sites[wire]
        moved = sites.settle(used)
        if moved is not None:
            wires = moved[wires].astype(np.uint32)
    if not sites:
        raise InputError(
            f"Circuit {position} acts on no wires. Give the device wires: "
            'qml.device("bondline.mps", wires=1).'
        )
    # Circuits of one gradient share their measurements: understand them once.
    identity = (*map(id, measurements), *(() if sites.closed else sites))
    shots = tape.shots.total_shots
    found = known.get((shots, *identity))
    if found is None:
        found = (
            interpret_shots(measurements, sites, shots) if shots else interpret(measurements, sites)
        )
        known[shots, *identity] = found

    parameters, batch = _parameter_rows(position, tape, sites, program.parameters)
    matrices, matrix_batch = _matrix_rows(position, tape, sites, program.matrices)
    for other, owner in ((matrix_batch, "matrices"), (found.batch, "observables")):
        if other is not None and batch is not None and other != batch:
            raise InputError(
                f"Circuit {position} has parameters in batches of {batch} and {owner} in batches "
                f"of {other}. All batches in a circuit must have one size."
            )
        batch = other if batch is None else batch
    if batch is not None and len(parameters) != batch:
        parameters = np.repeat(parameters, batch, axis=0)
    requests = found.requests
    if requests.samplings or shots:
        call = Seeds(None).next_call() if seed is None else seed
        requests = replace(requests, seeds=call.rows(position, len(parameters)))
    group = Group(
        n_wires=len(sites),
        gates=np.array(program.gates, dtype=np.uint16),
        wire_counts=np.array(program.counts, dtype=np.uint32),
        wires=wires,
        letters=np.array(program.letters, dtype=np.uint8),
        parameters=parameters,
        matrices=matrices,
        requests=requests,
        control_counts=np.zeros(len(program.gates), dtype=np.uint32),
        control_values=np.empty(0, dtype=np.uint8),
    )
    return group, found, batch


def _parameter_rows(
    position: int, tape: Any, sites: Register, parameters: list[Any]
) -> tuple[NDArray[np.float64], int | None]:
    """Parameters as (rows, parameters), whatever they are: ints, 0-d arrays, tensors, batches."""
    try:
        found = np.array(parameters)
    except (ValueError, TypeError, RuntimeError):  # batched and single parameters together
        found = None
    if found is None or found.ndim > 1 or found.dtype.kind not in "fiu":
        return _unequal_parameter_rows(position, tape, sites, parameters)
    rows = found.astype(np.float64, copy=False)[None]
    if not np.isfinite(rows).all():
        _refuse_infinite(position, tape, sites, rows)
    return rows, None


def _unequal_parameter_rows(
    position: int, tape: Any, sites: Register, parameters: list[Any]
) -> tuple[NDArray[np.float64], int | None]:
    batch = None
    columns = []
    for number, value in enumerate(qml.math.unwrap(parameters)):
        column = np.asarray(value)
        if column.dtype.kind == "c" and np.abs(column.imag).max() <= _IMAGINARY_TOLERANCE:
            column = column.real
        if column.dtype.kind not in "fiub" or column.ndim > 1:
            place = place_of(tape, sites, parameter=number)
            raise InputError(
                f"{place} of circuit {position} has a parameter that is no real number "
                f"(type {type(value).__name__}, shape {column.shape}, dtype {column.dtype})."
            )
        if column.ndim == 1:
            if batch is not None and len(column) != batch:
                place = place_of(tape, sites, parameter=number)
                raise InputError(
                    f"{place} of circuit {position} has a batch of {len(column)} values, and an "
                    f"operator before it {batch}. All batches in a circuit must have one size."
                )
            batch = len(column)
        columns.append(column)
    if batch == 0:
        raise InputError(f"Circuit {position} has an empty batch of parameters.")
    rows = np.empty((1 if batch is None else batch, len(columns)))
    for number, column in enumerate(columns):
        rows[:, number] = column
    if not np.isfinite(rows).all():
        _refuse_infinite(position, tape, sites, rows)
    return rows, batch


def _refuse_infinite(position: int, tape: Any, sites: Register, rows: NDArray[np.float64]) -> None:
    row, number = np.argwhere(~np.isfinite(rows))[0]
    member = f", row {row} of its batch," if len(rows) > 1 else ""
    raise InputError(
        f"{place_of(tape, sites, parameter=int(number))} of circuit {position}{member} has the "
        f"parameter {rows[row, number]}, which is not finite."
    )


def _matrix_rows(
    position: int, tape: Any, sites: Register, matrices: list[NDArray[np.complex128]]
) -> tuple[NDArray[np.complex128], int | None]:
    """Matrices as (1 or batch, entries), checked to be unitary."""
    if not matrices:
        return _NO_ENTRIES, None
    batch = None
    for entries in matrices:
        if entries.ndim == 3:
            if batch is not None and len(entries) != batch:
                raise InputError(
                    f"Circuit {position} has matrices in batches of {batch} and {len(entries)}. "
                    "All batches in a circuit must have one size."
                )
            batch = len(entries)
    for size in gate_set.UNITARIES:
        same = [
            entries.reshape(-1, size, size) for entries in matrices if entries.shape[-1] == size
        ]
        if same and not gate_set.is_unitary(np.concatenate(same)):
            for number, entries in enumerate(matrices):
                if not gate_set.is_unitary(entries):
                    place = f"{place_of(tape, sites, matrix=number)} of circuit {position}"
                    gate_set.require_unitary(entries, place)
    rows = 1 if batch is None else batch
    flat = [
        np.broadcast_to(entries.reshape(-1, entries.shape[-1] ** 2), (rows, entries.shape[-1] ** 2))
        for entries in matrices
    ]
    return np.concatenate(flat, axis=1), batch


def structure(group: Group) -> tuple[object, ...]:
    """Return what circuits of one group have in common.

    Parameters
    ----------
    group : Group

    Returns
    -------
    tuple, hashable
    """
    return (
        group.n_wires,
        group.gates.tobytes(),
        group.wire_counts.tobytes(),
        group.wires.tobytes(),
        group.letters.tobytes(),
        *group.requests.key(),
    )


def _merge(members: list[Group]) -> Group:
    """Stack the rows of circuits of one structure."""
    first = members[0]
    if len(members) == 1:
        return first
    rows = [len(member.parameters) for member in members]
    matrices = _stack([member.matrices for member in members], rows)
    coefficients = _stack([member.requests.variance_coefficients for member in members], rows)
    return replace(
        first,
        parameters=np.concatenate([member.parameters for member in members]),
        matrices=matrices,
        requests=replace(
            first.requests,
            variance_coefficients=coefficients,
            seeds=np.concatenate([member.requests.seeds for member in members]),
        ),
    )


def _stack(parts: list[NDArray[Any]], rows: list[int]) -> NDArray[Any]:
    """Stack the numbers of several circuits; numbers that all of them share stay one row."""
    first = parts[0]
    if len(first) == 1 and all(part is first or np.array_equal(part, first) for part in parts):
        return first
    return np.concatenate(
        [
            np.broadcast_to(part, (count, part.shape[1]))
            for part, count in zip(parts, rows, strict=True)
        ]
    )
