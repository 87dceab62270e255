"""A QNode again at larger bond dimensions: what changed, and what the reports had promised."""

import json
import math

import jax
import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp

import bondline
from bondline import InputError, LowFidelityWarning, UnsupportedError

WIRES = 10


def evolve(angle, layers=10):
    """Evolve an Ising chain: smooth, so that truncation errors add up coherently."""
    for _ in range(layers):
        for wire in range(WIRES - 1):
            qml.IsingZZ(angle, [wire, wire + 1])
        for wire in range(WIRES):
            qml.RX(angle, wire)


def on_chain(measure, layers=10, **settings):
    """Return a QNode that is cut at bond dimension 4, unless a setting says otherwise."""
    settings = {"max_bond_dim": 4, "on_low_fidelity": "ignore", **settings}
    device = qml.device("bondline.mps", wires=WIRES, **settings)

    @qml.qnode(device)
    def circuit(angle):
        evolve(angle, layers)
        return measure()

    return circuit


def magnetisation():
    return qml.expval(qml.Z(4))


def test_every_value_is_that_of_a_device_with_this_bond_dimension():
    found = bondline.recheck(on_chain(magnetisation), factor=(4, 2))(0.3)
    assert found.bond_dims == (4, 8, 16)
    for bond, value in zip(found.bond_dims, found.values, strict=True):
        assert value == on_chain(magnetisation, max_bond_dim=bond)(0.3)
    for bond, (report,) in zip(found.bond_dims, found.reports, strict=True):
        assert report.max_bond_dim == bond
        assert report.readout == "local"


def test_a_change_is_measured_from_the_first_value():
    found = bondline.recheck(on_chain(magnetisation), factor=(2, 4))(0.3)
    first, *later = found.values
    assert found.changes == tuple((abs(value - first),) for value in later)
    assert found.change == found.changes[-1][0] > 1e-6


@pytest.mark.parametrize("setting", [{"readout": "state"}, {"c_dtype": "complex64"}])
def test_the_other_settings_of_the_device_are_kept(setting):
    found = bondline.recheck(on_chain(magnetisation, **setting))(0.3)
    assert found.values[1] == on_chain(magnetisation, max_bond_dim=8, **setting)(0.3)


def test_an_initial_state_is_kept():
    state = bondline.mps_state(on_chain(magnetisation))(0.4)
    circuit = on_chain(magnetisation, initial_state=state)
    assert bondline.recheck(circuit)(0.3).values[0] == circuit(0.3)
    assert abs(circuit(0.3) - on_chain(magnetisation)(0.3)) > 1e-3


def test_the_device_of_the_qnode_keeps_its_reports_and_counts():
    circuit = on_chain(magnetisation)
    circuit(0.3)
    (before,) = circuit.device.reports
    with qml.Tracker(circuit.device) as tracker:
        bondline.recheck(circuit)(0.5)
    assert tracker.totals == {}
    assert circuit.device.reports[0].log_norm == before.log_norm


def test_nothing_warns_because_the_result_has_the_fidelities():
    circuit = on_chain(magnetisation, layers=16, on_low_fidelity="warn")
    found = bondline.recheck(circuit)(0.5)  # a warning is an error here
    assert found.fidelities[0][0] < 0.99
    with pytest.warns(LowFidelityWarning):
        circuit(0.5)


MEASUREMENTS = {
    "expval": magnetisation,
    "tuple": lambda: (qml.expval(qml.X(3)), qml.probs([2, 3]), qml.var(qml.X(1) @ qml.Z(2))),
    "dict": lambda: {"a": [qml.expval(qml.Z(0) + 2 * qml.X(1))], "b": qml.purity([4, 5])},
    "projector": lambda: qml.expval(qml.Projector([0, 1, 0], [3, 4, 5])),
    "matrices": lambda: qml.expval(qml.Hermitian(np.diag([0.0, 1.0, 2.0, 3.0]), [4, 5])),
    "density": lambda: qml.density_matrix([4, 5]),
    "state": qml.state,
    "entropy": lambda: qml.vn_entropy([0, 1]),
}


@pytest.mark.parametrize("measure", MEASUREMENTS.values(), ids=MEASUREMENTS)
@pytest.mark.parametrize("angle", [0.3, np.array([0.2, 0.3, 0.5])], ids=["one", "batch"])
def test_any_measurement_and_batch_keeps_its_structure(measure, angle):
    circuit = on_chain(measure)
    found = bondline.recheck(circuit)(angle)
    expected = circuit(angle)
    assert type(found.values[0]) is type(expected) or not isinstance(expected, tuple | list | dict)
    for again, once in zip(
        qml.pytrees.flatten(found.values[0])[0], qml.pytrees.flatten(expected)[0], strict=True
    ):
        np.testing.assert_array_equal(again, once)
    count = len(qml.pytrees.flatten(expected)[0])
    assert [len(row) for row in found.changes] == [count]
    assert [len(row) for row in found.promised] == [count]
    assert [len(row) for row in found.fidelities] == [count, count]


@pytest.mark.parametrize(
    "name", [name for name in MEASUREMENTS if name not in ("state", "entropy")]
)
@pytest.mark.parametrize("readout", ["local", "state"])
def test_changes_of_values_stay_within_the_promise(name, readout):
    found = bondline.recheck(on_chain(MEASUREMENTS[name], readout=readout), (2, 4, 8))(0.4)
    assert found.change > 1e-7
    assert not found.larger_than_promised
    assert all(0 < limit < math.inf for row in found.promised for limit in row)


def test_losses_of_both_runs_count():
    found = bondline.recheck(on_chain(magnetisation, layers=12, max_bond_dim=2))(0.4)
    (before,), (after,) = found.fidelities
    assert before < after < 0.999
    angle = math.acos(math.sqrt(before)) + math.acos(math.sqrt(after))
    assert angle < math.pi / 2
    assert found.promised[0][0] == pytest.approx(2 * math.sin(angle))


def test_a_promise_that_was_not_kept_is_found():
    """The errors of a smooth circuit add up by more than its coherence at half the bond says."""
    found = bondline.recheck(on_chain(qml.state, layers=60, max_bond_dim=8), 4)(0.1)
    infidelity = 1 - abs(np.vdot(*found.values)) ** 2
    assert found.changes == ((pytest.approx(infidelity, abs=1e-12),),)
    angle = sum(math.acos(math.sqrt(figures[0])) for figures in found.fidelities)
    assert found.promised[0][0] == pytest.approx(math.sin(angle) ** 2, rel=1e-4)
    assert found.larger_than_promised
    assert "their estimates of the fidelity are too high" in str(found)


def test_no_promise_is_made_where_no_bound_is_known():
    found = bondline.recheck(on_chain(MEASUREMENTS["entropy"]))(0.3)
    assert math.isnan(found.promised[0][0])
    assert found.change > 0
    assert not found.larger_than_promised
    assert "unknown" in str(found)
    assert found.to_dict()["promised"] == [[None]]


def test_bonds_that_were_never_cut_leave_only_rounding():
    found = bondline.recheck(on_chain(magnetisation, max_bond_dim=32), 4)(0.3)
    assert found.change < 1e-12
    assert not found.larger_than_promised
    assert not found.still_cut
    assert "No bond was cut" in str(found)


def test_the_text_has_a_row_for_each_bond_dimension():
    found = bondline.recheck(on_chain(magnetisation, layers=20), (2, 4))(0.5)
    lines = str(found).splitlines()
    assert [int(line.split()[0]) for line in lines[1:4]] == [4, 8, 16]
    assert f"{float(found.values[2]):.9g}" in lines[3]
    assert found.still_cut
    assert lines[-1].endswith("Bonds are still cut at max_bond_dim=16.")
    assert str(found) in repr(found)


def test_the_dict_goes_through_json():
    found = bondline.recheck(on_chain(lambda: (magnetisation(), qml.density_matrix([0]))))(0.3)
    record = json.loads(json.dumps(found.to_dict()))
    assert record["bond_dims"] == [4, 8]
    assert record["values"][0][0] == found.values[0][0]
    assert record["change"] == found.change
    assert record["reports"][1][0]["max_bond_dim"] == 8


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(2, (4, 8)), (1.1, (4, 5)), (2.5, (4, 10)), ([3, 2], (4, 8, 12)), (np.array([2, 2]), (4, 8))],
)
def test_factors_are_rounded_up_and_sorted(factor, expected):
    assert bondline.recheck(on_chain(magnetisation, layers=1), factor)(0.1).bond_dims == expected


@pytest.mark.parametrize(
    "factor", [1, 0.5, -2, True, "2", (), (2, 1), (2, "4"), math.nan, math.inf]
)
def test_other_factors_are_refused(factor):
    with pytest.raises(InputError, match="factor must be a number above 1"):
        bondline.recheck(on_chain(magnetisation), factor)


def test_a_device_without_a_bound_has_nothing_to_recheck():
    with pytest.raises(InputError, match=r"max_bond_dim=None.* cutoff"):
        bondline.recheck(on_chain(magnetisation, max_bond_dim=None))


def test_other_devices_and_functions_are_refused():
    other = qml.QNode(magnetisation, qml.device("default.qubit", wires=WIRES))
    with pytest.raises(InputError, match=r"QNode on the device bondline\.mps, got a QNode on def"):
        bondline.recheck(other)
    with pytest.raises(InputError, match="got function"):
        bondline.recheck(evolve)


def test_shots_are_refused_before_any_work():
    circuit = qml.set_shots(on_chain(magnetisation), 10)
    with pytest.raises(UnsupportedError, match=r"qml\.set_shots\(qnode, None\)"):
        bondline.recheck(circuit)(0.3)
    assert bondline.recheck(qml.set_shots(circuit, None))(0.3).change > 0


def test_transforms_that_make_several_circuits_are_compared_as_a_whole():
    folded = qml.noise.mitigate_with_zne(
        on_chain(lambda: qml.expval(qml.Z(4)), layers=4),
        [1, 3],
        qml.noise.fold_global,
        qml.noise.richardson_extrapolate,
    )
    found = bondline.recheck(folded, 8)(0.4)
    assert found.values[0] == folded(0.4)
    assert [len(reports) for reports in found.reports] == [2, 2]
    assert math.isnan(found.promised[0][0])
    lowest = min(report.value_fidelities[0] for report in found.reports[0])
    assert found.fidelities[0] == (lowest,)


@pytest.mark.parametrize("interface", ["autograd", "jax"])
def test_arrays_of_every_interface_become_those_of_numpy(interface):
    angle = pnp.array(0.3, requires_grad=True) if interface == "autograd" else jax.numpy.array(0.3)
    found = bondline.recheck(on_chain(magnetisation))(angle)
    assert type(found.values[0]) is np.ndarray


@pytest.mark.parametrize(
    "differentiate",
    [
        lambda ask: qml.grad(ask)(pnp.array(0.3, requires_grad=True)),
        lambda ask: jax.grad(ask)(0.3),
        lambda ask: jax.jit(ask)(0.3),
    ],
    ids=["autograd", "jax.grad", "jax.jit"],
)
@pytest.mark.parametrize("around", [False, True])
def test_a_differentiated_angle_is_refused(differentiate, around):
    def ask(angle):
        if not around:
            return bondline.recheck(on_chain(magnetisation, layers=1))(angle).change
        device = qml.device("bondline.mps", wires=2, max_bond_dim=1)

        @qml.qnode(device)
        def closed():
            qml.RY(angle, wires=0)
            return qml.expval(qml.Z(0))

        return bondline.recheck(closed)().change

    with pytest.raises(UnsupportedError, match=r"recheck needs plain numbers"):
        differentiate(ask)


def test_a_mid_circuit_value_has_its_promise():
    device = qml.device("bondline.mps", wires=3, max_bond_dim=1, on_low_fidelity="ignore")

    @qml.qnode(device)
    def circuit():
        qml.RY(1.0, 0)
        qml.CNOT([0, 1])
        return qml.expval(qml.measure(1))

    found = bondline.recheck(circuit)()
    assert found.promised[0][0] > 0
