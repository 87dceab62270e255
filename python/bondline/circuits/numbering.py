"""Which number of a circuit is which parameter of the engine: PennyLane counts all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bondline.errors import UnsupportedError
from bondline.operators.gate_set import describe

if TYPE_CHECKING:
    from bondline.circuits.program import Program

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Datum:
    """A number of an observable that is differentiated.

    Attributes
    ----------
    column : int
        Its position among the trainable parameters.
    measurement : int
    number : int
        Its position in the data of the observable.
    """

    column: int
    measurement: int
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The trainable parameters of one circuit.

    Attributes
    ----------
    count : int
    columns, slots : ndarray of intp
        Positions among the trainable parameters, and the parameters of the engine that stand
        there. All other positions are those of ``data``.
    data : tuple of Datum
    """

    count: int
    columns: Places
    slots: Places
    data: tuple[Datum, ...]


def trained(position: int, tape: Any, program: Program) -> Trained:
    """Find the trainable parameters of a circuit among the parameters of the engine.

    Parameters
    ----------
    position : int
        Of the circuit in its call; for messages.
    tape : pennylane.tape.QuantumScript
        Its ``trainable_params`` count the data of the operators, then those of the observables.
    program : Program
        Of the circuit.

    Returns
    -------
    Trained

    Raises
    ------
    UnsupportedError
        If an entry of a matrix, an amplitude or a bit is trainable.

    Notes
    -----
    In a circuit of gates with parameters both numberings are the same, and nothing is looked up.

    Examples
    --------
    >>> import pennylane as qml
    >>> from bondline.circuits.program import Register, program_of
    >>> operations = [qml.BasisState([1], 0), qml.RX(0.1, 0), qml.RY(0.2, 0)]
    >>> measurements = [qml.expval(3 * qml.Z(0))]
    >>> tape = qml.tape.QuantumScript(operations, measurements, trainable_params=[2, 3])
    >>> found = trained(0, tape, program_of(tape, Register()))
    >>> found.slots, found.data
    (array([1]), (Datum(column=1, measurement=0, number=0),))
    """
    wanted = np.array(list(tape.trainable_params), dtype=np.intp)
    own = len(program.parameters) + sum(count for _, count in program.constants)
    of_gates = wanted < own
    columns = np.flatnonzero(of_gates)
    slots = wanted[columns]
    before = np.zeros_like(slots)
    for first, count in program.constants:
        inside = (slots >= first) & (slots < first + count)
        if inside.any():
            _refuse(position, tape, int(slots[inside][0]))
        before += count * (slots >= first)
    rest = np.flatnonzero(~of_gates)
    data = _data(tape.measurements, rest, wanted[rest] - own) if rest.size else ()
    return Trained(len(wanted), columns, slots - before, data)


def _data(measurements: Sequence[Any], columns: Places, places: Places) -> tuple[Datum, ...]:
    counts = [0 if found.obs is None else len(found.obs.data) for found in measurements]
    ends = np.cumsum(counts)
    owners = np.searchsorted(ends, places, side="right")
    starts = (ends - counts)[owners]
    return tuple(
        Datum(column, owner, number)
        for column, owner, number in zip(
            columns.tolist(), owners.tolist(), (places - starts).tolist(), strict=True
        )
    )


def _refuse(position: int, tape: Any, place: int) -> None:
    for number, operator in enumerate(tape.operations):
        place -= len(operator.data)
        if place < 0:
            raise UnsupportedError(
                f"Operation {number}, {describe(operator)}, of circuit {position} has no "
                "derivative by its data on bondline.mps: they are no angles. Build it from gates "
                "with angles, or leave its data out of what is differentiated (pennylane.numpy: "
                "requires_grad=False; torch: detach; jax: argnums)."
            )
