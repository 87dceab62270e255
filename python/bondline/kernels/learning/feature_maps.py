"""The feature map of an estimator: with or without a depth, and the one taken by default."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pennylane as qml

FeatureMap = Callable[..., Any]


def chain_map(x: Any, depth: int = 1) -> None:
    """Rotate each wire by its feature and neighbours by products of two, ``depth`` times.

    Parameters
    ----------
    x : array_like, shape (d,)
        One row of data, one feature to a wire.
    depth : int, default 1

    Examples
    --------
    >>> tape = qml.tape.make_qscript(chain_map)([0.1, 0.2])
    >>> [op.name for op in tape.operations]
    ['RY', 'RZ', 'RY', 'RZ', 'IsingZZ', 'RY', 'RY']
    """
    wires = len(x)
    for _ in range(depth):
        for wire in range(wires):
            qml.RY(x[wire], wires=wire)
            qml.RZ(x[wire], wires=wire)
        for wire in range(wires - 1):
            qml.IsingZZ(x[wire] * x[wire + 1], wires=[wire, wire + 1])
    # What commutes with Z at the end would drop out of every overlap.
    for wire in range(wires):
        qml.RY(x[wire], wires=wire)


def at_depth(feature_map: FeatureMap | None, depth: int) -> FeatureMap:
    """Return a function of one row of data alone.

    Parameters
    ----------
    feature_map : callable or None
        ``feature_map(x, depth)``, or ``feature_map(x)`` where it has no argument of that name;
        None for :func:`chain_map`.
    depth : int

    Returns
    -------
    callable

    Examples
    --------
    >>> at_depth(None, 3).keywords
    {'depth': 3}
    """
    found = chain_map if feature_map is None else feature_map
    if "depth" not in inspect.signature(found).parameters:
        return found
    return functools.partial(found, depth=depth)
