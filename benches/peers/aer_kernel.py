"""Kernel matrix by Aer's states and NumPy: ``python -m benches.peers.aer_kernel zz-60 64``.

Aer keeps the state of every row once, as a matrix product state; NumPy takes the overlaps of all
pairs in one batch of matrix products, or pair by pair with ``--singly``, as one writes it first.
Circuits are built within the clock, as bondline's are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from benches import measure, small_products
from benches.kernel_tasks import TASKS, KernelTask
from benches.peers.aer import simulator


def build(task: KernelTask, row: NDArray[np.float64]) -> QuantumCircuit:
    """Translate the feature map of one row."""
    circuit = QuantumCircuit(task.wires)
    for name, wires, angle in task.gates(row, task.wires):
        getattr(circuit, name)(*(() if angle is None else (angle,)), *wires)
    circuit.save_matrix_product_state(label="state")
    return circuit


def tensors(state: Any) -> list[NDArray[np.complex128]]:
    """Put Aer's Schmidt values into the tensor to their left."""
    matrices, schmidt = state
    found = [np.stack([np.asarray(part) for part in pair], axis=1) for pair in matrices]
    for site, values in zip(found, schmidt, strict=False):
        site *= np.asarray(values)
    return found


def overlap(bra: list[NDArray[np.complex128]], ket: list[NDArray[np.complex128]]) -> np.complex128:
    """Contract one pair from left to right."""
    edge = np.ones((1, 1), dtype=np.complex128)
    for one, other in zip(bra, ket, strict=True):
        # half[a, s, r] = sum_l E[a, l] ket[l, s, r]; E'[m, r] = sum_{a s} conj(bra[a, s, m]) half
        edge = np.tensordot(one.conj(), np.tensordot(edge, other, 1), ([0, 1], [0, 1]))
    return np.complex128(edge[0, 0])


def main() -> None:
    """Measure one matrix."""
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--points", type=int)
    parser.add_argument("--singly", action="store_true", help="overlaps pair by pair")
    options = parser.parse_args()
    task = TASKS[options.workload]
    rows = task.data(options.points)
    backend = simulator(options)

    def call() -> measure.Outcome:
        result = backend.run([build(task, row) for row in rows]).result()
        if not result.success:
            raise RuntimeError(f"Aer failed: {result.status}")
        states = [tensors(result.data(place)["state"]) for place in range(len(rows))]
        bra, ket = np.triu_indices(len(rows), 1)
        if options.singly:
            found = [overlap(states[i], states[j]) for i, j in zip(bra, ket, strict=True)]
        else:
            found = small_products.overlaps(small_products.pack(states), bra, ket)
        matrix = np.eye(len(rows))
        values = np.abs(found) ** 2
        matrix[bra, ket] = values
        matrix[ket, bra] = values
        bond = max(site.shape[2] for state in states for site in state)
        return measure.Outcome(float(matrix[0, 1]), largest_bond=bond)

    measure.repeat(
        f"qiskit-aer and numpy ({'pair by pair' if options.singly else 'batched'})",
        options,
        call,
        versions=measure.versions("qiskit-aer", "qiskit", "numpy"),
        settings={"points": len(rows), "svd": "lapack", "truncation_threshold": 1e-16},
    )


if __name__ == "__main__":
    main()
