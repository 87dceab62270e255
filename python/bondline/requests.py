"""What the engine is asked to read from each row of a group, as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


def _no_strings() -> NDArray[np.uint8]:
    return np.empty((0, 0), dtype=np.uint8)


def _no_seeds() -> NDArray[np.uint64]:
    return np.empty((0, 2), dtype=np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class Sampling:
    """Shots to draw; the fields are those that the engine documents."""

    wires: tuple[int, ...]
    letters: NDArray[np.uint8]
    shots: int
    stream: int

    def key(self) -> tuple[object, ...]:
        """Return what tells two samplings apart."""
        return (self.wires, self.letters.tobytes(), self.shots, self.stream)


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """What the engine reads from each row of a group; the fields are those it documents."""

    word_counts: NDArray[np.uint32]
    word_wires: NDArray[np.uint32]
    word_letters: NDArray[np.uint8]
    variance_counts: NDArray[np.uint32]
    variance_words: NDArray[np.uint32]
    variance_coefficients: NDArray[np.float64]
    probabilities: tuple[tuple[int, ...], ...]
    densities: tuple[tuple[int, ...], ...]
    dense_state: bool
    spectra: tuple[tuple[int, ...], ...] = ()
    bitstrings: NDArray[np.uint8] = field(default_factory=_no_strings)
    samplings: tuple[Sampling, ...] = ()
    outcomes: tuple[tuple[int, ...], ...] = ()
    seeds: NDArray[np.uint64] = field(default_factory=_no_seeds)
    tensors: bool = False

    def key(self) -> tuple[object, ...]:
        """Return what two circuits of one group must share: everything but coefficients.

        Returns
        -------
        tuple, hashable
        """
        return (
            self.word_counts.tobytes(),
            self.word_wires.tobytes(),
            self.word_letters.tobytes(),
            self.variance_counts.tobytes(),
            self.variance_words.tobytes(),
            self.probabilities,
            self.densities,
            self.dense_state,
            self.spectra,
            self.bitstrings.tobytes(),
            tuple(sampling.key() for sampling in self.samplings),
            self.outcomes,
            self.tensors,
        )
