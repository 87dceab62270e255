"""Observables as real linear combinations of words, and the parts that only a matrix describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.exceptions import DeviceError

from bondline.errors import InputError
from bondline.measurements.words import Word, product, word_of
from bondline.operators.exponentials import word_exponent
from bondline.operators.gate_set import describe

LEAF_WIRES: Final = 4
"""Most wires of a factor whose matrix is expanded into Pauli words: 4^wires of them."""

TERM_LIMIT: Final = 4096
"""Most words that an expansion may have; an observable given as words has no limit."""

_PRODUCT_LIMIT: Final = 16 * TERM_LIMIT  # pairs of words multiplied at one node

IMAGINARY_TOLERANCE: Final = 1e-10
"""Largest imaginary part of a coefficient that counts as rounding."""

Terms = Mapping[Word, Any]
"""Words with their coefficients: scalars, or batches of them."""

_Composite = qml.ops.CompositeOp | qml.ops.SProd


@dataclass(frozen=True, slots=True, eq=False)
class PauliSum:
    """A real linear combination of words.

    Attributes
    ----------
    words : tuple of pennylane.pauli.PauliWord and ProjectorWord
        The empty word is the identity.
    coefficients : ndarray of float64, shape (terms,) or (batch, terms)
    """

    words: tuple[Word, ...]
    coefficients: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """An observable as a sum of words and of parts that are better read from their matrices.

    Attributes
    ----------
    words : PauliSum or None
        None if there are only parts.
    parts : tuple of (coefficient, pennylane.operation.Operator)
        Coefficients of shape () or (batch,).
    """

    words: PauliSum | None
    parts: tuple[tuple[NDArray[np.float64], Any], ...] = ()


def is_basis_projector(observable: Any) -> bool:
    """Whether an observable projects on one basis state, given by its bits.

    Parameters
    ----------
    observable : pennylane.operation.Operator

    Returns
    -------
    bool

    Examples
    --------
    >>> is_basis_projector(qml.Projector([0, 1], wires=[0, 1]))
    True
    >>> is_basis_projector(qml.Projector(np.array([0.6, 0.8]), wires=0))
    False
    """
    return isinstance(observable, qml.Projector) and len(observable.data[0]) == len(
        observable.wires
    )


def split(observable: Any, matrix_wires: int, *, expand: bool) -> Split:
    """Split an observable into words and parts with a matrix.

    Sums are walked down to their terms. A term is a word or some words if it consists of Pauli
    operators, projectors on basis states and exponentials of a word, on any number of wires.

    Parameters
    ----------
    observable : pennylane.operation.Operator
    matrix_wires : int
        Most wires of a part that is left to its matrix.
    expand : bool
        Whether the terms of sums and products are expanded into words where their factors have
        at most 4 wires each; else they are left to their matrices.

    Returns
    -------
    Split

    Raises
    ------
    InputError
        If a coefficient is complex or not finite.
    pennylane.exceptions.DeviceError
        If a term is too wide for its matrix and cannot be expanded.

    Notes
    -----
    1 µs a term where PennyLane has the Pauli form already; else up to 4^wires terms a factor.

    Examples
    --------
    >>> found = split(qml.Z(0) + 2 * qml.Hermitian(np.eye(2), 1), 10, expand=False)
    >>> found.words.words, [(float(coefficient), part.name) for coefficient, part in found.parts]
    ((Z(0),), [(2.0, 'Hermitian')])
    """
    terms = observable.pauli_rep
    if terms is not None:
        return Split(_real_sum(terms, observable))
    total: dict[Word, Any] = {}
    parts = []
    has_words = False
    for coefficient, term in summands(observable):
        if _consists_of_words(term) or (
            isinstance(observable, _Composite) and _is_expanded(term, matrix_wires, expand)
        ):
            has_words = True
            for word, value in expand_words(term, observable).items():
                value = coefficient * value
                total[word] = total[word] + value if word in total else value
        else:
            parts.append((coefficient, term))
    if not parts:
        return Split(_real_sum(total, observable))
    coefficients = _real_coefficients([coefficient for coefficient, _ in parts], observable)
    return Split(
        _real_sum(total, observable) if has_words else None,
        tuple((coefficients[..., number], part) for number, (_, part) in enumerate(parts)),
    )


def summands(operator: Any) -> Iterator[tuple[Any, Any]]:
    """Walk down sums and scalar products.

    Parameters
    ----------
    operator : pennylane.operation.Operator

    Yields
    ------
    (coefficient, pennylane.operation.Operator)
        What PennyLane has the Pauli form of is one term.
    """
    if operator.pauli_rep is None and isinstance(operator, qml.ops.SProd):
        scalar = qml.math.unwrap([operator.scalar])[0]
        for coefficient, term in summands(operator.base):
            yield scalar * coefficient, term
    elif operator.pauli_rep is None and isinstance(operator, qml.ops.Sum):
        for operand in operator.operands:
            yield from summands(operand)
    else:
        yield 1, operator


def _consists_of_words(term: Any) -> bool:
    """Whether a term has words without a look into any matrix."""
    if term.pauli_rep is not None or is_basis_projector(term) or exponent_of(term) is not None:
        return True
    if isinstance(term, qml.ops.SProd):
        return _consists_of_words(term.base)
    if isinstance(term, qml.ops.Sum | qml.ops.Prod):
        return all(map(_consists_of_words, term.operands))
    return False


def _is_expanded(term: Any, matrix_wires: int, expand: bool) -> bool:
    """Whether a term of a sum or product is expanded although a factor has only a matrix."""
    if len(term.wires) > matrix_wires:
        return isinstance(term, _Composite)  # nothing else is left to try
    return expand and all(
        len(leaf.wires) <= LEAF_WIRES and leaf.has_matrix for leaf in _matrix_factors(term)
    )


def _matrix_factors(term: Any) -> Iterator[Any]:
    if _consists_of_words(term):
        return
    if isinstance(term, qml.ops.SProd):
        yield from _matrix_factors(term.base)
    elif isinstance(term, qml.ops.Sum | qml.ops.Prod):
        for operand in term.operands:
            yield from _matrix_factors(operand)
    else:
        yield term


def exponent_of(operator: Any) -> tuple[Word, Any] | None:
    """Return word and factor of the exponential of a multiple of a word, as numbers.

    Parameters
    ----------
    operator : pennylane.operation.Operator

    Returns
    -------
    (word, ndarray) or None
    """
    found = word_exponent(operator)
    if found is None:
        return None
    return found[0], np.asarray(qml.math.unwrap([found[1]])[0])


def expand_words(operator: Any, whole: Any) -> Terms:
    """Return the words of one node of the tree, with their coefficients.

    Parameters
    ----------
    operator : pennylane.operation.Operator
    whole : pennylane.operation.Operator
        Named in messages.

    Returns
    -------
    dict from word to coefficient

    Raises
    ------
    pennylane.exceptions.DeviceError
        If a factor has no words, or there are too many.

    Examples
    --------
    >>> expand_words(qml.Projector([1], "a"), None)
    {ProjectorWord(letters=frozenset({('a', '1')})): 1.0}
    """
    terms: Terms | None = operator.pauli_rep
    if terms is not None:
        return terms
    if isinstance(operator, qml.ops.SProd):
        scalar = qml.math.unwrap([operator.scalar])[0]
        return {word: scalar * value for word, value in expand_words(operator.base, whole).items()}
    if isinstance(operator, qml.ops.Sum):
        return _add([expand_words(operand, whole) for operand in operator.operands], whole)
    if isinstance(operator, qml.ops.Prod):
        found = expand_words(operator.operands[0], whole)
        for operand in operator.operands[1:]:
            found = multiply(found, expand_words(operand, whole), whole)
        return found
    if is_basis_projector(operator):
        bits = np.asarray(qml.math.unwrap([operator.data[0]])[0])
        letters = {
            wire: "1" if bit else "0" for wire, bit in zip(operator.wires, bits, strict=True)
        }
        return {word_of(letters): 1.0}
    exponent = exponent_of(operator)
    if exponent is not None:
        # P² = 1, hence exp(x P) = cosh(x) + sinh(x) P.
        word, factor = exponent
        if not word:
            return {word: np.exp(factor)}
        return {word_of({}): np.cosh(factor), word: np.sinh(factor)}
    return _expand_leaf(operator, whole)


def _expand_leaf(leaf: Any, whole: Any) -> Terms:
    if len(leaf.wires) > LEAF_WIRES or not leaf.has_matrix:
        raise DeviceError(
            f"Observable {describe(whole)} contains {describe(leaf)}, which has no Pauli form and "
            f"cannot be expanded: it needs a matrix on at most {LEAF_WIRES} wires. "
            "Measure it by itself, or write it with qml.X, qml.Y and qml.Z."
        )
    entries = np.asarray(qml.math.unwrap([leaf.matrix()])[0], dtype=np.complex128)
    if entries.ndim == 2:
        terms: Terms = qml.pauli_decompose(
            entries, wire_order=leaf.wires, pauli=True, check_hermitian=False
        )
        return terms
    raise DeviceError(
        f"Observable {describe(whole)} contains a batch of matrices. "
        "Apply qml.transforms.broadcast_expand to the QNode."
    )


def _add(parts: list[Terms], whole: Any) -> Terms:
    total: dict[Word, Any] = {}
    for part in parts:
        for word, value in part.items():
            total[word] = total[word] + value if word in total else value
    return _limited(total, whole)


def multiply(left: Terms, right: Terms, whole: Any) -> Terms:
    """Multiply two sums of words.

    Parameters
    ----------
    left, right : dict from word to coefficient
    whole : pennylane.operation.Operator
        Named in messages.

    Returns
    -------
    dict from word to coefficient

    Raises
    ------
    pennylane.exceptions.DeviceError
        If there are too many words.
    """
    if len(left) * len(right) > _PRODUCT_LIMIT:
        _refuse_length(whole)
    total: dict[Word, Any] = {}
    for first, first_value in left.items():
        for second, second_value in right.items():
            for word, factor in product(first, second).items():
                value = factor * first_value * second_value
                total[word] = total[word] + value if word in total else value
    return _limited(total, whole)


def _limited(terms: dict[Word, Any], whole: Any) -> Terms:
    if len(terms) > TERM_LIMIT:
        _refuse_length(whole)
    return terms


def _refuse_length(whole: Any) -> None:
    raise DeviceError(
        f"Observable {describe(whole)} expands into more than {TERM_LIMIT} words. "
        "Rotate the measured wires with gates at the end of the circuit and "
        "measure products of qml.Z, or write the observable as fewer Pauli words."
    )


def _real_sum(terms: Terms, observable: Any) -> PauliSum:
    return PauliSum(tuple(terms), _real_coefficients(list(terms.values()), observable))


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
