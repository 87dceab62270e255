"""What ideal matrix products would take: the arithmetic that a two-site step cannot avoid.

Of a step with bonds ``l``, ``m``, ``r`` and ``k`` kept directions three products are counted: the
merged pair (2l x m x 2r), its rows in the kept directions (k x 2l x 2r), and the new left tensor
(2l x 2r x k); 8 operations for each complex product. Bonds grow along the circuit by the gate's
operator rank up to ``max_bond_dim``, and to no more than what the engine reports at the end. The
ceiling is the best of several products of NumPy on one thread: ``python -m benches.roofline``.
"""

from __future__ import annotations

import json
import time

import numpy as np
from numpy.typing import NDArray

from benches import measure
from benches.workloads import Workload

SIZE = 512
OPERATOR_RANKS = {"cx": 2, "cp": 2, "rxx": 2, "unitary": 4}


def step_flops(left: int, middle: int, right: int, kept: int) -> float:
    """Count the real operations of the three products of one step."""
    merged = 2 * left * middle * 2 * right
    return 8.0 * (merged + 2 * (2 * left * 2 * right * kept))


def product_flops(
    workload: Workload, chi: int, reported: NDArray[np.uint32], n_steps: int
) -> float | None:
    """Count the operations of all steps; None where the engine runs other steps than the gates."""
    pairs = [gate for gate in workload.gates if len(gate.wires) == 2]
    far = any(abs(gate.wires[0] - gate.wires[1]) != 1 for gate in pairs)
    if far or len(pairs) != n_steps:
        return None
    limits = [1, *reported.max(axis=0).tolist(), 1]
    bonds = [1] * (workload.n_wires + 1)
    total = 0.0
    for gate in pairs:
        bond = min(gate.wires) + 1
        left, middle, right = bonds[bond - 1 : bond + 2]
        grown = min(OPERATOR_RANKS[gate.name] * middle, 2 * left, 2 * right)
        bonds[bond] = max(1, min(grown, chi, limits[bond]))
        total += step_flops(left, middle, right, bonds[bond])
    return total * workload.rows


def ceiling(repetitions: int = 20) -> float:
    """Measure the operations a second of NumPy's complex128 product, the best of several."""
    rng = np.random.default_rng(0)
    left, right = (rng.normal(size=(2, SIZE, SIZE)) @ np.eye(SIZE) for _ in range(2))
    one, other = left[0] + 1j * left[1], right[0] + 1j * right[1]
    best = np.inf
    for _ in range(repetitions):
        begin = time.perf_counter()
        one @ other
        best = min(best, time.perf_counter() - begin)
    return float(8.0 * SIZE**3 / best)


if __name__ == "__main__":
    line = {"ceiling_flops": ceiling(), "by": f"NumPy {np.__version__}", "size": SIZE}
    print(json.dumps({**line, "cpu_model": measure.cpu_model()}))
