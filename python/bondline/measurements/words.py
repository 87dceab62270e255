"""Words: products of one letter a wire, Pauli letters or projectors on a basis state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pennylane.pauli import PauliWord

Word = Any  # PauliWord, which PennyLane does not type, or ProjectorWord

_MATRICES: Final[dict[str, NDArray[np.complex128]]] = {
    "I": np.eye(2, dtype=np.complex128),
    "X": np.array([[0, 1], [1, 0]], dtype=np.complex128),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.array([[1, 0], [0, -1]], dtype=np.complex128),
    "0": np.diag([1.0, 0.0]).astype(np.complex128),
    "1": np.diag([0.0, 1.0]).astype(np.complex128),
}


@dataclass(frozen=True, slots=True)
class ProjectorWord:
    """A word with projectors in it; one without is a PauliWord.

    Attributes
    ----------
    letters : frozenset of (wire, letter)
        Letters X, Y, Z, and 0, 1 for the projectors on these basis states.
    """

    letters: frozenset[tuple[Any, str]]

    def items(self) -> Iterable[tuple[Any, str]]:
        """Return the wires with their letters, as a PauliWord does."""
        return self.letters


def word_of(letters: dict[Any, str]) -> Word:
    """Return the word of some letters.

    Parameters
    ----------
    letters : dict from wire to one of "X", "Y", "Z", "0", "1"

    Returns
    -------
    PauliWord or ProjectorWord

    Examples
    --------
    >>> word_of({0: "X"}) == PauliWord({0: "X"})
    True
    >>> word_of({0: "1"})
    ProjectorWord(letters=frozenset({(0, '1')}))
    """
    if "0" in letters.values() or "1" in letters.values():
        return ProjectorWord(frozenset(letters.items()))
    return PauliWord(letters)


def product(first: Word, second: Word) -> dict[Word, complex]:
    """Multiply two words.

    Parameters
    ----------
    first, second : PauliWord or ProjectorWord

    Returns
    -------
    dict from word to coefficient
        One word, but where a projector meets X or Y on a wire (two words for each such wire) or
        the other projector (none).

    Examples
    --------
    >>> product(PauliWord({0: "X"}), PauliWord({0: "Y", 1: "Z"}))
    {Z(0) @ Z(1): 1j}
    >>> product(word_of({0: "0"}), word_of({0: "1"}))
    {}
    """
    terms: list[tuple[complex, dict[Any, str]]] = [(1.0, dict(first.items()))]
    for wire, letter in second.items():
        multiplied = []
        for value, letters in terms:
            for factor, found in _letter_product(letters.get(wire, "I"), letter):
                changed = dict(letters)
                changed.pop(wire, None)
                if found != "I":
                    changed[wire] = found
                multiplied.append((value * factor, changed))
        terms = multiplied
    total: dict[Word, complex] = {}
    for value, letters in terms:
        word = word_of(letters)
        total[word] = total.get(word, 0.0) + value
    return total


@lru_cache(maxsize=64)
def _letter_product(first: str, second: str) -> tuple[tuple[complex, str], ...]:
    """Write the product of two letters as one letter if it is one, else in Pauli letters."""
    matrix = _MATRICES[first] @ _MATRICES[second]
    if not matrix.any():
        return ()
    for letter, other in _MATRICES.items():
        factor = complex(np.vdot(other, matrix) / np.vdot(other, other))
        if np.array_equal(factor * other, matrix):
            return ((factor, letter),)
    parts = [(complex(np.vdot(_MATRICES[letter], matrix)) / 2, letter) for letter in "IXYZ"]
    return tuple((factor, letter) for factor, letter in parts if factor)
