"""A matrix product state in one file: an ``.npz`` archive with a checked header.

Arrays ``tensor_0`` …, ``schmidt_0`` … and ``header``, a text in JSON as bytes; nothing is pickled,
and ``numpy.load`` reads the file without bondline.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bondline.errors import InputError

FORMAT: Final = "bondline matrix product state"
VERSION: Final = 1
_BEGINNING: Final = b"PK\x03\x04"  # of every zip archive that is not empty

# What zipfile, numpy and json raise on archives with wrong bytes.
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    KeyError,
    EOFError,
    TypeError,
    RuntimeError,
    OSError,
)

Array = NDArray[Any]


def write_state(
    path: str | os.PathLike[str],
    facts: dict[str, Any],
    tensors: Sequence[Array],
    schmidt_values: Sequence[Array],
) -> None:
    """Write a file that is complete or not there: through a temporary one beside it.

    Parameters
    ----------
    path : path-like
        Taken as it is; no ending is added. A file of that name is replaced.
    facts : dict
        What JSON can hold.
    tensors, schmidt_values : sequences of ndarray

    Raises
    ------
    OSError
        As writing raises it; then nothing is left behind.
    """
    arrays: dict[str, Any] = dict(_named(tensors, schmidt_values))
    header = {"format": FORMAT, "version": VERSION, "sites": len(tensors), **facts}
    header["sha256"] = _checksum(header, arrays)
    text = np.frombuffer(json.dumps(header).encode("utf-8"), dtype=np.uint8)
    target = Path(path)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as stream:
            np.savez(stream, header=text, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def read_state(path: str | os.PathLike[str]) -> tuple[dict[str, Any], list[Array], list[Array]]:
    """Read a file and check that it is what was written.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    facts : dict
    tensors, schmidt_values : lists of ndarray

    Raises
    ------
    FileNotFoundError
    InputError
        If it is another kind of file, of a newer version, truncated or altered.
    """
    source = Path(path)
    with source.open("rb") as stream:
        if stream.read(len(_BEGINNING)) != _BEGINNING:
            raise InputError(
                f"{source} is no file of MPS.save: those are .npz archives. "
                "Give the path that was saved to."
            )
        stream.seek(0)
        try:
            with np.load(stream, allow_pickle=False) as archive:
                header = json.loads(archive["header"].tobytes().decode("utf-8"))
                _require_version(source, header)
                sites = int(header["sites"])
                tensors = [archive[f"tensor_{site}"] for site in range(sites)]
                schmidt = [archive[f"schmidt_{site}"] for site in range(sites - 1)]
        except InputError:
            raise
        except _UNREADABLE as error:
            raise InputError(
                f"{source} is damaged, only a part, or no file of MPS.save "
                f"({type(error).__name__}: {error}). Write it again with MPS.save."
            ) from None
    expected = header.pop("sha256", None)
    if expected != _checksum(header, dict(_named(tensors, schmidt))):
        raise InputError(
            f"{source} was altered after it was written: its checksum does not fit its contents. "
            "Write it again with MPS.save."
        )
    return header, tensors, schmidt


def _require_version(source: Path, header: Any) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(f"{source} is an archive of something else, not a file of MPS.save.")
    if header.get("version") != VERSION:
        raise InputError(
            f"{source} has version {header.get('version')!r} of the format; this bondline reads "
            f"version {VERSION}. Load it with the bondline that wrote it, or a newer one."
        )


def _named(tensors: Sequence[Array], schmidt: Sequence[Array]) -> Iterator[tuple[str, Array]]:
    for site, tensor in enumerate(tensors):
        yield f"tensor_{site}", tensor
    for site, values in enumerate(schmidt):
        yield f"schmidt_{site}", values


def _checksum(header: dict[str, Any], arrays: dict[str, Array]) -> str:
    """Digest of everything: the header without the digest, names, shapes, types and numbers."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode("utf-8"))
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
