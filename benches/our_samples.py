"""bondline's shots: ``python -m benches.our_samples w2 64`` (or ``--single``).

Calls ``_core.run`` on arrays built beforehand, for one shot and for 10,000 in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benches import measure, workloads
from benches.ours import Settings, lower
from bondline import _core
from bondline.measurements.bases import Sampling

SHOTS = 10_000


def main() -> None:
    """Measure one workload."""
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--single", action="store_true", help="complex64")
    options = parser.parse_args()
    workload = workloads.load(options.workload)
    settings = Settings(options.chi, options.threads, single_precision=options.single)
    wires = tuple(range(workload.n_wires))
    group = lower(replace(workload, words=[]))

    def drawing(shots: int) -> Callable[[], measure.Outcome]:
        sampling = Sampling(
            wires=wires, letters=np.full(len(wires), 3, np.uint8), shots=shots, stream=0
        )
        requests = replace(
            group.requests, samplings=(sampling,), seeds=np.array([[1, 2]], np.uint64)
        )
        asked = replace(group, requests=requests)

        def call() -> measure.Outcome:
            result = _core.run([asked], settings)[0]
            bits = np.asarray(result.samples[0])
            return measure.Outcome(float(bits.mean()), largest_bond=int(result.largest_bond[0]))

        return call

    name = f"bondline ({'complex64' if options.single else 'complex128'})"
    tasks = [
        measure.Task(name, "one shot", drawing(1), options.threads),
        measure.Task(name, "shots", drawing(SHOTS), options.threads),
    ]
    measure.interleave(
        tasks, options, versions=measure.versions("bondline", "numpy"), settings={"shots": SHOTS}
    )


if __name__ == "__main__":
    main()
