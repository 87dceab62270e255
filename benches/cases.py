"""Who runs what: the simulators, and the circuits and bond dimensions at which they take turns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contestant:
    """One simulator in one setting: a module to run and the environment to run it in."""

    label: str
    module: str
    is_peer: bool
    extra: tuple[str, ...] = ()
    threads: int = 1


CONTESTANTS = (
    Contestant("engine", "benches.ours", False, ("--via", "engine")),
    Contestant("engine-2", "benches.ours", False, ("--via", "engine"), threads=2),
    Contestant("canonical", "benches.ours", False, ("--via", "state")),
    Contestant("qnode", "benches.ours", False, ("--via", "qnode")),
    Contestant("aer", "benches.peers.aer", True),
    Contestant("maestro", "benches.peers.maestro", True),
    Contestant("qevedo", "benches.peers.qevedo", True, ("--one",)),
    Contestant("quimb", "benches.peers.quimb", True),
    Contestant("default.tensor", "benches.peers.qnode", True, ("--device", "default.tensor")),
    Contestant("default.qubit", "benches.peers.qnode", True, ("--device", "default.qubit")),
    Contestant("lightning.qubit", "benches.peers.qnode", True, ("--device", "lightning.qubit")),
)

USUAL = ("engine", "engine-2", "qnode", "aer", "maestro", "quimb")
STATEVECTORS = ("qnode", "default.qubit", "lightning.qubit")


@dataclass(frozen=True)
class Case:
    """One circuit at some bond dimensions, and the labels of who runs it."""

    workload: str
    bonds: tuple[int, ...]
    labels: tuple[str, ...] = USUAL
    rounds: int | None = None  # at most; None for as many as there are


CASES = (
    Case("w1", (32, 64, 128), (*USUAL, "canonical", "qevedo")),
    Case("w1", (256,), ("engine", "engine-2", "canonical", "aer", "maestro", "qevedo", "quimb"), 1),
    Case("w1-20", (32, 64, 128), ("engine", "canonical", "aer", "maestro", "quimb"), 1),
    Case("w2", (32, 64, 128)),
    Case("w2", (64,), ("default.tensor",), 1),
    Case("w4", (32, 64, 128)),
    Case("w4-20", (32, 64), ("engine", "aer", "maestro", "quimb"), 1),
    Case("w5", (32,)),
    Case("w5-20", (32,), ("engine", "aer", "maestro", "quimb"), 1),
    *(Case(f"layers-{n}", (16,), ("engine", "engine-2", "maestro")) for n in (100, 500, 1000)),
    Case("batch-64", (16,), ("engine", "engine-2")),
    *(Case(f"small-{n}", (32,), STATEVECTORS) for n in range(1, 11)),
)

QUICK = (
    Case("w1", (64,), ("engine", "engine-2", "canonical", "aer", "maestro", "qevedo", "quimb")),
    Case("w2", (64,), ("engine", "engine-2", "qnode", "aer", "maestro", "quimb")),
    Case("w4", (64,), ("engine", "maestro")),
    Case("w5", (32,), ("engine", "maestro")),
    Case("layers-1000", (16,), ("engine", "maestro")),
    Case("batch-64", (16,), ("engine", "engine-2")),
    Case("small-4", (32,), STATEVECTORS),
)


def order_of(workload: str) -> int:
    """Return the place of a circuit in the table."""
    names = list(dict.fromkeys(case.workload for case in CASES))
    return names.index(workload) if workload in names else len(names)
