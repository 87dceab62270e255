"""Values and shapes of the device are those of PennyLane's own simulator."""

import numpy as np
import pennylane as qml
import pytest

WIRES = 4
HERMITIAN = np.array([[1.0, 2 - 1j], [2 + 1j, -3.0]])
PAULI_SUM = (
    0.7 * qml.Z(0) @ qml.Z(1) - 1.3 * qml.X(2) + 0.2 * qml.Y(3) @ qml.X(0) @ qml.Z(2) + 2 * qml.I(0)
)


def unitary(wires, seed=0):
    rng = np.random.default_rng(seed)
    shape = (2**wires, 2**wires)
    return np.linalg.qr(rng.normal(size=shape) + 1j * rng.normal(size=shape))[0]


def scramble():
    """Entangle all wires, with nothing symmetric."""
    for wire in range(WIRES):
        qml.RY(0.3 + 0.4 * wire, wire)
        qml.RZ(0.9 - 0.5 * wire, wire)
    for wire in range(WIRES - 1):
        qml.CRX(0.7 + 0.2 * wire, [wire, wire + 1])
    qml.IsingXY(0.8, [3, 0])


def run(name, function, wires=WIRES):
    return qml.QNode(function, qml.device(name, wires=wires))()


def assert_same(function, wires=WIRES):
    """Compare values, shapes and dtypes of both devices."""
    found = run("bondline.mps", function, wires)
    expected = run("default.qubit", function, wires)
    assert isinstance(found, tuple) == isinstance(expected, tuple)
    if not isinstance(found, tuple):
        found, expected = (found,), (expected,)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.shape(one) == np.shape(other)
        assert np.asarray(one).dtype in (np.float64, np.complex128)
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(one, other, atol=1e-9)


GATES = [
    *(gate(wires=1) for gate in (qml.X, qml.Y, qml.Z, qml.H, qml.S, qml.T, qml.SX)),
    *(gate(0.7, wires=2) for gate in (qml.RX, qml.RY, qml.RZ, qml.PhaseShift, qml.U1)),
    qml.U2(0.3, 0.8, wires=0),
    qml.U3(0.3, 0.8, -0.4, wires=3),
    qml.Rot(0.3, 0.8, -0.4, wires=1),
    qml.GlobalPhase(0.4),
    *(
        gate(wires=[2, 0])
        for gate in (qml.CNOT, qml.CZ, qml.CY, qml.CH, qml.SWAP, qml.ISWAP, qml.SISWAP, qml.ECR)
    ),
    *(
        gate(0.6, wires=[1, 3])
        for gate in (
            qml.CRX, qml.CRY, qml.CRZ, qml.ControlledPhaseShift, qml.CPhaseShift00,
            qml.CPhaseShift01, qml.CPhaseShift10, qml.IsingXX, qml.IsingYY, qml.IsingZZ,
            qml.IsingXY, qml.SingleExcitation, qml.SingleExcitationPlus, qml.SingleExcitationMinus,
            qml.FermionicSWAP, qml.PSWAP,
        )
    ),
    qml.CRot(0.3, 0.8, -0.4, wires=[3, 2]),
    qml.MultiRZ(0.6, wires=[0, 3, 1]),
    qml.PauliRot(0.6, "XYZ", wires=[3, 1, 0]),
    qml.PauliRot(0.6, "XIZ", wires=[3, 1, 0]),
    qml.PauliRot(0.6, "II", wires=[3, 1]),
    qml.QubitUnitary(unitary(1), 2),
    qml.QubitUnitary(unitary(2), [3, 1]),
]  # fmt: skip

OTHERS = [
    qml.Toffoli([0, 2, 3]),
    qml.MultiControlledX([0, 1, 2, 3], control_values=[1, 0, 1]),
    qml.ctrl(qml.RX(0.4, 0), [1, 2], control_values=[0, 1]),
    qml.ctrl(qml.GlobalPhase(0.4), [1]),
    qml.QFT([3, 0, 1]),
    qml.DoubleExcitation(0.4, [0, 1, 2, 3]),
    qml.DoubleExcitationPlus(0.4, [0, 1, 2, 3]),
    qml.OrbitalRotation(0.4, [0, 1, 2, 3]),
    qml.QubitUnitary(unitary(3), [3, 1, 0]),
    qml.DiagonalQubitUnitary(np.exp(1j * np.arange(8)), [3, 1, 0]),
    qml.BlockEncode(np.array([[0.1, 0.2], [0.3, 0.4]]), [0, 1]),
    qml.exp(qml.X(0) @ qml.Y(1) + qml.Z(0), 0.3j),
    qml.exp(qml.X(0) @ qml.Y(1) + qml.Z(2), 0.3j),
    qml.exp(qml.X(0) @ qml.Y(2), 0.3j),
    qml.pow(qml.RX(0.3, 0), 0.5),
    qml.pow(qml.SWAP([0, 3]), 2),
    qml.prod(qml.H(0), qml.CNOT([0, 1])),
    qml.TrotterProduct(qml.X(0) + qml.Z(0) @ qml.Z(1), 0.3, n=2, order=2),
    qml.BasisState([0, 1], [3, 1]),
    qml.adjoint(qml.QFT([3, 0, 1])),
    qml.Permute([3, 1, 0, 2], range(4)),
]


@pytest.mark.parametrize("gate", [*GATES, *OTHERS], ids=repr)
def test_gates(gate):
    def circuit():
        scramble()
        qml.apply(gate)
        return qml.state()

    assert_same(circuit)


@pytest.mark.parametrize("gate", GATES, ids=repr)
def test_adjoints(gate):
    def circuit():
        scramble()
        qml.ops.Adjoint(gate)
        return qml.state()

    assert_same(circuit)


@pytest.mark.parametrize(
    "prepare",
    [
        qml.BasisState([1, 0, 1], [2, 0, 3]),
        qml.BasisEmbedding(5, [0, 1, 2, 3]),
        qml.StatePrep(unitary(2)[0], [3, 1]),
        qml.AmplitudeEmbedding(np.arange(1.0, 6.0), [0, 1, 2], pad_with=0.3, normalize=True),
    ],
    ids=lambda operator: operator.name,
)
def test_state_preparation(prepare):
    def circuit():
        qml.apply(prepare)
        qml.CRX(0.3, [2, 0])
        return qml.state()

    assert_same(circuit)


OBSERVABLES = [
    qml.Z(2),
    qml.I(1),
    qml.X(0) @ qml.Y(3),
    PAULI_SUM,
    qml.Hamiltonian([1, -2.0, 0.5], [qml.Z(0), qml.X(1) @ qml.Z(3), qml.I(2)]),
    qml.Hadamard(1),
    qml.Hermitian(HERMITIAN, 2),
    qml.Hermitian(np.kron(HERMITIAN, HERMITIAN + np.eye(2)), [3, 0]),
    qml.Projector([1, 0], [3, 1]),
    qml.Projector(unitary(2)[0], [3, 1]),
    qml.Hadamard(0) @ qml.Hermitian(HERMITIAN, 3),
    qml.Hermitian(HERMITIAN, 2) + 2 * qml.Z(0) @ qml.Hadamard(1),
    qml.Projector([1], [2]) @ qml.Z(0),
    qml.SparseHamiltonian(qml.Hamiltonian([1.0, 2], [qml.X(0), qml.Z(1)]).sparse_matrix(), [0, 1]),
    qml.exp(qml.Z(0) @ qml.X(1), 0.4),
]


@pytest.mark.parametrize("observable", OBSERVABLES, ids=repr)
@pytest.mark.parametrize("measure", [qml.expval, qml.var])
def test_observables(measure, observable):
    if measure is qml.var and observable.name == "SparseHamiltonian":
        pytest.skip("the reference does not offer it")

    def circuit():
        scramble()
        return measure(observable)

    assert_same(circuit)


MEASUREMENTS = [
    lambda: qml.state(),
    lambda: qml.probs(),
    lambda: qml.probs(wires=[2, 0]),
    lambda: qml.probs(wires=3),
    lambda: qml.probs(op=qml.X(1)),
    lambda: qml.probs(op=qml.Hermitian(np.kron(HERMITIAN, HERMITIAN), [3, 1])),
    lambda: qml.density_matrix([3, 1]),
    lambda: qml.density_matrix(0),
    lambda: qml.purity([1, 2]),
    lambda: qml.vn_entropy([1, 2]),
    lambda: qml.vn_entropy(0, log_base=2),
    lambda: qml.mutual_info([0], [2, 3]),
    lambda: qml.mutual_info([3, 0], [1], log_base=2),
    lambda: (qml.expval(qml.Z(0)),),
    lambda: (qml.expval(qml.Z(0)), qml.probs(wires=[1, 0]), qml.var(PAULI_SUM), qml.state()),
]


@pytest.mark.filterwarnings("ignore:Using qp.probs")
@pytest.mark.parametrize("measure", MEASUREMENTS)
def test_measurements(measure):
    def circuit():
        scramble()
        return measure()

    assert_same(circuit)


@pytest.mark.filterwarnings("ignore:Using qp.probs")
@pytest.mark.parametrize("measure", MEASUREMENTS)
def test_batches(measure):
    def circuit():
        scramble()
        qml.RX(np.array([0.1, 0.2, 0.3]), 1)
        qml.QubitUnitary(np.stack([unitary(2, seed) for seed in range(3)]), [0, 2])
        qml.CRot(0.2, [0.4, 0.5, 0.6], 0.7, [3, 0])
        return measure()

    assert_same(circuit)


@pytest.mark.filterwarnings("ignore:Using qp.probs")
@pytest.mark.parametrize("measure", MEASUREMENTS[:6])
def test_a_batch_of_one_keeps_its_axis(measure):
    def circuit():
        scramble()
        qml.RX(np.array([0.1]), 1)
        return measure()

    assert_same(circuit)


def test_batched_coefficients():
    def circuit():
        scramble()
        batch = np.array([1.0, 2.0])
        return (
            qml.expval(qml.s_prod(batch, qml.Z(0))),
            qml.var(qml.s_prod(batch, qml.X(1))),
            qml.expval(qml.s_prod(batch, qml.Hermitian(HERMITIAN, 2) + qml.Z(0))),
        )

    found = run("bondline.mps", circuit)
    for scale, row in ((1.0, 0), (2.0, 1)):

        def single(scale=scale):
            scramble()
            return (
                qml.expval(scale * qml.Z(0)),
                qml.var(scale * qml.X(1)),
                qml.expval(scale * (qml.Hermitian(HERMITIAN, 2) + qml.Z(0))),
            )

        for one, other in zip(found, run("default.qubit", single), strict=True):
            assert one.shape == (2,)
            assert one[row] == pytest.approx(other, abs=1e-9)


def test_mid_circuit_measurements_are_deferred():
    def circuit():
        qml.RY(0.7, 0)
        outcome = qml.measure(0, reset=True)
        qml.cond(outcome, qml.RX)(0.4, 1)
        qml.RY(0.4, 0)
        other = qml.measure(0)
        return (
            qml.expval(outcome),
            qml.var(other),
            qml.expval(2 * outcome + other),
            qml.probs(op=[outcome, other]),
            qml.expval(qml.Z(1)),
        )

    def reference():
        return qml.QNode(circuit, qml.device("default.qubit", wires=6), mcm_method="deferred")()

    found = run("bondline.mps", circuit, wires=6)
    for one, other in zip(found, reference(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_entanglement_of_many_wires():
    n = 100

    @qml.qnode(qml.device("bondline.mps", wires=n))
    def ghz():
        qml.RY(0.8, 0)
        for wire in range(n - 1):
            qml.CNOT([wire, wire + 1])
        return (
            qml.vn_entropy(range(50)),
            qml.purity(range(30, 70)),
            qml.mutual_info(range(40), range(40, 100), log_base=2),
            qml.vn_entropy(range(n)),
        )

    weights = np.array([np.cos(0.4) ** 2, np.sin(0.4) ** 2])
    entropy = -(weights * np.log(weights)).sum()
    expected = [entropy, (weights**2).sum(), 2 * entropy / np.log(2), 0.0]
    np.testing.assert_allclose(ghz(), expected, atol=1e-9)


def test_a_projector_on_many_wires():
    n = 200

    @qml.qnode(qml.device("bondline.mps", wires=n))
    def circuit():
        for wire in range(n):
            qml.RY(0.1 + 0.001 * wire, wire)
        return qml.expval(qml.Projector([0] * n, range(n))), qml.var(qml.Projector([1], [7]))

    angles = 0.1 + 0.001 * np.arange(n)
    one = np.sin(angles[7] / 2) ** 2
    np.testing.assert_allclose(
        circuit(), [np.prod(np.cos(angles / 2) ** 2), one * (1 - one)], atol=1e-9
    )


def test_templates():
    rng = np.random.default_rng(4)
    shape = qml.StronglyEntanglingLayers.shape(n_layers=2, n_wires=WIRES)
    weights = rng.uniform(size=shape)

    def circuit():
        qml.AngleEmbedding(rng_features, range(WIRES), rotation="Y")
        qml.IQPEmbedding(rng_features, range(WIRES))
        qml.StronglyEntanglingLayers(weights, range(WIRES))
        return qml.expval(PAULI_SUM), qml.probs(wires=[0])

    rng_features = rng.uniform(size=WIRES)
    assert_same(circuit)
    rng_features = rng.uniform(size=(3, WIRES))
    assert_same(circuit)


def test_graph_decomposition():
    def circuit():
        scramble()
        qml.Toffoli([0, 2, 3])
        qml.QFT([0, 1, 2])
        qml.BlockEncode(np.array([[0.1, 0.2], [0.3, 0.4]]), [0, 1])
        return qml.state()

    with qml.decomposition.toggle_graph_ctx(True):
        found = run("bondline.mps", circuit)
    np.testing.assert_allclose(found, run("default.qubit", circuit), atol=1e-9)


def test_a_measurement_of_the_users_own_gets_the_state():
    class Overlap(qml.measurements.StateMeasurement):
        def process_state(self, state, wire_order):
            assert wire_order.tolist() == list(range(WIRES))
            return abs(state[0]) ** 2

        @property
        def numeric_type(self):
            return float

        def shape(self, shots=None, num_device_wires=0):
            return ()

    def circuit(angle):
        scramble()
        qml.RX(angle, 0)
        return Overlap(), qml.probs()

    qnode = qml.QNode(circuit, qml.device("bondline.mps", wires=WIRES))
    value, probabilities = qnode(0.1)
    assert value == pytest.approx(probabilities[0])
    values, probabilities = qnode(np.array([0.1, 0.2]))
    np.testing.assert_allclose(values, probabilities[:, 0])


def test_no_measurement_gives_an_empty_tuple():
    tape = qml.tape.QuantumScript([qml.H(0)], [])
    assert qml.device("bondline.mps", wires=1).execute(tape) == ()
