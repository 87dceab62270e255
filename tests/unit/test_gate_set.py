"""The table of gates, the TOML that tells PennyLane about it, and the ways into it."""

import numpy as np
import pennylane as qml
import pytest
from pennylane.exceptions import DeviceError

from bondline import InputError, _core, gate_set, observables, sampling
from bondline.devices.mps import BondlineMPS

CAPABILITIES = BondlineMPS.capabilities


def test_toml_lists_the_native_operators():
    assert set(CAPABILITIES.operations) == set(gate_set.NAMES)


def test_toml_lists_the_measurements():
    offered = set(observables.MEASUREMENTS) | set(sampling.SAMPLED)
    assert set(CAPABILITIES.measurement_processes) == offered


def test_toml_calls_adjoints_native_where_lowering_does():
    for name, properties in CAPABILITIES.operations.items():
        assert properties.invertible == (name not in ("BasisState", "BasisEmbedding")), name


def test_the_engine_and_pennylane_agree_on_wires_and_parameters():
    table = {name: (wires, parameters) for name, wires, parameters in _core.gate_table()}
    for kind in gate_set.GATES:
        wires, parameters = table[kind.__name__]
        assert wires == (kind.num_wires or 0), kind
        assert parameters == kind.num_params, kind


def test_every_gate_of_the_engine_is_reached():
    reached = {kind.__name__ for kind in gate_set.GATES}
    reached |= {"PauliRot", "GlobalPhase", "QubitUnitary1", "QubitUnitary2"}
    unreached = {name for name, _, _ in _core.gate_table()} - reached
    # Identity is dropped while lowering; the other two the engine does not run yet.
    assert unreached <= {"Identity", "QubitUnitary", "MidMeasureMP"}


@pytest.mark.parametrize(
    "operator",
    [
        qml.RX(0.1, 0),
        qml.adjoint(qml.RX(0.1, 0)),
        qml.adjoint(qml.adjoint(qml.S(0), lazy=True), lazy=True),
        qml.ops.Adjoint(qml.PauliRot(0.1, "XY", [0, 1])),
        qml.ops.Adjoint(qml.QubitUnitary(np.eye(4), [0, 1])),
        qml.QubitUnitary(np.eye(4), [0, 1]),
        qml.BasisState([1, 0], [0, 1]),
        qml.Barrier([0, 1]),
        qml.Snapshot(),
        qml.GlobalPhase(0.1),
        qml.exp(qml.X(0) @ qml.Y(1) + qml.Z(0), 1j),  # matrix on two wires, no decomposition
    ],
)
def test_native(operator):
    assert gate_set.is_native(operator)


@pytest.mark.parametrize(
    "operator",
    [
        qml.Toffoli([0, 1, 2]),
        qml.QubitUnitary(np.eye(8), [0, 1, 2]),
        qml.StatePrep([1, 0], 0),
        qml.ops.Adjoint(qml.QFT([0, 1])),
        qml.AmplitudeDamping(0.1, 0),
        qml.TRX(0.1, 0, subspace=(0, 1)),
        qml.DoubleExcitationPlus(0.1, [0, 1, 2, 3]),
    ],
)
def test_not_native(operator):
    assert not gate_set.is_native(operator)


def test_a_matrix_on_several_wires_is_decomposed():
    (unitary,) = gate_set.decomposition(qml.DoubleExcitationPlus(0.1, [0, 1, 2, 3]))
    assert isinstance(unitary, qml.QubitUnitary)
    assert gate_set.decomposition(unitary)


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        (qml.AmplitudeDamping(0.1, 0), "default.mixed"),
        (qml.TRX(0.1, 0, subspace=(0, 1)), "default.qutrit"),
        (qml.Displacement(0.1, 0.2, 0), "continuous variables"),
        (
            qml.exp(qml.dot([1.0] * 8, [qml.X(i) for i in range(8)]) + qml.Z(0), 1j),
            "TrotterProduct",
        ),
        (qml.MPSPrep([np.eye(2), np.eye(2)], [0, 1]), "StatePrep"),
        (qml.QubitUnitary(np.stack([np.eye(8)] * 2), [0, 1, 2]), "broadcast_expand"),
    ],
)
def test_a_refusal_names_the_operator_and_the_way_out(operator, words):
    with pytest.raises(DeviceError, match=words) as caught:
        gate_set.decomposition(operator)
    assert operator.name in str(caught.value)


def test_a_matrix_that_is_not_unitary_is_refused_before_it_is_decomposed():
    with pytest.raises(InputError, match="not unitary"):
        gate_set.decomposition(qml.QubitUnitary(np.diag([1.0] * 7 + [2.0]), [0, 1, 2]))


def test_an_operator_is_described_without_its_arrays():
    text = gate_set.describe(qml.QubitUnitary(np.eye(64), range(6)))
    assert text == "QubitUnitary on wires [0, 1, 2, 3, 4, 5]"
