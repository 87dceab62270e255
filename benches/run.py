"""Run bondline and its peers in turn and print one Markdown table of medians.

``python -m benches.run`` measures every case of ``benches/cases.py``, ``--quick`` a part of them,
``--table`` prints the table of an earlier run again, ``--readme`` writes the README's from it.
Every measurement is a process of its own with hidden thread pools switched off; each prints JSON
lines, collected in ``benches/out/results.jsonl``. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benches import measure
from benches.cases import CASES, CONTESTANTS, QUICK, Case, Contestant
from benches.table import put_into, readme_table, table

ROOT = Path(__file__).resolve().parent.parent
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
CEILING = Contestant("matrix products", "benches.roofline", False)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [contestant.label for contestant in CONTESTANTS]
    parser.add_argument("--workloads", nargs="+", type=str.lower, help="circuits, instead of all")
    parser.add_argument("--chi", nargs="+", type=int, help="bond dimensions, instead of the cases'")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        default=names,
        metavar="WHO",
        help="simulators to run: " + ", ".join(names),
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns that each simulator gets")
    parser.add_argument("--calls", type=int, default=2, help="timed calls in each turn")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds for one process")
    parser.add_argument("--quick", action="store_true", help="the most telling rows, one call each")
    parser.add_argument("--peers-python", type=Path, default=PEERS_PYTHON)
    parser.add_argument("--out", type=Path, default=measure.OUT, help="folder of the results")
    parser.add_argument("--table", action="store_true", help="only print the table again")
    parser.add_argument("--readme", action="store_true", help="only write the README's table again")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds, options.calls = 1, 1
    return options


def command_of(
    contestant: Contestant, workload: str, chi: int, options: argparse.Namespace
) -> list[str]:
    """Spell out the process of one turn."""
    python = str(options.peers_python) if contestant.is_peer else sys.executable
    command = [python, "-m", contestant.module, workload, str(chi), *contestant.extra]
    return [*command, "--threads", str(contestant.threads), "--calls", str(options.calls)]


def run_one(
    contestant: Contestant, workload: str, chi: int, options: argparse.Namespace
) -> list[str]:
    """Run one process for its JSON lines; a failure is reported and leaves a gap in the table."""
    environment = {**os.environ, **dict.fromkeys(measure.THREAD_VARIABLES, "1")}
    if contestant.label == "aer" and (core := measure.openblas_core()) is not None:
        environment.setdefault("OPENBLAS_CORETYPE", core)
    try:
        done = subprocess.run(
            command_of(contestant, workload, chi, options),
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=getattr(options, "limit", None),
        )
    except subprocess.TimeoutExpired:
        print(f"  {contestant.label} {workload} chi={chi}: past the limit", file=sys.stderr)
        return []
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"  {contestant.label} {workload} chi={chi} failed: {last}", file=sys.stderr)
        return []
    return [line for line in done.stdout.splitlines() if line.startswith("{")]


def present(options: argparse.Namespace) -> list[Contestant]:
    """Choose the simulators that were asked for and are there."""
    chosen = [contestant for contestant in CONTESTANTS if contestant.label in options.only]
    if options.peers_python.exists():
        return chosen
    print(
        f"No peers: {options.peers_python} does not exist. Run 'make bench-peers', or name "
        "a Python that has them with --peers-python.",
        file=sys.stderr,
    )
    return [contestant for contestant in chosen if not contestant.is_peer]


def cases_of(options: argparse.Namespace) -> list[Case]:
    """Choose the cases of a command line."""
    cases = [
        case
        for case in (QUICK if options.quick else CASES)
        if options.workloads is None or case.workload in options.workloads
    ]
    if options.chi is None:
        return cases
    bonds = tuple(options.chi)
    merged: dict[str, Case] = {}
    for case in cases:
        known = merged.setdefault(case.workload, replace(case, bonds=bonds))
        labels = tuple(dict.fromkeys(known.labels + case.labels))
        merged[case.workload] = replace(known, labels=labels, rounds=None)
    return list(merged.values())


def collect(options: argparse.Namespace, results: Path) -> None:
    """Let the simulators take turns; each round starts with another one."""
    chosen, begin = present(options), time.monotonic()
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("w") as file:
        environment = {**os.environ, **dict.fromkeys(measure.THREAD_VARIABLES, "1")}
        command = [sys.executable, "-m", CEILING.module]
        file.write(subprocess.check_output(command, cwd=ROOT, env=environment, text=True))
        turns = [
            (turn, case, chi)
            for turn in range(options.rounds)
            for case in cases_of(options)
            if case.rounds is None or turn < case.rounds
            for chi in case.bonds
        ]
        for number, (turn, case, chi) in enumerate(turns, start=1):
            runners = [contestant for contestant in chosen if contestant.label in case.labels]
            shift = turn % max(1, len(runners))
            for contestant in runners[shift:] + runners[:shift]:
                minutes = (time.monotonic() - begin) / 60
                print(
                    f"[{minutes:4.1f} min, {number}/{len(turns)}] round {turn + 1}/"
                    f"{options.rounds} {case.workload} chi={chi} {contestant.label}",
                    file=sys.stderr,
                )
                for line in run_one(contestant, case.workload, chi, options):
                    file.write(line + "\n")
                file.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write ``results.jsonl`` and ``table.md``, print the table."""
    options = parse(argv)
    results = options.out / "results.jsonl"
    if not (options.table or options.readme):
        collect(options, results)
    elif not results.exists():
        print(f"{results} does not exist: run without --table or --readme first.", file=sys.stderr)
        return 2
    if options.readme:
        page = ROOT / "README.md"
        text = put_into(page.read_text(encoding="utf-8"), readme_table(results))
        page.write_text(text, encoding="utf-8")
        return 0
    text = table(results)
    (options.out / "table.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
