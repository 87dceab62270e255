"""PennyLane's way on default.tensor: ``python -m benches.peers.default_tensor_kernel zz-60 64``.

One circuit of twice the depth for each pair, as ``qml.kernels.kernel_matrix`` has it. Some pairs
are measured and the time is multiplied up to all of them; no pair is cheaper than another.
"""

from __future__ import annotations

from itertools import combinations, islice

import pennylane as qml

from benches import measure
from benches.kernel_tasks import TASKS


def main() -> None:
    """Measure some pairs."""
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--points", type=int)
    parser.add_argument("--pairs", type=int, default=8)
    options = parser.parse_args()
    task = TASKS[options.workload]
    rows = task.data(options.points)
    device = qml.device("default.tensor", wires=task.wires, method="mps", max_bond_dim=options.chi)
    # A projector on all wires would be a matrix of 4^wires entries there.
    zeros = qml.prod(*(qml.Projector([0], wires=wire) for wire in range(task.wires)))

    @qml.qnode(device, diff_method=None)
    def overlap(x: object, y: object) -> object:
        task.feature_map(x)
        qml.adjoint(task.feature_map)(y)
        return qml.expval(zeros)

    pairs = list(islice(combinations(range(len(rows)), 2), options.pairs))

    def call() -> measure.Outcome:
        values = [float(overlap(rows[one], rows[other])) for one, other in pairs]
        scale = len(rows) * (len(rows) - 1) / 2 / len(pairs)
        return measure.Outcome(values[0], scaled_by=scale)

    measure.repeat(
        "default.tensor",
        options,
        call,
        versions=measure.versions("pennylane", "quimb", "numpy"),
        settings={"points": len(rows), "pairs": len(pairs)},
    )


if __name__ == "__main__":
    main()
