"""Operators of one circuit → flat lists of gates, wires and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.exceptions import DeviceError, WireError

from bondline.measurements.observables import Interpretation
from bondline.operators import gate_set
from bondline.operators.conditions import Conditions
from bondline.operators.gate_set import describe
from bondline.operators.preparations import loadable
from bondline.operators.unitarity import matrix

_LETTERS: Final = {"I": 0, "X": 1, "Y": 2, "Z": 3}


class Register(dict[Any, int]):
    """Wire label → index; an open register (no labels) takes wires as they are first used.

    What measurements on its wires mean is kept with it.

    Examples
    --------
    >>> register = Register()
    >>> register["b"], register["a"], register["b"]
    (0, 1, 0)
    """

    def __init__(self, labels: tuple[Any, ...] = ()) -> None:
        super().__init__(zip(labels, range(len(labels)), strict=True))
        self.closed = bool(labels)
        self.understood: dict[object, Interpretation] = {}

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


@lru_cache(maxsize=16)
def closed_register(labels: tuple[Any, ...]) -> Register:
    """Return the register of a device, which never changes.

    Parameters
    ----------
    labels : tuple of hashable

    Returns
    -------
    Register
        Closed; the same one for the same labels.

    Examples
    --------
    >>> closed_register(("a", "b"))["b"]
    1
    """
    return Register(labels)


class Program:
    """The flat arrays of one circuit while they grow.

    Attributes
    ----------
    gates, counts, wires, letters : list of int
    parameters : list of scalars or batches
    matrices : list of ndarray
    controls : dict
        Control values of the gates that have controls, by the position of the gate.
    preparations : list of pennylane.operation.Operator
        States to load at the start.
    measures : dict
        Number of each mid-circuit measurement, by its operator.
    resets : list of bool
    postselects : list of int
        -1 where there is none.
    conditions : Conditions
    conditional : dict
        Number of the condition of the gates that have one, by the position of the gate.
    constants : list of (int, int)
        First position and number of data that are no parameters of the engine: entries of
        matrices, amplitudes, bits. Positions count the data of all operators in their order.
    """

    __slots__ = (
        "conditional",
        "conditions",
        "constants",
        "controls",
        "counts",
        "gates",
        "letters",
        "loadable",
        "matrices",
        "measures",
        "parameters",
        "postselects",
        "preparations",
        "resets",
        "wires",
    )

    def __init__(self, loadable: Sequence[Any] = ()) -> None:
        self.gates: list[int] = []
        self.counts: list[int] = []
        self.wires: list[int] = []
        self.letters: list[int] = []
        self.parameters: list[Any] = []
        self.matrices: list[NDArray[np.complex128]] = []
        self.controls: dict[int, tuple[bool, ...]] = {}
        self.loadable = loadable
        self.preparations: list[Any] = []
        self.measures: dict[Any, int] = {}
        self.resets: list[bool] = []
        self.postselects: list[int] = []
        self.conditions = Conditions()
        self.conditional: dict[int, int] = {}
        self.constants: list[tuple[int, int]] = []


def program_of(tape: Any, sites: Register, *, initial: bool = False) -> Program:
    """Walk over the operators of a circuit.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript
    sites : Register
        An open register takes the wires it does not know yet.
    initial : bool, default False
        Whether the circuit starts from a state of the device unless it brings its own.

    Returns
    -------
    Program

    Examples
    --------
    >>> tape = qml.tape.QuantumScript([qml.CNOT(["a", "b"]), qml.RX(0.5, "a")])
    >>> program_of(tape, Register()).wires
    [0, 1, 0]
    """
    program = Program(loadable(tape.operations, initial=initial))
    walk(tape.operations, sites, program)
    return program


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
                first = len(parameters)
                _emit(operator, sites, program)
                if len(parameters) == first and operator.data:
                    before = sum(count for _, count in program.constants)
                    program.constants.append((first + before, len(operator.data)))
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


def _emit(operator: Any, sites: Register, program: Program) -> None:
    """Append an operator that is more than an entry of the table."""
    kind = type(operator)
    if kind is qml.ops.MidMeasure:
        program.measures.setdefault(operator, len(program.resets))
        program.resets.append(bool(operator.reset))
        outcome = operator.postselect
        program.postselects.append(-1 if outcome is None else int(outcome))
        _append(gate_set.MID_MEASURE, operator.wires.labels, sites, program)
    elif kind is qml.ops.Conditional and gate_set.is_native(operator):
        start = len(program.gates)
        number = program.conditions.number(operator.meas_val, program.measures)
        walk([operator.base], sites, program)
        program.conditional.update((gate, number) for gate in range(start, len(program.gates)))
    elif any(operator is preparation for preparation in program.loadable):
        program.preparations.append(operator)
        for wire in operator.wires.labels:
            sites[wire]
    else:
        _emit_gate(operator, sites, program)


def _emit_gate(operator: Any, sites: Register, program: Program) -> None:
    """Append a gate under adjoints and controls, a matrix or a basis state."""
    base, controls, values, adjoint = gate_set.base_of(operator)
    kind = type(base)
    labels = base.wires.labels
    if kind in gate_set.NO_OPERATIONS:
        for wire in controls + labels:
            sites[wire]
        return
    if kind in gate_set.BASIS_STATES and operator is base:
        for wire, bit in zip(labels, base.data[0], strict=True):
            site = sites[wire]
            if bit:
                program.gates.append(gate_set.PAULI_X)
                program.counts.append(1)
                program.wires.append(site)
        return
    gate = gate_set.GATES.get(kind)
    if gate is not None:
        program.parameters += base.data
    elif kind is qml.GlobalPhase:
        gate = gate_set.GLOBAL_PHASE
        for wire in labels:
            sites[wire]
        labels = ()
        program.parameters += base.data
    elif kind is qml.PauliRot:
        gate = gate_set.PAULI_ROT
        program.letters += map(_LETTERS.__getitem__, base.hyperparameters["pauli_word"])
        program.parameters += base.data
    elif gate_set.is_matrix_gate(base):
        entries = matrix(base)
        gate = gate_set.unitary_gate(entries.shape[-1])
        program.matrices.append(entries)
    else:
        raise DeviceError(
            f"{describe(operator)} is not a gate that bondline.mps runs by itself. Call the "
            "device through a QNode, or apply dev.preprocess() to the circuit first."
        )
    if controls:
        program.controls[len(program.gates)] = values
    _append(gate | adjoint, controls + labels, sites, program)


def _append(gate: int, labels: tuple[Any, ...], sites: Register, program: Program) -> None:
    program.gates.append(gate)
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
    program = Program(loadable(tape.operations))
    for number, operator in enumerate(tape.operations):
        walk([operator], sites, program)
        if (
            (gate is not None and len(program.gates) > gate)
            or (parameter is not None and len(program.parameters) > parameter)
            or (matrix is not None and len(program.matrices) > matrix)
        ):
            return f"Operation {number}, {describe(operator)},"
    return "An operation"
