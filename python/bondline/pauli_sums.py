"""Observables as real linear combinations of Pauli words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.exceptions import DeviceError

from bondline.errors import InputError
from bondline.gate_set import describe

LEAF_WIRES: Final = 4
"""Most wires of a factor that is expanded into Pauli words: 4^wires of them."""

TERM_LIMIT: Final = 4096
"""Most words that an expansion may have; an observable given as Pauli words has no limit."""

_PRODUCT_LIMIT: Final = 16 * TERM_LIMIT  # pairs of words multiplied at one node

IMAGINARY_TOLERANCE: Final = 1e-10
"""Largest imaginary part of a coefficient that counts as rounding."""

_Terms = Mapping[Any, Any]  # from pennylane.pauli.PauliWord to a scalar or a batch of them


@dataclass(frozen=True, slots=True, eq=False)
class PauliSum:
    """A real linear combination of Pauli words.

    Attributes
    ----------
    words : tuple of pennylane.pauli.PauliWord
        The empty word is the identity.
    coefficients : ndarray of float64, shape (terms,) or (batch, terms)
    """

    words: tuple[Any, ...]
    coefficients: NDArray[np.float64]


def pauli_sum(observable: Any) -> PauliSum | None:
    """Write an observable as a sum of Pauli words.

    Sums and products are walked down to their leaves; a leaf without a Pauli form is expanded if
    it has at most 4 wires.

    Parameters
    ----------
    observable : pennylane.operation.Operator

    Returns
    -------
    PauliSum or None
        None if the observable is one leaf without a Pauli form, better read from its matrix.

    Raises
    ------
    InputError
        If a coefficient is complex or not finite.
    pennylane.exceptions.DeviceError
        If a leaf or the expansion is too large.

    Notes
    -----
    1 µs a term where PennyLane has the Pauli form already; else up to 4^wires terms a leaf.

    Examples
    --------
    >>> found = pauli_sum(2 * qml.Z(0) - 0.5 * qml.X(0) @ qml.X(1))
    >>> found.coefficients
    array([ 2. , -0.5])
    >>> pauli_sum(qml.Hermitian(np.eye(2), wires=0)) is None
    True
    """
    terms = observable.pauli_rep
    if terms is None:
        if not isinstance(observable, qml.ops.CompositeOp | qml.ops.SProd):
            return None
        terms = _expand(observable, observable)
    return PauliSum(tuple(terms), _real_coefficients(list(terms.values()), observable))


def _expand(operator: Any, whole: Any) -> _Terms:
    """Return the terms of one node of the tree; ``whole`` is named in messages."""
    terms: _Terms | None = operator.pauli_rep
    if terms is not None:
        return terms
    if isinstance(operator, qml.ops.SProd):
        scalar = qml.math.unwrap([operator.scalar])[0]
        return {word: scalar * value for word, value in _expand(operator.base, whole).items()}
    if isinstance(operator, qml.ops.Sum):
        return _add([_expand(operand, whole) for operand in operator.operands], whole)
    if isinstance(operator, qml.ops.Prod):
        product = _expand(operator.operands[0], whole)
        for operand in operator.operands[1:]:
            product = _multiply(product, _expand(operand, whole), whole)
        return product
    return _expand_leaf(operator, whole)


def _expand_leaf(leaf: Any, whole: Any) -> _Terms:
    if len(leaf.wires) > LEAF_WIRES or not leaf.has_matrix:
        raise DeviceError(
            f"Observable {describe(whole)} contains {describe(leaf)}, which has no Pauli form and "
            f"cannot be expanded: it needs a matrix on at most {LEAF_WIRES} wires. "
            "Measure it by itself, or write it with qml.X, qml.Y and qml.Z."
        )
    entries = np.asarray(qml.math.unwrap([leaf.matrix()])[0], dtype=np.complex128)
    if entries.ndim == 2:
        terms: _Terms = qml.pauli_decompose(
            entries, wire_order=leaf.wires, pauli=True, check_hermitian=False
        )
        return terms
    raise DeviceError(
        f"Observable {describe(whole)} contains a batch of matrices. "
        "Apply qml.transforms.broadcast_expand to the QNode."
    )


def _add(parts: list[_Terms], whole: Any) -> _Terms:
    total: dict[Any, Any] = {}
    for part in parts:
        for word, value in part.items():
            total[word] = total[word] + value if word in total else value
    return _limited(total, whole)


def _multiply(left: _Terms, right: _Terms, whole: Any) -> _Terms:
    if len(left) * len(right) > _PRODUCT_LIMIT:
        _refuse_length(whole)
    sentence = qml.pauli.PauliSentence
    product: dict[Any, Any] = {}
    for first, first_value in left.items():
        for second, second_value in right.items():
            # The product of two words is one word with a phase.
            product_of_words = sentence({first: 1.0}) @ sentence({second: 1.0})
            ((word, phase),) = product_of_words.items()
            value = phase * first_value * second_value
            product[word] = product[word] + value if word in product else value
    return _limited(product, whole)


def _limited(terms: dict[Any, Any], whole: Any) -> _Terms:
    if len(terms) > TERM_LIMIT:
        _refuse_length(whole)
    return terms


def _refuse_length(whole: Any) -> None:
    raise DeviceError(
        f"Observable {describe(whole)} expands into more than {TERM_LIMIT} Pauli words. "
        "Rotate the measured wires with gates at the end of the circuit and "
        "measure products of qml.Z, or write the observable as fewer Pauli words."
    )


def _real_coefficients(values: list[Any], observable: Any) -> NDArray[np.float64]:
    """Coefficients as (terms,), or (batch, terms) if any of them is a batch."""
    try:
        found = np.array(values)
    except (ValueError, TypeError, RuntimeError):
        found = np.array(np.broadcast_arrays(*[np.asarray(v) for v in qml.math.unwrap(values)]))
    if found.dtype.kind == "O":
        found = np.array(qml.math.unwrap(values), dtype=np.complex128)
    if found.dtype.kind == "c":
        largest = float(np.abs(found.imag).max(initial=0.0))
        if largest > IMAGINARY_TOLERANCE:
            raise InputError(
                f"Observable {describe(observable)} is not Hermitian: a Pauli word in it has a "
                f"coefficient with imaginary part {largest:.3g}. Products of Pauli operators on "
                "one wire carry a factor i; measure the Hermitian part."
            )
        found = found.real
    coefficients = np.ascontiguousarray(found.T, dtype=np.float64)
    if not np.isfinite(coefficients).all():
        raise InputError(f"Observable {describe(observable)} has a coefficient that is not finite.")
    return coefficients
