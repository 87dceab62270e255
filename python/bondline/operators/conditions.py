"""Conditions on the outcomes of mid-circuit measurements, as truth tables."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pennylane.exceptions import DeviceError

from bondline.operators.outcomes import Numbers, numbers_of, value_table

CONDITION_MEASUREMENTS: Final = 16
"""Most measurements that one condition may look at: its table has 2^16 entries."""


class Conditions:
    """The different conditions of one circuit; equal ones are kept once.

    Examples
    --------
    >>> import pennylane as qml
    >>> first, second = qml.measure(0), qml.measure(1)
    >>> numbers = {value.measurements[0]: i for i, value in enumerate((first, second))}
    >>> conditions = Conditions()
    >>> conditions.number(first & second, numbers), conditions.number(second & first, numbers)
    (0, 0)
    >>> conditions.measurements, conditions.tables
    ([(0, 1)], [array([False, False, False,  True])])
    """

    __slots__ = ("_known", "_seen", "measurements", "tables")

    def __init__(self) -> None:
        self.measurements: list[tuple[int, ...]] = []
        self.tables: list[NDArray[np.bool_]] = []
        self._known: dict[tuple[tuple[int, ...], bytes], int] = {}
        # The operators of one branch share their condition; it is kept so that its id stays its.
        self._seen: dict[int, tuple[Any, int]] = {}

    def number(self, value: Any, numbers: Numbers) -> int:
        """Return the number of a condition.

        Parameters
        ----------
        value : pennylane.ops.MeasurementValue
            Applies where it is true.
        numbers : mapping from pennylane.ops.MidMeasure to int
            The measurements so far.

        Returns
        -------
        int

        Raises
        ------
        pennylane.exceptions.DeviceError
            If it looks at more than 16 measurements, or at one that has not happened.

        Notes
        -----
        2^k evaluations for k measurements, in one sweep over arrays.
        """
        found = self._seen.get(id(value))
        if found is not None:
            return found[1]
        measurements = value.measurements
        if len(measurements) > CONDITION_MEASUREMENTS:
            raise DeviceError(
                f"A condition looks at {len(measurements)} mid-circuit measurements, and "
                f"bondline.mps tabulates at most {CONDITION_MEASUREMENTS} (2^"
                f"{CONDITION_MEASUREMENTS} outcomes). Split it into conditions on fewer."
            )
        places = numbers_of(measurements, numbers, "A condition")
        # Sorted by time, so that m0 & m1 and m1 & m0 are one condition.
        order = sorted(range(len(places)), key=places.__getitem__)
        table = value_table(value).astype(np.bool_)
        table = table.reshape((2,) * len(places)).transpose(order).ravel()
        key = (tuple(places[place] for place in order), table.tobytes())
        number = self._known.setdefault(key, len(self.tables))
        if number == len(self.tables):
            self.measurements.append(key[0])
            self.tables.append(table)
        self._seen[id(value)] = (value, number)
        return number
