"""Circuit families and the gate list that every setting of the device is compared on.

Circuits are plain PennyLane, on wires ``0 … n-1``, with parameters from fixed seeds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.operation import Operator

Wires = Sequence[int]


def haar(dimension: int, rng: np.random.Generator) -> NDArray[np.complex128]:
    """Return a Haar-random unitary, its phases fixed so that it does not depend on the QR used."""
    gaussian = rng.normal(size=(2, dimension, dimension))
    q, r = np.linalg.qr(gaussian[0] + 1j * gaussian[1])
    phases = np.diag(r) / abs(np.diag(r))
    return np.asarray(q * phases)


def orthogonal(dimension: int, rng: np.random.Generator) -> NDArray[np.complex128]:
    """Return a random real unitary, as a complex array."""
    q, r = np.linalg.qr(rng.normal(size=(dimension, dimension)))
    return np.asarray(q * np.sign(np.diag(r)), complex)


def operations_of(circuit: Callable[[], Any]) -> list[Operator]:
    """Return the operators that a quantum function queues."""
    with qml.queuing.AnnotatedQueue() as queue:
        circuit()
    operations: list[Operator] = qml.tape.QuantumScript.from_queue(queue).operations
    return operations


# ---------------------------------------------------------------------------------------------
# Gates, one by one


@dataclass(frozen=True)
class Gate:
    """A gate of the table: how many wires it takes and how to queue it on them."""

    name: str
    arity: int
    build: Callable[[Wires], Any]


def _fixed(name: str, arity: int, *parameters: float) -> Gate:
    operator = getattr(qml, name)
    return Gate(name, arity, lambda wires: operator(*parameters, wires=list(wires)))


def _adjoint(gate: Gate) -> Gate:
    return Gate(f"Adjoint({gate.name})", gate.arity, lambda wires: qml.adjoint(gate.build)(wires))


def _unitary(arity: int) -> Gate:
    matrix = haar(2**arity, np.random.default_rng(60 + arity))
    return Gate(f"QubitUnitary-{arity}", arity, lambda wires: qml.QubitUnitary(matrix, wires=wires))


def _pauli_rot(word: str) -> Gate:
    return Gate(
        f"PauliRot-{word}", len(word), lambda wires: qml.PauliRot(0.83, word, wires=list(wires))
    )


def _multi_rz(arity: int) -> Gate:
    return Gate(f"MultiRZ-{arity}", arity, lambda wires: qml.MultiRZ(-1.17, wires=list(wires)))


def _controlled(
    name: str, build: Callable[[Wires], Any], controls: int, targets: int, values: Sequence[int]
) -> Gate:
    def queue(wires: Wires) -> None:
        qml.ctrl(build, control=list(wires[:controls]), control_values=list(values))(
            wires[controls:]
        )

    return Gate(name, controls + targets, queue)


ONE_WIRE = [
    _fixed("Identity", 1),
    _fixed("PauliX", 1),
    _fixed("PauliY", 1),
    _fixed("PauliZ", 1),
    _fixed("Hadamard", 1),
    _fixed("S", 1),
    _fixed("T", 1),
    _fixed("SX", 1),
    _fixed("RX", 1, 0.61),
    _fixed("RY", 1, -1.37),
    _fixed("RZ", 1, 2.19),
    _fixed("PhaseShift", 1, 0.77),
    _fixed("U1", 1, -0.45),
    _fixed("U2", 1, 0.31, -1.91),
    _fixed("U3", 1, 1.13, 0.57, -2.23),
    _fixed("Rot", 1, 0.37, 1.71, -0.93),
    _unitary(1),
    _pauli_rot("X"),
    _pauli_rot("Y"),
    _multi_rz(1),
]

TWO_WIRES = [
    _fixed("CNOT", 2),
    _fixed("CZ", 2),
    _fixed("CY", 2),
    _fixed("CH", 2),
    _fixed("SWAP", 2),
    _fixed("ISWAP", 2),
    _fixed("SISWAP", 2),
    _fixed("ECR", 2),
    _fixed("CRX", 2, 0.67),
    _fixed("CRY", 2, -1.31),
    _fixed("CRZ", 2, 2.09),
    _fixed("CRot", 2, 0.41, -1.03, 1.87),
    _fixed("ControlledPhaseShift", 2, 1.23),
    _fixed("CPhaseShift00", 2, 0.53),
    _fixed("CPhaseShift01", 2, -0.71),
    _fixed("CPhaseShift10", 2, 1.59),
    _fixed("IsingXX", 2, 0.47),
    _fixed("IsingYY", 2, -0.89),
    _fixed("IsingZZ", 2, 1.43),
    _fixed("IsingXY", 2, 2.03),
    _fixed("SingleExcitation", 2, 0.79),
    _fixed("SingleExcitationPlus", 2, -1.21),
    _fixed("SingleExcitationMinus", 2, 1.61),
    _fixed("FermionicSWAP", 2, 0.97),
    _fixed("PSWAP", 2, -0.59),
    _unitary(2),
    _multi_rz(2),
    *map(_pauli_rot, ("XY", "ZZ", "YI", "IX", "II")),
]

WIDE = [
    *map(_multi_rz, (3, 4, 5, 6)),
    *map(_pauli_rot, ("XYZ", "ZIX", "IYI", "YXZX", "XIIY", "ZYXZY", "XYIZIX", "YYYYYY", "IIIIII")),
]

# Gates that no matrix-product device applies as they are: they must be decomposed, and right.
DECOMPOSED = [
    _fixed("Toffoli", 3),
    _fixed("CCZ", 3),
    _fixed("CSWAP", 3),
    _fixed("DoubleExcitation", 4, 0.81),
    _fixed("OrbitalRotation", 4, 0.91),
    _fixed("QFT", 4),
    _fixed("GroverOperator", 4),
    _unitary(3),
    Gate(
        "MultiControlledX-101",
        4,
        lambda wires: qml.MultiControlledX(wires=list(wires), control_values=[1, 0, 1]),
    ),
    Gate(
        "DiagonalQubitUnitary-3",
        3,
        lambda wires: qml.DiagonalQubitUnitary(np.exp(1j * np.arange(8) ** 2 / 3), wires=wires),
    ),
    Gate("Permute", 4, lambda wires: qml.Permute([wires[i] for i in (2, 0, 3, 1)], wires=wires)),
    Gate("RX-power", 1, lambda wires: qml.RX(1.9, wires=wires) ** 0.5),
    Gate("S-power", 1, lambda wires: qml.S(wires=wires) ** 3),
    Gate("exp-word", 2, lambda wires: qml.evolve(qml.X(wires[0]) @ qml.Y(wires[1]), 0.62)),
    _controlled("C0(RX)", lambda wires: qml.RX(1.7, wires=wires), 1, 1, [0]),
    _controlled("C11(RY)", lambda wires: qml.RY(-0.9, wires=wires), 2, 1, [1, 1]),
    _controlled("C10(Rot)", lambda wires: qml.Rot(0.4, 1.2, -0.7, wires=wires), 2, 1, [1, 0]),
    _controlled("C(IsingXX)", lambda wires: qml.IsingXX(0.8, wires=wires), 1, 2, [1]),
    _controlled("C(SWAP)", lambda wires: qml.SWAP(wires=wires), 1, 2, [0]),
    _controlled("C(GlobalPhase)", lambda wires: qml.GlobalPhase(0.55), 2, 0, [1, 0]),
    _controlled("C(T)", lambda wires: qml.T(wires=wires), 1, 1, [1]),
    _controlled(
        "C(QubitUnitary)",
        lambda wires: qml.QubitUnitary(haar(2, np.random.default_rng(9)), wires=wires),
        1,
        1,
        [1],
    ),
]

# PennyLane knows the matrices of these and nothing simpler.
MATRIX_ONLY = [
    _fixed("DoubleExcitationPlus", 4, -1.07),
    _fixed("DoubleExcitationMinus", 4, 1.33),
]

NATIVE = [*ONE_WIRE, *TWO_WIRES, *WIDE]
ADJOINTS = [_adjoint(gate) for gate in NATIVE]
GATES = [*NATIVE, *ADJOINTS, *DECOMPOSED, *MATRIX_ONLY]


def gate_on_entangled_wires(gate: Gate, n: int = 7) -> None:
    """Queue a gate on neighbours, on reversed neighbours and on far wires, on a generic state."""
    rng = np.random.default_rng(7)
    k = gate.arity
    start = (n - k) // 2
    neighbours = list(range(start, start + k))
    ends_first = [0, n - 1, 2, n - 2, 3, 1][:k]  # with gaps and out of order
    for wires in (neighbours, neighbours[::-1], ends_first):
        for left in (0, 1):
            for wire in range(left, n - 1, 2):
                qml.QubitUnitary(haar(4, rng), wires=[wire, wire + 1])
        gate.build(wires)


# ---------------------------------------------------------------------------------------------
# Families


@dataclass(frozen=True)
class Family:
    """A circuit with a name and a number of wires."""

    name: str
    n_wires: int
    circuit: Callable[[], Any]

    def operations(self) -> list[Operator]:
        """Return the operators of the circuit."""
        return operations_of(self.circuit)


def haar_brickwall(n: int, depth: int, seed: int) -> None:
    """Queue random two-wire unitaries, even pairs and odd pairs in turn."""
    rng = np.random.default_rng(seed)
    for layer in range(depth):
        for wire in range(layer % 2, n - 1, 2):
            qml.QubitUnitary(haar(4, rng), wires=[wire, wire + 1])


def orthogonal_brickwall(n: int, depth: int, seed: int) -> None:
    """Queue a brickwall of real unitaries."""
    rng = np.random.default_rng(seed)
    for layer in range(depth):
        for wire in range(layer % 2, n - 1, 2):
            qml.QubitUnitary(orthogonal(4, rng), wires=[wire, wire + 1])


def hardware_efficient(n: int, depth: int, seed: int) -> None:
    """Queue rotations on every wire and a chain of CNOTs, in layers."""
    rng = np.random.default_rng(seed)
    for _ in range(depth):
        for wire in range(n):
            qml.RX(rng.normal(), wires=wire)
            qml.RY(rng.normal(), wires=wire)
            qml.RZ(rng.normal(), wires=wire)
        for wire in range(n - 1):
            qml.CNOT(wires=[wire, wire + 1])


def strongly_entangling(n: int, depth: int, seed: int) -> None:
    """Queue PennyLane's template, whose CNOTs reach further in every layer."""
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, size=(depth, n, 3))
    qml.StronglyEntanglingLayers(angles, wires=range(n))


def fourier(n: int, seed: int) -> None:
    """Queue the Fourier transform of a random product state."""
    rng = np.random.default_rng(seed)
    for wire in range(n):
        qml.Rot(*rng.uniform(0, 2 * np.pi, size=3), wires=wire)
    qml.QFT(wires=range(n))


def all_to_all_iqp(n: int, seed: int) -> None:
    """Queue Hadamards around diagonal rotations of all wires, pairs and triples in a row."""
    rng = np.random.default_rng(seed)
    for wire in range(n):
        qml.Hadamard(wires=wire)
        qml.RZ(rng.normal(), wires=wire)
    for first in range(n):
        for second in range(first + 1, n):
            qml.MultiRZ(rng.normal(), wires=[second, first])
    for first in range(n - 2):
        qml.MultiRZ(rng.normal(), wires=range(first, first + 3))
    for wire in range(n):
        qml.Hadamard(wires=wire)


def ring(n: int, depth: int, seed: int) -> None:
    """Queue layers of rotations and couplings around a closed ring."""
    rng = np.random.default_rng(seed)
    for _ in range(depth):
        for wire in range(n):
            qml.RY(rng.normal(), wires=wire)
        for wire in range(n):
            qml.IsingXX(rng.normal(), wires=[wire, (wire + 1) % n])
            qml.CRZ(rng.normal(), wires=[(wire + 1) % n, wire])


def ghz(n: int) -> None:
    """Queue the state with all wires equal."""
    qml.Hadamard(wires=0)
    for wire in range(n - 1):
        qml.CNOT(wires=[wire, wire + 1])


def clifford_angles(n: int, depth: int, seed: int) -> None:
    """Queue rotations by multiples of a quarter turn, zero among them, and CNOTs anywhere."""
    rng = np.random.default_rng(seed)
    for _ in range(depth):
        for wire in range(n):
            for rotation in (qml.RX, qml.RY, qml.RZ):
                rotation(rng.integers(-3, 4) * np.pi / 2, wires=wire)
        for _ in range(n):
            first, second = rng.choice(n, size=2, replace=False)
            qml.CNOT(wires=[int(first), int(second)])
            qml.IsingYY(rng.integers(0, 4) * np.pi / 2, wires=[int(second), int(first)])


def trotter_ising(n: int, steps: int) -> None:
    """Queue the smooth time evolution of an Ising chain in a tilted field."""
    for _ in range(steps):
        for wire in range(n):
            qml.RX(0.2, wires=wire)
            qml.RZ(0.1, wires=wire)
        for wire in range(n - 1):
            qml.IsingZZ(-0.2, wires=[wire, wire + 1])


def product(n: int, seed: int) -> None:
    """Queue one rotation on every wire."""
    rng = np.random.default_rng(seed)
    for wire in range(n):
        qml.Rot(*rng.uniform(0, 2 * np.pi, size=3), wires=wire)


def identities(n: int) -> None:
    """Queue gates that are the identity, by name or by angle."""
    for wire in range(n):
        qml.Identity(wires=wire)
        qml.RX(0.0, wires=wire)
    qml.Barrier(wires=range(n))
    qml.CRX(0.0, wires=[0, n - 1])
    qml.MultiRZ(0.0, wires=range(n))
    qml.SWAP(wires=[0, n - 1])
    qml.SWAP(wires=[0, n - 1])


def untouched_wires() -> None:
    """Queue gates on wires 2 and 5 only."""
    qml.RY(0.7, wires=5)
    qml.CRX(1.9, wires=[5, 2])
    qml.RY(-0.4, wires=2)


def every_gate(n: int, gates: Sequence[Gate], seed: int) -> None:
    """Queue each gate once, on random wires in random order."""
    rng = np.random.default_rng(seed)
    for wire in range(n):
        qml.Rot(*rng.uniform(0, 2 * np.pi, size=3), wires=wire)
    for gate in gates:
        gate.build([int(wire) for wire in rng.permutation(n)[: gate.arity]])
    qml.GlobalPhase(0.37)
    qml.GlobalPhase(-1.21, wires=0)


def basis_state() -> None:
    """Queue a basis state on some wires, out of order, and a few gates on others too."""
    qml.BasisState(np.array([1, 1, 0, 1]), wires=[4, 0, 3, 2])
    qml.CRY(0.9, wires=[4, 5])
    qml.IsingXY(0.5, wires=[0, 1])
    qml.CNOT(wires=[2, 3])


def prepared_amplitudes() -> None:
    """Queue given amplitudes on three wires out of order, then entangle them with the others."""
    amplitudes = haar(8, np.random.default_rng(31))[0]
    qml.StatePrep(amplitudes, wires=[3, 1, 2])
    qml.CRY(0.9, wires=[3, 0])
    qml.IsingXX(0.5, wires=[1, 4])


def templates(n: int, seed: int) -> None:
    """Queue embeddings and layers that are made of elementary gates."""
    rng = np.random.default_rng(seed)
    qml.AngleEmbedding(rng.normal(size=n), wires=range(n), rotation="Y")
    qml.IQPEmbedding(rng.normal(size=n), wires=range(n), n_repeats=2)
    qml.BasicEntanglerLayers(rng.normal(size=(2, n)), wires=range(n))
    qml.SimplifiedTwoDesign(rng.normal(size=n), rng.normal(size=(2, n - 1, 2)), wires=range(n))
    qml.TrotterProduct(
        qml.dot([0.3, -0.6, 0.9], [qml.X(0) @ qml.X(n - 1), qml.Z(1), qml.Y(0) @ qml.Z(2)]),
        time=0.4,
        n=2,
        order=2,
    )


def adjoint_of_a_block(n: int, seed: int) -> None:
    """Queue a circuit, some gates, and the inverse of another circuit."""
    hardware_efficient(n, 1, seed)
    qml.adjoint(strongly_entangling)(n, 2, seed + 1)
    qml.adjoint(qml.QFT(wires=range(n)))


FAMILIES = [
    Family("one-wire-gates-1", 1, lambda: every_gate(1, ONE_WIRE, 1)),
    Family("one-wire-gates-3", 3, lambda: every_gate(3, ONE_WIRE, 2)),
    Family("two-wire-gates-2", 2, lambda: every_gate(2, TWO_WIRES, 3)),
    Family("two-wire-gates-6", 6, lambda: every_gate(6, TWO_WIRES, 4)),
    Family("wide-gates-8", 8, lambda: every_gate(8, WIDE, 5)),
    Family("adjoint-gates-7", 7, lambda: every_gate(7, ADJOINTS, 6)),
    Family("decomposed-gates-6", 6, lambda: every_gate(6, DECOMPOSED, 7)),
    Family("haar-1", 1, lambda: qml.QubitUnitary(haar(2, np.random.default_rng(10)), wires=[0])),
    Family("haar-2", 2, lambda: haar_brickwall(2, 1, 11)),
    Family("haar-3", 3, lambda: haar_brickwall(3, 4, 12)),
    Family("haar-8", 8, lambda: haar_brickwall(8, 8, 13)),
    Family("real-7", 7, lambda: orthogonal_brickwall(7, 6, 14)),
    Family("cnot-chain-7", 7, lambda: hardware_efficient(7, 3, 15)),
    Family("strongly-entangling-6", 6, lambda: strongly_entangling(6, 3, 16)),
    Family("fourier-5", 5, lambda: fourier(5, 17)),
    Family("iqp-6", 6, lambda: all_to_all_iqp(6, 18)),
    Family("ring-7", 7, lambda: ring(7, 2, 19)),
    Family("ghz-9", 9, lambda: ghz(9)),
    Family("clifford-6", 6, lambda: clifford_angles(6, 3, 20)),
    Family("trotter-ising-10", 10, lambda: trotter_ising(10, 8)),
    Family("product-9", 9, lambda: product(9, 21)),
    Family("identity-4", 4, lambda: identities(4)),
    Family("empty-1", 1, lambda: None),
    Family("empty-5", 5, lambda: None),
    Family("untouched-7", 7, untouched_wires),
    Family("basis-state-6", 6, basis_state),
    Family("amplitudes-5", 5, prepared_amplitudes),
    Family("templates-4", 4, lambda: templates(4, 22)),
    Family("adjoint-block-5", 5, lambda: adjoint_of_a_block(5, 23)),
]
