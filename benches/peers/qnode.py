"""Values of PennyLane's own devices: ``python -m benches.peers.qnode small-4 16 --device NAME``."""

from __future__ import annotations

import pennylane as qml

from benches import measure, workloads
from benches.qnodes import energy


def main() -> None:
    """Measure one workload."""
    parser = measure.parser(__doc__ or "")
    devices = ("default.qubit", "lightning.qubit", "default.tensor")
    parser.add_argument("--device", choices=devices, required=True)
    options = parser.parse_args()
    workload = workloads.load(options.workload)
    tensor = {"method": "mps", "max_bond_dim": options.chi}
    keywords = tensor if options.device == "default.tensor" else {}
    node = energy(workload, qml.device(options.device, wires=workload.n_wires, **keywords))
    angles = workloads.angles_of(workload)
    packages = {"lightning.qubit": ("pennylane-lightning",), "default.tensor": ("quimb",)}
    measure.repeat(
        options.device,
        options,
        lambda: measure.Outcome(float(node(angles))),
        versions=measure.versions("pennylane", "numpy", *packages.get(options.device, ())),
        settings=keywords,
        least_seconds=measure.SHORTEST,
    )


if __name__ == "__main__":
    main()
