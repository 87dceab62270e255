"""Which methods of the device PennyLane calls, how often: upgrades are noticed here first."""

from collections import Counter

import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp

import bondline
from bondline import _core
from bondline.devices.mps import BondlineMPS

WATCHED = (
    "execute",
    "compute_derivatives",
    "execute_and_compute_derivatives",
    "compute_vjp",
    "execute_and_compute_vjp",
)


class Spy(BondlineMPS):
    """Counts calls, and how many circuits each `execute` was given."""

    def __init__(self, wires):
        super().__init__(wires=wires)
        self.calls = Counter()
        self.sizes = []

    def execute(self, circuits, execution_config=None):
        self.sizes.append(len(circuits))
        return super().execute(circuits, execution_config)

    def __getattribute__(self, name):
        if name in WATCHED:
            object.__getattribute__(self, "calls")[name] += 1
        return super().__getattribute__(name)


ANGLES = np.array([0.1, 0.2, 0.3])


def spied(**options):
    dev = Spy(wires=2)

    @qml.qnode(dev, **options)
    def circuit(angles):
        qml.RX(angles[0], 0)
        qml.RY(angles[1], 1)
        qml.CNOT([0, 1])
        qml.RX(angles[2], 1)
        return qml.expval(qml.Z(1))

    return dev, circuit


def by_numpy(circuit):
    return circuit(ANGLES)


def by_autograd(circuit):
    return qml.grad(circuit)(pnp.array(ANGLES, requires_grad=True))


def by_jax(circuit):
    jax = pytest.importorskip("jax")
    return jax.grad(circuit)(jax.numpy.array(ANGLES))


def by_jax_forward(circuit):
    jax = pytest.importorskip("jax")
    return circuit(jax.numpy.array(ANGLES))


def by_jit(circuit):
    jax = pytest.importorskip("jax")
    return jax.jit(circuit)(jax.numpy.array(ANGLES))


def by_jit_grad(circuit):
    jax = pytest.importorskip("jax")
    return jax.jit(jax.grad(circuit))(jax.numpy.array(ANGLES))


def by_torch(circuit):
    torch = pytest.importorskip("torch")
    value = circuit(torch.tensor(ANGLES, requires_grad=True))
    value.backward()


def by_autograd_forward(circuit):
    return circuit(pnp.array(ANGLES, requires_grad=True))


def by_torch_forward(circuit):
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        return circuit(torch.tensor(ANGLES, requires_grad=True))


RECORDING = [by_autograd, by_torch, by_jax]
JITTED = [by_jit_grad]
FORWARD = {"execute": 1}
SEPARATE = {"execute": 1, "compute_derivatives": 1}
TOGETHER = {"execute_and_compute_derivatives": 1}
PRODUCT = {"execute": 1, "compute_vjp": 1}


@pytest.mark.parametrize(
    ("call", "vjp", "calls"),
    [
        *[(by_numpy, vjp, FORWARD) for vjp in (False, True, None)],
        *[(by_jax_forward, vjp, FORWARD) for vjp in (False, True, None)],
        *[(by_jit, vjp, FORWARD) for vjp in (False, True, None)],
        *[(call, vjp, TOGETHER) for call in RECORDING for vjp in (False, None)],
        *[(call, True, PRODUCT) for call in RECORDING],
        # Numbers that only say that they could be differentiated.
        *[(by_autograd_forward, vjp, FORWARD) for vjp in (False, True, None)],
        *[(by_torch_forward, vjp, FORWARD) for vjp in (False, True, None)],
        # Under jit PennyLane never asks for products.
        *[(by_jit_grad, vjp, TOGETHER) for vjp in (False, True, None)],
    ],
)
def test_calls_of_each_interface(call, vjp, calls):
    dev, circuit = spied(device_vjp=vjp)
    call(circuit)
    assert dict(dev.calls) == calls
    assert dev.sizes == [1] * calls.get("execute", 0)


@pytest.mark.parametrize("call", [by_autograd, by_torch])
def test_who_says_when_is_obeyed(call):
    dev, circuit = spied(grad_on_execution=False)
    call(circuit)
    assert dict(dev.calls) == SEPARATE
    dev, circuit = spied(grad_on_execution=True)
    call(circuit)
    assert dict(dev.calls) == TOGETHER


def test_gradients_in_the_forward_call_by_request():
    dev, circuit = spied(grad_on_execution=True)
    by_autograd_forward(circuit)
    assert dict(dev.calls) == TOGETHER


def many_values(**options):
    dev = Spy(wires=3)

    @qml.qnode(dev, **options)
    def circuit(angles):
        for wire, angle in enumerate(angles):
            qml.RX(angle, wire)
        return qml.probs(wires=range(3))

    return dev, circuit


@pytest.mark.parametrize("vjp", [False, None])
def test_calls_with_many_values(vjp):
    """Autograd asks for what it records; torch records by default, and may not ask."""
    dev, circuit = many_values(device_vjp=vjp)
    qml.grad(lambda angles: pnp.sum(circuit(angles) ** 2))(pnp.array(ANGLES, requires_grad=True))
    assert dict(dev.calls) == (PRODUCT if vjp is None else TOGETHER)


@pytest.mark.parametrize("vjp", [False, None])
def test_calls_of_torch_with_many_values(vjp):
    torch = pytest.importorskip("torch")
    dev, circuit = many_values(device_vjp=vjp)
    (circuit(torch.tensor(ANGLES, requires_grad=True)) ** 2).sum().backward()
    assert dict(dev.calls) == (PRODUCT if vjp is None else SEPARATE)


def evolutions(monkeypatch):
    """Count the runs of the engine."""
    counts = Counter()
    for name in ("run", "differentiate"):
        entry = getattr(_core, name)

        def call(*arguments, name=name, entry=entry):
            counts[name] += 1
            return entry(*arguments)

        monkeypatch.setattr(_core, name, call)
    return counts


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("call", RECORDING + JITTED)
def test_a_training_step_evolves_once(call, compiled, monkeypatch):
    _, circuit = spied()
    function = bondline.compile(circuit) if compiled else circuit
    call(function)
    counts = evolutions(monkeypatch)
    call(function)
    assert sum(counts.values()) == 1


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("call", [by_numpy, by_autograd_forward, by_torch_forward, by_jax_forward])
def test_a_value_is_never_differentiated(call, compiled, monkeypatch):
    _, circuit = spied()
    function = bondline.compile(circuit) if compiled else circuit
    call(function)
    counts = evolutions(monkeypatch)
    call(function)
    assert counts == {"run": 1}


def test_a_parameter_that_is_not_asked_for_is_none():
    dev, circuit = spied()
    angles = pnp.array(ANGLES, requires_grad=True)
    qml.grad(lambda scale, angles: scale * circuit(angles), argnums=0)(
        pnp.array(2.0, requires_grad=True), angles
    )
    assert dict(dev.calls) == FORWARD


def test_the_value_of_a_step_is_the_plain_value():
    _, circuit = spied()
    gradient = qml.grad(circuit)
    gradient(pnp.array(ANGLES, requires_grad=True))
    assert gradient.forward == pytest.approx(circuit(ANGLES), abs=1e-14)


def test_snapshots_are_taken_of_what_is_recorded():
    @qml.qnode(BondlineMPS(wires=1))
    def circuit(angle):
        qml.RX(angle, 0)
        qml.Snapshot("after")
        return qml.expval(qml.Z(0))

    taken = []

    def value(angle):
        taken.append(qml.snapshots(circuit)(angle))
        return taken[-1]["execution_results"]

    slope = qml.grad(value)(pnp.array(0.3, requires_grad=True))
    assert slope == pytest.approx(-np.sin(0.3))
    assert set(taken[0]) == {"after", "execution_results"}


@pytest.mark.parametrize(
    ("call", "sizes"),
    [
        # The value, then all shifted circuits as one batch.
        (by_autograd, [1, 6]),
        (by_torch, [1, 6]),
        # JAX asks for both at once.
        (by_jax, [7]),
        (by_jit_grad, [7]),
    ],
)
def test_calls_of_the_parameter_shift_rule(call, sizes):
    dev, circuit = spied(diff_method="parameter-shift")
    call(circuit)
    assert dev.sizes == sizes
    assert set(dev.calls) == {"execute"}


def test_without_differentiation_nothing_is_shifted():
    dev, circuit = spied(diff_method=None)
    circuit(pnp.array(ANGLES, requires_grad=True))
    assert dev.sizes == [1]


def test_a_batch_is_one_circuit():
    dev, circuit = spied()
    circuit(np.outer(ANGLES, np.ones(5)))
    assert dev.sizes == [1]
    assert len(dev.reports) == 5
