"""bondline itself: ``python -m benches.ours w1 64 --via engine`` (or ``--via state``, ``qnode``).

``engine`` calls ``bondline._core.run`` with arrays built beforehand, as the peers get a circuit
built beforehand; ``state`` does the same with ``readout="state"``, whose values come from the one
canonical state, as those of a simulator that sweeps; ``qnode`` calls a PennyLane QNode, tape
construction and pipeline included.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benches import measure, workloads
from benches.roofline import product_flops
from bondline import _core
from bondline.circuits.group import Group
from bondline.measurements.requests import Requests

LETTERS = {"X": 1, "Y": 2, "Z": 3}
GATE_NAMES = {
    "h": "Hadamard",
    "rx": "RX",
    "ry": "RY",
    "rz": "RZ",
    "rxx": "IsingXX",
    "cx": "CNOT",
    "cp": "ControlledPhaseShift",
    "unitary": "QubitUnitary2",
}
SIMULATORS = {
    "engine": "bondline (engine)",
    "state": "bondline (engine, canonical)",
    "qnode": "bondline (QNode)",
}
MEMORY_LIMIT = 8 * 2**30


@dataclass(frozen=True)
class Settings:
    """The device's defaults, but for the bond dimension and the threads."""

    max_bond_dim: int | None
    threads: int | None
    cutoff: float = 1e-20
    single_precision: bool = False
    readout: Literal["local", "state"] = "local"
    ordering: Literal["given", "auto"] | Sequence[int] = "auto"
    truncation: Literal["auto", "exact", "gram", "svd"] = "auto"
    memory_limit: int = MEMORY_LIMIT
    sweeps: bool = True


def lower(workload: workloads.Workload, *, dense_state: bool = False) -> Group:
    """Flatten a workload into arrays; with ``dense_state`` the words are left out."""
    ids = {name: index for index, (name, _, _) in enumerate(_core.gate_table())}
    words = [] if dense_state else workload.words
    matrices = [gate.matrix.reshape(-1) for gate in workload.gates if gate.matrix is not None]
    return Group(
        n_wires=workload.n_wires,
        gates=np.array([ids[GATE_NAMES[gate.name]] for gate in workload.gates], np.uint16),
        wire_counts=np.array([len(gate.wires) for gate in workload.gates], np.uint32),
        wires=np.array([wire for gate in workload.gates for wire in gate.wires], np.uint32),
        letters=np.zeros(0, np.uint8),
        parameters=workloads.rows_of_angles(workload),
        matrices=np.concatenate([*matrices, np.zeros(0, np.complex128)])[np.newaxis],
        control_counts=np.zeros(len(workload.gates), np.uint32),
        control_values=np.zeros(0, np.uint8),
        requests=Requests(
            word_counts=np.array([len(word) for word in words], np.uint32),
            word_wires=np.array([wire for word in words for wire in word], np.uint32),
            word_letters=np.array([LETTERS[p] for word in words for p in word.values()], np.uint8),
            variance_counts=np.zeros(0, np.uint32),
            variance_words=np.zeros(0, np.uint32),
            variance_coefficients=np.zeros((1, 0)),
            probabilities=(),
            densities=(),
            dense_state=dense_state,
        ),
    )


def settings_of(options: argparse.Namespace) -> Settings:
    """Choose the engine's settings for a command line."""
    readout: Literal["local", "state"] = "state" if options.via == "state" else "local"
    return Settings(max_bond_dim=options.chi, threads=options.threads, readout=readout)


def through_engine(
    workload: workloads.Workload, options: argparse.Namespace
) -> Callable[[], measure.Outcome]:
    """Prepare a call of the engine on arrays."""
    group = lower(workload)
    settings = settings_of(options)
    flops: list[float | None] = []  # of every run the same, so counted once

    def call() -> measure.Outcome:
        result = _core.run([group], settings)[0]
        if not flops:
            flops.append(product_flops(workload, options.chi, result.bonds, result.n_steps))
        return measure.Outcome(
            value=float(result.words.sum()),
            largest_bond=int(result.largest_bond[0]),
            fidelity_estimate=float(result.norm[0]),
            product_flops=flops[0],
        )

    return call


def through_qnode(
    workload: workloads.Workload, options: argparse.Namespace
) -> Callable[[], measure.Outcome]:
    """Prepare a call of a QNode; PennyLane's own work is part of its time."""
    import pennylane as qml

    from benches.qnodes import energy

    device = qml.device(
        "bondline.mps",
        wires=workload.n_wires,
        max_bond_dim=options.chi,
        threads=options.threads,
        on_low_fidelity="ignore",
    )
    node = energy(workload, device)
    angles = workloads.angles_of(workload)

    def call() -> measure.Outcome:
        value = float(node(angles))
        report = device.reports[0]
        return measure.Outcome(value, int(report.largest_bond), float(report.norm))

    return call


def state_fidelity(workload: workloads.Workload, options: argparse.Namespace) -> float:
    """Compare the global state that the engine returns with the exact one."""
    settings = Settings(max_bond_dim=options.chi, threads=options.threads)
    result = _core.run([lower(workload, dense_state=True)], settings)[0]
    if result.dense_state is None:
        raise RuntimeError("the engine returned no dense state although one was asked for")
    exact = workloads.cached_exact_state(workload, measure.OUT)
    return workloads.fidelity(exact, result.dense_state[0])


def main() -> None:
    """Measure one workload."""
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--via", choices=tuple(SIMULATORS), default="engine")
    options = parser.parse_args()
    workload = workloads.load(options.workload)
    prepare = through_qnode if options.via == "qnode" else through_engine
    call = prepare(workload, options)
    packages = ("bondline", "numpy") + (("pennylane",) if options.via == "qnode" else ())
    defaults = settings_of(options)
    measure.repeat(
        SIMULATORS[options.via],
        options,
        call,
        versions=measure.versions(*packages),
        settings={
            "cutoff": defaults.cutoff,
            "readout": defaults.readout,
            "ordering": defaults.ordering,
            "truncation": defaults.truncation,
            "gates": "native 4x4",
        },
        fidelity=(
            (lambda: state_fidelity(workload, options))
            if workloads.compares_states(workload)
            else None
        ),
        least_seconds=measure.SHORTEST,
    )


if __name__ == "__main__":
    main()
