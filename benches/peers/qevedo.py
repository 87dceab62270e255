"""qevedo's matrix product state, which draws shots and reads nothing else.

``python -m benches.peers.qevedo w2 64``
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qevedo.simulator import Circuit, run

from benches import measure, workloads

SHOTS = 10_000


def build(workload: workloads.Workload) -> Circuit:
    """Translate a gate list; bit 0 of a matrix index is the first wire given."""
    circuit = Circuit(workload.n_wires, workload.n_wires)
    for gate in workload.gates:
        if gate.matrix is not None:
            circuit.unitary(gate.matrix.tolist(), list(gate.wires[::-1]))
        elif gate.name == "cx":
            circuit.cx(*gate.wires)
        else:
            circuit.gate(gate.name, list(gate.wires), list(gate.params))
    return circuit.measure_all()


def main() -> None:
    """Measure one workload."""
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--one", action="store_true", help="one shot only, as the state's price")
    options = parser.parse_args()
    circuit = build(workloads.load(options.workload))

    def drawing(shots: int) -> Callable[[], measure.Outcome]:
        def call() -> measure.Outcome:
            result = run(
                circuit,
                shots,
                backend="mps",
                seed=1,
                max_bond_dimension=options.chi,
                threads=options.threads,
            )
            bits = [key.replace(" ", "") for key in result.counts]
            weights = np.array(list(result.counts.values()))
            ones = np.array([string.count("1") / len(string) for string in bits])
            return measure.Outcome(
                float(ones @ weights / weights.sum()), fidelity_estimate=float(result.fidelity)
            )

        return call

    if options.one:
        measure.repeat(
            "qevedo",
            options,
            drawing(1),
            versions=measure.versions("qevedo", "qevedo-simulator", "numpy"),
            settings={"shots": 1, "truncation_threshold": 1e-16},
        )
        return
    tasks = [
        measure.Task("qevedo", "one shot", drawing(1), options.threads),
        measure.Task("qevedo", "shots", drawing(SHOTS), options.threads),
    ]
    measure.interleave(
        tasks,
        options,
        versions=measure.versions("qevedo", "qevedo-simulator", "numpy"),
        settings={"shots": SHOTS, "truncation_threshold": 1e-16},
    )


if __name__ == "__main__":
    main()
