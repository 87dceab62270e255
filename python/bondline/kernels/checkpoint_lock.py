"""One process at a time on a checkpoint, by a lock that ends with its process, however it ends."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path
from typing import IO, Any

from bondline.errors import CheckpointError

# Locks of fcntl belong to the process: forked workers that outlive it do not hold them (those of
# flock they would), but two threads would both get one, so this set stands between threads.
_HELD: set[str] = set()
_GUARD = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_HELD.clear)


class CheckpointLock:
    """The lock of a folder, held until ``release``.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    CheckpointError
        If another process or thread has it.
    """

    def __init__(self, folder: Path) -> None:
        self._name = os.path.realpath(folder)
        self._stream: IO[Any] | None = None
        with _GUARD:
            if self._name in _HELD:
                raise CheckpointError(_busy(folder, "another thread of this process"))
            _HELD.add(self._name)
        try:
            stream = (folder / "lock").open("a+", encoding="utf-8")
            try:
                _lock(stream)
            except OSError as error:
                stream.seek(0)
                owner = stream.read(200).strip() or f"another process ({error})"
                stream.close()
                raise CheckpointError(_busy(folder, owner)) from None
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {socket.gethostname()}")
            stream.flush()
            self._stream = stream
        except BaseException:
            with _GUARD:
                _HELD.discard(self._name)
            raise

    def release(self) -> None:
        """Let others have the checkpoint; closing the file ends the lock."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            with _GUARD:
                _HELD.discard(self._name)


def _busy(folder: Path, owner: str) -> str:
    return (
        f"checkpoint {folder} is in use by {owner}. Wait until that run ends, or give another path."
    )


def _lock(stream: IO[Any]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
