"""Arrays of the engine → values in PennyLane's shapes: one small reading per measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bondline.errors import InternalError
from bondline.measurements.readings import (
    Cone,
    Cones,
    Differentiable,
    Read,
    Real,
    Scalar,
    Values,
    row_sums,
    values_read,
)

if TYPE_CHECKING:
    from bondline._core import GroupResult
    from bondline.measurements.cotangents import Weights
    from bondline.measurements.requests import Requests


@dataclass(frozen=True, slots=True, eq=False)
class WordSum(Scalar):
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

    @property
    def varies(self) -> bool:
        """Whether the coefficients have a batch."""
        return self.coefficients.ndim == 2

    def pull(
        self, weights: Weights, outputs: slice, cotangents: Real, read: Read | None = None
    ) -> None:
        """Weigh each word with its coefficient."""
        coefficients = self.coefficients.reshape(-1, 1, len(self.words))
        weights.words[:, outputs, self.words] += cotangents[:, :, None] * coefficients


@dataclass(frozen=True, slots=True, eq=False)
class WordVariance(Scalar):
    """Variance of a sum of Pauli words, which the engine computes."""

    index: int

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Take the engine's variance."""
        return result.variances[rows, self.index]

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Take the engine's light cone."""
        return account.cone_variances[rows, self.index]

    def pull(
        self, weights: Weights, outputs: slice, cotangents: Real, read: Read | None = None
    ) -> None:
        """Take the variance as it is: the engine differentiates it."""
        weights.variances[:, outputs, self.index] += cotangents


@dataclass(frozen=True, slots=True, eq=False)
class Probabilities(Scalar):
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

    def shape(self, requests: Requests) -> tuple[int, ...]:
        """Return the number of outcomes."""
        return (2 ** len(requests.probabilities[self.index]),)

    def pull(
        self, weights: Weights, outputs: slice, cotangents: Real, read: Read | None = None
    ) -> None:
        """Weigh each outcome with its cotangent."""
        weights.probabilities[self.index][:, outputs] += cotangents


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeMoment(Scalar):
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

    @property
    def needs_values(self) -> bool:
        """Whether it is a variance, whose weights depend on the mean."""
        return self.variance

    def pull(
        self, weights: Weights, outputs: slice, cotangents: Real, read: Read | None = None
    ) -> None:
        """Weigh each outcome with the value there, or with the square of its deviation."""
        values = self.outcomes[None]
        if self.variance:
            # d Σ p (f - m)² = Σ (f - m)² dp: the mean m is where the sum is least.
            mean = row_sums(self.distribution.values(*values_read(read)) * self.outcomes)
            values = (self.outcomes - mean[:, None]) ** 2
        self.distribution.pull(weights, outputs, cotangents[:, :, None] * values[:, None, :])


@dataclass(frozen=True, slots=True, eq=False)
class Combination(Scalar):
    """Expectation of a sum of terms that are read one by one."""

    terms: tuple[Differentiable, ...]
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

    @property
    def varies(self) -> bool:
        """Whether a term does, or a coefficient has a batch."""
        return any(term.varies for term in self.terms) or any(
            coefficient.ndim for coefficient in self.coefficients
        )

    @property
    def needs_values(self) -> bool:
        """Whether a term does."""
        return any(term.needs_values for term in self.terms)

    def pull(
        self, weights: Weights, outputs: slice, cotangents: Real, read: Read | None = None
    ) -> None:
        """Let every term add its weights."""
        for coefficient, term in zip(self.coefficients, self.terms, strict=True):
            term.pull(weights, outputs, coefficient.reshape(-1, 1) * cotangents, read)


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
