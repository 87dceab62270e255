"""Observables become real sums of Pauli words, or are refused."""

import numpy as np
import pennylane as qml
import pytest
from pennylane.exceptions import DeviceError

from bondline import InputError
from bondline.pauli_sums import TERM_LIMIT, pauli_sum

MATRIX = np.array([[1.0, 2 - 1j], [2 + 1j, -3.0]])


def dense(found, wires):
    terms = zip(found.coefficients, found.words, strict=True)
    return sum(c * word.to_mat(wire_order=wires) for c, word in terms)


@pytest.mark.parametrize(
    "observable",
    [
        qml.Z(0),
        2.5 * qml.X(1) @ qml.Z(0) - qml.Y(1) + 3 * qml.I(),
        qml.Hamiltonian([1, 2.0], [qml.X(0), qml.Hadamard(1)]),
        qml.Hadamard(0) @ qml.Hadamard(1),
        qml.Hermitian(MATRIX, 0) + qml.Z(1),
        qml.Hermitian(MATRIX, 1) @ qml.Hermitian(np.kron(MATRIX, np.eye(2)), [0, 2]) - qml.X(2),
        qml.s_prod(0.5, qml.Hadamard(2)),
        qml.sum(
            qml.s_prod(2.0, qml.prod(qml.Hadamard(0), qml.X(1))), qml.Projector([1, 0], [0, 2])
        ),
        qml.prod(qml.sum(qml.Hadamard(0), qml.Z(1)), qml.Z(2)),
    ],
)
def test_the_sum_has_the_matrix_of_the_observable(observable):
    wires = [0, 1, 2]
    np.testing.assert_allclose(
        dense(pauli_sum(observable), wires), qml.matrix(observable, wire_order=wires), atol=1e-12
    )


@pytest.mark.parametrize(
    "leaf", [qml.Hadamard(0), qml.Hermitian(MATRIX, 0), qml.Projector([0, 1], [0, 1])]
)
def test_a_single_leaf_without_pauli_form_is_left_to_its_matrix(leaf):
    assert pauli_sum(leaf) is None


def test_batched_coefficients_keep_their_axis_first():
    found = pauli_sum(qml.s_prod(np.array([1.0, 2, 3]), qml.Z(0)))
    assert found.coefficients.tolist() == [[1.0], [2.0], [3.0]]


def test_autograd_coefficients_become_floats():
    found = pauli_sum(qml.Hamiltonian(qml.numpy.array([1.0, 2.0]), [qml.X(0), qml.Z(0)]))
    assert type(found.coefficients) is np.ndarray
    assert found.coefficients.dtype == np.float64


@pytest.mark.parametrize(
    "observable", [qml.X(0) @ qml.Y(0), 1j * qml.Z(0), qml.prod(qml.Hadamard(0), qml.Z(0))]
)
def test_complex_coefficients_are_refused(observable):
    with pytest.raises(InputError, match="not Hermitian"):
        pauli_sum(observable)


def test_coefficients_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="not finite"):
        pauli_sum(float("nan") * qml.Z(0))


def test_long_expansions_and_wide_leaves_are_refused():
    with pytest.raises(DeviceError, match=f"more than {TERM_LIMIT}"):
        pauli_sum(qml.prod(*[qml.Hadamard(i) for i in range(40)]))
    with pytest.raises(DeviceError, match="no Pauli form"):
        pauli_sum(qml.Hermitian(np.eye(32), range(5)) @ qml.Z(7))
    wide = qml.dot(np.ones(TERM_LIMIT + 1), [qml.Z(i) for i in range(TERM_LIMIT + 1)])
    assert len(pauli_sum(wide).words) == TERM_LIMIT + 1  # given as words: no limit
