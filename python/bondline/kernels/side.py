"""One side of a kernel matrix: states that are there, or that are made when a tile needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bondline import _core
from bondline.errors import InputError, InternalError, ResourceError
from bondline.kernels.encoded_set import EncodedSet
from bondline.kernels.encoding import Encoder
from bondline.kernels.fingerprint import Fingerprint, digest
from bondline.kernels.row_circuits import Rows
from bondline.kernels.tile_rows import RowsOnDemand


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """States of one side.

    Attributes
    ----------
    states : EncodedStates or RowsOnDemand
    mark : Fingerprint
    wire_of_site : tuple of int
    data : str
        Digest of the rows.
    """

    states: _core.EncodedStates | RowsOnDemand
    mark: Fingerprint
    wire_of_site: tuple[int, ...]
    data: str

    @classmethod
    def of_set(cls, found: EncodedSet) -> Side:
        """Take the states of a set."""
        return cls(found.states, found.mark, found.wire_of_site, found.data)

    @classmethod
    def of_rows(cls, encoder: Encoder, rows: Rows, params: tuple[Any, ...], budget: int) -> Side:
        """Evolve rows now if their states fit a budget of bytes, else when they are needed."""
        encoding = encoder.encoding(rows, params)
        states = encoding.states(0, len(rows), budget)
        if encoding.wire_of_site is None:
            raise InternalError("No row was encoded.")
        return cls(
            RowsOnDemand(len(rows), encoding.states) if states is None else states,
            encoding.circuits.mark,
            encoding.wire_of_site,
            digest(rows),
        )

    def require_overlaps(self, other: Side) -> None:
        """Raise if its states cannot be compared with those of another side.

        Parameters
        ----------
        other : Side

        Raises
        ------
        InputError
        """
        found = self.mark.differences(other.mark)
        if self.wire_of_site != other.wire_of_site:
            found.append("their sites in other orders")
        if found:
            raise InputError(
                f"These two sets cannot be compared: they have {'; '.join(found)}. Make both with "
                "one kernel."
            )


def encoded_set(encoder: Encoder, rows: Rows, params: tuple[Any, ...], budget: int) -> EncodedSet:
    """Evolve rows and keep all states.

    Parameters
    ----------
    encoder : Encoder
    rows : ndarray of float64, shape (n, features)
    params : tuple
    budget : int
        Bytes.

    Returns
    -------
    EncodedSet

    Raises
    ------
    ResourceError
        If they take more than the budget.
    """
    encoding = encoder.encoding(rows, params)
    states = encoding.states(0, len(rows), budget)
    if states is None or encoding.wire_of_site is None:
        raise ResourceError(
            f"The states of {len(rows)} rows do not fit memory_limit ({budget / 2**30:.3g} GiB). "
            "kernel.matrix(X) of the rows themselves evolves them tile by tile; or prepare fewer."
        )
    return EncodedSet(
        states, encoding.circuits.mark, encoding.report(), encoding.wire_of_site, digest(rows)
    )
