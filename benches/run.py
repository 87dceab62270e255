"""Run bondline and its peers in turn and print one Markdown table of medians.

``python -m benches.run`` measures everything (about a quarter of an hour), ``--quick`` a part of
it, ``--table`` prints the table of an earlier run again. Every measurement is a process of its own
with hidden thread pools switched off; each prints JSON lines, collected in
``benches/out/results.jsonl``. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benches import measure
from benches.workloads import W2_REFERENCE_VALUE, WORKLOADS

ROOT = Path(__file__).resolve().parent.parent
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
BASELINE = ("bondline (engine)", 1)


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
    Contestant("qnode", "benches.ours", False, ("--via", "qnode")),
    Contestant("aer", "benches.peers.aer", True),
    Contestant("maestro", "benches.peers.maestro", True),
    Contestant("quimb", "benches.peers.quimb", True),
)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--workloads",
        nargs="+",
        type=str.lower,
        choices=list(WORKLOADS),
        default=list(WORKLOADS),
    )
    parser.add_argument("--chi", nargs="+", type=int, default=[32, 64, 128])
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[contestant.label for contestant in CONTESTANTS],
        default=[contestant.label for contestant in CONTESTANTS],
        metavar="WHO",
        help="simulators to run: " + ", ".join(contestant.label for contestant in CONTESTANTS),
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns that each simulator gets")
    parser.add_argument("--calls", type=int, default=2, help="timed calls in each turn")
    parser.add_argument("--quick", action="store_true", help="chi 32 and 64, one round")
    parser.add_argument("--peers-python", type=Path, default=PEERS_PYTHON)
    parser.add_argument("--out", type=Path, default=measure.OUT, help="folder of the results")
    parser.add_argument("--table", action="store_true", help="only print the table again")
    options = parser.parse_args(argv)
    if options.quick:
        options.chi, options.rounds = [32, 64], 1
    return options


def run_one(
    contestant: Contestant, workload: str, chi: int, options: argparse.Namespace
) -> list[str]:
    """Run one process for its JSON lines; a failure is reported and leaves a gap in the table."""
    python = str(options.peers_python) if contestant.is_peer else sys.executable
    command = [python, "-m", contestant.module, workload, str(chi), *contestant.extra]
    command += ["--threads", str(contestant.threads), "--calls", str(options.calls)]
    environment = {**os.environ, **dict.fromkeys(measure.THREAD_VARIABLES, "1")}
    if contestant.label == "aer" and (core := measure.openblas_core()) is not None:
        environment.setdefault("OPENBLAS_CORETYPE", core)
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"  {contestant.label} {workload} chi={chi} failed: {last}", file=sys.stderr)
        return []
    return [line for line in done.stdout.splitlines() if line.startswith("{")]


def collect(options: argparse.Namespace, results: Path) -> None:
    """Let the simulators take turns; each round starts with another one."""
    chosen = [contestant for contestant in CONTESTANTS if contestant.label in options.only]
    if any(contestant.is_peer for contestant in chosen) and not options.peers_python.exists():
        print(
            f"No peers: {options.peers_python} does not exist. Run 'make bench-peers', or name "
            "a Python that has them with --peers-python.",
            file=sys.stderr,
        )
        chosen = [contestant for contestant in chosen if not contestant.is_peer]
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("w") as file:
        for turn in range(options.rounds):
            for workload in options.workloads:
                for chi in options.chi:
                    shift = turn % max(1, len(chosen))
                    for contestant in chosen[shift:] + chosen[:shift]:
                        print(
                            f"round {turn + 1}/{options.rounds} {workload} chi={chi} "
                            f"{contestant.label}",
                            file=sys.stderr,
                        )
                        for line in run_one(contestant, workload, chi, options):
                            file.write(line + "\n")
                        file.flush()


Key = tuple[str, int, str, int]


def medians(records: Iterable[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    """Reduce to medians by workload, chi, simulator and threads; warm-up calls are left out."""
    groups: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        if record["call"] > 0:
            key = (record["workload"], record["chi"], record["simulator"], record["threads"])
            groups[key].append(record)
    return {
        key: {
            **rows[-1],
            "cpu_s": statistics.median(row["cpu_s"] for row in rows),
            "wall_s": statistics.median(row["wall_s"] for row in rows),
            "wall_min": min(row["wall_s"] for row in rows),
            "wall_max": max(row["wall_s"] for row in rows),
            "calls": len(rows),
        }
        for key, rows in groups.items()
    }


def figure(record: dict[str, Any], summary: dict[Key, dict[str, Any]]) -> str:
    """Say what state or value is worth: true fidelity, or distance from the reference value."""
    if record["workload"] == "w2":
        return f"<H> = {record['value']:.4f} ({record['value'] - W2_REFERENCE_VALUE:+.4f})"
    twin_name = f"{record['workload']}-20"
    twin = summary.get((twin_name, record["chi"], record["simulator"], record["threads"]))
    if twin and twin["fidelity"] is not None:
        return f"F = {twin['fidelity']:.4f} on 20 wires"
    return f"F = {record['fidelity']:.4f}" if record["fidelity"] is not None else ""


def table(results: Path) -> str:
    """Write the medians of ``results`` as Markdown, with the figures of merit beside them."""
    with results.open() as file:
        records = [json.loads(line) for line in file]
    summary = medians(records)
    lines = [
        "| workload | chi | simulator | threads | CPU s | CPU / ours | wall s (min-max) | calls "
        "| fidelity or value | own estimate | MiB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    order = {name: index for index, name in enumerate(WORKLOADS)}
    for key in sorted(summary, key=lambda k: (order[k[0]], k[1], k[2], k[3])):
        workload, chi, simulator, threads = key
        row = summary[key]
        ours = summary.get((workload, chi, *BASELINE))
        ratio = f"{row['cpu_s'] / ours['cpu_s']:.2f}" if ours else ""
        estimate = row["fidelity_estimate"]
        lines.append(
            f"| {workload} | {chi} | {simulator} | {threads} | {row['cpu_s']:.3f} | {ratio} "
            f"| {row['wall_s']:.3f} ({row['wall_min']:.3f}-{row['wall_max']:.3f}) "
            f"| {row['calls']} | {figure(row, summary)} "
            f"| {'' if estimate is None else format(estimate, '.4f')} | {row['peak_rss_mib']:.0f} |"
        )
    versions = {
        name: version for row in summary.values() for name, version in row["versions"].items()
    }
    cpus = sorted({record["cpu_model"] for record in records})
    notes = [
        "",
        f"Machine: {', '.join(cpus)}; {os.cpu_count()} cores. complex128; one process per "
        "simulator and turn, one warm-up each.",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
        "",
        "w1: Haar brickwall, 40 wires, depth 20, and every <Z>; w1-20: the same on 20 wires, where "
        "the exact state gives the true fidelity F. w2: 100 wires, 8 layers of RX RY RZ and a CX "
        f"chain, sum ZZ + sum X; {W2_REFERENCE_VALUE} at chi 256. w4: 50 wires, 3 layers of RZ RY "
        "RZ and rings of CX of range 1, 2, 3, every <Z>. w5: Fourier transform without reversal of "
        "a random product state of 60 wires, every <X>. Every simulator applies the 4x4 matrices "
        'of w1 as they are. CPU seconds are user + system of all threads. "Own estimate" '
        "is the norm of the state that was never renormalised, where a simulator keeps it; peak "
        "memory is that of the whole process, libraries included.",
    ]
    return "\n".join(lines + notes) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write ``results.jsonl`` and ``table.md``, print the table."""
    options = parse(argv)
    results = options.out / "results.jsonl"
    if not options.table:
        collect(options, results)
    elif not results.exists():
        print(f"{results} does not exist: run without --table first.", file=sys.stderr)
        return 2
    text = table(results)
    (options.out / "table.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
