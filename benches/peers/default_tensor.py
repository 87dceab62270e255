"""PennyLane's default.tensor: ``python -m benches.peers.default_tensor w3-20 64``.

It differentiates by parameter-shift, two circuits for each parameter. Four parameters are measured,
and the time is multiplied up to all of them; no circuit is cheaper than another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pennylane as qml
from pennylane import numpy as pnp

from benches import measure, workloads
from benches.qnodes import energy


def main() -> None:
    """Measure one workload."""
    options = measure.parser(__doc__ or "").parse_args()
    workload = workloads.load(options.workload)
    angles = workloads.angles_of(workload)
    places = measure.some_of(len(angles))
    device = qml.device(
        "default.tensor", wires=workload.n_wires, method="mps", max_bond_dim=options.chi
    )
    node = energy(workload, device, diff_method="parameter-shift")

    def by_some(some: Any) -> Any:
        complete: list[Any] = list(angles)
        for place, angle in zip(places, some, strict=True):
            complete[place] = angle
        return node(complete)

    gradient = qml.grad(by_some)
    some = pnp.array([angles[place] for place in places], requires_grad=True)

    def by_all() -> measure.Outcome:
        derivatives = np.asarray(gradient(some))
        return measure.Outcome(
            float(gradient.forward),
            parameters=len(angles),
            scaled_by=len(angles) / len(places),
            derivatives=tuple(derivatives.tolist()),
        )

    tasks = [
        measure.Task("default.tensor", "value", lambda: measure.Outcome(float(node(angles)))),
        measure.Task("default.tensor", "gradient", by_all),
    ]
    measure.interleave(
        tasks,
        options,
        versions=measure.versions("pennylane", "quimb", "numpy"),
        settings={"method": "mps", "gradient": "parameter-shift", "measured": len(places)},
    )


if __name__ == "__main__":
    main()
