"""Parameter shifts where those of PennyLane are missing or wrong."""

import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp

from bondline.errors import UnsupportedError

ANGLES = (0.6, 0.9, -0.4)
UNDER_CONDITIONS = {
    "one angle": lambda m, x: qml.cond(m, qml.RX)(x[1], 1),
    "three angles": lambda m, x: qml.cond(m, qml.Rot)(x[1], x[2], x[0], 1),
    "controlled": lambda m, x: qml.cond(m, qml.CRY)(x[1], [1, 2]),
    "controlled twice": lambda m, x: qml.cond(m, qml.ctrl(qml.RZ, [1, 0]))(x[1], 2),
    "two frequencies": lambda m, x: qml.cond(m, qml.SingleExcitation)(x[1], [1, 2]),
    "otherwise": lambda m, x: qml.cond(m, qml.RX, qml.RY)(x[1], 1),
    "both outcomes": lambda m, x: qml.cond(m == 0, qml.PhaseShift)(x[2] * x[1], 1),
    "a template": lambda m, x: qml.cond(m, qml.AngleEmbedding)(x[1:], wires=[1, 2]),
}


def circuit_of(gate):
    def circuit(angles):
        qml.RY(angles[0], 0)
        qml.RY(0.4, 1)
        qml.CNOT([1, 2])
        outcome = qml.measure(0)
        gate(outcome, angles)
        qml.RX(angles[2], 1)
        return (
            qml.expval(qml.Z(1) @ qml.X(2)),
            qml.var(qml.Y(1)),
            qml.probs(wires=[2]),
            qml.expval(outcome),
        )

    return circuit


def flat(circuit, device, **options):
    qnode = qml.QNode(circuit, device, **options)
    return lambda angles: pnp.hstack(qnode(angles))


@pytest.mark.parametrize("gate", UNDER_CONDITIONS.values(), ids=UNDER_CONDITIONS)
@pytest.mark.parametrize("handled", ["device", "deferred"])
def test_gates_under_conditions_have_exact_shifts(gate, handled):
    options = {"diff_method": "parameter-shift", "mcm_method": handled}
    found = qml.jacobian(flat(circuit_of(gate), qml.device("bondline.mps"), **options))
    exact = qml.jacobian(flat(circuit_of(gate), qml.device("default.qubit")))
    point = pnp.array(ANGLES)
    # Finite differences would be off by more.
    np.testing.assert_allclose(found(point), exact(point), atol=1e-11)


def one(angles):
    qml.RY(angles[0], 0)
    outcome = qml.measure(0)
    qml.cond(outcome, qml.RX)(angles[1], 1)
    return qml.expval(qml.Z(1))


def slopes_of_one():
    first, second = ANGLES[:2]
    weight = np.sin(first / 2) ** 2
    return [np.sin(first) / 2 * (np.cos(second) - 1), -weight * np.sin(second)]


@pytest.mark.parametrize("options", [{}, {"diff_method": "parameter-shift"}])
def test_gradients_with_shots_are_no_noise(options):
    device = qml.device("bondline.mps", wires=2, seed=11)
    qnode = qml.set_shots(qml.QNode(one, device, **options), 40_000)
    with device.tracker as tracker:
        found = qml.grad(qnode)(pnp.array(ANGLES[:2]))
    assert tracker.totals["executions"] == 5  # the value, and two for each angle
    np.testing.assert_allclose(found, slopes_of_one(), atol=5 / np.sqrt(2 * 40_000))


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_with_shots_in_jax(compiled):
    jax = pytest.importorskip("jax")
    device = qml.device("bondline.mps", wires=2, seed=12)
    qnode = qml.set_shots(qml.QNode(one, device, postselect_mode="hw-like"), 40_000)
    gradient = jax.jit(jax.grad(qnode)) if compiled else jax.grad(qnode)
    found = gradient(jax.numpy.array(ANGLES[:2]))
    np.testing.assert_allclose(found, slopes_of_one(), atol=5 / np.sqrt(2 * 40_000))


def test_gradients_with_shots_in_torch():
    torch = pytest.importorskip("torch")
    device = qml.device("bondline.mps", wires=2, seed=13)
    angles = torch.tensor(ANGLES[:2], requires_grad=True)
    qml.set_shots(qml.QNode(one, device), 40_000)(angles).backward()
    np.testing.assert_allclose(angles.grad, slopes_of_one(), atol=5 / np.sqrt(2 * 40_000))


def test_options_of_the_rule_are_those_of_pennylane():
    options = {"diff_method": "parameter-shift", "gradient_kwargs": {"shifts": [(0.3,), (0.4,)]}}
    qnode = qml.QNode(one, qml.device("bondline.mps", wires=2), **options)
    np.testing.assert_allclose(qml.grad(qnode)(pnp.array(ANGLES[:2])), slopes_of_one(), atol=1e-9)


def selected(angles):
    qml.RY(angles[0], 0)
    qml.CNOT([0, 1])
    qml.RY(0.7, 0)
    qml.measure(0, postselect=1)
    qml.RX(angles[1], 1)
    return qml.expval(qml.Z(1))


@pytest.mark.parametrize("options", [{}, {"diff_method": "parameter-shift"}])
@pytest.mark.parametrize("shots", [None, 100])
def test_a_value_divided_by_what_is_differentiated_is_refused(options, shots):
    qnode = qml.set_shots(qml.QNode(selected, qml.device("bondline.mps"), **options), shots)
    with pytest.raises(UnsupportedError, match=r"postselection.*finite-diff"):
        qml.grad(qnode)(pnp.array(ANGLES[:2]))
    assert np.isfinite(qnode(np.array(ANGLES[:2])))


def test_the_ways_out_of_the_refusal():
    point = pnp.array(ANGLES[:2])
    differences = qml.QNode(selected, qml.device("bondline.mps"), diff_method="finite-diff")

    def joint(angles):
        qml.RY(angles[0], 0)
        qml.CNOT([0, 1])
        qml.RY(0.7, 0)
        outcome = qml.measure(0)
        qml.RX(angles[1], 1)
        end = qml.measure(1)
        return qml.probs(op=[outcome, end])

    qnode = qml.QNode(joint, qml.device("bondline.mps"))

    def divided(angles):
        found = qnode(angles)
        return (found[2] - found[3]) / (found[2] + found[3])

    assert divided(point) == pytest.approx(differences(point))
    np.testing.assert_allclose(qml.grad(divided)(point), qml.grad(differences)(point), atol=1e-6)


def test_what_comes_after_a_selection_has_shifts():
    def after(angle):
        qml.RY(0.6, 0)
        qml.CNOT([0, 1])
        qml.measure(0, postselect=1)
        qml.RX(angle, 1)
        return qml.expval(qml.Z(1))

    slope = qml.grad(qml.QNode(after, qml.device("bondline.mps")))(pnp.array(0.3))
    assert slope == pytest.approx(np.sin(0.3))
