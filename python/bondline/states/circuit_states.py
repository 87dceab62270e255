"""The state that a QNode's circuit prepares: as an object, or asked for chosen bitstrings."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from bondline._core import GroupResult
from bondline.circuits.lowered import Circuit
from bondline.devices.derivatives import require_plain, require_plain_circuit
from bondline.devices.mps import BondlineMPS
from bondline.devices.qnodes import device_of
from bondline.errors import UnsupportedError
from bondline.measurements.requests import Requests
from bondline.reports.account import Account
from bondline.states.bitstrings import as_bits, require_width
from bondline.states.engine import TENSORS, bitstring_request, tensors_of
from bondline.states.state import MPS

_Ask = Callable[[tuple[Any, ...]], Requests]


def mps_state(qnode: Any) -> Callable[..., Any]:
    """Return a function that runs a QNode's circuit and keeps the state it prepares.

    Parameters
    ----------
    qnode : pennylane.QNode
        On ``bondline.mps``. What it measures and its shots are left aside.

    Returns
    -------
    callable
        Takes the arguments of the QNode and returns an :class:`MPS`, on the wires of the device;
        a list of them for parameters in a batch.

    Raises
    ------
    InputError
        If it is no QNode on ``bondline.mps``.
    UnsupportedError
        If the circuit measures in its middle without postselection, transforms of the QNode
        make several circuits, or an argument is being differentiated.

    Notes
    -----
    One run of the circuit; its report is in ``device.reports``, and the state is judged by its
    estimated fidelity as ``min_fidelity`` says. The state is global: it is re-canonicalised while
    the circuit runs, so that local values of it differ from those of the QNode where truncation
    differs between the two (see the setting ``readout``).

    Examples
    --------
    >>> import pennylane as qml
    >>> from bondline import mps_state
    >>> @qml.qnode(qml.device("bondline.mps", wires=3))
    ... def ghz(angle):
    ...     qml.RY(angle, wires=0)
    ...     qml.CNOT([0, 1])
    ...     qml.CNOT([1, 2])
    ...     return qml.expval(qml.Z(0))
    >>> state = mps_state(ghz)(np.pi / 2)
    >>> state.bond_dims
    (2, 2)
    >>> state.entropies(log_base=2).round(9)
    array([1., 1.])
    >>> print(round(float(state.expval(qml.X(0) @ qml.X(1) @ qml.X(2))), 9))
    1.0
    """
    device = device_of(qnode, "mps_state")

    @functools.wraps(qnode.func)
    def prepared(*args: Any, **kwargs: Any) -> MPS | list[MPS]:
        tape = _circuit_of(qnode, "mps_state", args, kwargs)
        circuit, result = _read(device, tape, lambda wires: TENSORS)
        fidelity = Account.of(result).fidelity() * circuit.initial_fidelity
        states = []
        for row in range(circuit.rows.start, circuit.rows.stop):
            tensors, schmidt = tensors_of(result, row)
            states.append(
                MPS(
                    tuple(tensors),
                    circuit.wires,
                    tuple(schmidt),
                    float(result.log_norm[row]) + circuit.initial_log_norm,
                    float(fidelity[row]),
                )
            )
        return states[0] if circuit.batch is None else states

    return prepared


def log_probability(qnode: Any, bitstrings: Any) -> Callable[..., Any]:
    """Return a function that computes the log-probability of bitstrings after a QNode's circuit.

    Parameters
    ----------
    qnode : pennylane.QNode
        On ``bondline.mps``. What it measures and its shots are left aside.
    bitstrings : str, sequence of str, or array_like of 0 and 1
        One entry per wire of the device, in their order; an array of shape (wires,) or
        (strings, wires). Integers do not stand for bitstrings.

    Returns
    -------
    callable
        Takes the arguments of the QNode and returns natural logarithms as float64 of shape
        (strings,), of shape () for one string given by itself, with the batch first for parameters
        in a batch. -inf where the probability is zero.

    Raises
    ------
    InputError
        If it is no QNode on ``bondline.mps``, or the strings do not fit its wires.
    UnsupportedError
        If the circuit measures in its middle without postselection, transforms of the QNode
        make several circuits, or an argument is being differentiated.

    Notes
    -----
    One run of the circuit and O(strings · wires · bond²). Nothing has the size 2^wires, and nothing
    underflows: 200 wires have typical probabilities of 1e-60.

    Examples
    --------
    >>> import pennylane as qml
    >>> from bondline import log_probability
    >>> @qml.qnode(qml.device("bondline.mps", wires=200))
    ... def circuit(angle):
    ...     for wire in range(200):
    ...         qml.RY(angle, wires=wire)
    ...     return qml.expval(qml.Z(0))
    >>> print(round(float(log_probability(circuit, "0" * 200)(np.pi / 2)), 6))
    -138.629436
    """
    return _log_probability(qnode, bitstrings, "log_probability")


def _log_probability(qnode: Any, bitstrings: Any, caller: str) -> Callable[..., Any]:
    device = device_of(qnode, caller)
    bits, single = as_bits(bitstrings)

    @functools.wraps(qnode.func)
    def computed(*args: Any, **kwargs: Any) -> NDArray[np.float64]:
        def request(wires: tuple[Any, ...]) -> Requests:
            require_width(bits, wires)
            return bitstring_request(bits)

        tape = _circuit_of(qnode, caller, args, kwargs)
        circuit, result = _read(device, tape, request)
        found = result.log_probabilities[circuit.rows]
        found = found[..., 0] if single else found
        batched: NDArray[np.float64] = found[0] if circuit.batch is None else found
        return batched

    return computed


def probability(qnode: Any, bitstrings: Any) -> Callable[..., Any]:
    """Return a function that computes the probability of bitstrings after a QNode's circuit.

    Parameters
    ----------
    qnode : pennylane.QNode
        On ``bondline.mps``. What it measures and its shots are left aside.
    bitstrings : str, sequence of str, or array_like of 0 and 1
        As in :func:`log_probability`, which never underflows.

    Returns
    -------
    callable
        Takes the arguments of the QNode and returns float64 in the shapes of
        :func:`log_probability`.

    Examples
    --------
    >>> import pennylane as qml
    >>> from bondline import probability
    >>> @qml.qnode(qml.device("bondline.mps", wires=2))
    ... def bell():
    ...     qml.Hadamard(0)
    ...     qml.CNOT([0, 1])
    ...     return qml.expval(qml.Z(0))
    >>> probability(bell, ["00", "01", "11"])().round(9)
    array([0.5, 0. , 0.5])
    """
    logarithms = _log_probability(qnode, bitstrings, "probability")

    @functools.wraps(logarithms)
    def computed(*args: Any, **kwargs: Any) -> Any:
        return np.exp(logarithms(*args, **kwargs))

    return computed


def _circuit_of(qnode: Any, caller: str, args: Any, kwargs: Any) -> Any:
    """Return the circuit of a QNode after the user's own transforms."""
    require_plain((args, kwargs), caller)
    tapes, _ = qml.workflow.construct_batch(qnode, level="user")(*args, **kwargs)
    if len(tapes) != 1:
        raise UnsupportedError(
            f"{caller} needs one circuit, and the transforms of the QNode make {len(tapes)}. "
            "Take them off the QNode; parameters in a batch are one circuit."
        )
    (tape,) = tapes
    # Numbers may come from around the circuit, too, not only through its arguments.
    require_plain_circuit(tape.copy(measurements=[]), caller)
    if any(
        isinstance(operator, qml.ops.MidMeasure) and operator.postselect is None
        for operator in tape.operations
    ):
        raise UnsupportedError(
            f"{caller} needs a circuit that ends in one state, and this one measures in its "
            "middle. Postselect every measurement, or put them off with "
            "qml.defer_measurements(qnode), which gives every outcome a wire of its own."
        )
    return tape


def _read(device: BondlineMPS, tape: Any, ask: _Ask) -> tuple[Circuit, GroupResult]:
    """Run one circuit through the device's own pipeline and ask for its state."""
    # Wires that are only measured belong to the state, too.
    operated = {wire for operator in tape.operations for wire in operator.wires}
    only_measured = [wire for wire in tape.wires if wire not in operated]
    keep = [qml.expval(qml.Identity(only_measured))] if only_measured and not device.wires else []
    bare = tape.copy(measurements=keep, shots=None)
    execution = device.setup_execution_config(circuit=bare)
    program = device.preprocess_transforms(execution)
    (ready,), _ = program([bare])
    (plain,), _ = qml.transforms.convert_to_numpy_parameters(ready)
    (circuit,), (result,) = device.read_states([plain], ask, execution)
    return circuit, result
