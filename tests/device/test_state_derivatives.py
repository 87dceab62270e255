"""States and probabilities have no derivatives: they are refused, never taken for constants."""

import sys
from types import SimpleNamespace

import jax
import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp

import bondline
from bondline import UnsupportedError


@qml.qnode(qml.device("bondline.mps", wires=2))
def circuit(angle):
    qml.RY(angle, wires=0)
    qml.CNOT([0, 1])
    return qml.expval(qml.Z(0))


REFERENCE = bondline.mps_state(circuit)(0.2)


def around(angle):
    """Take the angle from around the circuit instead of through an argument."""

    @qml.qnode(qml.device("bondline.mps", wires=2))
    def closed():
        qml.RY(2 * angle, wires=0)
        return qml.expval(qml.Z(0))

    return bondline.probability(closed, "00")()


QUESTIONS = {
    "probability": lambda angle: angle**2 + bondline.probability(circuit, "00")(angle),
    "log_probability": lambda angle: bondline.log_probability(circuit, "00")(angle),
    "expval": lambda angle: bondline.mps_state(circuit)(angle).expval(qml.Z(0)),
    "overlap": lambda angle: abs(bondline.mps_state(circuit)(angle).overlap(REFERENCE)) ** 2,
    "keyword": lambda angle: bondline.probability(circuit, "00")(angle=angle),
    "inside a list": lambda angle: bondline.mps_state(circuit)([angle][0]).norm,
    "around": around,
    "coefficient": lambda angle: REFERENCE.expval(qml.s_prod(angle, qml.Z(0))),
}


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize(
    "differentiate",
    [
        lambda ask: qml.grad(ask)(pnp.array(0.3, requires_grad=True)),
        lambda ask: jax.grad(ask)(0.3),
        lambda ask: jax.jit(ask)(0.3),
        lambda ask: jax.vmap(ask)(jax.numpy.array([0.1, 0.2])),
    ],
    ids=["autograd", "jax.grad", "jax.jit", "jax.vmap"],
)
def test_a_differentiated_argument_is_refused(ask, differentiate):
    with pytest.raises(UnsupportedError, match=r"plain numbers.*qml\.Projector"):
        differentiate(ask)


@pytest.mark.parametrize(
    "angle", [0.3, pnp.array(0.3, requires_grad=True), jax.numpy.array(0.3)], ids=lambda a: str(a)
)
@pytest.mark.parametrize("name", [name for name in QUESTIONS if name != "around"])
def test_plain_arguments_work(name, angle):
    assert np.isfinite(QUESTIONS[name](angle))


def test_the_way_out_has_the_derivative():
    @qml.qnode(qml.device("bondline.mps", wires=2))
    def probability(angle):
        qml.RY(angle, wires=0)
        qml.CNOT([0, 1])
        return qml.expval(qml.Projector([0, 0], wires=[0, 1]))

    found = qml.grad(probability)(pnp.array(0.3, requires_grad=True))
    np.testing.assert_allclose(found, -np.sin(0.3) / 2, atol=1e-9)


def test_tensors_of_torch_that_record(monkeypatch):
    """torch is no dependency of the tests: what is looked at stands in for it."""

    class Tensor(float):
        requires_grad = True

    recording = [True]
    stand_in = SimpleNamespace(Tensor=Tensor, is_grad_enabled=lambda: recording[0])
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    with pytest.raises(UnsupportedError, match="torch"):
        bondline.mps_state(circuit)(Tensor(0.3))


def test_messages_name_what_was_called():
    with pytest.raises(bondline.InputError, match=r"^probability needs a QNode"):
        bondline.probability(len, "00")
