"""Circuits of nothing but gates of the table, where most passes have nothing to do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final

import numpy as np

from bondline.operators import gate_set

_TABLE: Final = frozenset(gate_set.GATES)
_CONTROLLED: Final = frozenset(gate_set.CONTROLLED_GATES)
_NUMBERS: Final = frozenset({float, int, np.float64, np.float32, np.int64})

_data_of = attrgetter("data")
_labels_of = attrgetter("wires.labels")
_labels_of_controls = attrgetter("control_wires.labels")
_labels_of_targets = attrgetter("base.wires.labels")


def is_plain(operations: Sequence[Any]) -> bool:
    """Return whether every operator is a gate of the table.

    Parameters
    ----------
    operations : sequence of pennylane.operation.Operator

    Returns
    -------
    bool

    Notes
    -----
    20 ns an operator: their classes are put into a set before anything is asked.

    Examples
    --------
    >>> import pennylane as qml
    >>> is_plain([qml.RX(0.1, 0), qml.CNOT([0, 1])]), is_plain([qml.Barrier(0)])
    (True, False)
    """
    return set(map(type, operations)) <= _TABLE


def any_of(operations: Sequence[Any], kinds: type | tuple[type, ...]) -> bool:
    """Return whether any operator is of some classes, subclasses included.

    Parameters
    ----------
    operations : sequence of pennylane.operation.Operator
    kinds : type or tuple of type

    Returns
    -------
    bool

    Examples
    --------
    >>> import pennylane as qml
    >>> any_of([qml.RX(0.1, 0)], qml.ops.MidMeasure)
    False
    """
    return any(issubclass(kind, kinds) for kind in set(map(type, operations)))


def has_plain_numbers(operations: Sequence[Any]) -> bool:
    """Return whether every parameter is a number of Python or NumPy: no batch, no framework.

    Parameters
    ----------
    operations : sequence of pennylane.operation.Operator

    Returns
    -------
    bool

    Examples
    --------
    >>> import pennylane as qml
    >>> has_plain_numbers([qml.RX(0.1, 0)]), has_plain_numbers([qml.RX([0.1, 0.2], 0)])
    (True, False)
    """
    return set(map(type, chain.from_iterable(map(_data_of, operations)))) <= _NUMBERS


def labels_of(operations: Sequence[Any]) -> set[Any]:
    """Return the wires that gates of the table act on.

    Parameters
    ----------
    operations : sequence of pennylane.operation.Operator
        For which :func:`is_plain` holds.

    Returns
    -------
    set of hashable

    Examples
    --------
    >>> import pennylane as qml
    >>> sorted(labels_of([qml.RX(0.1, 0), qml.CNOT([0, 1])]))
    [0, 1]
    """
    # PennyLane puts the wires of a controlled operator together anew at every look.
    controlled = [operator for operator in operations if type(operator) in _CONTROLLED]
    others = [operator for operator in operations if type(operator) not in _CONTROLLED]
    return set(
        chain(
            chain.from_iterable(map(_labels_of, others)),
            chain.from_iterable(map(_labels_of_controls, controlled)),
            chain.from_iterable(map(_labels_of_targets, controlled)),
        )
    )
