"""A mean over repeated splits with an interval that knows that the splits overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bondline.errors import InputError
from bondline.kernels.optional import load


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and half the width of its confidence interval.

    Attributes
    ----------
    mean, half_width : float
    confidence : float
    """

    mean: float
    half_width: float
    confidence: float

    @property
    def low(self) -> float:
        """Lower end."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end."""
        return self.mean + self.half_width

    def __str__(self) -> str:
        """Return mean ± half width, as many digits as the half width deserves."""
        digits = 2
        if 1e-9 < self.half_width < 0.095:  # below: rounding
            digits = min(6, 1 - math.floor(math.log10(self.half_width)))
        digits = min(digits, 3) if self.half_width >= 0.001 else digits
        return f"{self.mean:.{digits}f} ± {self.half_width:.{digits}f}"


def interval(values: Sequence[float], test_to_train: float, confidence: float = 0.95) -> Interval:
    """Return the corrected interval of Nadeau and Bengio (2003).

    Parameters
    ----------
    values : sequence of float
        One per split; differences of two models on the same splits for a paired comparison.
    test_to_train : float
        Points tested to points learnt from.
    confidence : float, default 0.95

    Returns
    -------
    Interval

    Raises
    ------
    InputError

    Notes
    -----
    Training sets overlap, so that the splits are not independent: the variance of the mean is
    :math:`(1/J + n_{test}/n_{train}) s^2` for J splits instead of :math:`s^2 / J`, and the interval
    that of Student's t with J - 1 degrees of freedom.

    Examples
    --------
    >>> print(interval([0.91, 0.93, 0.95], test_to_train=1 / 3))
    0.930 ± 0.070
    """
    sample = np.asarray(values, dtype=np.float64)
    if len(sample) < 2:
        raise InputError("A confidence interval takes at least two splits.")
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence must lie between 0 and 1, got {confidence}.")
    error = float(sample.std(ddof=1)) * math.sqrt(1.0 / len(sample) + test_to_train)
    # The quantile of Student's t, from the package below scikit-learn.
    stdtrit = load("scipy.special", "A confidence interval").stdtrit
    quantile = float(stdtrit(len(sample) - 1, 0.5 + 0.5 * confidence))
    return Interval(float(sample.mean()), quantile * error, confidence)
