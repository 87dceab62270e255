"""A matrix of pairs divided into tiles, and the order in which they are computed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

LARGEST: Final = 512
SMALLEST: Final = 16
_WORK: Final = 5e9  # n χ³ pairs of a tile that takes some seconds on one core


class Tile(NamedTuple):
    """Place of a tile: its tile row and its tile column."""

    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Division:
    """Tiles of an (n, m) matrix; of a symmetric one those on and above the diagonal.

    Parameters
    ----------
    n_rows, n_columns : int
    tile : int
        Rows and columns of a tile; those at the edge may be smaller.
    symmetric : bool

    Examples
    --------
    >>> division = Division(5, 5, 2, True)
    >>> [tuple(tile) for tile in division.tiles()]
    [(0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (2, 2)]
    >>> division.pairs(), division.span(2, 5)
    (17, (4, 5))
    """

    n_rows: int
    n_columns: int
    tile: int
    symmetric: bool

    def tiles(self) -> Iterator[Tile]:
        """Yield the tiles row by row, there and back: a row begins where the last one ended.

        Yields
        ------
        Tile
        """
        for row in range(_count(self.n_rows, self.tile)):
            columns = list(range(row if self.symmetric else 0, _count(self.n_columns, self.tile)))
            for column in reversed(columns) if row % 2 else columns:
                yield Tile(row, column)

    def span(self, index: int, length: int) -> tuple[int, int]:
        """Return the first point of a tile row and the one after its last.

        Parameters
        ----------
        index : int
        length : int
            Points on that side of the matrix.

        Returns
        -------
        tuple of int
        """
        return index * self.tile, min(length, (index + 1) * self.tile)

    def shape(self, tile: Tile) -> tuple[int, int]:
        """Return the shape of a tile.

        Parameters
        ----------
        tile : Tile

        Returns
        -------
        tuple of int
        """
        top, bottom = self.span(tile.row, self.n_rows)
        left, right = self.span(tile.column, self.n_columns)
        return bottom - top, right - left

    def pairs(self) -> int:
        """Count the entries of all tiles.

        Returns
        -------
        int
        """
        return sum(math.prod(self.shape(tile)) for tile in self.tiles())


def choose_tile(n_points: int, n_wires: int, largest_bond: int, workers: int) -> int:
    """Choose the rows of a tile: some seconds of work, and some tiles for every worker.

    Parameters
    ----------
    n_points : int
        Points of the longer side.
    n_wires, largest_bond : int
    workers : int

    Returns
    -------
    int

    Examples
    --------
    >>> choose_tile(6400, 60, 2, 1), choose_tile(6400, 100, 128, 1)
    (512, 16)
    """
    seconds = math.isqrt(int(_WORK / (n_wires * largest_bond**3)))
    shared = n_points if workers == 1 else math.ceil(n_points / (2 * math.sqrt(workers)))
    return max(SMALLEST, min(LARGEST, seconds, shared))


def _count(length: int, tile: int) -> int:
    return -(-length // tile)
