"""Arrays of the engine → values in PennyLane's shapes: one small reading per measurement.

Every reading turns the rows of one circuit into an array with the batch axis first, in float64 or
complex128, and names the weight discarded in the light cone of its value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bondline.errors import InternalError

if TYPE_CHECKING:
    from bondline._core import GroupResult

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
Values = Real | Complex
Cone = Real | None


class Cones(Protocol):
    """Weights discarded in light cones, as a group result of the engine names them."""

    @property
    def cone_words(self) -> NDArray[np.float64]:
        """Shape (rows, words)."""

    @property
    def cone_variances(self) -> NDArray[np.float64]:
        """Shape (rows, sums)."""

    @property
    def cone_probabilities(self) -> NDArray[np.float64]:
        """Shape (rows, distributions)."""

    @property
    def cone_densities(self) -> NDArray[np.float64]:
        """Shape (rows, density matrices)."""

    @property
    def cone_spectra(self) -> NDArray[np.float64]:
        """Shape (rows, spectra)."""


class Reading(Protocol):
    """How one measurement is read from the arrays of its group."""

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Return the values of some rows, shape (rows, ...)."""

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Return the weight discarded in the light cone, shape (rows,); None: the whole state."""


def in_shape(values: Values, batch: int | None) -> Any:
    """Drop the batch axis of a circuit that has no batch.

    Parameters
    ----------
    values : ndarray, shape (rows, ...)
    batch : int or None
        A batch of one keeps its axis.

    Returns
    -------
    ndarray or numpy scalar

    Examples
    --------
    >>> in_shape(np.array([0.5]), None)
    np.float64(0.5)
    >>> in_shape(np.array([0.5]), 1)
    array([0.5])
    """
    return values[0] if batch is None else values


def row_sums(terms: Values) -> Real:
    """Sum each row by itself: its bits never depend on how many rows there are.

    Parameters
    ----------
    terms : ndarray, shape (rows, ...)

    Returns
    -------
    ndarray of float64, shape (rows,)

    Examples
    --------
    >>> row_sums(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([3., 7.])
    """
    flat = np.ascontiguousarray(terms.reshape(len(terms), -1))
    sums: Real = flat.real.sum(axis=1)
    return sums


@dataclass(frozen=True, slots=True, eq=False)
class WordSum:
    """Expectation of a sum of Pauli words."""

    words: NDArray[np.intp]  # (terms,)
    coefficients: NDArray[np.float64]  # (terms,) or (batch, terms)

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Sum the expectations of the words."""
        return row_sums(result.words[rows].take(self.words, axis=1) * self.coefficients)

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Take the worst of the words."""
        worst: Real = account.cone_words[rows].take(self.words, axis=1).max(axis=1, initial=0.0)
        return worst


@dataclass(frozen=True, slots=True, eq=False)
class WordVariance:
    """Variance of a sum of Pauli words, which the engine computes."""

    index: int

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Take the engine's variance."""
        return result.variances[rows, self.index]

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Take the engine's light cone."""
        return account.cone_variances[rows, self.index]


@dataclass(frozen=True, slots=True, eq=False)
class Probabilities:
    """Distribution of the outcomes on some wires, or of some mid-circuit measurements."""

    index: int
    of_measurements: bool = False

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Take the engine's probabilities."""
        source = result.outcomes if self.of_measurements else result.probabilities
        return source[self.index][rows]

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Take the engine's light cone; a history of outcomes depends on the whole state."""
        return None if self.of_measurements else account.cone_probabilities[rows, self.index]


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeMoment:
    """Expectation or variance of a function of the outcome."""

    distribution: Probabilities
    outcomes: NDArray[np.float64]  # (2^k,) value of the function at each outcome
    variance: bool

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Weigh the outcomes with their probabilities."""
        probabilities = self.distribution.values(result, rows)
        mean = row_sums(probabilities * self.outcomes)
        if not self.variance:
            return mean
        return row_sums(probabilities * (self.outcomes - mean[:, None]) ** 2)

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Take that of the distribution."""
        return self.distribution.cone(account, rows)


@dataclass(frozen=True, slots=True, eq=False)
class Combination:
    """Expectation of a sum of terms that are read one by one."""

    terms: tuple[Reading, ...]
    coefficients: tuple[NDArray[np.float64], ...]  # each () or (batch,)

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Add the terms up."""
        pairs = zip(self.coefficients, self.terms, strict=True)
        total: Real = np.zeros(rows.stop - rows.start)
        for coefficient, term in pairs:
            total = total + coefficient * term.values(result, rows).real
        return total

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Take the largest of the terms."""
        found = [term.cone(account, rows) for term in self.terms]
        cones = [cone for cone in found if cone is not None]
        return np.max(cones, axis=0) if len(cones) == len(found) else None


@dataclass(frozen=True, slots=True, eq=False)
class _FromDensity:
    """A value of the reduced density matrix of some wires."""

    index: int

    def density(self, result: GroupResult, rows: slice) -> NDArray[np.complex128]:
        """Return the density matrices, shape (rows, 2^k, 2^k)."""
        return result.densities[self.index][rows]

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Take the engine's light cone."""
        return account.cone_densities[rows, self.index]


@dataclass(frozen=True, slots=True, eq=False)
class Density(_FromDensity):
    """The reduced density matrix itself."""

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Take the engine's density matrix."""
        return self.density(result, rows)


@dataclass(frozen=True, slots=True, eq=False)
class MatrixMoment(_FromDensity):
    """Expectation or variance of a Hermitian matrix."""

    matrix: NDArray[np.complex128]  # (d, d) or (batch, d, d)
    variance: bool

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Trace the matrix with the density: tr(rho M), and tr(rho (M - mean)^2)."""
        density = self.density(result, rows)
        matrix = np.broadcast_to(self.matrix, density.shape)
        mean = _traces(density, matrix)
        if not self.variance:
            return mean
        identity = np.eye(density.shape[-1])
        shifted = matrix - mean[:, None, None] * identity
        return _traces(density, shifted @ shifted)


@dataclass(frozen=True, slots=True, eq=False)
class RotatedProbabilities(_FromDensity):
    """Distribution of the outcomes in the eigenbasis of an observable."""

    rotation: NDArray[np.complex128]  # (d, d), from the eigenbasis to the computational basis

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Take the diagonal of U rho U†."""
        density = self.density(result, rows)
        rotated = (self.rotation @ density) * self.rotation.conj()
        diagonal: Real = rotated.real.sum(axis=2)
        return diagonal


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """The state vector of all wires."""

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Take the engine's state vector."""
        return _dense_state(result)[rows]

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Return None: the state depends on every truncation."""
        return None


@dataclass(frozen=True, slots=True, eq=False)
class ProcessedState:
    """A measurement of the user's own, which processes the state vector of all wires."""

    measurement: Any
    wires: Any

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Hand each state vector to the measurement."""
        states = _dense_state(result)[rows]
        return np.stack(
            [np.asarray(self.measurement.process_state(state, self.wires)) for state in states]
        )

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Return None: the state depends on every truncation."""
        return None


def _dense_state(result: GroupResult) -> NDArray[np.complex128]:
    state = result.dense_state
    if state is None:
        raise InternalError("The engine returned no state vector although one was requested.")
    return state


def _traces(first: Complex, second: Complex) -> Real:
    """Return tr(A B) of each pair of Hermitian matrices."""
    return row_sums(first * np.swapaxes(second, 1, 2))
