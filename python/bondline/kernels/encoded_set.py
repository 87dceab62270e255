"""Rows that are states already: used again, and kept in a file."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import zipfile
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from bondline import _core
from bondline.errors import InputError
from bondline.kernels.fingerprint import Fingerprint
from bondline.kernels.report import EncodingReport

FORMAT: Final = "bondline encoded set"
VERSION: Final = 1
_UNREADABLE: Final = (
    *(zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, TypeError, RuntimeError),
    OSError,
)


@dataclass(frozen=True, slots=True, eq=False)
class EncodedSet:
    """The states of rows of data, made by ``kernel.prepare(X)``.

    Attributes
    ----------
    states : EncodedStates
    mark : Fingerprint
        Of feature map and settings.
    report : EncodingReport
    wire_of_site : tuple of int
        Positions of the wires, in the order in which the states have their sites.
    data : str
        Digest of the rows.
    """

    states: _core.EncodedStates
    mark: Fingerprint
    report: EncodingReport
    wire_of_site: tuple[int, ...]
    data: str

    @property
    def fingerprint(self) -> str:
        """Feature map and settings as one hexadecimal string."""
        return self.mark.digest()

    def __len__(self) -> int:
        return self.states.n_points

    def __repr__(self) -> str:
        return f"<EncodedSet: {self.report}>"

    def require_like(self, other: Fingerprint, owner: str) -> None:
        """Raise if it was made with another feature map or other settings.

        Parameters
        ----------
        other : Fingerprint
        owner : str
            What it is compared with; for the message.

        Raises
        ------
        InputError
        """
        found = self.mark.differences(other)
        if found:
            raise InputError(
                f"This encoded set does not belong to {owner}: they have {'; '.join(found)}. "
                "Make it anew with kernel.prepare(X)."
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it into one file, which is complete or not there.

        Parameters
        ----------
        path : path-like
            Taken as it is; a file of that name is replaced.
        """
        bonds, entries = self.states.parts()
        header = {
            "format": FORMAT,
            "version": VERSION,
            "mark": asdict(self.mark),
            "report": self.report.to_dict(),
            "wire_of_site": list(self.wire_of_site),
            "data": self.data,
        }
        header["sha256"] = _checksum(header, bonds, entries)
        text = np.frombuffer(json.dumps(header).encode("utf-8"), dtype=np.uint8)
        target = Path(path)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
        try:
            with draft.open("xb") as stream:
                np.savez(stream, header=text, bonds=bonds, entries=entries)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(target)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise

    @staticmethod
    def load(path: str | os.PathLike[str]) -> EncodedSet:
        """Read a file of :meth:`save`.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        EncodedSet

        Raises
        ------
        FileNotFoundError
        InputError
            If it is another kind of file, of another version, truncated or altered.
        """
        source = Path(path)
        try:
            with source.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
                header = json.loads(archive["header"].tobytes().decode("utf-8"))
                if header.get("format") != FORMAT or header.get("version") != VERSION:
                    raise InputError(
                        f"{source} is {header.get('format')!r}, version {header.get('version')!r}; "
                        f"this bondline reads {FORMAT!r}, version {VERSION}."
                    )
                bonds, entries = archive["bonds"], archive["entries"]
        except (InputError, FileNotFoundError):
            raise
        except _UNREADABLE as error:
            raise InputError(
                f"{source} is damaged, only a part, or no file of EncodedSet.save "
                f"({type(error).__name__}: {error})."
            ) from None
        if header.pop("sha256", None) != _checksum(header, bonds, entries):
            raise InputError(f"{source} was altered after it was written: its checksum differs.")
        return EncodedSet(
            _core.EncodedStates.from_parts(bonds, entries),
            Fingerprint(**header["mark"]),
            EncodingReport.from_dict(header["report"]),
            tuple(header["wire_of_site"]),
            header["data"],
        )


def _checksum(header: dict[str, Any], bonds: Any, entries: Any) -> str:
    found = hashlib.sha256(json.dumps(header, sort_keys=True).encode("utf-8"))
    for array in (bonds, entries):
        found.update(f"{array.dtype.str} {array.shape};".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
