"""Observables become real sums of words and parts with a matrix, or are refused."""

from functools import reduce

import numpy as np
import pennylane as qml
import pytest
from pennylane.exceptions import DeviceError

from bondline import InputError
from bondline.measurements.pauli_sums import TERM_LIMIT, split
from bondline.measurements.words import product, word_of

MATRIX = np.array([[1.0, 2 - 1j], [2 + 1j, -3.0]])
MATRIX_WIRES = 10
LETTERS = {
    "I": np.eye(2),
    "X": qml.X.compute_matrix(),
    "Y": qml.Y.compute_matrix(),
    "Z": qml.Z.compute_matrix(),
    "0": np.diag([1, 0]),
    "1": np.diag([0, 1]),
}


def of_word(word, wires):
    letters = dict(word.items())
    return reduce(np.kron, [LETTERS[letters.get(wire, "I")] for wire in wires])


def dense(found, wires):
    total = np.zeros((2 ** len(wires),) * 2, dtype=complex)
    if found.words is not None:
        for coefficient, word in zip(found.words.coefficients, found.words.words, strict=True):
            total += coefficient * of_word(word, wires)
    for coefficient, part in found.parts:
        total += coefficient * qml.matrix(part, wire_order=wires)
    return total


def words_of(observable):
    found = split(observable, MATRIX_WIRES, expand=True)
    assert not found.parts
    return found.words


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
        qml.Projector([1, 0], [0, 2]),
        qml.prod(qml.Projector([1, 0], [0, 2]), qml.Y(1)) + 0.5 * qml.Projector([1], [2]),
        qml.exp(qml.X(0) @ qml.Z(2), 0.7) - qml.exp(2 * qml.I(1), 0.1),
        qml.Hermitian(MATRIX, 0),
        2 * qml.Hadamard(1),
    ],
)
@pytest.mark.parametrize("expand", [False, True])
def test_words_and_parts_have_the_matrix_of_the_observable(observable, expand):
    wires = [0, 1, 2]
    found = split(observable, MATRIX_WIRES, expand=expand)
    np.testing.assert_allclose(
        dense(found, wires), qml.matrix(observable, wire_order=wires), atol=1e-12
    )


@pytest.mark.parametrize("leaf", [qml.Hadamard(0), qml.Hermitian(MATRIX, 0)])
def test_a_single_leaf_without_words_is_left_to_its_matrix(leaf):
    found = split(leaf, MATRIX_WIRES, expand=True)
    assert found.words is None
    assert found.parts == ((1.0, leaf),)


def test_a_projector_is_one_word_on_any_number_of_wires():
    bits = [0, 1] * 100
    found = words_of(qml.Projector(bits, range(200)))
    assert found.words == (word_of({wire: str(bit) for wire, bit in enumerate(bits)}),)


@pytest.mark.parametrize(("first", "second"), [("X", "0"), ("0", "Y"), ("1", "1"), ("0", "1")])
def test_a_product_of_words_has_the_product_of_the_matrices(first, second):
    left, right = word_of({0: first, 1: "Z"}), word_of({0: second, 2: "1"})
    found = sum(
        (c * of_word(word, [0, 1, 2]) for word, c in product(left, right).items()),
        np.zeros((8, 8)),
    )
    expected = of_word(left, [0, 1, 2]) @ of_word(right, [0, 1, 2])
    np.testing.assert_allclose(found, expected, atol=1e-15)


def test_batched_coefficients_keep_their_axis_first():
    found = words_of(qml.s_prod(np.array([1.0, 2, 3]), qml.Z(0)))
    assert found.coefficients.tolist() == [[1.0], [2.0], [3.0]]


def test_autograd_coefficients_become_floats():
    found = words_of(qml.Hamiltonian(qml.numpy.array([1.0, 2.0]), [qml.X(0), qml.Z(0)]))
    assert type(found.coefficients) is np.ndarray
    assert found.coefficients.dtype == np.float64


@pytest.mark.parametrize(
    "observable", [qml.X(0) @ qml.Y(0), 1j * qml.Z(0), qml.prod(qml.Hadamard(0), qml.Z(0))]
)
def test_complex_coefficients_are_refused(observable):
    with pytest.raises(InputError, match="not Hermitian"):
        words_of(observable)


def test_coefficients_that_are_not_finite_are_refused():
    with pytest.raises(InputError, match="not finite"):
        words_of(float("nan") * qml.Z(0))


def test_long_expansions_and_wide_leaves_are_refused():
    with pytest.raises(DeviceError, match=f"more than {TERM_LIMIT}"):
        words_of(qml.prod(*[qml.Hadamard(i) for i in range(40)]))
    with pytest.raises(DeviceError, match="no Pauli form"):
        words_of(qml.prod(qml.Hermitian(np.eye(32), range(5)), *[qml.Z(i) for i in range(7, 14)]))
    wide = qml.dot(np.ones(TERM_LIMIT + 1), [qml.Z(i) for i in range(TERM_LIMIT + 1)])
    assert len(words_of(wide).words) == TERM_LIMIT + 1  # given as words: no limit
