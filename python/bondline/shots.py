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

from bondline.results import Cone, Cones, Real

if TYPE_CHECKING:
    from bondline._core import GroupResult

Bits = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What a reading sees of its circuit.

    Attributes
    ----------
    rows : slice
        Rows of the group.
    shots : slice
        The shots of one entry of the shot vector.
    seeds : ndarray of uint64, shape (rows, 2)
    """

    rows: slice
    shots: slice
    seeds: NDArray[np.uint64]


class ShotReading(Protocol):
    """How one measurement is read from shots."""

    def values(self, result: GroupResult, window: Window) -> Any:
        """Return an array (rows, ...) or a list with one entry for each row."""

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Return None: shots are drawn from the whole state."""


class PerShot(Protocol):
    """A number for every shot."""

    def numbers(self, result: GroupResult, window: Window) -> Real:
        """Return the numbers, shape (rows, shots)."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Outcomes of some wires in one sampling."""

    sampling: int
    columns: tuple[int, ...]

    def bits(self, result: GroupResult, window: Window) -> Bits:
        """Return the bits, shape (rows, shots, wires)."""
        return result.samples[self.sampling][window.rows, window.shots][:, :, self.columns]

    def indices(self, result: GroupResult, window: Window) -> NDArray[np.intp]:
        """Return each outcome as a number, the first wire most significant."""
        place = 1 << np.arange(len(self.columns), dtype=np.intp)[::-1]
        return self.bits(result, window) @ place


@dataclass(frozen=True, slots=True, eq=False)
class WordValues:
    """A sum of Pauli words that one sampling measures at once."""

    words: tuple[Columns, ...]
    coefficients: NDArray[np.float64]  # (words,) or (batch, words)
    constant: NDArray[np.float64]  # () or (batch,): the identity's coefficient

    def numbers(self, result: GroupResult, window: Window) -> Real:
        """Add up the parities of the words."""
        rows = window.rows.stop - window.rows.start
        shots = window.shots.stop - window.shots.start
        total: Real = np.zeros((rows, shots)) + np.reshape(self.constant, (-1, 1))
        for number, word in enumerate(self.words):
            parity = 1.0 - 2.0 * (word.bits(result, window).sum(axis=2, dtype=np.intp) & 1)
            total += parity * np.reshape(self.coefficients[..., number], (-1, 1))
        return total


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeValues:
    """A function of the outcome on a few wires, as a table."""

    outcome: Columns
    table: NDArray[Any]  # (2^k,)

    def numbers(self, result: GroupResult, window: Window) -> Real:
        """Look every outcome up."""
        found: Real = self.table[self.outcome.indices(result, window)]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Indicator:
    """1 for shots with exactly these bits, else 0: a projector on a basis state."""

    outcome: Columns
    expected: Bits  # (wires,)

    def numbers(self, result: GroupResult, window: Window) -> Real:
        """Compare every outcome with the projector's."""
        agrees = (self.outcome.bits(result, window) == self.expected).all(axis=2)
        return agrees.astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Eigenvalues:
    """Eigenvalues of a matrix on a few wires, drawn from their exact distribution.

    The engine measures single wires; an entangled eigenbasis is measured here, on the reduced
    density matrix, with random numbers of the same seed.
    """

    density: int
    matrix: NDArray[np.complex128]  # (d, d)
    total: int  # shots of all windows
    stream: int

    def numbers(self, result: GroupResult, window: Window) -> Real:
        """Draw the shots of each row."""
        values, vectors = np.linalg.eigh(self.matrix)
        density = result.densities[self.density][window.rows]
        weights = np.einsum("ik,rij,jk->rk", vectors.conj(), density, vectors).real
        edges = np.cumsum(np.maximum(weights, 0.0), axis=1)
        drawn = np.empty((len(density), self.total))
        for row, seed in enumerate(window.seeds):
            entropy = [*seed.tolist(), self.stream]
            numbers = np.random.default_rng(np.random.SeedSequence(entropy)).random(self.total)
            place = np.searchsorted(edges[row], numbers * edges[row, -1], side="right")
            drawn[row] = values[np.minimum(place, len(values) - 1)]
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
        """Estimate each row by itself."""
        numbers = self.source.numbers(result, window)
        return numbers.var(axis=1) if self.variance else numbers.mean(axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class SumOfMeans(_Whole):
    """Expectation of a sum whose words need several samplings."""

    parts: tuple[PerShot, ...]

    def values(self, result: GroupResult, window: Window) -> Any:
        """Add the means up."""
        return sum(part.numbers(result, window).mean(axis=1) for part in self.parts)


@dataclass(frozen=True, slots=True, eq=False)
class Samples(_Whole):
    """Numbers of all shots."""

    source: PerShot
    dtype: np.dtype[Any]

    def values(self, result: GroupResult, window: Window) -> Any:
        """Return them, shape (rows, shots)."""
        return self.source.numbers(result, window).astype(self.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class BitSamples(_Whole):
    """Bits of all shots."""

    outcome: Columns
    dtype: np.dtype[Any]

    def values(self, result: GroupResult, window: Window) -> Any:
        """Return them, shape (rows, shots, wires)."""
        return self.outcome.bits(result, window).astype(self.dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Frequencies(_Whole):
    """Share of each of the 2^k outcomes."""

    outcome: Columns

    def values(self, result: GroupResult, window: Window) -> Any:
        """Return them, shape (rows, 2^k)."""
        size = 2 ** len(self.outcome.columns)
        indices = self.outcome.indices(result, window)
        return np.stack([np.bincount(row, minlength=size) / len(row) for row in indices])


@dataclass(frozen=True, slots=True, eq=False)
class BitCounts(_Whole):
    """How often each bitstring was seen."""

    outcome: Columns
    all_outcomes: bool

    def values(self, result: GroupResult, window: Window) -> Any:
        """Return a dictionary for each row."""
        width = len(self.outcome.columns)
        found = []
        for row in self.outcome.bits(result, window):
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
        found = []
        for row in self.source.numbers(result, window):
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
        bits = self.outcome.bits(result, window).astype(np.int64)
        rows = [np.asarray(self.measurement.process_samples(row, self.wires)) for row in bits]
        return np.stack(rows)


@dataclass(frozen=True, slots=True, eq=False)
class Shadow(_Whole):
    """Bits and recipes (0, 1, 2 for X, Y, Z) of random local measurements."""

    outcome: Columns
    recipes: NDArray[np.int8]  # (shots, wires)

    def values(self, result: GroupResult, window: Window) -> Any:
        """Return them, shape (rows, 2, shots, wires)."""
        bits = self.outcome.bits(result, window).astype(np.int8)
        recipes = np.broadcast_to(self.recipes[window.shots], bits.shape)
        return np.stack([bits, recipes], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class ShadowExpectation(_Whole):
    """Expectations estimated from a classical shadow (Huang, Kueng & Preskill 2020)."""

    shadow: Shadow
    wires: tuple[Any, ...]
    observable: Any
    groups: int

    def values(self, result: GroupResult, window: Window) -> Any:
        """Estimate each row by itself."""
        rows = self.shadow.values(result, window)
        estimates = [
            ClassicalShadow(bits, recipes, wire_map=list(self.wires)).expval(
                self.observable, k=self.groups
            )
            for bits, recipes in rows
        ]
        return np.asarray(estimates, dtype=np.float64)
