"""Conditions on outcomes become truth tables, each once."""

import time

import numpy as np
import pennylane as qml
import pytest
from pennylane.exceptions import DeviceError

from bondline.operators.conditions import Conditions
from bondline.operators.outcomes import value_table


def measured(count):
    values = [qml.measure(wire) for wire in range(count)]
    return values, {value.measurements[0]: number for number, value in enumerate(values)}


def test_tables_agree_with_the_branches_of_pennylane():
    (a, b, c), _ = measured(3)
    for value in (
        a, ~a, a & b, (a | b) & ~c, a + b + c == 2, 2 * a - b > c, (a + b) % 2, a ^ b, 1 - a,
        a / 2, a != b, 2 * a + b - 3,
    ):  # fmt: skip
        np.testing.assert_array_equal(value_table(value), list(value.branches.values()))
    assert value_table(a == b).dtype == np.int64


def test_a_function_that_wants_numbers_gets_them():
    (a, b), _ = measured(2)
    value = qml.ops.MeasurementValue(
        a.measurements + b.measurements, lambda first, second: [first, second] == [1, 0]
    )
    assert value_table(value).tolist() == [0, 0, 1, 0]


def test_measurements_are_sorted_by_time():
    (a, b), numbers = measured(2)
    conditions = Conditions()
    swapped = {a.measurements[0]: 1, b.measurements[0]: 0}
    assert conditions.number(a > b, numbers) == 0
    assert conditions.number(a > b, swapped) == 1
    assert conditions.measurements == [(0, 1), (0, 1)]
    assert [table.tolist() for table in conditions.tables] == [
        [False, False, True, False],
        [False, True, False, False],
    ]


def test_many_measurements_are_tabulated_fast_and_too_many_refused():
    values, numbers = measured(17)
    start = time.perf_counter()
    conditions = Conditions()
    conditions.number(sum(values[:16]) == 3, numbers)
    assert time.perf_counter() - start < 5.0
    assert int(conditions.tables[0].sum()) == 560  # 16 over 3
    assert conditions.tables[0].dtype == np.bool_
    with pytest.raises(DeviceError, match="at most 16"):
        conditions.number(sum(values) == 3, numbers)


def test_a_measurement_that_has_not_happened_is_refused():
    (a, b), numbers = measured(2)
    del numbers[b.measurements[0]]
    with pytest.raises(DeviceError, match="before"):
        Conditions().number(a & b, numbers)
