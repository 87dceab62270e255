"""What the engine is asked to read from each row of a group, as flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bondline.errors import InputError
from bondline.measurements.bases import Bases, Sampling

LETTERS: Final = {"X": 1, "Y": 2, "Z": 3, "0": 4, "1": 5}
"""Codes of the letters of words; "0" and "1" project on a basis state."""

Sites = Mapping[Any, int]


def _no_strings() -> NDArray[np.uint8]:
    return np.empty((0, 0), dtype=np.uint8)


def _no_seeds() -> NDArray[np.uint64]:
    return np.empty((0, 2), dtype=np.uint64)


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
        """Return what two circuits of one group must share: everything but coefficients and seeds.

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


class WordPlaces(dict[Any, int]):
    """Word → place; a word that is not there yet is put at the end.

    Examples
    --------
    >>> places = WordPlaces(["XX", "Z"])
    >>> places["Z"], places["Y"], list(places)
    (1, 2, ['XX', 'Z', 'Y'])
    """

    def __init__(self, words: Iterable[Any] = ()) -> None:
        super().__init__((word, place) for place, word in enumerate(words))

    def __missing__(self, word: Any) -> int:
        place = self[word] = len(self)
        return place


class RequestBuilder:
    """The requests of a circuit while they grow; equal ones are asked for once.

    Parameters
    ----------
    sites : mapping from wire label to index
        All wires of the circuit, in the order of their indices.

    Examples
    --------
    >>> builder = RequestBuilder({"a": 0, "b": 1})
    >>> builder.density(["b"]), builder.density(["a", "b"]), builder.density(["b"])
    (0, 1, 0)
    >>> builder.requests(0).densities
    ((1,), (0, 1))
    """

    def __init__(self, sites: Sites) -> None:
        self.sites = sites
        self.bases = Bases(len(sites))
        self.batch: int | None = None
        self.dense_state = False
        self.places = WordPlaces()
        self._sums: list[tuple[NDArray[np.intp], NDArray[np.float64]]] = []
        self._probabilities: dict[tuple[int, ...], int] = {}
        self._densities: dict[tuple[int, ...], int] = {}
        self._spectra: dict[tuple[int, ...], int] = {}
        self._outcomes: dict[tuple[int, ...], int] = {}

    def indices(self, wires: Iterable[Any]) -> tuple[int, ...]:
        """Return the indices of some wires; no wires mean all of them."""
        return tuple(map(self.sites.__getitem__, wires)) or tuple(self.sites.values())

    def words(self, words: Iterable[Any]) -> NDArray[np.intp]:
        """Ask for the expectations of words and return their places."""
        return np.array(list(map(self.places.__getitem__, words)), dtype=np.intp)

    def variance(self, words: NDArray[np.intp], coefficients: NDArray[np.float64]) -> int:
        """Ask for the variance of a sum of words that were asked for."""
        self._sums.append((words, coefficients))
        return len(self._sums) - 1

    def distribution(self, wires: Iterable[Any]) -> int:
        """Ask for the probabilities of the outcomes on some wires; none mean all."""
        return _place(self._probabilities, self.indices(wires))

    def density(self, wires: Iterable[Any]) -> int:
        """Ask for the density matrix of some wires; none mean all."""
        return _place(self._densities, self.indices(wires))

    def spectrum(self, wires: Iterable[Any]) -> int:
        """Ask for the entanglement spectrum of some wires, in any order."""
        return _place(self._spectra, tuple(sorted(self.indices(wires))))

    def outcomes(self, measurements: tuple[int, ...]) -> int:
        """Ask for the joint distribution of mid-circuit measurements."""
        return _place(self._outcomes, measurements)

    def require_batch(self, size: int, owner: Any) -> None:
        """Note the size of a batch; all must agree."""
        if self.batch is not None and self.batch != size:
            raise InputError(
                f"The observables have batches of {self.batch} and {size} values ({owner!r}). "
                "All batches in a circuit must have one size."
            )
        self.batch = size

    def require_batch_of(self, coefficients: NDArray[np.float64], owner: Any) -> None:
        """Note the size of a batch of coefficients (batch, terms); (terms,) are none."""
        if coefficients.ndim == 2:
            self.require_batch(len(coefficients), owner)

    def requests(self, shots: int) -> Requests:
        """Return what was asked for, with so many shots of each sampling."""
        sums, sites = self._sums, self.sites
        words = [
            sorted([(sites[wire], LETTERS[letter]) for wire, letter in word.items()])
            for word in self.places
        ]
        factors = [factor for word in words for factor in word]
        return Requests(
            word_counts=np.array(list(map(len, words)), dtype=np.uint32),
            word_wires=np.array([wire for wire, _ in factors], dtype=np.uint32),
            word_letters=np.array([letter for _, letter in factors], dtype=np.uint8),
            variance_counts=np.array([len(words) for words, _ in sums], dtype=np.uint32),
            variance_words=_join([words for words, _ in sums]),
            variance_coefficients=_side_by_side([coefficients for _, coefficients in sums]),
            probabilities=tuple(self._probabilities),
            densities=tuple(self._densities),
            dense_state=self.dense_state,
            spectra=tuple(self._spectra),
            samplings=self.bases.samplings(shots),
            outcomes=tuple(self._outcomes),
        )


def _place(known: dict[tuple[int, ...], int], wires: tuple[int, ...]) -> int:
    return known.setdefault(wires, len(known))


def _join(parts: list[NDArray[np.intp]]) -> NDArray[np.uint32]:
    return np.concatenate(parts).astype(np.uint32) if parts else np.empty(0, np.uint32)


def _side_by_side(sums: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Coefficients of all sums as (rows or 1, terms)."""
    if not sums:
        return np.empty((1, 0))
    rows = max(len(found) if found.ndim == 2 else 1 for found in sums)
    return np.concatenate(
        [np.broadcast_to(found, (rows, found.shape[-1])) for found in sums], axis=1
    )
