"""How far a loss of fidelity can move a value: the worst case, by the kind of the measurement."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pennylane.exceptions import DeviceError

from bondline.errors import BondlineError
from bondline.measurements.matrices import DENSITY_WIRES, hermitian_matrix
from bondline.measurements.pauli_sums import split


def distance(first: float, second: float) -> float:
    r"""Bound the trace distance of two states that have given fidelities with a third.

    Parameters
    ----------
    first, second : float
        In [0, 1].

    Returns
    -------
    float
        :math:`\sin(\alpha + \beta)` of the angles :math:`\cos^2\alpha` = ``first`` and
        :math:`\cos^2\beta` = ``second``, and 1 past a right angle.

    Examples
    --------
    >>> round(distance(0.99, 1.0), 9)
    0.1
    >>> distance(0.3, 0.4)
    1.0
    """
    angle = sum(math.acos(math.sqrt(min(max(given, 0.0), 1.0))) for given in (first, second))
    return math.sin(angle) if angle < math.pi / 2 else 1.0


def reach(measurement: Any, trace_distance: float) -> float:
    """Bound how far apart a value of two states can be.

    Parameters
    ----------
    measurement : pennylane.measurements.MeasurementProcess
    trace_distance : float
        Of the two states.

    Returns
    -------
    float
        For an array, of each of its numbers; for ``qml.state``, of the infidelity; nan where no
        bound is known (entropies and measurements of the user's own).

    Notes
    -----
    With the trace distance T and the spread s between the largest and the smallest eigenvalue, an
    expectation value moves by at most s·T, and a variance by s²·T: the difference of two variances
    is tr((rho - sigma)(O - c)²), c halfway between the two expectation values.

    Examples
    --------
    >>> import pennylane as qml
    >>> reach(qml.expval(0.5 * qml.Z(0)), 0.1)
    0.1
    """
    kind = type(measurement).__name__
    if kind == "ExpectationMP":
        return spread(measurement) * trace_distance
    if kind == "VarianceMP":
        return spread(measurement) ** 2 * trace_distance
    if kind == "StateMP":
        return trace_distance**2
    factor = {"ProbabilityMP": 1.0, "DensityMatrixMP": 1.0, "PurityMP": 2.0}
    return factor.get(kind, math.nan) * trace_distance


def spread(measurement: Any) -> float:
    """Bound the difference between the largest and the smallest outcome of a measurement.

    Parameters
    ----------
    measurement : pennylane.measurements.ExpectationMP or VarianceMP

    Returns
    -------
    float
        Twice the sum of the absolute coefficients for a sum of Pauli words, which no sum exceeds;
        of a batch, the largest; nan where neither words nor a matrix are known.

    Examples
    --------
    >>> import pennylane as qml
    >>> spread(qml.expval(3 * qml.Z(0) @ qml.Z(1) + 2 * qml.X(0) + 7 * qml.I(0)))
    10.0
    """
    if measurement.obs is None:
        outcomes = measurement.eigvals()
        if outcomes is None:
            return math.nan
        return float(np.ptp(np.asarray(outcomes, dtype=np.float64)))
    try:
        found = split(measurement.obs, DENSITY_WIRES, expand=False)
        total = np.zeros(())
        if found.words is not None:
            widths = np.array([_width(word) for word in found.words.words])
            total = total + np.abs(found.words.coefficients) @ widths
        for coefficient, part in found.parts:
            eigenvalues = np.linalg.eigvalsh(hermitian_matrix(part))
            total = total + np.abs(coefficient) * np.ptp(eigenvalues, axis=-1)
    except (BondlineError, DeviceError):  # split differently for a variance, and offered there
        return math.nan
    return float(np.max(total))


def _width(word: Any) -> float:
    letters = {letter for _, letter in word.items()}
    if not letters:
        return 0.0
    return 1.0 if letters <= {"0", "1"} else 2.0
