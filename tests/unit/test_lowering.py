"""Circuits become flat arrays; circuits of one structure become rows of one group."""

import numpy as np
import pennylane as qml
import pytest
from pennylane.exceptions import DeviceError, WireError
from pennylane.tape import QuantumScript

from bondline import InputError, _core
from bondline.circuits.lowering import lower
from bondline.operators.gate_set import ADJOINT

IDS = {name: number for number, (name, _, _) in enumerate(_core.gate_table())}
Z0 = qml.expval(qml.Z(0))
Z_A = qml.expval(qml.Z("a"))


def one(operations, measurements=(Z0,), wires=None):
    lowered = lower([QuantumScript(operations, list(measurements))], wires)
    assert len(lowered.groups) == 1
    return lowered.groups[0]


def test_gates_wires_and_parameters_in_order():
    group = one(
        [qml.RX(0.1, "b"), qml.CRot(1, 2, 3, ["a", "b"]), qml.CNOT(["b", 7])],
        wires=["a", "b", 7, 0],
    )
    assert group.gates.tolist() == [IDS["RX"], IDS["CRot"], IDS["CNOT"]]
    assert group.wire_counts.tolist() == [1, 2, 2]
    assert group.wires.tolist() == [1, 0, 1, 1, 2]
    assert group.parameters.tolist() == [[0.1, 1.0, 2.0, 3.0]]
    assert group.n_wires == 4
    for array, dtype in [
        (group.gates, np.uint16),
        (group.wire_counts, np.uint32),
        (group.wires, np.uint32),
        (group.letters, np.uint8),
        (group.parameters, np.float64),
        (group.matrices, np.complex128),
    ]:
        assert array.dtype == dtype
        assert array.flags.c_contiguous


def test_without_device_wires_the_order_is_that_of_first_use():
    group = one([qml.Barrier("c"), qml.CNOT(["x", "c"])], [qml.expval(qml.Z("m"))])
    assert group.wires.tolist() == [1, 0]
    assert group.n_wires == 3
    assert group.requests.word_wires.tolist() == [2]


def test_wires_labelled_by_the_first_integers_are_in_their_order():
    group = one([qml.H(2), qml.CNOT([1, 0])], [qml.expval(qml.Z(3))])
    assert group.wires.tolist() == [2, 1, 0]
    assert group.requests.word_wires.tolist() == [3]
    group = one([qml.H(3), qml.CNOT([1, 0])])  # 2 is missing
    assert group.wires.tolist() == [0, 1, 2]


def test_operators_without_effect_are_dropped():
    group = one([qml.Identity(0), qml.Barrier([0, 1]), qml.WireCut(0), qml.Snapshot(), qml.I()])
    assert group.gates.size == 0
    assert group.parameters.shape == (1, 0)
    assert group.matrices.shape == (1, 0)


def test_basis_states_flip_their_bits_wherever_they_stand():
    group = one([qml.BasisState([1, 0, 1], [2, 1, 0]), qml.H(1), qml.BasisEmbedding(1, [0, 1])])
    assert group.gates.tolist() == [IDS["PauliX"]] * 2 + [IDS["Hadamard"], IDS["PauliX"]]
    assert group.wires.tolist() == [2, 0, 1, 1]


def test_adjoints_set_a_bit_and_cancel():
    s_dagger = qml.ops.Adjoint(qml.S(0))
    group = one(
        [s_dagger, qml.ops.Adjoint(s_dagger), qml.ops.Adjoint(qml.PauliRot(0.2, "XIZ", [0, 1, 2]))]
    )
    assert group.gates.tolist() == [IDS["S"] | ADJOINT, IDS["S"], IDS["PauliRot"] | ADJOINT]
    assert group.letters.tolist() == [1, 0, 3]


def test_a_global_phase_has_no_wires():
    group = one([qml.GlobalPhase(0.3, [0, 1]), qml.ops.Adjoint(qml.GlobalPhase(0.2))])
    assert group.gates.tolist() == [IDS["GlobalPhase"], IDS["GlobalPhase"] | ADJOINT]
    assert group.wire_counts.tolist() == [0, 0]
    assert group.n_wires == 2


def test_matrices_are_row_major_in_order():
    u = np.array([[0, 1j], [1, 0]])
    v = np.kron(u, np.eye(2))
    group = one([qml.QubitUnitary(u, 0), qml.RX(0.1, 0), qml.QubitUnitary(v, [1, 0])])
    assert group.gates.tolist() == [IDS["QubitUnitary1"], IDS["RX"], IDS["QubitUnitary2"]]
    np.testing.assert_array_equal(group.matrices, [[*u.ravel(), *v.ravel()]])


@pytest.mark.parametrize(
    "value",
    [
        1,
        np.float32(1),
        np.array(1.0),
        np.int64(1),
        qml.numpy.array(1.0),
        qml.numpy.array(1.0, requires_grad=False),
        np.complex128(1.0),
        True,
    ],
)
def test_any_real_scalar_is_a_parameter(value):
    group = one([qml.RX(0.5, 0), qml.RY(value, 0)])
    assert group.parameters.dtype == np.float64
    assert group.parameters.tolist() == [[0.5, 1.0]]


def test_batches_become_rows_and_single_parameters_are_shared():
    group = one(
        [qml.RX([0.1, 0.2, 0.3], 0), qml.RY(0.5, 0), qml.Rot(np.ones(3), 2, [4.0, 5, 6], 0)]
    )
    assert group.parameters.tolist() == [
        [0.1, 0.5, 1, 2, 4],
        [0.2, 0.5, 1, 2, 5],
        [0.3, 0.5, 1, 2, 6],
    ]
    assert group.parameters.flags.c_contiguous


def test_a_batch_of_one_stays_a_batch():
    lowered = lower([QuantumScript([qml.RX([0.1], 0)], [Z0])])
    assert lowered.circuits[0].batch == 1


def test_batched_matrices_become_rows():
    u = np.stack([np.eye(2), np.diag([1, 1j])])
    group = one([qml.QubitUnitary(u, 0), qml.QubitUnitary(np.eye(2), 0), qml.RX(0.1, 0)])
    assert group.matrices.shape == (2, 8)
    assert group.parameters.tolist() == [[0.1], [0.1]]


def test_circuits_of_one_structure_share_a_group():
    tapes = [
        QuantumScript([qml.RX(x, 0), qml.QubitUnitary(np.eye(2), 0)], [Z0]) for x in (0.1, 0.2)
    ]
    tapes.insert(1, QuantumScript([qml.RY(0.5, 0)], [Z0]))
    tapes.append(QuantumScript([qml.RX([0.3, 0.4], 0), qml.QubitUnitary(np.eye(2), 0)], [Z0]))
    lowered = lower(tapes)
    assert [circuit.group for circuit in lowered.circuits] == [0, 1, 0, 0]
    assert [circuit.rows for circuit in lowered.circuits] == [
        slice(0, 1),
        slice(0, 1),
        slice(1, 2),
        slice(2, 4),
    ]
    assert [circuit.batch for circuit in lowered.circuits] == [None, None, None, 2]
    assert lowered.groups[0].parameters.ravel().tolist() == [0.1, 0.2, 0.3, 0.4]
    assert lowered.groups[0].matrices.shape == (1, 4)  # the matrix they share is sent once


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (([qml.RX(0.1, 0)], [Z0]), ([qml.RX(0.1, 1)], [Z0])),
        (([qml.CNOT([0, 1])], [Z0]), ([qml.CNOT([1, 0])], [Z0])),
        (([qml.S(0)], [Z0]), ([qml.ops.Adjoint(qml.S(0))], [Z0])),
        (([qml.S(0)], [Z0]), ([qml.S(0)], [qml.expval(qml.X(0))])),
        (([qml.S(0)], [Z0]), ([qml.S(0)], [qml.var(qml.Z(0))])),
        (([qml.S(0)], [qml.probs(wires=[0, 1])]), ([qml.S(0)], [qml.probs(wires=[1, 0])])),
        (([qml.PauliRot(0.1, "XX", [0, 1])], [Z0]), ([qml.PauliRot(0.1, "XY", [0, 1])], [Z0])),
    ],
)
def test_circuits_of_different_structure_do_not(first, second):
    lowered = lower([QuantumScript(*first), QuantumScript(*second)], wires=[0, 1])
    assert len(lowered.groups) == 2


def test_merged_variances_keep_their_own_coefficients():
    tapes = [QuantumScript([qml.H(0)], [qml.var(c * qml.Z(0))]) for c in (2.0, 3.0)]
    group = lower(tapes).groups[0]
    assert group.requests.variance_coefficients.tolist() == [[2.0], [3.0]]
    same = lower([tapes[0], QuantumScript([qml.H(0)], [qml.var(2 * qml.Z(0))])]).groups[0]
    assert same.requests.variance_coefficients.tolist() == [[2.0]]


def test_words_are_shared_between_measurements_and_sorted_by_wire():
    h = 0.5 * qml.X(2) @ qml.Z(0) + qml.Z(1) + 3 * qml.I(0)
    group = one(
        [],
        [qml.expval(h), qml.var(h), qml.expval(qml.Z(0) @ qml.X(2)), qml.expval(qml.Z(1))],
        [0, 1, 2],
    )
    requests = group.requests
    assert sorted(requests.word_counts.tolist()) == [0, 1, 2]
    assert requests.word_wires.size == 3
    start = int(requests.word_counts[: requests.word_counts.tolist().index(2)].sum())
    assert requests.word_wires[start : start + 2].tolist() == [0, 2]
    assert requests.word_letters[start : start + 2].tolist() == [3, 1]
    assert requests.variance_counts.tolist() == [3]
    assert requests.variance_coefficients.shape == (1, 3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_parameter_that_is_not_finite_is_refused_with_its_operator(bad):
    with pytest.raises(
        InputError, match=r"Operation 2, RX\(.*wires=\['a'\]\), of circuit 0 .*not finite"
    ):
        one([qml.H("a"), qml.BasisState([1], "a"), qml.RX(bad, wires=["a"])])
    with pytest.raises(InputError, match=r"Operation 1, Rot.*row 1 of its batch"):
        one([qml.RX(0.1, 0), qml.Rot(0.1, [0.2, bad], 0.3, 0)])


@pytest.mark.parametrize("bad", [1j, np.complex128(1 + 1j), "0.5", None])
def test_a_parameter_that_is_no_real_number_is_refused(bad):
    with pytest.raises(InputError, match=r"Operation 1, .*no real number"):
        one([qml.RY(0.1, 0), qml.RX(bad, 0)])


def test_batches_of_different_sizes_are_refused():
    operations = [qml.RX([0.1, 0.2], 0), qml.RY([1.0, 2.0, 3.0], 0)]
    with pytest.raises(InputError, match="batch of 3 values"):
        one(operations)
    with pytest.raises(InputError, match="matrices in batches of 3"):
        one([operations[0], qml.QubitUnitary(np.stack([np.eye(2)] * 3), 0)])
    with pytest.raises(InputError, match="empty batch"):
        one([qml.RX(np.empty(0), 0)])


def test_a_matrix_that_is_not_unitary_is_refused():
    good = qml.QubitUnitary(np.eye(2), 0)
    with pytest.raises(InputError, match=r"Operation 1, QubitUnitary on wires \[1\], of circuit 0"):
        one([good, qml.QubitUnitary(np.ones((2, 2)), 1)])
    with pytest.raises(InputError, match="not finite"):
        one([qml.QubitUnitary(np.diag([1, np.nan]), 1)])
    with pytest.raises(InputError, match="Projector"):
        one([qml.Projector([1], 0)])


def test_wires_and_operators_that_the_device_does_not_have_are_refused():
    with pytest.raises(WireError, match="'q'"):
        one([qml.H("q")], wires=[0, 1])
    with pytest.raises(DeviceError, match=r"QFT.*preprocess"):
        one([qml.QFT([0, 1, 2])])
    with pytest.raises(InputError, match="acts on no wires"):
        one([qml.GlobalPhase(0.1)], [qml.state()])


def test_an_error_of_the_engine_is_told_its_operator():
    tapes = [
        QuantumScript(
            [qml.RX(x, 0), qml.Barrier(0), qml.BasisState([1, 1], [0, 1]), qml.RY([x, x], 0)], [Z0]
        )
        for x in (0.1, 0.2)
    ]
    lowered = lower(tapes)
    error = InputError("the gate is wrong")
    assert lowered.locate(error) is error
    error.group, error.row, error.gate = 0, 2, 3
    located = lowered.locate(error)
    assert str(located).startswith("Operation 3, RY on wires [0], of circuit 1: the gate is wrong")
    assert (located.group, located.row, located.gate) == (0, 2, 3)
    error.gate = 2
    assert "Operation 2, BasisState" in str(lowered.locate(error))


def test_controls_come_first_with_their_values():
    group = one(
        [
            qml.H(0),
            qml.MultiControlledX([2, 0, 1], control_values=[1, 0]),
            qml.ctrl(qml.Rot(0.1, 0.2, 0.3, 0), 1, control_values=[0]),
            qml.ctrl(qml.PauliRot(0.4, "XZ", [0, 2]), [3, 1]),
            qml.ops.Adjoint(qml.ctrl(qml.GlobalPhase(0.5), [1, 2])),
            qml.CSWAP([3, 0, 1]),
            qml.CNOT([0, 1]),
        ]
    )
    names = ["Hadamard", "PauliX", "Rot", "PauliRot", "GlobalPhase", "SWAP", "CNOT"]
    expected = [IDS[name] for name in names]
    expected[4] |= ADJOINT
    assert group.gates.tolist() == expected
    assert group.control_counts.tolist() == [0, 2, 1, 2, 2, 1, 0]
    assert group.control_values.tolist() == [1, 0, 0, 1, 1, 1, 1, 1]
    assert group.wire_counts.tolist() == [1, 3, 2, 4, 2, 3, 2]
    assert group.wires.tolist() == [0, 2, 0, 1, 1, 0, 3, 1, 0, 2, 1, 2, 3, 0, 1, 0, 1]
    assert group.letters.tolist() == [1, 3]
    assert group.parameters.tolist() == [[0.1, 0.2, 0.3, 0.4, 0.5]]
    assert group.control_counts.dtype == np.uint32
    assert group.control_values.dtype == np.uint8


def test_wide_matrices_and_diagonals_are_matrices():
    diagonal = np.exp(1j * np.arange(8))
    group = one(
        [
            qml.DiagonalQubitUnitary(diagonal, [0, 1, 2]),
            qml.ctrl(qml.QubitUnitary(np.diag([1, 1j]), 0), [1, 2]),
            qml.ops.Adjoint(qml.BlockEncode(0.5 * np.eye(4), [0, 1, 2])),
        ]
    )
    assert group.gates.tolist() == [
        IDS["QubitUnitary"],
        IDS["QubitUnitary1"],
        IDS["QubitUnitary"] | ADJOINT,
    ]
    assert group.matrices.shape == (1, 64 + 4 + 64)
    np.testing.assert_array_equal(group.matrices[0, :64].reshape(8, 8), np.diag(diagonal))


def test_batches_of_wide_matrices_become_rows():
    matrices = np.stack([np.eye(8), np.diag(np.exp(1j * np.arange(8)))])
    group = one([qml.QubitUnitary(matrices, [0, 1, 2]), qml.DiagonalQubitUnitary([1, -1], 0)])
    assert group.matrices.shape == (2, 68)
    np.testing.assert_array_equal(group.matrices[:, 64:], [[1, 0, 0, -1]] * 2)


def test_mid_circuit_measurements_and_conditions():
    first, second = (
        qml.ops.MidMeasure("a", meas_uid="1"),
        qml.ops.MidMeasure("b", reset=True, postselect=1, meas_uid="0"),
    )
    both = qml.ops.MeasurementValue([first]) & qml.ops.MeasurementValue([second])
    again = qml.ops.MeasurementValue([second]) & qml.ops.MeasurementValue([first])
    none = ~qml.ops.MeasurementValue([first])
    tape = QuantumScript(
        [
            qml.H("a"),
            first,
            second,
            qml.ops.Conditional(both, qml.RX(0.1, "a")),
            qml.ops.Conditional(none, qml.BasisState([1, 1], ["a", "b"])),
            qml.ops.Conditional(again, qml.Toffoli(["b", "a", "c"])),
            qml.Z("a"),
        ],
        [Z_A],
    )
    group = lower([tape]).groups[0]
    measure = IDS["MidMeasureMP"]
    x = IDS["PauliX"]
    assert group.gates.tolist() == [
        IDS["Hadamard"],
        measure,
        measure,
        IDS["RX"],
        x,
        x,
        x,
        IDS["PauliZ"],
    ]
    assert group.measure_resets.tolist() == [False, True]
    assert group.measure_postselects.tolist() == [-1, 1]
    assert group.conditions.tolist() == [-1, -1, -1, 0, 1, 1, 0, -1]
    assert group.condition_measurements == ((0, 1), (0,))
    assert [table.tolist() for table in group.condition_tables] == [
        [False, False, False, True],
        [True, False],
    ]
    assert group.conditions.dtype == np.int32
    assert group.measure_postselects.dtype == np.int8
    assert group.condition_tables[0].dtype == np.bool_


def test_every_shot_is_projected_where_shots_are_filled_up():
    tape = QuantumScript(
        [qml.ops.MidMeasure(0, postselect=0), qml.ops.MidMeasure(0, postselect=1)],
        [Z0],
        shots=10,
    )
    assert lower([tape]).groups[0].measure_postselects.tolist() == [0, 1]
    filled = lower([tape], postselection="fill").groups[0]
    assert filled.measure_postselects.tolist() == [2, 3]
    exact = lower([tape.copy(shots=None)], postselection="fill").groups[0]
    assert exact.measure_postselects.tolist() == [0, 1]


def test_the_state_vector_of_a_mixture_is_refused():
    measure = qml.ops.MidMeasure(0, postselect=1)
    assert one([measure], [qml.state()]).requests.dense_state
    with pytest.raises(DeviceError, match="density_matrix"):
        one([measure, qml.ops.MidMeasure(0)], [qml.state()])


def test_amplitudes_are_loaded():
    state = np.array([0.6, 0, 0, 0.8j])
    group = one([qml.Barrier(0), qml.StatePrep(state, ["b", "a"]), qml.H("a")])
    assert group.gates.tolist() == [IDS["Hadamard"]]
    assert group.loaded_wires == (1, 2)
    np.testing.assert_allclose(group.loaded_vectors, [state])
    assert group.loaded_tensors is None


def test_batches_of_amplitudes_become_rows():
    states = np.array([[1, 0], [0, 1], [0.6, 0.8]])
    group = one([qml.StatePrep(states, 0), qml.RX(0.1, 0)])
    np.testing.assert_allclose(group.loaded_vectors, states)
    assert group.parameters.tolist() == [[0.1]] * 3
    with pytest.raises(InputError, match="states in batches of 3"):
        one([qml.StatePrep(states, 0), qml.RX([0.1, 0.2], 0)])


def test_circuits_with_different_amplitudes_share_a_group_but_not_with_different_tensors():
    tapes = [QuantumScript([qml.StatePrep(state, 0), qml.H(0)], [Z0]) for state in ([1, 0], [0, 1])]
    (group,) = lower(tapes).groups
    np.testing.assert_allclose(group.loaded_vectors, [[1, 0], [0, 1]])
    chains = [[np.eye(2), np.eye(2)], [np.eye(2), np.diag([1, -1])], [np.eye(2), np.eye(2)]]
    tapes = [QuantumScript([qml.MPSPrep(chain, [0, 1])], [Z0]) for chain in chains]
    assert [circuit.group for circuit in lower(tapes).circuits] == [0, 1, 0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (qml.ctrl(qml.S(0), 1), qml.ctrl(qml.S(0), 1, control_values=[0])),
        (qml.MultiControlledX([0, 1]), qml.MultiControlledX([0, 1], control_values=[0])),
        (qml.ops.MidMeasure(0), qml.ops.MidMeasure(0, reset=True)),
        (qml.ops.MidMeasure(0), qml.ops.MidMeasure(0, postselect=1)),
        (qml.StatePrep([1, 0], 0), qml.StatePrep([1, 0], 1)),
        (qml.StatePrep([1, 0], 0), qml.Identity(0)),
    ],
)
def test_groups_differ_by_controls_measurements_and_states(first, second):
    tapes = [QuantumScript([operator], [Z0]) for operator in (first, second)]
    assert len(lower(tapes, wires=[0, 1]).groups) == 2


def test_groups_differ_by_conditions():
    measure = qml.ops.MidMeasure(0, meas_uid="m")
    value = qml.ops.MeasurementValue([measure])
    tapes = [
        QuantumScript([measure, qml.ops.Conditional(condition, qml.X(1))], [Z0])
        for condition in (value, ~value, value == 1)
    ]
    assert [circuit.group for circuit in lower(tapes).circuits] == [0, 1, 0]


class Chain:
    """A state as the device takes it."""

    def __init__(self, wires, tensors):
        self.wires = wires
        self.tensors = tensors


def test_circuits_start_from_the_state_of_the_device_unless_they_bring_their_own():
    state = Chain(["b", "a"], [np.eye(2)[None], np.eye(2)[..., None]])
    tapes = [
        QuantumScript([qml.H("a")], [Z_A]),
        QuantumScript([qml.BasisState([1], "a")], [Z_A]),
        QuantumScript([qml.StatePrep([0, 1], "a"), qml.H("a")], [Z_A]),
    ]
    lowered = lower(tapes, wires=["a", "b"], initial=state)
    found = [lowered.groups[circuit.group].loaded_wires for circuit in lowered.circuits]
    assert found == [(1, 0), (), (0,)]
    assert [tensor.shape for tensor in lowered.groups[0].loaded_tensors] == [(1, 2, 2), (2, 2, 1)]
    late = QuantumScript([qml.H("b"), qml.StatePrep([0, 1], "a")], [Z_A])
    assert lower([late]).groups[0].loaded_wires == (1,)
    with pytest.raises(DeviceError, match="preprocess"):  # it acts on the state of the device
        lower([late], initial=state)
    assert lower([tapes[0]], initial=state).circuits[0].wires == ("b", "a")
