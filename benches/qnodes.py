"""A workload as a QNode, for bondline and for PennyLane's own devices alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pennylane as qml

from benches import workloads

LETTERS = {"X": qml.X, "Y": qml.Y, "Z": qml.Z}
GATES = {
    "h": qml.Hadamard,
    "rx": qml.RX,
    "ry": qml.RY,
    "rz": qml.RZ,
    "rxx": qml.IsingXX,
    "cx": qml.CNOT,
    "cp": qml.ControlledPhaseShift,
}


def hamiltonian(workload: workloads.Workload) -> Any:
    """Build the sum of the words that a workload reads."""
    return qml.Hamiltonian(
        np.ones(len(workload.words)),
        [
            qml.prod(*(LETTERS[letter](wire) for wire, letter in word.items()))
            for word in workload.words
        ],
    )


def energy(workload: workloads.Workload, device: Any, **keywords: Any) -> qml.QNode:
    """Return the value of a workload as a function of all its angles, in the order of its gates."""
    observable = hamiltonian(workload)

    def circuit(angles: Sequence[Any]) -> Any:
        used = 0
        for gate in workload.gates:
            if gate.matrix is not None:
                qml.QubitUnitary(gate.matrix, gate.wires)
            elif gate.params:
                GATES[gate.name](angles[used], wires=gate.wires)
                used += 1
            else:
                GATES[gate.name](wires=gate.wires)
        return qml.expval(observable)

    return qml.QNode(circuit, device, **keywords)
