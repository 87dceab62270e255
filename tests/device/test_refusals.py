"""What the device cannot do it refuses before any work, by name and with the way out."""

import numpy as np
import pennylane as qml
import pytest
from pennylane.exceptions import DeviceError, QuantumFunctionError

import bondline
from bondline import _core


@pytest.fixture(autouse=True)
def _no_work(monkeypatch):
    def run(groups, settings):
        raise AssertionError("the engine was started")

    monkeypatch.setattr(_core, "run", run)


def call(function, wires=3, **settings):
    return qml.QNode(function, qml.device("bondline.mps", wires=wires, **settings))()


def after(operator, measurement=None):
    def circuit():
        qml.apply(operator)
        return qml.expval(qml.Z(0)) if measurement is None else qml.apply(measurement)

    return circuit


@pytest.mark.parametrize(
    "measurement",
    [
        qml.sample(wires=0),
        qml.counts(wires=0),
        qml.classical_shadow(wires=[0, 1]),
        qml.shadow_expval(qml.Z(0)),
    ],
    ids=repr,
)
def test_measurements(measurement):
    with pytest.raises(DeviceError, match="not accepted for analytic simulation on bondline"):
        call(after(qml.H(0), measurement))


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        (qml.AmplitudeDamping(0.1, 0), r"AmplitudeDamping.*default\.mixed"),
        (qml.DepolarizingChannel(0.1, 0), "noise channel"),
        (qml.TRX(0.1, 0, subspace=(0, 1)), "qutrit"),
        (qml.MPSPrep([np.eye(2), np.eye(2)], [0, 1]), "StatePrep"),
    ],
    ids=repr,
)
def test_operators(operator, words):
    with pytest.raises(DeviceError, match=words):
        call(after(operator))


@pytest.mark.parametrize(
    ("measurement", "words"),
    [
        (qml.expval(qml.Hermitian(np.eye(2**7), range(7))), "at most 6 wires"),
        (qml.expval(qml.Projector([0] * 11, range(11))), "qml.probs"),
        (qml.density_matrix(range(11)), "at most 10"),
        (qml.purity(range(11)), "at most 10"),
        (qml.expval(qml.prod(*[qml.Hadamard(i) for i in range(20)])), "more than 4096 Pauli words"),
        (qml.probs(op=qml.prod(*[qml.X(i) for i in range(7)])), "at most 6"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_observables_that_are_too_large(measurement, words):
    with pytest.raises(DeviceError, match=words):
        call(after(qml.H(0), measurement), wires=20)


@pytest.mark.parametrize(
    ("operator", "measurement", "words"),
    [
        (qml.RX(float("nan"), 1), None, r"Operation 0, RX\(nan, wires=\[1\]\)"),
        (qml.Rot(0.1, float("inf"), 0.2, 1), None, "not finite"),
        (qml.QubitUnitary(np.ones((2, 2)), 0), None, "not unitary"),
        (qml.QubitUnitary(np.ones((8, 8)), [0, 1, 2]), None, "not unitary"),
        (qml.H(0), qml.expval(qml.X(0) @ qml.Y(0)), "not Hermitian"),
        (qml.H(0), qml.expval(qml.RX(0.1, 0)), "not Hermitian"),
        (qml.H(0), qml.expval(float("inf") * qml.X(0)), "not finite"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_values_that_make_no_sense(operator, measurement, words):
    with pytest.raises(bondline.InputError, match=words):
        call(after(operator, measurement))


@pytest.mark.parametrize("method", ["adjoint", "backprop", "device"])
def test_gradient_methods(method):
    with pytest.raises(QuantumFunctionError):
        qml.QNode(lambda: qml.expval(qml.Z(0)), qml.device("bondline.mps"), diff_method=method)()


@pytest.mark.parametrize("method", ["adjoint", "backprop", "device"])
def test_gradient_methods_of_a_configuration(method):
    config = qml.devices.ExecutionConfig(gradient_method=method)
    with pytest.raises(QuantumFunctionError, match="parameter-shift"):
        qml.device("bondline.mps").setup_execution_config(config)


@pytest.mark.parametrize("method", ["one-shot", "tree-traversal", "device"])
def test_methods_of_mid_circuit_measurement(method):
    def circuit():
        return qml.expval(qml.measure(0))

    qnode = qml.QNode(circuit, qml.device("bondline.mps", wires=2), mcm_method=method)
    with pytest.raises((DeviceError, QuantumFunctionError, ValueError), match=method):
        qnode()


def test_settings():
    with pytest.raises(TypeError, match="did you mean 'max_bond_dim'"):
        qml.device("bondline.mps", max_bonddim=4)
    with pytest.raises(bondline.InputError, match="max_bond_dim"):
        qml.device("bondline.mps", max_bond_dim=0)
    with pytest.raises(bondline.UnsupportedError, match="parameter-shift"):
        qml.device("bondline.mps", gradient="adjoint")
    config = qml.devices.ExecutionConfig(device_options={"max_bond": 3})
    with pytest.raises(TypeError, match="device_options"):
        qml.device("bondline.mps").setup_execution_config(config)


def test_an_ordering_of_another_length():
    with pytest.raises(bondline.InputError, match="ordering lists 2 sites"):
        call(after(qml.H(0)), wires=3, ordering=[1, 0])
