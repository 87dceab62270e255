"""Overlaps alone, beside chains of small products: ``python -m benches.our_overlaps pairs-60 2``.

States of full bonds on as many wires as the name says; both take turns in one process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benches import measure, small_products
from bondline._core import EncodedStates, log_overlaps


def main() -> None:
    """Measure one bond dimension."""
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--points", type=int, default=300)
    options = parser.parse_args()
    states = small_products.random_states(
        options.points, int(options.workload.partition("-")[2]), options.chi
    )
    bonds = np.array([[site.shape[3] for site in states[:-1]]] * options.points, dtype=np.uint32)
    entries = np.concatenate([site.reshape(options.points, -1) for site in states], axis=1)
    packed = EncodedStates.from_parts(bonds, entries.ravel())
    bra, ket = np.triu_indices(options.points, 1)

    def ours() -> measure.Outcome:
        matrix = log_overlaps(packed, None, options.threads)
        return measure.Outcome(float(np.exp(matrix[0, 1])), largest_bond=options.chi)

    def products() -> measure.Outcome:
        # In blocks that stay in the cache, which is twice as fast as all at once.
        found = [
            small_products.overlaps(states, bra[at : at + 2048], ket[at : at + 2048])
            for at in range(0, len(bra), 2048)
        ]
        return measure.Outcome(float(abs(found[0][0]) ** 2), largest_bond=options.chi)

    chains = {
        "BLAS, small products": small_products.compiled(states, bra, ket, blas=True),
        "C loops, small products": small_products.compiled(states, bra, ket, blas=False),
    }

    def one_by_one(chain: Callable[[], Any]) -> measure.Outcome:
        return measure.Outcome(float(abs(chain()[0]) ** 2), largest_bond=options.chi)

    tasks = [
        measure.Task("bondline", "overlaps", ours, options.threads),
        measure.Task("numpy, small products", "overlaps", products, options.threads),
        *(
            measure.Task(name, "overlaps", partial(one_by_one, chain), options.threads)
            for name, chain in chains.items()
        ),
    ]
    measure.interleave(
        tasks,
        options,
        versions=measure.versions("bondline", "numpy"),
        settings={"points": options.points, "pairs": len(bra)},
        least_seconds=measure.SHORTEST,
    )


if __name__ == "__main__":
    main()
