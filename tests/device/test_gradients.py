"""Derivatives of the device against backpropagation, and against differences of its own values."""

import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp

import bondline
from bondline import _core
from bondline.devices import derivative_methods
from oracle.circuits import (
    ADJOINTS,
    DECOMPOSED,
    GATES,
    MATRIX_ONLY,
    ONE_WIRE,
    TWO_WIRES,
    WIDE,
    gate_on_entangled_wires,
    haar,
    hardware_efficient,
    operations_of,
)

EXACT = {"max_bond_dim": None, "cutoff": 0.0}
SINGLE = {"c_dtype": np.complex64}

# Eight points: the error of the quotient is far below that of the values.
STENCIL = [
    (sign * step, sign * weight)
    for step, weight in ((1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280))
    for sign in (1, -1)
]


def slopes(values, point, step=2e-2):
    """Return the derivative of a function of a vector, its values first."""
    columns = []
    for place in range(len(point)):
        shifted = []
        for steps, _ in STENCIL:
            moved = point.copy()
            moved[place] += steps * step
            shifted.append(moved)
        found = [
            weight / step * values(moved)
            for (_, weight), moved in zip(STENCIL, shifted, strict=True)
        ]
        columns.append(sum(found))
    return np.stack(columns, axis=-1)


def angles_of(operations):
    """Return all scalar parameters of some operators."""
    return np.array(
        [number for operator in operations for number in operator.data if np.ndim(number) == 0]
    )


def with_angles(operations, angles):
    """Queue the operators with other scalar parameters."""
    place = 0
    for operator in operations:
        data = []
        for number in operator.data:
            if np.ndim(number) == 0:
                number = angles[place]
                place += 1
            data.append(number)
        qml.apply(qml.ops.functions.bind_new_parameters(operator, data) if data else operator)


def flat(qnode):
    def values(angles):
        found = qnode(angles)
        return pnp.hstack([pnp.reshape(value, (-1,)) for value in found])

    return values


def differentiable(operations, measurements):
    def circuit(angles):
        with_angles(operations, angles)
        return tuple(qml.apply(measurement) for measurement in measurements)

    return circuit


# ---------------------------------------------------------------------------------------------
# Random circuits


# Autograd has no derivative of the matrix of an exponential: test_gates has it.
POOL = [
    gate
    for gate in (*ONE_WIRE, *TWO_WIRES, *WIDE, *ADJOINTS, *DECOMPOSED, *MATRIX_ONLY)
    if gate.name != "exp-word"
]


def random_circuit(rng):
    n = int(rng.integers(1, 7)) if rng.random() < 0.9 else int(rng.integers(7, 13))
    fitting = [gate for gate in POOL if gate.arity <= n]

    def circuit():
        for wire in range(n):
            qml.Rot(*rng.uniform(0, 2 * np.pi, size=3), wires=wire)
        for number in rng.integers(len(fitting), size=6):
            gate = fitting[number]
            gate.build([int(wire) for wire in rng.permutation(n)[: gate.arity]])
        for wire in range(n):
            qml.RY(rng.normal(), wires=wire)

    operations = operations_of(circuit)
    angles = angles_of(operations)
    return n, operations, angles + 0.3 * rng.normal(size=len(angles))


def word(n, rng):
    letters = rng.choice([qml.X, qml.Y, qml.Z], size=min(n, int(rng.integers(1, 4))))
    wires = rng.permutation(n)[: len(letters)]
    return qml.prod(*[letter(int(wire)) for letter, wire in zip(letters, wires, strict=True)])


def random_measurements(n, rng):
    def pauli_sum(terms):
        return qml.dot(rng.normal(size=terms), [word(n, rng) for _ in range(terms)])

    few = [int(wire) for wire in rng.permutation(n)[:2]]
    matrix = haar(2 ** len(few), rng)
    matrix = matrix + matrix.conj().T
    choice = [
        lambda: qml.expval(pauli_sum(4)),
        lambda: qml.expval(qml.Projector([1] * len(few), wires=few)),
        lambda: qml.expval(qml.Hermitian(matrix, wires=few)),
        lambda: qml.expval(0.7 * qml.Hadamard(few[0]) + pauli_sum(2)),
        lambda: qml.var(pauli_sum(3)),
        lambda: qml.var(qml.Hermitian(matrix, wires=few)),
        lambda: qml.probs(wires=few),
        lambda: qml.probs(op=qml.Y(few[-1])),
    ]
    with qml.QueuingManager.stop_recording():
        return [choice[number]() for number in rng.choice(len(choice), size=3, replace=False)]


# Autograd warns where it drops the imaginary part of a derivative by a real number.
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize("seed", range(200))
def test_random_circuits_against_backpropagation(seed):
    rng = np.random.default_rng([7, seed])
    n, operations, angles = random_circuit(rng)
    circuit = differentiable(operations, random_measurements(n, rng))
    settings = {"readout": ("local", "state")[seed % 2], "device_vjp": (False, True)[seed // 2 % 2]}
    vjp = settings.pop("device_vjp")
    device = qml.device("bondline.mps", wires=n, **EXACT, **settings)
    found = qml.jacobian(flat(qml.QNode(circuit, device, device_vjp=vjp)))(pnp.array(angles))
    reference = qml.QNode(circuit, qml.device("default.qubit", wires=n), diff_method="backprop")
    expected = qml.jacobian(flat(reference))(pnp.array(angles))
    np.testing.assert_allclose(found, expected, atol=1e-9)
    if seed % 4 == 0:
        device = qml.device("bondline.mps", wires=n, **SINGLE, **settings)
        found = qml.jacobian(flat(qml.QNode(circuit, device)))(pnp.array(angles))
        np.testing.assert_allclose(found, expected, atol=1e-4)


# ---------------------------------------------------------------------------------------------
# Gates, one by one


PARAMETRIZED = [
    gate
    for gate in GATES
    if angles_of(operations_of(lambda gate=gate: gate.build([0, 1, 2, 3, 4, 5][: gate.arity]))).size
]


@pytest.mark.parametrize("gate", PARAMETRIZED, ids=lambda gate: gate.name)
def test_every_parameter_of_every_gate(gate):
    n = 7
    operations = operations_of(lambda: gate_on_entangled_wires(gate, n))
    angles = angles_of(operations)
    measurements = [
        qml.expval(qml.Z(3) @ qml.X(2) + 0.4 * qml.Y(4)),
        qml.var(qml.Z(0) + qml.X(6)),
        qml.probs(wires=[5, 2]),
    ]
    circuit = differentiable(operations, measurements)
    device = qml.device("bondline.mps", wires=n, **EXACT)
    found = qml.jacobian(flat(qml.QNode(circuit, device)))(pnp.array(angles))
    expected = slopes(flat(qml.QNode(circuit, device, diff_method=None)), angles)
    np.testing.assert_allclose(found, expected, atol=1e-9)


# ---------------------------------------------------------------------------------------------
# Shapes


OPERATIONS = [qml.RX(0.3, 0), qml.CNOT([0, 1]), qml.RY(-0.4, 1), qml.RZ(0.9, 0)]
SHAPES = {
    "one value": [qml.expval(qml.Z(0))],
    "two values": [qml.expval(qml.Z(0)), qml.var(qml.X(1))],
    "probabilities": [qml.probs(wires=[0, 1])],
    "a value and probabilities": [qml.expval(qml.Z(0)), qml.probs(wires=[1])],
}


def shape_of(nested):
    if isinstance(nested, tuple):
        return tuple(map(shape_of, nested))
    return np.asarray(nested).dtype, np.asarray(nested).shape


@pytest.mark.parametrize("trainable", [[], [1], [0, 2], [0, 1, 2]], ids=str)
@pytest.mark.parametrize("measurements", SHAPES.values(), ids=SHAPES)
def test_shapes_are_those_of_pennylane(measurements, trainable):
    tape = qml.tape.QuantumScript(OPERATIONS, measurements, trainable_params=trainable)
    device = qml.device("bondline.mps", wires=2)
    if trainable:
        tapes, combine = qml.gradients.param_shift(tape)
        expected = combine(qml.device("default.qubit", wires=2).execute(tapes))
        found = device.compute_derivatives(tape)
        assert shape_of(found) == shape_of(expected)
        close(found, expected)
    else:
        nothing = () if len(measurements) == 1 else ((),) * len(measurements)
        assert device.compute_derivatives(tape) == nothing
        assert device.compute_vjp(tape, device.execute(tape)) == ()


def close(found, expected):
    if isinstance(found, tuple):
        for one, other in zip(found, expected, strict=True):
            close(one, other)
    else:
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_products_of_one_and_of_several_vectors():
    tape = qml.tape.QuantumScript(OPERATIONS, SHAPES["a value and probabilities"])
    device = qml.device("bondline.mps", wires=2)
    by_value, by_outcome = map(np.array, device.compute_derivatives(tape))
    rng = np.random.default_rng(3)
    value, outcomes = rng.normal(size=3), rng.normal(size=(3, 2))
    expected = value[:, None] * by_value + outcomes @ by_outcome.T
    several = device.compute_vjp(tape, (value, outcomes))
    assert [found.shape for found in several] == [(3,)] * 3
    np.testing.assert_allclose(np.array(several).T, expected, atol=1e-12)
    values, one = device.execute_and_compute_vjp(tape, (value[0], outcomes[0]))
    assert [found.shape for found in one] == [()] * 3
    np.testing.assert_allclose(one, expected[0], atol=1e-12)
    close(values, device.execute(tape))
    (in_batch,) = device.compute_vjp((tape,), ((value[0], outcomes[0]),))
    np.testing.assert_allclose(in_batch, one, atol=0)


def test_a_cotangent_of_another_shape():
    tape = qml.tape.QuantumScript(OPERATIONS, SHAPES["probabilities"])
    with pytest.raises(
        ValueError, match=r"measurement 0 of circuit 0 has the shape \(3,\).*\(4,\)"
    ):
        qml.device("bondline.mps", wires=2).compute_vjp(tape, np.ones(3))
    tape = qml.tape.QuantumScript(OPERATIONS, SHAPES["two values"])
    with pytest.raises(ValueError, match="2 measurements, and got 3 cotangents"):
        qml.device("bondline.mps", wires=2).compute_vjp(tape, np.ones(3))


def test_a_batch_has_a_derivative_in_each_row():
    def tape(angle):
        operations = [qml.RX(angle, 0), qml.CNOT([0, 1]), qml.RY(-0.4, 1)]
        measurements = [qml.expval(qml.Z(1)), qml.probs(wires=[1, 0])]
        return qml.tape.QuantumScript(operations, measurements, trainable_params=[1])

    points = [0.2, 0.5, 0.9]
    device = qml.device("bondline.mps", wires=2)
    found = device.compute_derivatives(tape(np.array(points)))
    assert [value.shape for value in found] == [(3,), (3, 4)]
    for row, point in enumerate(points):
        close(tuple(value[row] for value in found), device.compute_derivatives(tape(point)))
    weights = np.arange(1.0, 4.0), np.arange(12.0).reshape(3, 4)
    (product,) = device.compute_vjp(tape(np.array(points)), weights)
    assert product == pytest.approx((weights[0] * found[0]).sum() + (weights[1] * found[1]).sum())


def test_circuits_of_one_structure_cross_once(monkeypatch):
    crossings = []
    real = _core.differentiate

    def counting(groups, *others):
        crossings.append([len(group.parameters) for group in groups])
        return real(groups, *others)

    monkeypatch.setattr(_core, "differentiate", counting)
    device = qml.device("bondline.mps", wires=2)
    tapes = [
        qml.tape.QuantumScript([qml.RX(angle, 0), qml.CNOT([0, 1])], [qml.expval(qml.Z(1))])
        for angle in np.linspace(0, 1, 64)
    ]
    tapes.append(qml.tape.QuantumScript([qml.RY(0.3, 0)], [qml.var(qml.Z(0))]))
    found = device.compute_derivatives(tapes)
    assert crossings == [[64, 1]]
    np.testing.assert_allclose(found[:64], -np.sin(np.linspace(0, 1, 64)), atol=1e-12)
    assert found[64] == pytest.approx(np.sin(0.6))


def test_circuits_without_trainable_parameters_are_only_run(monkeypatch):
    asked = []
    real = _core.differentiate
    monkeypatch.setattr(
        _core,
        "differentiate",
        lambda groups, *rest: asked.append(len(groups)) or real(groups, *rest),
    )
    measurements = [qml.expval(qml.Z(0))]
    still = qml.tape.QuantumScript([qml.RX(0.3, 0)], measurements, trainable_params=[])
    moving = qml.tape.QuantumScript([qml.RY(0.4, 0)], measurements)
    values, found = qml.device("bondline.mps", wires=1).execute_and_compute_derivatives(
        (still, moving)
    )
    assert asked == [1]
    assert found[0] == ()
    np.testing.assert_allclose([*values, found[1]], [np.cos(0.3), np.cos(0.4), -np.sin(0.4)])


def test_parameters_without_effect_have_the_derivative_zero():
    operations = [
        qml.RX(0.3, 0),
        qml.GlobalPhase(0.4),
        qml.GlobalPhase(0.4, wires=1),
        qml.BasisState([1, 0], wires=[2, 3]),
        qml.RY(0.3, 3),
        qml.RZ(0.3, 0),
    ]
    tape = qml.tape.QuantumScript(
        operations, [qml.expval(qml.Z(0))], trainable_params=[0, 1, 2, 4, 5]
    )
    found = qml.device("bondline.mps", wires=4).compute_derivatives(tape)
    np.testing.assert_allclose(found, [-np.sin(0.3), 0, 0, 0, 0], atol=1e-14)


def test_value_and_derivative_belong_to_one_program():
    # The values of one run are the same numbers, whoever asks for them.
    rng = np.random.default_rng(4)
    operations = operations_of(
        lambda: qml.StronglyEntanglingLayers(rng.normal(size=(4, 8, 3)), range(8))
    )
    tape = qml.tape.QuantumScript(operations, [qml.expval(qml.Z(3)), qml.probs(wires=[1])])
    for readout in ("local", "state"):
        device = qml.device(
            "bondline.mps", wires=8, max_bond_dim=4, readout=readout, on_low_fidelity="ignore"
        )
        config = device.setup_execution_config(
            qml.devices.ExecutionConfig(gradient_method="adjoint")
        )
        ((native,), _) = device.preprocess_transforms(config)([tape])
        values, _ = device.execute_and_compute_derivatives(native, config)
        assert device.reports[0].sweeps == 0
        close(values, device.execute(native, config))
        assert device.reports[0].sweeps == 0


@pytest.mark.parametrize("chi", [2, 4, 8])
@pytest.mark.parametrize("readout", ["local", "state"])
def test_truncated_programs_are_differentiated_with_their_cuts(readout, chi):
    n = 8
    operations = operations_of(lambda: hardware_efficient(n, 5, 10))
    measurements = [
        qml.expval(qml.Z(3) @ qml.X(4) + 0.5 * qml.Z(0)),
        qml.var(qml.Z(1) + qml.X(2)),
        qml.probs(wires=[2, 5]),
    ]
    circuit = differentiable(operations, measurements)
    device = qml.device(
        "bondline.mps", wires=n, max_bond_dim=chi, readout=readout, on_low_fidelity="ignore"
    )
    angles = angles_of(operations)[:6]
    rest = angles_of(operations)[6:]

    def values(qnode):
        return lambda first: flat(qnode)(pnp.concatenate([first, rest]))

    qnode = qml.QNode(circuit, device)
    found = qml.jacobian(values(qnode))(pnp.array(angles))
    assert device.reports[0].saturated_bonds
    np.testing.assert_allclose(found, slopes(values(qnode), angles, 1e-4), atol=1e-7)


def test_two_states_differentiate_what_is_not_truncated():
    rng = np.random.default_rng(5)
    _, operations, angles = random_circuit(rng)
    circuit = differentiable(operations, [qml.expval(qml.Z(0))])
    found = [
        qml.jacobian(
            flat(qml.QNode(circuit, qml.device("bondline.mps", wires=6, gradient=method)))
        )(pnp.array(angles))
        for method in ("adjoint", "two-state")
    ]
    np.testing.assert_allclose(*found, atol=1e-9)


def test_circuits_may_start_from_a_state():
    rng = np.random.default_rng(6)
    before = operations_of(
        lambda: qml.StronglyEntanglingLayers(rng.normal(size=(2, 4, 3)), range(4))
    )
    after = [qml.RY(0.3, 0), qml.IsingXX(0.4, [1, 3]), qml.CRX(0.5, [2, 0])]
    measurements = [qml.expval(qml.Z(0) @ qml.Y(3)), qml.probs(wires=[2])]

    def start():
        for operator in before:
            qml.apply(operator)
        return qml.expval(qml.Z(0))

    state = bondline.mps_state(qml.QNode(start, qml.device("bondline.mps", wires=4)))()
    device = qml.device("bondline.mps", wires=4, initial_state=state)
    found = device.compute_derivatives(qml.tape.QuantumScript(after, measurements))
    ((whole,), _) = device.preprocess_transforms()(
        [qml.tape.QuantumScript([*before, *after], measurements)]
    )
    whole.trainable_params = whole.trainable_params[-3:]
    expected = qml.device("bondline.mps", wires=4).compute_derivatives(whole)
    close(found, expected)
    vector = haar(16, rng)[0]
    loaded = qml.tape.QuantumScript([qml.StatePrep(vector, range(4)), *after], measurements)
    loaded.trainable_params = [1, 2, 3]
    tapes, combine = qml.gradients.param_shift(loaded)
    close(
        qml.device("bondline.mps", wires=4).compute_derivatives(loaded),
        combine(qml.device("default.qubit", wires=4).execute(tapes)),
    )


def leaves(derivatives):
    return qml.pytrees.flatten(derivatives)[0]


def counted_runs(monkeypatch):
    """Note the number of outputs of every call for derivatives."""
    runs = []
    entry = _core.differentiate

    def differentiate(groups, cotangents, *rest):
        runs.append(max(given.words.shape[1] for given in cotangents))
        return entry(groups, cotangents, *rest)

    monkeypatch.setattr(_core, "differentiate", differentiate)
    return runs


def many_values(rng, batch):
    angles = rng.normal(size=(batch, 6) if batch else 6)
    operations = [qml.RY(angle, wire) for wire, angle in enumerate(rng.normal(size=6))]
    operations += [qml.CNOT([wire, wire + 1]) for wire in range(5)]
    operations += [qml.RX(angle, wire) for wire, angle in enumerate(angles.T)]
    measurements = [
        qml.probs(wires=[4, 0, 2, 3, 1]),
        qml.expval(qml.dot(rng.normal(size=2), [qml.Z(0) @ qml.Y(3), qml.X(2)])),
        qml.var(qml.dot(rng.normal(size=2), [qml.Z(1), qml.X(2) @ qml.X(3)])),
        qml.var(qml.Hermitian(np.diag([0.3, 1.0, -2.0, 0.5]), [1, 4])),
        qml.probs(wires=[5]),
    ]
    tape = qml.tape.QuantumScript(operations, measurements)
    # A batched parameter has no derivative of its own, and matrices have none.
    trained = range(6) if batch else range(12)
    coefficients = range(12, 16)
    tape.trainable_params = [*trained, *([] if batch else coefficients)]
    return tape


@pytest.mark.parametrize("batch", [None, 3])
def test_jacobians_are_taken_in_parts_where_memory_is_short(batch, monkeypatch):
    rng = np.random.default_rng(17)
    tape = many_values(rng, batch)
    whole = qml.device("bondline.mps", wires=6).compute_derivatives(tape)
    runs = counted_runs(monkeypatch)
    short = qml.device("bondline.mps", wires=6, memory_limit=100_000)
    values, parts = short.execute_and_compute_derivatives(tape)
    assert len(runs) > 2
    assert sum(runs) == 32 + 1 + 1 + 1 + 2
    for one, other in zip(leaves(whole), leaves(parts), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(values, short.execute(tape), strict=True):
        np.testing.assert_array_equal(one, other)


def test_circuits_of_several_sizes_are_taken_in_parts_together(monkeypatch):
    rng = np.random.default_rng(18)
    tapes = [
        qml.tape.QuantumScript([qml.RX(0.3, 0), qml.CNOT([0, 1])], [qml.probs(wires=[0, 1])]),
        qml.tape.QuantumScript([qml.RX(0.4, 0), qml.CNOT([0, 1])], [qml.expval(qml.Z(1))]),
        many_values(rng, None),
    ]
    whole = qml.device("bondline.mps", wires=6).compute_derivatives(tapes)
    runs = counted_runs(monkeypatch)
    short = qml.device("bondline.mps", wires=6, memory_limit=100_000)
    parts = short.compute_derivatives(tapes)
    assert len(runs) > 2
    for one, other in zip(leaves(whole), leaves(parts), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_jacobian_that_fits_is_never_refused():
    """Its weights are 8 MiB, the Jacobian is 8 KiB."""
    device = qml.device("bondline.mps", wires=10, memory_limit=2**20)
    tape = qml.tape.QuantumScript([qml.RX(0.3, 0)], [qml.probs(wires=range(10))])
    found = device.compute_derivatives(tape)
    expected = np.zeros(1024)
    expected[[0, 512]] = [-np.sin(0.3) / 2, np.sin(0.3) / 2]
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_what_does_not_fit_is_refused_before_any_work():
    device = qml.device("bondline.mps", wires=10, memory_limit=2**20)
    operations = [qml.RX(0.3, wire) for wire in range(10) for _ in range(20)]
    tape = qml.tape.QuantumScript(operations, [qml.probs(wires=range(10))])
    words = r"1024 values by 200 parameters, takes 1.56 MiB, more than.*1 MiB.*device_vjp=True"
    with pytest.raises(bondline.ResourceError, match=words):
        device.compute_derivatives(tape)
    with pytest.raises(bondline.ResourceError, match=r"circuit 2.*1.17 MiB with those before it"):
        device.compute_derivatives(
            [
                qml.tape.QuantumScript(operations, [qml.probs(wires=range(8))]),
                qml.tape.QuantumScript(operations, [qml.probs(wires=range(8))]),
                qml.tape.QuantumScript(operations, [qml.probs(wires=range(8))]),
            ]
        )
    products = device.compute_vjp(tape, np.arange(1024.0))
    assert len(products) == 200
    assert products[0] == pytest.approx(512 * np.sin(6.0) / 2)


CORNERS = {
    "zeros": lambda rng, size: np.zeros(size),
    "right angles": lambda rng, size: rng.integers(-2, 3, size=size) * np.pi / 2,
    "half angles": lambda rng, size: rng.integers(0, 2, size=size) * np.pi,
}


@pytest.mark.parametrize("start", CORNERS.values(), ids=CORNERS)
@pytest.mark.parametrize("equal", [False, True], ids=["no wires", "all wires equal"])
def test_training_may_start_at_a_corner(start, equal):
    n = 6

    def circuit(angles):
        if equal:
            qml.Hadamard(0)
            for wire in range(n - 1):
                qml.CNOT([wire, wire + 1])
        qml.StronglyEntanglingLayers(angles, range(n))
        return (
            qml.expval(qml.dot([1.0, 0.5, 0.3], [qml.Z(0) @ qml.Z(1), qml.X(2), qml.Y(5)])),
            qml.probs(wires=[3, 0]),
        )

    angles = start(np.random.default_rng(9), (2, n, 3))
    dev = qml.device("bondline.mps", wires=n)
    found = qml.jacobian(flat(qml.QNode(circuit, dev)))(pnp.array(angles))
    reference = qml.QNode(circuit, qml.device("default.qubit", wires=n))
    expected = qml.jacobian(flat(reference))(pnp.array(angles))
    np.testing.assert_allclose(found, expected, atol=1e-8)
    if not angles.any():
        assert dev.reports[0].gradient_guarded
        assert "stood at a corner" in str(dev.reports[0])


def test_an_ordinary_circuit_does_not_stand_at_a_corner():
    def circuit(angles):
        for step in range(3):
            for wire in range(6):
                qml.RX(angles[step, 0], wires=wire)
            for wire in range(5):
                qml.IsingZZ(angles[step, 1], wires=[wire, wire + 1])
        return (qml.expval(qml.Z(2)),)

    dev = qml.device("bondline.mps", wires=6)
    qml.jacobian(flat(qml.QNode(circuit, dev)))(pnp.full((3, 2), 0.05))
    assert not dev.reports[0].gradient_guarded


@pytest.mark.parametrize(("chosen", "expected"), [({}, 1e-20), ({"cutoff": 1e-6}, 1e-6)])
def test_derivatives_in_complex64_have_the_cutoff_of_double_precision(
    monkeypatch, chosen, expected
):
    cutoffs = []
    differentiate = derivative_methods.differentiate

    def noted(lowered, pulls, settings, *rest):
        cutoffs.append(settings.cutoff)
        return differentiate(lowered, pulls, settings, *rest)

    monkeypatch.setattr(derivative_methods, "differentiate", noted)
    tape = qml.tape.QuantumScript([qml.RX(0.3, 0)], [qml.expval(qml.Z(0))])
    qml.device("bondline.mps", wires=1, **SINGLE, **chosen).compute_derivatives(tape)
    assert cutoffs == [expected]
