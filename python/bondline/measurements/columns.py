"""Where the bits of shots stand in what the engine returns, and which of them a reading sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from bondline.errors import InputError

if TYPE_CHECKING:
    from bondline._core import GroupResult

DROPPED: Final = 255
"""What the engine writes instead of the outcomes of a shot that postselection dropped."""

Bits = NDArray[np.uint8]
Kept = NDArray[np.bool_] | None
Rows = NDArray[Any] | list[NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What a reading sees of its circuit.

    Attributes
    ----------
    rows : slice
        Rows of the group.
    shots : slice
        The shots of one entry of the shot vector.
    seeds : ndarray of uint64, shape (rows, 2)
    """

    rows: slice
    shots: slice
    seeds: NDArray[np.uint64]

    def kept(self, result: GroupResult, sampling: int | None) -> Kept:
        """Return which shots of a sampling postselection kept.

        Parameters
        ----------
        result : GroupResult
        sampling : int or None

        Returns
        -------
        ndarray of bool, shape (rows, shots), or None
            None if all of them, or without a sampling.
        """
        if sampling is None:
            return None
        outcomes = result.sample_outcomes[sampling][self.rows, self.shots]
        dropped = (outcomes == DROPPED).any(axis=2)
        return ~dropped if dropped.any() else None


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Bits of one sampling: of wires, or of the mid-circuit measurements of the same shots.

    Attributes
    ----------
    sampling : int
    columns : tuple of int
        Columns of the wires, or numbers of the measurements; the first is most significant.
    of_measurements : bool
    """

    sampling: int
    columns: tuple[int, ...]
    of_measurements: bool = False

    @property
    def width(self) -> int:
        """Number of bits."""
        return len(self.columns)

    def bits(self, result: GroupResult, window: Window) -> Bits:
        """Return the bits, shape (rows, shots, width)."""
        source = result.sample_outcomes if self.of_measurements else result.samples
        found: Bits = source[self.sampling][window.rows, window.shots][:, :, self.columns]
        return found

    def indices(self, result: GroupResult, window: Window) -> NDArray[np.intp]:
        """Return each outcome as a number, shape (rows, shots)."""
        place = 1 << np.arange(self.width, dtype=np.intp)[::-1]
        bits = self.bits(result, window)
        if self.of_measurements:
            bits &= 1  # dropped shots, too, have a place in tables
        return bits @ place


def kept_rows(values: NDArray[Any], kept: Kept) -> Rows:
    """Return what is left of each row after postselection.

    Parameters
    ----------
    values : ndarray, shape (rows, shots, ...)
    kept : ndarray of bool, shape (rows, shots), or None

    Returns
    -------
    ndarray, or list with an array for each row

    Examples
    --------
    >>> kept_rows(np.array([[1, 2, 3]]), np.array([[True, False, True]]))
    [array([1, 3])]
    """
    if kept is None:
        return values
    return [row[mask] for row, mask in zip(values, kept, strict=True)]


def stacked(rows: Rows) -> NDArray[Any]:
    """Return the rows of a batch as one array.

    Parameters
    ----------
    rows : ndarray, or list of ndarray

    Returns
    -------
    ndarray, shape (rows, shots, ...)

    Raises
    ------
    InputError
        If postselection left more shots of one row than of another.

    Examples
    --------
    >>> stacked([np.array([1, 3]), np.array([0, 2])])
    array([[1, 3],
           [0, 2]])
    """
    if isinstance(rows, np.ndarray):
        return rows
    lengths = sorted({len(row) for row in rows})
    if len(lengths) > 1:
        raise InputError(
            f"Postselection left between {lengths[0]} and {lengths[-1]} shots of the rows of a "
            'batch, which make no array. Use postselect_mode="fill-shots", or apply '
            "qml.transforms.broadcast_expand to the QNode."
        )
    return np.stack(rows)
