"""Reports and warnings of real runs, smooth circuits first: there the norm promises too much."""

from __future__ import annotations

import json
import math
import pickle
import warnings

import numpy as np
import pennylane as qml
import pytest

from bondline import LowFidelityError, LowFidelityWarning

WIRES = 12


def trotter(dt, steps):
    """Queue the evolution of a critical Ising chain from all spins up."""
    for _ in range(steps):
        for wire in range(WIRES - 1):
            qml.IsingZZ(2 * dt, wires=[wire, wire + 1])
        for wire in range(WIRES):
            qml.RX(2 * dt, wires=wire)


def energy():
    terms = [qml.Z(w) @ qml.Z(w + 1) for w in range(WIRES - 1)] + [qml.X(w) for w in range(WIRES)]
    return qml.expval(qml.dot(np.ones(len(terms)), terms))


# (dt, steps, max_bond_dim, how near the corrected estimate comes to the truth)
# Measured: .012, .012, .050, .044, swept on the way as well as around a centre.
SMOOTH = [(0.05, 60, 8, 0.05), (0.02, 150, 8, 0.05), (0.1, 40, 8, 0.055), (0.1, 40, 4, 0.1)]


def evolved(dt, steps, bound, measure, **settings):
    device = qml.device("bondline.mps", wires=WIRES, max_bond_dim=bound, **settings)

    @qml.qnode(device)
    def circuit():
        trotter(dt, steps)
        return measure()

    return device, circuit


@pytest.mark.parametrize(("dt", "steps", "bound", "distance"), SMOOTH)
def test_the_estimate_of_a_smooth_circuit_is_corrected_and_the_warning_comes(
    dt, steps, bound, distance
):
    device, circuit = evolved(dt, steps, bound, qml.state)
    with pytest.warns(LowFidelityWarning, match="errors add up coherently"):
        found = circuit()
    (report,) = device.reports
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exact = evolved(dt, steps, None, qml.state)[1]()
    truth = abs(np.vdot(exact, found)) ** 2
    assert report.fidelity_method == "coherence-corrected"
    assert abs(report.fidelity_estimate - truth) < distance
    # The norm alone promises too much, and the corrected estimate is nearer to the truth.
    assert report.norm > truth + 0.03
    assert abs(report.fidelity_estimate - truth) < 0.6 * abs(report.norm - truth)


@pytest.mark.parametrize(("dt", "steps", "bound", "distance"), SMOOTH)
def test_the_warning_comes_too_where_only_local_values_are_measured(dt, steps, bound, distance):
    device, circuit = evolved(dt, steps, bound, energy)
    with pytest.warns(LowFidelityWarning, match="discarded in its light cone add up to"):
        circuit()
    (report,) = device.reports
    assert report.coherence > 1.5
    assert report.value_fidelities[0] == pytest.approx(
        math.exp(-report.coherence * report.light_cone[0])
    )


def brickwall(n, depth, seed):
    rng = np.random.default_rng(seed)
    for layer in range(depth):
        for wire in range(layer % 2, n - 1, 2):
            for site in (wire, wire + 1):
                qml.Rot(*rng.uniform(0, 2 * np.pi, 3), wires=site)
            qml.IsingXX(rng.uniform(0, 2 * np.pi), wires=[wire, wire + 1])
            qml.IsingZZ(rng.uniform(0, 2 * np.pi), wires=[wire, wire + 1])


def test_the_norm_of_a_random_circuit_is_left_nearly_alone():
    device = qml.device("bondline.mps", wires=12, max_bond_dim=8, on_low_fidelity="ignore")

    @qml.qnode(device)
    def circuit():
        brickwall(12, 10, seed=4)
        return qml.state()

    found = circuit()
    (report,) = device.reports
    exact = qml.QNode(circuit.func, qml.device("default.qubit", wires=12))()
    truth = abs(np.vdot(exact, found)) ** 2
    assert report.norm < 0.99
    assert report.coherence < 1.5
    assert abs(report.fidelity_estimate - truth) < 0.05


def test_nothing_discarded_is_nothing_corrected():
    device = qml.device("bondline.mps", wires=4)

    @qml.qnode(device)
    def circuit():
        brickwall(4, 3, seed=1)
        return qml.state()

    circuit()
    (report,) = device.reports
    assert report.fidelity_estimate == pytest.approx(1.0, abs=1e-9)
    assert report.branches == 1
    assert report.peak_bytes > 0
    assert "Nothing was discarded" in str(report) or report.total_discarded < 1e-18


def test_a_thousand_wires_do_not_warn_by_their_number():
    # Every bond loses a little: the whole state a lot, no value much.
    n = 1000
    device = qml.device("bondline.mps", wires=n, max_bond_dim=6, ordering="given")

    @qml.qnode(device)
    def circuit():
        for layer in range(8):
            for wire in range(n):
                qml.RY(0.8, wires=wire)
            for wire in range(layer % 2, n - 1, 2):
                qml.IsingXX(0.8, wires=[wire, wire + 1])
        return [qml.expval(qml.Z(wire)) for wire in range(n)]

    with warnings.catch_warnings():
        warnings.simplefilter("error", LowFidelityWarning)
        circuit()
    (report,) = device.reports
    assert report.fidelity_estimate < 0.9
    assert min(report.value_fidelities) > 0.99


def lossy(device, measure=qml.state):
    @qml.qnode(device)
    def circuit(angle):
        qml.RY(angle, wires=0)
        brickwall(10, 8, seed=2)
        return measure()

    return circuit


def count_warnings(call, *arguments):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(*arguments)
    found = [entry for entry in caught if issubclass(entry.category, LowFidelityWarning)]
    assert all(entry.filename == __file__ for entry in found)
    return len(found)


def test_a_qnode_warns_once_at_the_line_that_called_it():
    device = qml.device("bondline.mps", wires=10, max_bond_dim=4)
    circuit = lossy(device)
    assert count_warnings(circuit, 0.1) == 1
    assert count_warnings(circuit, 0.2) == 0
    assert count_warnings(circuit, np.array([0.1, 0.2])) == 0
    # Another measurement, another device.
    assert count_warnings(lossy(device, lambda: qml.probs(wires=[0, 1])), 0.1) == 1
    assert count_warnings(lossy(qml.device("bondline.mps", wires=10, max_bond_dim=4)), 0.1) == 1


def test_a_training_warns_once_through_the_interface():
    device = qml.device("bondline.mps", wires=10, max_bond_dim=4)
    circuit = lossy(device, lambda: qml.expval(qml.Z(5)))

    def train():
        angle = qml.numpy.array(0.1, requires_grad=True)
        for _ in range(2):
            angle = angle - 0.1 * qml.grad(circuit)(angle)

    assert count_warnings(train) == 1


def test_raising_comes_before_any_result_and_every_time():
    device = qml.device("bondline.mps", wires=10, max_bond_dim=4, on_low_fidelity="raise")
    circuit = lossy(device)
    for _ in range(2):
        with pytest.raises(LowFidelityError, match="try max_bond_dim=8 and compare"):
            circuit(0.1)
    assert device.reports[0].fidelity_estimate < 0.99  # what happened can still be read


def test_samples_are_judged_as_the_whole_state_and_name_their_seed():
    device = qml.device("bondline.mps", wires=10, max_bond_dim=4, seed=3)
    circuit = qml.set_shots(lossy(device, lambda: qml.expval(qml.Z(0))), 10)
    with pytest.warns(LowFidelityWarning, match="estimated fidelity"):
        circuit(0.1)
    (report,) = device.reports
    assert report.light_cone == (None,)
    first = report.seed
    assert first is not None
    circuit(0.1)
    assert device.reports[0].seed != first


def test_reports_of_a_training_pickle_and_go_to_json():
    device = qml.device("bondline.mps", wires=3)

    @qml.qnode(device, diff_method="parameter-shift")
    def circuit(angle):
        qml.RY(angle, wires=0)
        qml.CNOT([0, 1])
        return qml.expval(qml.Z(1))

    qml.grad(circuit)(qml.numpy.array(0.3, requires_grad=True))
    for report in device.reports:
        assert report.gradient_method is None or isinstance(report.gradient_method, str)
        assert pickle.loads(pickle.dumps(report)).wires == report.wires
        json.dumps(report.to_dict(), allow_nan=False)
