"""Plans are made once per structure; bondline's own Python frames stay few."""

from __future__ import annotations

import cProfile
import pstats

import numpy as np
import pennylane as qml
import pytest

from bondline import _core

WIRES = 100


def ising_circuit(angles):
    for layer in angles:
        for wire in range(WIRES):
            qml.RX(layer[wire, 0], wires=wire)
            qml.RY(layer[wire, 1], wires=wire)
            qml.RZ(layer[wire, 2], wires=wire)
    return qml.expval(
        qml.sum(
            *[qml.Z(w) @ qml.Z(w + 1) for w in range(WIRES - 1)],
            *[qml.X(w) for w in range(WIRES)],
        )
    )


def test_new_parameters_reuse_the_plan() -> None:
    circuit = qml.QNode(ising_circuit, qml.device("bondline.mps", wires=WIRES))
    rng = np.random.default_rng(5)
    # A structure that no other test has: two layers of this width.
    hits, misses, _ = _core.plan_cache_info()
    values = [float(circuit(rng.normal(size=(2, WIRES, 3)))) for _ in range(3)]
    assert len(set(values)) == 3
    after_hits, after_misses, size = _core.plan_cache_info()
    assert (after_hits - hits, after_misses - misses) == (2, 1)
    assert size >= 1


def test_parameter_shift_of_one_circuit_is_one_plan() -> None:
    device = qml.device("bondline.mps", wires=3)

    @qml.qnode(device)
    def circuit(x):
        qml.RX(x[0], wires=0)
        qml.CNOT(wires=[0, 2])
        qml.RY(x[1], wires=2)
        qml.IsingXX(x[2], wires=[1, 2])
        return qml.expval(qml.Z(2))

    _, misses, _ = _core.plan_cache_info()
    qml.grad(circuit)(qml.numpy.array([0.1, 0.2, 0.3], requires_grad=True))
    assert _core.plan_cache_info()[1] - misses == 1


@pytest.mark.parametrize("differentiated", [False, True], ids=["values", "derivatives"])
def test_no_function_of_ours_is_called_for_each_gate(differentiated: bool) -> None:
    # Counts calls, not seconds: with 600 gates, a per-gate helper would show as 600 calls. Whether
    # an operator is native is asked once for each, by PennyLane's decomposition.
    device = qml.device("bondline.mps", wires=WIRES)
    circuit = qml.QNode(ising_circuit, device)
    angles = qml.numpy.array(np.random.default_rng(6).normal(size=(2, WIRES, 3)))
    function = qml.grad(circuit) if differentiated else circuit
    function(angles)
    profile = cProfile.Profile()
    profile.runcall(function, angles)
    calls = {
        name: count
        for (path, _, name), (count, *_) in pstats.Stats(profile).stats.items()
        if "bondline" in path and "tests" not in path
    }
    many = {name: count for name, count in calls.items() if count >= 300}
    # Values and derivatives each ask for 199 words.
    words = {"__missing__", "<listcomp>"} if differentiated else set()
    assert set(many) <= {"is_native"} | words, many
