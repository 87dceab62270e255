"""Matrices of ln |<bra|ket>|², tile by tile: on threads, on other processes, over days.

An entry depends on its two states only, so no bit of a matrix depends on the size of the tiles, on
the executor, or on how often a run was interrupted.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bondline import _core
from bondline.errors import InputError, ResourceError
from bondline.kernels.checkpoint import Checkpoint
from bondline.kernels.division import Division, Tile, choose_tile
from bondline.kernels.executors import Here, Overlaps, There
from bondline.kernels.progress import pairs_bar
from bondline.kernels.tile_rows import RowsOnDemand, Spill, States, TileRows
from bondline.memory import available_memory

_MEMORY_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True)
class TilesReport:
    """What a run over tiles did.

    Attributes
    ----------
    tile : int
    computed, from_checkpoint : int
        Tiles.
    damaged : tuple of Tile
        Found damaged in the checkpoint and computed again.
    repeated : tuple of Tile
        Done again because a worker died.
    spilled_bytes : int
        Encoded states written to disk.
    seconds : float
    """

    tile: int
    computed: int
    from_checkpoint: int
    damaged: tuple[Tile, ...]
    repeated: tuple[Tile, ...]
    spilled_bytes: int
    seconds: float

    def __str__(self) -> str:
        parts = [f"{self.computed} tiles of {self.tile} rows in {self.seconds:.3g} s"]
        if self.from_checkpoint:
            parts.append(f"{self.from_checkpoint} from the checkpoint")
        if self.damaged:
            parts.append(f"damaged there, computed again: {_places(self.damaged)}")
        if self.repeated:
            parts.append(f"done again after a worker died: {_places(self.repeated)}")
        if self.spilled_bytes:
            parts.append(f"{self.spilled_bytes / 2**20:.0f} MiB of states spilled to disk")
        return "; ".join(parts)


def overlap_matrix(
    bra: States | RowsOnDemand, ket: States | RowsOnDemand | None = None, **options: Any
) -> NDArray[np.float64]:
    """Return the matrix of :func:`overlap_tiles` without its report.

    Parameters
    ----------
    bra, ket, **options
        As of :func:`overlap_tiles`.

    Returns
    -------
    ndarray
    """
    return overlap_tiles(bra, ket, **options)[0]


def overlap_tiles(
    bra: States | RowsOnDemand,
    ket: States | RowsOnDemand | None = None,
    *,
    threads: int | None = None,
    tile: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    executor: Any = None,
    progress: bool | None = None,
    identity: str | Mapping[str, str] = "",
    memory_limit: int | None = None,
    overlaps: Overlaps | None = None,
) -> tuple[NDArray[np.float64], TilesReport]:
    """Compute ln |<bra_i|ket_j>|² of all pairs.

    Parameters
    ----------
    bra : States or RowsOnDemand
    ket : States or RowsOnDemand, optional
        Left out, it is ``bra`` with itself: half the work, symmetric, zeros on the diagonal.
    threads : int or None
        None is all threads here, and one in each worker of an executor.
    tile : int or None
        Rows and columns of a tile; None chooses some seconds of work, or what the checkpoint has.
    checkpoint : path-like or None
        Folder where finished tiles outlive the process; a second call goes on from them.
    executor : Executor, distributed.Client or None
    progress : bool or None
        None shows a bar on terminals.
    identity : str or mapping of str to str
        Names data set, feature map and settings; a checkpoint with another is refused. With a
        mapping the refusal says which of them differ. Left empty, the states themselves count.
    memory_limit : int or None
        Bytes for the matrix, the tiles under way and the states made on demand; None is 0.8 of
        what is free.
    overlaps : callable or None
        ``overlaps(bra, ket, threads)``, picklable for processes; None is the engine.

    Returns
    -------
    matrix : ndarray, shape (n, m)
    report : TilesReport

    Raises
    ------
    InputError
        If a checkpoint is another matrix's, or numbers make no sense.
    CheckpointError
        If a checkpoint is in use or cannot be written.
    WorkerError
        If workers died and are not replaced.
    ResourceError
        If the matrix does not fit ``memory_limit``, or chosen tiles do not beside it.
    """
    begin = time.perf_counter()
    for name, value in (("threads", threads), ("tile", tile)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1 or None, got {value}.")
    crew = (Here if executor is None else _there(executor))(overlaps or _engine, threads)
    shape = (bra.n_points, (bra if ket is None else ket).n_points)
    budget = memory_budget(shape, memory_limit)

    def chosen() -> int:
        return tile or _choose(bra, ket, budget, crew)

    with ExitStack() as stack:
        kept = None
        if checkpoint is not None:
            facts = {
                **_facts(bra, ket, identity),
                "shape": f"{shape[0]}x{shape[1]}",
                "symmetric": str(ket is None),
                "bondline": _core.__version__,
            }
            kept = stack.enter_context(closing(Checkpoint(checkpoint, facts, tile, chosen)))
        division = Division(*shape, chosen() if kept is None else kept.tile, ket is None)
        budget -= _block_bytes(division.tile, max(shape), crew)
        if budget < 0:
            raise ResourceError(
                f"tiles of {division.tile} rows do not fit memory_limit beside a matrix of "
                f"{shape[0]} x {shape[1]}: {-budget} bytes more are needed. Choose smaller tiles."
            )
        matrix = np.empty(shape)
        missing = _read(kept, division, matrix)
        spill = stack.enter_context(closing(Spill()))
        sides = 1 if ket is None else 2
        left = TileRows(bra, division.tile, budget // sides, spill)
        right = None if ket is None else TileRows(ket, division.tile, budget // sides, spill)
        total = division.pairs()
        open_pairs = sum(math.prod(division.shape(place)) for place in missing)
        advance = stack.enter_context(pairs_bar(total, total - open_pairs, progress))
        results = stack.enter_context(closing(crew.run(missing, left, right)))
        for place, block in results:
            if kept is not None:
                kept.save(place, block)
            _insert(matrix, division, place, block)
            advance(block.size)
        report = TilesReport(
            division.tile,
            len(missing),
            len(list(division.tiles())) - len(missing),
            () if kept is None else tuple(kept.damaged),
            tuple(crew.repeated),
            spill.nbytes,
            time.perf_counter() - begin,
        )
    return matrix, report


def _engine(bra: Any, ket: Any, threads: int | None) -> NDArray[np.float64]:
    """Call the engine; by name, so that it travels to workers."""
    return _core.log_overlaps(bra, ket, threads)


def _there(executor: Any) -> Callable[[Overlaps, int | None], There]:
    return lambda overlaps, threads: There(overlaps, threads, executor)


def memory_budget(shape: tuple[int, int], memory_limit: int | None) -> int:
    """Return the bytes that a matrix leaves to states.

    Parameters
    ----------
    shape : tuple of int
    memory_limit : int or None
        None is 0.8 of what is free.

    Returns
    -------
    int

    Raises
    ------
    ResourceError
        If the matrix does not fit by itself.
    """
    limit = int(_MEMORY_SHARE * available_memory()) if memory_limit is None else memory_limit
    needed = 8 * math.prod(shape)
    if needed > limit:
        raise ResourceError(
            f"a matrix of {shape[0]} x {shape[1]} needs {needed / 2**30:.3g} GiB, more than "
            f"memory_limit ({limit / 2**30:.3g} GiB). Compute it in parts: rows of X at a time."
        )
    return limit - needed


def _block_bytes(tile: int, points: int, crew: Here | There) -> int:
    """Return the bytes of the tiles under way: entries as they come, and as they are handed on."""
    return crew.under_way * 2 * 8 * min(tile, points) ** 2


def _choose(
    bra: States | RowsOnDemand,
    ket: States | RowsOnDemand | None,
    budget: int,
    crew: Here | There,
) -> int:
    """Choose the rows of a tile; what is made on demand is tried with one point."""
    sides = [side for side in (bra, ket) if side is not None]
    longest = max(side.n_points for side in sides)
    probes = [side.encode(0, 1) if isinstance(side, RowsOnDemand) else side for side in sides]
    wires = max(probe.n_wires for probe in probes)
    bond = max(probe.largest_bond for probe in probes)
    rows = choose_tile(max(1, longest), wires, bond, crew.workers)
    # Half of what the matrix leaves at most: the states come out of it as well.
    rows = min(rows, math.isqrt(budget // (2 * _block_bytes(1, 1, crew))))
    if any(isinstance(side, RowsOnDemand) for side in sides):
        # Two rows of every tile that is under way are in memory, and the two that come next.
        point = max(-(-probe.nbytes // max(1, probe.n_points)) for probe in probes)
        left = budget - _block_bytes(max(1, rows), longest, crew)
        rows = min(rows, left // (point * (4 * crew.workers + 2)))
    return max(1, rows)


def _facts(
    bra: States | RowsOnDemand, ket: States | RowsOnDemand | None, identity: str | Mapping[str, str]
) -> dict[str, str]:
    if identity:
        return {"identity": identity} if isinstance(identity, str) else dict(identity)
    return {
        side: _content(states)
        for side, states in (("bra states", bra), ("ket states", ket))
        if states is not None
    }


def _content(states: Any) -> str:
    if isinstance(states, RowsOnDemand):
        raise InputError("a checkpoint of states made on demand needs an identity.")
    digest = hashlib.sha256()
    for part in states.parts():
        digest.update(f"{part.dtype.str} {part.shape};".encode())
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _read(kept: Checkpoint | None, division: Division, matrix: NDArray[np.float64]) -> list[Tile]:
    """Fill in what a checkpoint has and list the tiles that it lacks."""
    missing = []
    for place in division.tiles():
        block = None if kept is None else kept.load(place, division.shape(place))
        if block is None:
            missing.append(place)
        else:
            _insert(matrix, division, place, block)
    return missing


def _insert(
    matrix: NDArray[np.float64], division: Division, place: Tile, block: NDArray[np.float64]
) -> None:
    rows = slice(*division.span(place.row, division.n_rows))
    columns = slice(*division.span(place.column, division.n_columns))
    matrix[rows, columns] = block
    if division.symmetric and place.row != place.column:
        matrix[columns, rows] = block.T
    elif division.symmetric:
        np.fill_diagonal(matrix[rows, columns], 0.0)  # whatever rounding says


def _places(tiles: tuple[Tile, ...]) -> str:
    return ", ".join(f"({tile.row}, {tile.column})" for tile in tiles)
