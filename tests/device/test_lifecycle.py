"""Configuration, copies, tracking, reports and snapshots of the device."""

import copy
import logging
import pickle
import time
from dataclasses import replace

import numpy as np
import pennylane as qml
import pytest
from pennylane.devices import ExecutionConfig

import bondline
from bondline import MpsConfig, _core
from bondline.devices.mps import BondlineMPS

ANGLES = np.array([0.1, 0.2, 0.3])


def circuit(angle):
    qml.RX(angle, 0)
    qml.CNOT([0, 1])
    return qml.expval(qml.Z(1)), qml.state()


def test_the_entry_point_gives_the_class():
    dev = qml.device("bondline.mps", wires=2, max_bond_dim=7, c_dtype=np.complex64)
    assert type(dev) is BondlineMPS
    assert dev.name == "bondline.mps"
    assert dev.config == MpsConfig(max_bond_dim=7, c_dtype=np.complex64)
    assert dev.c_dtype == np.complex64
    assert dev.wires == qml.wires.Wires([0, 1])


def test_single_precision_returns_doubles():
    dev = qml.device("bondline.mps", wires=2, c_dtype=np.complex64)
    value, state = qml.QNode(circuit, dev)(0.3)
    assert value.dtype == np.float64
    assert state.dtype == np.complex128
    assert value == pytest.approx(np.cos(0.3), abs=1e-5)


def test_the_execution_config_is_resolved_once_and_stays():
    dev = BondlineMPS(max_bond_dim=3)
    for given in (None, ExecutionConfig(), ExecutionConfig(gradient_method="best")):
        config = dev.setup_execution_config(given)
        assert dev.setup_execution_config(config) == config
        assert config.mcm_config.mcm_method == "device"
        assert config.gradient_method in (None, "adjoint")
        assert config.device_options["max_bond_dim"] == 3
        assert isinstance(hash(config), int)
    assert dev.supports_jvp() is False


def test_given_device_options_win(monkeypatch):
    seen = []
    run = _core.run
    monkeypatch.setattr(
        _core, "run", lambda groups, settings: seen.append(settings) or run(groups, settings)
    )
    dev = BondlineMPS(wires=2, max_bond_dim=3)
    tape = qml.tape.QuantumScript([qml.H(0)], [qml.expval(qml.Z(0))])
    config = dev.setup_execution_config(ExecutionConfig(device_options={"max_bond_dim": 5}))
    assert dev.setup_execution_config(config) == config
    dev.execute(tape, config)
    dev.execute(tape)
    dev.execute(tape, ExecutionConfig())
    dev.execute(tape, ExecutionConfig(device_options={"threads": 1}))
    assert [settings.max_bond_dim for settings in seen] == [5, 3, 3, 3]
    assert [settings.threads for settings in seen] == [None, None, None, 1]


def test_the_pipeline_works_without_a_configuration_and_keeps_batches():
    dev = BondlineMPS(wires=2)
    program = dev.preprocess_transforms()
    assert qml.transforms.broadcast_expand not in program
    tape = qml.tape.QuantumScript([qml.RX(ANGLES, 0)], [qml.expval(qml.Z(0))])
    batch, _ = program([tape])
    assert len(batch) == 1
    assert batch[0].batch_size == 3


def test_a_tape_and_a_batch_of_tapes():
    dev = BondlineMPS(wires=1)
    tapes = [qml.tape.QuantumScript([qml.RX(x, 0)], [qml.expval(qml.Z(0))]) for x in ANGLES]
    values = dev.execute(tapes)
    assert isinstance(values, tuple)
    np.testing.assert_allclose(values, np.cos(ANGLES))
    np.testing.assert_allclose(dev.execute(tapes[1]), np.cos(0.2))
    assert dev.execute([]) == ()
    assert len(dev.reports) == 0


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, copy.copy, lambda d: pickle.loads(pickle.dumps(d))]
)
def test_copies_keep_settings_and_leave_reports_out(duplicate):
    dev = qml.device(
        "bondline.mps", wires=["a", "b"], max_bond_dim=5, seed=np.random.default_rng(1)
    )
    tape = qml.tape.QuantumScript([qml.H("a")], [qml.expval(qml.X("a"))])
    config = dev.setup_execution_config()
    dev.execute(tape, config)
    other = duplicate(dev)
    assert other.config.max_bond_dim == 5
    assert other.wires == dev.wires
    assert len(dev.reports) == 1
    assert len(other.reports) == 0
    assert other.execute(tape, other.setup_execution_config(config)) == pytest.approx(1.0)


def test_the_tracker_counts():
    dev = BondlineMPS(wires=2)
    tapes = [qml.tape.QuantumScript([qml.RX(x, 0)], [qml.expval(qml.Z(0))]) for x in (0.1, ANGLES)]
    with dev.tracker:
        dev.execute(tapes)
        dev.execute(tapes[0])
    assert dev.tracker.totals["batches"] == 2
    assert dev.tracker.totals["executions"] == 5
    assert dev.tracker.totals["simulations"] == 3
    assert dev.tracker.history["executions"] == [1, 3, 1]
    assert len(dev.tracker.history["results"]) == 3
    assert dev.tracker.history["fidelity_estimate"] == pytest.approx([1.0] * 3)
    assert dev.tracker.history["max_bond"] == [1, 1, 1]
    assert dev.tracker.history["discarded_weight"] == pytest.approx([0.0] * 3)
    # A sum of fidelities is none.
    assert set(dev.tracker.totals) == {"batches", "simulations", "executions", "results"}
    resources = dev.tracker.history["resources"][0]
    assert (resources.gate_types, resources.gate_sizes) == ({"RX": 1}, {1: 1})
    assert resources.num_allocs == 2
    dev.execute(tapes)
    assert dev.tracker.totals["batches"] == 2


def test_the_tracker_counts_shots():
    dev = BondlineMPS(wires=2, seed=1)
    tape = qml.tape.QuantumScript([qml.RX(ANGLES, 0)], [qml.sample(wires=0)], shots=[5, 2])
    seen = []
    with qml.Tracker(dev, callback=lambda totals, history, latest: seen.append(dict(latest))):
        dev.execute(tape)
    assert seen[-1]["shots"] == 21
    assert dev.tracker.totals["shots"] == 21


def test_the_tracker_is_cheap_for_long_observables():
    words = [qml.prod(*(qml.Z(i) for i in range(k, k + 4))) for k in range(16)]
    observable = qml.dot(np.ones(800), [words[k % 16] for k in range(800)])
    dev = BondlineMPS(wires=20)
    tape = qml.tape.QuantumScript([qml.H(0)], [qml.expval(observable)])
    dev.execute(tape)
    start = time.perf_counter()
    with dev.tracker:
        dev.execute(tape)
    assert time.perf_counter() - start < 1.0  # PennyLane's own tracking groups the words: seconds


def test_reports_may_be_sliced():
    dev = BondlineMPS(wires=1)
    assert dev.reports == ()
    dev.execute(qml.tape.QuantumScript([qml.RX(ANGLES, 0)], [qml.expval(qml.Z(0))]))
    assert len(dev.reports[1:]) == 2


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, copy.copy, lambda d: pickle.loads(pickle.dumps(d))]
)
@pytest.mark.parametrize("seed", [5, "generator"])
def test_copies_go_on_with_their_own_shots(duplicate, seed):
    given = np.random.default_rng(1) if seed == "generator" else seed
    dev = qml.device("bondline.mps", wires=1, seed=given)
    tape = qml.tape.QuantumScript([qml.H(0)], [qml.sample(wires=0)], shots=64)
    first = dev.execute(tape)
    other = duplicate(dev)
    second = dev.execute(tape)
    assert not np.array_equal(first, second)
    if duplicate is not copy.copy:  # a shallow copy shares the counter of calls
        np.testing.assert_array_equal(other.execute(tape), second)


def test_pennylane_logs_the_calls(caplog):
    dev = BondlineMPS(wires=1)
    tape = qml.tape.QuantumScript([qml.H(0)], [qml.expval(qml.X(0))])
    with caplog.at_level(logging.DEBUG, logger="bondline.devices.mps"):
        dev.execute(tape)
    assert any("execute" in record.message for record in caplog.records)


def test_what_pennylane_tells_about_a_circuit():
    qnode = qml.QNode(circuit, BondlineMPS(wires=2))
    assert "RX" in qml.draw(qnode, level="device")(0.1)
    assert qml.specs(qnode, level="device")(0.1)["resources"].gate_types == {"RX": 1, "CNOT": 1}


def test_reports_follow_circuits_and_rows():
    dev = BondlineMPS(wires=["a", "b"])
    assert len(dev.reports) == 0
    tapes = [
        qml.tape.QuantumScript(
            [qml.RX(x, "a"), qml.CNOT(["a", "b"])], [qml.expval(qml.Z("b")), qml.state()]
        )
        for x in (0.1, ANGLES)
    ]
    dev.execute(tapes, dev.setup_execution_config(ExecutionConfig(gradient_method="best")))
    assert len(dev.reports) == 4
    report = dev.reports[-1]
    assert isinstance(report, bondline.Report)
    assert report.norm == pytest.approx(1.0)
    assert report.discarded.shape == report.bonds.shape == report.saturated.shape == (1,)
    assert report.light_cone == (pytest.approx(0.0), None)
    assert sorted(report.wires) == ["a", "b"]
    assert report.gradient_method == "adjoint"
    assert report.gradient_error is None
    assert "2 wires" in str(report)


def test_snapshots_are_read_where_they_stand():
    def with_snapshots():
        qml.Snapshot()
        qml.RX(0.4, 0)
        qml.Snapshot("probabilities", measurement=qml.probs(wires=[1, 0]))
        qml.CNOT([0, 1])
        qml.Snapshot("value", measurement=qml.expval(qml.Z(1)))
        return qml.expval(qml.Z(0))

    for wires in (2, None):
        found = qml.snapshots(qml.QNode(with_snapshots, qml.device("bondline.mps", wires=wires)))()
        expected = qml.snapshots(
            qml.QNode(with_snapshots, qml.device("default.qubit", wires=wires))
        )()
        assert found.keys() == expected.keys()
        for key in expected:
            np.testing.assert_allclose(found[key], expected[key], atol=1e-9)
    plain = qml.QNode(with_snapshots, qml.device("bondline.mps", wires=2))
    assert plain() == pytest.approx(np.cos(0.4))


def test_snapshots_with_shots():
    def with_snapshots():
        qml.RX(0.4, 0)
        qml.Snapshot("state")
        qml.Snapshot("workflow", measurement=qml.sample(wires=[0]))
        qml.Snapshot("own", measurement=qml.counts(wires=[0]), shots=7)
        qml.Snapshot("exact", measurement=qml.expval(qml.Z(0)), shots=None)
        return qml.expval(qml.Z(0))

    qnode = qml.set_shots(qml.QNode(with_snapshots, qml.device("bondline.mps", wires=1)), 30)
    found = qml.snapshots(qnode)()
    assert found["workflow"].shape == (30, 1)
    assert sum(found["own"].values()) == 7
    np.testing.assert_allclose(found["exact"], np.cos(0.4), atol=1e-9)
    np.testing.assert_allclose(found["state"], [np.cos(0.2), -1j * np.sin(0.2)], atol=1e-9)


def test_the_memory_limit_is_checked_before_any_work():
    dev = qml.device("bondline.mps", wires=30, memory_limit=2**20)
    for measure in (qml.state, qml.probs):
        with pytest.raises(bondline.ResourceError, match="memory_limit"):
            qml.QNode(lambda measure=measure: measure(), dev)()


def test_an_error_of_the_engine_names_the_operator(monkeypatch):
    def run(groups, settings):
        error = bondline.InputError("not to my taste")
        error.group, error.row, error.gate = 0, 0, 1
        raise error

    monkeypatch.setattr(_core, "run", run)
    with pytest.raises(
        bondline.InputError, match=r"Operation 1, CNOT\(wires=\[0, 1\]\), of circuit 0: not"
    ):
        qml.QNode(circuit, qml.device("bondline.mps", wires=2))(0.1)


def test_configuration_may_be_changed_by_replace():
    dev = BondlineMPS()
    config = replace(dev.setup_execution_config(), device_options={"max_bond_dim": 9})
    assert dev.setup_execution_config(config).device_options["max_bond_dim"] == 9


def test_settings_are_fixed():
    dev = qml.device("bondline.mps", wires=2)
    with pytest.raises(AttributeError, match="another max_bond_dim make another device"):
        dev.max_bond_dim = 7


def test_reports_slice():
    dev = qml.device("bondline.mps", wires=1)
    tape = qml.tape.QuantumScript([qml.RX(0.1, 0)], [qml.expval(qml.Z(0))])
    dev.execute([tape, tape, tape])
    assert len(dev.reports[1:]) == 2


def test_an_ordering_of_the_wrong_length_is_refused_at_once():
    with pytest.raises(bondline.InputError, match="3 sites, and the device has 2"):
        qml.device("bondline.mps", wires=2, ordering=[0, 2, 1])


def test_a_tracker_adds_up_no_fidelities():
    dev = qml.device("bondline.mps", wires=2)

    @qml.qnode(dev)
    def circuit():
        qml.CNOT([0, 1])
        return qml.expval(qml.Z(1))

    with qml.Tracker(dev) as tracker:
        circuit()
        circuit()
    assert tracker.totals["executions"] == 2
    assert "fidelity_estimate" not in tracker.totals
    assert tracker.history["fidelity_estimate"] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("measure", "shots", "words"),
    [
        (qml.state, None, r"mps_state.*measure some of the wires"),
        (qml.probs, None, "probability of chosen bitstrings"),
        (lambda: qml.density_matrix(range(9)), None, "fewer wires, or for fewer such"),
        (qml.sample, 10**6, "draw fewer shots"),
    ],
    ids=["state", "probs", "density_matrix", "sample"],
)
def test_what_does_not_fit_names_what_would(measure, shots, words):
    device = qml.device("bondline.mps", wires=40, memory_limit=2**21)
    with pytest.raises(bondline.ResourceError, match=f"{words}.* or raise memory_limit"):
        qml.set_shots(qml.QNode(measure, device), shots)()
