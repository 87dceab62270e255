"""bondline's kernel matrices from raw data: ``python -m benches.our_kernels zz-60 64``.

Every call makes a new kernel, so that the feature map is recorded, its rows are evolved and their
overlaps taken within the clock. With ``--calls 0`` the only call is the first one, cold.
"""

from __future__ import annotations

from benches import measure
from benches.kernel_tasks import TASKS
from bondline.kernels import FidelityKernel


def main() -> None:
    """Measure one matrix."""
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--points", type=int, help="rows of data, all by default")
    options = parser.parse_args()
    task = TASKS[options.workload]
    rows = task.data(options.points)

    def call() -> measure.Outcome:
        kernel = FidelityKernel(
            task.feature_map,
            task.wires,
            max_bond_dim=options.chi,
            threads=options.threads,
            **task.settings,
        )
        prepared = kernel.prepare(rows)
        if prepared.report.encoding != "recorded once":
            raise RuntimeError(f"not recorded: {prepared.report.reason}")
        matrix = kernel.matrix(prepared)
        return measure.Outcome(float(matrix[0, 1]), largest_bond=prepared.report.largest_bond)

    measure.repeat(
        "bondline",
        options,
        call,
        versions=measure.versions("bondline", "pennylane", "numpy"),
        settings={"points": len(rows), **task.settings},
    )


if __name__ == "__main__":
    main()
