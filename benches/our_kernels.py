"""bondline's kernel matrices from raw data: ``python -m benches.our_kernels zz-60 64``.

Every call makes a new kernel, so that the feature map is recorded, its rows are evolved and their
overlaps taken within the clock; with ``--kept`` one kernel serves all calls, as in a search over
parameters. With ``--calls 0`` the only call is the first one, cold.
"""

from __future__ import annotations

from benches import measure
from benches.kernel_tasks import TASKS
from bondline.kernels import FidelityKernel


def main() -> None:
    """Measure one matrix."""
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--points", type=int, help="rows of data, all by default")
    parser.add_argument("--kept", action="store_true", help="one kernel for all calls")
    options = parser.parse_args()
    task = TASKS[options.workload]
    rows = task.data(options.points)

    def make() -> FidelityKernel:
        return FidelityKernel(
            task.feature_map,
            task.wires,
            max_bond_dim=options.chi,
            threads=options.threads,
            **task.settings,
        )

    known = make()
    few = known.prepare(rows[:2]).report
    if few.encoding != "recorded once":
        raise RuntimeError(f"not recorded: {few.reason}")

    def call() -> measure.Outcome:
        matrix = (known if options.kept else make()).matrix(rows)
        return measure.Outcome(float(matrix[0, 1]), largest_bond=few.largest_bond)

    measure.repeat(
        "bondline, kernel kept" if options.kept else "bondline",
        options,
        call,
        versions=measure.versions("bondline", "pennylane", "numpy"),
        settings={"points": len(rows), **task.settings},
    )


if __name__ == "__main__":
    main()
