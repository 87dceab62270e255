"""Derivatives by what stands in an observable, and by arrays that are no angles."""

import jax
import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp
from pennylane.exceptions import QuantumFunctionError

from bondline import InputError, UnsupportedError

WIRES = 3


@pytest.fixture(autouse=True)
def _double():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def prepare():
    for wire in range(WIRES):
        qml.RY(0.4 + 0.3 * wire, wires=wire)
        qml.RZ(0.9 - 0.2 * wire, wires=wire)
    qml.CNOT([0, 1])
    qml.CRX(0.8, wires=[1, 2])


def of(build, **options):
    """Return a QNode whose argument is what ``build`` makes measurements of."""

    @qml.qnode(qml.device("bondline.mps", wires=WIRES), **options)
    def circuit(coefficients, angle=0.3):
        prepare()
        qml.RX(angle, wires=0)
        measurements = build(coefficients)
        return measurements if isinstance(measurements, tuple) else (measurements,)

    return lambda *arguments: qml.math.hstack(
        [qml.math.reshape(value, (-1,)) for value in circuit(*arguments)]
    )


def quotient(build, coefficients, step=1e-4):
    # Values are at most quadratic in every coefficient here, but for exponentials.
    values = of(build, diff_method=None)
    columns = []
    for place in range(len(coefficients)):
        moved = [np.array(coefficients), np.array(coefficients)]
        moved[0][place] += step
        moved[1][place] -= step
        columns.append((values(moved[0]) - values(moved[1])) / (2 * step))
    return np.stack(columns, axis=-1)


X, Y, Z = (lambda wire, kind=kind: kind(wire) for kind in (qml.X, qml.Y, qml.Z))
OBSERVABLES = {
    "Hamiltonian": lambda c: qml.Hamiltonian(c, [Z(0), X(1) @ Z(0), Y(2), Z(1) @ Z(2)]),
    "equal words": lambda c: qml.Hamiltonian(c, [Z(0), X(1), Z(0), 0.5 * Z(0)]),
    "dot": lambda c: qml.dot(c, [Z(0), X(1) @ Z(0), Y(2), qml.I(1)]),
    "one coefficient": lambda c: qml.s_prod(c[0], X(1)),
    "nested": lambda c: qml.s_prod(
        c[0],
        qml.sum(qml.s_prod(c[1], Z(0)), qml.s_prod(c[2], qml.sum(X(1), qml.s_prod(c[3], Y(2))))),
    ),
    "products": lambda c: qml.prod(
        qml.sum(qml.s_prod(c[0], X(0)), Z(0)),
        qml.s_prod(c[1], qml.sum(Y(1), qml.s_prod(c[2], Z(1)))),
    ),
    "projectors": lambda c: qml.dot(
        c, [qml.Projector([1, 0], [0, 2]), Z(0), qml.prod(X(0), qml.Projector([1], 1)), Y(1)]
    ),
    "matrices": lambda c: qml.sum(
        qml.s_prod(c[0], qml.Hadamard(1)),
        qml.s_prod(c[1], qml.sum(Z(0), qml.s_prod(c[2], qml.Hermitian(np.diag([1.0, 3.0]), 2)))),
        qml.s_prod(c[3], Z(0)),
    ),
    "inside a product with a matrix": lambda c: qml.prod(qml.s_prod(c[0], X(0)), qml.Hadamard(1)),
}
COEFFICIENTS = np.array([0.3, -1.2, 0.7, 0.4])
ZEROS = np.zeros(4)


@pytest.mark.parametrize("build", OBSERVABLES.values(), ids=OBSERVABLES)
@pytest.mark.parametrize("point", [COEFFICIENTS, ZEROS], ids=["somewhere", "at zero"])
def test_expectations_have_derivatives_by_coefficients(build, point):
    def expectation(coefficients):
        return qml.expval(build(coefficients))

    expected = quotient(expectation, point)
    for vjp in (False, True):
        found = jax.jacrev(of(expectation, device_vjp=vjp))(jax.numpy.array(point))
        np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(
    "build",
    [build for name, build in OBSERVABLES.items() if name != "inside a product with a matrix"],
    ids=[name for name in OBSERVABLES if name != "inside a product with a matrix"],
)
@pytest.mark.parametrize("point", [COEFFICIENTS, ZEROS], ids=["somewhere", "at zero"])
def test_variances_have_derivatives_by_coefficients(build, point):
    def several(coefficients):
        return qml.expval(Z(1)), qml.var(build(coefficients)), qml.var(Z(0) + X(2))

    expected = quotient(several, point)
    for vjp in (False, True):
        found = jax.jacrev(of(several, device_vjp=vjp))(jax.numpy.array(point))
        np.testing.assert_allclose(found, expected, atol=1e-7)


def test_exponents_of_words():
    def tape(numbers):
        first, second, third, fourth = numbers
        observables = [
            qml.exp(Z(0) @ X(1), first),
            qml.exp(qml.s_prod(second, Z(0)), third),
            qml.exp(qml.I(0), fourth),
        ]
        with qml.queuing.AnnotatedQueue() as queue:
            prepare()
        operations = qml.tape.QuantumScript.from_queue(queue).operations
        found = qml.tape.QuantumScript(operations, list(map(qml.expval, observables)))
        found.trainable_params = [
            len(found.get_parameters(False)) - place for place in (4, 3, 2, 1)
        ]
        return found

    device = qml.device("bondline.mps", wires=WIRES)
    assert tape(COEFFICIENTS).get_parameters() == [0.3, 0.7, -1.2, 0.4]
    found = np.array(device.compute_derivatives(tape(COEFFICIENTS)))
    for column, place in enumerate([0, 2, 1, 3]):
        moved = [COEFFICIENTS.copy(), COEFFICIENTS.copy()]
        moved[0][place] += 1e-4
        moved[1][place] -= 1e-4
        ahead, behind = (np.array(device.execute(tape(numbers))) for numbers in moved)
        np.testing.assert_allclose(found[:, column], (ahead - behind) / 2e-4, atol=1e-7)


def test_coefficients_and_angles_together_in_one_pass():
    build = OBSERVABLES["Hamiltonian"]
    circuit = of(lambda coefficients: (qml.expval(build(coefficients)), qml.probs(wires=[2, 0])))
    found = jax.jacobian(circuit, argnums=(0, 1))(COEFFICIENTS, 0.3)
    reference = of(lambda coefficients: (qml.expval(build(coefficients)), qml.probs(wires=[2, 0])))
    np.testing.assert_allclose(
        found[0][0], quotient(lambda c: qml.expval(build(c)), COEFFICIENTS)[0], atol=1e-9
    )
    ahead, behind = (reference(COEFFICIENTS, 0.3 + step) for step in (1e-4, -1e-4))
    np.testing.assert_allclose(found[1], (ahead - behind) / 2e-4, atol=1e-7)


def test_hundreds_of_coefficients():
    n = 100
    words = [Z(w) @ Z(w + 1) for w in range(n - 1)] + [X(w) for w in range(n)]

    @qml.qnode(qml.device("bondline.mps", wires=n))
    def circuit(coefficients, angles):
        for wire in range(n):
            qml.RY(angles[wire], wires=wire)
        return qml.expval(qml.Hamiltonian(coefficients, words))

    rng = np.random.default_rng(2)
    angles = rng.normal(size=n)
    by_coefficient = qml.grad(circuit, argnums=0)(
        pnp.array(rng.normal(size=2 * n - 1)), pnp.array(angles)
    )
    expected = [*np.cos(angles[1:]) * np.cos(angles[:-1]), *np.sin(angles)]
    np.testing.assert_allclose(by_coefficient, expected, atol=1e-9)


def test_a_batch_of_coefficients_is_not_differentiated():
    tape = qml.tape.QuantumScript(
        [qml.RX(0.3, 0)], [qml.expval(qml.s_prod(np.array([0.1, 0.2]), Z(0)))]
    )
    device = qml.device("bondline.mps", wires=1)
    with pytest.raises(UnsupportedError, match="broadcast_expand"):
        device.compute_derivatives(tape)
    tape.trainable_params = [0]
    np.testing.assert_allclose(
        device.compute_derivatives(tape), -np.sin(0.3) * np.array([0.1, 0.2]), atol=1e-12
    )


# ---------------------------------------------------------------------------------------------
# Arrays


def state(angle):
    return jax.numpy.array([jax.numpy.cos(angle), jax.numpy.sin(angle)])


def matrix(angle):
    return jax.numpy.array(
        [
            [angle, 0.3, 0, 0],
            [0.3, angle**2, 0, 0.1j * angle],
            [0, 0, 1, 0],
            [0, -0.1j * angle, 0, 2],
        ]
    )


ARRAYS = {
    "Hermitian": lambda t: (prepare(), qml.expval(qml.Hermitian(matrix(t), wires=[2, 0])))[1],
    "projector on a state": lambda t: (prepare(), qml.expval(qml.Projector(state(t), wires=1)))[1],
    "amplitudes": lambda t: (qml.StatePrep(state(t), wires=0), prepare(), qml.expval(Z(2)))[2],
    "embedded amplitudes": lambda t: (
        qml.AmplitudeEmbedding(state(t) * 3, wires=0, normalize=True),
        prepare(),
        qml.expval(Z(1)),
    )[2],
}


@pytest.mark.parametrize("circuit", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize(
    "differentiate",
    [jax.grad, lambda f: jax.jit(jax.grad(f)), lambda f: jax.grad(jax.jit(f))],
    ids=["grad", "jit of grad", "grad of jit"],
)
def test_arrays_become_angles_and_coefficients(circuit, differentiate):
    device = qml.device("bondline.mps", wires=WIRES)
    with device.tracker:
        found = differentiate(qml.QNode(circuit, device))(0.4)
    assert device.tracker.totals["derivatives"] == 1
    expected = jax.grad(qml.QNode(circuit, qml.device("default.qubit", wires=WIRES)))(0.4)
    assert float(found) == pytest.approx(float(expected), abs=1e-9)


def test_arrays_that_are_not_being_differentiated_are_constants():
    # Arrays of pennylane.numpy say requires_grad=True unless they are told otherwise.
    def circuit(angle):
        qml.BasisState(pnp.array([1, 0]), wires=[0, 1])
        qml.QubitUnitary(pnp.array([[0.6, 0.8], [-0.8, 0.6]]), wires=1)
        qml.DiagonalQubitUnitary(pnp.array([1.0, 1.0j]), wires=1)
        qml.RX(angle, wires=0)
        qml.CNOT([0, 1])
        return (
            qml.expval(qml.Hermitian(pnp.array([[1.0, 0.3], [0.3, -1.0]]), wires=1)),
            qml.expval(qml.Projector(pnp.array([1]), wires=1)),
            qml.var(qml.Hamiltonian(pnp.array([0.3, 0.2]), [qml.Z(1), qml.X(0)])),
        )

    def flat(name):
        qnode = qml.QNode(circuit, qml.device(name, wires=2))
        return lambda angle: pnp.hstack(qnode(angle))

    angle = pnp.array(0.3)
    found, expected = (
        qml.jacobian(flat(name))(angle) for name in ("bondline.mps", "default.qubit")
    )
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_coefficients_that_are_not_being_differentiated_cost_nothing(monkeypatch):
    asked = []
    dev = qml.device("bondline.mps", wires=1)
    compute = dev.execute_and_compute_derivatives
    monkeypatch.setattr(
        dev,
        "execute_and_compute_derivatives",
        lambda tapes, config: asked.extend(tapes) or compute(tapes, config),
    )
    coefficients = pnp.array([0.3, 0.4])

    @qml.qnode(dev)
    def circuit(angle):
        qml.RX(angle, wires=0)
        return qml.expval(qml.Hamiltonian(coefficients, [qml.Z(0), qml.Y(0)]))

    slope = qml.grad(circuit)(pnp.array(0.3))
    assert slope == pytest.approx(-0.3 * np.sin(0.3) - 0.4 * np.cos(0.3))
    assert [tape.trainable_params for tape in asked] == [[0]]


def test_sparse_matrices_are_constants():
    matrix = qml.Hamiltonian([0.3, 0.4], [Z(0) @ X(1), Y(1)]).sparse_matrix([0, 1])

    @qml.qnode(qml.device("bondline.mps", wires=2))
    def circuit(angle):
        prepare_two(angle)
        return qml.expval(qml.SparseHamiltonian(matrix, wires=[0, 1]))

    @qml.qnode(qml.device("bondline.mps", wires=2))
    def words(angle):
        prepare_two(angle)
        return qml.expval(qml.Hamiltonian([0.3, 0.4], [Z(0) @ X(1), Y(1)]))

    def prepare_two(angle):
        qml.RX(angle, wires=1)
        qml.CRY(0.4, wires=[1, 0])

    found, expected = (qml.grad(qnode)(pnp.array(0.7)) for qnode in (circuit, words))
    assert found == pytest.approx(expected, abs=1e-10)


REFUSED = {
    "tensors": (
        lambda t: qml.MPSPrep([pnp.eye(2), pnp.reshape(pnp.hstack([t, t, t, t]), (2, 2))], [0, 1]),
        qml.expval(Z(0)),
        "tensors of MPSPrep",
    ),
}


@pytest.mark.parametrize(("operator", "measurement", "words"), REFUSED.values(), ids=REFUSED)
def test_arrays_without_a_derivative_are_refused(operator, measurement, words):
    @qml.qnode(qml.device("bondline.mps", wires=2))
    def circuit(t):
        operator(t)
        return qml.apply(measurement)

    with pytest.raises(QuantumFunctionError, match=f"{words}.*requires_grad=False"):
        qml.grad(circuit)(pnp.array([1.0], requires_grad=True))


def test_a_wide_matrix_is_refused_and_never_a_silent_zero():
    @qml.qnode(qml.device("bondline.mps", wires=5))
    def circuit(t):
        qml.RX(0.3, wires=0)
        return qml.expval(qml.Hermitian(t * np.eye(32), wires=range(5)))

    with pytest.raises(QuantumFunctionError, match=r"at most 4 wires.*qml\.dot"):
        qml.grad(circuit)(pnp.array(0.3))


def test_a_matrix_in_a_sum_is_refused():
    @qml.qnode(qml.device("bondline.mps", wires=2))
    def circuit(t):
        qml.RX(0.3, wires=0)
        return qml.expval(
            qml.Hamiltonian([0.3, 0.2], [qml.Hermitian(t * np.eye(2), wires=0), Z(1)])
        )

    with pytest.raises(UnsupportedError, match="no derivative by the data of Hermitian"):
        qml.grad(circuit)(pnp.array(0.3))


ZEROS = {
    "padded": [0.3, 0.2, 0.5],
    "a basis state": [2.0, 0.0, 0.0, 0.0],
    "empty branches": [0.0, 0.0, -0.4, 0.0],
    "three wires": [0.0, -0.3, 0.2, 0.0, 0.0, 0.0, 0.5, -1.0],
    "negative zeros": [0.6, -0.0, -0.4, -0.0],
}


def embedding(name, wires, **options):
    @qml.qnode(qml.device(name, wires=wires), **options)
    def circuit(inputs, angle):
        qml.AmplitudeEmbedding(inputs, wires=range(wires), pad_with=0.0, normalize=True)
        qml.Rot(angle, 0.7, 0.4, wires=0)
        qml.CNOT([0, 1])
        qml.RX(0.9, wires=1)
        return qml.expval(Z(0) @ X(1) + Y(1))

    return circuit


def slope(function, point, step=1e-5):
    point = np.array(point)
    moves = step * np.eye(point.size).reshape(point.size, *point.shape)
    found = [(function(point + move) - function(point - move)) / (2 * step) for move in moves]
    return np.array(found).reshape(point.shape)


@pytest.mark.parametrize("inputs", ZEROS.values(), ids=ZEROS)
def test_amplitudes_that_are_zero_have_derivatives(inputs):
    wires = 3 if len(inputs) == 8 else 2
    circuit = embedding("bondline.mps", wires)
    exact = embedding("default.qubit", wires)
    expected = slope(lambda values: exact(values, 0.3), inputs)
    by_inputs, by_angle = qml.grad(circuit, argnums=(0, 1))(pnp.array(inputs), pnp.array(0.3))
    np.testing.assert_allclose(by_inputs, expected, atol=1e-8)
    assert by_angle == pytest.approx(slope(lambda a: exact(np.array(inputs), a), 0.3), abs=1e-8)
    inputs = np.array(inputs)
    for transform in (jax.grad, lambda f: jax.jit(jax.grad(f))):
        np.testing.assert_allclose(transform(circuit)(inputs, 0.3), expected, atol=1e-8)
    # Zeros that nobody differentiates by are loaded as they are.
    alone = qml.grad(circuit, argnums=1)(pnp.array(inputs), pnp.array(0.3))
    assert alone == pytest.approx(by_angle, abs=1e-10)


def test_complex_amplitudes_that_are_zero_have_derivatives():
    def circuit(real, imaginary):
        norm = qml.math.sqrt(qml.math.sum(real**2 + imaginary**2))
        qml.StatePrep((real + 1j * imaginary) / norm, wires=[0, 1])
        qml.RX(0.3, wires=0)
        return qml.expval(Y(0) @ Z(1) + X(1) @ Y(0))

    real, imaginary = np.array([0.0, 0.4, 0.0, 0.0]), np.array([0.0, 0.4, -0.3, 0.0])
    exact = qml.QNode(circuit, qml.device("default.qubit", wires=2))
    found = qml.grad(qml.QNode(circuit, qml.device("bondline.mps", wires=2)))(
        pnp.array(real), pnp.array(imaginary)
    )
    np.testing.assert_allclose(found[0], slope(lambda x: exact(x, imaginary), real), atol=1e-8)
    np.testing.assert_allclose(found[1], slope(lambda y: exact(real, y), imaginary), atol=1e-8)


@pytest.mark.parametrize("zeros", [False, True])
def test_batches_of_amplitudes_have_derivatives(zeros):
    batch = np.random.default_rng(3).uniform(0.2, 1, (3, 4))
    if zeros:
        batch[1, 2:] = 0.0
    weights = np.array([0.5, -1.0, 2.0])
    circuit, exact = embedding("bondline.mps", 2), embedding("default.qubit", 2)
    by_batch, by_angle = qml.grad(lambda x, a: pnp.sum(weights * circuit(x, a)))(
        pnp.array(batch), pnp.array(0.3)
    )
    expected = slope(lambda x: np.sum(weights * exact(x.reshape(3, 4), 0.3)), batch.ravel())
    np.testing.assert_allclose(by_batch.ravel(), expected, atol=1e-8)
    angle = slope(lambda a: np.sum(weights * exact(batch, a)), 0.3)
    assert by_angle == pytest.approx(angle, abs=1e-8)


def test_zeros_that_do_not_act_on_the_start_are_refused():
    @qml.qnode(qml.device("bondline.mps", wires=1))
    def circuit(inputs):
        qml.H(0)
        qml.AmplitudeEmbedding(inputs, wires=0, normalize=True)
        return qml.expval(Z(0))

    with pytest.raises(QuantumFunctionError, match=r"one is zero.*Put it first"):
        qml.grad(circuit)(pnp.array([0.0, 1.0]))


def test_amplitudes_on_many_wires_are_refused_with_the_reason():
    @qml.qnode(qml.device("bondline.mps", wires=13))
    def circuit(inputs):
        qml.AmplitudeEmbedding(inputs, wires=range(13), normalize=True)
        return qml.expval(Z(0))

    with pytest.raises(QuantumFunctionError, match="amplitudes on at most 12 wires"):
        qml.grad(circuit)(pnp.ones(2**13))


def test_a_matrix_that_is_not_hermitian_is_refused_under_grad():
    @qml.qnode(qml.device("bondline.mps", wires=1))
    def circuit(entries):
        qml.RX(0.3, wires=0)
        return qml.expval(qml.Hermitian(entries, wires=0))

    with pytest.raises(InputError, match=r"Hermitian on wires .* is not Hermitian"):
        qml.grad(circuit)(pnp.array([[1.0, 0.2], [0.0, 1.0]]))
    with pytest.raises(InputError, match="is not Hermitian"):
        jax.grad(circuit)(np.array([[1.0, 0.2], [0.0, 1.0]]))
