"""States that are loaded at the start of a circuit, and which of them."""

from itertools import pairwise

import numpy as np
import pennylane as qml
import pytest

from bondline import InputError
from bondline.operators.preparations import (
    load,
    loadable,
    require_state,
    split,
    starts_with_preparation,
)

RNG = np.random.default_rng(3)


def random_state(wires):
    state = RNG.normal(size=(2, 2**wires))
    state = state[0] + 1j * state[1]
    return state / np.linalg.norm(state)


def random_chain(bonds):
    bonds = [1, *bonds, 1]
    tensors = [
        RNG.normal(size=(left, 2, right)) + 1j * RNG.normal(size=(left, 2, right))
        for left, right in pairwise(bonds)
    ]
    return tensors


def vector(tensors):
    found = np.ones((1, 1))
    for tensor in tensors:
        found = np.tensordot(found, tensor, axes=1).reshape(-1, tensor.shape[2])
    return found.ravel()


def sites(labels):
    return {label: index for index, label in enumerate(labels)}


def test_amplitudes_are_split_exactly():
    for wires in (1, 2, 5, 8):
        state = random_state(wires)
        tensors = split(state)
        assert len(tensors) == wires
        np.testing.assert_allclose(vector(tensors), state, atol=1e-12)
    assert max(tensor.shape[2] for tensor in split(np.eye(1, 2**9)[0])) == 1


def test_the_tensors_of_mpsprep_keep_the_order_of_their_wires():
    tensors = random_chain([2, 2])
    given = [tensors[0][0], tensors[1], tensors[2][..., 0]]
    operator = qml.MPSPrep(given, ["c", "a", "b"], work_wires=["w"])
    found = load([operator], sites("abcw"))
    assert found.wires == (2, 0, 1)
    assert found.vectors is None
    expected = vector(tensors) / np.linalg.norm(vector(tensors))
    np.testing.assert_allclose(vector(found.tensors), expected, atol=1e-12)


def test_amplitudes_beside_tensors_become_tensors():
    chain = qml.MPSPrep([np.eye(2), np.eye(2)], [0, 1])
    state = random_state(2)
    found = load([qml.StatePrep(state, [3, 2]), chain], sites(range(4)))
    assert found.wires == (3, 2, 0, 1)
    np.testing.assert_allclose(
        vector(found.tensors), np.kron(state, [1, 0, 0, 1]) / np.sqrt(2), atol=1e-12
    )


def test_amplitudes_on_different_wires_are_tensored_batch_by_batch():
    batch = np.array([[1, 0], [0.6, 0.8]])
    single = random_state(2)
    found = load([qml.StatePrep(single, ["a", "b"]), qml.StatePrep(batch, "c")], sites("abc"))
    assert found.batch == 2
    np.testing.assert_allclose(found.vectors, [np.kron(single, row) for row in batch])


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (qml.AmplitudeEmbedding([3.0, 4.0], 0, normalize=True), [0.6, 0.8]),
        (qml.AmplitudeEmbedding([1.0], 0, pad_with=1.0), np.sqrt([0.5, 0.5])),
        (qml.CosineWindow([0, 1]), [0, 0.5, np.sqrt(0.5), 0.5]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_other_amplitudes(operator, expected):
    np.testing.assert_allclose(load([operator], sites(range(2))).vectors, [expected], atol=1e-12)


def test_sparse_amplitudes():
    sparse = pytest.importorskip("scipy.sparse")
    operator = qml.StatePrep(sparse.csr_matrix([0, 0, 0, 1j]), [0, 1])
    np.testing.assert_allclose(load([operator], sites(range(2))).vectors, [[0, 0, 0, 1j]])


@pytest.mark.parametrize(
    ("state", "words"),
    [([1, 1], "Give normalize=True"), ([0, 0], "all zero"), ([np.nan, 1], "are not finite")],
)
def test_amplitudes_that_are_no_state_are_refused(state, words):
    with pytest.raises(InputError, match=words):
        load([qml.StatePrep(state, 0)], sites([0]))


def names(operations, **options):
    return [operator.wires.tolist() for operator in loadable(operations, **options)]


def test_a_preparation_is_loaded_where_nothing_acted_before():
    one = [1, 0]
    assert names([qml.H(0), qml.StatePrep(one, 1), qml.StatePrep(one, 0)]) == [[1]]
    assert names([qml.StatePrep(one, 0), qml.StatePrep(one, 0)]) == [[0]]
    assert names([qml.Barrier(0), qml.StatePrep(one, 0)]) == [[0]]
    assert names([qml.BasisState([1], 0), qml.StatePrep(one, 0)]) == []
    assert names([qml.H(0)]) == []


def test_at_most_twenty_wires_are_loaded():
    first = qml.StatePrep(np.eye(1, 2**12)[0], range(12))
    second = qml.StatePrep(np.eye(1, 2**12)[0], range(12, 24))
    third = qml.StatePrep([1, 0], 24)
    assert [len(found) for found in names([first, second, third])] == [12, 1]


def test_a_batch_is_not_loaded_beside_tensors():
    chain = qml.MPSPrep([np.eye(2), np.eye(2)], [0, 1])
    assert names([qml.StatePrep(np.eye(2), 2), chain]) == [[0, 1]]


def test_a_state_of_the_device_is_replaced_by_a_preparation_that_comes_first():
    one = qml.StatePrep([1, 0], 1)
    assert names([qml.H(0), one], initial=True) == []
    assert names([qml.BasisState([1], 0), one], initial=True) == [[1]]
    assert not starts_with_preparation([qml.Snapshot(), qml.H(0), one])
    assert starts_with_preparation([qml.Snapshot(), qml.MPSPrep([np.eye(2), np.eye(2)], [0, 1])])


class Chain:
    def __init__(self, wires, tensors):
        self.wires = wires
        self.tensors = tensors


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (np.ones(2), "got ndarray"),
        (Chain([0], []), "1 wires and 0 tensors"),
        (Chain([0, 0], [np.ones((1, 2, 1))] * 2), "every wire once"),
        (Chain([5], [np.ones((1, 2, 1))]), r"\[5\], which are not on the device"),
        (Chain([0], [np.ones((2, 2))]), "the right bond 2"),
    ],
)
def test_what_is_no_state_of_a_device_is_refused(state, words):
    with pytest.raises(InputError, match=words):
        require_state(state, qml.wires.Wires([0, 1]))
