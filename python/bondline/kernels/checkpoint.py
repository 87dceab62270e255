"""Tiles of a matrix in a folder, each complete or not there, for one matrix only.

``manifest.json`` says what matrix it is; ``tile_<row>_<column>.npy`` is an array that
``numpy.load`` reads, followed by a digest of the manifest, the place and the array. So a tile that
is damaged, renamed or of another matrix is found, and is computed again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bondline.errors import CheckpointError, InputError
from bondline.kernels.checkpoint_lock import CheckpointLock
from bondline.kernels.division import Tile

FORMAT: Final = "bondline kernel tiles"
VERSION: Final = 1
_MANIFEST: Final = "manifest.json"
_DIGEST_BYTES: Final = 32


class Checkpoint:
    """The tiles of one matrix on disk, locked while it is open.

    Parameters
    ----------
    folder : path-like
        Made if it is not there.
    facts : mapping of str to str
        What the matrix depends on. A checkpoint with other facts is refused.
    tile : int or None
        Rows of a tile; None takes what the checkpoint has, or ``fresh()``.
    fresh : callable
        Chooses the rows of a tile for a new checkpoint.

    Raises
    ------
    InputError
        If the folder is another matrix's, or no checkpoint.
    CheckpointError
        If another process has it, or it cannot be written.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        facts: Mapping[str, str],
        tile: int | None,
        fresh: Callable[[], int],
    ) -> None:
        self.folder = Path(folder)
        self.damaged: list[Tile] = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            names = {path.name for path in self.folder.iterdir()}
            if _MANIFEST not in names and any(not _ours(name) for name in names):
                raise InputError(
                    f"{self.folder} has files of something else and is no checkpoint. Give the "
                    "path of a new folder, or of an earlier run's."
                )
            self._lock = CheckpointLock(self.folder)
        except (InputError, CheckpointError):
            raise
        except OSError as error:
            raise CheckpointError(
                f"cannot make checkpoint {self.folder}: {error}. Give a path that can be written."
            ) from error
        try:
            for draft in self.folder.glob(".*.tmp"):  # of a run that was killed
                draft.unlink(missing_ok=True)
            manifest = self._manifest(
                {name: str(fact) for name, fact in facts.items()}, tile, fresh
            )
        except BaseException:
            self.close()
            raise
        self.tile = int(manifest["tile"])
        self._key = _canonical(manifest)

    def load(self, tile: Tile, shape: tuple[int, int]) -> NDArray[np.float64] | None:
        """Return a tile, None if it is not there or damaged; then it is in ``damaged``.

        Parameters
        ----------
        tile : Tile
        shape : tuple of int

        Returns
        -------
        ndarray or None
        """
        try:
            content = self._path(tile).read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            content = b""
        array, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
        if digest == self._digest(tile, array):
            block = np.load(io.BytesIO(array), allow_pickle=False)
            if block.shape == shape and block.dtype == np.float64:
                return np.asarray(block)
        self.damaged.append(tile)
        return None

    def save(self, tile: Tile, block: NDArray[np.float64]) -> None:
        """Write a tile: when this returns, it outlives the process and a loss of power.

        Parameters
        ----------
        tile : Tile
        block : ndarray

        Raises
        ------
        CheckpointError
            If the disk is full or fails; the tiles written before are kept.
        """
        stream = io.BytesIO()
        np.save(stream, block, allow_pickle=False)
        array = stream.getvalue()
        self._write(self._path(tile), array + self._digest(tile, array), f"tile {tuple(tile)}")

    def close(self) -> None:
        """Let others have it."""
        self._lock.release()

    def _path(self, tile: Tile) -> Path:
        return self.folder / f"tile_{tile.row}_{tile.column}.npy"

    def _digest(self, tile: Tile, array: bytes) -> bytes:
        digest = hashlib.sha256(self._key)
        digest.update(f"{tile.row} {tile.column};".encode())
        digest.update(array)
        return digest.digest()

    def _write(self, target: Path, content: bytes, what: str) -> None:
        draft = self.folder / f".{target.name}.{secrets.token_hex(8)}.tmp"
        try:
            with draft.open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(target)
            _sync_folder(self.folder)
        except BaseException as error:
            with suppress(OSError):
                draft.unlink()
            if isinstance(error, OSError):
                raise CheckpointError(
                    f"cannot write {what} into checkpoint {self.folder}: {error}. What was written "
                    "before is kept: make room and call again with the same checkpoint."
                ) from error
            raise

    def _manifest(
        self, facts: dict[str, str], tile: int | None, fresh: Callable[[], int]
    ) -> dict[str, Any]:
        path = self.folder / _MANIFEST
        if not path.exists():
            if any(self.folder.glob("tile_*.npy")):
                raise InputError(_start_again(self.folder, "has tiles but no manifest"))
            made = {"format": FORMAT, "version": VERSION, "facts": facts, "tile": tile or fresh()}
            sealed = {**made, "sha256": hashlib.sha256(_canonical(made)).hexdigest()}
            self._write(path, json.dumps(sealed, indent=1).encode(), "the manifest")
            return made
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            seal = found.pop("sha256")
            whole = seal == hashlib.sha256(_canonical(found)).hexdigest()
        except (ValueError, KeyError, AttributeError, TypeError):
            whole = False
        if not whole or found.get("format") != FORMAT:
            raise InputError(_start_again(self.folder, "has a damaged manifest"))
        if found["version"] != VERSION:
            raise InputError(
                _start_again(self.folder, f"has version {found['version']} of the format")
            )
        asked = {**facts, "tile": str(tile or found["tile"])}
        kept = {**found["facts"], "tile": str(found["tile"])}
        differing = [name for name in {**kept, **asked} if kept.get(name) != asked.get(name)]
        if differing:
            named = "; ".join(
                f"{name} is {_short(asked.get(name))}, was {_short(kept.get(name))}"
                for name in differing
            )
            raise InputError(_start_again(self.folder, f"is of another matrix: {named}"))
        return dict(found)


def _canonical(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(manifest, sort_keys=True).encode("utf-8")


def _short(fact: str | None) -> str:
    if fact is None:
        return "not stated"
    return fact if len(fact) <= 40 else f"{fact[:37]}..."


def _start_again(folder: Path, what: str) -> str:
    return f"checkpoint {folder} {what}. Give another path, or delete that folder to start again."


def _ours(name: str) -> bool:
    drafts = name.startswith(".") and name.endswith(".tmp")
    return name == "lock" or drafts or (name.startswith("tile_") and name.endswith(".npy"))


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; not every system lets one open a folder."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
