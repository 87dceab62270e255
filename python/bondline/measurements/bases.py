"""Which wires are measured in which letter: bases that share shots.

Requirements are placed one by one, each in the first basis that agrees with it wire by wire, so
the same measurements always get the same bases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bondline.measurements.columns import Columns

Z: Final = 3
"""The letter of the computational basis."""

_CLOSED: Final = 255  # agrees with no letter


@dataclass(frozen=True, slots=True, eq=False)
class Sampling:
    """Shots to draw; the fields are those that the engine documents."""

    wires: tuple[int, ...]
    letters: NDArray[np.uint8]
    shots: int
    stream: int

    def key(self) -> tuple[object, ...]:
        """Return what tells two samplings apart.

        Returns
        -------
        tuple, hashable
        """
        return (self.wires, self.letters.tobytes(), self.shots, self.stream)


class Bases:
    """Bases while they grow, each with shots of its own.

    Parameters
    ----------
    n_wires : int

    Notes
    -----
    About 10 µs for each requirement, plus 10 ns for each basis and letter it is compared with.

    Examples
    --------
    >>> bases = Bases(3)
    >>> bases.place({0: 1}), bases.place({0: 3, 1: 3}), bases.place({1: 2, 0: 1})
    (0, 1, 0)
    >>> [(found.wires, found.letters.tolist()) for found in bases.samplings(10)]
    [((0, 1), [1, 2]), ((0, 1), [3, 3])]
    """

    def __init__(self, n_wires: int) -> None:
        self._letters = np.zeros((4, n_wires), dtype=np.uint8)
        self._columns: list[dict[int, int]] = []  # from wire to column
        self._shot_by_shot: dict[int, NDArray[np.uint8]] = {}

    def place(self, letters: Mapping[int, int]) -> int:
        """Return the first basis that measures these wires in these letters, widened if need be.

        Parameters
        ----------
        letters : mapping from wire to letter (1 X, 2 Y, 3 Z)
            Without any, every basis will do.

        Returns
        -------
        int
            Number of the basis, which is that of its sampling.
        """
        wires, wanted = list(letters), np.fromiter(letters.values(), np.uint8, len(letters))
        known = self._letters[: len(self._columns), wires]
        agrees = ((known == 0) | (known == wanted)).all(axis=1)
        if self._shot_by_shot:
            agrees[list(self._shot_by_shot)] = False
        place = int(agrees.argmax()) if agrees.any() else self._new()
        self._letters[place, wires] = wanted
        columns = self._columns[place]
        for wire in wires:
            columns.setdefault(wire, len(columns))
        return place

    def place_shot_by_shot(self, wires: Sequence[int], letters: NDArray[np.uint8]) -> Columns:
        """Add a basis of its own, which changes from shot to shot.

        Parameters
        ----------
        wires : sequence of int
        letters : ndarray of uint8, shape (shots, wires)

        Returns
        -------
        Columns
        """
        place = self._new()
        self._letters[place] = _CLOSED
        self._columns[place] = {wire: column for column, wire in enumerate(wires)}
        self._shot_by_shot[place] = letters
        return self.columns(place, wires)

    def columns(self, place: int, wires: Sequence[int]) -> Columns:
        """Return where the bits of some wires are.

        Parameters
        ----------
        place : int
        wires : sequence of int
            Measured in that basis.

        Returns
        -------
        Columns
        """
        known = self._columns[place]
        return Columns(place, tuple(known[wire] for wire in wires))

    def samplings(self, shots: int) -> tuple[Sampling, ...]:
        """Return a sampling for each basis.

        Parameters
        ----------
        shots : int

        Returns
        -------
        tuple of Sampling
        """
        found = []
        for place, columns in enumerate(self._columns):
            # Outcomes of mid-circuit measurements alone come with the bit of any wire.
            wires = tuple(columns) or (0,)
            letters = self._shot_by_shot.get(place)
            if letters is None:
                letters = self._letters[place, list(wires)] if columns else np.array([Z], np.uint8)
            found.append(Sampling(wires, letters, shots, stream=place))
        return tuple(found)

    def _new(self) -> int:
        place = len(self._columns)
        if place == len(self._letters):
            self._letters = np.concatenate([self._letters, np.zeros_like(self._letters)])
        self._columns.append({})
        return place
