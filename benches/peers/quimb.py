"""quimb, ``CircuitMPS``: ``python -m benches.peers.quimb w1 64``."""

from __future__ import annotations

import numpy as np
import quimb.tensor as qtn
from numpy.typing import NDArray

from benches import measure, workloads

PAULI: dict[str, NDArray[np.complex128]] = {
    "X": np.array([[0, 1], [1, 0]], dtype=np.complex128),
    "Z": np.diag([1.0, -1.0]).astype(np.complex128),
}


def evolve(workload: workloads.Workload, chi: int) -> qtn.CircuitMPS:
    """Apply every gate; the state is kept as quimb keeps it (not normalised)."""
    circuit = qtn.CircuitMPS(workload.n_wires, max_bond=chi, cutoff=1e-10)
    for gate in workload.gates:
        if gate.matrix is not None:
            circuit.apply_gate_raw(gate.matrix, gate.wires)
        else:
            name = {"cp": "CPHASE"}.get(gate.name, gate.name.upper())
            circuit.apply_gate(name, *gate.params, *gate.wires)
    return circuit


def outcome(circuit: qtn.CircuitMPS, workload: workloads.Workload) -> measure.Outcome:
    """Sum the words and divide by the norm of the truncated state; the norm is the estimate."""
    terms = {}
    for word in workload.words:
        operator = np.eye(1, dtype=np.complex128)
        for letter in word.values():
            operator = np.kron(operator, PAULI[letter])
        terms[tuple(word)] = operator
    state = circuit.psi
    norm = float(abs(state.H @ state))
    total = state.compute_local_expectation_canonical(terms, normalized=False, info={})
    return measure.Outcome(float(np.real(total)) / norm, int(state.max_bond()), norm)


def main() -> None:
    """Measure one workload."""
    options = measure.parser(__doc__ or "").parse_args()
    workload = workloads.load(options.workload)

    def call() -> measure.Outcome:
        return outcome(evolve(workload, options.chi), workload)

    def state_fidelity() -> float:
        state = np.asarray(evolve(workload, options.chi).psi.to_dense()).reshape(-1)
        return workloads.fidelity(workloads.cached_exact_state(workload, measure.OUT), state)

    measure.repeat(
        "quimb",
        options,
        call,
        versions=measure.versions("quimb", "numpy"),
        settings={"cutoff": 1e-10, "gates": "native 4x4"},
        fidelity=state_fidelity if workloads.compares_states(workload) else None,
    )


if __name__ == "__main__":
    main()
