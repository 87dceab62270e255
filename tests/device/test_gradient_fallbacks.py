"""What the device does not differentiate: who does it instead, what that costs, who says so."""

import dataclasses
import warnings

import jax
import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp
from pennylane.devices import ExecutionConfig, MCMConfig
from pennylane.exceptions import QuantumFunctionError

from bondline import LowFidelityError, LowFidelityWarning, ParameterShiftWarning

WIRES = 4


@pytest.fixture(autouse=True)
def _double():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def device(**options):
    return qml.device("bondline.mps", wires=WIRES, **options)


def layered(*measurements, before=None):
    """Return a quantum function of a layer of angles."""

    def circuit(angles):
        for wire in range(WIRES):
            qml.RX(angles[wire], wires=wire)
        if before is not None:
            before(angles)
        qml.CNOT([0, 1])
        qml.CNOT([1, 2])
        found = tuple(qml.apply(measurement) for measurement in measurements)
        return found[0] if len(found) == 1 else found

    return circuit


def angles():
    return pnp.array([0.3, -0.4, 0.9, 0.2])


def measure_first(angles):
    qml.cond(qml.measure(0), qml.RY)(angles[0], wires=3)


def rotate_by_matrix(angles):
    cosine, sine = qml.math.cos(angles[0]), qml.math.sin(angles[0])
    rows = [qml.math.stack([cosine, -sine]), qml.math.stack([sine, cosine])]
    qml.QubitUnitary(qml.math.stack(rows), wires=0)


# Each with what is asked for, and words of the reason and of the way out.
NOT_DIFFERENTIATED = {
    "state": ([qml.state()], None, "qml.state has no derivative", "expval, var or probs"),
    "density matrix": ([qml.density_matrix(0)], None, "qml.density_matrix", "expval"),
    "entropy": ([qml.vn_entropy(0)], None, "qml.vn_entropy", "finite-diff"),
    "mutual information": ([qml.mutual_info(0, 1)], None, "qml.mutual_info", "finite-diff"),
    "purity": ([qml.purity(0)], None, "qml.purity", "finite-diff"),
    "one of two": ([qml.expval(qml.Z(0)), qml.vn_entropy(0)], None, "qml.vn_entropy", "expval"),
    "mid-circuit": ([qml.expval(qml.Z(0))], measure_first, "mid-circuit", 'mcm_method="deferred"'),
    "matrix": ([qml.expval(qml.Z(0))], rotate_by_matrix, "is a matrix", "qml.PauliRot"),
}


@pytest.mark.parametrize(
    ("measurements", "before", "reason", "way"),
    [case for name, case in NOT_DIFFERENTIATED.items() if name != "mid-circuit"],
    ids=[name for name in NOT_DIFFERENTIATED if name != "mid-circuit"],
)
@pytest.mark.parametrize("method", ["adjoint", "device"])
def test_by_name_it_is_refused_with_the_reason(method, measurements, before, reason, way):
    circuit = qml.QNode(layered(*measurements, before=before), device(), diff_method=method)
    with pytest.raises(QuantumFunctionError, match=f'diff_method="{method}".*{reason}.*{way}'):
        qml.grad(circuit)(angles())


def tape_of(circuit, shots=None):
    return qml.tape.make_qscript(circuit, shots=shots)(np.array([0.1, 0.2, 0.3, 0.4]))


def test_the_answers_before_a_circuit_runs():
    dev = device()
    good, entropy = (tape_of(layered(found)) for found in (qml.probs(wires=0), qml.vn_entropy(0)))
    sampled = tape_of(layered(qml.expval(qml.Z(0))), shots=10)
    best = ExecutionConfig(gradient_method="best")
    assert dev.supports_derivatives() is True
    assert dev.supports_vjp() is True
    assert dev.supports_jvp() is False
    for ask in (dev.supports_derivatives, dev.supports_vjp):
        assert ask(best) is True
        assert ask(best, good) is True
        assert ask(None, good) is True
        assert ask(best, entropy) is False
        assert ask(None, entropy) is False
        assert ask(best, sampled) is False
        assert ask(ExecutionConfig(gradient_method="best", derivative_order=2), good) is False
        for method in (None, "parameter-shift", "backprop", qml.gradients.param_shift):
            assert ask(ExecutionConfig(gradient_method=method), good) is False
        for method in ("adjoint", "device"):
            assert ask(ExecutionConfig(gradient_method=method), good) is True
            with pytest.raises(QuantumFunctionError, match=r"qml\.vn_entropy"):
                ask(ExecutionConfig(gradient_method=method), entropy)


def test_an_execution_config_is_resolved_and_stays():
    dev = device()
    good, entropy = (tape_of(layered(found)) for found in (qml.probs(wires=0), qml.vn_entropy(0)))
    for method in ("best", "device", "adjoint"):
        config = dev.setup_execution_config(ExecutionConfig(gradient_method=method), good)
        assert config.gradient_method == "adjoint"
        assert config.use_device_gradient is True
        assert config.use_device_jacobian_product is True
        assert config.grad_on_execution is False
        assert dev.setup_execution_config(config, good) == config
    given = ExecutionConfig(
        gradient_method="best", use_device_jacobian_product=False, grad_on_execution=True
    )
    config = dev.setup_execution_config(given, good)
    assert config.use_device_jacobian_product is False
    assert config.grad_on_execution is True
    config = dev.setup_execution_config(ExecutionConfig(gradient_method="best"), entropy)
    assert config.gradient_method == "parameter-shift"
    assert not config.use_device_gradient
    with pytest.raises(QuantumFunctionError, match=r"qml\.vn_entropy"):
        dev.setup_execution_config(ExecutionConfig(gradient_method="adjoint"), entropy)


def test_the_device_can_leave_derivatives_to_pennylane():
    dev = device(gradient="parameter-shift")
    everywhere = qml.prod(*map(qml.Z, range(WIRES)))  # PennyLane shifts only what matters
    circuit = qml.QNode(layered(qml.expval(everywhere)), dev)
    with dev.tracker as tracker:
        found = qml.grad(circuit)(angles())
    assert tracker.totals["executions"] == 1 + 2 * WIRES
    assert "derivatives" not in tracker.totals
    expected = qml.grad(qml.QNode(circuit.func, device()))(angles())
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert dev.supports_derivatives() is False
    config = ExecutionConfig(gradient_method="adjoint")
    with pytest.raises(QuantumFunctionError, match='gradient="parameter-shift"'):
        dev.setup_execution_config(config)


def test_finite_shots_are_shifted_without_a_word():
    dev = device(seed=4)
    circuit = qml.set_shots(qml.QNode(wide, dev), 20_000)
    with warnings.catch_warnings(), dev.tracker as tracker:
        warnings.simplefilter("error")
        found = qml.grad(circuit)(pnp.array(MANY))
    assert tracker.totals["executions"] > 50
    assert "derivatives" not in tracker.totals
    expected = qml.grad(qml.QNode(wide, device()))(pnp.array(MANY))
    np.testing.assert_allclose(found, expected, atol=0.05)
    by_name = qml.set_shots(qml.QNode(wide, dev, diff_method="adjoint"), 10)
    with pytest.raises(QuantumFunctionError, match="has shots"):
        by_name(MANY)


MANY = np.linspace(0.1, 1, 30)


def wide(angles, measurement=None, measured=False):
    for place in range(len(MANY)):
        qml.RY(angles[place], wires=place % WIRES)
        qml.CNOT([place % WIRES, (place + 1) % WIRES])
    if measured:
        qml.measure(0)
    return qml.expval(qml.Z(0)) if measurement is None else measurement()


def test_many_shifted_circuits_are_told_once(monkeypatch):
    monkeypatch.setattr("bondline.devices.differentiability.PROBABILITY_WIRES", 2)
    dev = device()

    def outcomes(angles):
        return wide(angles, lambda: qml.probs(wires=[0, 1, 2]))

    def of(qnode):
        return lambda angles: qnode(angles)[3]

    scalar = of(qml.QNode(outcomes, dev))
    with pytest.warns(ParameterShiftWarning, match="60 circuits.*probs on 3 wires.*fewer wires"):
        found = qml.grad(scalar)(pnp.array(MANY))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        qml.grad(scalar)(pnp.array(MANY + 0.1))  # the same structure
    monkeypatch.undo()
    expected = qml.grad(of(qml.QNode(outcomes, device())))(pnp.array(MANY))
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("differentiate", [jax.grad, lambda f: jax.jit(jax.grad(f))])
def test_other_interfaces_are_told_too(differentiate):
    circuit = qml.QNode(lambda angles: wide(angles, measured=True), device())
    with pytest.warns(ParameterShiftWarning, match='60 circuits.*mcm_method="deferred"'):
        differentiate(circuit)(jax.numpy.array(MANY))


def test_who_takes_no_gradient_or_asked_for_shifts_is_not_told():
    def circuit(angles):
        return wide(angles, measured=True)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        qml.QNode(circuit, device())(pnp.array(MANY))
        jax.jit(qml.QNode(circuit, device()))(jax.numpy.array(MANY))
        qml.grad(qml.QNode(circuit, device(), diff_method="parameter-shift"))(pnp.array(MANY))
        # A handful of circuits is not worth a word.
        qml.grad(qml.QNode(layered(qml.expval(qml.Z(2)), before=measure_first), device()))(angles())


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize(
    "differentiate",
    [qml.grad, jax.grad, lambda f: jax.jit(jax.grad(f)), lambda f: jax.grad(jax.jit(f))],
    ids=["autograd", "jax", "jit of grad", "grad of jit"],
)
def test_derivatives_by_a_matrix_come_from_its_decomposition(differentiate):
    circuit = layered(qml.expval(qml.Z(2)), before=rotate_by_matrix)
    dev = device()
    point = angles() if differentiate is qml.grad else jax.numpy.array(angles())
    with dev.tracker as tracker:
        found = differentiate(qml.QNode(circuit, dev))(point)
    assert "derivatives" not in tracker.totals
    expected = qml.grad(qml.QNode(circuit, qml.device("default.qubit", wires=WIRES)))(angles())
    np.testing.assert_allclose(found, expected, atol=1e-9)


class TestMidCircuitMeasurements:
    def circuit(self, dev, **options):
        return qml.QNode(layered(qml.expval(qml.Z(3)), before=measure_first), dev, **options)

    @property
    def expected(self):
        return qml.grad(self.circuit(qml.device("default.qubit")))(angles())

    def test_they_are_followed_and_shifted_by_default(self):
        dev = qml.device("bondline.mps")
        with dev.tracker as tracker:
            found = qml.grad(self.circuit(dev))(angles())
        assert "derivatives" not in tracker.totals
        np.testing.assert_allclose(found, self.expected, atol=1e-9)

    @pytest.mark.parametrize(
        "options",
        [
            {"mcm_method": "deferred"},
            {"diff_method": "adjoint"},
            {"diff_method": "device"},
            {"diff_method": "adjoint", "mcm_method": "deferred"},
        ],
    )
    def test_deferred_they_are_differentiated_by_the_device(self, options):
        dev = qml.device("bondline.mps")
        with dev.tracker as tracker:
            found = qml.grad(self.circuit(dev, **options))(angles())
        assert (tracker.totals["executions"], tracker.totals["derivatives"]) == (1, 1)
        np.testing.assert_allclose(found, self.expected, atol=1e-9)

    def test_values_of_outcomes_have_derivatives_when_deferred(self):
        def circuit(angles):
            qml.RX(angles[0], wires=0)
            first = qml.measure(0)
            qml.cond(first, qml.RY)(angles[1], wires=1)
            second = qml.measure(1)
            return qml.expval(first), qml.var(first), qml.probs(op=[first, second])

        def flat(dev, **options):
            qnode = qml.QNode(circuit, dev, mcm_method="deferred", **options)
            return lambda angles: pnp.hstack(qnode(angles))

        point = pnp.array([0.4, 0.7])
        found = qml.jacobian(flat(qml.device("bondline.mps")))(point)
        expected = qml.jacobian(flat(qml.device("default.qubit")))(point)
        np.testing.assert_allclose(found, expected, atol=1e-9)

    def test_a_device_without_room_refuses_by_name(self):
        def twice(angles):
            qml.RX(angles[0], wires=0)
            qml.measure(0, reset=True)
            qml.RX(angles[1], wires=0)
            return qml.expval(qml.Z(0))

        dev = qml.device("bondline.mps", wires=1)
        with pytest.raises(QuantumFunctionError, match="mid-circuit measurements"):
            qml.QNode(twice, dev, diff_method="adjoint")(angles())
        config = ExecutionConfig(
            gradient_method="adjoint", mcm_config=MCMConfig(mcm_method="device")
        )
        with pytest.raises(QuantumFunctionError, match="mid-circuit measurements"):
            dev.setup_execution_config(config, tape_of(twice))


class TestSecondDerivatives:
    def test_by_shifts(self):
        dev = device()
        circuit = qml.QNode(layered(qml.expval(qml.Z(2))), dev, max_diff=2)
        with dev.tracker as tracker:
            found = qml.jacobian(qml.grad(circuit))(angles())
        assert "derivatives" not in tracker.totals
        reference = qml.QNode(circuit.func, qml.device("default.qubit"), max_diff=2)
        expected = qml.jacobian(qml.grad(reference))(angles())
        np.testing.assert_allclose(found, expected, atol=1e-8)
        found = jax.hessian(circuit)(jax.numpy.array(angles()))
        np.testing.assert_allclose(found, expected, atol=1e-8)

    def test_not_by_the_device(self):
        circuit = qml.QNode(
            layered(qml.expval(qml.Z(2))), device(), diff_method="adjoint", max_diff=2
        )
        with pytest.raises(QuantumFunctionError, match=r"first derivatives only.*parameter-shift"):
            qml.grad(circuit)(angles())


def test_a_circuit_that_cannot_be_differentiated_is_refused_when_derivatives_are_computed():
    dev = device()
    for tape, words in (
        (tape_of(layered(qml.vn_entropy(0))), "vn_entropy"),
        (tape_of(layered(qml.expval(qml.Z(0))), shots=5), "has shots"),
    ):
        with pytest.raises(QuantumFunctionError, match=words):
            dev.compute_derivatives(tape)
        with pytest.raises(QuantumFunctionError, match=words):
            dev.compute_vjp(tape, 1.0)


def test_a_circuit_without_trainable_parameters_may_measure_what_it_likes():
    dev = device()
    still, moving = (tape_of(layered(found)) for found in (qml.vn_entropy(0), qml.expval(qml.Z(0))))
    still.trainable_params = []
    values, jacobians = dev.execute_and_compute_derivatives((still, moving))
    assert jacobians[0] == ()
    assert len(jacobians[1]) == WIRES
    again, products = dev.execute_and_compute_vjp((still, moving), (1.0, 1.0))
    assert values == again
    assert products[0] == ()
    np.testing.assert_allclose(products[1], jacobians[1], atol=1e-14)


def test_a_batch_of_circuits_whose_first_has_derivatives_still_runs():
    # PennyLane resolves the method of a batch by its first circuit.
    first, second = (tape_of(layered(found)) for found in (qml.expval(qml.Z(0)), qml.vn_entropy(0)))
    values = qml.execute([first, second], device(), diff_method="best")
    assert len(values) == 2


def test_forward_batches_stay_one_circuit():
    dev = device()
    circuit = qml.QNode(layered(qml.expval(qml.Z(2))), dev)
    batch = np.outer(np.array([0.3, -0.4, 0.9, 0.2]), np.ones(7))
    with dev.tracker as tracker:
        circuit(batch)
        circuit(jax.numpy.array(batch))
    assert tracker.history["simulations"] == [1, 1]
    assert tracker.totals["executions"] == 14
    assert qml.transforms.broadcast_expand not in dev.preprocess_transforms()


def test_reports_after_a_gradient():
    dev = device(max_bond_dim=2, on_low_fidelity="ignore")
    rng = np.random.default_rng(8)
    weights = pnp.array(rng.normal(size=(3, WIRES, 3)))

    @qml.qnode(dev)
    def circuit(weights):
        qml.StronglyEntanglingLayers(weights, range(WIRES))
        return qml.expval(qml.Z(1))

    circuit(weights)
    (report,) = dev.reports
    assert report.gradient_method == "adjoint"
    assert report.gradient_error is None
    value = circuit(weights)
    qml.grad(circuit)(weights)
    (report,) = dev.reports
    assert report.total_discarded > 0
    assert report.gradient_error == pytest.approx(np.sqrt(report.total_discarded))
    assert 0 < report.smallest_gap <= 1
    assert report.gradient_checkpoints == 0
    assert "Derivatives are those of the truncated program" in str(report)
    hopeless = dataclasses.replace(report, gradient_error=4.9, gradient_checkpoints=1)
    assert "say nothing about" in str(hopeless)
    assert "1 state was kept" in str(hopeless)
    told = report.to_dict()
    assert told["gradient_error"] == report.gradient_error
    assert {"smallest_gap", "shifted_cuts", "gradient_guarded"} < set(told)
    assert float(value) == pytest.approx(float(circuit(weights)), abs=0)


def test_a_gradient_of_low_fidelity_warns_like_a_value():
    dev = device(max_bond_dim=1)
    rng = np.random.default_rng(8)
    tape = qml.tape.make_qscript(
        lambda: (
            qml.StronglyEntanglingLayers(rng.normal(size=(3, WIRES, 3)), range(WIRES)),
            qml.expval(qml.Z(1)),
        )
    )()
    config = dev.setup_execution_config(ExecutionConfig(gradient_method="adjoint"))
    ((native,), _) = dev.preprocess_transforms(config)([tape])
    with pytest.warns(LowFidelityWarning, match="max_bond_dim=1"):
        dev.compute_derivatives(native, config)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dev.compute_derivatives(native, config)


def deep():
    """Return angles of a circuit that a bond dimension of 2 cannot hold."""
    return pnp.array(np.random.default_rng(4).uniform(0, 6, (20, 10, 3)), requires_grad=True)


def lossy(**settings):
    """Return a QNode that accepts whatever fidelity its values have."""

    @qml.qnode(qml.device("bondline.mps", wires=10, min_fidelity=0, **settings))
    def circuit(angles, scale=1.0):
        for layer in angles:
            for wire in range(10):
                qml.Rot(*layer[wire], wires=wire)
            for wire in range(9):
                qml.CNOT([wire, wire + 1])
        return qml.expval(scale * qml.Z(4) @ qml.Z(5))

    return circuit


def test_derivatives_that_no_exact_value_can_have_warn_once_for_a_qnode():
    circuit = lossy(max_bond_dim=2)
    with pytest.warns(
        LowFidelityWarning, match=r"times as large as .* try max_bond_dim=4"
    ) as caught:
        slopes = qml.grad(circuit)(deep())
    assert np.abs(slopes).max() > 2
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        qml.grad(circuit)(deep() + 0.1)
        qml.grad(lossy(max_bond_dim=2, on_low_fidelity="ignore"))(deep())
    with pytest.raises(LowFidelityError, match="times as large as"):
        qml.grad(lossy(max_bond_dim=2, on_low_fidelity="raise"))(deep())


def test_derivatives_are_compared_with_the_scale_of_the_observable():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        slopes = qml.grad(lossy(max_bond_dim=32))(deep(), scale=1e6)
    assert np.abs(slopes).max() > 1e3
    with pytest.warns(LowFidelityWarning, match="times as large as"):
        qml.grad(lossy(max_bond_dim=2))(deep(), scale=1e-9)
