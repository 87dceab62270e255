"""Derivatives in PennyLane's shapes: Jacobians and products of vectors with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bondline.devices.pulls import Pull
from bondline.errors import InputError

Real = NDArray[np.float64]
Shape = tuple[int, ...]


def jacobian_in_shape(found: Real, shapes: Sequence[Shape], batch: int | None) -> Any:
    """Return the Jacobian of one circuit as PennyLane nests it.

    Parameters
    ----------
    found : ndarray of float64, shape (rows, outputs, parameters)
        With all values of all measurements as outputs.
    shapes : sequence of tuple of int
        Of the measurements.
    batch : int or None
        Size of the batch of the circuit.

    Returns
    -------
    array, or tuple of arrays, or tuple of tuples of arrays
        Measurements outside, parameters inside; neither is there for a single one.

    Examples
    --------
    >>> jacobian_in_shape(np.array([[[0.1, 0.2]]]), [()], None)
    (array(0.1), array(0.2))
    >>> jacobian_in_shape(np.array([[[0.1], [0.2]]]), [(2,)], None)
    array([0.1, 0.2])
    """
    rows = found if batch is not None else found[0]
    measured = []
    start = 0
    for shape in shapes:
        size = int(np.prod(shape, dtype=int))
        block = rows[..., start : start + size, :]
        start += size
        if shape:
            # [t, (b), i] from [(b), i, t]
            entries = tuple(np.moveaxis(block, -1, 0))
        else:
            entries = _apart(np.moveaxis(block[..., 0, :], -1, 0))
        measured.append(entries[0] if len(entries) == 1 else entries)
    return measured[0] if len(measured) == 1 else tuple(measured)


def empty_jacobian(measurements: int) -> tuple[Any, ...]:
    """Return the Jacobian of a circuit in which nothing is trainable.

    Parameters
    ----------
    measurements : int

    Returns
    -------
    tuple

    Examples
    --------
    >>> empty_jacobian(1), empty_jacobian(2)
    ((), ((), ()))
    """
    return () if measurements == 1 else ((),) * measurements


def vjp_in_shape(found: Real, several: bool) -> tuple[Any, ...]:
    """Return the product of one circuit as PennyLane wants it: a tuple over the parameters.

    Parameters
    ----------
    found : ndarray of float64, shape (rows, vectors, parameters)
    several : bool
        Whether the vectors are an axis of the result; else there is one.

    Returns
    -------
    tuple of ndarray, of shape () or (vectors,)

    Examples
    --------
    >>> vjp_in_shape(np.array([[[0.1, 0.2]]]), several=False)
    (array(0.1), array(0.2))
    """
    # A row of a batch is a value of its own: what it contributes adds up.
    total = found.sum(axis=0)
    return _apart(np.ascontiguousarray(total.T) if several else total[0])


def pull_of(
    cotangents: Any, shapes: Sequence[Shape], batch: int | None, position: int
) -> tuple[Pull, bool]:
    """Read the cotangents of one circuit.

    Parameters
    ----------
    cotangents : array, or sequence of arrays
        One for each measurement, of its shape with the batch in front, or with one more axis in
        front of all: several vectors at once.
    shapes : sequence of tuple of int
        Of the measurements, without the batch.
    batch : int or None
    position : int
        Of the circuit; for messages.

    Returns
    -------
    pull : Pull
        One output for each vector.
    several : bool
        Whether there was an axis of vectors.

    Raises
    ------
    InputError
        If a cotangent has another shape.

    Examples
    --------
    >>> pull_of(np.ones(3), [()], None, 0)[1]
    True
    >>> pull_of(np.ones(3), [()], 3, 0)[1]
    False
    """
    given = (cotangents,) if len(shapes) == 1 else tuple(cotangents)
    if len(shapes) == 1 and isinstance(cotangents, tuple | list) and len(cotangents) == 1:
        given = tuple(cotangents)
    if len(given) != len(shapes):
        raise InputError(
            f"Circuit {position} has {len(shapes)} measurements, and got {len(given)} cotangents."
        )
    arrays = []
    vectors = None
    for number, (values, shape) in enumerate(zip(given, shapes, strict=True)):
        array = np.real(np.asarray(values)).astype(np.float64, copy=False)
        full = shape if batch is None else (batch, *shape)
        if array.shape[1:] == full and array.ndim == len(full) + 1:
            vectors = len(array)
        elif array.shape != full:
            raise InputError(
                f"The cotangent of measurement {number} of circuit {position} has the shape "
                f"{array.shape}, and the measurement {full}."
            )
        else:
            array = array[None]
        # [b, k, …] from [k, b, …], or a row for all.
        arrays.append(array[None] if batch is None else np.moveaxis(array, 0, 1))
    count = 1 if vectors is None else vectors
    entries = tuple(
        (
            number,
            slice(0, count),
            np.broadcast_to(array, (array.shape[0], count, *array.shape[2:])),
        )
        for number, array in enumerate(arrays)
    )
    return Pull(count, entries), vectors is not None


def _apart(values: Real) -> tuple[Any, ...]:
    """Return the entries along the first axis, each an array."""
    return tuple(values) if values.ndim > 1 else tuple(map(np.asarray, values))
