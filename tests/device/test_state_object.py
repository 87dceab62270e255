"""The state of a circuit as an object: in, out, and asked again."""

from __future__ import annotations

import math
import pickle
import warnings
from functools import reduce
from itertools import pairwise

import numpy as np
import pennylane as qml
import pytest

import bondline
from bondline import MPS, InputError, LowFidelityError, LowFidelityWarning, UnsupportedError

WIRES = 7


def layers(angle, wires, depth=3):
    """Entangle the wires, nowhere real."""
    for layer in range(depth):
        for number, wire in enumerate(wires):
            qml.RY(0.3 + 0.2 * number + angle, wires=wire)
            qml.RZ(0.5 - 0.1 * layer, wires=wire)
        for first, second in pairwise(wires):
            qml.CNOT([first, second])
        qml.CRX(0.7, wires=[wires[0], wires[-1]])


def qnode(device, wires, measure=None):
    @qml.qnode(device)
    def circuit(angle):
        layers(angle, wires)
        return qml.state() if measure is None else measure()

    return circuit


def exact(angle, wires, order=None):
    device = qml.device("default.qubit", wires=wires if order is None else order)
    return np.asarray(qnode(device, wires)(angle))


def contracted(tensors):
    """All amplitudes of site tensors, the first most significant."""

    def attach(amplitudes, tensor):
        return np.einsum("xl,lpr->xpr", amplitudes, tensor).reshape(-1, tensor.shape[2])

    return reduce(attach, tensors, np.ones((1, 1)))[:, 0]


def random_tensors(n, bond, seed):
    rng = np.random.default_rng(seed)
    shapes = [(1 if i == 0 else bond, 2, 1 if i == n - 1 else bond) for i in range(n)]
    return [rng.normal(size=shape) + 1j * rng.normal(size=shape) for shape in shapes]


def measured_z():
    return qml.expval(qml.Z(0))


# Out of a circuit


def test_the_state_of_a_circuit_is_exact_without_truncation():
    device = qml.device("bondline.mps", wires=WIRES, cutoff=0.0)
    state = bondline.mps_state(qnode(device, range(WIRES), measured_z))(0.4)
    np.testing.assert_allclose(state.dense(), exact(0.4, range(WIRES)), atol=1e-9)
    assert state.wires == tuple(range(WIRES))
    assert state.norm == pytest.approx(1.0)
    assert state.fidelity == pytest.approx(1.0)


def test_single_precision_is_single():
    device = qml.device("bondline.mps", wires=WIRES, c_dtype=np.complex64)
    state = bondline.mps_state(qnode(device, range(WIRES)))(0.4)
    assert {tensor.dtype for tensor in state.tensors} == {np.dtype(np.complex128)}
    np.testing.assert_allclose(state.dense(), exact(0.4, range(WIRES)), atol=1e-4)


def test_tensors_are_right_canonical_and_schmidt_values_are_those_of_the_cuts():
    device = qml.device("bondline.mps", wires=WIRES, cutoff=0.0)
    state = bondline.mps_state(qnode(device, range(WIRES)))(0.4)
    left = 1
    for tensor in state.tensors:
        assert tensor.shape[:2] == (left, 2)
        gram = np.einsum("apr,bpr->ab", tensor, tensor.conj())
        np.testing.assert_allclose(gram, np.eye(left), atol=1e-12)
        left = tensor.shape[2]
    dense = exact(0.4, range(WIRES))
    for cut, values in enumerate(state.schmidt_values, start=1):
        assert len(values) == state.bond_dims[cut - 1]
        assert (np.diff(values) <= 1e-14).all()
        expected = np.linalg.svd(dense.reshape(2**cut, -1), compute_uv=False)
        np.testing.assert_allclose(values, expected[: len(values)], atol=1e-10)
        assert expected[len(values) :] == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("ordering", ["auto", "given", [3, 1, 0, 2]])
def test_tensors_stand_in_the_order_of_the_devices_wires(ordering):
    order = ["b", 7, "a", -1]
    device = qml.device("bondline.mps", wires=order, ordering=ordering, cutoff=0.0)
    used = [-1, "b", "a", 7]
    state = bondline.mps_state(qnode(device, used, lambda: qml.expval(qml.Z("a"))))(0.1)
    assert state.wires == tuple(order)
    np.testing.assert_allclose(state.dense(), exact(0.1, used, order), atol=1e-9)


def test_a_device_without_wires_takes_those_of_the_circuit():
    @qml.qnode(qml.device("bondline.mps"))
    def circuit():
        qml.Hadamard("a")
        qml.CNOT(["a", "b"])
        return qml.expval(qml.Z("a") @ qml.Z("only measured"))

    state = bondline.mps_state(circuit)()
    assert state.wires == ("a", "b", "only measured")
    np.testing.assert_allclose(abs(state.dense()) ** 2, [0.5, 0, 0, 0, 0, 0, 0.5, 0], atol=1e-12)


def test_a_batch_gives_a_list():
    device = qml.device("bondline.mps", wires=WIRES, cutoff=0.0)
    angles = np.array([0.1, 0.2, 0.3])
    states = bondline.mps_state(qnode(device, range(WIRES)))(angles)
    assert isinstance(states, list)
    for angle, state in zip(angles, states, strict=True):
        np.testing.assert_allclose(state.dense(), exact(angle, range(WIRES)), atol=1e-9)
    assert len(device.reports) == 3


def test_shots_and_interfaces_of_the_qnode_do_not_matter():
    device = qml.device("bondline.mps", wires=WIRES, cutoff=0.0)
    circuit = qml.set_shots(qnode(device, range(WIRES), qml.sample), 10)
    expected = exact(0.4, range(WIRES))
    np.testing.assert_allclose(bondline.mps_state(circuit)(0.4).dense(), expected, atol=1e-9)
    for angle in (qml.numpy.array(0.4, requires_grad=True), jax_number(0.4)):
        found = bondline.mps_state(qnode(device, range(WIRES), measured_z))(angle)
        np.testing.assert_allclose(found.dense(), expected, atol=1e-6)


def jax_number(value):
    import jax.numpy

    return jax.numpy.asarray(value)


def test_the_state_is_judged_by_its_fidelity():
    def truncated(reaction):
        device = qml.device(
            "bondline.mps", wires=10, max_bond_dim=2, ordering="given", on_low_fidelity=reaction
        )

        @qml.qnode(device)
        def circuit():
            layers(0.4, range(10), depth=4)
            return qml.expval(qml.Z(0))

        return device, bondline.mps_state(circuit)

    device, prepare = truncated("warn")
    with pytest.warns(LowFidelityWarning, match="estimated fidelity") as caught:
        state = prepare()
    assert caught[0].filename == __file__
    assert 0.0 < state.fidelity < 0.99
    assert state.fidelity == pytest.approx(device.reports[0].fidelity_estimate)
    assert state.norm == pytest.approx(device.reports[0].norm)
    # The tensors themselves are normalised all the same.
    assert np.linalg.norm(state.dense()) == pytest.approx(1.0, abs=1e-12)
    with pytest.raises(LowFidelityError):
        truncated("raise")[1]()


def test_a_circuit_that_postselects_every_measurement_ends_in_one_state():
    @qml.qnode(qml.device("bondline.mps", wires=50))
    def circuit():
        qml.RY(0.8, 0)
        for wire in range(49):
            qml.CNOT([wire, wire + 1])
        qml.RX(0.3, 20)
        qml.measure(20, postselect=1, reset=True)
        return qml.expval(qml.Z(0))

    state = bondline.mps_state(circuit)()
    zero, one = np.cos(0.4) ** 2 * np.sin(0.15) ** 2, np.sin(0.4) ** 2 * np.cos(0.15) ** 2
    strings = ["0" * 50, "1" * 20 + "0" + "1" * 29]
    expected = np.array([zero, one]) / (zero + one)
    np.testing.assert_allclose(state.probability(strings), expected, atol=1e-9)
    np.testing.assert_allclose(bondline.probability(circuit, strings)(), expected, atol=1e-9)


def test_circuits_that_end_in_no_single_state_are_refused():
    @qml.qnode(qml.device("bondline.mps", wires=3))
    def measuring():
        qml.Hadamard(0)
        outcome = qml.measure(0)
        qml.cond(outcome, qml.X)(1)
        return qml.expval(qml.Z(1))

    with pytest.raises(UnsupportedError, match="defer_measurements"):
        bondline.mps_state(measuring)()
    # The way out.
    state = bondline.mps_state(qml.defer_measurements(measuring))()
    np.testing.assert_allclose((abs(state.dense()) ** 2).sum(), 1.0)
    assert state.expval(qml.Z(1)) == pytest.approx(0.0, abs=1e-12)


def test_other_devices_and_functions_are_refused():
    with pytest.raises(InputError, match=r"got a QNode on default\.qubit"):
        bondline.mps_state(qnode(qml.device("default.qubit", wires=2), range(2)))
    with pytest.raises(InputError, match="got function"):
        bondline.mps_state(exact)
    device = qml.device("bondline.mps", wires=2)
    split = qml.transforms.split_non_commuting(
        qnode(device, range(2), lambda: [qml.expval(qml.X(0)), qml.expval(qml.Z(0))])
    )
    with pytest.raises(UnsupportedError, match="needs one circuit, and the transforms"):
        bondline.mps_state(split)(0.1)


# In from tensors


@pytest.mark.parametrize(("n", "bond"), [(1, 1), (2, 3), (5, 3), (6, 8)])
def test_tensors_of_any_gauge_become_the_same_state(n, bond):
    tensors = random_tensors(n, bond, seed=n)
    dense = contracted(tensors)
    state = MPS.from_tensors(tensors)
    assert state.log_norm == pytest.approx(2 * math.log(np.linalg.norm(dense)), abs=1e-10)
    assert state.fidelity == 1.0
    unit = dense / np.linalg.norm(dense)
    assert abs(np.vdot(state.dense(), unit)) == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(state.dense(), unit, atol=1e-10)
    for cut, values in enumerate(state.schmidt_values, start=1):
        expected = np.linalg.svd(unit.reshape(2**cut, -1), compute_uv=False)
        np.testing.assert_allclose(values, expected[: len(values)], atol=1e-10)


def test_tensors_far_from_one_keep_their_logarithm():
    tensors = [tensor * 1e-200 for tensor in random_tensors(5, 2, seed=1)]
    plain = MPS.from_tensors(random_tensors(5, 2, seed=1))
    small = MPS.from_tensors(tensors)
    assert small.log_norm == pytest.approx(plain.log_norm - 2000 * math.log(10), rel=1e-12)
    assert small.norm == 0.0
    np.testing.assert_allclose(small.dense(), plain.dense(), atol=1e-12)


def test_a_zero_state_is_refused():
    zero = [np.zeros((1, 2, 2)), np.ones((2, 2, 1))]
    with pytest.raises(InputError, match="is zero"):
        MPS.from_tensors(zero)
    cancelling = [np.ones((1, 2, 2)), np.stack([np.ones((2, 1)), -np.ones((2, 1))])]
    with pytest.raises(InputError, match="is zero"):
        MPS.from_tensors(cancelling)


# Overlaps


def test_overlaps_are_those_of_the_vectors_with_their_phase():
    device = qml.device("bondline.mps", wires=WIRES, cutoff=0.0)
    prepare = bondline.mps_state(qnode(device, range(WIRES)))
    first, second = prepare(0.1), prepare(0.5)
    expected = np.vdot(exact(0.1, range(WIRES)), exact(0.5, range(WIRES)))
    assert first.overlap(second) == pytest.approx(expected, abs=1e-9)
    assert second.overlap(first) == pytest.approx(np.conj(expected), abs=1e-9)
    assert first.overlap(first) == pytest.approx(1.0, abs=1e-12)


def test_overlaps_of_wide_states_do_not_underflow():
    n = 784

    @qml.qnode(qml.device("bondline.mps", wires=n))
    def circuit(angle):
        for wire in range(n):
            qml.RY(angle, wires=wire)
        return qml.expval(qml.Z(0))

    zero, turned = bondline.mps_state(circuit)(0.0), bondline.mps_state(circuit)(3.0)
    log_magnitude, _ = zero.log_overlap(turned)
    assert log_magnitude == pytest.approx(n * math.log(math.cos(1.5)), rel=1e-12)
    assert zero.overlap(turned) == 0.0


def test_orthogonal_states_have_no_overlap():
    zero, one = MPS.from_tensors([[1, 0]]), MPS.from_tensors([[0, 1]])
    assert zero.log_overlap(one)[0] == -math.inf
    assert zero.overlap(one) == 0.0


# Asked again


def held(angle=0.4):
    device = qml.device("bondline.mps", wires=WIRES, cutoff=0.0)
    return bondline.mps_state(qnode(device, range(WIRES)))(angle)


MEASUREMENTS = [
    lambda: qml.expval(qml.Z(0) @ qml.X(3) + 0.5 * qml.Y(6)),
    lambda: qml.var(qml.Z(2) + qml.X(3)),
    lambda: qml.probs(wires=[5, 1]),
    lambda: qml.density_matrix(wires=[4, 0]),
    lambda: qml.vn_entropy(wires=[0, 1]),
    qml.state,
]


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_new_measurements_are_those_of_a_new_run(measurement):
    expected = qnode(qml.device("default.qubit", wires=WIRES), range(WIRES), measurement)(0.4)
    np.testing.assert_allclose(held().measure(measurement()), expected, atol=1e-9)


def test_several_measurements_come_as_a_tuple():
    found = held().measure(qml.expval(qml.Z(0)), qml.probs(wires=[0]))
    assert isinstance(found, tuple)
    assert found[0] == pytest.approx(found[1][0] - found[1][1])
    with pytest.raises(InputError, match="at least one measurement"):
        held().measure()


def test_a_wide_state_is_asked_without_its_amplitudes():
    n = 200

    @qml.qnode(qml.device("bondline.mps", wires=n))
    def ghz():
        qml.Hadamard(0)
        for wire in range(n - 1):
            qml.CNOT([wire, wire + 1])
        return qml.expval(qml.Z(0))

    state = bondline.mps_state(ghz)()
    assert state.expval(qml.Z(0) @ qml.Z(n - 1)) == pytest.approx(1.0)
    assert state.expval(qml.prod(*map(qml.X, range(n)))) == pytest.approx(1.0)
    np.testing.assert_allclose(state.entropies(log_base=2), np.ones(n - 1), atol=1e-12)
    shots = state.sample(400, seed=3)
    assert (shots == shots[:, :1]).all()
    assert 120 < shots[:, 0].sum() < 280  # 8 standard deviations of 10


def test_samples_follow_the_seed_and_the_distribution():
    state = held()
    shots = state.sample(4000, seed=11)
    assert shots.shape == (4000, WIRES)
    assert shots.dtype == np.int64
    assert np.array_equal(shots, state.sample(4000, seed=11))
    assert not np.array_equal(shots, state.sample(4000, seed=12))
    probabilities = abs(exact(0.4, range(WIRES))) ** 2
    counts = np.bincount(shots @ (1 << np.arange(WIRES)[::-1]), minlength=2**WIRES)
    # Pearson over outcomes of at least 5 expected counts, the rest in one cell.
    expected = 4000 * probabilities
    big = expected >= 5
    cells = [
        *zip(counts[big], expected[big], strict=True),
        (counts[~big].sum(), expected[~big].sum()),
    ]
    chi_square = sum((found - mean) ** 2 / mean for found, mean in cells)
    freedom = len(cells) - 1
    assert chi_square < freedom + 5 * math.sqrt(2 * freedom)


def test_a_seed_also_keys_measurements_with_shots():
    state = held()
    first = state.measure(qml.expval(qml.Z(0)), qml.counts(wires=[1]), shots=100, seed=5)
    assert first == state.measure(qml.expval(qml.Z(0)), qml.counts(wires=[1]), shots=100, seed=5)
    assert sum(first[1].values()) == 100


def test_probabilities_of_all_bitstrings_are_those_of_the_state():
    state = held()
    bits = (np.arange(2**WIRES)[:, None] >> np.arange(WIRES)[::-1]) & 1
    np.testing.assert_allclose(
        state.probability(bits), abs(exact(0.4, range(WIRES))) ** 2, atol=1e-10
    )
    one = state.log_probability("0" * WIRES)
    assert np.shape(one) == ()
    assert one == pytest.approx(math.log(abs(exact(0.4, range(WIRES))[0]) ** 2))


# Round trips


def test_a_state_from_a_file_answers_as_before(tmp_path):
    state = held()
    state.save(tmp_path / "state.npz")
    again = MPS.load(tmp_path / "state.npz")
    assert again == state
    observable = qml.Z(0) @ qml.X(3)
    assert again.expval(observable) == state.expval(observable)
    assert pickle.loads(pickle.dumps(state)).expval(observable) == state.expval(observable)


def test_lists_of_arrays_go_out_and_come_back():
    state = held()
    again = MPS.from_tensors(state.to_tensors(), wires=state.wires)
    assert abs(again.overlap(state)) == pytest.approx(1.0, abs=1e-12)
    assert again.bond_dims == state.bond_dims
    assert again.log_norm == pytest.approx(0.0, abs=1e-12)


def test_a_device_starts_from_a_state():
    whole = exact_of_two_layers()
    device = qml.device("bondline.mps", wires=WIRES, initial_state=held(0.4), cutoff=0.0)
    found = qnode(device, range(WIRES))(0.9)
    np.testing.assert_allclose(found, whole, atol=1e-9)


def lossy():
    device = qml.device("bondline.mps", wires=10, max_bond_dim=2, on_low_fidelity="ignore")

    @qml.qnode(device)
    def circuit():
        layers(0.4, range(10), depth=4)
        return qml.expval(qml.Z(0))

    return bondline.mps_state(circuit)()


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("measure", [lambda: qml.expval(qml.Z(0)), qml.state])
def test_what_an_initial_state_lost_is_counted(loaded, measure, tmp_path):
    start = lossy()
    if loaded:
        start.save(tmp_path / "state.npz")
        start = MPS.load(tmp_path / "state.npz")
    assert start.fidelity < 0.9
    device = qml.device("bondline.mps", wires=10, initial_state=start)
    circuit = qml.QNode(measure, device)
    with pytest.warns(LowFidelityWarning, match=r"Prepare the initial_state with a larger max_b"):
        circuit()
    report = device.reports[0]
    assert report.initial_fidelity == start.fidelity
    assert report.fidelity_estimate == pytest.approx(start.fidelity)
    assert report.value_fidelities == pytest.approx((start.fidelity,))
    assert report.norm == pytest.approx(1.0)  # of this run
    assert f"state of fidelity {start.fidelity:.6g}" in str(report)
    assert report.to_dict()["initial_fidelity"] == start.fidelity
    with qml.Tracker(device) as tracker:
        circuit()
    assert tracker.history["fidelity_estimate"] == pytest.approx([start.fidelity])
    with pytest.raises(LowFidelityError, match=f"fidelity {start.fidelity:.3g} of the initial"):
        qml.QNode(
            measure,
            qml.device("bondline.mps", wires=10, initial_state=start, on_low_fidelity="raise"),
        )()


def test_states_made_from_a_lossy_state_remember_it():
    start = lossy()

    def more(device):
        @qml.qnode(device)
        def circuit():
            layers(0.2, range(10), depth=2)
            return qml.expval(qml.Z(0))

        return bondline.mps_state(circuit)()

    settings = {"max_bond_dim": 4, "on_low_fidelity": "ignore"}
    device = qml.device("bondline.mps", wires=10, initial_state=start, **settings)
    found = more(device)
    own = device.reports[0]
    assert found.fidelity == pytest.approx(own.fidelity_estimate)
    assert found.fidelity < start.fidelity
    assert found.log_norm == pytest.approx(own.log_norm + start.log_norm)

    def prepared():
        qml.BasisState([1], wires=[0])
        return qml.expval(qml.Z(0))

    qml.QNode(prepared, device)()  # it brings its own state
    assert device.reports[0].initial_fidelity == 1.0


def test_readings_of_a_lossy_state_do_not_warn_again():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lossy().expval(qml.Z(0))


def test_mps_prep_starts_a_circuit_from_a_state():
    operator = held(0.4).mps_prep()

    @qml.qnode(qml.device("bondline.mps", wires=WIRES, cutoff=0.0))
    def circuit():
        qml.apply(operator)
        layers(0.9, range(WIRES))
        return qml.state()

    np.testing.assert_allclose(circuit(), exact_of_two_layers(), atol=1e-9)


def exact_of_two_layers():
    @qml.qnode(qml.device("default.qubit", wires=WIRES))
    def circuit():
        layers(0.4, range(WIRES))
        layers(0.9, range(WIRES))
        return qml.state()

    return np.asarray(circuit())


def test_what_is_no_measurement_and_no_observable():
    state = MPS.from_tensors([np.eye(2), np.eye(2)])
    with pytest.raises(InputError, match=r"measure needs measurements.*got Z\(0\).*MPS\.expval"):
        state.measure(qml.Z(0))
    for given in ("Z0", None, qml.expval(qml.Z(0))):
        with pytest.raises(InputError, match=r"expval needs an observable"):
            state.expval(given)
    for base in (1, 0, -2, math.inf):
        with pytest.raises(InputError, match="log_base"):
            state.entropies(log_base=base)


def test_overlaps_on_other_wires_name_the_first_difference():
    def product(wires):
        return MPS.from_tensors([np.array([1, 0]).reshape(1, 2, 1)] * len(wires), wires=wires)

    whole = product(range(40))
    with pytest.raises(InputError, match="first differ at place 38: 38 and 39") as caught:
        whole.overlap(product([*range(38), 39, 38]))
    assert len(str(caught.value)) < 200
    with pytest.raises(InputError, match="40 and 39 wires that first differ at place 39: there"):
        whole.overlap(product(range(39)))


def test_a_text_is_no_file_of_a_state(tmp_path):
    for contents in (b"", b"hello, this is a text\n"):
        path = tmp_path / "state.npz"
        path.write_bytes(contents)
        with pytest.raises(
            InputError, match=r"no file of MPS\.save.*path that was saved"
        ) as caught:
            MPS.load(path)
        assert "pickle" not in str(caught.value)
