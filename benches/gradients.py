"""What gradients cost, beside plain values and beside peers: ``python -m benches.gradients``.

Prints three Markdown tables of medians: the engine's gradient over its plain value, on one thread
and on two; gradients through QNodes, and PennyLane's own devices beside them. Every measurement is
a process of its own, in which values and gradients take turns; its JSON lines are collected in
``benches/out/gradients.jsonl``. ``--table`` prints the tables again. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benches import measure
from benches.cases import Contestant
from benches.run import PEERS_PYTHON, run_one
from benches.workloads import GRADIENTS

OURS = "benches.our_gradients"
ENGINE = Contestant("engine", OURS, False, ("--via", "engine"))
AUTOGRAD = Contestant("autograd", OURS, False, ("--via", "autograd"))
JAX = Contestant("jax", OURS, False, ("--via", "jax"))
LIGHTNING = Contestant("lightning", "benches.peers.lightning", True)
TENSOR = Contestant("default.tensor", "benches.peers.default_tensor", True)
CONTESTANTS = (ENGINE, AUTOGRAD, JAX, LIGHTNING, TENSOR)

CASES: tuple[tuple[str, int, tuple[Contestant, ...]], ...] = (
    ("w3-20", 64, CONTESTANTS),
    ("w3-100", 64, (ENGINE, AUTOGRAD, JAX, TENSOR)),
    ("w2", 64, (ENGINE, AUTOGRAD, JAX)),
    ("w1-angles", 64, (ENGINE, AUTOGRAD)),
    ("w1-angles", 128, (ENGINE, AUTOGRAD)),
    ("w3-1000", 64, (ENGINE, AUTOGRAD)),
    ("zeros-100", 64, (ENGINE, AUTOGRAD)),
)
CIRCUITS = {
    "w3-20": "20 wires, 4 layers",
    "w3-100": "100 wires, 4 layers",
    "w2": "100 wires, 8 layers",
    "w1-angles": "Haar brickwall, 40 wires, depth 20",
    "w3-1000": "1,000 wires, 4 layers",
    "zeros-100": "100 wires, 4 layers, all angles zero",
}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", nargs="+", choices=list(GRADIENTS), default=list(GRADIENTS))
    names = [contestant.label for contestant in CONTESTANTS]
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        default=names,
        metavar="WHO",
        help="what to run: " + ", ".join(names),
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns that each process gets")
    parser.add_argument("--calls", type=int, default=3, help="timed calls of each kind in a turn")
    parser.add_argument("--peers-python", type=Path, default=PEERS_PYTHON)
    parser.add_argument("--out", type=Path, default=measure.OUT, help="folder of the results")
    parser.add_argument("--table", action="store_true", help="only print the tables again")
    return parser.parse_args(argv)


def collect(options: argparse.Namespace, results: Path) -> None:
    """Let the processes take turns; each round starts with another one."""
    peers = options.peers_python.exists()
    if not peers:
        print(f"No peers: {options.peers_python} does not exist.", file=sys.stderr)
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("w") as file:
        for turn in range(options.rounds):
            for workload, chi, contestants in CASES:
                if workload not in options.workloads:
                    continue
                chosen = [
                    contestant
                    for contestant in contestants
                    if contestant.label in options.only and (peers or not contestant.is_peer)
                ]
                shift = turn % max(1, len(chosen))
                for contestant in chosen[shift:] + chosen[:shift]:
                    # Parameter-shift takes minutes, and one turn tells it well enough.
                    if contestant is TENSOR and turn > 0:
                        continue
                    print(
                        f"round {turn + 1}/{options.rounds} {workload} chi={chi} "
                        f"{contestant.label}",
                        file=sys.stderr,
                    )
                    for line in run_one(contestant, workload, chi, options):
                        file.write(line + "\n")
                    file.flush()


Key = tuple[str, int, str, str, int]


def medians(records: Iterable[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    """Reduce to medians by workload, chi, simulator, task and threads, without the warm-ups."""
    groups: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        if record["call"] > 0:
            names = ("workload", "chi", "simulator", "task", "threads")
            workload, chi, simulator, task, threads = (record[name] for name in names)
            groups[workload, chi, simulator, task, threads].append(record)
    found = {}
    for key, rows in groups.items():
        found[key] = {**rows[-1], "calls": len(rows)}
        for name in ("cpu_s", "wall_s", "engine_s"):
            times = [row[name] for row in rows if row[name] is not None]
            found[key][name] = statistics.median(times) if times else None
    return found


def digits(number: float) -> str:
    """Write a positive number with three digits and without an exponent."""
    places = max(0, 2 - math.floor(math.log10(number)))
    return f"{number:,.{places}f}"


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it."""
    for unit, length in (("h", 3600.0), ("s", 1.0)):
        if seconds >= length:
            return f"{digits(seconds / length)} {unit}"
    return f"{digits(1e3 * seconds)} ms"


def engine_table(summary: dict[Key, dict[str, Any]]) -> list[str]:
    """Write the engine's gradients over its plain values."""
    lines = [
        "| circuit | parameters | chi | value, Gram | value | value and gradient | / Gram value "
        "| / value | on two threads | guarded |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for workload, chi, _ in CASES:
        case = (workload, chi, "bondline (engine)")
        gram = summary.get((workload, chi, "bondline (engine, gram)", "value", 1))
        value, both = summary.get((*case, "value", 1)), summary.get((*case, "gradient", 1))
        if gram is None or value is None or both is None:
            continue
        two = summary.get((*case, "gradient", 2))
        faster = f"{both['wall_s'] / two['wall_s']:.2f} times" if two else ""
        lines.append(
            f"| {CIRCUITS[workload]} | {both['parameters']} | {chi} "
            f"| {duration(gram['cpu_s'])} "
            f"| {duration(value['cpu_s'])} | {duration(both['cpu_s'])} "
            f"| {both['cpu_s'] / gram['cpu_s']:.2f} | {both['cpu_s'] / value['cpu_s']:.2f} "
            f"| {faster} | {'yes' if both['guarded'] else 'no'} |"
        )
    return lines


def qnode_table(summary: dict[Key, dict[str, Any]]) -> list[str]:
    """Write gradients through QNodes, of bondline and of its peers."""
    lines = [
        "| circuit | parameters | QNode on | value | value and gradient | / value | of that in the "
        "engine | gradient / ours |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for workload, chi, _ in CASES:
        ours = summary.get((workload, chi, "bondline (QNode, autograd)", "gradient", 1))
        for key in sorted(summary):
            if key[:2] != (workload, chi) or key[3] != "gradient" or "(engine" in key[2]:
                continue
            both, value = summary[key], summary[(*key[:3], "value", key[4])]
            # Only what depends on the parameters is multiplied up.
            cost = value["cpu_s"] + both["scaled_by"] * (both["cpu_s"] - value["cpu_s"])
            scaled = both["scaled_by"] > 1
            ratio = digits(cost / ours["cpu_s"]) if ours else ""
            lines.append(
                f"| {CIRCUITS[workload]}, chi {chi} | {both['parameters']} | {key[2]} "
                f"| {duration(value['cpu_s'])} "
                f"| {duration(cost)}{' (from 4 parameters)' if scaled else ''} "
                f"| {digits(cost / value['cpu_s'])} "
                f"| {duration(both['engine_s']) if both['engine_s'] else ''} | {ratio} |"
            )
    return lines


def tables(results: Path) -> str:
    """Write the medians of ``results`` as Markdown, with what they are worth."""
    with results.open() as file:
        records = [json.loads(line) for line in file]
    summary = medians(records)
    versions = {
        name: version for row in summary.values() for name, version in row["versions"].items()
    }
    notes = [
        f"Machine: {', '.join(sorted({record['cpu_model'] for record in records}))}. complex128, "
        "CPU seconds of one thread, medians of "
        f"{max(row['calls'] for row in summary.values())} calls or fewer, values and gradients in "
        "turn.",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
        f"Largest difference between two simulators' derivatives: {disagreement(summary):.1e}.",
    ]
    return "\n".join([*engine_table(summary), "", *qnode_table(summary), "", *notes]) + "\n"


def disagreement(summary: dict[Key, dict[str, Any]]) -> float:
    """Compare the kept derivatives of all simulators, circuit by circuit."""
    kept: dict[tuple[str, int], list[list[float]]] = defaultdict(list)
    for key, row in summary.items():
        if row["derivatives"] is not None:
            kept[key[:2]].append(row["derivatives"])
    return max(
        (
            abs(one - other)
            for rows in kept.values()
            for column in zip(*rows, strict=True)
            for one in column
            for other in column
        ),
        default=0.0,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write ``gradients.jsonl`` and ``gradients.md``, print the tables."""
    options = parse(argv)
    results = options.out / "gradients.jsonl"
    if not options.table:
        collect(options, results)
    elif not results.exists():
        print(f"{results} does not exist: run without --table first.", file=sys.stderr)
        return 2
    text = tables(results)
    (options.out / "gradients.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
