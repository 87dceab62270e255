"""Measurements in the middle of a circuit: exact, with shots, deferred and one shot at a time."""

from __future__ import annotations

import warnings

import jax
import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp
from pennylane.devices import ExecutionConfig, MCMConfig
from pennylane.exceptions import DeviceError, WireError

from bondline import (
    InputError,
    LowFidelityWarning,
    NumericalError,
    UnsupportedError,
    _core,
)
from bondline.devices.mps import BondlineMPS

WIRES = 3
SHOTS = 4000


def entangle():
    qml.RY(0.7, 0)
    qml.CRX(1.1, [0, 1])
    qml.IsingXY(0.9, [1, 2])
    qml.RX(0.4, 2)


def condition_on_one():
    entangle()
    m = qml.measure(1)
    qml.cond(m, qml.RX, qml.RY)(0.6, wires=0)
    qml.CNOT([0, 2])
    return (m,)


def condition_on_a_function_of_three():
    entangle()
    values = [qml.measure(wire) for wire in range(3)]
    qml.cond(values[0] + values[1] + values[2] >= 2, qml.RX)(0.8, wires=1)
    qml.cond(values[0] & ~values[2], qml.ctrl(qml.RY, [1, 2], control_values=[0, 1]))(0.5, wires=0)
    return tuple(values)


def reset_and_reuse():
    entangle()
    first = qml.measure(1, reset=True)
    qml.CRY(0.7, [0, 1])
    second = qml.measure(1)
    qml.cond(second, qml.Hadamard)(wires=2)
    return first, second


def a_large_operator_under_a_condition():
    entangle()
    m = qml.measure(0)
    qml.cond(m, qml.QFT)(wires=[0, 1, 2])
    qml.cond(m == 0, qml.GlobalPhase)(0.3)
    qml.cond(m, qml.BasisState)([1, 0, 1], wires=[0, 1, 2])
    qml.cond(m, qml.SWAP, qml.Identity)(wires=[0, 2])
    return (m,)


CIRCUITS = [
    condition_on_one,
    condition_on_a_function_of_three,
    reset_and_reuse,
    a_large_operator_under_a_condition,
]


def measured(values):
    """Everything that has a value with and without shots, each on wires and on outcomes."""
    first, last = values[0], values[-1]
    return (
        qml.expval(qml.Z(0) @ qml.X(2)),
        qml.expval(qml.X(0) + 0.5 * qml.Y(1) @ qml.Z(2)),
        qml.var(qml.Z(2)),
        qml.probs(wires=[2, 0]),
        qml.expval(first),
        qml.var(2 * first + last + 1),
        qml.probs(op=list(values)),
    )


def run(circuit, device, measure=measured, **options):
    shots = options.pop("shots", None)

    def function():
        return measure(circuit())

    return qml.set_shots(qml.QNode(function, device, **options), shots)()


def bondline(wires=WIRES, **settings):
    return qml.device("bondline.mps", wires=wires, max_bond_dim=None, cutoff=0.0, **settings)


def reference(circuit, measure=measured):
    return run(circuit, qml.device("default.qubit"), measure, mcm_method="deferred")


@pytest.mark.parametrize("method", ["device", None])
@pytest.mark.parametrize("circuit", CIRCUITS)
def test_exact_values(circuit, method):
    found = run(circuit, bondline(), mcm_method=method)
    for value, expected in zip(found, reference(circuit), strict=True):
        assert np.shape(value) == np.shape(expected)
        np.testing.assert_allclose(value, expected, atol=1e-9)


@pytest.mark.parametrize("circuit", CIRCUITS)
def test_deferred_measurements(circuit):
    device = qml.device("bondline.mps", wires=8, max_bond_dim=None, cutoff=0.0)
    found = run(circuit, device, mcm_method="deferred")
    for value, expected in zip(found, reference(circuit), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-9)


@pytest.mark.parametrize("method", ["device", "one-shot", "deferred", None])
@pytest.mark.parametrize("circuit", CIRCUITS)
def test_values_with_shots(circuit, method):
    device = qml.device("bondline.mps", wires=8, max_bond_dim=None, cutoff=0.0, seed=11)
    found = run(circuit, device, mcm_method=method, shots=SHOTS)
    for value, expected in zip(found, reference(circuit), strict=True):
        assert np.shape(value) == np.shape(expected)
        np.testing.assert_allclose(value, expected, atol=6 * 1.5 / np.sqrt(SHOTS))


def density(values):
    return qml.density_matrix([2, 0]), qml.vn_entropy([1]), qml.purity([0, 1])


@pytest.mark.parametrize("circuit", CIRCUITS)
def test_density_matrices_are_those_of_the_mixture(circuit):
    found = run(circuit, bondline(), density)
    expected = reference(circuit, lambda values: qml.density_matrix([2, 0]))
    np.testing.assert_allclose(found[0], expected, atol=1e-9)
    expected = reference(circuit, lambda values: qml.vn_entropy([1]))
    np.testing.assert_allclose(found[1], expected, atol=1e-9)
    matrix = reference(circuit, lambda values: qml.density_matrix([0, 1]))
    np.testing.assert_allclose(found[2], np.trace(matrix @ matrix).real, atol=1e-9)


def test_teleportation_on_a_long_chain():
    wires = 61
    device = qml.device("bondline.mps", wires=wires, seed=3)

    def circuit():
        qml.RX(0.6, 0)
        for here in range(0, wires - 2, 2):
            qml.Hadamard(here + 1)
            qml.CNOT([here + 1, here + 2])
            qml.CNOT([here, here + 1])
            qml.Hadamard(here)
            first, second = qml.measure(here), qml.measure(here + 1)
            qml.cond(second, qml.X)(here + 2)
            qml.cond(first, qml.Z)(here + 2)
        return qml.expval(qml.Z(wires - 1)), qml.expval(qml.Y(wires - 1))

    found = qml.set_shots(qml.QNode(circuit, device), 400)()
    np.testing.assert_allclose(found, [np.cos(0.6), -np.sin(0.6)], atol=6 / np.sqrt(400))


@pytest.mark.parametrize("method", ["device", None])
@pytest.mark.parametrize("shots", [None, 500])
def test_a_wire_is_reset_and_used_forty_times(shots, method):
    device = qml.device("bondline.mps", wires=2, seed=5)

    def circuit():
        qml.RY(0.3, 0)
        for _ in range(40):
            qml.CNOT([0, 1])
            qml.measure(1, reset=True)
        return qml.expval(qml.Z(0)), qml.expval(qml.Z(1))

    found = qml.set_shots(qml.QNode(circuit, device, mcm_method=method), shots)()
    tolerance = 1e-9 if shots is None else 6 / np.sqrt(shots)
    np.testing.assert_allclose(found, [np.cos(0.3), 1.0], atol=tolerance)


def test_the_report_counts_histories():
    device = bondline()
    run(condition_on_a_function_of_three, device)
    report = device.reports[0]
    assert report.branches == 6  # of 8, two are impossible
    assert report.dropped_branches < 1e-12
    assert report.light_cone[4:] == (None, None, None)  # outcomes depend on the whole state
    assert "6 histories" in str(report)


# Postselection


def postselected():
    entangle()
    first = qml.measure(0)
    second = qml.measure(1, postselect=1)
    qml.cond(first, qml.RX)(0.5, wires=2)
    return first, second


def test_exact_values_after_postselection():
    found = run(postselected, bondline())
    for value, expected in zip(found, reference(postselected), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-9)


def test_a_state_after_postselecting_every_measurement():
    def circuit():
        entangle()
        qml.measure(1, postselect=0)
        qml.measure(2, postselect=1, reset=True)
        return ()

    found = run(circuit, bondline(), lambda values: qml.state())
    entangled = qml.matrix(entangle, wire_order=range(WIRES))()[:, 0].reshape(2, 2, 2)
    expected = np.zeros((2, 2, 2), complex)
    expected[:, 0, 0] = entangled[:, 0, 1] / np.linalg.norm(entangled[:, 0, 1])
    assert abs(np.vdot(found, expected.ravel())) == pytest.approx(1.0, abs=1e-9)


def sampled(values):
    return (
        qml.sample(wires=[0, 2]),
        qml.sample(values[0]),
        qml.counts(values[0]),
        qml.probs(wires=1),
    )


@pytest.mark.parametrize("mode", ["hw-like", None])
@pytest.mark.parametrize("method", ["device", "one-shot"])
def test_shots_with_another_outcome_are_dropped(mode, method):
    device = bondline(seed=7)
    options = {"mcm_method": method, "postselect_mode": mode}
    bits, outcomes, counts, probabilities = run(
        postselected, device, sampled, shots=SHOTS, **options
    )
    kept = float(reference(lambda: (entangle(), qml.measure(1))[1:], chance)[0])
    assert len(bits) == len(outcomes) == sum(counts.values())
    assert len(bits) / SHOTS == pytest.approx(kept, abs=6 * 0.5 / np.sqrt(SHOTS))
    assert bits.dtype == outcomes.dtype == np.int64
    np.testing.assert_allclose(probabilities, [0.0, 1.0])
    expected = reference(postselected)
    error = 6 * 1.5 / np.sqrt(len(bits))
    np.testing.assert_allclose(outcomes.mean(), expected[4], atol=error)
    frequencies = np.bincount(2 * bits[:, 1] + bits[:, 0], minlength=4) / len(bits)
    np.testing.assert_allclose(frequencies, expected[3], atol=error)


def chance(values):
    return (qml.expval(values[0]),)


@pytest.mark.parametrize("method", ["device", "one-shot"])
def test_shots_are_filled_up(method):
    options = {"mcm_method": method, "postselect_mode": "fill-shots"}
    found = run(postselected, bondline(seed=7), shots=SHOTS, **options)
    for value, expected in zip(found, reference(postselected), strict=True):
        np.testing.assert_allclose(value, expected, atol=6 * 1.5 / np.sqrt(SHOTS))
    bits, outcomes, counts, probabilities = run(
        postselected, bondline(seed=7), sampled, shots=SHOTS, **options
    )
    assert len(bits) == len(outcomes) == sum(counts.values()) == SHOTS
    np.testing.assert_allclose(probabilities, [0.0, 1.0])


# What comes with shots


def test_samples_of_outcomes_and_wires_belong_together():
    def circuit():
        qml.Hadamard(0)
        qml.CNOT([0, 1])
        m = qml.measure(0)
        qml.cond(m, qml.X)(2)
        return qml.sample(m), qml.sample(wires=[0, 1, 2]), qml.sample([m, m]), qml.sample(1 - m)

    device = qml.device("bondline.mps", wires=3, seed=2)
    outcomes, bits, pairs, inverted = qml.set_shots(qml.QNode(circuit, device), 200)()
    assert outcomes.shape == (200,)
    assert pairs.shape == (200, 2)
    assert set(outcomes.tolist()) == {0, 1}
    np.testing.assert_array_equal(bits, np.repeat(outcomes[:, None], 3, axis=1))
    np.testing.assert_array_equal(pairs, np.repeat(outcomes[:, None], 2, axis=1))
    np.testing.assert_array_equal(inverted, 1 - outcomes)


def test_shot_vectors_and_batches():
    @qml.qnode(qml.device("bondline.mps", wires=2, seed=4))
    def circuit(angles):
        qml.RY(angles, 0)
        m = qml.measure(0)
        qml.cond(m, qml.X)(1)
        return qml.expval(qml.Z(1)), qml.sample(m)

    angles = np.array([0.0, np.pi])
    found = qml.set_shots(circuit, [10, 20])(angles)
    assert len(found) == 2
    for shots, (value, outcomes) in zip([10, 20], found, strict=True):
        np.testing.assert_allclose(value, [1.0, -1.0], atol=1e-12)
        np.testing.assert_array_equal(outcomes, [[0] * shots, [1] * shots])


def test_rows_that_keep_different_numbers_of_shots():
    @qml.qnode(qml.device("bondline.mps", wires=1, seed=4), postselect_mode="hw-like")
    def circuit(angles, measure):
        qml.RY(angles, 0)
        qml.measure(0, postselect=1, reset=True)
        return measure()

    angles = np.array([1e-4, np.pi / 2, np.pi])
    shots = qml.set_shots(circuit, 30)
    with pytest.raises(InputError, match="broadcast_expand"):
        shots(angles, qml.sample)
    found = [sum(counts.values()) for counts in shots(angles, qml.counts)]
    assert found[0] == 0
    assert 0 < found[1] < 30
    assert found[2] == 30
    values = shots(angles, lambda: qml.expval(qml.Z(0)))
    np.testing.assert_array_equal(values, [np.nan, 1.0, 1.0])
    with pytest.raises(NumericalError, match=r"^row 1 of the batch: .* 0 .* probability 0"):
        shots(np.array([np.pi, 0.0]), qml.counts)
    matrix = qml.Hermitian(np.array([[1.0, 1.0], [1.0, -1.0]]), 0)
    np.testing.assert_array_equal(shots(angles, qml.probs)[1:], [[1.0, 0.0]] * 2)
    (eigenvalues,) = shots(angles[1:2], lambda: qml.sample(matrix))
    assert 0 < len(eigenvalues) < 30
    (shadow,) = shots(angles[1:2], lambda: qml.classical_shadow([0], seed=1))
    assert shadow.shape[::2] == (2, 1)
    assert 0 < shadow.shape[1] < 30


@pytest.mark.parametrize("circuit", [reset_and_reuse, postselected])
def test_the_same_seed_gives_the_same_shots_on_any_number_of_threads(circuit):
    def on(threads):
        return run(circuit, bondline(seed=9, threads=threads), sampled, shots=500)

    for first, second in zip(on(1), on(2), strict=True):
        if isinstance(first, dict):
            assert first == second
        else:
            np.testing.assert_array_equal(first, second)


# Which method runs, and what is refused


def method_of(circuit, shots=None, wires=None, **given):
    tape = qml.tape.make_qscript(circuit)()
    tape = qml.tape.QuantumScript(tape.operations, [qml.expval(qml.Z(0))], shots=shots)
    config = ExecutionConfig(mcm_config=MCMConfig(**given))
    return BondlineMPS(wires=wires).setup_execution_config(config, tape).mcm_config.mcm_method


def many(count, postselect=None):
    def circuit():
        for _ in range(count):
            qml.measure(0, postselect=postselect)

    return circuit


def test_the_default_follows_histories_while_they_are_few():
    assert method_of(many(0)) == "device"
    assert method_of(many(12)) == "device"
    assert method_of(many(13)) == "deferred"
    assert method_of(many(13), wires=14) == "deferred"
    assert method_of(many(13), wires=13) == "device"  # no wire for the last outcome
    assert method_of(many(40), shots=10) == "device"
    assert method_of(many(40, postselect=1)) == "device"
    for method in ("device", "one-shot", "deferred"):
        assert method_of(many(40), shots=10, mcm_method=method) == method
    assert method_of(many(40), mcm_method="device") == "device"


@pytest.mark.parametrize("method", ["device", "one-shot"])
def test_the_engine_follows_the_shots_in_one_call(method, monkeypatch):
    calls = []
    engine = _core.run

    def counting(groups, settings):
        calls.append(sum(len(group.parameters) for group in groups))
        return engine(groups, settings)

    monkeypatch.setattr(_core, "run", counting)
    run(condition_on_one, bondline(), sampled, shots=300, mcm_method=method)
    assert calls == [1]


def test_gradients_go_through_measurements():
    def build(device, **options):
        @qml.qnode(device, **options)
        def circuit(x, y):
            qml.RX(x, 0)
            m = qml.measure(0)
            qml.RY(y, 1)
            qml.cond(m, qml.X)(1)
            return qml.expval(qml.Z(1))

        return circuit

    x, y = pnp.array(0.3, requires_grad=True), pnp.array(0.4, requires_grad=True)
    found = qml.grad(build(qml.device("bondline.mps", wires=2), mcm_method="device"))(x, y)
    expected = qml.grad(build(qml.device("default.qubit"), diff_method="backprop"))(x, y)
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_allocated_wires_are_reset_only_where_the_device_has_too_few():
    def circuit():
        qml.RY(0.4, 0)
        for _ in range(2):
            with qml.allocate(1) as wires:
                qml.CNOT([0, wires[0]])
        return qml.expval(qml.X(0)), qml.expval(qml.Z(0))

    for wires in (None, 3, 2):
        found = qml.QNode(circuit, qml.device("bondline.mps", wires=wires))()
        np.testing.assert_allclose(found, [0.0, np.cos(0.4)], atol=1e-9)
    with pytest.raises(Exception, match="Not enough available wires"):
        qml.QNode(circuit, qml.device("bondline.mps", wires=2), mcm_method="deferred")()


def test_snapshots_after_measurements():
    def circuit():
        qml.RY(0.4, 0)
        m = qml.measure(0)
        qml.cond(m, qml.X)(1)
        qml.Snapshot("value", measurement=qml.expval(qml.Z(1)))
        return qml.expval(qml.Z(0))

    device = qml.device("bondline.mps", wires=2)
    found = qml.snapshots(qml.QNode(circuit, device, mcm_method="device"))()
    np.testing.assert_allclose(found["value"], np.cos(0.4), atol=1e-9)

    def with_state():
        qml.Hadamard(0)
        qml.measure(0)
        qml.Snapshot("state")
        return qml.expval(qml.Z(0))

    with pytest.raises(DeviceError, match="mixture"):
        qml.snapshots(qml.QNode(with_state, device, mcm_method="device"))()


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        (lambda values: qml.state(), "mixture"),
        (lambda values: qml.classical_shadow(wires=[0]), "classical_shadow|shots"),
    ],
)
def test_what_a_mixture_does_not_have(measure, words):
    with pytest.raises(DeviceError, match=words):
        run(condition_on_one, bondline(), measure)


def test_methods_and_modes_that_are_not_offered():
    with pytest.raises(DeviceError, match='mcm_method="device"'):
        run(condition_on_one, bondline(), mcm_method="tree-traversal")
    with pytest.raises(ValueError, match="single-branch-statistics"):
        run(condition_on_one, bondline(), mcm_method="single-branch-statistics")
    with pytest.raises(ValueError, match="analytic mode"):
        run(condition_on_one, bondline(), mcm_method="one-shot")
    with pytest.raises(DeviceError, match='Use mcm_method="device"'):
        run(postselected, bondline(), mcm_method="deferred")
    with pytest.raises(DeviceError, match='postselect_mode="fill-shots"'):
        run(postselected, bondline(), shots=10, postselect_mode="pad-invalid-samples")
    # Without postselection nothing is padded: JAX asks for it at every call.
    run(condition_on_one, bondline(), shots=10, postselect_mode="pad-invalid-samples")
    values = []

    def too_many():
        values[:] = [qml.measure(0) for _ in range(17)]
        qml.cond(sum(values) == 3, qml.X)(1)
        return qml.expval(qml.Z(1))

    with pytest.raises(DeviceError, match="at most 16"):
        qml.set_shots(qml.QNode(too_many, bondline()), 10)()


def test_an_impossible_postselection_names_its_circuit():
    def tape(angle):
        return qml.tape.QuantumScript(
            [qml.RY(angle, 0), qml.ops.MidMeasure(0, postselect=1)], [qml.expval(qml.Z(0))]
        )

    device = qml.device("bondline.mps", wires=1)
    with pytest.raises(NumericalError, match=r"^circuit 2: postselecting outcome 1"):
        device.execute([tape(0.3), tape(0.2), tape(0.0)])
    with pytest.raises(NumericalError, match=r"^postselecting outcome 1"):
        device.execute([tape(0.0)])


def rare_entanglement(outcome):
    """Entangle wires 1 to 8 where wire 0 is 1, which it is with probability 1e-3."""
    angles = np.random.default_rng(4).uniform(-3, 3, size=(10, 8, 3))
    qml.RY(2 * np.arcsin(np.sqrt(1e-3)), 0)
    for layer in range(10):
        for wire in range(1 + layer % 2, 8, 2):
            qml.ctrl(qml.Rot, 0)(*angles[layer, wire - 1], wires=wire)
            qml.ctrl(qml.Rot, 0)(*angles[layer, wire], wires=wire + 1)
            qml.Toffoli([0, wire, wire + 1])
    qml.measure(0, postselect=outcome)


def test_what_was_lost_before_a_rare_outcome_is_warned_of():
    device = qml.device("bondline.mps", wires=9, max_bond_dim=4)
    exact = qml.device("bondline.mps", wires=9, max_bond_dim=None)

    def circuit(outcome, measure):
        rare_entanglement(outcome)
        return measure()

    with pytest.warns(LowFidelityWarning):
        truncated = qml.QNode(circuit, device)(1, qml.state)
    truth = abs(np.vdot(qml.QNode(circuit, exact)(1, qml.state), truncated)) ** 2
    report = device.reports[0]
    assert truth < 0.9
    np.testing.assert_allclose(report.fidelity_estimate, truth, atol=0.1)
    with pytest.warns(LowFidelityWarning, match="light cone"):
        qml.QNode(circuit, device)(1, lambda: qml.expval(qml.Z(5)))
    (fidelity,) = device.reports[0].value_fidelities
    assert 0 <= fidelity < 0.9
    # The other outcome has lost nothing, and has most of the state.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        qml.QNode(circuit, device)(0, qml.state)


def test_functions_of_many_outcomes():
    def circuit(measure, tosses=24):
        outcomes = []
        for toss in range(tosses):
            qml.RY(0.5 + 0.1 * toss, 0)
            outcomes.append(qml.measure(0, reset=True))
        return measure(outcomes)

    device = qml.device("bondline.mps", wires=1, seed=3)
    node = qml.QNode(circuit, device, mcm_method="device")

    def mean(outcomes):
        return qml.expval(sum(outcomes))

    for tosses in (24, 70):
        with pytest.raises(DeviceError, match=r"has 2\^.*terms one by one, or use shots"):
            node(mean, tosses)
    with pytest.raises(UnsupportedError, match=r"2\^35 numbers.*fewer"):
        node(lambda outcomes: qml.probs(op=outcomes), 35)
    shots = qml.set_shots(node, 2000)
    expected = sum(np.sin(0.25 + 0.05 * toss) ** 2 for toss in range(24))
    np.testing.assert_allclose(shots(mean), expected, atol=5 * np.sqrt(6 / 2000))
    samples = shots(lambda outcomes: qml.sample(sum(outcomes)))
    assert samples.dtype == np.int64
    counts = shots(lambda outcomes: qml.counts(sum(outcomes)))
    assert sum(counts.values()) == 2000
    assert all(0 <= key <= 24 for key in counts)
    with pytest.raises(DeviceError, match="lists the"):
        shots(lambda outcomes: qml.counts(sum(outcomes), all_outcomes=True))


def resets(measures, measure):
    def circuit():
        values = []
        for _ in range(measures):
            qml.RY(0.3, 0)
            values.append(qml.measure(0, reset=True))
            qml.cond(values[-1], qml.RX)(0.1, wires=1)
        return measure(values)

    return circuit


def end(values):
    return qml.expval(qml.Z(1))


@pytest.mark.parametrize("method", [None, "device"])
def test_too_many_histories_name_the_wires_that_would_do_without(method):
    circuit = resets(13, end)
    with pytest.raises(UnsupportedError, match=r"shots.* 13 more wires, 2, 3, …, 14: .*deferred"):
        qml.QNode(circuit, bondline(2), mcm_method=method)()
    # That many more wires do.
    assert qml.QNode(circuit, bondline(15))() < 1
    with pytest.raises(UnsupportedError, match='choose mcm_method="deferred"'):
        qml.QNode(circuit, bondline(15), mcm_method="device")()


def test_values_of_all_wires_are_not_those_of_deferred_outcomes():
    everything = resets(13, lambda values: qml.probs())
    named = resets(13, lambda values: qml.probs(wires=[0, 1]))
    expected = qml.QNode(named, bondline(16))()
    np.testing.assert_allclose(qml.QNode(everything, bondline(None))(), expected, atol=1e-12)
    with pytest.raises(UnsupportedError, match="some of the device's wires only, by name"):
        qml.QNode(everything, bondline(16))()
    with pytest.raises(DeviceError, match="Name the wires"):
        qml.QNode(everything, bondline(16), mcm_method="deferred")()
    counts = resets(3, lambda values: qml.counts())
    sampler = qml.QNode(counts, qml.device("bondline.mps", seed=1), mcm_method="deferred")
    assert {len(bits) for bits in qml.set_shots(sampler, 20)()} == {2}


def test_deferred_outcomes_need_wires():
    circuit = resets(3, end)
    with pytest.raises(WireError, match=r"3 outcomes on wires of their own, 2, 3, 4, .* have 4\."):
        qml.QNode(circuit, bondline(4), mcm_method="deferred")()
    assert qml.QNode(circuit, bondline(5), mcm_method="deferred")() < 1


def test_samples_of_one_outcome_under_jit():
    def sampler(measure):
        @qml.set_shots(10)
        @qml.qnode(bondline(2))
        def circuit(angle):
            qml.RY(angle, 0)
            return measure(qml.measure(0))

        return circuit

    with pytest.raises(UnsupportedError, match=r"qml\.sample\(\[m\]\)"):
        jax.jit(sampler(qml.sample))(1.2)
    assert jax.jit(sampler(lambda value: qml.sample([value])))(1.2).shape == (10, 1)
    assert sampler(qml.sample)(1.2).shape == (10,)
