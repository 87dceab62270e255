"""Data as rows of real numbers, checked before any work."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bondline.errors import InputError


def as_rows(given: Any, name: str, features: int | None = None) -> NDArray[np.float64]:
    """Return data as float64, one row for each point.

    Parameters
    ----------
    given : array_like, shape (points, features)
    name : str
        Of the argument; begins messages.
    features : int, optional
        How many there must be.

    Returns
    -------
    ndarray of float64, shape (points, features)

    Raises
    ------
    InputError
        If it is no such array, is empty, or has an entry that is not finite.

    Examples
    --------
    >>> as_rows([[1, 2]], "X")
    array([[1., 2.]])
    """
    found = np.asarray(given)
    if found.ndim != 2:
        raise InputError(
            f"{name} must be an array of shape (points, features), got one of shape "
            f"{found.shape}. For a single point write {name}.reshape(1, -1)."
        )
    if not found.size:
        raise InputError(f"{name} is empty: its shape is {found.shape}.")
    if found.dtype.kind not in "fiubO":
        raise InputError(f"{name} must hold real numbers, got {found.dtype}.")
    try:
        rows = np.ascontiguousarray(found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must hold real numbers: {error}.") from None
    bad = ~np.isfinite(rows)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            f"{name}[{row}, {column}] is {rows[row, column]}, one of {bad.sum()} entries that are "
            "not finite. Impute or drop them before the kernel."
        )
    if features is not None and rows.shape[1] != features:
        raise InputError(
            f"{name} has {rows.shape[1]} features, and the other set has {features}. "
            "Both must have the same columns."
        )
    return rows
