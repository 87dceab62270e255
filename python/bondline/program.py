"""Operators of one circuit → flat lists of gates, wires and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.exceptions import DeviceError, WireError

from bondline import gate_set
from bondline.gate_set import ADJOINT, describe

_LETTERS: Final = {"I": 0, "X": 1, "Y": 2, "Z": 3}


class Register(dict[Any, int]):
    """Wire label → index; an open register (no labels) takes wires as they are first used.

    Examples
    --------
    >>> register = Register()
    >>> register["b"], register["a"], register["b"]
    (0, 1, 0)
    """

    def __init__(self, labels: tuple[Any, ...] = ()) -> None:
        super().__init__(zip(labels, range(len(labels)), strict=True))
        self.closed = bool(labels)

    def __missing__(self, wire: Any) -> int:
        if self.closed:
            raise WireError(
                f"Wire {wire!r} is not on the device, which has the wires {list(self)[:20]}."
            )
        index = self[wire] = len(self)
        return index

    def settle(self, used: int) -> NDArray[np.intp] | None:
        """Put an open register into the order in which PennyLane returns states.

        That is the order of first use, except where the labels are 0 … n-1 already: wires of
        operators before wires that are only measured.

        Parameters
        ----------
        used : int
            How many of the wires operators act on; they came first.

        Returns
        -------
        ndarray of intp, shape (wires,), or None
            New index at each old one; None if nothing moved.

        Examples
        --------
        >>> register = Register()
        >>> [register[wire] for wire in (1, 0, 2)]
        [0, 1, 2]
        >>> register.settle(3), register
        (array([1, 0, 2]), {0: 0, 1: 1, 2: 2})
        """
        labels = list(self)
        if labels == list(range(len(labels))):
            return None
        if set(labels[:used]) != set(range(used)) or set(labels) != set(range(len(labels))):
            return None
        self.clear()
        self.update((wire, wire) for wire in range(len(labels)))
        return np.array(labels, dtype=np.intp)


class Program:
    """The flat arrays of one circuit while they grow."""

    __slots__ = ("counts", "gates", "letters", "matrices", "parameters", "wires")

    def __init__(self) -> None:
        self.gates: list[int] = []
        self.counts: list[int] = []
        self.wires: list[int] = []
        self.letters: list[int] = []
        self.parameters: list[Any] = []
        self.matrices: list[NDArray[np.complex128]] = []


def walk(operations: Sequence[Any], sites: Register, program: Program) -> None:
    """Append operators to a program, in one loop.

    Parameters
    ----------
    operations : sequence of pennylane.operation.Operator
        Native ones only.
    sites : Register
        An open register takes the wires it does not know yet.
    program : Program
        Changed in place.

    Raises
    ------
    pennylane.exceptions.DeviceError
        If an operator is not native.
    pennylane.exceptions.WireError
        If a closed register lacks a wire.

    Notes
    -----
    About 0.6 µs a gate of the tables.

    Examples
    --------
    >>> program = Program()
    >>> walk([qml.CNOT(["a", "b"]), qml.RX(0.5, "a")], Register(), program)
    >>> program.wires, program.parameters
    ([0, 1, 0], [0.5])
    """
    table, controlled = gate_set.PLAIN_GATES, gate_set.CONTROLLED_GATES
    gates, counts, wires = program.gates, program.counts, program.wires
    parameters = program.parameters
    for operator in operations:
        kind = type(operator)
        gate = table.get(kind)
        if gate is not None:
            labels = operator.wires.labels
        else:
            gate = controlled.get(kind)
            if gate is None:
                _emit(operator, sites, program, 0)
                continue
            # PennyLane puts the wires of a controlled operator together anew at every look.
            labels = operator.control_wires.labels + operator.target_wires.labels
        gates.append(gate)
        counts.append(len(labels))
        for wire in labels:
            wires.append(sites[wire])
        data = operator.data
        if data:
            parameters += data


def _emit(operator: Any, sites: Register, program: Program, adjoint: int) -> None:
    """Append an operator that is more than an entry of the table."""
    kind = type(operator)
    labels = operator.wires.labels
    if kind in gate_set.NO_OPERATIONS:
        for wire in labels:
            sites[wire]
        return
    if kind in gate_set.BASIS_STATES:
        for wire, bit in zip(labels, operator.data[0], strict=True):
            site = sites[wire]
            if bit:
                program.gates.append(gate_set.PAULI_X)
                program.counts.append(1)
                program.wires.append(site)
        return
    if kind is qml.GlobalPhase:
        for wire in labels:
            sites[wire]
        program.gates.append(gate_set.GLOBAL_PHASE | adjoint)
        program.counts.append(0)
        program.parameters += operator.data
        return
    gate = gate_set.GATES.get(kind)
    if gate is not None:
        program.parameters += operator.data
    elif kind is qml.PauliRot:
        gate = gate_set.PAULI_ROT
        program.letters += map(_LETTERS.__getitem__, operator.hyperparameters["pauli_word"])
        program.parameters += operator.data
    elif isinstance(operator, qml.ops.Adjoint):
        _emit(operator.base, sites, program, adjoint ^ ADJOINT)
        return
    elif gate_set.is_native(operator):
        entries = gate_set.matrix(operator)
        gate = gate_set.UNITARIES[entries.shape[-1]]
        program.matrices.append(entries)
    else:
        raise DeviceError(
            f"{describe(operator)} is not a gate that bondline.mps runs by itself. Call the "
            "device through a QNode, or apply dev.preprocess() to the circuit first."
        )
    program.gates.append(gate | adjoint)
    program.counts.append(len(labels))
    program.wires += [sites[wire] for wire in labels]


def place_of(
    tape: Any,
    sites: Register,
    *,
    gate: int | None = None,
    parameter: int | None = None,
    matrix: int | None = None,
) -> str:
    """Name the operator behind a position in the flat arrays, by walking up to it once more.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript
    sites : Register
        Of the whole circuit.
    gate, parameter, matrix : int, optional
        Position in the array of that name; one of them.

    Returns
    -------
    str

    Examples
    --------
    >>> tape = qml.tape.QuantumScript([qml.Barrier(0), qml.RX(0.5, 0)])
    >>> place_of(tape, Register((0,)), gate=0)
    'Operation 1, RX(0.5, wires=[0]),'
    """
    program = Program()
    for number, operator in enumerate(tape.operations):
        walk([operator], sites, program)
        if (
            (gate is not None and len(program.gates) > gate)
            or (parameter is not None and len(program.parameters) > parameter)
            or (matrix is not None and len(program.matrices) > matrix)
        ):
            return f"Operation {number}, {describe(operator)},"
    return "An operation"
