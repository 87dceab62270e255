"""Whether derivatives come with the values, or in a run of their own when they are asked for."""

from __future__ import annotations

import sys
from typing import Any, Final

from autograd.tracer import isbox  # type: ignore[import-untyped]
from pennylane.math import Interface
from pennylane.measurements import ProbabilityMP

FEW_VALUES: Final = 4
"""Most values of a circuit whose derivatives are no waste if nobody asks for them: each costs about
as much as the evolution that is saved if somebody does."""


def number_of_values(circuit: Any, wires: Any = None) -> int:
    """Return how many values with a derivative the measurements of a circuit have, without a batch.

    Parameters
    ----------
    circuit : pennylane.tape.QuantumScript
        Of expval, var and probs.
    wires : pennylane.wires.Wires, optional
        Wires of the device.

    Returns
    -------
    int

    Examples
    --------
    >>> import pennylane as qml
    >>> tape = qml.tape.QuantumScript([], [qml.expval(qml.Z(0)), qml.probs(wires=[0, 1])])
    >>> number_of_values(tape)
    5
    """
    count = 0
    for measurement in circuit.measurements:
        if isinstance(measurement, ProbabilityMP):
            count += 2 ** (len(measurement.wires) or len(wires or circuit.wires))
        else:
            count += 1
    return count


def comes_with_values(circuit: Any, interface: Any, wires: Any = None) -> bool:
    """Whether derivatives are best computed together with the values of a circuit.

    Parameters
    ----------
    circuit : pennylane.tape.QuantumScript or None
        With the numbers of its framework.
    interface : pennylane.math.Interface
    wires : pennylane.wires.Wires, optional
        Wires of the device.

    Returns
    -------
    bool
        True where the framework is recording a derivative, and so will ask for it: autograd boxes
        only what it differentiates. Tensors of torch record wherever nobody said ``no_grad``: with
        them only for a few values.

    Notes
    -----
    Numbers that merely say ``requires_grad=True`` are not being differentiated: values alone cost
    what they cost. JAX asks for both at once by itself.

    Examples
    --------
    >>> import pennylane as qml
    >>> tape = qml.tape.QuantumScript([qml.RX(qml.numpy.array(0.1), 0)], [qml.expval(qml.Z(0))])
    >>> comes_with_values(tape, Interface.AUTOGRAD)
    False
    """
    if circuit is None:
        return False
    if interface is Interface.AUTOGRAD:
        return any(map(isbox, _numbers(circuit)))
    if interface is Interface.TORCH:
        return number_of_values(circuit, wires) <= FEW_VALUES and _records(circuit)
    return False


def _records(circuit: Any) -> bool:
    torch = sys.modules.get("torch")
    if torch is None or not torch.is_grad_enabled():
        return False
    return any(
        isinstance(number, torch.Tensor) and number.requires_grad for number in _numbers(circuit)
    )


def _numbers(circuit: Any) -> list[Any]:
    # Lists, not generators, which would be resumed for each gate.
    numbers = [number for operator in circuit.operations for number in operator.data]
    for measurement in circuit.measurements:
        # Autograd may box the observable itself.
        observable = measurement.obs
        if observable is not None:
            numbers += getattr(observable, "data", (observable,))
    return numbers
