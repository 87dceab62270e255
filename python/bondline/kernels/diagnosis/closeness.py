"""How far a kernel is from the identity, from product states, and from classical kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from bondline.kernels.diagnosis.alignment import centred, cosine
from bondline.kernels.diagnosis.inputs import Array
from bondline.kernels.diagnosis.references import WIDTHS

_REFINED: Final = 24
"""Steps of a golden-section search between two points of the grid."""
_GOLDEN: Final = (np.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True, slots=True)
class Closeness:
    """One kernel beside the one that is diagnosed.

    Attributes
    ----------
    alignment : float
        Centred: 1 where a learner with an intercept cannot tell them apart.
    distance : float
        Frobenius norm of the difference as a share of that of the diagnosed kernel; both have ones
        on the diagonal, or the same trace.
    """

    alignment: float
    distance: float


def compare(K: Array, centred_K: Array, reference: Array) -> Closeness:
    """Compare a kernel with another one.

    Parameters
    ----------
    K, centred_K, reference : ndarray of float64, shape (n, n)

    Returns
    -------
    Closeness
    """
    return Closeness(
        cosine(centred_K, centred(reference)),
        float(np.linalg.norm(K - reference) / np.linalg.norm(K)),
    )


@dataclass(frozen=True, slots=True)
class RbfGrid:
    """RBFs of many bandwidths beside the diagnosed kernel.

    Attributes
    ----------
    widths : tuple of float
        Exponents in units of 1 / median squared distance.
    alignments : tuple of float
    best_width : float
        Of the largest alignment, searched between the points of the grid.
    gamma : float
        The same for ``exp(-gamma |x - y|²)``.
    best : Closeness
    """

    widths: tuple[float, ...]
    alignments: tuple[float, ...]
    best_width: float
    gamma: float
    best: Closeness


def scan_rbf(K: Array, centred_K: Array, distances: Array, unit: float) -> RbfGrid:
    """Find the RBF that is closest to a kernel.

    Parameters
    ----------
    K, centred_K : ndarray of float64, shape (n, n)
    distances : ndarray of float64, shape (n, n)
        Squared.
    unit : float
        Median squared distance.

    Returns
    -------
    RbfGrid
    """

    def rbf(width: float) -> Array:
        return np.asarray(np.exp(-width / unit * distances))

    def aligned(log_width: float) -> float:
        return cosine(centred_K, centred(rbf(float(np.exp(log_width)))))

    grid = np.log(WIDTHS)
    found = [aligned(point) for point in grid]
    best = int(np.argmax(found))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    inner = (high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
    values = [aligned(point) for point in inner]
    for _ in range(_REFINED):
        if values[0] > values[1]:
            high, inner = inner[1], (inner[1] - _GOLDEN * (inner[1] - low), inner[0])
            values = [aligned(inner[0]), values[0]]
        else:
            low, inner = inner[0], (inner[1], inner[0] + _GOLDEN * (high - inner[0]))
            values = [values[1], aligned(inner[1])]
    width = float(np.exp(inner[int(np.argmax(values))]))
    return RbfGrid(WIDTHS, tuple(found), width, width / unit, compare(K, centred_K, rbf(width)))
