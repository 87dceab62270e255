"""qiskit-aer, method ``matrix_product_state``: ``python -m benches.peers.aer w1 64``."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import Pauli
from qiskit_aer import AerSimulator

from benches import measure, workloads


def build(workload: workloads.Workload) -> QuantumCircuit:
    """Translate the workload to Qiskit, where qubit 0 is the least significant one."""
    circuit = QuantumCircuit(workload.n_wires)
    for gate in workload.gates:
        if gate.matrix is not None:
            circuit.unitary(gate.matrix, gate.wires[::-1])
        else:
            getattr(circuit, gate.name)(*gate.params, *gate.wires)
    return circuit


def read_words(circuit: QuantumCircuit, words: list[dict[int, str]]) -> None:
    """Save each word on its own support: far cheaper in Aer than one sum over all qubits."""
    for index, word in enumerate(words):
        letters = "".join(word.values())[::-1]
        circuit.save_expectation_value(Pauli(letters), list(word), label=f"word {index}")


def simulator(options: argparse.Namespace) -> Any:
    """Set up Aer's MPS with its own defaults, but for the bond, the threads and the faster SVD."""
    return AerSimulator(
        method="matrix_product_state",
        matrix_product_state_max_bond_dimension=options.chi,
        max_parallel_threads=options.threads,
        mps_lapack=True,
        max_memory_mb=2**50,  # Aer's estimate ignores the bond limit and would refuse 40 qubits
    )


def state_fidelity(backend: Any, workload: workloads.Workload) -> float:
    """Compare Aer's own statevector with the exact one."""
    circuit = build(workload)
    circuit.save_statevector()
    state = np.asarray(backend.run(circuit).result().get_statevector())
    ours = state.reshape((2,) * workload.n_wires).transpose().reshape(-1)
    return workloads.fidelity(workloads.cached_exact_state(workload, measure.OUT), ours)


def main() -> None:
    """Measure one workload."""
    options = measure.parser(__doc__ or "").parse_args()
    workload = workloads.load(options.workload)
    backend = simulator(options)
    circuit = build(workload)
    read_words(circuit, workload.words)

    def call() -> measure.Outcome:
        result = backend.run(circuit).result()
        if not result.success:
            raise RuntimeError(f"Aer failed: {result.status}")
        return measure.Outcome(float(sum(result.data().values())))

    measure.repeat(
        "qiskit-aer",
        options,
        call,
        versions=measure.versions("qiskit-aer", "qiskit", "numpy"),
        settings={"svd": "lapack", "truncation_threshold": 1e-16, "gates": "native 4x4"},
        fidelity=(
            (lambda: state_fidelity(backend, workload))
            if workloads.compares_states(workload)
            else None
        ),
    )


if __name__ == "__main__":
    main()
