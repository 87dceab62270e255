"""Derivatives of kernel matrices by the parameters of the map, beside dense statevectors."""

import numpy as np
import pennylane as qml
import pytest
from autograd import numpy as anp

from bondline import (
    InputError,
    LowFidelityError,
    LowFidelityWarning,
    ResourceError,
    UnsupportedError,
)
from bondline.kernels import EncodedSet, FidelityKernel, ProjectedKernel, target_alignment

WIRES = 4
RNG = np.random.default_rng(11)
X = RNG.uniform(-1, 1, (5, WIRES))
Y = RNG.uniform(-1, 1, (3, WIRES))
ANGLES = RNG.uniform(0.3, 1.2, (2, WIRES))
SCALE = 0.7


def encoding(x, angles, scale):
    for layer in range(2):
        for wire in range(WIRES):
            qml.RY(scale * x[wire] + angles[layer, wire], wires=wire)
            qml.RZ(angles[layer, wire] * x[wire] ** 2, wires=wire)
        for wire in range(WIRES - 1):
            turn = angles[layer, wire] * x[wire] * x[wire + 1]
            qml.IsingZZ(turn, wires=[wire, wire + 1])
        qml.CNOT([0, 3])


def fresh(**settings):
    return FidelityKernel(encoding, WIRES, **{"cutoff": 0, **settings})


@qml.qnode(qml.device("default.qubit", wires=WIRES))
def state(x, angles, scale):
    encoding(x, angles, scale)
    return qml.state()


def dense_sum(weights, rows, others):
    """The weighted sum of all entries, from statevectors that autograd differentiates."""

    def total(angles, scale):
        bras = [state(x, angles, scale) for x in rows]
        kets = bras if others is None else [state(x, angles, scale) for x in others]
        found = 0.0
        for bra, line in zip(bras, weights, strict=True):
            for ket, weight in zip(kets, line, strict=True):
                overlap = anp.sum(anp.conj(bra) * ket)
                found = found + weight * anp.real(overlap * anp.conj(overlap))
        return found

    return total


def trainable(angles=ANGLES, scale=SCALE):
    return qml.numpy.array(angles, requires_grad=True), qml.numpy.array(scale, requires_grad=True)


@pytest.mark.parametrize("others", [None, Y], ids=["symmetric", "two sets"])
@pytest.mark.parametrize(
    "rows", [X, np.zeros_like(X), np.where(X > 0, X, 0.0)], ids=["generic", "zeros", "some zeros"]
)
@pytest.mark.parametrize("angles", [ANGLES, 0 * ANGLES, 1e-9 * ANGLES], ids=["", "zero", "tiny"])
def test_derivatives_are_those_of_statevectors(rows, others, angles):
    weights = np.random.default_rng(5).normal(size=(len(rows), len(rows if others is None else Y)))
    expected = qml.grad(dense_sum(weights, rows, others))(*trainable(angles))
    matrix, found = fresh().vjp(rows, weights, others, params=(angles, SCALE))
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(matrix, fresh().matrix(rows, others, params=(angles, SCALE)), 1e-12)


def test_autograd_differentiates_the_matrix():
    kernel = fresh()
    weights = RNG.normal(size=(5, 3))

    def total(angles, scale):
        return anp.sum(weights * kernel.matrix(X, Y, params=(angles, scale)) ** 2)

    def entries(angles, scale):
        return kernel.matrix(X, Y, params=(angles, scale))

    slopes = qml.grad(total)(*trainable())
    again = kernel.vjp(X, lambda K: 2 * weights * K, Y, params=(ANGLES, SCALE))[1]
    np.testing.assert_array_equal(slopes[0], again[0])
    np.testing.assert_array_equal(slopes[1], again[1])
    jacobian = qml.jacobian(entries, argnums=1)(*trainable())
    step = 1e-4
    steps = [entries(ANGLES, SCALE + sign * step) for sign in (1, -1)]
    np.testing.assert_allclose(jacobian, (steps[0] - steps[1]) / (2 * step), rtol=0, atol=1e-7)


def test_jax_differentiates_and_compiles():
    jax = pytest.importorskip("jax")
    kernel = fresh()
    weights = RNG.normal(size=(5, 5))

    def total(angles, scale):
        return (weights * kernel.matrix(X, params=(angles, scale))).sum()

    expected = kernel.vjp(X, weights, params=(ANGLES, SCALE))[1]
    tolerance = 1e-9 if jax.numpy.zeros(()).dtype == np.float64 else 1e-4
    slopes = jax.grad(total, argnums=(0, 1))
    for found in (slopes, jax.jit(slopes)):
        given = found(jax.numpy.asarray(ANGLES), jax.numpy.asarray(SCALE))
        for one, two in zip(given, expected, strict=True):
            np.testing.assert_allclose(one, two, rtol=0, atol=tolerance)


def test_torch_differentiates():
    torch = pytest.importorskip("torch")
    kernel = fresh()
    weights = RNG.normal(size=(5, 5))
    angles = torch.tensor(ANGLES, requires_grad=True)
    (torch.tensor(weights) * kernel.matrix(X, params=(angles, SCALE))).sum().backward()
    expected = kernel.vjp(X, weights, params=(ANGLES, SCALE))[1]
    np.testing.assert_allclose(angles.grad, expected[0], rtol=0, atol=1e-12)


def ladder(x, angles):
    for layer in range(3):
        for wire in range(8):
            qml.RY(x[wire] + angles[layer, wire], wires=wire)
        for wire in range(7):
            qml.IsingXX(1.3 * angles[layer, wire], wires=[wire, wire + 1])


def test_where_bonds_are_cut_derivatives_are_those_of_what_is_computed():
    rows = RNG.uniform(-1, 1, (3, 8))
    angles = RNG.uniform(0.4, 1.2, (3, 8))
    weights = RNG.normal(size=(3, 3))
    kernel = FidelityKernel(ladder, 8, max_bond_dim=3, on_low_fidelity="ignore")
    found = kernel.vjp(rows, weights, params=angles)[1]
    full = FidelityKernel(ladder, 8).vjp(rows, weights, params=angles)[1]
    assert abs(found - full).max() > 1e-3  # it is cut
    step = 1e-4
    for place in [(0, 1), (1, 4), (2, 7)]:
        values = []
        for sign in (1, -1):
            moved = angles.copy()
            moved[place] += sign * step
            values.append((weights * kernel.vjp(rows, weights, params=moved)[0]).sum())
        assert found[place] == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-7)


def test_a_deep_circuit_at_a_corner_is_differentiated_on_both_sides():
    # Bonds of products of operators would be too large here. Beside the corner, directions have
    # weights of 1e-14, which rounding reaches.
    wires, layers = 14, 10
    pairs = [*range(0, wires - 1, 2), *range(1, wires - 1, 2)]

    def deep(x, angles):
        for layer in range(layers):
            for wire in range(wires):
                qml.RY(angles[layer, wire, 0] + x[wire], wires=wire)
                qml.RZ(angles[layer, wire, 1], wires=wire)
            for wire in pairs:
                qml.IsingXX(angles[layer, wire, 2] + x[wire], wires=[wire, wire + 1])

    kernel = FidelityKernel(deep, wires, cutoff=0)
    rng = np.random.default_rng(3)
    rows, others = np.zeros((1, wires)), 0.1 * rng.uniform(-1, 1, (3, wires))
    angles, weights = np.zeros((layers, wires, 3)), rng.normal(size=(1, 3))
    found = kernel.vjp(rows, weights, others, params=angles)[1]
    assert abs(found).max() > 1e-3
    step = 1e-3
    for place in [(0, 0, 0), (3, 4, 2), (5, 5, 2), (9, 7, 1)]:
        values = []
        for shift in (2, 1, -1, -2):
            moved = angles.copy()
            moved[place] += shift * step
            values.append((weights * kernel.matrix(rows, others, params=moved)).sum())
        slope = (8 * (values[1] - values[2]) - (values[0] - values[3])) / (12 * step)
        assert found[place] == pytest.approx(slope, abs=1e-7)


def test_derivatives_of_cuts_between_equal_weights_warn():
    turns = np.random.default_rng(0).choice([0.0, np.pi / 2, -np.pi / 2], size=(10, 14))

    def feature_map(x, w):
        for layer in turns:
            for wire, turn in enumerate(layer):
                qml.RY(turn + w[wire % 3] * x[0], wires=wire)
            for wire in range(13):
                qml.CNOT([wire, wire + 1])

    def pull(**settings):
        kernel = FidelityKernel(feature_map, 14, max_bond_dim=2, min_fidelity=0.0, **settings)
        rows, others = np.ones((1, 1)), np.full((1, 1), 0.3)
        return kernel.vjp(rows, np.ones((1, 1)), others, params=np.zeros(3))

    with pytest.warns(LowFidelityWarning, match=r"row 0 among them, are not to be trusted"):
        _, slopes = pull()
    assert np.all(np.isfinite(slopes))
    with pytest.raises(LowFidelityError, match="Raise max_bond_dim"):
        pull(on_low_fidelity="raise")


def test_threads_change_no_bit():
    weights = RNG.normal(size=(5, 3))
    one, two = (
        fresh(threads=threads).vjp(X, weights, Y, params=(ANGLES, SCALE)) for threads in (1, 2)
    )
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1][0], two[1][0])


def test_gradients_come_in_the_containers_of_the_parameters():
    def nested(x, weights, layers):
        for _ in range(layers["count"]):
            for wire in range(WIRES):
                qml.RY(weights["scale"] * x[wire] + weights["shift"][wire], wires=wire)

    params = ({"scale": 0.5, "shift": np.linspace(0, 1, WIRES)}, {"count": 2, "name": "two"})
    weights, rest = FidelityKernel(nested, WIRES).vjp(X, np.ones((5, 5)), params=params)[1]
    assert np.shape(weights["scale"]) == ()
    assert weights["shift"].shape == (WIRES,)
    assert rest["count"] == 0
    assert rest["name"] is None

    def single(x, scale):
        qml.RY(scale * x[0], wires=0)

    kernel = FidelityKernel(single, 1, params=0.5)
    found = kernel.vjp(X, np.ones((5, 5)))[1]
    expected = -np.sum([np.sin(0.5 * (a - b)) * (a - b) / 2 for a in X[:, 0] for b in X[:, 0]])
    assert found == pytest.approx(expected, abs=1e-12)


def test_training_raises_the_alignment():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(16, 2))
    labels = np.sign(rows[:, 0])

    def scaled(x, scales):
        for wire in range(2):
            qml.RY(scales[wire] * x[wire], wires=wire)
        qml.CNOT([0, 1])

    kernel = FidelityKernel(scaled, 2)
    target = np.outer(labels, labels)

    def loss(scales):
        K = kernel.matrix(rows, params=scales)
        return -anp.sum(K * target) / (anp.sqrt(anp.sum(K * K)) * len(labels))

    scales = qml.numpy.array([0.5, 1.5], requires_grad=True)
    before = target_alignment(kernel.matrix(rows, params=np.array(scales)), labels)
    optimizer = qml.AdamOptimizer(0.1)
    for _ in range(20):
        scales = optimizer.step(loss, scales)
    after = target_alignment(kernel.matrix(rows, params=np.array(scales)), labels)
    assert after > before + 0.1


def branching(x, angles):
    for wire in range(WIRES):
        qml.RY(x[wire] + angles[0, wire], wires=wire)
    if x[0] > 0:
        qml.CNOT([0, 1])


def test_what_has_no_derivative_is_refused_with_the_way_out(tmp_path):
    kernel = fresh()
    given = (ANGLES, SCALE)

    def slopes(function):
        return qml.grad(lambda angles: anp.sum(function(angles)))(trainable()[0])

    with pytest.raises(UnsupportedError, match="it compares an argument"):
        FidelityKernel(branching, WIRES).vjp(X, np.ones((5, 5)), params=ANGLES)
    with pytest.raises(UnsupportedError, match="it compares an argument"):
        slopes(lambda angles: FidelityKernel(branching, WIRES).matrix(X, params=angles))
    with pytest.raises(UnsupportedError, match=r"FidelityKernel\.matrix"):
        slopes(lambda angles: ProjectedKernel(encoding, WIRES).matrix(X, params=(angles, SCALE)))
    with pytest.raises(UnsupportedError, match=r"FidelityKernel\.matrix"):
        slopes(lambda angles: kernel.log_matrix(X, params=(angles, SCALE)))
    with pytest.raises(UnsupportedError, match=r"FidelityKernel\.matrix"):
        slopes(lambda angles: kernel.prepare(X, params=(angles, SCALE)).states)
    found = kernel.prepare(X, params=given)
    assert isinstance(found, EncodedSet)
    with pytest.raises(UnsupportedError, match="rows themselves"):
        slopes(lambda angles: kernel.matrix(found, params=(angles, SCALE)))
    with pytest.raises(UnsupportedError, match="checkpoint"):
        slopes(lambda angles: kernel.matrix(X, params=(angles, SCALE), checkpoint=tmp_path))


def test_bad_input_is_refused():
    kernel = fresh()
    given = (ANGLES, SCALE)
    with pytest.raises(InputError, match=r"shape \(5, 5\)"):
        kernel.vjp(X, np.ones((5, 4)), params=given)
    with pytest.raises(InputError, match="real numbers"):
        kernel.vjp(X, np.ones((5, 5)) * 1j, params=given)
    with pytest.raises(InputError, match="not finite"):
        kernel.vjp(X, np.full((5, 5), np.nan), params=given)
    with pytest.raises(InputError, match="no trainable"):
        FidelityKernel(lambda x: qml.RY(x[0], 0), 1).vjp(X, np.ones((5, 5)))
    with pytest.raises(InputError, match="features"):
        kernel.vjp(X, np.ones((5, 3)), Y[:, :3], params=given)
    rows = RNG.uniform(-1, 1, (200, WIRES))  # a matrix of 320 kB, and 200 states
    with pytest.raises(ResourceError, match="fewer rows"):
        fresh(memory_limit=350_000).vjp(rows, np.ones((200, 200)), params=given)
