"""Every kind of operator that PennyLane has, against the tests' own dense simulator."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pennylane as qml
import pytest
from pennylane.operation import Operator

from oracle.circuits import haar, haar_brickwall, operations_of
from oracle.devices import EXACT, bondline, run_on
from oracle.statevector import evolve

WIRES = 8
RNG = np.random.default_rng(91)
PAULIS = qml.dot([0.3, -0.6, 0.9], [qml.X(0) @ qml.X(5), qml.Z(1), qml.Y(0) @ qml.Z(2)])
COMMUTING = qml.dot([0.3, -0.6], [qml.X(0) @ qml.X(5), qml.X(1)])


def random_state(wires: int) -> np.ndarray:
    return haar(2**wires, np.random.default_rng(wires))[0]


CONTROLLED = [
    qml.Toffoli([6, 0, 3]),
    qml.CCZ([1, 2, 7]),
    qml.CSWAP([4, 7, 1]),
    qml.MultiControlledX([5, 0, 3, 7, 2], control_values=[1, 0, 0, 1]),
    qml.MultiControlledX([1, 0], control_values=[0]),
    qml.MultiControlledX(range(6), work_wires=[7]),
    qml.ctrl(qml.X(2), 5, control_values=[0]),
    qml.ctrl(qml.RX(0.4, 3), [0, 6, 1], control_values=[0, 1, 0]),
    qml.ctrl(qml.Rot(0.4, 0.9, -1.1, 3), [7, 2]),
    qml.ctrl(qml.Hadamard(0), [1, 2], control_values=[1, 0]),
    qml.ctrl(qml.T(7), [0, 4]),
    qml.ctrl(qml.PhaseShift(0.7, 1), range(2, 8)),
    qml.ctrl(qml.PauliRot(0.8, "XIZY", [0, 3, 7, 5]), [1, 4], control_values=[0, 1]),
    qml.ctrl(qml.MultiRZ(0.8, [0, 3, 7]), [2]),
    qml.ctrl(qml.GlobalPhase(0.55), [1, 6], control_values=[1, 0]),
    qml.ctrl(qml.GlobalPhase(0.55, 3), 0),
    qml.ctrl(qml.Identity(3), 0),
    qml.ctrl(qml.SWAP([7, 1]), [0, 3], control_values=[0, 1]),
    qml.ctrl(qml.ISWAP([2, 6]), 4),
    qml.ctrl(qml.IsingXY(0.5, [2, 6]), [4, 0]),
    qml.ctrl(qml.SingleExcitation(0.5, [6, 2]), 4, control_values=[0]),
    qml.ctrl(qml.QubitUnitary(haar(2, RNG), 3), [0, 5], control_values=[0, 1]),
    qml.ctrl(qml.QubitUnitary(haar(4, RNG), [6, 3]), 1),
    qml.ctrl(qml.QubitUnitary(haar(8, RNG), [6, 3, 0]), [1, 2]),
    qml.ctrl(qml.DiagonalQubitUnitary(np.exp(1j * np.arange(4)), [6, 3]), 1),
    qml.ctrl(qml.DoubleExcitation(0.4, [0, 2, 5, 7]), 4),
    qml.ctrl(qml.DoubleExcitationPlus(0.4, [0, 2, 5, 7]), 4, control_values=[0]),
    qml.ops.Controlled(qml.CNOT([0, 3]), [6]),
    qml.ops.Controlled(qml.ops.Adjoint(qml.ops.Controlled(qml.S(0), 1)), [2], control_values=[0]),
    qml.ops.Adjoint(qml.ops.Controlled(qml.ops.Adjoint(qml.Rot(0.1, 0.2, 0.3, 5)), [1, 7])),
    qml.ctrl(qml.QFT([0, 1, 2]), 4),
    qml.ctrl(qml.BasisState([1, 0, 1], [0, 3, 5]), 4),
]

MATRICES = [
    *(qml.QubitUnitary(haar(2**k, RNG), RNG.permutation(WIRES)[:k].tolist()) for k in range(3, 7)),
    qml.ops.Adjoint(qml.QubitUnitary(haar(8, RNG), [7, 0, 4])),
    qml.DiagonalQubitUnitary(np.exp(1j * np.arange(16) ** 2), [3, 0, 6, 5]),
    qml.ops.Adjoint(qml.DiagonalQubitUnitary(np.exp(1j * np.arange(4)), [6, 1])),
    qml.BlockEncode(0.2 * np.arange(4).reshape(2, 2), [5, 2]),
    qml.BlockEncode(0.05 * np.arange(16).reshape(4, 4), [5, 2, 7]),
    qml.SpecialUnitary(np.linspace(-1, 1, 63), [0, 4, 2]),
    qml.exp(qml.X(0) @ qml.Z(4) + 0.5 * qml.Y(6), 0.7j),
    qml.evolve(qml.X(0) @ qml.Z(4) + 0.5 * qml.Y(6), 0.7),
    qml.DoubleExcitation(0.81, [6, 1, 0, 3]),
    qml.DoubleExcitationPlus(-1.07, [7, 1, 0, 3]),
    qml.DoubleExcitationMinus(1.33, [1, 2, 3, 4]),
    qml.ops.Adjoint(qml.DoubleExcitationMinus(1.33, [1, 2, 4, 7])),
    qml.OrbitalRotation(0.91, [7, 1, 4, 3]),
    (qml.X(0) + qml.Z(0)) / np.sqrt(2),
]

DECOMPOSED = [
    qml.FlipSign([1, 0, 1], [0, 4, 7]),
    qml.GroverOperator([7, 0, 3, 4]),
    qml.PCPhase(0.4, dim=5, wires=[6, 0, 3]),
    qml.Reflection(qml.prod(qml.H(0), qml.RX(0.3, 4)), 0.7),
    qml.AmplitudeAmplification(qml.prod(qml.H(0), qml.H(4)), qml.FlipSign(1, [0, 4]), iters=2),
    qml.Select([qml.X(0), qml.Z(1), qml.RX(0.4, 2)], control=[5, 6]),
    qml.SelectPauliRot(np.arange(4) / 3, control_wires=[1, 4], target_wire=6, rot_axis="Y"),
    qml.QROM(["01", "11", "10", "00"], control_wires=[0, 1], target_wires=[4, 3], work_wires=None),
    qml.QFT([6, 0, 3, 4]),
    qml.AQFT(order=1, wires=[6, 0, 3, 4]),
    qml.ops.Adjoint(qml.QFT([6, 0, 3])),
    qml.Permute([3, 0, 6], [0, 3, 6]),
    qml.Adder(3, x_wires=[0, 2, 4], mod=8),
    qml.PhaseAdder(2, [0, 1, 3]),
    qml.TrotterProduct(PAULIS, time=0.4, n=2, order=2),
    qml.QDrift(PAULIS, time=0.4, n=5, seed=7),
    qml.ApproxTimeEvolution(PAULIS, 0.4, 2),
    qml.CommutingEvolution(COMMUTING, 0.4),
    qml.evolve(qml.X(0) @ qml.Y(5), 0.62),
    qml.exp(qml.X(0) @ qml.Y(5) @ qml.Z(7), -0.62j),
    qml.RX(1.9, 3) ** 0.5,
    qml.pow(qml.S(2), 3),
    qml.prod(qml.RX(0.3, 0), qml.CNOT([5, 1]), qml.X(0)),
    qml.change_op_basis(qml.H(3), qml.RZ(0.3, 3)),
    qml.s_prod(1j, qml.X(3)),
    qml.QuantumPhaseEstimation(qml.RZ(0.4, 0), estimation_wires=[5, 2]),
    qml.AngleEmbedding([0.1, 0.2, 0.3], [0, 3, 5], rotation="Z"),
    qml.IQPEmbedding([0.1, 0.2, 0.3], [0, 3, 5], n_repeats=2),
    qml.QAOAEmbedding([0.1, 0.2], np.linspace(0, 1, 6).reshape(2, 3), [0, 3]),
    qml.BasicEntanglerLayers([[0.1, 0.2, 0.3]], [0, 3, 5]),
    qml.SimplifiedTwoDesign([0.1, 0.2, 0.3], [[[0.4, 0.5], [0.6, 0.7]]], [0, 3, 5]),
    qml.RandomLayers([[0.1, 0.2, 0.3]], [0, 3, 5], seed=11),
    qml.FermionicSingleExcitation(0.3, [1, 2, 3, 4]),
    qml.FermionicDoubleExcitation(0.3, [1, 2], [4, 5, 6]),
    qml.BasisRotation([2, 3, 4], haar(3, RNG)),
    qml.ArbitraryUnitary(np.linspace(0, 1, 15), [3, 6]),
]

# PennyLane's simulators turn the preparations in them into gates.
PREPARING = [
    qml.PrepSelPrep(qml.dot([0.3, 0.7], [qml.X(0), qml.Z(1)]), control=[5]),
    qml.Qubitization(qml.dot([0.3, 0.7], [qml.X(0), qml.Z(1)]), control=[5]),
    qml.GateFabric([[[0.1, 0.2]]], [0, 3, 5, 6], init_state=[0, 0, 0, 0]),
    qml.ParticleConservingU1([[[0.1, 0.2]]], [0, 3]),
    qml.ParticleConservingU2([[0.1, 0.2, 0.3]], [0, 3]),
    qml.BasisState([1, 0, 1], [6, 0, 2]),
]


def name_of(operator: Operator) -> str:
    return f"{operator.name}-{len(operator.wires)}"


def entangled() -> list[Operator]:
    return operations_of(lambda: haar_brickwall(WIRES, 3, 5))


@pytest.mark.parametrize("operator", [*CONTROLLED, *MATRICES, *DECOMPOSED], ids=name_of)
def test_an_operator_on_an_entangled_state(operator: Operator) -> None:
    operations = [*entangled(), operator, qml.Rot(0.1, 0.2, 0.3, 4)]
    (state,) = run_on(bondline(WIRES, **EXACT), operations, [qml.state()])
    expected = evolve(operations, range(WIRES)).ravel()
    np.testing.assert_allclose(state, expected, atol=1e-9)


@pytest.mark.parametrize("operator", PREPARING, ids=name_of)
def test_a_preparation_inside_an_operator_is_gates(operator: Operator) -> None:
    operations = [*entangled(), operator, qml.Rot(0.1, 0.2, 0.3, 4)]
    (state,) = run_on(bondline(WIRES, **EXACT), operations, [qml.state()])
    (expected,) = run_on(qml.device("default.qubit", wires=WIRES), operations, [qml.state()])
    assert abs(np.vdot(state, expected)) == pytest.approx(1.0, abs=1e-9)  # X may come as RX(pi)


@pytest.mark.parametrize("readout", ["local", "state"])
def test_all_operators_in_one_circuit(readout: str) -> None:
    operations = [*CONTROLLED[::2], *MATRICES[::3], *entangled(), *CONTROLLED[1::2]]
    measurements = [
        qml.expval(qml.Z(0) @ qml.X(5)),
        qml.probs(wires=[6, 1]),
        qml.var(qml.X(3) + qml.Z(4)),
    ]
    device = bondline(WIRES, **EXACT, readout=readout)
    found = run_on(device, operations, measurements)
    reference = run_on(qml.device("default.qubit", wires=WIRES), operations, measurements)
    for value, expected in zip(found, reference, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-9)


@pytest.mark.parametrize(
    "batched",
    [
        lambda: qml.ctrl(qml.RX(np.array([0.1, 0.2, 0.3]), 0), [2, 1], control_values=[0, 1]),
        lambda: qml.ctrl(qml.PauliRot(np.array([0.1, 0.2, 0.3]), "XY", [0, 3]), [2]),
        lambda: qml.QubitUnitary(np.stack([haar(8, RNG) for _ in range(3)]), [0, 1, 3]),
        lambda: qml.DiagonalQubitUnitary(np.exp(1j * RNG.normal(size=(3, 8))), [0, 1, 3]),
        lambda: qml.StatePrep(np.stack([random_state(2)] * 2 + [np.eye(4)[2]]), [3, 0]),
        lambda: qml.AngleEmbedding(RNG.normal(size=(3, 4)), range(4)),
    ],
    ids=["C(RX)", "C(PauliRot)", "QubitUnitary", "DiagonalQubitUnitary", "StatePrep", "Embedding"],
)
def test_batches(batched) -> None:
    operations = [batched(), qml.CRY(0.3, [0, 2]), qml.IsingXX(0.4, [1, 3])]
    (found,) = run_on(bondline(4, **EXACT), operations, [qml.state()])
    (expected,) = run_on(qml.device("default.qubit", wires=4), operations, [qml.state()])
    np.testing.assert_allclose(found, expected, atol=1e-9)


# States


def chain(bonds: list[int]) -> list[np.ndarray]:
    sizes = [1, *bonds, 1]
    rng = np.random.default_rng(len(bonds))
    tensors = []
    for left, right in pairwise(sizes):
        real, imaginary = rng.normal(size=(2, left, 2, right))
        tensors.append(real + 1j * imaginary)
    return [tensors[0][0], *tensors[1:-1], tensors[-1][..., 0]]


def contracted(tensors: list[np.ndarray]) -> np.ndarray:
    found = tensors[0]
    for tensor in tensors[1:]:
        found = np.tensordot(found, tensor, axes=1)
    return found.ravel()


def vector_of(tensors: list[np.ndarray]) -> np.ndarray:
    found = contracted(tensors)
    return found / np.linalg.norm(found)


@pytest.mark.parametrize("right_canonicalize", [False, True])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [4, 1, 3, 0]])
def test_tensors_are_loaded_as_given(order: list[int], right_canonicalize: bool) -> None:
    tensors = chain([2, 4, 2])
    later = [qml.CRY(0.3, [4, 2]), qml.ISWAP([1, 0])]
    prepared = [qml.MPSPrep(tensors, order, right_canonicalize=right_canonicalize), *later]
    (found,) = run_on(bondline(5, **EXACT), prepared, [qml.state()])
    same = [qml.StatePrep(vector_of(tensors), order), *later]
    np.testing.assert_allclose(found, evolve(same, range(5)).ravel(), atol=1e-9)


def test_work_wires_of_tensors_stay_as_they_are() -> None:
    tensors = chain([2, 2])
    prepared = [qml.MPSPrep(tensors, [1, 2, 3], work_wires=[0])]
    (found,) = run_on(bondline(None, **EXACT), prepared, [qml.probs(wires=[0, 1, 2, 3])])
    expected = np.concatenate([abs(vector_of(tensors)) ** 2, np.zeros(8)])
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_tensors_on_many_wires() -> None:
    ghz = [np.eye(2), *[np.eye(2)[:, :, None] * np.eye(2)[:, None, :]] * 98, np.eye(2)]
    operations = [qml.MPSPrep(ghz, range(100)), qml.CNOT([0, 50])]
    found = run_on(
        bondline(100), operations, [qml.expval(qml.Z(3) @ qml.Z(97)), qml.expval(qml.Z(50))]
    )
    np.testing.assert_allclose(found, [1.0, 1.0], atol=1e-9)


@pytest.mark.parametrize(
    "preparations",
    [
        [qml.StatePrep(random_state(3), [3, 1, 2])],
        [qml.AmplitudeEmbedding(np.arange(1, 6), [4, 0, 2], pad_with=0.3, normalize=True)],
        [qml.CosineWindow([4, 0, 2])],
        [qml.StatePrep(random_state(2), [3, 1]), qml.StatePrep(random_state(1), 4)],
        [qml.H(0), qml.CNOT([0, 2]), qml.StatePrep(random_state(2), [3, 1])],
        [qml.BasisState([1, 0], [2, 0]), qml.StatePrep(random_state(2), [3, 1])],
        [qml.Superposition(np.sqrt([0.3, 0.7]), [[0, 1, 1], [1, 0, 1]], [0, 2, 1], work_wire=4)],
        [qml.MottonenStatePreparation(random_state(3), [3, 1, 2])],
    ],
    ids=lambda value: "-".join(operator.name for operator in value),
)
def test_amplitudes_are_loaded_wherever_nothing_acted_before(preparations) -> None:
    operations = [*preparations, qml.CRY(0.9, [3, 0]), qml.IsingXX(0.5, [1, 4])]
    (found,) = run_on(bondline(5, **EXACT), operations, [qml.state()])
    np.testing.assert_allclose(found, evolve(operations, range(5)).ravel(), atol=1e-9)


def test_amplitudes_in_the_middle_are_gates() -> None:
    operations = [qml.H(0), qml.StatePrep(random_state(2), [0, 1]), qml.CNOT([0, 2])]
    (found,) = run_on(bondline(3, **EXACT), operations, [qml.state()])
    (expected,) = run_on(qml.device("default.qubit", wires=3), operations, [qml.state()])
    np.testing.assert_allclose(found, expected, atol=1e-9)


class Chain:
    """A state as the device takes it."""

    def __init__(self, wires, tensors) -> None:
        self.wires = wires
        self.tensors = tensors


def test_circuits_start_from_the_state_of_the_device() -> None:
    tensors = chain([2, 4, 2])
    sites = [tensors[0][None], *tensors[1:-1], tensors[-1][..., None]]
    sites[0] = sites[0] / np.linalg.norm(contracted(tensors))
    order = [2, 0, 3, 1]
    device = bondline(4, **EXACT, initial_state=Chain(order, sites))
    gates = [qml.CRY(0.3, [0, 3]), qml.RX(0.2, 2)]
    (found,) = run_on(device, gates, [qml.state()])
    expected = evolve([qml.StatePrep(vector_of(tensors), order), *gates], range(4)).ravel()
    np.testing.assert_allclose(found, expected, atol=1e-9)
    own = [qml.BasisState([1, 1], [0, 1]), *gates]
    (found,) = run_on(device, own, [qml.state()])
    np.testing.assert_allclose(found, evolve(own, range(4)).ravel(), atol=1e-9)
    late = [qml.RX(0.1, 0), qml.StatePrep([0.6, 0.8], 1)]  # acts on the state as gates do
    (found,) = run_on(device, late, [qml.state()])
    gates = [late[0], *late[1].decomposition()]
    expected = evolve([qml.StatePrep(vector_of(tensors), order), *gates], range(4)).ravel()
    np.testing.assert_allclose(found, expected, atol=1e-9)


# Wide operators: what is known of them without a state vector


@pytest.mark.parametrize("controls", [23, 40, 60])
@pytest.mark.parametrize("value", [0, 1])
def test_wide_controlled_x(controls: int, value: int) -> None:
    n = controls + 1
    target = n // 2
    wires = [wire for wire in range(n) if wire != target]
    prepare = [qml.X(wire) for wire in wires if value]
    flip = qml.MultiControlledX([*wires, target], control_values=[value] * controls)
    measured = [qml.expval(qml.Z(target)), qml.expval(qml.Z(0) @ qml.Z(target))]
    np.testing.assert_allclose(
        run_on(bondline(n), [*prepare, flip], measured), [-1, 2 * value - 1], atol=1e-9
    )
    other = qml.X(wires[5])
    np.testing.assert_allclose(
        run_on(bondline(n), [*prepare, other, flip], measured)[0], 1.0, atol=1e-9
    )
    # One control in superposition: half of the state is flipped.
    half = qml.H(wires[-1])
    np.testing.assert_allclose(
        run_on(bondline(n), [*prepare, half, flip], measured)[0], 0.0, atol=1e-9
    )


def test_wide_controlled_rotations() -> None:
    n = 60
    wires = list(range(n))
    prepare = [qml.X(wire) for wire in range(1, n, 2)]
    values = [wire % 2 for wire in range(10, n)]
    for gate, expected in (
        (qml.RY(0.7, 0), np.cos(0.7)),
        (qml.PauliRot(0.7, "XYZXYZXYZX", range(10)), np.cos(0.7)),
        (qml.Rot(0.3, 0.7, 0.1, 0), np.cos(0.7)),
    ):
        operations = [*prepare, qml.ctrl(gate, wires[10:], control_values=values)]
        (found,) = run_on(bondline(n), operations, [qml.expval(qml.Z(0))])
        assert found == pytest.approx(expected, abs=1e-9)
    phases = [qml.ctrl(qml.GlobalPhase(0.7), wires[10:], control_values=values)]
    (found,) = run_on(
        bondline(n), [*prepare, qml.H(10), *phases], [qml.expval(qml.X(10))]
    )  # fmt: skip
    assert found == pytest.approx(np.cos(0.7), abs=1e-9)


def test_oracles_of_search_on_many_wires() -> None:
    n = 30
    ones = [qml.X(wire) for wire in range(1, n)]
    (found,) = run_on(
        bondline(n), [*ones, qml.H(0), qml.FlipSign([1] * n, range(n))], [qml.expval(qml.X(0))]
    )
    assert found == pytest.approx(-1.0, abs=1e-9)
    # 2|s><s| - 1 turns |0>|+...+> into |1>|+...+>.
    plus = [qml.H(wire) for wire in range(1, n)]
    (found,) = run_on(
        bondline(n), [*plus, qml.GroverOperator(range(n))], [qml.expval(qml.Z(0))]
    )  # fmt: skip
    assert found == pytest.approx(-1.0, abs=1e-9)
    # |10...00> is below the threshold and |10...01> is not.
    phase = qml.PCPhase(0.4, dim=2 ** (n - 1) + 1, wires=range(n))
    (found,) = run_on(
        bondline(n), [qml.X(0), qml.H(n - 1), phase], [qml.expval(qml.X(n - 1))]
    )  # fmt: skip
    assert found == pytest.approx(np.cos(0.8), abs=1e-9)


def test_a_fourier_transform_and_back_on_many_wires() -> None:
    n = 40
    bits = [int(bit) for bit in np.random.default_rng(4).integers(2, size=n)]
    operations = [
        qml.BasisState(bits, range(n)),
        qml.QFT(range(n)),
        qml.Permute(list(range(n - 1, -1, -1)), range(n)),
        qml.Permute(list(range(n - 1, -1, -1)), range(n)),
        qml.adjoint(qml.QFT(range(n))),
    ]
    found = run_on(bondline(n), operations, [qml.expval(qml.Z(wire)) for wire in range(n)])
    np.testing.assert_allclose(found, [1 - 2 * bit for bit in bits], atol=1e-9)


@pytest.mark.parametrize("graph", [False, True])
def test_both_ways_of_decomposition(graph: bool) -> None:
    operations = [*entangled(), qml.GroverOperator([7, 0, 3]), qml.QFT([0, 4, 5]), *DECOMPOSED[:1]]
    with qml.decomposition.toggle_graph_ctx(graph):
        (found,) = run_on(bondline(WIRES, **EXACT), operations, [qml.state()])
    np.testing.assert_allclose(found, evolve(operations, range(WIRES)).ravel(), atol=1e-9)
