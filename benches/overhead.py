"""What the device costs around the engine: ``python -m benches.overhead``.

Three QNodes, each called many times: one gate; 2,000 gates on 100 wires (1,000 RY, 1,000 CNOT);
2,400 gates and the 199 terms of a transverse-field Ising chain at bond dimension 16. Then a QNode
of 2,000 gates whose angles are its argument, as it is and compiled (``bondline.compile``). After
them two gradients by autograd (``benches.gradients`` has more of them). The whole call, the
device's part of it and the engine inside are timed without a profiler. A second run under cProfile
splits the Python work between bondline's own frames and PennyLane's: functions of either package
own their time, and everything else (numpy, built-ins) is charged to whoever called it. The profiler
slows Python down, so those two columns are upper bounds.

A second table has CPU time of bondline's own Python without a profiler: what PennyLane calls for
one execution (``setup_execution_config``, ``supports_derivatives``, ``preprocess_transforms``, the
transforms themselves and ``execute``), each called many times by itself on tapes made beforehand,
with an answer of the engine at hand instead of the engine. PennyLane's own work inside these calls
(configurations, the properties of operators, its transforms where they are needed) counts as ours
there. The last rows are the lowering of 1,000 circuits of one structure, 195 gates on 20 wires, for
one circuit: of one gradient by shifts, which share all operators but one, and made one by one,
which share none.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pennylane as qml
from pennylane import numpy as pnp
from pennylane.devices import ExecutionConfig

import bondline
from benches import measure, workloads
from benches.engine_clock import EngineClock
from benches.qnodes import energy
from bondline import _core
from bondline.circuits.lowering import lower

Function: TypeAlias = tuple[str, int, str]

ROOTS = {
    "bondline": str(Path(bondline.__file__).parent),
    "pennylane": str(Path(qml.__file__).parent),
}
WIRES = 100
ENTRIES = (
    *("execute", "execute_and_compute_derivatives", "compute_derivatives"),
    *("run_lowered", "differentiate_lowered"),
)


@dataclass(frozen=True)
class Row:
    """Milliseconds of one QNode call."""

    circuit: str
    calls: int
    call_ms: float  # median of whole calls, no profiler
    execute_ms: float  # of that, inside the device
    engine_ms: float  # of that, inside the Rust engine
    bondline_frames_ms: float  # cProfile: Python frames of bondline, engine left out
    pennylane_frames_ms: float  # cProfile: Python frames of PennyLane and of the circuit itself
    versions: dict[str, str]
    cpu_model: str


def one_gate() -> Any:
    """Apply a single rotation and read one <Z>."""
    qml.RX(0.1, wires=0)
    return qml.expval(qml.Z(0))


def two_thousand_gates() -> Any:
    """Apply 1,000 RY and 1,000 CNOT on 100 wires and read one <Z>."""
    angles = np.linspace(0.0, 0.1, 1000)
    for gate, angle in enumerate(angles):
        qml.RY(float(angle), wires=gate % WIRES)
        first = (gate * 7) % (WIRES - 1)
        qml.CNOT(wires=(first, first + 1))
    return qml.expval(qml.Z(WIRES // 2))


def angles_and_cnots(angles: Any) -> Any:
    """Apply an RY for each of 1,000 given angles, and 1,000 CNOT, on 100 wires."""
    for gate in range(1000):
        qml.RY(angles[gate], wires=gate % WIRES)
        qml.CNOT(wires=(gate % (WIRES - 1), gate % (WIRES - 1) + 1))
    return qml.expval(qml.Z(WIRES // 2))


def ising(hamiltonian: Any) -> Callable[[], Any]:
    """Return a circuit of 2,400 gates that reads the energy of an Ising chain."""
    angles = 0.3 * np.random.default_rng(22).normal(size=(8, WIRES, 2))

    def circuit() -> Any:
        for layer in angles:
            for wire, (first, second) in enumerate(layer):
                qml.RX(float(first), wires=wire)
                qml.RZ(float(second), wires=wire)
            for wire in range(WIRES - 1):
                qml.CNOT(wires=(wire, wire + 1))
            qml.RY(0.1, wires=0)
        return qml.expval(hamiltonian)

    return circuit


def ising_hamiltonian() -> Any:
    """Build the 199 terms: 99 ZZ and 100 X."""
    words = [qml.Z(wire) @ qml.Z(wire + 1) for wire in range(WIRES - 1)]
    words += [qml.X(wire) for wire in range(WIRES)]
    return qml.Hamiltonian(np.ones(len(words)), words)


def owner(function: Function) -> str | None:
    """Name whose frame a profiled function is; None for built-ins and third parties."""
    file, _, name = function
    if "_core" in name and file == "~":
        return "engine"
    if file.startswith(str(Path(__file__).parent)):
        return "pennylane"  # the circuit's own function: building a tape is the user's side
    for package, root in ROOTS.items():
        if file.startswith(root):
            return package
    return None


def split_by_owner(stats: pstats.Stats) -> dict[str, float]:
    """Charge every function's own time to a package, and unowned ones to their callers.

    cProfile tells for each function how much of its own time was spent on behalf of each caller;
    the shares of unowned functions follow from those of their callers, by iteration.
    """
    table: dict[Function, Any] = stats.stats  # type: ignore[attr-defined]
    shares: dict[Function, dict[str, float]] = {
        function: {name: 1.0} if (name := owner(function)) else {} for function in table
    }
    for _ in range(30):
        for function, (_, _, own, _, callers) in table.items():
            if owner(function) or not callers or own == 0.0:
                continue
            mixed: dict[str, float] = {}
            total = sum(entry[2] for entry in callers.values())
            for caller, entry in callers.items():
                weight = entry[2] / total if total > 0.0 else 1.0 / len(callers)
                for name, share in shares.get(caller, {}).items():
                    mixed[name] = mixed.get(name, 0.0) + weight * share
            shares[function] = mixed
    seconds = {"bondline": 0.0, "pennylane": 0.0, "engine": 0.0}
    for function, (_, _, own, _, _) in table.items():
        for name, share in shares[function].items():
            seconds[name] += share * own
    return seconds


def on_device(device: Any) -> list[float]:
    """Time every call of a device that runs circuits; seconds are added to the list it returns."""
    inside: list[float] = []
    running: list[str] = []  # one may call another

    def timed(name: str) -> Callable[..., Any]:
        method = getattr(device, name)

        def call(*arguments: Any, **keywords: Any) -> Any:
            running.append(name)
            begin = time.perf_counter()
            try:
                return method(*arguments, **keywords)
            finally:
                running.pop()
                if not running:
                    inside.append(time.perf_counter() - begin)

        return call

    for name in ENTRIES:
        setattr(device, name, timed(name))
    return inside


def measured(name: str, call: Callable[[], Any], device: Any, calls: int) -> Row:
    """Time ``calls`` calls, then as many under the profiler."""
    inside = on_device(device)
    call()
    whole, execute, engine = [], [], []
    with EngineClock() as clock:
        for _ in range(calls):
            inside.clear()
            before, begin = clock.seconds, time.perf_counter()
            call()
            whole.append(time.perf_counter() - begin)
            execute.append(sum(inside))
            engine.append(clock.seconds - before)
    for entry in ENTRIES:
        delattr(device, entry)

    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(calls):
        call()
    profiler.disable()
    frames = split_by_owner(pstats.Stats(profiler))
    return Row(
        circuit=name,
        calls=calls,
        call_ms=1e3 * statistics.median(whole),
        execute_ms=1e3 * statistics.median(execute),
        engine_ms=1e3 * statistics.median(engine),
        bondline_frames_ms=1e3 * frames["bondline"] / calls,
        pennylane_frames_ms=1e3 * frames["pennylane"] / calls,
        versions=measure.versions("bondline", "pennylane", "numpy"),
        cpu_model=measure.cpu_model(),
    )


def of_value(name: str, circuit: Callable[[], Any], calls: int, **settings: Any) -> Row:
    """Measure a QNode."""
    device = qml.device("bondline.mps", wires=WIRES, threads=1, **settings)
    return measured(name, qml.QNode(circuit, device), device, calls)


def of_arguments(name: str, calls: int, *, compiled: bool, gradient: bool = False) -> Row:
    """Measure a QNode of 2,000 gates whose angles are its argument, as it is or compiled."""
    settings = {"max_bond_dim": 16, "on_low_fidelity": "ignore"}
    device = qml.device("bondline.mps", wires=WIRES, threads=1, **settings)
    qnode = qml.QNode(angles_and_cnots, device)
    function = bondline.compile(qnode) if compiled else qnode
    angles = pnp.array(np.linspace(0.0, 0.1, 1000), requires_grad=True)
    call = qml.grad(function) if gradient else function
    given = angles if gradient else angles.unwrap()
    return measured(name, lambda: call(given), device, calls)


def of_gradient(name: str, workload: workloads.Workload, calls: int, **settings: Any) -> Row:
    """Measure the gradient of a QNode by all its angles."""
    device = qml.device("bondline.mps", wires=workload.n_wires, threads=1, **settings)
    gradient = qml.grad(energy(workload, device))
    angles = pnp.array(workloads.angles_of(workload), requires_grad=True)
    return measured(name, lambda: gradient(angles), device, calls)


@dataclass(frozen=True)
class OwnTime:
    """Microseconds of CPU time in bondline's Python for one circuit."""

    circuit: str
    own_us: float


def cpu_us(call: Callable[[], Any], calls: int) -> float:
    """Return the CPU time of one call, the engine's answer at hand: the least of five rounds."""
    rounds = []
    entry, answers = _core.run, []

    def answer(*arguments: Any) -> Any:
        if not answers:
            answers.append(entry(*arguments))
        return answers[0]

    _core.run = answer
    try:
        call()
        for _ in range(5):
            begin = time.process_time()
            for _ in range(calls):
                call()
            rounds.append(1e6 * (time.process_time() - begin) / calls)
    finally:
        _core.run = entry
    return min(rounds)


def of_execution(name: str, circuit: Callable[[], Any], calls: int) -> list[OwnTime]:
    """Measure everything that PennyLane calls of the device for one circuit."""
    device = qml.device("bondline.mps", wires=WIRES, threads=1, max_bond_dim=16)
    tape = qml.workflow.construct_tape(qml.QNode(circuit, device))()
    asked = ExecutionConfig(gradient_method="best")
    config = device.setup_execution_config(asked, tape)
    pipeline = device.preprocess_transforms(config)
    (native,), _ = pipeline([tape])
    own = cpu_us(lambda: device.setup_execution_config(asked, tape), calls)
    own += cpu_us(lambda: device.setup_execution_config(config, tape), calls)
    own += cpu_us(lambda: device.supports_derivatives(asked, tape), calls)
    own += cpu_us(lambda: device.preprocess_transforms(config), calls)
    own += cpu_us(lambda: pipeline([tape]), calls)
    execute = cpu_us(lambda: device.execute([native], config), calls)
    return [
        OwnTime(f"execute, {name}", execute),
        OwnTime(f"execute and what comes before it, {name}", own + execute),
    ]


def brickwork(seed: int) -> Any:
    """Build a circuit of 195 gates on 20 wires."""
    operations: list[Any] = []
    for layer in np.random.default_rng(seed).normal(size=(5, 20)):
        operations += [qml.RY(float(angle), wire) for wire, angle in enumerate(layer)]
        operations += [qml.CNOT([wire, wire + 1]) for wire in range(19)]
    return qml.tape.QuantumScript(operations, [qml.expval(qml.Z(3))])


def of_batches(tapes: int = 1000) -> list[OwnTime]:
    """Measure the lowering of many circuits of one structure."""
    base = brickwork(0)
    places = [place for place, operator in enumerate(base.operations) if operator.data]
    shifted = []
    for number in range(tapes):
        operations = list(base.operations)
        place = places[number % len(places)]
        operations[place] = qml.RY(0.01 * number, operations[place].wires)
        shifted.append(qml.tape.QuantumScript(operations, base.measurements))
    apart = [brickwork(seed) for seed in range(tapes)]
    wires = qml.wires.Wires(range(20))
    return [
        OwnTime("lowering, one of 1,000 shifted", cpu_us(lambda: lower(shifted, wires), 1) / tapes),
        OwnTime(
            "lowering, one of 1,000 made apart", cpu_us(lambda: lower(apart, wires), 1) / tapes
        ),
    ]


def table(rows: Sequence[Row]) -> str:
    """Write the rows as Markdown."""
    lines = [
        "| circuit | whole call ms | in the device | in the engine | bondline's frames (profiled) "
        "| PennyLane's frames (profiled) |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.circuit} | {row.call_ms:.2f} | {row.execute_ms:.2f} | {row.engine_ms:.2f} "
        f"| {row.bondline_frames_ms:.2f} | {row.pennylane_frames_ms:.2f} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the circuits, print a table, append JSON lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--out", type=Path, default=measure.OUT)
    options = parser.parse_args(argv)
    rows = [
        of_value("1 gate, 100 wires", one_gate, options.calls),
        of_value("2,000 gates, 100 wires", two_thousand_gates, options.calls, max_bond_dim=16),
        of_value(
            "2,400 gates, 199 terms, chi 16",
            ising(ising_hamiltonian()),
            options.calls,
            max_bond_dim=16,
            on_low_fidelity="ignore",
        ),
        of_arguments("2,000 gates, QNode", options.calls, compiled=False),
        of_arguments("2,000 gates, compiled", options.calls, compiled=True),
        of_arguments("1,000 derivatives, QNode", options.calls, compiled=False, gradient=True),
        of_arguments("1,000 derivatives, compiled", options.calls, compiled=True, gradient=True),
        of_gradient("240 derivatives, 20 wires", workloads.load("w3-20"), options.calls),
        of_gradient("1,200 derivatives, 100 wires", workloads.load("w3-100"), options.calls),
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "overhead.jsonl").open("w") as file:
        file.writelines(json.dumps(asdict(row), sort_keys=True) + "\n" for row in rows)
    print(table(rows))
    own = [
        *of_execution("1 gate, 100 wires", one_gate, 500),
        *of_execution("2,000 gates, 100 wires", two_thousand_gates, 5),
        *of_batches(),
    ]
    print("| circuit | bondline's own Python, us |\n|---|---|")
    print("\n".join(f"| {row.circuit} | {row.own_us:.0f} |" for row in own))
    return 0


if __name__ == "__main__":
    sys.exit(main())
