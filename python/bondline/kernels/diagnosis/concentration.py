"""Concentration: how many values of a kernel can still be told from zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bondline.kernels.diagnosis.inputs import Gram


@dataclass(frozen=True, slots=True)
class Concentration:
    """Off-diagonal entries of a kernel matrix, in decades, each pair once.

    Attributes
    ----------
    median : float
        log10 of the median entry; -inf where half of the entries are exactly zero.
    spread : float
        Decades between the quartiles.
    smallest, largest : float
        log10.
    nearest : float
        log10 of the median, over the points, of the entry with the nearest other point.
    variance : float
        Of the entries themselves: what vanishes exponentially with the wires where a kernel
        concentrates (Thanasilp et al., arXiv:2208.11060).
    below_shots : float
        Share of entries below 1/shots, which as many shots give as zero more often than not.
    below_precision : float
        Share below 2.2e-16, the rounding of a number next to 1.
    shots : int
    shots_needed : float
        That give the median entry with a relative standard error of a tenth.
    """

    median: float
    spread: float
    smallest: float
    largest: float
    nearest: float
    variance: float
    below_shots: float
    below_precision: float
    shots: int
    shots_needed: float


def measure(gram: Gram, shots: int) -> Concentration:
    """Measure how concentrated a kernel matrix is.

    Parameters
    ----------
    gram : Gram
    shots : int

    Returns
    -------
    Concentration

    Examples
    --------
    >>> import numpy as np
    >>> logs = np.full((3, 3), -163 * np.log(10))
    >>> np.fill_diagonal(logs, 0.0)
    >>> round(measure(Gram.of("K", None, logs), 1000).median)
    -163
    """
    logs = gram.off_diagonal() / np.log(10.0)
    low, median, high = np.quantile(np.maximum(logs, -1e6), [0.25, 0.5, 0.75])
    others = gram.logs / np.log(10.0)
    np.fill_diagonal(others, -np.inf)
    # The binomial error of an entry k is sqrt(k (1 - k) / shots).
    value = 10.0 ** max(float(median), -300.0)
    return Concentration(
        median=float(median) if median > -1e6 else -np.inf,
        spread=float(high - low),
        smallest=float(logs.min()),
        largest=float(logs.max()),
        nearest=float(np.median(others.max(axis=1))),
        variance=float(np.var(np.exp(gram.off_diagonal()))),
        below_shots=float(np.mean(logs < -np.log10(shots))),
        below_precision=float(np.mean(logs < np.log10(np.finfo(float).eps))),
        shots=shots,
        shots_needed=max(1.0, 100.0 * (1.0 - value) / value),
    )
