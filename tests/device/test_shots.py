"""Shots: shapes and types as default.qubit has them, and numbers that follow the state."""

import copy
import pickle

import jax
import numpy as np
import pennylane as qml
import pytest
from pennylane.exceptions import DeviceError

import bondline

SHOTS = [10, 1, [10, 1, (5, 2)], [(1, 4)], (3,)]


MATRIX = np.array([[1.0, 2 - 1j], [2 + 1j, -3.0]])


def measurements():
    return {
        "expval": lambda: qml.expval(qml.Z(0) @ qml.X(2)),
        "sum": lambda: qml.expval(qml.Z(0) + 0.5 * qml.X(0) @ qml.Y(1) + 2 * qml.I(1)),
        "var": lambda: qml.var(qml.Y(1)),
        "hermitian": lambda: qml.expval(qml.Hermitian(np.diag([1.0, 2.0, 3.0, 5.0]), [2, 0])),
        "projector": lambda: qml.expval(qml.Projector([0, 1], [1, 2])),
        "projector variance": lambda: qml.var(qml.Projector([0, 1], [1, 2])),
        "hadamard": lambda: qml.var(qml.H(1)),
        "matrix and words": lambda: qml.expval(
            qml.Hermitian(np.diag([1.0, 2.0]), [0]) - 0.5 * qml.H(2) + qml.X(1) @ qml.Z(0)
        ),
        "projector and letters": lambda: qml.expval(
            qml.prod(qml.Projector([1], [0]), qml.X(2)) + 0.5 * qml.Projector([0, 1], [1, 2])
        ),
        "probs": lambda: qml.probs(wires=[2, 0]),
        "probs of all": lambda: qml.probs(),
        "probs of an observable": lambda: qml.probs(op=qml.X(0) @ qml.Y(2)),
        "probs of an eigenbasis": lambda: qml.probs(op=qml.Hermitian(MATRIX, [2])),
        "probs of an entangled eigenbasis": lambda: qml.probs(
            op=qml.X(0) @ qml.X(1) + qml.Z(0) @ qml.Z(1)
        ),
        "sample": lambda: qml.sample(),
        "sample of one wire": lambda: qml.sample(wires=1),
        "sample in int8": lambda: qml.sample(wires=[1, 2], dtype="int8"),
        "sample of an observable": lambda: qml.sample(qml.Z(0) @ qml.Y(1)),
        "sample of a sum": lambda: qml.sample(qml.Z(0) + 2 * qml.Z(1)),
        "counts": lambda: qml.counts(wires=[2, 1]),
        "all counts": lambda: qml.counts(wires=[2, 1], all_outcomes=True),
        "counts of an observable": lambda: qml.counts(qml.X(0)),
        "all counts of an observable": lambda: qml.counts(qml.X(0), all_outcomes=True),
        "shadow": lambda: qml.classical_shadow(wires=[0, 2], seed=3),
        "shadow expectation": lambda: qml.shadow_expval(qml.X(0), k=1, seed=3),
        "shadow expectations": lambda: qml.shadow_expval([qml.X(0), qml.Z(1)], k=1, seed=3),
    }


def run(name, measured, shots, angles, **settings):
    dev = qml.device(name, wires=3, seed=5, **settings)

    @qml.set_shots(shots=shots)
    @qml.qnode(dev)
    def circuit():
        qml.RX(angles, 0)
        qml.CNOT([0, 1])
        qml.RY(0.7, 2)
        qml.CNOT([1, 2])
        found = [make() for make in measured]
        return found[0] if len(found) == 1 else tuple(found)

    return circuit()


def same_form(mine, theirs):
    if isinstance(theirs, (tuple, list)):
        assert type(mine) is type(theirs)
        assert len(mine) == len(theirs)
        for own, other in zip(mine, theirs, strict=True):
            same_form(own, other)
    elif isinstance(theirs, dict):
        assert isinstance(mine, dict)
        assert sum(mine.values()) == sum(theirs.values())
        assert {type(key) for key in mine} <= {str, int, float}
        assert {type(count) for count in mine.values()} <= {int}
    else:
        mine, theirs = np.asarray(mine), np.asarray(theirs)
        assert mine.shape == theirs.shape
        assert mine.dtype.kind == theirs.dtype.kind


@pytest.mark.filterwarnings("ignore:Using qp.probs")
@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("shots", SHOTS, ids=repr)
@pytest.mark.parametrize("name", [n for n in measurements() if not n.startswith("shadow")])
def test_form(name, shots, batch):
    angles = 0.4 if batch is None else np.linspace(0.1, 1.0, batch)
    measured = [measurements()[name]]
    same_form(
        run("bondline.mps", measured, shots, angles), run("default.qubit", measured, shots, angles)
    )


@pytest.mark.parametrize("shots", [8, [8, 3]], ids=repr)
def test_form_of_shadows(shots):
    names = ["shadow", "shadow expectation", "shadow expectations"]
    for name in names:
        measured = [measurements()[name]]
        same_form(
            run("bondline.mps", measured, shots, 0.3), run("default.qubit", measured, shots, 0.3)
        )
    batched = [np.shape(run("bondline.mps", [measurements()[n]], 8, [0.1, 0.2])) for n in names]
    assert batched == [(2, 2, 8, 2), (2,), (2, 2)]


@pytest.mark.parametrize("name", ["expval", "probs", "sample", "counts"])
def test_a_batch_of_one_keeps_its_axis(name):
    found = run("bondline.mps", [measurements()[name]], 10, np.array([0.3]))
    assert len(found) == 1
    assert np.ndim(found) == np.ndim(run("bondline.mps", [measurements()[name]], 10, 0.3)) + 1 or (
        name == "counts"
    )


@pytest.mark.parametrize("shots", [10, [10, 4]], ids=repr)
def test_several_measurements_nest(shots):
    measured = [measurements()[name] for name in ("sum", "sample", "counts", "probs", "var")]
    same_form(run("bondline.mps", measured, shots, 0.4), run("default.qubit", measured, shots, 0.4))


ESTIMATES = [
    name
    for name in measurements()
    if not name.startswith(("sample", "counts", "all counts", "shadow"))
]


@pytest.mark.filterwarnings("ignore:Using qp.probs")
@pytest.mark.parametrize("name", ESTIMATES)
def test_estimates_follow_the_exact_values(name):
    make = measurements()[name]
    exact = np.asarray(run("default.qubit", [make], None, 0.9))
    found = np.asarray(run("bondline.mps", [make], 40_000, 0.9))
    np.testing.assert_allclose(found, exact, atol=0.06)


@pytest.mark.parametrize("observable", [qml.Z(0) @ qml.Y(1), qml.Z(0) + 2 * qml.Z(1)], ids=repr)
def test_samples_and_counts_of_an_observable_are_its_eigenvalues(observable):
    exact = float(run("default.qubit", [lambda: qml.expval(observable)], None, 0.9))
    samples = run("bondline.mps", [lambda: qml.sample(observable)], 20_000, 0.9)
    counts = run("bondline.mps", [lambda: qml.counts(observable)], 20_000, 0.9)
    allowed = np.linalg.eigvalsh(qml.matrix(observable))
    assert all(np.isclose(allowed, value).any() for value in np.unique(samples))
    assert abs(samples.mean() - exact) < 0.06
    mean = sum(value * count for value, count in counts.items()) / 20_000
    assert abs(mean - exact) < 0.06


def test_all_outcomes_are_listed():
    counts = run("bondline.mps", [measurements()["all counts"]], 5, 0.0)
    assert list(counts) == ["00", "01", "10", "11"]
    of_observable = run("bondline.mps", [measurements()["all counts of an observable"]], 5, 0.0)
    assert list(of_observable) == [-1.0, 1.0]
    same = run("bondline.mps", [lambda: qml.counts(qml.Z(0), all_outcomes=True)], 5, 0.0)
    assert same == {-1.0: 0, 1.0: 5}


def test_shadows_reconstruct_observables():
    shadow = run("bondline.mps", [lambda: qml.shadow_expval(qml.Z(0) @ qml.Z(1))], 20_000, 0.4)
    assert abs(shadow - 1.0) < 0.1
    bits, recipes = run("bondline.mps", [lambda: qml.classical_shadow([0, 1])], 1000, 0.4)
    assert bits.dtype == recipes.dtype == np.int8
    assert set(np.unique(recipes)) == {0, 1, 2}
    both_z = (recipes == 2).all(axis=1)
    assert (bits[both_z, 0] == bits[both_z, 1]).all()


def samples(dev, shots=50):
    @qml.set_shots(shots)
    @qml.qnode(dev)
    def circuit():
        for wire in range(8):
            qml.RY(0.3 * wire + 0.4, wire)
        return qml.sample(wires=range(8))

    return circuit()


def device(**settings):
    return qml.device("bondline.mps", wires=8, **settings)


def sequence():
    return np.random.SeedSequence(9)


@pytest.mark.parametrize(
    "make",
    [lambda: 3, sequence, lambda: np.random.default_rng(4), lambda: jax.random.key(2)],
    ids=["int", "SeedSequence", "Generator", "JAX key"],
)
def test_equal_seeds_agree_call_by_call(make):
    first, second = device(seed=make()), device(seed=make())
    one, two = samples(first), samples(first)
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(one, samples(second))
    np.testing.assert_array_equal(two, samples(second))


def test_numpys_global_generator_governs_by_default():
    np.random.seed(11)
    one = samples(device())
    np.random.seed(11)
    np.testing.assert_array_equal(one, samples(device()))
    assert not np.array_equal(one, samples(device()))


def test_no_seed_is_fresh_entropy():
    assert not np.array_equal(samples(device(seed=None)), samples(device(seed=None)))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda dev: pickle.loads(pickle.dumps(dev))])
def test_copies_go_on_alike(duplicate):
    dev = device(seed=3)
    samples(dev)
    np.testing.assert_array_equal(samples(duplicate(dev)), samples(dev))


def test_threads_change_no_bit():
    found = []
    for threads in (1, 2, 8):
        dev = qml.device("bondline.mps", wires=40, seed=1, threads=threads, max_bond_dim=8)

        @qml.set_shots(3000)
        @qml.qnode(dev)
        def circuit():
            for layer in range(4):
                for wire in range(40):
                    qml.RY(0.3 + 0.1 * wire + layer, wire)
                for wire in range(layer % 2, 39, 2):
                    qml.CNOT([wire, wire + 1])
            return qml.sample(wires=range(40))

        found.append(circuit())
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_a_circuit_draws_the_same_in_any_company():
    tape = qml.tape.QuantumScript([qml.RX(0.7, 0)], [qml.sample(wires=[0])], shots=40)
    other = qml.tape.QuantumScript([qml.RX(0.9, 0)], [qml.sample(wires=[0])], shots=40)
    alone = device(seed=2).execute([tape])[0]
    np.testing.assert_array_equal(alone, device(seed=2).execute([tape, other])[0])
    both = device(seed=2).execute([tape, tape])
    assert not np.array_equal(both[0], both[1])


def test_a_thousand_wires():
    dev = qml.device("bondline.mps", wires=1000, seed=1)

    @qml.set_shots(200)
    @qml.qnode(dev)
    def ghz():
        qml.H(0)
        for wire in range(999):
            qml.CNOT([wire, wire + 1])
        return qml.sample(), qml.counts(), qml.expval(qml.prod(*[qml.X(w) for w in range(1000)]))

    bits, counts, parity = ghz()
    assert (bits == bits[:, :1]).all()
    assert 60 < bits[:, 0].sum() < 140
    assert set(counts) == {"0" * 1000, "1" * 1000}
    assert parity == 1.0


def test_ten_thousand_shots_of_a_thousand_wires_on_one_thread_and_two():
    angles = np.random.default_rng(22).normal(size=(3, 1000)) * 0.6

    def drawn(threads):
        dev = qml.device("bondline.mps", wires=1000, seed=1, threads=threads)

        @qml.set_shots(10_000)
        @qml.qnode(dev)
        def circuit():
            for layer in angles:
                for wire, angle in enumerate(layer):
                    qml.RY(angle, wire)
                for wire in range(999):
                    qml.CNOT([wire, wire + 1])
            return qml.sample(dtype="int8")

        found = circuit()
        assert dev.reports[0].largest_bond == 8
        return found

    one, two = drawn(1), drawn(2)
    assert one.shape == (10_000, 1000)
    np.testing.assert_array_equal(one, two)


def test_shots_of_a_truncated_state_follow_the_swept_state():
    rng = np.random.default_rng(3)
    angles = rng.uniform(0, 6, (6, 8, 2))

    def body():
        for layer in range(6):
            for wire in range(8):
                qml.RY(angles[layer, wire, 0], wire)
                qml.RZ(angles[layer, wire, 1], wire)
            for wire in range(layer % 2, 7, 2):
                qml.CNOT([wire, wire + 1])

    dev = qml.device(
        "bondline.mps", wires=8, max_bond_dim=4, seed=1, readout="state", on_low_fidelity="ignore"
    )

    @qml.qnode(dev)
    def circuit():
        body()
        return qml.probs()

    exact = circuit()
    drawn = qml.set_shots(circuit, 60_000)()
    expected = 60_000 * exact
    seen = expected > 5
    statistic = ((60_000 * drawn - expected)[seen] ** 2 / expected[seen]).sum()
    freedom = seen.sum() - 1
    assert abs(statistic - freedom) < 5 * np.sqrt(2 * freedom)


def test_measured_wires_in_the_middle():
    dev = qml.device("bondline.mps", wires=4, seed=3)

    @qml.set_shots(2000)
    @qml.qnode(dev)
    def circuit():
        qml.RY(1.0, 0)
        first = qml.measure(0)
        qml.cond(first, qml.X)(1)
        second = qml.measure(1)
        return (
            qml.expval(qml.Z(1)),
            qml.sample(first),
            qml.counts([first, second]),
            qml.expval(first + 2 * second),
            qml.probs(op=[first, second]),
        )

    z, bits, counts, mean, probabilities = circuit()
    p = np.sin(0.5) ** 2
    assert abs(z - (1 - 2 * p)) < 0.1
    assert bits.dtype == np.int64
    assert set(counts) == {"00", "11"}
    assert abs(mean - 3 * p) < 0.15
    np.testing.assert_allclose(probabilities, [1 - p, 0, 0, p], atol=0.05)


def test_jit_with_shots():
    dev = qml.device("bondline.mps", wires=2, seed=3)

    @jax.jit
    @qml.set_shots(100)
    @qml.qnode(dev, interface="jax")
    def circuit(x):
        qml.RX(x, 0)
        return qml.expval(qml.Z(0)), qml.sample(wires=[0, 1])

    value, bits = circuit(0.3)
    assert bits.shape == (100, 2)
    assert abs(value - np.cos(0.3)) < 0.2


def test_measurements_of_the_users_own():
    class Ones(qml.measurements.SampleMeasurement):
        def process_samples(self, samples, wire_order, shot_range=None, bin_size=None):
            assert samples.shape[1] == len(wire_order) == 3
            return samples.sum(axis=1).mean()

        def process_counts(self, counts, wire_order):
            raise NotImplementedError

    found = run("bondline.mps", [lambda: Ones(wires=[0])], [50, 20], np.pi)
    assert len(found) == 2
    assert all(1.9 < value < 3.1 for value in found)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (qml.state, "finite shots"),
        (lambda: qml.vn_entropy(0), "finite shots"),
        (lambda: qml.probs(wires=range(21)), "2\\^21"),
        (lambda: qml.counts(wires=range(21), all_outcomes=True), "2\\^21"),
        (lambda: qml.var(qml.sum(*[qml.X(w) + qml.Z(w) for w in range(12)])), "do not commute"),
    ],
)
def test_refusals(make, words):
    dev = qml.device("bondline.mps", wires=22)
    with pytest.raises(DeviceError, match=words):
        qml.set_shots(qml.QNode(lambda: make(), dev), 10)()


def test_too_many_shots_are_refused_before_work():
    dev = qml.device("bondline.mps", wires=1000, memory_limit=10**9)
    with pytest.raises(bondline.ResourceError, match="shots of 1000 wires"):
        qml.set_shots(qml.QNode(lambda: qml.sample(), dev), 10**7)()


def test_values_without_shots_are_the_same_beside_shots_of_others():
    tape = qml.tape.QuantumScript([qml.RX(0.7, 0)], [qml.expval(qml.Z(0))])
    other = qml.tape.QuantumScript([qml.RX(0.7, 0)], [qml.sample(wires=[0])], shots=40)
    dev = device(seed=2)
    assert dev.execute([tape])[0] == dev.execute([other, tape])[1]
