"""Kernel matrices from raw data, and overlaps alone: ``python -m benches.kernels``.

Prints two Markdown tables: whole matrices beside peers and published times, and pairs a second
beside chains of small products. ``--long`` adds the matrix of 6,400 rows, ``--quick`` takes few
rows of everything. JSON lines are collected in ``benches/out/kernels.jsonl``; ``--table`` prints
the tables again. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benches import measure
from benches.cases import Contestant
from benches.kernel_tasks import TASKS
from benches.run import PEERS_PYTHON, run_one

CHI = 64
OURS = Contestant("bondline", "benches.our_kernels", False)
KEPT = replace(OURS, label="bondline-kept", extra=("--kept",))
TWO = replace(OURS, label="bondline-2", threads=2)
AER = Contestant("aer", "benches.peers.aer_kernel", True)
SINGLY = replace(AER, extra=("--singly",))
TENSOR = Contestant("default.tensor", "benches.peers.default_tensor_kernel", True)
OVERLAPS = Contestant("overlaps", "benches.our_overlaps", False)

# What runs beside it; how many turns at most; whether a call is cold, the first of its process.
CASES: tuple[tuple[str, tuple[Contestant, ...], int, bool], ...] = (
    ("zz-60", (OURS, KEPT, TWO, AER, SINGLY, TENSOR), 3, False),
    ("ladder-784", (OURS, TWO), 1, True),
    ("chain-165", (TWO,), 1, True),
)
LONG = "chain-165"
BONDS = (2, 4)
QUICK_POINTS = {"zz-60": 10, "ladder-784": 20, "chain-165": 100}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*TASKS, "overlaps"]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="WHAT")
    parser.add_argument("--rounds", type=int, default=3, help="turns that each process gets")
    parser.add_argument("--calls", type=int, default=3, help="timed calls in each turn")
    parser.add_argument("--long", action="store_true", help=f"{LONG} too: minutes")
    parser.add_argument("--quick", action="store_true", help="few rows, one call each")
    parser.add_argument("--peers-python", type=Path, default=PEERS_PYTHON)
    parser.add_argument("--out", type=Path, default=measure.OUT, help="folder of the results")
    parser.add_argument("--table", action="store_true", help="only print the tables again")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds, options.calls = 1, 1
    return options


def turns(
    options: argparse.Namespace,
) -> Iterator[tuple[Contestant, str, int, argparse.Namespace]]:
    """Spell out all processes; each round starts with another one."""
    peers = options.peers_python.exists()
    if not peers:
        print(f"No peers: {options.peers_python} does not exist.", file=sys.stderr)
    cold = argparse.Namespace(**{**vars(options), "calls": 0})
    for turn in range(options.rounds):
        for name, contestants, most, is_cold in CASES:
            skipped = name == LONG and not (options.long or options.quick)
            if name not in options.only or skipped or turn >= most:
                continue
            chosen = [one for one in contestants if peers or not one.is_peer]
            shift = turn % len(chosen)
            for one in chosen[shift:] + chosen[:shift]:
                few = ("--points", str(QUICK_POINTS[name])) if options.quick else ()
                yield replace(one, extra=one.extra + few), name, CHI, cold if is_cold else options
        if "overlaps" in options.only:
            few = ("--points", "50") if options.quick else ()
            for bond in BONDS:
                yield replace(OVERLAPS, extra=few), "pairs-60", bond, options


def collect(options: argparse.Namespace, results: Path) -> None:
    """Run all processes in turn."""
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("w") as file:
        for contestant, workload, chi, own in turns(options):
            print(f"{workload} chi={chi} {contestant.label}", file=sys.stderr)
            for line in run_one(contestant, workload, chi, own):
                file.write(line + "\n")
            file.flush()


Key = tuple[str, int, str, int]


def medians(records: Iterable[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    """Reduce to medians by matrix, chi, simulator and threads; warm-ups only where nothing else."""
    groups: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        key = (record["workload"], record["chi"], record["simulator"], record["threads"])
        groups[key].append(record)
    found = {}
    for key, rows in groups.items():
        counted = [row for row in rows if row["call"] > 0] or rows
        found[key] = {**counted[-1], "calls": len(counted), "cold": counted[-1]["call"] == 0}
        for name in ("cpu_s", "wall_s"):
            found[key][name] = statistics.median(row[name] * row["scaled_by"] for row in counted)
        found[key]["peak_rss_mib"] = max(row["peak_rss_mib"] for row in counted)
    return found


def matrices(summary: dict[Key, dict[str, Any]]) -> list[str]:
    """Write whole matrices, from raw data on."""
    lines = [
        "| matrix | rows | simulator | threads | CPU s | CPU / ours | wall s | K[0,1] | bond | MiB "
        "| published |",
        "|---" * 11 + "|",
    ]
    for name, task in TASKS.items():
        own = {key: row for key, row in summary.items() if key[0] == name}
        base = next((row for key, row in own.items() if key[2:] == ("bondline", 1)), None)
        for key, row in own.items():
            points = row["settings"]["points"]
            scaled = f" (from {row['settings']['pairs']} pairs)" if row["scaled_by"] > 1 else ""
            cold = " (first call)" if row["cold"] else ""
            ratio = f"{row['cpu_s'] / base['cpu_s']:,.2f}" if base else ""
            lines.append(
                f"| {task.title} | {points} | {key[2]}{scaled}{cold} | {key[3]} "
                f"| {row['cpu_s']:.3g} | {ratio} | {row['wall_s']:.3g} | {row['value']:.12g} "
                f"| {row['largest_bond'] or ''} | {row['peak_rss_mib']:.0f} "
                f"| {task.published if points == task.points else ''} |"
            )
    return lines


def pairs(summary: dict[Key, dict[str, Any]]) -> list[str]:
    """Write pairs a second of CPU, ours and those of small products."""
    lines = ["| wires | bond | simulator | pairs / s | ours / it |", "|---" * 5 + "|"]
    for key, row in summary.items():
        if not key[0].startswith("pairs"):
            continue
        rate = row["settings"]["pairs"] / row["cpu_s"]
        ours = summary.get((*key[:2], "bondline", key[3]))
        ratio = f"{row['cpu_s'] / ours['cpu_s']:.1f}" if ours else ""
        lines.append(
            f"| {key[0].partition('-')[2]} | {key[1]} | {key[2]} | {rate:,.0f} | {ratio} |"
        )
    return lines


def disagreement(summary: dict[Key, dict[str, Any]]) -> float:
    """Compare K[0,1] of all simulators, matrix by matrix."""
    kept: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    for key, row in summary.items():
        kept[key[0], key[1], row["settings"]["points"]].append(row["value"])
    return max((max(values) - min(values) for values in kept.values()), default=0.0)


def tables(results: Path) -> str:
    """Write the medians of ``results`` as Markdown, with what they are worth."""
    with results.open() as file:
        records = [json.loads(line) for line in file]
    summary = medians(records)
    versions = {
        name: version for row in summary.values() for name, version in row["versions"].items()
    }
    notes = [
        f"Machine: {', '.join(sorted({record['cpu_model'] for record in records}))}. complex128; "
        "medians of CPU and wall seconds, from raw data to the matrix, circuits included.",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
        f"Largest difference between two simulators' K[0,1]: {disagreement(summary):.1e}.",
    ]
    return "\n".join([*matrices(summary), "", *pairs(summary), "", *notes]) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write ``kernels.jsonl`` and ``kernels.md``, print the tables."""
    options = parse(argv)
    results = options.out / "kernels.jsonl"
    if not options.table:
        collect(options, results)
    elif not results.exists():
        print(f"{results} does not exist: run without --table first.", file=sys.stderr)
        return 2
    text = tables(results)
    (options.out / "kernels.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
