"""Functions of the outcomes of mid-circuit measurements, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pennylane.exceptions import DeviceError
from pennylane.ops import MeasurementValue

Numbers = Mapping[Any, int]
"""From each measurement of a circuit to its place in time."""

LISTED_MEASUREMENTS: Final = 20
"""Most measurements whose 2^measurements outcomes a function is tabulated for."""


def measurements_behind(measurement: Any, numbers: Numbers) -> tuple[int, ...] | None:
    """Return which mid-circuit measurements a measurement of the circuit looks at.

    Parameters
    ----------
    measurement : pennylane.measurements.MeasurementProcess
    numbers : mapping from pennylane.ops.MidMeasure to int
        The measurements of the circuit; none where they are deferred.

    Returns
    -------
    tuple of int, or None
        None if it looks at wires.

    Raises
    ------
    pennylane.exceptions.DeviceError
        If one of them is not in the circuit.

    Examples
    --------
    >>> import pennylane as qml
    >>> first, second = qml.measure(0), qml.measure(1)
    >>> numbers = {value.measurements[0]: i for i, value in enumerate((first, second))}
    >>> measurements_behind(qml.expval(2 * second), numbers)
    (1,)
    >>> measurements_behind(qml.counts([second, first]), numbers)
    (1, 0)
    """
    if measurement.mv is None or not numbers:
        return None
    values = measurement.mv
    if isinstance(values, MeasurementValue):
        return numbers_of(values.measurements, numbers, measurement)
    found = [part for value in values for part in value.measurements]
    return numbers_of(found, numbers, measurement)


def numbers_of(measurements: Iterable[Any], numbers: Numbers, owner: object) -> tuple[int, ...]:
    """Return the places of some measurements in time.

    Parameters
    ----------
    measurements : iterable of pennylane.ops.MidMeasure
    numbers : mapping from pennylane.ops.MidMeasure to int
        The measurements so far.
    owner : object
        What looks at them; begins the message.

    Returns
    -------
    tuple of int

    Raises
    ------
    pennylane.exceptions.DeviceError
        If one of them has not happened.
    """
    found = []
    for measurement in measurements:
        number = numbers.get(measurement)
        if number is None:
            raise DeviceError(
                f"{owner} looks at {measurement}, which the circuit has not performed before. "
                "Measure before the outcome is used."
            )
        found.append(number)
    return tuple(found)


def value_table(value: Any) -> NDArray[Any]:
    """Tabulate a function of outcomes.

    Parameters
    ----------
    value : pennylane.ops.MeasurementValue

    Returns
    -------
    ndarray, shape (2^measurements,)
        The first measurement is the most significant bit. Truth is 1.

    Raises
    ------
    pennylane.exceptions.DeviceError
        If it looks at more than 20 measurements.

    Notes
    -----
    2^k evaluations for k measurements, in one sweep over arrays where the function takes them.

    Examples
    --------
    >>> import pennylane as qml
    >>> value_table(1 - 2 * qml.measure(0))
    array([ 1, -1])
    """
    count = len(value.measurements)
    if count > LISTED_MEASUREMENTS:
        raise DeviceError(
            f"A function of {count} mid-circuit measurements has 2^{count} values, and without "
            f"shots bondline.mps tabulates those of at most {LISTED_MEASUREMENTS} measurements. "
            "Take a sum apart and measure its terms one by one, or use shots: there the function "
            "is only worked out for what was seen."
        )
    outcomes = np.arange(2**count)
    return evaluate(value, [(outcomes >> (count - 1 - place)) & 1 for place in range(count)])


def evaluate(value: Any, columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Work a function of outcomes out for many of them.

    Parameters
    ----------
    value : pennylane.ops.MeasurementValue
    columns : sequence of ndarray, shape (cases,)
        The outcome of each of ``value.measurements`` in every case. PennyLane puts them in an order
        of its own.

    Returns
    -------
    ndarray, shape (cases,)
        Truth is 1.

    Examples
    --------
    >>> import pennylane as qml
    >>> evaluate(qml.measure(0) + qml.measure(1), [np.array([0, 1, 1]), np.array([0, 0, 1])])
    array([0, 1, 2])
    """
    try:
        # Arithmetic of measurement values works on arrays, too, and thousands of times faster.
        found = np.asarray(value.processing_fn(*columns))
        if found.shape == columns[0].shape:
            return found + 0
    except (TypeError, ValueError):  # a function of the user's own that wants numbers
        pass
    cases = zip(*columns, strict=True)
    return np.array([value.processing_fn(*map(int, case)) for case in cases]) + 0
