"""Probabilities of chosen bitstrings, at widths where no table of them exists."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pennylane as qml
import pytest

import bondline
from bondline import InputError, UnsupportedError


def block(wires, angle):
    """Four entangled wires."""
    for number, wire in enumerate(wires):
        qml.RY(0.4 + angle + 0.3 * number, wires=wire)
    for first, second in pairwise(wires):
        qml.CNOT([first, second])
    for wire in wires:
        qml.RX(0.8, wires=wire)
    qml.CRY(1.1, wires=[wires[-1], wires[0]])


def all_bitstrings(n):
    return (np.arange(2**n)[:, None] >> np.arange(n)[::-1]) & 1


def blocks(device, n):
    @qml.qnode(device)
    def circuit(angle):
        for start in range(0, n, 4):
            block(list(range(start, start + 4)), angle + 0.01 * start)
        return qml.expval(qml.Z(0))

    return circuit


def block_distribution(angle):
    @qml.qnode(qml.device("default.qubit", wires=4))
    def circuit():
        block([0, 1, 2, 3], angle)
        return qml.probs(wires=range(4))

    return np.asarray(circuit())


def test_a_thousand_strings_on_two_hundred_wires():
    n = 200
    rng = np.random.default_rng(1)
    bits = rng.integers(2, size=(1000, n))
    found = bondline.log_probability(blocks(qml.device("bondline.mps", wires=n), n), bits)(0.2)
    expected = np.zeros(1000)
    for start in range(0, n, 4):
        index = bits[:, start : start + 4] @ [8, 4, 2, 1]
        expected += np.log(block_distribution(0.2 + 0.01 * start))[index]
    assert found.shape == (1000,)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert expected.max() < -100  # nothing that a table would hold


def test_all_strings_together_are_the_distribution():
    device = qml.device("bondline.mps", wires=4, cutoff=0.0)
    found = bondline.probability(blocks(device, 4), all_bitstrings(4))(0.7)
    np.testing.assert_allclose(found, block_distribution(0.7), atol=1e-12)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)


def test_entries_follow_the_wires_of_the_device():
    @qml.qnode(qml.device("bondline.mps", wires=["b", "a", 5]))
    def circuit():
        qml.X("a")
        qml.RX(0.6, wires=5)
        return qml.expval(qml.Z("b"))

    found = bondline.probability(circuit, ["010", "011", "100"])()
    np.testing.assert_allclose(found, [math.cos(0.3) ** 2, math.sin(0.3) ** 2, 0], atol=1e-12)
    log = bondline.log_probability(circuit, ["100"])()
    assert log[0] < math.log(1e-25)


def test_one_string_gives_a_number_and_a_batch_comes_first():
    circuit = blocks(qml.device("bondline.mps", wires=4, cutoff=0.0), 4)
    angles = np.array([0.1, 0.2, 0.3])
    expected = np.array([block_distribution(angle) for angle in angles])
    assert np.shape(bondline.probability(circuit, "0000")(0.1)) == ()
    assert bondline.probability(circuit, [0, 0, 1, 1])(0.1) == pytest.approx(expected[0, 3])
    batch = bondline.probability(circuit, ["0011", "1111"])(angles)
    np.testing.assert_allclose(batch, expected[:, [3, 15]], atol=1e-12)
    assert bondline.probability(circuit, "0011")(angles).shape == (3,)
    assert bondline.probability(circuit, "0011")(angles[:1]).shape == (1,)


def test_probabilities_belong_to_the_whole_state_not_to_the_light_cone():
    # Lossy on purpose: the probabilities of all strings of one truncated state add up to one. With
    # neighbours only, the state that is asked for its tensors is the same: nothing is swapped back.
    device = qml.device("bondline.mps", wires=8, max_bond_dim=3, on_low_fidelity="ignore")

    @qml.qnode(device)
    def circuit():
        for layer in range(4):
            for wire in range(8):
                qml.RY(0.4 + 0.3 * wire - layer, wires=wire)
            for first, second in pairwise(range(8)):
                qml.CRX(1.1, wires=[first, second])
        return qml.expval(qml.Z(0))

    strings = all_bitstrings(8)
    found = bondline.probability(circuit, strings)()
    assert found.sum() == pytest.approx(1.0, abs=1e-10)
    np.testing.assert_allclose(
        found, bondline.mps_state(circuit)().probability(strings), atol=1e-10
    )
    assert device.reports[0].light_cone == (None,)


def test_widths_and_circuits_that_do_not_fit_are_refused():
    circuit = blocks(qml.device("bondline.mps", wires=4), 4)
    with pytest.raises(InputError, match="each of the 4 wires"):
        bondline.probability(circuit, ["01"])(0.1)
    with pytest.raises(InputError, match="Integers do not stand for bitstrings"):
        bondline.probability(circuit, [3, 5])
    with pytest.raises(InputError, match="probability needs a QNode"):
        bondline.probability(block, ["01"])

    @qml.qnode(qml.device("bondline.mps", wires=2))
    def measuring():
        qml.measure(0)
        return qml.expval(qml.Z(1))

    with pytest.raises(UnsupportedError, match="measures in its middle"):
        bondline.probability(measuring, ["01"])()


def test_gradients_of_the_qnode_go_on_as_before():
    circuit = blocks(qml.device("bondline.mps", wires=4), 4)
    before = circuit(0.3)
    bondline.probability(circuit, ["0000"])(0.3)
    assert circuit(0.3) == before
