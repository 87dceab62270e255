"""Shots of the engine → values in PennyLane's shapes: one small reading per measurement.

A reading sees a window of the shots, so one set of shots serves every entry of a shot vector.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pennylane.shadows import ClassicalShadow

from bondline.measurements.columns import Bits, Columns, Window, kept_rows, stacked
from bondline.measurements.readings import Cone, Cones, Real
from bondline.operators.outcomes import evaluate

if TYPE_CHECKING:
    from bondline._core import GroupResult


class ShotReading(Protocol):
    """How one measurement is read from shots."""

    def values(self, result: GroupResult, window: Window) -> Any:
        """Return an array (rows, ...) or a list with one entry for each row."""

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Return None: shots are drawn from the whole state."""


class Outcome(Protocol):
    """A whole number below 2^width for every shot."""

    @property
    def sampling(self) -> int | None:
        """Sampling that tells which shots postselection kept; None if it keeps all."""

    @property
    def width(self) -> int:
        """Number of bits."""

    def indices(self, result: GroupResult, window: Window) -> NDArray[np.intp]:
        """Return the outcomes, shape (rows, shots)."""


class PerShot(Protocol):
    """A number for every shot."""

    @property
    def sampling(self) -> int | None:
        """Sampling that tells which shots postselection kept; None if it keeps all."""

    def numbers(self, result: GroupResult, window: Window) -> Real:
        """Return the numbers, shape (rows, shots)."""


@dataclass(frozen=True, slots=True, eq=False)
class WordBits:
    """Where the factors of a word stand in a sampling.

    Attributes
    ----------
    paulis : Columns
        Of the Pauli letters, measured in their own bases.
    projectors : Columns
        Of the projectors on basis states.
    expected : ndarray of uint8, shape (projectors,)
        Those basis states.
    """

    paulis: Columns
    projectors: Columns
    expected: Bits

    def signs(self, result: GroupResult, window: Window) -> Real:
        """Return the value of the word, -1, 0 or 1, shape (rows, shots)."""
        found: Real = 1.0 - 2.0 * (self.paulis.bits(result, window).sum(axis=2, dtype=np.intp) & 1)
        if self.projectors.width:
            found *= (self.projectors.bits(result, window) == self.expected).all(axis=2)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class WordValues:
    """A sum of words that one sampling measures at once."""

    sampling: int
    words: tuple[WordBits, ...]
    coefficients: NDArray[np.float64]  # (words,) or (batch, words)
    constant: NDArray[np.float64]  # () or (batch,): the identity's coefficient

    def numbers(self, result: GroupResult, window: Window) -> Real:
        """Add up the values of the words."""
        rows = window.rows.stop - window.rows.start
        shots = window.shots.stop - window.shots.start
        total: Real = np.zeros((rows, shots)) + np.reshape(self.constant, (-1, 1))
        for number, word in enumerate(self.words):
            coefficient = np.reshape(self.coefficients[..., number], (-1, 1))
            total += word.signs(result, window) * coefficient
        return total


@dataclass(frozen=True, slots=True, eq=False)
class TableValues:
    """A function of the outcome, as a table."""

    outcome: Outcome
    table: NDArray[Any]  # (2^width,)

    @property
    def sampling(self) -> int | None:
        """Sampling of the outcome."""
        return self.outcome.sampling

    @property
    def dtype(self) -> Any:
        """Type of the numbers."""
        return self.table.dtype

    def numbers(self, result: GroupResult, window: Window) -> Real:
        """Look every outcome up."""
        found: Real = self.table[self.outcome.indices(result, window)]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class FunctionValues:
    """A function of so many mid-circuit measurements that it has no table."""

    outcome: Columns
    function: Any  # pennylane.ops.MeasurementValue

    @property
    def sampling(self) -> int | None:
        """Sampling of the outcome."""
        return self.outcome.sampling

    @property
    def dtype(self) -> Any:
        """Type of the numbers."""
        return evaluate(self.function, [np.zeros(1, np.int64)] * self.outcome.width).dtype

    def numbers(self, result: GroupResult, window: Window) -> Real:
        """Work the function out for what was seen."""
        # Dropped shots, too, have a value.
        bits = (self.outcome.bits(result, window) & 1).astype(np.int64)
        found = evaluate(self.function, list(bits.reshape(-1, self.outcome.width).T))
        return found.reshape(bits.shape[:2])


@dataclass(frozen=True, slots=True, eq=False)
class DrawnOutcomes:
    """Outcomes in an entangled basis of a few wires, drawn from their exact distribution.

    The engine measures single wires; an entangled basis is measured here, on the reduced density
    matrix, with random numbers of the same seed.
    """

    density: int
    basis: NDArray[np.complex128]  # (d, d), one vector in each column
    total: int  # shots of all windows
    stream: int
    sampling: int | None

    @property
    def width(self) -> int:
        """Number of bits."""
        return len(self.basis).bit_length() - 1

    def indices(self, result: GroupResult, window: Window) -> NDArray[np.intp]:
        """Draw the shots of each row."""
        density = result.densities[self.density][window.rows]
        weights = np.einsum("ik,rij,jk->rk", self.basis.conj(), density, self.basis).real
        edges = np.cumsum(np.maximum(weights, 0.0), axis=1)
        drawn = np.empty((len(density), self.total), dtype=np.intp)
        for row, seed in enumerate(window.seeds):
            entropy = [*seed.tolist(), self.stream]
            numbers = np.random.default_rng(np.random.SeedSequence(entropy)).random(self.total)
            place = np.searchsorted(edges[row], numbers * edges[row, -1], side="right")
            drawn[row] = np.minimum(place, len(self.basis) - 1)
        return drawn[:, window.shots]


class _Whole:
    """Shots are judged by the whole state."""

    __slots__ = ()

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Return None: shots are drawn from the whole state."""
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Moment(_Whole):
    """Mean, or variance, of numbers that every shot has."""

    source: PerShot
    variance: bool

    def values(self, result: GroupResult, window: Window) -> Any:
        """Estimate each row by itself; nan where postselection left no shot."""
        numbers = self.source.numbers(result, window)
        kept = window.kept(result, self.source.sampling)
        if kept is None:
            return numbers.var(axis=1) if self.variance else numbers.mean(axis=1)
        rows = kept_rows(numbers, kept)
        moments = [row.var() if self.variance else row.mean() for row in rows if len(row)]
        found = np.full(len(rows), np.nan)
        found[kept.any(axis=1)] = moments
        return found


@dataclass(frozen=True, slots=True, eq=False)
class SumOfMeans(_Whole):
    """Expectation of a sum whose terms need several samplings."""

    parts: tuple[Moment, ...]

    def values(self, result: GroupResult, window: Window) -> Any:
        """Add the means up."""
        return sum(part.values(result, window) for part in self.parts)


@dataclass(frozen=True, slots=True, eq=False)
class Samples(_Whole):
    """Numbers of all shots."""

    source: PerShot
    dtype: np.dtype[Any]

    def values(self, result: GroupResult, window: Window) -> Any:
        """Return them, shape (rows, shots)."""
        kept = window.kept(result, self.source.sampling)
        numbers = self.source.numbers(result, window).astype(self.dtype)
        return stacked(kept_rows(numbers, kept))


@dataclass(frozen=True, slots=True, eq=False)
class BitSamples(_Whole):
    """Bits of all shots."""

    outcome: Columns
    dtype: np.dtype[Any]

    def values(self, result: GroupResult, window: Window) -> Any:
        """Return them, shape (rows, shots, wires)."""
        kept = window.kept(result, self.outcome.sampling)
        return stacked(kept_rows(self.outcome.bits(result, window).astype(self.dtype), kept))


@dataclass(frozen=True, slots=True, eq=False)
class Frequencies(_Whole):
    """Share of each of the 2^k outcomes."""

    outcome: Outcome

    def values(self, result: GroupResult, window: Window) -> Any:
        """Return them, shape (rows, 2^k); nan where postselection left no shot."""
        kept = window.kept(result, self.outcome.sampling)
        size = 2**self.outcome.width
        found = np.full((window.rows.stop - window.rows.start, size), np.nan)
        for place, row in enumerate(kept_rows(self.outcome.indices(result, window), kept)):
            if len(row):
                found[place] = np.bincount(row, minlength=size) / len(row)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class BitCounts(_Whole):
    """How often each bitstring was seen."""

    outcome: Columns
    all_outcomes: bool

    def values(self, result: GroupResult, window: Window) -> Any:
        """Return a dictionary for each row."""
        width = self.outcome.width
        kept = window.kept(result, self.outcome.sampling)
        found = []
        for row in kept_rows(self.outcome.bits(result, window), kept):
            text = (row + ord("0")).tobytes().decode("ascii")
            counts = Counter(text[at : at + width] for at in range(0, len(text), width))
            keys = sorted(counts)
            if self.all_outcomes:
                keys = [format(index, f"0{width}b") for index in range(2**width)]
            found.append({key: counts[key] for key in keys})
        return found


@dataclass(frozen=True, slots=True, eq=False)
class ValueCounts(_Whole):
    """How often each number was seen."""

    source: PerShot
    outcomes: tuple[Any, ...] | None  # all possible ones, if they are to be listed

    def values(self, result: GroupResult, window: Window) -> Any:
        """Return a dictionary for each row."""
        kept = window.kept(result, self.source.sampling)
        found = []
        for row in kept_rows(self.source.numbers(result, window), kept):
            # Sums of the same terms differ in the last bits.
            counts = Counter(np.round(row, 12).tolist())
            keys = sorted(counts) if self.outcomes is None else list(self.outcomes)
            found.append({key: counts[key] for key in keys})
        return found


@dataclass(frozen=True, slots=True, eq=False)
class ProcessedSamples(_Whole):
    """A measurement of the user's own, which processes the bits of all wires."""

    measurement: Any
    wires: Any
    outcome: Columns

    def values(self, result: GroupResult, window: Window) -> Any:
        """Hand the bits of each row to the measurement."""
        kept = window.kept(result, self.outcome.sampling)
        bits = kept_rows(self.outcome.bits(result, window).astype(np.int64), kept)
        rows = [np.asarray(self.measurement.process_samples(row, self.wires)) for row in bits]
        return np.stack(rows)


@dataclass(frozen=True, slots=True, eq=False)
class Shadow(_Whole):
    """Bits and recipes (0, 1, 2 for X, Y, Z) of random local measurements."""

    outcome: Columns
    recipes: NDArray[np.int8]  # (shots, wires)

    def values(self, result: GroupResult, window: Window) -> Any:
        """Return them, shape (rows, 2, shots, wires)."""
        return np.moveaxis(stacked(self.by_row(result, window)), 2, 1)

    def by_row(self, result: GroupResult, window: Window) -> Any:
        """Return bits and recipes of each row, shape (shots, 2, wires)."""
        bits = self.outcome.bits(result, window).astype(np.int8)
        recipes = np.broadcast_to(self.recipes[window.shots], bits.shape)
        kept = window.kept(result, self.outcome.sampling)
        return kept_rows(np.stack([bits, recipes], axis=2), kept)


@dataclass(frozen=True, slots=True, eq=False)
class ShadowExpectation(_Whole):
    """Expectations estimated from a classical shadow (Huang, Kueng & Preskill 2020)."""

    shadow: Shadow
    wires: tuple[Any, ...]
    observable: Any
    groups: int

    def values(self, result: GroupResult, window: Window) -> Any:
        """Estimate each row by itself."""
        estimates = []
        for row in self.shadow.by_row(result, window):
            shadow = ClassicalShadow(row[:, 0], row[:, 1], wire_map=list(self.wires))
            estimates.append(shadow.expval(self.observable, k=self.groups))
        return np.asarray(estimates, dtype=np.float64)
