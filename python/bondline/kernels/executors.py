"""Tiles computed here, by any executor of ``concurrent.futures``, or by a Dask cluster.

Tasks stay small: processes of this machine read tile rows from files and keep the last few, Dask
is given each row once, threads share memory. Other executors get the two rows of each tile.
"""

from __future__ import annotations

import os
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bondline.errors import InputError, WorkerError
from bondline.kernels.division import Tile
from bondline.kernels.tile_rows import StoredRows, TileRows, read_rows

Block: TypeAlias = NDArray[np.float64]
Overlaps: TypeAlias = Callable[[Any, Any, int | None], Block]
"""``overlaps(bra, ket, threads)``; ``ket`` None is ``bra`` with itself."""

_TRIES: Final = 4  # of a tile whose workers died
_KEPT_ROWS: Final = 3  # in each worker process
_CACHE: OrderedDict[str, Any] = OrderedDict()


class Here:
    """Every tile in this process, one after the other, over the threads of the engine.

    Parameters
    ----------
    overlaps : callable
    threads : int or None
    """

    workers = 1
    under_way = 1
    repeated: Counter[Tile]

    def __init__(self, overlaps: Overlaps, threads: int | None) -> None:
        self._overlaps, self._threads = overlaps, threads
        self.repeated = Counter()

    def run(
        self, tiles: Iterable[Tile], bra: TileRows, ket: TileRows | None
    ) -> Generator[tuple[Tile, Block], None, None]:
        """Yield every tile with its entries.

        Parameters
        ----------
        tiles : iterable of Tile
        bra : TileRows
        ket : TileRows or None

        Yields
        ------
        tile, block
        """
        for tile in tiles:
            left, right = _of_tile(tile, bra.get, None if ket is None else ket.get)
            yield tile, compute_tile(self._overlaps, left, right, self._threads)


class There:
    """Tiles given to an executor, a bounded number at a time.

    Parameters
    ----------
    overlaps : callable
    threads : int or None
        Threads in each worker; None is one.
    executor : Executor or distributed.Client
    """

    def __init__(self, overlaps: Overlaps, threads: int | None, executor: Any) -> None:
        self._overlaps, self._threads = overlaps, threads or 1
        self.repeated: Counter[Tile] = Counter()
        self._client = executor if is_dask_client(executor) else None
        self._files = isinstance(executor, ProcessPoolExecutor)
        self._scattered: dict[tuple[int, int], Any] = {}
        if self._client is not None:
            self._executor: Executor = self._client.get_executor(pure=False)
            self.workers: int = max(1, sum(self._client.nthreads().values()))
        elif isinstance(executor, Executor):
            self._executor = executor
            self.workers = getattr(executor, "_max_workers", None) or os.cpu_count() or 1
        else:
            raise InputError(
                "executor must be a concurrent.futures.Executor or a dask.distributed.Client, got "
                f"{type(executor).__name__}."
            )

    @property
    def under_way(self) -> int:
        """Tiles that workers have at once, so that none of them waits."""
        return 2 * self.workers

    def run(
        self, tiles: Iterable[Tile], bra: TileRows, ket: TileRows | None
    ) -> Generator[tuple[Tile, Block], None, None]:
        """Yield every tile with its entries, as they come.

        Parameters
        ----------
        tiles : iterable of Tile
        bra : TileRows
        ket : TileRows or None

        Yields
        ------
        tile, block

        Raises
        ------
        WorkerError
            If workers died and the executor does not replace them, or one tile kills them all.
        """
        todo = iter(tiles)
        running: dict[Future[Block], Tile] = {}
        try:
            while True:
                while len(running) < self.under_way and (tile := next(todo, None)) is not None:
                    running[self._submit(tile, bra, ket)] = tile
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                failed: list[tuple[Tile, BaseException]] = []
                for future in done:
                    tile = running.pop(future)
                    error = _error_of(future)
                    if error is None:  # what is done is handed on before anything is raised
                        yield tile, future.result()
                    else:
                        failed.append((tile, error))
                for tile, error in failed:
                    self._prepare_again(tile, error)
                    running[self._submit(tile, bra, ket)] = tile
        finally:
            for future in running:
                future.cancel()
            self._scattered.clear()

    def _submit(self, tile: Tile, bra: TileRows, ket: TileRows | None) -> Future[Block]:
        if self._client is not None:
            left, right = _of_tile(
                tile, self._scatter(0, bra), None if ket is None else self._scatter(1, ket)
            )
        elif self._files:
            left, right = _of_tile(tile, bra.stored, None if ket is None else ket.stored)
        else:
            left, right = _of_tile(tile, bra.get, None if ket is None else ket.get)
        try:
            return self._executor.submit(compute_tile, self._overlaps, left, right, self._threads)
        except BrokenExecutor as error:
            raise _broken(error) from error
        except RuntimeError as error:
            raise InputError(
                f"the executor takes no work: {error}. Give one that is open."
            ) from error

    def _scatter(self, side: int, rows: TileRows) -> Callable[[int], Any]:
        def place(index: int) -> Any:
            key = (side, index)
            if key not in self._scattered:
                self._scattered[key] = _scattered(self._client, rows.get(index))
            return self._scattered[key]

        return place

    def _prepare_again(self, tile: Tile, error: BaseException) -> None:
        """Let a tile be done again if its worker died; everything else is raised."""
        if isinstance(error, BrokenExecutor):
            raise _broken(error) from error
        # Dask calls what was lost with a worker cancelled; a task that dies often, KilledWorker.
        lost = isinstance(error, CancelledError) or type(error).__name__ in (
            "KilledWorker",
            "FutureCancelledError",
        )
        if self._client is None or not lost:
            raise error
        self.repeated[tile] += 1
        if self.repeated[tile] >= _TRIES:
            raise WorkerError(
                f"tile {tuple(tile)} lost its worker {_TRIES} times: {error!r}. Workers may have "
                "too little memory: give a smaller tile. What a checkpoint has is kept."
            ) from error
        for key in ((0, tile.row), (0, tile.column), (1, tile.column)):
            self._scattered.pop(key, None)


def is_dask_client(executor: Any) -> bool:
    """Whether it is a client of Dask, without importing Dask.

    Parameters
    ----------
    executor : object

    Returns
    -------
    bool

    Examples
    --------
    >>> is_dask_client(None)
    False
    """
    return any(
        kind.__name__ == "Client" and kind.__module__.split(".")[0] == "distributed"
        for kind in type(executor).__mro__
    )


def compute_tile(overlaps: Overlaps, left: Any, right: Any, threads: int | None) -> Block:
    """Compute a tile in a worker.

    Parameters
    ----------
    overlaps : callable
    left, right : States or StoredRows
        ``right`` None is ``left`` with itself.
    threads : int or None

    Returns
    -------
    ndarray
    """
    return overlaps(_states(left), _states(right), threads)


def _scattered(client: Any, rows: Any) -> Any:
    """Give rows to a cluster; the worker that is to have them may be dying just now."""
    for seconds in (0.2, 1.0, 3.0):
        try:
            return client.scatter(rows, hash=False)
        except OSError:  # Dask's errors of connections and of time are of this kind
            time.sleep(seconds)
    try:
        return client.scatter(rows, hash=False)
    except OSError as error:
        raise WorkerError(
            f"the Dask cluster takes no states: {error}. Look whether its workers are alive; what "
            "a checkpoint has is kept."
        ) from error


def _states(rows: Any) -> Any:
    """Read rows that are in a file, and keep the last few: a worker's next tile shares one."""
    if not isinstance(rows, StoredRows):
        return rows
    if rows.key not in _CACHE:
        _CACHE[rows.key] = read_rows(rows)
        while len(_CACHE) > _KEPT_ROWS:
            _CACHE.popitem(last=False)
    _CACHE.move_to_end(rows.key)
    return _CACHE[rows.key]


def _of_tile(
    tile: Tile, bra: Callable[[int], Any], ket: Callable[[int], Any] | None
) -> tuple[Any, Any]:
    """Take the rows of a tile; None on the diagonal of a symmetric matrix."""
    left = bra(tile.row)
    if ket is not None:
        return left, ket(tile.column)
    return left, None if tile.row == tile.column else bra(tile.column)


def _error_of(future: Future[Block]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:
        return error


def _broken(error: BrokenExecutor) -> WorkerError:
    return WorkerError(
        f"workers of the executor died ({error}). If they ran out of memory, use fewer or a "
        "smaller tile. With checkpoint=path all finished tiles are kept: call again with a new "
        "executor and the same checkpoint."
    )
