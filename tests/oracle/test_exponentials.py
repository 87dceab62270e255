"""Exponentials of Pauli words: rotations on any wires, by our own decomposition."""

import sys

import jax
import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp

from bondline.devices.preprocess import pipeline
from bondline.operators import gate_set

WIRES = ["a", 3, "c", "d", 0]
SUM = qml.X("a") @ qml.Z(3) + 0.4 * qml.Z("d") + 0.7 * qml.Y("c") @ qml.Y(3) - 0.2 * qml.Identity(0)


def prepare():
    for number, wire in enumerate(WIRES):
        qml.RY(0.4 + 0.3 * number, wires=wire)
        qml.RZ(0.9 - 0.2 * number, wires=wire)
    qml.CNOT(["a", "d"])


def state(name, apply):
    @qml.qnode(qml.device(name, wires=WIRES))
    def circuit():
        prepare()
        apply()
        return qml.state()

    return np.asarray(circuit())


WORDS = {
    "one letter": qml.Y("c"),
    "far apart, out of order": qml.Y("d") @ qml.X("a") @ qml.Z(0),
    "scaled": -0.7 * (qml.Y("d") @ qml.X("a")),
    "scaled twice": 2.0 * qml.prod(0.5 * qml.Z(3), qml.Y("c")),
    "with an identity": qml.X("a") @ qml.Identity(3),
    "a factor i": qml.prod(qml.X("a"), qml.Y("a"), qml.Z("c"), qml.X("c")),
    "identity": qml.Identity("c"),
    "a scaled identity": 0.3 * qml.Identity(["a", 3]),
    "one term": qml.Hamiltonian([0.8], [qml.X(3) @ qml.Z("c")]),
    "a square": qml.prod(qml.X("a"), qml.X("a"), qml.Z("c")),
}


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize(
    "apply",
    [
        lambda word: qml.exp(word, 0.37j),
        lambda word: qml.evolve(word, 0.81),
        lambda word: qml.adjoint(qml.evolve(word, 0.81)),
        lambda word: qml.adjoint(qml.exp(word, 0.37j), lazy=True),
    ],
    ids=["exp", "evolve", "adjoint", "adjoint of exp"],
)
def test_a_word(word, apply):
    expected = state("default.qubit", lambda: qml.QubitUnitary(*matrix_of(apply(word))))
    np.testing.assert_allclose(state("bondline.mps", lambda: apply(word)), expected, atol=1e-9)


@pytest.mark.parametrize("word", [qml.Y("d") @ qml.Z(3), -0.6 * qml.Identity("d")])
@pytest.mark.parametrize("inverted", [False, True])
def test_a_word_under_controls(word, inverted):
    def apply():
        rotation = qml.exp(word, 0.9j)
        rotation = qml.adjoint(rotation) if inverted else rotation
        return qml.ctrl(rotation, ["a", 0], control_values=[1, 0])

    expected = state("default.qubit", lambda: qml.QubitUnitary(*matrix_of(apply())))
    np.testing.assert_allclose(state("bondline.mps", apply), expected, atol=1e-9)


def matrix_of(operator):
    with qml.QueuingManager.stop_recording():
        found = qml.matrix(operator, wire_order=WIRES)
    qml.QueuingManager.remove(operator)
    return found, WIRES


@pytest.mark.parametrize("order", [1, 2, 4])
def test_trotter_products(order):
    def apply():
        qml.TrotterProduct(SUM, time=0.6, n=2, order=order)

    expected = state("default.qubit", apply)
    np.testing.assert_allclose(state("bondline.mps", apply), expected, atol=1e-9)


def value(name, word):
    @qml.qnode(qml.device(name, wires=WIRES), diff_method="parameter-shift")
    def circuit(x):
        prepare()
        qml.evolve(word, x)
        return qml.expval(qml.X("a") @ qml.Z("d"))

    return circuit


def test_values_and_derivatives_of_an_evolution():
    word = qml.Y("d") @ qml.X("a")
    ours, theirs = value("bondline.mps", word), value("default.qubit", word)
    x = pnp.array(0.7, requires_grad=True)
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-9)
    np.testing.assert_allclose(qml.grad(ours)(x), qml.grad(theirs)(x), atol=1e-8)
    np.testing.assert_allclose(jax.grad(ours)(0.7), qml.grad(theirs)(x), atol=1e-5)


@pytest.mark.parametrize("word", [qml.Y("d") @ qml.X("a"), 0.5 * qml.Z("d"), qml.Identity("c")])
def test_derivatives_pass_through_the_decomposition(word):
    def angle(x, of):
        return of(gate_set.decomposition(qml.exp(word, 1j * x))[0].data[0])

    ((letters, scale),) = word.pauli_rep.items()
    expected = -2 * scale if letters else -scale
    x = pnp.array(0.7, requires_grad=True)
    np.testing.assert_allclose(qml.grad(lambda x: angle(x, pnp.asarray))(x), expected)
    np.testing.assert_allclose(jax.grad(lambda x: angle(x, jax.numpy.asarray))(0.7), expected)
    np.testing.assert_allclose(jax.jit(lambda x: angle(x, jax.numpy.asarray))(0.7), 0.7 * expected)


def test_a_batch_of_exponents():
    @qml.qnode(qml.device("bondline.mps", wires=WIRES), diff_method=None)
    def circuit(x):
        prepare()
        qml.evolve(-0.4 * (qml.Y("d") @ qml.X("a")), x)
        qml.exp(qml.Identity("c"), 1j * x)
        qml.exp(0.3 * qml.Y("a"), 1j * x)
        return qml.expval(qml.X("a") @ qml.Z("d"))

    batch = np.array([0.2, -1.1, 2.3])
    single = [circuit(float(x)) for x in batch]
    np.testing.assert_allclose(circuit(batch), single, atol=1e-12)


def test_what_is_no_rotation_stays_what_it_was():
    assert gate_set.decomposition(qml.exp(qml.X(0) @ qml.X(1) + qml.Y(0) @ qml.Y(1), 0.3j))
    assert gate_set.is_native(qml.exp(qml.Hadamard(0) + qml.X(1), 0.3j))  # its matrix


def test_pennylane_does_not_compare_every_exponential_with_its_list_of_gates(monkeypatch):
    """That took more than nine tenths of the time of a Trotter product on 100 wires."""
    chain = qml.dot(np.ones(4), [qml.X(wire) @ qml.X(wire + 1) for wire in range(4)])
    trotter = qml.TrotterProduct(chain, time=0.5, n=3, order=2)

    def forbidden(base, coeff):
        raise AssertionError(f"looked for gates equal to exp({coeff} {base})")

    module = sys.modules["pennylane.ops.op_math.exp"]  # the function has its name
    monkeypatch.setattr(module, "_find_equal_generator", forbidden)
    tape = qml.tape.QuantumScript([trotter], [qml.expval(qml.Z(0))])
    (ready,), _ = pipeline(qml.wires.Wires(range(5)))([tape])
    assert [operator.name for operator in ready.operations] == [
        "PauliRot"
    ] * 24  # the chain forth and back, three times
