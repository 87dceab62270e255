"""qoro-maestro, QCSim's matrix product state: ``python -m benches.peers.maestro w1 64``.

Maestro is under the GPL: it runs here as a program of its own and is imported nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import maestro
import numpy as np

from benches import measure, workloads

Step = Callable[[Any], None]

METHODS = {
    "h": "ApplyH",
    "rx": "ApplyRx",
    "ry": "ApplyRy",
    "rz": "ApplyRz",
    "cx": "ApplyCX",
    "cp": "ApplyCP",
}


def steps(workload: workloads.Workload) -> list[Step]:
    """Prepare one call of Maestro's simulator per gate, before the clock starts."""

    def step(gate: workloads.Gate) -> Step:
        if gate.matrix is not None:
            rows, (first, second) = gate.matrix.tolist(), gate.wires
            return lambda state: state.ApplyGenericTwoQubitGate(second, first, rows)
        method = METHODS[gate.name]
        return lambda state: getattr(state, method)(*gate.wires, *gate.params)

    return [step(gate) for gate in workload.gates]


class Evolution:
    """A fresh MPS of Maestro, evolved; destroyed with :meth:`close`."""

    def __init__(self, n_wires: int, chi: int, threads: int, program: list[Step]) -> None:
        """Allocate the state and apply ``program`` to it."""
        self._owner = maestro.Maestro()
        self._handle = self._owner.create_simulator(
            maestro.SimulatorType.QCSim, maestro.SimulationType.MatrixProductState
        )
        self.state = self._owner.get_simulator(self._handle)
        self.state.Configure("matrix_product_state_max_bond_dimension", str(chi))
        self.state.AllocateQubits(n_wires)
        self.state.SetMultithreading(threads > 1)
        self.state.Initialize()
        for apply in program:
            apply(self.state)
        self.state.Flush()

    def close(self) -> None:
        """Free the state."""
        self._owner.destroy_simulator(self._handle)


def main() -> None:
    """Measure one workload."""
    options = measure.parser(__doc__ or "").parse_args()
    workload = workloads.load(options.workload)
    program = steps(workload)
    words = [workloads.pauli_string(word, workload.n_wires) for word in workload.words]

    def evolve() -> Evolution:
        return Evolution(workload.n_wires, options.chi, options.threads, program)

    def call() -> measure.Outcome:
        evolution = evolve()
        value = float(np.sum(evolution.state.expectation_values(words)))
        evolution.close()
        return measure.Outcome(value)

    def state_fidelity() -> float:
        evolution = evolve()
        state = np.asarray(evolution.state.get_statevector())
        evolution.close()
        ours = state.reshape((2,) * workload.n_wires).transpose().reshape(-1)
        return workloads.fidelity(workloads.cached_exact_state(workload, measure.OUT), ours)

    measure.repeat(
        "qoro-maestro",
        options,
        call,
        versions=measure.versions("qoro-maestro", "numpy"),
        settings={"simulator": "QCSim", "truncation_threshold": "default", "gates": "native 4x4"},
        fidelity=state_fidelity if workloads.compares_states(workload) else None,
    )


if __name__ == "__main__":
    main()
