"""Gradients and frameworks: what PennyLane puts around the device."""

import jax
import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp

from bondline import UnsupportedError

WIRES = 3


def build(name, **options):
    @qml.qnode(qml.device(name, wires=WIRES), **options)
    def circuit(x, weights):
        for wire in range(WIRES):
            qml.RY(x[..., wire], wire)
        qml.StronglyEntanglingLayers(weights, range(WIRES))
        return qml.expval(qml.Z(0) @ qml.X(1) + 0.5 * qml.Y(2))

    return circuit


def arguments(seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(size=WIRES), rng.uniform(size=(2, WIRES, 3))


def test_autograd_gradients():
    x, weights = (pnp.array(value, requires_grad=True) for value in arguments())
    found = qml.grad(build("bondline.mps"))(x, weights)
    expected = qml.grad(build("default.qubit"))(x, weights)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-8)


def test_the_circuits_of_a_gradient_by_shifts_run_in_one_group(monkeypatch):
    from bondline import _core

    sizes = []
    run = _core.run

    def counting(groups, settings):
        sizes.append([len(group.parameters) for group in groups])
        return run(groups, settings)

    monkeypatch.setattr(_core, "run", counting)
    x, weights = arguments()
    circuit = build("bondline.mps", diff_method="parameter-shift")
    qml.grad(circuit, argnums=1)(x, pnp.array(weights, requires_grad=True))
    assert sizes[-1] == [2 * weights.size]


def test_values_of_variance_and_probabilities_have_gradients():
    @qml.qnode(qml.device("bondline.mps", wires=2))
    def circuit(angle):
        qml.RX(angle, 0)
        qml.CNOT([0, 1])
        return qml.var(qml.Z(1)), qml.probs(wires=[1])

    def flat(angle):
        variance, probabilities = circuit(angle)
        return pnp.hstack([variance, probabilities])

    angle = pnp.array(0.4, requires_grad=True)
    found = qml.jacobian(flat)(angle)
    sine, cosine = np.sin(0.4), np.cos(0.4)
    np.testing.assert_allclose(found, [2 * sine * cosine, -sine / 2, sine / 2], atol=1e-8)


@pytest.mark.parametrize("convert", [np.asarray, np.float32, pnp.array, list])
def test_numbers_as_they_come(convert):
    x, weights = arguments()
    value = build("bondline.mps", diff_method=None)(np.asarray(convert(x)), weights)
    assert np.asarray(value).dtype == np.float64
    expected = build("default.qubit")(np.asarray(convert(x)), weights)
    assert value == pytest.approx(float(expected), abs=1e-6)


class TestJax:
    @pytest.fixture(autouse=True)
    def _double(self):
        jax = pytest.importorskip("jax")
        before = jax.config.jax_enable_x64
        jax.config.update("jax_enable_x64", True)
        self.jax = jax
        yield
        jax.config.update("jax_enable_x64", before)

    def test_jit(self):
        x, weights = map(self.jax.numpy.asarray, arguments())
        found = self.jax.jit(build("bondline.mps"))(x, weights)
        assert float(found) == pytest.approx(float(build("default.qubit")(x, weights)), abs=1e-8)

    def test_jit_grad(self):
        x, weights = map(self.jax.numpy.asarray, arguments())
        found = self.jax.jit(self.jax.grad(build("bondline.mps"), argnums=1))(x, weights)
        expected = self.jax.grad(build("default.qubit"), argnums=1)(x, weights)
        np.testing.assert_allclose(found, expected, atol=1e-8)

    def test_jit_vmap_runs_one_batch(self):
        dev = qml.device("bondline.mps", wires=1)

        @qml.qnode(dev)
        def circuit(x):
            qml.RX(x, 0)
            return qml.expval(qml.Z(0))

        points = self.jax.numpy.linspace(0, 1, 5)
        with dev.tracker:
            found = self.jax.jit(self.jax.vmap(circuit))(points)
        np.testing.assert_allclose(found, np.cos(points), atol=1e-8)
        assert dev.tracker.totals["simulations"] == 1
        assert dev.tracker.totals["executions"] == 5

    @pytest.mark.parametrize("c_dtype", [np.complex64, np.complex128])
    def test_shots_under_jit(self, c_dtype):
        dev = qml.device("bondline.mps", wires=2, seed=3, c_dtype=c_dtype)

        @qml.qnode(dev)
        def circuit(x):
            qml.RX(x, 0)
            qml.CNOT([0, 1])
            return (
                qml.expval(qml.Z(0)),
                qml.var(qml.X(1)),
                qml.probs(wires=[1]),
                qml.sample(wires=[1, 0]),
                qml.sample(qml.Z(0)),
            )

        found = self.jax.jit(qml.set_shots(circuit, 50))(0.3)
        names = [(value.shape, str(value.dtype)) for value in found]
        assert names == [
            ((), "float64"),
            ((), "float64"),
            ((2,), "float64"),
            ((50, 2), "int64"),
            ((50,), "float64"),
        ]
        exact = self.jax.jit(
            qml.QNode(lambda x: (qml.RX(x, 0), qml.state())[1], dev, interface="jax")
        )(0.3)
        assert str(exact.dtype) == "complex128"

    def test_measurements_inside_a_circuit_under_jit(self):
        @qml.qnode(qml.device("bondline.mps", wires=2, seed=3))
        def circuit(x):
            qml.RX(x, 0)
            m = qml.measure(0)
            qml.cond(m, qml.X)(1)
            return qml.expval(qml.Z(1)), qml.expval(m)

        found = self.jax.jit(circuit)(0.3)
        np.testing.assert_allclose(found, [np.cos(0.3), np.sin(0.15) ** 2], atol=1e-8)
        found = self.jax.jit(qml.set_shots(circuit, 500))(0.3)
        np.testing.assert_allclose(found, [np.cos(0.3), np.sin(0.15) ** 2], atol=0.3)

    def test_values_with_64_bits_off(self):
        self.jax.config.update("jax_enable_x64", False)
        expected = float(build("default.qubit")(*arguments()))
        x, weights = (self.jax.numpy.asarray(value, dtype="float32") for value in arguments())
        found = self.jax.jit(build("bondline.mps"))(x, weights)
        assert float(found) == pytest.approx(expected, abs=1e-5)


class TestTorch:
    @pytest.fixture(autouse=True)
    def _torch(self):
        self.torch = pytest.importorskip("torch")

    def test_backward(self):
        x, weights = arguments()
        leaf = self.torch.tensor(weights, requires_grad=True)
        value = build("bondline.mps")(self.torch.tensor(x), leaf)
        value.backward()
        expected = qml.grad(build("default.qubit"), argnums=1)(x, pnp.array(weights))
        np.testing.assert_allclose(leaf.grad.numpy(), expected, atol=1e-8)


def purity(**options):
    @qml.qnode(qml.device("bondline.mps", wires=2), **options)
    def circuit(angle):
        qml.RY(angle, wires=0)
        qml.CNOT([0, 1])
        return qml.purity(wires=[0])

    return circuit


@pytest.mark.parametrize(
    "differentiate",
    [
        lambda circuit: qml.grad(circuit)(pnp.array(0.7, requires_grad=True)),
        lambda circuit: jax.grad(circuit)(0.7),
        lambda circuit: jax.jit(jax.grad(circuit))(0.7),
        lambda circuit: jax.grad(jax.jit(circuit))(0.7),
        lambda circuit: jax.jacobian(circuit)(0.7),
    ],
    ids=["autograd", "jax", "jit of grad", "grad of jit", "jacobian"],
)
@pytest.mark.parametrize("method", ["best", "parameter-shift", "hadamard"])
def test_purity_is_not_differentiated_by_a_rule_that_does_not_hold(differentiate, method):
    # JAX wraps what is raised while a compiled function runs.
    with pytest.raises((UnsupportedError, RuntimeError), match='diff_method="finite-diff"'):
        differentiate(purity(diff_method=method))


def test_purity_is_a_value_and_has_a_difference_quotient():
    expected = 1 - np.sin(0.7) ** 2 / 2
    assert purity()(pnp.array(0.7, requires_grad=True)) == pytest.approx(expected)
    assert jax.jit(purity())(0.7) == pytest.approx(expected, abs=1e-6)
    slope = qml.grad(purity(diff_method="finite-diff"))(pnp.array(0.7, requires_grad=True))
    assert slope == pytest.approx(-np.sin(1.4) / 2, abs=1e-4)
