"""States go to quimb and come back: the same amplitudes, whatever quimb does to their gauge."""

import numpy as np
import pennylane as qml
import pytest
import quimb.tensor as quimb

import bondline


def prepared():
    """Return the state of a ring of gates."""

    @qml.qnode(qml.device("bondline.mps", wires=["a", "b", "c", "d", "e"], cutoff=0.0))
    def circuit():
        rng = np.random.default_rng(3)
        for _ in range(3):
            for wire in "abcde":
                qml.Rot(*rng.uniform(0, 6, 3), wires=wire)
            for pair in ("ab", "bc", "cd", "de", "ea"):
                qml.CNOT(list(pair))
        return qml.expval(qml.Z("a"))

    return bondline.mps_state(circuit)()


def amplitudes(state):
    vector = np.ones((1, 1))
    for tensor in state.tensors:
        vector = np.tensordot(vector, tensor, axes=1).reshape(-1, tensor.shape[2])
    return vector[:, 0]


def test_there_and_back():
    state = prepared()
    there = state.to_quimb()
    assert isinstance(there, quimb.MatrixProductState)
    dense = np.asarray(there.to_dense()).ravel()
    np.testing.assert_allclose(dense, amplitudes(state), atol=1e-12)
    back = bondline.MPS.from_quimb(there, wires=list("abcde"))
    assert back.wires == state.wires
    np.testing.assert_allclose(amplitudes(back), amplitudes(state), atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_states_of_quimb_in_any_gauge_and_norm(seed):
    there = quimb.MPS_rand_state(6, 4, dtype=complex, seed=seed)
    there.canonicalize_(3)
    there *= 2.5
    state = bondline.MPS.from_quimb(there)
    dense = np.asarray(there.to_dense()).ravel()
    dense = dense / np.linalg.norm(dense)
    np.testing.assert_allclose(abs(np.vdot(amplitudes(state), dense)), 1.0, atol=1e-12)
    assert state.overlap(state) == pytest.approx(1.0)
    z = bondline.MPS.from_quimb(quimb.MPS_computational_state("010110")).expval(qml.Z(1))
    assert z == pytest.approx(-1.0)
