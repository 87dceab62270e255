"""Measurements that are told by a class, an observable's class and wires, and understood once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pennylane as qml
from pennylane.measurements import ExpectationMP, ProbabilityMP, VarianceMP

from bondline.measurements.observables import Interpretation, interpret
from bondline.measurements.requests import Sites

_SIMPLE_OBSERVABLES: Final = frozenset({qml.PauliX, qml.PauliY, qml.PauliZ, qml.Identity})
_SIMPLE_MOMENTS: Final = frozenset({ExpectationMP, VarianceMP})

_UNDERSTOOD_LIMIT: Final = 64


def simple_key(measurement: Any) -> tuple[object, ...] | None:
    """Return what a measurement is told by, if that is a class, an observable's class and wires.

    Parameters
    ----------
    measurement : pennylane.measurements.MeasurementProcess

    Returns
    -------
    tuple, hashable, or None

    Examples
    --------
    >>> simple_key(qml.expval(qml.Z(0))) == simple_key(qml.expval(qml.Z(0)))
    True
    >>> simple_key(qml.expval(2 * qml.Z(0))) is None
    True
    """
    kind, observable = type(measurement), measurement.obs
    if kind in _SIMPLE_MOMENTS:
        if type(observable) in _SIMPLE_OBSERVABLES:
            return kind, type(observable), observable.wires.labels
    elif kind is ProbabilityMP and observable is None and measurement.mv is None:
        return kind, None, measurement.wires.labels
    return None


def interpret_simple(
    measurements: Sequence[Any], sites: Sites, understood: dict[object, Interpretation]
) -> Interpretation | None:
    """Understand measurements that were understood before, on the same wires of a device.

    Parameters
    ----------
    measurements : sequence of pennylane.measurements.MeasurementProcess
        Without mid-circuit measurements behind them.
    sites : mapping from wire label to index
        One that never changes.
    understood : dict
        What is known already of measurements on these wires.

    Returns
    -------
    Interpretation or None
        None if a measurement is not simple.

    Examples
    --------
    >>> sites, understood = {0: 0}, {}
    >>> first = interpret_simple([qml.expval(qml.Z(0))], sites, understood)
    >>> interpret_simple([qml.expval(qml.Z(0))], sites, understood) is first
    True
    """
    keys = tuple(map(simple_key, measurements))
    if None in keys:
        return None
    found = understood.get(keys)
    if found is None:
        if len(understood) >= _UNDERSTOOD_LIMIT:
            understood.clear()
        found = understood[keys] = interpret(measurements, sites)
    return found
