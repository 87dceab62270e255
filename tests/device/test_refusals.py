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
def test_measurements_that_need_shots(measurement):
    with pytest.raises(DeviceError, match=r"qml\.set_shots"):
        call(after(qml.H(0), measurement))


@pytest.mark.parametrize(
    "measurement",
    [qml.state(), qml.density_matrix(0), qml.vn_entropy(0), qml.purity(0), qml.mutual_info(0, 1)],
    ids=repr,
)
def test_measurements_that_have_no_shots(measurement):
    qnode = qml.QNode(after(qml.H(0), measurement), qml.device("bondline.mps", wires=3))
    with pytest.raises(DeviceError, match=r"set_shots\(qnode, None\)"):
        qml.set_shots(qnode, 10)()


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        (qml.AmplitudeDamping(0.1, 0), r"AmplitudeDamping.*default\.mixed"),
        (qml.DepolarizingChannel(0.1, 0), "noise channel"),
        (qml.TRX(0.1, 0, subspace=(0, 1)), "qutrit"),
        (qml.TRX(0.1, 0, subspace=(0, 1)), r"default\.qutrit"),
        (qml.Displacement(0.1, 0.2, 0), "continuous variables"),
        (qml.QubitDensityMatrix(np.eye(2) / 2, 0), "mixed state"),
        (qml.Hermitian(np.eye(2), 0), "observable"),
        (qml.QubitUnitary(np.eye(512), range(9)), "at most 8"),
        (qml.exp(qml.sum(*map(qml.X, range(9))) @ qml.Z(0), 1j), "TrotterProduct"),
        (qml.BlockEncode(np.eye(300), range(10)), "at most 8"),
        (qml.ops.Adjoint(qml.MPSPrep([np.eye(2), np.eye(2)], [0, 1])), "MPSPrep"),
        (qml.StatePrep(np.eye(1, 2**21)[0], range(21)), "at most 20"),
    ],
    ids=repr,
)
def test_operators(operator, words):
    with pytest.raises(DeviceError, match=words):
        call(after(operator), wires=21)


def test_a_state_that_comes_too_late():
    chain = qml.MPSPrep([np.eye(2), np.eye(2)], [0, 1])
    with pytest.raises(DeviceError, match="Put it first"):
        call(after(qml.prod(chain, qml.H(0))))


@pytest.mark.parametrize(
    ("measurement", "words"),
    [
        (qml.expval(qml.Hermitian(np.eye(2**11), range(11))), "at most 10 wires"),
        (qml.density_matrix(range(11)), r"qml\.density_matrix needs .*at most 10"),
        (
            qml.var(
                qml.Hermitian(np.eye(2**6), range(6))
                + qml.Z(9) @ qml.Z(15)
                + qml.sum(*map(qml.X, range(10, 15)))
            ),
            "at most 10",
        ),
        (qml.expval(qml.prod(*[qml.Hadamard(i) for i in range(20)])), "more than 4096 words"),
        (qml.probs(op=qml.prod(*[qml.X(i) for i in range(11)])), "at most 10"),
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
        (qml.ctrl(qml.QubitUnitary(np.ones((2, 2)), 0), [1, 2]), None, "not unitary"),
        (qml.DiagonalQubitUnitary([1, 2, 1, 1], [0, 1]), None, "not unitary"),
        (qml.Projector([1, 0], [0, 1]), None, "not unitary"),
        (qml.StatePrep([1, 1], 0, validate_norm=False), None, "Give normalize=True"),
        (qml.StatePrep([float("nan"), 1], 0, validate_norm=False), None, "are not finite"),
        (qml.StatePrep([0.0, 0.0], 0, validate_norm=False), None, "all zero"),
        (qml.MPSPrep([np.zeros((2, 2)), np.eye(2)], [0, 1]), None, "is zero"),
        (qml.H(0), qml.expval(qml.X(0) @ qml.Y(0)), "not Hermitian"),
        (qml.H(0), qml.expval(qml.RX(0.1, 0)), "not Hermitian"),
        (qml.H(0), qml.expval(float("inf") * qml.X(0)), "not finite"),
        (qml.H(0), qml.expval(None), r"expval needs an observable.*qml\.expval\(qml\.Z\(0\)\)"),
        (qml.H(0), qml.var(None), "var needs an observable"),
        (qml.H(0), qml.vn_entropy(wires=[0], log_base=1), "greater than 1"),
        (qml.H(0), qml.vn_entropy(wires=[0], log_base=-2), "log_base"),
        (qml.H(0), qml.mutual_info([0], [1], log_base=0), "log_base"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_values_that_make_no_sense(operator, measurement, words):
    with pytest.raises(bondline.InputError, match=words):
        call(after(operator, measurement))


def test_backpropagation():
    with pytest.raises(QuantumFunctionError):
        qml.QNode(lambda: qml.expval(qml.Z(0)), qml.device("bondline.mps"), diff_method="backprop")
    config = qml.devices.ExecutionConfig(gradient_method="backprop")
    with pytest.raises(QuantumFunctionError, match='Use diff_method="adjoint"'):
        qml.device("bondline.mps").setup_execution_config(config)


def test_settings():
    with pytest.raises(TypeError, match="did you mean 'max_bond_dim'"):
        qml.device("bondline.mps", max_bonddim=4)
    with pytest.raises(bondline.InputError, match="max_bond_dim"):
        qml.device("bondline.mps", max_bond_dim=0)
    with pytest.raises(bondline.InputError, match="gradient must be one of"):
        qml.device("bondline.mps", gradient="backprop")
    config = qml.devices.ExecutionConfig(device_options={"max_bond": 3})
    with pytest.raises(TypeError, match="device_options"):
        qml.device("bondline.mps").setup_execution_config(config)


def test_an_ordering_of_another_length():
    with pytest.raises(bondline.InputError, match="ordering lists 2 sites, and the device has 3"):
        qml.device("bondline.mps", wires=3, ordering=[1, 0])
    with pytest.raises(bondline.InputError, match="ordering lists 2 sites, and circuit 0 has 1"):
        call(after(qml.H(0)), wires=None, ordering=[1, 0])


def test_settings_are_fixed():
    device = qml.device("bondline.mps", wires=2)
    for name in ("max_bond_dim", "cutoff", "c_dtype", "seed", "initial_state"):
        with pytest.raises(AttributeError, match=rf'qml.device\("bondline.mps", {name}=…\)'):
            setattr(device, name, 7)
    assert device.config == bondline.MpsConfig()


def test_an_initial_state_that_is_none():
    with pytest.raises(bondline.InputError, match="wires and tensors"):
        qml.device("bondline.mps", wires=1, initial_state=[1, 0])


def test_qjit():
    # Without Catalyst PennyLane says so; with it the device's TOML says that it cannot.
    words = "bondline|catalyst"
    with pytest.raises(Exception, match=words):
        qml.qjit(qml.QNode(after(qml.H(0)), qml.device("bondline.mps", wires=1)))()


def test_a_table_of_all_outcomes_with_shots():
    device = qml.device("bondline.mps", wires=40)
    with pytest.raises(DeviceError, match=r"^qml\.counts lists .*Drop all_outcomes"):
        qml.set_shots(qml.QNode(lambda: qml.counts(all_outcomes=True), device), 5)()
    with pytest.raises(DeviceError, match=r"^qml\.probs lists .*Use qml\.sample or qml\.counts"):
        qml.set_shots(qml.QNode(qml.probs, device), 5)()


@pytest.mark.parametrize("name", ["mcm_method", "postselect_mode", "diff_method"])
def test_keywords_of_the_qnode(name):
    with pytest.raises(TypeError, match=f"belongs to the QNode.*{name}=.*initial_state"):
        qml.device("bondline.mps", wires=2, **{name: "device"})
    with pytest.raises(TypeError, match="did you mean 'initial_state'"):
        qml.device("bondline.mps", wires=2, initialstate=None)
