"""Shots of qoro-maestro: ``python -m benches.peers.maestro_samples w2 64``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benches import measure, workloads
from benches.peers.maestro import Evolution, steps

SHOTS = 10_000


def main() -> None:
    """Measure one workload."""
    options = measure.parser(__doc__ or "").parse_args()
    workload = workloads.load(options.workload)
    program = steps(workload)
    wires = list(range(workload.n_wires))

    def drawing(shots: int) -> Callable[[], measure.Outcome]:
        def call() -> measure.Outcome:
            evolution = Evolution(workload.n_wires, options.chi, options.threads, program)
            counts = evolution.state.SampleCountsMany(wires, shots)
            evolution.close()
            weights = np.array(list(counts.values()))
            ones = np.array([np.mean(outcome) for outcome in counts])
            return measure.Outcome(float(ones @ weights / weights.sum()))

        return call

    tasks = [
        measure.Task("qoro-maestro", "one shot", drawing(1), options.threads),
        measure.Task("qoro-maestro", "shots", drawing(SHOTS), options.threads),
    ]
    measure.interleave(
        tasks,
        options,
        versions=measure.versions("qoro-maestro", "numpy"),
        settings={"shots": SHOTS, "simulator": "QCSim"},
    )


if __name__ == "__main__":
    main()
