"""Encoded states, one tile row at a time: sliced, or made when needed and spilled to disk."""

from __future__ import annotations

import pickle
import secrets
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bondline.errors import CheckpointError


class States(Protocol):
    """What tiles need of ``_core.EncodedStates``; it must be picklable."""

    @property
    def n_points(self) -> int:
        """Points."""

    @property
    def n_wires(self) -> int:
        """Wires of every state."""

    @property
    def largest_bond(self) -> int:
        """Largest bond of all states."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""

    def rows(self, start: int, stop: int) -> Any:
        """Return some of the states."""


@dataclass(frozen=True, slots=True)
class RowsOnDemand:
    """States that are too many for memory: a tile row is encoded when it is needed.

    Parameters
    ----------
    n_points : int
    encode : callable
        ``encode(start, stop)`` returns the states of these points, the same bits at every call.
    """

    n_points: int
    encode: Callable[[int, int], States]


@dataclass(frozen=True, slots=True)
class StoredRows:
    """A tile row in a file, which processes of this machine read for themselves."""

    path: str
    key: str


class Spill:
    """A private folder for tile rows, made at the first and removed at the end."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.nbytes = 0

    def write(self, states: States) -> StoredRows:
        """Write states to a file of their own.

        Parameters
        ----------
        states : States

        Returns
        -------
        StoredRows

        Raises
        ------
        CheckpointError
            If they do not fit on the disk.
        """
        try:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="bondline-states-")
            key = secrets.token_hex(16)
            path = Path(self._folder.name) / f"{key}.pickle"
            with path.open("xb") as stream:
                pickle.dump(states, stream, protocol=5)
                self.nbytes += stream.tell()
        except OSError as error:
            raise CheckpointError(
                f"cannot spill encoded states to {tempfile.gettempdir()}: {error}. Set TMPDIR to "
                "a folder with more room, or raise memory_limit."
            ) from error
        return StoredRows(str(path), key)

    def close(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def read_rows(stored: StoredRows) -> States:
    """Read a tile row from the private folder of the process that wrote it.

    Parameters
    ----------
    stored : StoredRows

    Returns
    -------
    States
    """
    with open(stored.path, "rb") as stream:
        states: States = pickle.load(stream)  # our own file in a folder of mode 0700
    return states


class TileRows:
    """Tile rows of one side of the matrix.

    Parameters
    ----------
    source : States or RowsOnDemand
    tile : int
    budget : int
        Bytes of encoded rows kept in memory; the row asked last always is.
    spill : Spill
    """

    def __init__(self, source: States | RowsOnDemand, tile: int, budget: int, spill: Spill) -> None:
        self._source, self._tile, self._budget, self._spill = source, tile, budget, spill
        self._kept: OrderedDict[int, States] = OrderedDict()
        self._stored: dict[int, StoredRows] = {}

    def get(self, index: int) -> States:
        """Return a tile row: from memory, from disk, or made now.

        Parameters
        ----------
        index : int

        Returns
        -------
        States
        """
        start = index * self._tile
        stop = min(self._source.n_points, start + self._tile)
        if not isinstance(self._source, RowsOnDemand):
            states: States = self._source.rows(start, stop)
            return states
        found = self._kept.pop(index, None)
        if found is None:
            stored = self._stored.get(index)
            found = self._source.encode(start, stop) if stored is None else read_rows(stored)
        self._kept[index] = found
        while len(self._kept) > 1 and sum(s.nbytes for s in self._kept.values()) > self._budget:
            # The order of tiles runs there and back, so what was used last is used next.
            oldest, states = self._kept.popitem(last=False)
            if oldest not in self._stored:
                self._stored[oldest] = self._spill.write(states)
        return found

    def stored(self, index: int) -> StoredRows:
        """Return a tile row as a file, written at the first call.

        Parameters
        ----------
        index : int

        Returns
        -------
        StoredRows
        """
        if index not in self._stored:
            self._stored[index] = self._spill.write(self.get(index))
        return self._stored[index]
