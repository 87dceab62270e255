"""The same bits for any number of threads, for every call, alone or in a batch."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import pennylane as qml
import pytest
from pennylane.measurements import MeasurementProcess
from pennylane.operation import Operator

from oracle.circuits import (
    all_to_all_iqp,
    haar_brickwall,
    hardware_efficient,
    operations_of,
    orthogonal_brickwall,
    ring,
    strongly_entangling,
)
from oracle.devices import bondline, run_batch, same_bits
from oracle.measurements import measurements, random_sum

Circuit = tuple[Sequence[Operator], Sequence[MeasurementProcess]]

CIRCUITS: dict[str, tuple[int, Callable[[], Any]]] = {
    "haar": (24, lambda: haar_brickwall(24, 12, 1)),
    "real": (24, lambda: orthogonal_brickwall(24, 12, 2)),
    "cnot-chain": (40, lambda: hardware_efficient(40, 3, 3)),
    "long-range": (12, lambda: strongly_entangling(12, 3, 4)),
    "ring": (16, lambda: ring(16, 3, 5)),
    "iqp": (9, lambda: all_to_all_iqp(9, 6)),
    "wide": (300, lambda: haar_brickwall(300, 6, 7)),
}


def readings(n: int) -> list[MeasurementProcess]:
    asked: list[MeasurementProcess] = [qml.expval(qml.Z(wire)) for wire in range(n)]
    asked += [qml.expval(qml.X(wire) @ qml.Y(wire + 1)) for wire in range(n - 1)]
    asked += [qml.expval(qml.Z(0) @ qml.Z(n - 1)), qml.probs(wires=[n - 1, 0, n // 2])]
    asked += [qml.density_matrix([n // 2, n // 2 - 1]), qml.expval(random_sum(n, n))]
    if n <= 40:
        asked.append(qml.var(random_sum(n, n)))
    if n <= 12:
        asked += [qml.probs(), qml.state()]
    return asked


@cache
def circuit(name: str) -> Circuit:
    n, build = CIRCUITS[name]
    return operations_of(build), readings(n)


@pytest.mark.parametrize("readout", ["local", "state"])
@pytest.mark.parametrize("name", CIRCUITS)
def test_threads_never_change_a_bit(name: str, readout: str) -> None:
    settings = {"max_bond_dim": 16, "readout": readout, "on_low_fidelity": "ignore"}
    results = []
    for threads in (1, 2, 4, 2, None):
        device = bondline(CIRCUITS[name][0], threads=threads, **settings)
        results.append(run_batch(device, [circuit(name)])[0])
    for other in results[1:]:
        assert same_bits(results[0], other)


@pytest.mark.parametrize("settings", [{}, {"c_dtype": np.complex64}, {"truncation": "svd"}])
def test_threads_never_change_a_bit_of_a_batch(settings: dict[str, Any]) -> None:
    n = 10
    rows: list[Circuit] = []
    for seed in range(12):
        rows.append((operations_of(partial(hardware_efficient, n, 3, seed)), readings(n)))
        rows.append((operations_of(partial(haar_brickwall, n, 6, seed)), readings(n)))
    limits = {"max_bond_dim": 8, "on_low_fidelity": "ignore"}
    batches = [
        run_batch(bondline(n, threads=threads, **limits, **settings), rows) for threads in (1, 2, 4)
    ]
    alone = [run_batch(bondline(n, threads=2, **limits, **settings), [row])[0] for row in rows]
    for row in range(len(rows)):
        assert same_bits(batches[0][row], batches[1][row])
        assert same_bits(batches[0][row], batches[2][row])
        assert same_bits(batches[0][row], alone[row])


@pytest.mark.parametrize("name", ["haar", "long-range"])
def test_calls_on_one_device_do_not_see_each_other(name: str) -> None:
    n = CIRCUITS[name][0]
    device = bondline(n, max_bond_dim=16, on_low_fidelity="ignore")
    first = run_batch(device, [circuit(name)])[0]
    run_batch(device, [(operations_of(lambda: hardware_efficient(n, 1, 8)), readings(n))])
    second = run_batch(device, [circuit(name)])[0]
    assert same_bits(first, second)


@pytest.mark.parametrize("readout", ["local", "state"])
@pytest.mark.parametrize("settings", [{}, {"max_bond_dim": 4}], ids=["exact", "truncated"])
def test_a_value_never_depends_on_what_else_is_returned(
    settings: dict[str, Any], readout: str
) -> None:
    n, operations = 8, operations_of(lambda: haar_brickwall(8, 8, 9))
    table = measurements(n)
    device = bondline(n, readout=readout, on_low_fidelity="ignore", **settings)
    together = dict(
        zip(table, run_batch(device, [(operations, [*table.values()])])[0], strict=True)
    )
    for name, measurement in table.items():
        (alone,) = run_batch(device, [(operations, [measurement])])[0]
        assert same_bits([alone], [together[name]]), name
