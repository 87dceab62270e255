"""Derivatives of an observable by its own numbers: what each coefficient stands in front of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from bondline.errors import UnsupportedError
from bondline.measurements.pauli_sums import Terms, expand_words, exponent_of, multiply, summands
from bondline.measurements.readings import Differentiable, Real
from bondline.measurements.words import Word, word_of
from bondline.operators.gate_set import describe

if TYPE_CHECKING:
    from bondline._core import GroupResult

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class CoefficientDerivatives:
    """How the coefficients of one measurement's terms depend on numbers of its observable.

    Attributes
    ----------
    count : int
        How many numbers.
    numbers : ndarray of intp, shape (entries,)
        Which of them, in 0 … count - 1.
    places : ndarray of intp, shape (entries,)
        A word of the request, or a term of the variance.
    factors : ndarray of float64, shape (entries,)
        Derivative of the coefficient there.
    parts : tuple of (int, Differentiable, float)
        The same for parts that are read by themselves.
    """

    count: int
    numbers: Places
    places: Places
    factors: Real
    parts: tuple[tuple[int, Differentiable, float], ...] = ()

    def of_expectation(self, result: GroupResult, rows: slice) -> Real:
        """Return the derivatives of the expectation by the numbers, shape (rows, count)."""
        found = self._gather(result.words[rows])
        for number, reading, factor in self.parts:
            found[:, number] += factor * reading.values(result, rows).real
        return found

    def of_variance(self, by_term: Real) -> Real:
        """Return derivatives by the numbers, given those by the coefficient of each term.

        The last axis of both: terms, and numbers.
        """
        return self._gather(by_term)

    def _gather(self, values: Real) -> Real:
        found = np.zeros((self.count, *values.shape[:-1]))
        np.add.at(found, self.numbers, np.moveaxis(values[..., self.places] * self.factors, -1, 0))
        return np.moveaxis(found, 0, -1)


def derivatives_of(
    observable: Any,
    numbers: Sequence[int],
    places: Mapping[Word, int],
    parts: Mapping[int, Differentiable],
) -> CoefficientDerivatives:
    """Find the derivatives of an observable by some of its numbers.

    Parameters
    ----------
    observable : pennylane.operation.Operator
    numbers : sequence of int
        Ascending positions in ``observable.data``.
    places : mapping from word to int
        Asked for every word of a derivative.
    parts : mapping from the id of an operator to Differentiable
        The terms that are read from their matrices.

    Returns
    -------
    CoefficientDerivatives

    Raises
    ------
    UnsupportedError
        If a number is an entry of a matrix, a bit, an amplitude, or a batch of coefficients.

    Notes
    -----
    About 4 µs a coefficient of a sum. An observable is affine in each of its coefficients, but for
    the exponents of exponentials of a word.

    Examples
    --------
    >>> places = {word: 7 for word in (qml.Y(0) @ qml.Z(1)).pauli_rep}
    >>> found = derivatives_of(qml.X(0) + qml.prod(0.3 * qml.Y(0), 2.0 * qml.Z(1)), [0], places, {})
    >>> found.places, found.factors
    (array([7]), array([2.]))
    """
    wanted = {number: index for index, number in enumerate(numbers)}
    data = observable.data
    entries: list[tuple[int, int, float]] = []
    in_parts: list[tuple[int, Differentiable, float]] = []
    for number, factor, term in _derivatives(observable, 0, wanted, 1.0, observable):
        index = wanted[number]
        _number(data[number], observable)
        if not isinstance(term, Mapping):
            for coefficient, summand in summands(term) if parts else ((1.0, term),):
                part = parts.get(id(summand))
                if part is not None:
                    in_parts.append((index, part, _number(factor * coefficient, observable)))
                    continue
                for word, value in expand_words(summand, observable).items():
                    value = _number(factor * coefficient * value, observable)
                    entries.append((index, places[word], value))
            continue
        for word, value in term.items():
            entries.append((index, places[word], _number(factor * value, observable)))
    return CoefficientDerivatives(
        count=len(numbers),
        numbers=np.array([entry[0] for entry in entries], dtype=np.intp),
        places=np.array([entry[1] for entry in entries], dtype=np.intp),
        factors=np.array([entry[2] for entry in entries], dtype=np.float64),
        parts=tuple(in_parts),
    )


def _derivatives(
    operator: Any, first: int, wanted: Mapping[int, int], factor: Any, whole: Any
) -> Iterator[tuple[int, Any, Any]]:
    """Walk down sums and scalar products: numbers, factors, and what these multiply.

    ``first`` is the position of the operator's first number in those of the whole observable.
    """
    if isinstance(operator, qml.ops.SProd):
        if first in wanted:
            yield first, factor, operator.base
        if operator.base.data:
            scaled = factor * operator.scalar
            yield from _derivatives(operator.base, first + 1, wanted, scaled, whole)
    elif isinstance(operator, qml.ops.Sum):
        for operand in operator.operands:
            yield from _derivatives(operand, first, wanted, factor, whole)
            first += len(operand.data)
    else:
        for number in range(len(operator.data)):
            if first + number in wanted:
                yield first + number, factor, _inside(operator, number, whole)


def _inside(operator: Any, number: int, whole: Any) -> Terms:
    """Return the derivative, as words, of a term by one of its numbers."""
    if isinstance(operator, qml.ops.SProd):
        if number == 0:
            return expand_words(operator.base, whole)
        found = _inside(operator.base, number - 1, whole)
        return {word: operator.scalar * value for word, value in found.items()}
    if isinstance(operator, qml.ops.Sum):
        operand, number = _owner(operator, number)
        return _inside(operand, number, whole)
    if isinstance(operator, qml.ops.Prod):
        owner, number = _owner(operator, number)
        found = {word_of({}): 1.0}
        for operand in operator.operands:
            if operand is owner:
                found = multiply(found, _inside(operand, number, whole), whole)
            else:
                found = multiply(found, expand_words(operand, whole), whole)
        return found
    exponent = exponent_of(operator)
    if exponent is not None:
        word, value = exponent
        # The exponent is coeff · (multiple of the word).
        if number == 0:
            slope = operator.base.pauli_rep[word]
        else:
            slope = operator.coeff * _inside(operator.base, number - 1, whole).get(word, 0.0)
        if not word:
            return {word: np.exp(value) * slope}
        return {word_of({}): np.sinh(value) * slope, word: np.cosh(value) * slope}
    raise UnsupportedError(
        f"Observable {describe(whole)} has no derivative by the data of {describe(operator)} on "
        "bondline.mps: they are no coefficients. Write it as a sum of Pauli words with qml.dot or "
        "qml.Hamiltonian, whose coefficients have derivatives, or leave its data out of what is "
        "differentiated."
    )


def _owner(operator: Any, number: int) -> tuple[Any, int]:
    for operand in operator.operands:
        if number < len(operand.data):
            return operand, number
        number -= len(operand.data)
    raise IndexError(number)


def _number(value: Any, whole: Any) -> float:
    """Return a factor as a number; what is imaginary cancels, or the observable is refused."""
    if np.ndim(value):
        raise UnsupportedError(
            f"Observable {describe(whole)} has a batch of coefficients, and derivatives by "
            "coefficients are those of single circuits. Apply qml.transforms.broadcast_expand to "
            "the QNode, or call it for each set of coefficients."
        )
    return float(np.real(value))
