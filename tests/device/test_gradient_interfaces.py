"""Every framework gets its derivatives from the device: no shifted circuit is ever run."""

import jax
import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp

WIRES = 3
POINT = np.random.default_rng(1).normal(size=(2, WIRES, 3))
INPUTS = np.random.default_rng(2).normal(size=(5, WIRES))
METHODS = [
    pytest.param({"diff_method": method, "device_vjp": vjp}, id=f"{method}-{vjp}")
    for method in ("best", "device", "adjoint")
    for vjp in (False, True, None)
]


@pytest.fixture(autouse=True)
def _double():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def build(name="bondline.mps", **options):
    @qml.qnode(qml.device(name, wires=WIRES), **options)
    def circuit(weights, inputs=None):
        if inputs is not None:
            qml.AngleEmbedding(inputs, wires=range(WIRES))
        qml.StronglyEntanglingLayers(weights, range(WIRES))
        return (
            qml.expval(qml.Z(0) @ qml.X(1) + 0.5 * qml.Y(2)),
            qml.var(qml.Z(1) + qml.X(2)),
            qml.probs(wires=[2, 0]),
        )

    return circuit


def cost(circuit):
    """Return a number that depends on every value, and on rows of a batch in different ways."""

    def of(weights, inputs=None):
        value, variance, probabilities = circuit(weights, inputs)
        rows = 1.0 + np.arange(len(INPUTS)) if inputs is not None else 1.0
        total = qml.math.sum(value * rows) + qml.math.sum(variance**2 * rows)
        return total + qml.math.sum(probabilities[..., 1] * rows) ** 2

    return of


def expected(*numbers, argnums=0):
    reference = cost(build("default.qubit", diff_method="backprop"))
    return qml.grad(reference, argnums=argnums)(*map(pnp.array, numbers))


def require_no_shifts(tracker, circuits=1):
    """Tell from the counts of a tracker that circuits ran once and were differentiated once."""
    totals = tracker.totals
    assert totals["executions"] == circuits
    differentiated = totals.get("derivatives", 0) + totals.get("vjps", 0)
    assert differentiated == circuits


class TestAutograd:
    @pytest.mark.parametrize("options", METHODS)
    def test_gradient(self, options):
        circuit = build(**options)
        with circuit.device.tracker as tracker:
            found = qml.grad(cost(circuit))(pnp.array(POINT))
        require_no_shifts(tracker)
        np.testing.assert_allclose(found, expected(POINT), atol=1e-9)

    def test_gradient_in_the_forward_call(self):
        circuit = build(grad_on_execution=True)
        with circuit.device.tracker as tracker:
            found = qml.grad(cost(circuit))(pnp.array(POINT))
        require_no_shifts(tracker)
        assert tracker.totals["execute_and_derivative_batches"] == 1
        np.testing.assert_allclose(found, expected(POINT), atol=1e-9)

    @pytest.mark.parametrize("vjp", [False, True])
    def test_jacobian(self, vjp):
        circuit = build(device_vjp=vjp)
        with circuit.device.tracker as tracker:
            found = qml.jacobian(lambda weights: pnp.hstack(circuit(weights)))(pnp.array(POINT))
        # Six values: one Jacobian, or a product for each of them.
        assert tracker.totals["executions"] == 1
        assert tracker.totals.get("derivatives", 0) + tracker.totals.get("vjps", 0) == (
            6 if vjp else 1
        )
        circuit = build("default.qubit")
        reference = qml.jacobian(lambda weights: pnp.hstack(circuit(weights)))(pnp.array(POINT))
        np.testing.assert_allclose(found, reference, atol=1e-9)

    @pytest.mark.parametrize("vjp", [False, True])
    @pytest.mark.parametrize("argnums", [0, 1, (0, 1)])
    def test_batches(self, argnums, vjp):
        circuit = build(device_vjp=vjp)
        inputs = pnp.array(INPUTS, requires_grad=argnums != 0)
        with circuit.device.tracker as tracker:
            found = qml.grad(cost(circuit), argnums=argnums)(pnp.array(POINT), inputs)
        close(found, expected(POINT, INPUTS, argnums=argnums))
        # Only a batch that is differentiated is taken apart: the others stay one circuit.
        differentiated = tracker.totals.get("derivatives", 0) + tracker.totals.get("vjps", 0)
        assert differentiated == tracker.totals["simulations"] == (1 if argnums == 0 else 5)
        assert tracker.totals["executions"] == 5
        assert len(circuit.device.reports) == 5

    def test_training_lowers_an_energy(self):
        circuit = build()
        optimizer = qml.AdamOptimizer(0.2)
        weights = pnp.array(POINT)
        first = float(circuit(weights)[0])
        for _ in range(40):
            weights = optimizer.step(lambda weights: circuit(weights)[0], weights)
        # The ground state of this observable has the value -1.5.
        assert float(circuit(weights)[0]) == pytest.approx(-1.5, abs=0.02) != first


def close(found, reference):
    if isinstance(found, tuple):
        for one, other in zip(found, reference, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-9)
    else:
        np.testing.assert_allclose(found, reference, atol=1e-9)


WRAPPERS = {
    "grad": jax.grad,
    "jit of grad": lambda f, **options: jax.jit(jax.grad(f, **options)),
    "grad of jit": lambda f, **options: jax.grad(jax.jit(f), **options),
}


class TestJax:
    @pytest.mark.parametrize("options", METHODS)
    @pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
    def test_gradient(self, wrap, options):
        circuit = build(**options)
        with circuit.device.tracker as tracker:
            found = wrap(cost(circuit))(jax.numpy.array(POINT))
        require_no_shifts(tracker)
        np.testing.assert_allclose(found, expected(POINT), atol=1e-9)

    @pytest.mark.parametrize(
        "differentiate",
        [
            jax.jacrev,
            jax.jacfwd,
            lambda f: jax.jit(jax.jacrev(f)),
            lambda f: jax.jit(jax.jacfwd(f)),
        ],
        ids=["jacrev", "jacfwd", "jit of jacrev", "jit of jacfwd"],
    )
    def test_jacobian(self, differentiate):
        circuit = build()
        with circuit.device.tracker as tracker:
            found = differentiate(circuit)(jax.numpy.array(POINT))
        require_no_shifts(tracker)
        reference = jax.jacobian(build("default.qubit"))(jax.numpy.array(POINT))
        close(tuple(found), tuple(reference))

    def test_products_of_several_vectors_are_one_call(self):
        # jacrev hands all cotangents of a value over at once.
        circuit = build(device_vjp=True)
        with circuit.device.tracker as tracker:
            found = jax.jacrev(lambda weights: circuit(weights)[2])(jax.numpy.array(POINT))
        assert tracker.totals["vjps"] == 1
        reference = jax.jacobian(lambda weights: build("default.qubit")(weights)[2])(POINT)
        np.testing.assert_allclose(found, reference, atol=1e-9)

    @pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
    @pytest.mark.parametrize("argnums", [0, 1, (0, 1)])
    def test_batches(self, argnums, wrap):
        found = wrap(cost(build()), argnums=argnums)(*map(jax.numpy.array, (POINT, INPUTS)))
        close(found, expected(POINT, INPUTS, argnums=argnums))

    def test_gradients_of_every_row(self):
        circuit = build()
        found = jax.jit(jax.vmap(jax.grad(lambda inputs: circuit(POINT, inputs)[0])))(INPUTS)
        reference = build("default.qubit")
        for inputs, slope in zip(INPUTS, found, strict=True):
            single = qml.grad(lambda inputs: reference(POINT, inputs)[0])(pnp.array(inputs))
            np.testing.assert_allclose(slope, single, atol=1e-9)

    def test_a_loop_of_descent_under_jit(self):
        circuit = build()

        @jax.jit
        def step(weights):
            value, slope = jax.value_and_grad(lambda weights: circuit(weights)[0])(weights)
            return value, weights - 0.3 * slope

        weights = jax.numpy.array(POINT)
        values = []
        for _ in range(40):
            value, weights = step(weights)
            values.append(float(value))
        assert values[-1] < -1.4 < values[0]

    def test_training_by_optax(self):
        optax = pytest.importorskip("optax")
        circuit = build()
        optimizer = optax.adam(0.2)

        @jax.jit
        def step(weights, state):
            value, slope = jax.value_and_grad(lambda weights: circuit(weights)[0])(weights)
            change, state = optimizer.update(slope, state)
            return value, optax.apply_updates(weights, change), state

        weights = jax.numpy.array(POINT)
        state = optimizer.init(weights)
        with circuit.device.tracker as tracker:
            for _ in range(40):
                value, weights, state = step(weights, state)
        assert float(value) == pytest.approx(-1.5, abs=0.02)
        require_no_shifts(tracker, circuits=40)

    def test_with_64_bits_off(self):
        reference = expected(POINT)
        jax.config.update("jax_enable_x64", False)
        found = jax.jit(jax.grad(cost(build())))(jax.numpy.array(POINT))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, reference, atol=1e-4)


class TestTorch:
    @pytest.fixture(autouse=True)
    def _torch(self):
        self.torch = pytest.importorskip("torch")

    @pytest.mark.parametrize("options", METHODS)
    def test_backward(self, options):
        circuit = build(**options)
        weights = self.torch.tensor(POINT, requires_grad=True)
        with circuit.device.tracker as tracker:
            cost(circuit)(weights).backward()
        require_no_shifts(tracker)
        np.testing.assert_allclose(weights.grad, expected(POINT), atol=1e-9)

    def test_jacobian(self):
        circuit = build()
        with circuit.device.tracker as tracker:
            found = self.torch.autograd.functional.jacobian(
                circuit, self.torch.tensor(POINT, requires_grad=True)
            )
        require_no_shifts(tracker)
        reference = jax.jacobian(build("default.qubit"))(jax.numpy.array(POINT))
        close(tuple(map(np.asarray, found)), tuple(reference))

    @pytest.mark.parametrize("vjp", [False, True])
    @pytest.mark.parametrize("trained", [False, True])
    def test_batches(self, trained, vjp):
        circuit = build(device_vjp=vjp)
        weights = self.torch.tensor(POINT, requires_grad=True)
        inputs = self.torch.tensor(INPUTS, requires_grad=trained)
        with circuit.device.tracker as tracker:
            value, variance, probabilities = circuit(weights, inputs)
            rows = 1.0 + self.torch.arange(len(INPUTS))
            total = (value * rows).sum() + (variance**2 * rows).sum()
            (total + (probabilities[:, 1] * rows).sum() ** 2).backward()
        assert tracker.totals["simulations"] == (5 if trained else 1)
        by_weights, by_inputs = expected(POINT, INPUTS, argnums=(0, 1))
        np.testing.assert_allclose(weights.grad, by_weights, atol=1e-9)
        if trained:
            np.testing.assert_allclose(inputs.grad, by_inputs, atol=1e-9)

    def test_layer_with_batches_of_data(self):
        torch = self.torch
        torch.manual_seed(0)
        device = qml.device("bondline.mps", wires=2)

        @qml.qnode(device)
        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(2))
            qml.StronglyEntanglingLayers(weights, range(2))
            return [qml.expval(qml.Z(wire)) for wire in range(2)]

        # A layer before it: batched inputs are differentiated.
        model = torch.nn.Sequential(
            torch.nn.Linear(3, 2),
            qml.qnn.TorchLayer(circuit, {"weights": (2, 2, 3)}),
            torch.nn.Linear(2, 1),
        )
        features = torch.randn(40, 3)
        labels = torch.sign(features[:, :1] + features[:, 1:2])
        data = torch.utils.data.TensorDataset(features, labels)
        loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        losses = []
        with device.tracker as tracker:
            for _ in range(8):
                total = 0.0
                for batch, target in loader:
                    optimizer.zero_grad()
                    loss = ((model(batch) - target) ** 2).mean()
                    loss.backward()
                    optimizer.step()
                    total += loss.item()
                losses.append(total / len(loader))
        assert losses[-1] < 0.6 * losses[0]
        assert all(parameter.grad is not None for parameter in model.parameters())
        assert tracker.totals["derivatives"] == tracker.totals["executions"] == 8 * 40
