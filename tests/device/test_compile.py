"""A compiled QNode returns what the QNode returns, or is left to PennyLane with a reason."""

import copy
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp

import bondline
from bondline import CompileFallbackWarning, InputError

WIRES = 4
ANGLES = np.random.default_rng(0).uniform(0.1, 0.9, (3, WIRES))


def device(**settings):
    return qml.device("bondline.mps", wires=WIRES, cutoff=0.0, **settings)


def layers(angles):
    for layer in angles:
        for wire in range(WIRES):
            qml.RY(layer[wire], wires=wire)
        for wire in range(WIRES - 1):
            qml.CNOT([wire, wire + 1])


def both(function, shots=None, settings=(), **keywords):
    qnode = qml.set_shots(qml.QNode(function, device(**dict(settings)), **keywords), shots)
    fresh = qml.set_shots(qml.QNode(function, device(**dict(settings)), **keywords), shots)
    return qnode, bondline.compile(fresh)


def assert_alike(found, expected, tolerance=1e-12):
    assert type(found) is type(expected), (type(found), type(expected))
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_alike(found[key], expected[key], tolerance)
    elif isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for value, other in zip(found, expected, strict=True):
            assert_alike(value, other, tolerance)
    else:
        assert np.shape(found) == np.shape(expected)
        assert getattr(found, "dtype", None) == getattr(expected, "dtype", None)
        np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=tolerance, rtol=0)


def assert_compiled(function, *calls, **options):
    qnode, fast = both(function, **options)
    for args in calls:
        expected = qnode(*args)
        assert_alike(fast(*args), expected)
        assert fast.fallback_reason is None
    return qnode, fast


MEASUREMENTS = {
    "expval": lambda: qml.expval(qml.Z(1)),
    "hamiltonian": lambda: qml.expval(qml.Hamiltonian([0.5, 1.5], [qml.Z(0) @ qml.X(1), qml.Y(2)])),
    "hermitian": lambda: qml.expval(qml.Hermitian(np.diag([1.0, 2.0, 3.0, 5.0]), [0, 2])),
    "projector": lambda: qml.expval(qml.Projector([0, 1], [0, 3])),
    "var": lambda: qml.var(qml.X(2)),
    "probs": lambda: qml.probs([2, 0]),
    "probs of all": lambda: qml.probs(),
    "state": lambda: qml.state(),
    "density": lambda: qml.density_matrix([1]),
    "purity": lambda: qml.purity([0]),
    "entropy": lambda: qml.vn_entropy([0, 1]),
    "list": lambda: [qml.expval(qml.Z(0)), qml.probs([1])],
    "tuple": lambda: (qml.expval(qml.Z(0)), qml.var(qml.Z(0))),
    "list of one": lambda: [qml.expval(qml.Z(0))],
    "dict": lambda: {"a": qml.expval(qml.Z(0)), "b": (qml.probs([1]), qml.expval(qml.X(3)))},
}


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_values_are_those_of_the_qnode(name):
    def circuit(angles):
        layers(angles)
        return MEASUREMENTS[name]()

    assert_compiled(circuit, (ANGLES,), (ANGLES + 0.2,))


@pytest.mark.parametrize("name", ["expval", "probs", "list", "dict"])
def test_batches(name):
    def circuit(inputs, angles):
        qml.AngleEmbedding(inputs, wires=range(WIRES))
        layers(angles)
        return MEASUREMENTS[name]()

    inputs = np.random.default_rng(1).normal(size=(5, WIRES))
    _, fast = assert_compiled(circuit, (inputs, ANGLES), (inputs[:1], ANGLES), (inputs + 1, ANGLES))
    assert len(fast.device.reports) == 5


def two_wires(weights, wires):
    qml.RY(weights[0], wires[0])
    qml.CRX(weights[1], wires)


TEMPLATES = {
    "strong": (lambda x: qml.StronglyEntanglingLayers(x, wires=range(WIRES)), (2, WIRES, 3)),
    "basic": (lambda x: qml.BasicEntanglerLayers(x, wires=range(WIRES)), (2, WIRES)),
    "iqp": (lambda x: qml.IQPEmbedding(x, wires=range(WIRES), n_repeats=2), (WIRES,)),
    "angle": (lambda x: qml.AngleEmbedding(x, wires=range(WIRES), rotation="Z"), (WIRES,)),
    "qaoa": (lambda x: qml.QAOAEmbedding(x[0, :WIRES], x, wires=range(WIRES)), (2, 2 * WIRES)),
    "two design": (
        lambda x: qml.SimplifiedTwoDesign(x[0, :, 0], x[:, :3], wires=range(WIRES)),
        (2, WIRES, 2),
    ),
    "particles": (
        lambda x: qml.ParticleConservingU2(x, wires=range(WIRES), init_state=[1, 0, 1, 0]),
        (2, 2 * WIRES - 1),
    ),
    "tensor network": (
        lambda x: qml.MPS(range(WIRES), 2, two_wires, 2, x),
        (3, 2),
    ),
    "uccsd-like": (lambda x: qml.DoubleExcitation(x[0], wires=range(WIRES)), (1,)),
    "pauli rotation": (lambda x: qml.PauliRot(x[0] / 3, "XYZX", wires=range(WIRES)), (1,)),
    "controlled": (lambda x: qml.ctrl(qml.Rot, (0, 1))(x[0], x[1], 2 * x[2], wires=3), (3,)),
    "adjoint": (lambda x: qml.adjoint(layers)(x), (2, WIRES)),
    "trotter": (
        lambda x: [qml.IsingZZ(2 * t, [0, 1]) for t in np.cumsum(x)],
        (3,),
    ),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates(name):
    template, shape = TEMPLATES[name]

    def circuit(x):
        for wire in range(WIRES):
            qml.Hadamard(wire)
        template(x)
        return qml.expval(qml.Z(1)), qml.probs([0, 3])

    draw = np.random.default_rng(2)
    assert_compiled(circuit, (draw.uniform(size=shape),), (draw.uniform(size=shape),))


ARITHMETIC = {
    "affine": lambda x: 2 * x[:WIRES] - np.pi / 2,
    "reflected": lambda x: 1 / (1 + x[:WIRES]) - np.float64(0.5) * x[0],
    "powers": lambda x: x[:WIRES] ** 2 + 2 ** x[:WIRES] + x[:WIRES] ** x[0],
    "elementary": lambda x: (
        np.sin(x[:WIRES]) * np.exp(x[1]) / np.cosh(x[2]) + np.arctan2(x[0], x[1])
    ),
    "inverse": lambda x: np.arccos(x[:WIRES]) + np.arcsin(x[1]) + np.log1p(np.sqrt(x[2])),
    "products": lambda x: (x.reshape(3, -1)[:2] * (np.pi - x.reshape(3, -1)[1:])).ravel()[:WIRES],
    "matrix": lambda x: np.arange(16.0).reshape(4, 4) @ x[:WIRES] / 10,
    "dot": lambda x: np.dot(x[:WIRES], np.ones((WIRES, WIRES))),
    "sums": lambda x: (
        np.cumsum(x[:WIRES]) + np.mean(x) - np.sum(x.reshape(2, -1)[:, 1:], axis=0)[0]
    ),
    "norm": lambda x: x[:WIRES] / np.linalg.norm(x),
    "einsum": lambda x: np.einsum("i,j->ij", x[:2], x[2:4]).ravel(),
    "joined": lambda x: np.concatenate([x[:1], np.stack([x[3], 0.1 * x[2]]), np.array([x[1]])]),
    "lists": lambda x: np.array([x[0], 0.3, x[1] * x[2], sum(x)]),
    "moved": lambda x: np.roll(np.flip(x), 1)[:WIRES] + np.tile(x[:2], 2),
    "clipped": lambda x: np.clip(3 * x[:WIRES], 0.5, 1.5) + np.abs(x[0] - 0.5) + x[1] % 0.3,
    "pennylane.numpy": lambda x: pnp.tanh(pnp.sqrt(x[:WIRES])) * pnp.pi,
    "pennylane.math": lambda x: qml.math.stack([qml.math.sum(x), *qml.math.tan(x[1:WIRES])]),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_what_a_function_computes_is_recorded(name):
    def circuit(x):
        for wire, angle in enumerate(ARITHMETIC[name](x)):
            qml.RX(angle, wires=wire)
        for wire in range(WIRES - 1):
            qml.CRY(x[wire], wires=[wire, wire + 1])
        return qml.expval(qml.Z(WIRES - 1)), qml.expval(qml.X(1) @ qml.Z(2))

    draw = np.random.default_rng(3)
    points = [draw.uniform(0.1, 0.9, 6) for _ in range(3)]
    qnode, fast = assert_compiled(circuit, *[(point,) for point in points])

    def cost(qnode):
        return lambda x: pnp.sum(pnp.stack(qnode(x)) * pnp.array([1.0, 0.5]))

    for point in points:
        point = pnp.array(point, requires_grad=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = qml.grad(cost(fast))(point)
        assert fast.fallback_reason is None
        values = [numeric(lambda y: float(cost(qnode)(y)), np.array(point), n) for n in range(6)]
        np.testing.assert_allclose(found, values, atol=2e-8)


def numeric(function, point, number, step=1e-5):
    shift = np.zeros_like(point)
    shift[number] = step
    return (function(point + shift) - function(point - shift)) / (2 * step)


def test_kinds_of_arguments():
    def circuit(first, second, *, weights, layers=1, flag=False):
        qml.RX(first, 0)
        for angle in second["angles"]:
            qml.RY(angle, 1)
        for _ in range(layers):
            qml.CRot(*weights, wires=[0, 1])
        if flag:
            qml.Hadamard(0)
        return qml.expval(qml.Z(1))

    qnode, fast = both(circuit)
    second = {"angles": [0.1, np.float64(0.2), np.array(0.4)]}
    for first in (0.3, 1, np.float32(0.2), np.array(0.7)):
        for keywords in ({}, {"layers": 3}, {"flag": True}):
            expected = qnode(first, second, weights=np.array([0.1, 0.2, 0.3]), **keywords)
            found = fast(first, second, weights=np.array([0.1, 0.2, 0.3]), **keywords)
            assert fast.fallback_reason is None
            assert_alike(found, expected)


def test_integers_that_are_counted_with_decide_the_structure():
    def circuit(angle, wire, bits):
        qml.BasisState(bits, wires=range(3))
        qml.RX(angle, wires=wire)
        return qml.expval(qml.Z(wire))

    qnode, fast = both(circuit)
    for wire in (0, 2):
        for bits in (np.array([0, 1, 1]), np.array([1, 0, 1])):
            assert_alike(fast(0.3, wire, bits), qnode(0.3, wire, bits))
            assert fast.fallback_reason is None


def test_integers_that_are_angles_are_numbers():
    _, fast = assert_compiled(
        lambda pixels: [qml.RX(p / 3, w) for w, p in enumerate(pixels)] and qml.expval(qml.Z(1)),
        (np.array([1, 2, 3]),),
        (np.array([4, 5, 6]),),
    )
    assert "1 circuits captured" in repr(fast)


def test_a_function_without_arguments():
    assert_compiled(lambda: qml.RX(0.3, 0) and qml.expval(qml.Z(0)), ())


@pytest.mark.parametrize("shots", [50, (5, (7, 2))])
def test_shots_are_those_of_the_qnode(shots):
    def circuit(angles):
        layers(angles)
        return qml.expval(qml.Z(0)), qml.sample(wires=[0, 1]), qml.counts(wires=[2]), qml.probs([3])

    qnode, fast = both(circuit, shots=shots, settings={"seed": 5})
    for _ in range(3):
        assert_alike(fast(ANGLES), qnode(ANGLES))
        assert fast.fallback_reason is None


# Derivatives


@pytest.mark.parametrize("device_vjp", [False, True])
@pytest.mark.parametrize("name", ["expval", "hamiltonian", "var", "probs", "list"])
def test_derivatives_by_autograd(name, device_vjp):
    def circuit(inputs, angles):
        qml.AngleEmbedding(inputs, wires=range(WIRES))
        layers(angles * 2)
        return MEASUREMENTS[name]()

    qnode, fast = both(circuit, device_vjp=device_vjp)

    def cost(qnode):
        def total(inputs, angles):
            found = qnode(inputs, angles)
            found = pnp.hstack(found) if isinstance(found, list) else found
            return pnp.sum(pnp.sin(found) ** 2)

        return total

    for inputs in (ANGLES[0], np.stack([ANGLES[0], ANGLES[1]])):
        if name == "list" and inputs.ndim == 2:
            continue
        inputs = pnp.array(inputs, requires_grad=True)
        angles = pnp.array(ANGLES, requires_grad=True)
        found = qml.grad(cost(fast))(inputs, angles)
        assert fast.fallback_reason is None
        for slope, other in zip(found, qml.grad(cost(qnode))(inputs, angles), strict=True):
            np.testing.assert_allclose(slope, other, atol=1e-10)


def test_jacobian_takes_one_run():
    def circuit(angles):
        layers(angles)
        return qml.probs([0, 1])

    qnode, fast = both(circuit)
    angles = pnp.array(ANGLES, requires_grad=True)
    fast(ANGLES)
    with fast.device.tracker:
        found = qml.jacobian(fast)(angles)
    assert fast.device.tracker.totals["derivatives"] == 1
    np.testing.assert_allclose(found, qml.jacobian(qnode)(angles), atol=1e-10)
    assert fast.device.reports[0].gradient_error is not None


@pytest.mark.parametrize("device_vjp", [False, True])
def test_derivatives_by_jax(device_vjp):
    jax = pytest.importorskip("jax")

    def circuit(inputs, angles):
        qml.AngleEmbedding(inputs, wires=range(WIRES))
        layers(angles["a"])
        return qml.expval(qml.Z(1)), qml.probs([0, 2])

    qnode, fast = both(circuit, device_vjp=device_vjp)

    def cost(qnode):
        def total(inputs, angles):
            value, outcomes = qnode(inputs, angles)
            return (value**2).sum() + (outcomes[..., 1] * 0.3).sum()

        return total

    angles = {"a": jax.numpy.asarray(ANGLES)}
    for inputs in (ANGLES[0], np.stack([ANGLES[0], ANGLES[1]])):
        inputs = jax.numpy.asarray(inputs)
        assert_alike(fast(inputs, angles), qnode(inputs, angles), 1e-6)
        expected = jax.jit(jax.grad(cost(qnode), argnums=(0, 1)))(inputs, angles)
        for transformed in (lambda f: f, jax.jit):
            found = transformed(jax.grad(cost(fast), argnums=(0, 1)))(inputs, angles)
            assert fast.fallback_reason is None
            np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
            np.testing.assert_allclose(found[1]["a"], expected[1]["a"], atol=1e-5)
    batch = jax.numpy.asarray(np.random.default_rng(0).uniform(size=(3, WIRES)))
    mapped = jax.vmap(lambda x: cost(fast)(x, angles))(batch)
    np.testing.assert_allclose(mapped, [cost(qnode)(x, angles) for x in batch], atol=1e-5)


class TestTorch:
    @pytest.fixture(autouse=True)
    def _torch(self):
        self.torch = pytest.importorskip("torch")

    @pytest.mark.parametrize("device_vjp", [False, True])
    def test_values_and_derivatives(self, device_vjp):
        torch = self.torch

        def circuit(inputs, angles):
            qml.AngleEmbedding(torch.sin(inputs), wires=range(WIRES))
            layers(angles * 0.5)
            return qml.expval(qml.Z(1)), qml.probs([0, 2])

        qnode, fast = both(circuit, device_vjp=device_vjp)
        for shape in ((WIRES,), (3, WIRES)):
            inputs = torch.rand(shape, dtype=torch.float64)
            angles = torch.tensor(ANGLES, requires_grad=True)
            assert_alike(fast(inputs, angles.detach()), qnode(inputs, angles.detach()))
            assert fast.fallback_reason is None
            slopes = []
            for node in (fast, qnode):
                angles.grad = None
                value, outcomes = node(inputs, angles)
                ((value**2).sum() + outcomes.sum(dim=-1).prod() + outcomes[..., 2].sum()).backward()
                slopes.append(angles.grad.clone())
            torch.testing.assert_close(*slopes, atol=1e-10, rtol=0.0)

    def test_single_precision_arguments(self):
        torch = self.torch
        qnode, fast = both(lambda x: layers(torch.sin(x)) or qml.expval(qml.Z(1)))
        angles = torch.rand((2, WIRES))
        assert_alike(fast(angles), qnode(angles), 1e-6)  # the QNode computes in single precision
        assert fast.fallback_reason is None

    def test_types_of_gradients(self):
        torch = self.torch
        _, fast = both(lambda x: qml.RX(x, 0) and qml.expval(qml.Z(0)))
        angle = torch.tensor(0.3, dtype=torch.float32, requires_grad=True)
        value = fast(angle)
        value.backward()
        assert value.dtype == torch.float64
        assert angle.grad.dtype == torch.float32


def test_derivatives_by_shifts_are_left_to_pennylane():
    def circuit(angles):
        layers(angles)
        return qml.expval(qml.Z(1))

    qnode, fast = both(circuit, diff_method="parameter-shift")
    angles = pnp.array(ANGLES, requires_grad=True)
    assert_alike(fast(ANGLES), qnode(ANGLES))
    assert fast.fallback_reason is None
    np.testing.assert_allclose(qml.grad(fast)(angles), qml.grad(qnode)(angles), atol=1e-10)
    assert "derivatives" in fast.fallback_reason


# What is left to PennyLane

STATE = {"calls": 0}


def depends_on_more(x):
    STATE["calls"] += 1
    qml.RX(x * STATE["calls"], 0)


def writes(x):
    x[0] = 2.0
    qml.RX(x[0], 0)


REASONS = {
    "it compares an argument": lambda x: qml.RX(x[0], 0) if x[0] > 0 else qml.RY(x[0], 0),
    "asks whether an argument is true": lambda x: qml.RX(0.1 if x[0] else x[1], 0),
    "makes an integer": lambda x: [qml.RX(0.1, 0) for _ in range(int(x[0] * 10))],
    "makes a plain number": lambda x: qml.RX(float(x[0]), 0),
    "counts or chooses": lambda x: qml.RX([0.1, 0.2][x[0].astype(float)], 0),
    "it writes into an argument": writes,
    "it calls numpy.round": lambda x: qml.RX(np.round(x[0], 1), 0),
    "it turns an argument into complex128": lambda x: qml.RX(x.astype(complex)[0], 0),
    "it calls sign, which is not recorded": lambda x: qml.RX(np.sign(x[0]), 0),
    "StatePrep": lambda x: qml.AmplitudeEmbedding(x, wires=[0, 1], normalize=True),
    "it computes with an argument": lambda x: qml.QubitUnitary(np.cos(x[0]) * np.eye(2) * 1j, 0),
    "it measures in the middle": lambda x: [qml.RX(x[0], 0), qml.measure(0)],
    "it depends on more than its arguments": lambda x: depends_on_more(x[0]),
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_is_not_recorded_is_left_to_pennylane_with_a_reason(reason):
    def circuit(x):
        REASONS[reason](x)
        return qml.expval(qml.Z(0))

    qnode = qml.QNode(circuit, device())
    fast = bondline.compile(qml.QNode(circuit, device()))
    point = np.array([0.5, 0.2, 0.3, 0.1])
    STATE["calls"] = 0
    try:
        qnode(point.copy())
    except Exception:
        pytest.skip("PennyLane refuses it, too")
    with pytest.warns(CompileFallbackWarning) as caught:
        found = fast(point.copy())
    assert len(caught) == 1
    assert caught[0].filename == __file__
    if reason != "it depends on more than its arguments":
        assert_alike(found, qnode(point.copy()))
        if reason != "StatePrep":
            assert reason in fast.fallback_reason
    fast(point.copy())  # warns once


def test_coefficients_that_depend_on_arguments():
    _, fast = both(lambda x: qml.RX(x, 0) and qml.expval(x * qml.Z(0)))
    with pytest.warns(CompileFallbackWarning, match="depend on an argument|it "):
        fast(0.3)


def test_transforms_of_the_qnode():
    @qml.transforms.cancel_inverses
    @qml.qnode(device())
    def circuit(x):
        qml.RX(x, 0)
        return qml.expval(qml.Z(0))

    fast = bondline.compile(circuit)
    with pytest.warns(CompileFallbackWarning, match="transforms of the QNode"):
        assert fast(0.3) == circuit(0.3)


def test_unknown_arguments():
    class Settings:
        __hash__ = None
        angle = 0.3

    _, fast = both(lambda x, s: qml.RX(x * s.angle, 0) and qml.expval(qml.Z(0)))
    with pytest.warns(CompileFallbackWarning, match="of the type Settings"):
        fast(0.3, Settings())


def test_a_fallback_of_one_structure_leaves_the_others():
    def circuit(x, *, careful):
        if careful and x < 0:
            x = -x
        qml.RX(x, 0)
        return qml.expval(qml.Y(0))

    qnode, fast = both(circuit)
    with pytest.warns(CompileFallbackWarning):
        assert fast(-0.3, careful=True) == qnode(-0.3, careful=True)
    assert fast(-0.3, careful=False) == qnode(-0.3, careful=False)
    assert fast.fallback_reason is None


def test_errors_of_the_circuit_are_those_of_the_qnode():
    _, fast = both(lambda x: qml.RX(x, 7) and qml.expval(qml.Z(0)))
    with pytest.raises(qml.exceptions.WireError), pytest.warns(CompileFallbackWarning):
        fast(0.3)


def test_numbers_that_are_not_finite_are_refused():
    _, fast = both(lambda x: qml.RX(x, 0) and qml.expval(qml.Z(0)))
    fast(0.3)
    with pytest.raises(InputError, match=r"Operation 0, RX\(.*not finite"):
        fast(np.nan)


def test_only_qnodes_of_the_device():
    with pytest.raises(InputError, match=r"compile needs a QNode on the device bondline\.mps"):
        bondline.compile(qml.QNode(lambda: qml.expval(qml.Z(0)), qml.device("default.qubit")))


# Settings, copies, threads


def test_another_device_of_the_qnode_is_used():
    _, fast = both(lambda x: layers(x) or qml.expval(qml.Z(3)))
    fast(ANGLES)
    fast.qnode.device = device(max_bond_dim=2, on_low_fidelity="ignore")
    found = fast(ANGLES)
    assert fast.device.reports[0].max_bond_dim == 2
    assert_alike(found, fast.qnode(ANGLES))
    shifted = fast.qnode.update(diff_method="parameter-shift")
    assert_alike(bondline.compile(shifted)(ANGLES), shifted(ANGLES))


def test_reports_and_warnings_are_those_of_the_device():
    small = qml.device("bondline.mps", wires=WIRES, max_bond_dim=1)
    qnode = qml.QNode(lambda x: layers(x) or qml.expval(qml.Z(3)), small)
    fast = bondline.compile(qnode)
    with pytest.warns(bondline.LowFidelityWarning):
        fast(ANGLES)
    fast(ANGLES)  # once
    assert small.reports[0].largest_bond == 1
    with small.tracker:
        fast(ANGLES)
    assert small.tracker.totals["executions"] == 1


def test_two_structures_in_one_function():
    _, fast = assert_compiled(
        lambda x: [qml.RX(a, w) for w, a in enumerate(x)] and qml.expval(qml.Z(0)),
        *[(np.full(n, 0.1 * k + 0.1),) for k in range(3) for n in (1, 3)],
    )
    assert "2 circuits captured" in repr(fast)


def module_circuit(angles):
    layers(angles)
    return qml.expval(qml.Z(3))


def test_copies_record_anew():
    fast = bondline.compile(qml.QNode(module_circuit, device()))
    value = fast(ANGLES)
    for other in (copy.copy(fast), copy.deepcopy(fast)):
        assert other(ANGLES) == value
    assert fast.__reduce__() == (bondline.compile, (fast.qnode,))
    try:
        pickle.dumps(fast.qnode)
    except Exception:
        with pytest.raises(Exception, match=r".+"):
            pickle.dumps(fast)
    else:
        assert pickle.loads(pickle.dumps(fast))(ANGLES) == value


def test_threads_share_a_compiled_function():
    qnode, fast = both(module_circuit)
    points = [ANGLES + 0.01 * k for k in range(24)]
    expected = [float(qnode(point)) for point in points]
    with ThreadPoolExecutor(6) as executor:
        assert list(map(float, executor.map(fast, points))) == expected


def test_pennylane_is_not_asked_again(monkeypatch):
    _, fast = both(module_circuit)
    fast(ANGLES)
    qml.grad(fast)(pnp.array(ANGLES, requires_grad=True))
    monkeypatch.setattr(qml.QNode, "construct", lambda *_: pytest.fail("a circuit was built"))
    monkeypatch.setattr(qml.RY, "__init__", lambda *_, **__: pytest.fail("a gate was made"))
    fast(ANGLES + 0.1)
    qml.grad(fast)(pnp.array(ANGLES, requires_grad=True))


@pytest.mark.parametrize(
    ("angle_of", "first", "second"),
    [
        (lambda a: 1.0 if a in {3, 5} else 2.0, 1, 3),
        (lambda a: {3: 1.0}.get(a, 0.2), 1, 3),
        (lambda a: 1.0 if str(a).startswith("-") else 2.0, 0.3, -0.3),
        (lambda a: float(f"{a:.1f}"), 0.3, 0.8),
        (lambda a: 1.0 if np.asarray(a).dtype.kind == "f" else 2.0, np.array(0.5), np.array(1)),
        (lambda a: 0.01 * (a - a[::-1])[0], np.array([1, 2]), np.array([1, 2], np.uint8)),
        (lambda a: 2.0 if isinstance(a, np.ndarray) else 1.0, 0.5, np.array(0.5)),
    ],
)
def test_what_is_asked_of_a_number_is_asked_at_every_call(angle_of, first, second):
    @qml.qnode(qml.device("bondline.mps", wires=2))
    def circuit(a):
        qml.RX(angle_of(a), wires=0)
        return qml.expval(qml.Z(0))

    fast = bondline.compile(circuit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompileFallbackWarning)
        for value in (first, second, first):
            assert float(fast(value)) == pytest.approx(float(circuit(value)), abs=1e-12)


def test_an_object_that_may_change_is_not_recorded():
    class Options:
        angle = 0.3

    @qml.qnode(qml.device("bondline.mps", wires=1))
    def circuit(options):
        qml.RX(options.angle, wires=0)
        return qml.expval(qml.Z(0))

    fast = bondline.compile(circuit)
    options = Options()
    with pytest.warns(CompileFallbackWarning, match="not told by its value"):
        assert float(fast(options)) == pytest.approx(np.cos(0.3))
    options.angle = 0.9
    assert float(fast(options)) == pytest.approx(np.cos(0.9))


def test_a_matrix_made_of_an_argument_is_left_to_pennylane():
    @qml.qnode(qml.device("bondline.mps", wires=1))
    def circuit(matrix):
        qml.QubitUnitary(matrix, wires=0)
        return qml.expval(qml.Z(0))

    fast = bondline.compile(circuit)
    with pytest.warns(CompileFallbackWarning):
        assert float(fast(np.array([[0.0, 1.0], [1.0, 0.0]]))) == pytest.approx(-1.0)


def test_a_compiled_function_is_no_part_of_another_circuit():
    _, fast = both(module_circuit)
    with pytest.raises(InputError, match="no gates to draw"):
        qml.draw(fast)(ANGLES)
