"""How the tests run a circuit, and how they compare what comes back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.devices import Device
from pennylane.measurements import MeasurementProcess
from pennylane.operation import Operator

Array = NDArray[Any]

# Exact simulation: nothing dropped but rounding.
EXACT: dict[str, Any] = {"max_bond_dim": None, "cutoff": 0.0}


def bondline(wires: Any, **settings: Any) -> Device:
    """Return the device under test."""
    device: Device = qml.device("bondline.mps", wires=wires, **settings)
    return device


def run_on(
    device: Device, operations: Sequence[Operator], measurements: Sequence[MeasurementProcess]
) -> list[Any]:
    """Run one circuit through the whole pipeline of a device; one value per measurement."""
    return run_batch(device, [(operations, measurements)])[0]


def run_batch(
    device: Device,
    circuits: Sequence[tuple[Sequence[Operator], Sequence[MeasurementProcess]]],
) -> list[list[Any]]:
    """Run several circuits in one call; per circuit one value per measurement."""
    tapes = [qml.tape.QuantumScript(*circuit) for circuit in circuits]
    results = qml.execute(tapes, device, diff_method=None)
    return [
        [result] if len(tape.measurements) == 1 else list(result)
        for tape, result in zip(tapes, results, strict=True)
    ]


def assert_values_agree(
    values: Sequence[Any], expected: Sequence[Any], names: Sequence[str], tolerance: float
) -> None:
    """Compare values of equal shape and say which of them are off, and by how much."""
    assert len(values) == len(expected) == len(names)
    wrong = []
    for name, value, reference in zip(names, values, expected, strict=True):
        value, reference = np.asarray(value), np.asarray(reference)
        if value.shape != reference.shape:
            wrong.append(f"{name}: shape {value.shape}, expected {reference.shape}")
            continue
        deviation = abs(value - reference).max(initial=0.0)
        if not deviation <= tolerance:  # also true for nan
            wrong.append(f"{name}: off by {deviation:.2e}")
    assert not wrong, f"beyond {tolerance:.0e}: " + "; ".join(wrong)


def same_bits(first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Say whether two results are equal to the last bit."""
    return len(first) == len(second) and all(
        np.shape(left) == np.shape(right)
        and np.asarray(left).tobytes() == np.asarray(right).tobytes()
        for left, right in zip(first, second, strict=True)
    )
