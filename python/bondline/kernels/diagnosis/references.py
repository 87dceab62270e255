"""The kernels to compare with: RBFs over a grid of bandwidths, and the linear one."""

from __future__ import annotations

from typing import Final

import numpy as np

from bondline.errors import InputError
from bondline.kernels.diagnosis.inputs import Array

WIDTHS: Final = tuple(float(width) for width in np.geomspace(1e-2, 1e2, 33))
"""Exponents of the RBFs that a kernel is compared with, in units of 1 / median squared distance."""
LEARNT_WIDTHS: Final = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Those among which cross-validation chooses."""


def squared_distances(X: Array) -> Array:
    """Return the squared Euclidean distances of all pairs, zeros on the diagonal.

    Parameters
    ----------
    X : ndarray of float64, shape (n, d)

    Returns
    -------
    ndarray of float64, shape (n, n)
    """
    centred = X - X.mean(axis=0)  # less is lost where the data lie far from the origin
    squares = np.sum(centred**2, axis=1)
    found = squares[:, None] + squares[None, :] - 2.0 * (centred @ centred.T)
    found = np.maximum(0.5 * (found + found.T), 0.0)
    np.fill_diagonal(found, 0.0)
    return np.asarray(found)


def unit(distances: Array) -> float:
    """Return the median squared distance of a pair, the unit of RBF exponents.

    Parameters
    ----------
    distances : ndarray of float64, shape (n, n)

    Returns
    -------
    float

    Raises
    ------
    InputError
        If all points are the same.
    """
    pairs = distances[np.triu_indices(len(distances), 1)]
    median = float(np.median(pairs))
    found = median if median > 0.0 else float(pairs.mean())
    if found == 0.0:
        raise InputError("All rows of X are the same: there is nothing to tell apart.")
    return found


def linear(X: Array) -> Array:
    """Return the linear kernel of centred data, scaled to trace n.

    Parameters
    ----------
    X : ndarray of float64, shape (n, d)

    Returns
    -------
    ndarray of float64, shape (n, n)
    """
    centred = X - X.mean(axis=0)
    found = centred @ centred.T
    return np.asarray(found * (len(X) / np.trace(found)))
