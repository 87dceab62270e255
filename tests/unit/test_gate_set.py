"""The table of gates, the TOML that tells PennyLane about it, and the ways into it."""

import numpy as np
import pennylane as qml
import pytest
from pennylane.exceptions import DeviceError

from bondline import InputError, _core
from bondline.circuits.lowering import lower
from bondline.devices.mps import BondlineMPS
from bondline.devices.preprocess import pipeline
from bondline.measurements import observables, sampling
from bondline.operators import gate_set

CAPABILITIES = BondlineMPS.capabilities


def test_toml_lists_the_native_operators():
    assert set(CAPABILITIES.operations) == set(gate_set.NAMES)


def test_toml_lists_the_measurements():
    offered = observables.MEASUREMENTS | sampling.SAMPLED
    assert set(CAPABILITIES.measurement_processes) == set(offered)
    for name, conditions in CAPABILITIES.measurement_processes.items():
        expected = {
            (True, True): [],
            (True, False): ["analytic"],
            (False, True): ["finiteshots"],
        }[name in observables.MEASUREMENTS, name in sampling.SAMPLED]
        assert [condition.value for condition in conditions] == expected, name


def test_toml_tells_where_adjoints_and_controls_are_native():
    for name, properties in CAPABILITIES.operations.items():
        assert properties.invertible == (name in gate_set.INVERTIBLE), name
        assert properties.controllable == (name in gate_set.CONTROLLABLE), name
        assert properties.differentiable == (name in gate_set.DIFFERENTIABLE), name
    assert all(found.differentiable for found in CAPABILITIES.observables.values())


def test_the_engine_and_pennylane_agree_on_wires_and_parameters():
    table = {name: (wires, parameters) for name, wires, parameters in _core.gate_table()}
    for kind in gate_set.GATES:
        wires, parameters = table[kind.__name__]
        assert wires == (kind.num_wires or 0), kind
        assert parameters == kind.num_params, kind


def test_every_gate_of_the_engine_is_reached():
    reached = {kind.__name__ for kind in gate_set.GATES}
    reached |= {"PauliRot", "GlobalPhase", "QubitUnitary1", "QubitUnitary2", "QubitUnitary"}
    reached |= {"MidMeasureMP"}
    unreached = {name for name, _, _ in _core.gate_table()} - reached
    assert unreached <= {"Identity"}  # dropped while lowering


MEASURE = qml.ops.MidMeasure(0, meas_uid="m")


def conditional(operator):
    return qml.ops.Conditional(qml.ops.MeasurementValue([MEASURE]), operator)


@pytest.mark.parametrize(
    "operator",
    [
        qml.RX(0.1, 0),
        qml.adjoint(qml.RX(0.1, 0)),
        qml.adjoint(qml.adjoint(qml.S(0), lazy=True), lazy=True),
        qml.ops.Adjoint(qml.PauliRot(0.1, "XY", [0, 1])),
        qml.ops.Adjoint(qml.QubitUnitary(np.eye(4), [0, 1])),
        qml.QubitUnitary(np.eye(4), [0, 1]),
        qml.QubitUnitary(np.eye(256), range(8)),
        qml.DiagonalQubitUnitary(np.ones(256), range(8)),
        qml.BlockEncode(0.1 * np.ones((2, 2)), [0, 1]),
        qml.BasisState([1, 0], [0, 1]),
        qml.Barrier([0, 1]),
        qml.Snapshot(),
        qml.GlobalPhase(0.1),
        qml.DoubleExcitation(0.1, [0, 1, 2, 3]),
        qml.DoubleExcitationPlus(0.1, [0, 1, 2, 3]),
        qml.OrbitalRotation(0.1, [0, 1, 2, 3]),
        qml.exp(qml.X(0) @ qml.Y(1) + qml.Z(0), 1j),  # matrix on two wires, no decomposition
        qml.Toffoli([0, 1, 2]),
        qml.CSWAP([0, 1, 2]),
        qml.CCZ([0, 1, 2]),
        qml.MultiControlledX(range(60), control_values=[0, 1] * 29 + [1]),
        qml.ctrl(qml.Rot(0.1, 0.2, 0.3, 0), [1, 2], control_values=[0, 1]),
        qml.ctrl(qml.PauliRot(0.1, "XYZ", [0, 1, 2]), range(3, 9)),
        qml.ctrl(qml.MultiRZ(0.1, range(50)), [60]),
        qml.ctrl(qml.GlobalPhase(0.1), [0, 1]),
        qml.ctrl(qml.QubitUnitary(np.eye(8), [0, 1, 2]), range(3, 20)),
        qml.ctrl(qml.DoubleExcitation(0.1, [0, 1, 2, 3]), 4),
        qml.ops.Controlled(qml.ops.Adjoint(qml.ops.Controlled(qml.S(0), 1)), 2),
        qml.ops.Adjoint(qml.ops.Controlled(qml.CNOT([0, 1]), 2)),
        MEASURE,
        conditional(qml.adjoint(qml.T(0))),
    ],
    ids=lambda operator: operator.name,
)
def test_native(operator):
    assert gate_set.is_native(operator)


@pytest.mark.parametrize(
    "operator",
    [
        qml.QFT([0, 1]),
        qml.QubitUnitary(np.eye(512), range(9)),
        qml.StatePrep([1, 0], 0),  # native where nothing acted before: see the preparations
        qml.MPSPrep([np.eye(2), np.eye(2)], [0, 1]),
        qml.ops.Adjoint(qml.QFT([0, 1])),
        qml.ops.Adjoint(qml.BasisState([1], [0])),
        qml.ctrl(qml.BasisState([1], [0]), 1),
        qml.AmplitudeDamping(0.1, 0),
        qml.TRX(0.1, 0, subspace=(0, 1)),
        conditional(qml.QFT([0, 1])),
        conditional(MEASURE),
    ],
    ids=lambda operator: operator.name,
)
def test_not_native(operator):
    assert not gate_set.is_native(operator)


@pytest.mark.parametrize(
    "operator",
    [
        qml.FlipSign([1] * 40, range(40)),
        qml.GroverOperator(range(40)),
        qml.PCPhase(0.1, dim=2**38 + 12345, wires=range(40)),
        qml.Reflection(qml.H(0), 0.3),
        qml.QFT(range(12)),
        qml.Permute(list(range(29, -1, -1)), range(30)),
        qml.Superposition(np.ones(2) / np.sqrt(2), [[0] * 20, [1] * 20], range(20), 20),
    ],
    ids=lambda operator: operator.name,
)
def test_wide_operators_become_few_gates(operator):
    (tape,), _ = pipeline(None)([qml.tape.QuantumScript([operator], [qml.expval(qml.Z(0))])])
    assert len(tape.operations) <= 5 * len(operator.wires) + len(operator.wires) ** 2
    assert lower([tape]).groups[0].gates.size


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        (qml.AmplitudeDamping(0.1, 0), "default.mixed"),
        (qml.TRX(0.1, 0, subspace=(0, 1)), "default.qutrit"),
        (qml.Displacement(0.1, 0.2, 0), "continuous variables"),
        (
            qml.exp(qml.dot([1.0] * 9, [qml.X(i) for i in range(9)]) + qml.Z(0), 1j),
            "TrotterProduct",
        ),
        (qml.QubitUnitary(np.eye(512), range(9)), "at most 8"),
        (qml.ctrl(qml.QubitUnitary(np.eye(512), range(9)), 9), "at most 8"),
        (qml.MPSPrep([np.eye(2), np.eye(2)], [0, 1]), "Put it first"),
        (qml.StatePrep(np.eye(1, 2**13)[0], range(13)), "Put it first"),
        (qml.QubitDensityMatrix(np.eye(2) / 2, 0), "default.mixed"),
        (qml.Hermitian(np.eye(2), 0), "QubitUnitary"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_refusal_names_the_operator_and_the_way_out(operator, words):
    with pytest.raises(DeviceError, match=words) as caught:
        gate_set.decomposition(operator)
    assert operator.name in str(caught.value)


def test_a_diagonal_that_is_not_unitary_is_refused_before_it_is_decomposed():
    with pytest.raises(InputError, match="not unitary"):
        gate_set.decomposition(qml.DiagonalQubitUnitary([1.0] * 511 + [2.0], range(9)))


def test_an_operator_is_described_without_its_arrays():
    text = gate_set.describe(qml.QubitUnitary(np.eye(64), range(6)))
    assert text == "QubitUnitary on wires [0, 1, 2, 3, 4, 5]"
    text = gate_set.describe(qml.QubitUnitary(np.eye(512), range(9)))
    assert text == "QubitUnitary on 9 wires [0, 1, 2, 3, 4, 5, 6, …]"


def test_controls_and_adjoints_come_off_in_any_order():
    inner = qml.ops.Controlled(qml.ops.Adjoint(qml.RX(0.1, 0)), [1], control_values=[0])
    base, wires, values, adjoint = gate_set.base_of(
        qml.ops.Adjoint(qml.ops.Controlled(inner, ["a", "b"]))
    )
    assert (base.name, wires, values, adjoint) == ("RX", ("a", "b", 1), (True, True, False), 0)
    base, wires, _, adjoint = gate_set.base_of(qml.ops.Adjoint(qml.CRX(0.1, [0, 1])))
    assert (base.name, wires, adjoint) == ("CRX", (), gate_set.ADJOINT)
    base, wires, _, _ = gate_set.base_of(qml.ops.Controlled(qml.CRX(0.1, [0, 1]), 2))
    assert (base.name, wires) == ("RX", (2, 0))
