"""What a reading is: how a measurement is read from arrays of the engine, and differentiated.

Every reading turns the rows of one circuit into an array with the batch axis first, in float64 or
complex128, and names the weight discarded in the light cone of its value. Those that have a
derivative also go the other way: from cotangents of their values to weights of the arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from bondline.errors import InternalError

if TYPE_CHECKING:
    from bondline._core import GroupResult
    from bondline.measurements.cotangents import Weights
    from bondline.measurements.requests import Requests

Real = NDArray[np.float64]
Values = Real | NDArray[np.complex128]
Cone = Real | None


class Cones(Protocol):
    """Weights discarded in light cones, as a group result of the engine names them."""

    @property
    def cone_words(self) -> NDArray[np.float64]:
        """Shape (rows, words)."""

    @property
    def cone_variances(self) -> NDArray[np.float64]:
        """Shape (rows, sums)."""

    @property
    def cone_probabilities(self) -> NDArray[np.float64]:
        """Shape (rows, distributions)."""

    @property
    def cone_densities(self) -> NDArray[np.float64]:
        """Shape (rows, density matrices)."""

    @property
    def cone_spectra(self) -> NDArray[np.float64]:
        """Shape (rows, spectra)."""


class Reading(Protocol):
    """How one measurement is read from the arrays of its group."""

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Return the values of some rows, shape (rows, ...)."""

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Return the weight discarded in the light cone, shape (rows,); None: the whole state."""


class Differentiable(Reading, Protocol):
    """A reading whose values have a derivative by what the engine reads.

    Attributes
    ----------
    varies : bool
        Whether the rows of a circuit need weights of their own.
    needs_values : bool
        Whether the weights depend on what was read, as those of a variance do.
    """

    @property
    def varies(self) -> bool:
        """Whether the rows of a circuit need weights of their own."""

    @property
    def needs_values(self) -> bool:
        """Whether the weights depend on what was read."""

    def shape(self, requests: Requests) -> tuple[int, ...]:
        """Return the shape of the value of one row."""

    def pull(
        self, weights: Weights, outputs: slice, cotangents: Real, read: Read | None = None
    ) -> None:
        """Add the weights of some outputs.

        Cotangents have the shape (rows or 1, outputs, ...), the last axes those of the value;
        ``read`` is the result with the rows of the circuit, if the weights depend on it.
        """


def has_derivative(reading: object) -> TypeGuard[Differentiable]:
    """Return whether a reading goes the other way, too.

    Parameters
    ----------
    reading : Reading

    Returns
    -------
    bool

    Notes
    -----
    A look at one name: to ask a protocol takes longer than to read the value.
    """
    return hasattr(reading, "pull")


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What was read of one circuit: the result of its group and its rows there."""

    result: GroupResult
    rows: slice


class Scalar:
    """A number for each row, with the same weights in all of them unless it says otherwise."""

    __slots__ = ()

    @property
    def varies(self) -> bool:
        """Whether the rows of a circuit need weights of their own."""
        return self.needs_values

    @property
    def needs_values(self) -> bool:
        """Whether the weights depend on what was read."""
        return False

    def shape(self, requests: Requests) -> tuple[int, ...]:
        """Return the shape of the value of one row."""
        return ()


def in_shape(values: Values, batch: int | None) -> Any:
    """Drop the batch axis of a circuit that has no batch.

    Parameters
    ----------
    values : ndarray, shape (rows, ...)
    batch : int or None
        A batch of one keeps its axis.

    Returns
    -------
    ndarray or numpy scalar

    Examples
    --------
    >>> in_shape(np.array([0.5]), None)
    np.float64(0.5)
    >>> in_shape(np.array([0.5]), 1)
    array([0.5])
    """
    return values[0] if batch is None else values


def row_sums(terms: Values) -> Real:
    """Sum each row by itself: its bits never depend on how many rows there are.

    Parameters
    ----------
    terms : ndarray, shape (rows, ...)

    Returns
    -------
    ndarray of float64, shape (rows,)

    Examples
    --------
    >>> row_sums(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([3., 7.])
    """
    flat = np.ascontiguousarray(terms.reshape(len(terms), -1))
    sums: Real = np.add.reduce(flat.real, axis=1)
    return sums


def values_read(read: Read | None) -> tuple[GroupResult, slice]:
    """Return what was read, for weights that depend on it.

    Parameters
    ----------
    read : Read or None

    Returns
    -------
    result : GroupResult
    rows : slice

    Raises
    ------
    InternalError
        If nothing was read.
    """
    if read is None:
        raise InternalError("Weights that depend on values were asked for without the values.")
    return read.result, read.rows
