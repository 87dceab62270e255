"""Exponentials of a Pauli word, which are rotations whatever their width."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pennylane as qml

REAL_TOLERANCE: Final = 1e-10
"""Largest real part of an exponent that counts as rounding."""


def word_exponent(operator: Any) -> tuple[Any, Any] | None:
    """Return word and factor of the exponential of a multiple of a Pauli word.

    Parameters
    ----------
    operator : pennylane.operation.Operator

    Returns
    -------
    (pennylane.pauli.PauliWord, factor) or None
        The operator is exp(factor · word); the factor is a scalar or a batch of them, in the
        interface of the operator.

    Notes
    -----
    PennyLane has the words already: nothing is simplified or looked up.

    Examples
    --------
    >>> word_exponent(qml.exp(qml.X(0) @ qml.Y(1), 0.5j))
    (X(0) @ Y(1), 0.5j)
    >>> word_exponent(qml.exp(qml.X(0) + qml.Y(1), 0.5j))
    """
    if not isinstance(operator, qml.ops.Exp):
        return None
    terms = operator.base.pauli_rep
    if terms is None or len(terms) != 1:
        return None
    ((word, value),) = terms.items()
    return word, operator.coeff * value


def word_rotation(operator: Any, *, inverse: bool = False) -> Any:
    """Write the exponential of a Pauli word as a rotation.

    Parameters
    ----------
    operator : pennylane.operation.Operator
    inverse : bool, default False
        Whether to return the inverse of the rotation.

    Returns
    -------
    pennylane.PauliRot, pennylane.GlobalPhase or None
        None if it is no exponential of a word, or not unitary. Derivatives with respect to the
        exponent pass through.

    Examples
    --------
    >>> word_rotation(qml.exp(qml.X("a") @ qml.Y("b"), -0.25j))
    PauliRot(0.5, XY, wires=['a', 'b'])
    >>> word_rotation(qml.exp(qml.Identity("a"), -0.25j))
    GlobalPhase(0.25, wires=['a'])
    >>> word_rotation(qml.exp(qml.X("a"), 0.25))
    """
    found = word_exponent(operator)
    if found is None:
        return None
    word, factor = found
    if not qml.math.is_abstract(factor):
        real = np.real(qml.math.unwrap([factor])[0])
        if not np.abs(real).max(initial=0.0) <= REAL_TOLERANCE:
            return None
    angle = qml.math.real(1j * factor)  # exp(-i · angle · word)
    if inverse:
        angle = -angle
    wires = operator.wires
    if not word:
        return qml.GlobalPhase(angle, wires=wires)
    letters = "".join(word.get(wire, "I") for wire in wires)
    return qml.PauliRot(2 * angle, letters, wires=wires)
