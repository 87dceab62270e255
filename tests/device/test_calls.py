"""Which methods of the device PennyLane calls, how often: upgrades are noticed here first."""

from collections import Counter

import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp

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
        (by_autograd, False, SEPARATE),
        (by_autograd, True, PRODUCT),
        (by_autograd, None, PRODUCT),
        (by_torch, False, SEPARATE),
        (by_torch, True, PRODUCT),
        (by_torch, None, PRODUCT),
        (by_jax, False, TOGETHER),
        (by_jax, True, PRODUCT),
        (by_jax, None, PRODUCT),
        # Under jit PennyLane never asks for products.
        *[(by_jit_grad, vjp, TOGETHER) for vjp in (False, True, None)],
    ],
)
def test_calls_of_each_interface(call, vjp, calls):
    dev, circuit = spied(device_vjp=vjp)
    call(circuit)
    assert dict(dev.calls) == calls
    assert dev.sizes == [1] * calls.get("execute", 0)


def test_gradients_in_the_forward_call():
    dev, circuit = spied(grad_on_execution=True)
    by_autograd(circuit)
    assert dict(dev.calls) == TOGETHER


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
