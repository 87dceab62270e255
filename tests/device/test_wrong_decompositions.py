"""Operators that PennyLane would turn into another circuit without a word."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import pytest

from bondline import InputError


@pytest.mark.parametrize("n", [8, 23, 24, 30])
@pytest.mark.parametrize("work_wires", [(), ("w",)])
def test_wide_controlled_x_is_right(n: int, work_wires: tuple[str, ...]) -> None:
    # PennyLane 0.45.1 decomposes it wrongly on more than 22 wires without a work wire.
    @qml.qnode(qml.device("bondline.mps", wires=[*range(n), "w"]))
    def circuit(bits):
        qml.BasisState(bits, range(n - 1))
        qml.MultiControlledX(wires=range(n), work_wires=work_wires)
        return qml.expval(qml.Z(n - 1))

    bits = np.ones(n - 1, dtype=int)
    assert float(circuit(bits)) == pytest.approx(-1.0, abs=1e-9)
    bits[n // 2] = 0
    assert float(circuit(bits)) == pytest.approx(1.0, abs=1e-9)


def test_tensors_that_are_not_canonical_are_loaded_as_given() -> None:
    # PennyLane's decomposition needs right-canonical tensors and does not check that they are.
    tensors = [np.array([[0.6, 0.3], [0.2, 0.9]]), np.array([[1.0, 0.5], [0.1, 0.4]])]

    @qml.qnode(qml.device("bondline.mps", wires=2))
    def circuit():
        qml.MPSPrep(tensors, wires=[0, 1])
        return qml.state()

    expected = (tensors[0] @ tensors[1]).ravel()
    np.testing.assert_allclose(circuit(), expected / np.linalg.norm(expected), atol=1e-12)


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
