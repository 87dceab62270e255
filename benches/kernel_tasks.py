"""Kernel matrices that are measured: data and feature maps, the same for every simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Row: TypeAlias = Any  # an array, or what stands in for one
Gate: TypeAlias = tuple[str, tuple[int, ...], Any]
"""Name of benches.workloads (h, rz, ry, cx, rzz, rxx), wires, angle or None."""


@dataclass(frozen=True)
class KernelTask:
    """One matrix: its points, and the gates of a row."""

    title: str
    wires: int
    points: int
    low: float
    high: float
    seed: int
    gates: Callable[[Row, int], Iterator[Gate]]
    settings: Mapping[str, float] = field(default_factory=dict)
    published: str = ""

    def data(self, points: int | None = None) -> NDArray[np.float64]:
        """Draw the rows."""
        size = (points or self.points, self.wires)
        return np.random.default_rng(self.seed).uniform(self.low, self.high, size)

    def feature_map(self, row: Row) -> None:
        """Queue the gates in PennyLane."""
        import pennylane as qml  # not every process has it

        names = {
            "h": qml.Hadamard,
            "rz": qml.RZ,
            "ry": qml.RY,
            "cx": qml.CNOT,
            "rzz": qml.IsingZZ,
            "rxx": qml.IsingXX,
        }
        for name, wires, angle in self.gates(row, self.wires):
            if angle is None:
                names[name](wires=wires)
            else:
                names[name](angle, wires=wires)


def zz_map(x: Row, n: int) -> Iterator[Gate]:
    """Two layers of H, RZ and ZZ on neighbours (Havlíček et al., arXiv:1804.11326)."""
    for _ in range(2):
        for wire in range(n):
            yield "h", (wire,), None
            yield "rz", (wire,), 2 * x[wire]
        for wire in range(n - 1):
            angle = 2 * (np.pi - x[wire]) * (np.pi - x[wire + 1]) / np.pi
            yield "rzz", (wire, wire + 1), angle


def ladder_map(x: Row, n: int) -> Iterator[Gate]:
    """H, RZ and RY, a chain of CX, RZ (arXiv:2405.02630)."""
    for wire in range(n):
        yield "h", (wire,), None
        yield "rz", (wire,), x[wire]
        yield "ry", (wire,), x[wire]
    for wire in range(n - 1):
        yield "cx", (wire, wire + 1), None
    for wire in range(n):
        yield "rz", (wire,), x[wire]


def chain_map(x: Row, n: int) -> Iterator[Gate]:
    """Two layers of exp(-iH) of Z and of XX on neighbours, gamma 0.1 (arXiv:2411.09336)."""
    gamma = 0.1
    for wire in range(n):
        yield "h", (wire,), None
    for _ in range(2):
        for wire in range(n):
            yield "rz", (wire,), 2 * gamma * x[wire]
        for wire in range(n - 1):
            yield "rxx", (wire, wire + 1), gamma**2 * np.pi * (1 - x[wire]) * (1 - x[wire + 1])


TASKS = {
    "zz-60": KernelTask("50 × 50, ZZ map on 60 wires", 60, 50, 0.0, 0.2, 77, zz_map),
    "ladder-784": KernelTask(
        "1,000 × 1,000, CX ladder on 784 wires",
        784,
        1000,
        -1.0,
        1.0,
        784,
        ladder_map,
        published="9,089 s on eight H100 (arXiv:2405.02630)",
    ),
    "chain-165": KernelTask(
        "6,400 × 6,400, XX chain on 165 wires",
        165,
        6400,
        0.0,
        2.0,
        165,
        chain_map,
        settings={"cutoff": 1e-16},
        published="10,557 s on 32 GPUs (arXiv:2411.09336)",
    ),
}
