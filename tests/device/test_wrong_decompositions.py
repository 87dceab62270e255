"""Operators that PennyLane would turn into another circuit without a word."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import pytest
from pennylane.exceptions import DeviceError

from bondline import InputError


def flipped(n: int, **keywords) -> float:
    @qml.qnode(qml.device("bondline.mps", wires=n + 1))
    def circuit():
        for wire in range(n - 1):
            qml.X(wire)
        qml.MultiControlledX(wires=range(n), **keywords)
        return qml.expval(qml.Z(n - 1))

    return float(circuit())


def test_wide_controlled_x_is_right_or_refused() -> None:
    assert flipped(8) == pytest.approx(-1.0, abs=1e-9)
    assert flipped(24, work_wires=[24]) == pytest.approx(-1.0, abs=1e-9)
    with pytest.raises(DeviceError, match="work wire"):
        flipped(23)


def test_a_diagonal_that_is_not_unitary_is_refused() -> None:
    @qml.qnode(qml.device("bondline.mps", wires=1))
    def circuit(diagonal):
        qml.Hadamard(0)
        qml.DiagonalQubitUnitary(diagonal, wires=0)
        return qml.expval(qml.X(0))

    assert circuit(np.array([1.0, 1.0j])) == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(InputError, match="not unitary"):
        circuit(np.array([1.0, 2.0]))


def test_a_controlled_matrix_that_is_not_unitary_is_refused() -> None:
    @qml.qnode(qml.device("bondline.mps", wires=3))
    def circuit(matrix, control):
        qml.X(2)
        qml.Hadamard(0)
        qml.ctrl(qml.QubitUnitary(matrix, wires=0), control=control)
        return qml.expval(qml.X(0))

    for control in ([2], [1, 2]):
        assert abs(circuit(np.diag([1.0, 1.0j]), control)) <= 1.0
        with pytest.raises(InputError, match="not unitary"):
            circuit(np.diag([1.0, 2.0]), control)
