"""By what factor to scale the data, so that a kernel neither concentrates nor is flat."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from bondline.kernels.diagnosis.inputs import Array, Gram, gram_of

TARGET: Final = math.exp(-1.0)
"""Median entry to aim at: that of an RBF whose exponent is 1 / median squared distance."""
_POINTS: Final = 64
_STEPS: Final = 12
_SMALLEST: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """A first guess for the scale of the data; cross-validation around it decides.

    Attributes
    ----------
    scale : float
        Factor for the data.
    median : float
        Median off-diagonal entry there.
    method : {"measured", "extrapolated"}
        By kernels of some rows at other scales; or, from a matrix alone, as if ln K grew with the
        square of the scale, as it does for small angles.
    """

    scale: float
    median: float
    method: Literal["measured", "extrapolated"]


def suggest(gram: Gram, kernel: Any, X: Array | None) -> Bandwidth:
    """Suggest a factor for the data that brings the median entry to 1/e.

    Parameters
    ----------
    gram : Gram
    kernel : object
        Its matrices at other scales are measured if it has ``matrix``.
    X : ndarray of float64, shape (n, d), or None

    Returns
    -------
    Bandwidth
    """
    median = float(np.median(np.maximum(gram.off_diagonal(), -1e300)))
    guess = 1.0 / math.sqrt(max(-median, 1e-12))
    if X is None or not hasattr(kernel, "matrix"):
        return Bandwidth(guess, TARGET, "extrapolated")
    rows = X[:: max(1, len(X) // _POINTS)][:_POINTS]

    def log_median(scale: float) -> float:
        found = gram_of("K", kernel, scale * rows).off_diagonal()
        return float(np.median(np.maximum(found, -1e300)))

    # Bisection between a scale that is too flat and one that is too steep: far out the median need
    # not fall any more, but on the way there it crosses 1/e.
    low, high = _SMALLEST, 1.0
    if log_median(high) > -1.0:
        low, high = 1.0, min(guess, 1e3)
        if log_median(high) > -1.0:
            return Bandwidth(high, math.exp(log_median(high)), "measured")
    for _ in range(_STEPS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if log_median(middle) > -1.0 else (low, middle)
    scale = math.sqrt(low * high)
    return Bandwidth(scale, math.exp(log_median(scale)), "measured")
