"""The circuits that every simulator runs: fixed seeds, neutral gate lists, no simulator imported.

A circuit is a list of :class:`Gate`; the first wire of a gate is the most significant index of its
matrix (PennyLane's order). Simulators that count the other way round convert on their side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ComplexArray = NDArray[np.complex128]

W2_REFERENCE_VALUE = 1.6215047552
"""<H> of W2 at bond dimension 256, exact: its eight CX chains double bonds to no more."""


@dataclass(frozen=True)
class Gate:
    """One gate: ``name`` is h, rx, ry, rz, rxx, cx, cp or unitary (then ``matrix`` says which)."""

    name: str
    wires: tuple[int, ...]
    params: tuple[float, ...] = ()
    matrix: ComplexArray | None = None


@dataclass(frozen=True)
class Workload:
    """A circuit and the Pauli words read at its end; the value is the sum of their expectations."""

    name: str
    n_wires: int
    gates: list[Gate]
    words: list[dict[int, str]] = field(default_factory=list)
    rows: int = 1  # circuits of this structure in one call, each with angles of its own


def haar_unitary(dim: int, rng: np.random.Generator) -> ComplexArray:
    """Draw a Haar-random unitary: QR of a Ginibre matrix, phases of R undone (Mezzadri 2007)."""
    ginibre = rng.normal(size=(dim, dim)) + 1j * rng.normal(size=(dim, dim))
    q, r = np.linalg.qr(ginibre)
    phases = np.diag(r) / np.abs(np.diag(r))
    return np.asarray(q * phases, dtype=np.complex128)


def haar_brickwall(name: str, n_wires: int, depth: int = 20, seed: int = 11) -> Workload:
    """Build a brickwall of Haar-random two-wire unitaries; every <Z> is read, none is idle."""
    rng = np.random.default_rng(seed)
    gates = [
        Gate("unitary", (wire, wire + 1), (), haar_unitary(4, rng))
        for layer in range(depth)
        for wire in range(layer % 2, n_wires - 1, 2)
    ]
    return Workload(name, n_wires, gates, [{wire: "Z"} for wire in range(n_wires)])


def haar_with_angles(name: str, n_wires: int, depth: int = 20, seed: int = 11) -> Workload:
    """Build the brickwall with a rotation after each unitary: one angle to differentiate by."""
    brickwall = haar_brickwall(name, n_wires, depth, seed)
    angles = iter(0.3 * np.random.default_rng(seed + 1).normal(size=len(brickwall.gates)))
    gates = [
        gate
        for unitary in brickwall.gates
        for gate in (unitary, Gate("rxx", unitary.wires, (float(next(angles)),)))
    ]
    return Workload(name, n_wires, gates, brickwall.words)


def hardware_efficient(
    name: str, n_wires: int, layers: int = 8, seed: int = 22, scale: float = 0.3
) -> Workload:
    """Build layers of RX RY RZ on every wire and a CX chain; the observable is sum ZZ + sum X."""
    angles = scale * np.random.default_rng(seed).normal(size=(layers, n_wires, 3))
    gates: list[Gate] = []
    for layer in angles:
        for wire, triple in enumerate(layer):
            for gate, angle in zip(("rx", "ry", "rz"), triple, strict=True):
                gates.append(Gate(gate, (wire,), (float(angle),)))
        gates += [Gate("cx", (wire, wire + 1)) for wire in range(n_wires - 1)]
    words: list[dict[int, str]] = [{wire: "Z", wire + 1: "Z"} for wire in range(n_wires - 1)]
    words += [{wire: "X"} for wire in range(n_wires)]
    return Workload(name, n_wires, gates, words)


def strongly_entangling(name: str, n_wires: int, layers: int = 3, seed: int = 44) -> Workload:
    """Build layers of RZ RY RZ and a ring of CX, of range 1, 2, ... in turn; every <Z> is read."""
    angles = 0.6 * np.random.default_rng(seed).normal(size=(layers, n_wires, 3))
    gates: list[Gate] = []
    for distance, layer in enumerate(angles, start=1):
        for wire, triple in enumerate(layer):
            for gate, angle in zip(("rz", "ry", "rz"), triple, strict=True):
                gates.append(Gate(gate, (wire,), (float(angle),)))
        gates += [Gate("cx", (wire, (wire + distance) % n_wires)) for wire in range(n_wires)]
    return Workload(name, n_wires, gates, [{wire: "Z"} for wire in range(n_wires)])


def fourier_transform(name: str, n_wires: int, seed: int = 55) -> Workload:
    """Build the Fourier transform without its final reversal on a random product state.

    Every wire meets every other one. <X> is read: <Z> would be nothing but noise around zero.
    """
    rng = np.random.default_rng(seed)
    gates: list[Gate] = []
    for wire in range(n_wires):
        gates.append(Gate("ry", (wire,), (float(rng.uniform(0, np.pi)),)))
        gates.append(Gate("rz", (wire,), (float(rng.uniform(0, 2 * np.pi)),)))
    for wire in range(n_wires):
        gates.append(Gate("h", (wire,)))
        for other in range(wire + 1, n_wires):
            gates.append(Gate("cp", (other, wire), (np.pi / 2 ** (other - wire),)))
    return Workload(name, n_wires, gates, [{wire: "X"} for wire in range(n_wires)])


WORKLOADS: dict[str, Callable[[], Workload]] = {
    "w1": lambda: haar_brickwall("w1", 40),
    "w1-20": lambda: haar_brickwall("w1-20", 20),  # small enough for the exact state
    "w2": lambda: hardware_efficient("w2", 100),
    "w4": lambda: strongly_entangling("w4", 50),
    "w4-20": lambda: strongly_entangling("w4-20", 20),  # small enough for the exact state
    "w5": lambda: fourier_transform("w5", 60),
    "w5-20": lambda: fourier_transform("w5-20", 20),
}

FAMILIES: dict[str, Callable[[str, int], Workload]] = {
    "w1-wires": haar_brickwall,
    "layers": lambda name, size: hardware_efficient(name, size, layers=2),
    "small": lambda name, size: hardware_efficient(name, size, layers=4),
    "batch": lambda name, size: replace(hardware_efficient(name, 60, layers=4), rows=size),
}
"""Circuits by size: ``layers-500`` has 500 wires, ``batch-64`` is 64 circuits of 60 wires."""

GRADIENTS: dict[str, Callable[[], Workload]] = {
    "w3-20": lambda: hardware_efficient("w3-20", 20, layers=4),
    "w3-100": lambda: hardware_efficient("w3-100", 100, layers=4),
    "w2": WORKLOADS["w2"],
    "w1-angles": lambda: haar_with_angles("w1-angles", 40),
    "w3-1000": lambda: hardware_efficient("w3-1000", 1000, layers=4),
    "zeros-100": lambda: hardware_efficient("zeros-100", 100, layers=4, scale=0.0),
}
"""Circuits to differentiate by every angle; the last one starts where training often does."""


def load(name: str) -> Workload:
    """Build the workload called ``name``."""
    known = {**WORKLOADS, **GRADIENTS}
    if name in known:
        return known[name]()
    family, _, size = name.rpartition("-")
    if family in FAMILIES and size.isdecimal():
        return FAMILIES[family](name, int(size))
    choices = [*known, *(f"{family}-<size>" for family in FAMILIES)]
    raise SystemExit(f"unknown workload {name!r}: choose one of {', '.join(choices)}.")


def rows_of_angles(workload: Workload) -> NDArray[np.float64]:
    """List the angles of every circuit of a batch: the first has those of the gates."""
    first = np.array([angles_of(workload)], np.float64)
    shape = (workload.rows - 1, first.shape[1])
    others = 0.3 * np.random.default_rng(66).normal(size=shape)
    return np.concatenate([first, others])


def angles_of(workload: Workload) -> list[float]:
    """List the parameters of all gates in their order."""
    return [parameter for gate in workload.gates for parameter in gate.params]


def pauli_string(word: dict[int, str], n_wires: int) -> str:
    """Spell out a Pauli word, wire 0 first: ``{1: "Z"}`` on three wires is ``IZI``."""
    return "".join(word.get(wire, "I") for wire in range(n_wires))


def matrix_of(gate: Gate) -> ComplexArray:
    """Return the matrix of ``gate``, its first wire most significant."""
    if gate.matrix is not None:
        return gate.matrix
    constant: dict[str, list[list[float]]] = {
        "h": [[np.sqrt(0.5), np.sqrt(0.5)], [np.sqrt(0.5), -np.sqrt(0.5)]],
        "cx": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]],
    }
    if gate.name in constant:
        return np.array(constant[gate.name], dtype=np.complex128)
    (angle,) = gate.params
    if gate.name == "cp":
        return np.diag([1, 1, 1, np.exp(1j * angle)])
    pauli = {"rx": [[0, 1], [1, 0]], "ry": [[0, -1j], [1j, 0]], "rz": [[1, 0], [0, -1]]}
    if gate.name not in pauli:
        raise ValueError(f"the dense state has no matrix for the gate {gate.name!r}.")
    turn = -1j * np.sin(angle / 2) * np.array(pauli[gate.name], dtype=np.complex128)
    return np.asarray(np.cos(angle / 2) * np.eye(2) + turn, dtype=np.complex128)


def exact_state(workload: Workload) -> ComplexArray:
    """Compute the dense state; wire 0 is the most significant bit."""
    state = np.zeros((2,) * workload.n_wires, dtype=np.complex128)
    state.flat[0] = 1.0
    for gate in workload.gates:
        k = len(gate.wires)
        tensor = matrix_of(gate).reshape((2,) * (2 * k))
        state = np.tensordot(tensor, state, axes=(range(k, 2 * k), gate.wires))
        state = np.moveaxis(state, range(k), gate.wires)
    return np.ascontiguousarray(state).reshape(-1)


def cached_exact_state(workload: Workload, folder: Path) -> ComplexArray:
    """Load the exact state, computed once and kept in ``folder``."""
    path = folder / f"exact-{workload.name}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, exact_state(workload))
    return np.asarray(np.load(path), dtype=np.complex128)


def compares_states(workload: Workload) -> bool:
    """Say whether the true fidelity is measured: the exact state of a 20-wire twin is 16 MiB."""
    return workload.name in WORKLOADS and workload.n_wires <= 20


def fidelity(exact: ComplexArray, state: ComplexArray) -> float:
    """Return |<exact|state>|^2 of the normalised states: what a simulator's user would get."""
    overlap = np.vdot(exact, state)
    return float(abs(overlap) ** 2 / (np.vdot(exact, exact).real * np.vdot(state, state).real))
