"""How near the reported fidelity comes to the truth: ``python -m benches.fidelity_estimates``.

Families of circuits on 12 wires, smooth and random, at bond dimensions 4 to 24, where the exact
state is affordable. One row of the table is a family: the root mean square error and the mean
error of the norm, and of the estimate that the device reports. See
``docs/decisions/0009-coherence.md``.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import pennylane as qml

Circuit: TypeAlias = Callable[[], None]

WIRES = 12
BONDS = (4, 6, 8, 12, 16, 24)
NEIGHBOURS = [*range(0, WIRES - 1, 2), *range(1, WIRES - 1, 2)]


def ising(field: float, step: float, steps: int) -> Circuit:
    """First-order Trotter steps of the Ising chain, all spins up at first."""

    def circuit() -> None:
        for _ in range(steps):
            for wire in range(WIRES):
                qml.RX(2 * field * step, wire)
            for wire in NEIGHBOURS:
                qml.IsingZZ(2 * step, [wire, wire + 1])

    return circuit


def heisenberg(anisotropy: float, step: float, steps: int) -> Circuit:
    """First-order Trotter steps of the XXZ chain from the Neel state."""

    def circuit() -> None:
        for wire in range(0, WIRES, 2):
            qml.X(wire)
        for _ in range(steps):
            for wire in NEIGHBOURS:
                qml.IsingXX(2 * step, [wire, wire + 1])
                qml.IsingYY(2 * step, [wire, wire + 1])
                qml.IsingZZ(2 * anisotropy * step, [wire, wire + 1])

    return circuit


def entangling_layers(scale: float, depth: int) -> Circuit:
    """Random rotations and chains of CNOTs."""
    angles = np.random.default_rng(1).normal(size=(depth, WIRES, 3)) * scale

    def circuit() -> None:
        for layer in angles:
            for wire in range(WIRES):
                qml.Rot(*layer[wire], wire)
            for wire in range(WIRES - 1):
                qml.CNOT([wire, wire + 1])

    return circuit


def small_entanglers(scale: float, depth: int, repeated: bool) -> Circuit:
    """Rotations and weak Ising gates, the same in every layer or not."""
    layers = np.random.default_rng(2).normal(size=(1 if repeated else depth, WIRES, 2)) * scale

    def circuit() -> None:
        for layer in range(depth):
            for wire, (one, other) in enumerate(layers[layer % len(layers)]):
                qml.RY(one, wire)
                qml.RZ(other, wire)
            for wire in NEIGHBOURS:
                qml.IsingXX(scale, [wire, wire + 1])

    return circuit


def brickwall(depth: int) -> Circuit:
    """Haar-random gates."""
    rng = np.random.default_rng(3)

    def gate() -> Any:
        return np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))[0]

    gates = [(gate(), wire) for layer in range(depth) for wire in range(layer % 2, WIRES - 1, 2)]

    def circuit() -> None:
        for matrix, wire in gates:
            qml.QubitUnitary(matrix, [wire, wire + 1])

    return circuit


def families() -> Iterator[tuple[str, Circuit]]:
    """Yield every circuit with the name of its family."""
    for field in (0.5, 1.0, 2.0):
        for step, steps in ((0.05, 20), (0.05, 40), (0.05, 60), (0.05, 80), (0.05, 120)):
            yield "Ising, step .05", ising(field, step, steps)
        for steps in (20, 30, 40, 60):
            yield "Ising, step .1", ising(field, 0.1, steps)
    for steps in (75, 150, 200):
        yield "Ising, step .02", ising(1.0, 0.02, steps)
    for anisotropy in (0.0, 0.5, 1.0):
        for steps in (10, 20, 30, 40):
            yield "Heisenberg", heisenberg(anisotropy, 0.05, steps)
    for scale in (0.1, 0.3, 1.0, 3.0):
        for depth in (4, 8, 16):
            yield "rotations and CNOTs", entangling_layers(scale, depth)
    for scale in (0.1, 0.3, 0.6):
        for depth in (5, 10, 20, 40):
            for repeated in (False, True):
                yield "weak entanglers", small_entanglers(scale, depth, repeated)
    for depth in (6, 8, 10, 14):
        yield "Haar brickwall", brickwall(depth)


def state(circuit: Circuit, bond: int | None) -> tuple[Any, Any]:
    """Return the state of a circuit at a bond dimension, and the report."""
    exact = {"cutoff": 0.0} if bond is None else {}
    device = qml.device(
        "bondline.mps",
        wires=WIRES,
        max_bond_dim=bond,
        ordering="given",
        on_low_fidelity="ignore",
        **exact,
    )

    @qml.qnode(device)
    def whole() -> Any:
        circuit()
        return qml.state()

    return whole(), device.reports[0]


def main() -> int:
    """Print the table."""
    errors: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for family, circuit in families():
        exact, _ = state(circuit, None)
        for bond in BONDS:
            found, report = state(circuit, bond)
            truth = abs(np.vdot(exact, found)) ** 2
            if truth < 0.9999:
                error = (report.norm - truth, report.fidelity_estimate - truth)
                errors[family].append(error)
                errors["all"].append(error)
    print("| family | cases | norm: rms error | mean | estimate: rms error | mean | largest |")
    print("|---|---|---|---|---|---|---|")
    for family, rows in errors.items():
        norm, estimate = np.array(rows).T
        print(
            f"| {family} | {len(rows)} | {np.sqrt((norm**2).mean()):.3f} | {norm.mean():+.3f} "
            f"| {np.sqrt((estimate**2).mean()):.3f} | {estimate.mean():+.3f} "
            f"| {estimate[abs(estimate).argmax()]:+.3f} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
