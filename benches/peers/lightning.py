"""PennyLane's lightning.qubit, a statevector: ``python -m benches.peers.lightning w3-20 64``.

Its adjoint gradient is exact, and the bond dimension means nothing to it.
"""

from __future__ import annotations

import pennylane as qml
from pennylane import numpy as pnp

from benches import measure, workloads
from benches.qnodes import energy


def main() -> None:
    """Measure one workload."""
    options = measure.parser(__doc__ or "").parse_args()
    workload = workloads.load(options.workload)
    angles = workloads.angles_of(workload)
    device = qml.device("lightning.qubit", wires=workload.n_wires)
    node = energy(workload, device, diff_method="adjoint")
    gradient = qml.grad(node)
    array = pnp.array(angles, requires_grad=True)

    def both() -> measure.Outcome:
        derivatives = gradient(array)
        kept = tuple(float(derivatives[place]) for place in measure.some_of(len(angles)))
        return measure.Outcome(float(gradient.forward), parameters=len(angles), derivatives=kept)

    tasks = [
        measure.Task("lightning.qubit", "value", lambda: measure.Outcome(float(node(angles)))),
        measure.Task("lightning.qubit", "gradient", both),
    ]
    measure.interleave(
        tasks,
        options,
        versions=measure.versions("pennylane", "pennylane-lightning", "numpy"),
        settings={"gradient": "adjoint"},
    )


if __name__ == "__main__":
    main()
