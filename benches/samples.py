"""What 10,000 shots cost, beside peers: ``python -m benches.samples``.

The circuit is W2 at bond dimension 64. Every simulator draws one shot and 10,000 in turn, in a
process of its own; the difference is what drawing costs on a state that is there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benches import measure
from benches.cases import Contestant
from benches.run import PEERS_PYTHON, run_one

CONTESTANTS = (
    Contestant("complex128", "benches.our_samples", False),
    Contestant("complex64", "benches.our_samples", False, ("--single",)),
    Contestant("maestro", "benches.peers.maestro_samples", True),
    Contestant("qevedo", "benches.peers.qevedo", True),
)
WORKLOAD, CHI = "w2", 64


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns that each simulator gets")
    parser.add_argument("--calls", type=int, default=2, help="timed calls in each turn")
    parser.add_argument("--quick", action="store_true", help="one round of one call")
    parser.add_argument("--peers-python", type=Path, default=PEERS_PYTHON)
    parser.add_argument("--out", type=Path, default=measure.OUT, help="folder of the results")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds, options.calls = 1, 1
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write ``samples.jsonl`` and ``samples.md``, print the table."""
    options = parse(argv)
    peers = options.peers_python.exists()
    chosen = [contestant for contestant in CONTESTANTS if peers or not contestant.is_peer]
    if not peers:
        print(f"No peers: {options.peers_python} does not exist.", file=sys.stderr)
    lines: list[str] = []
    for turn in range(options.rounds):
        shift = turn % len(chosen)
        for contestant in chosen[shift:] + chosen[:shift]:
            lines += run_one(contestant, WORKLOAD, CHI, options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "samples.jsonl").write_text("".join(line + "\n" for line in lines))
    seconds: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in map(json.loads, lines):
        if record["call"] > 0:
            seconds[record["simulator"]][record["task"]].append(record["cpu_s"])
    table = [
        "| simulator | evolution and one shot, CPU s | with 10,000 shots | drawing |",
        "|---|---|---|---|",
    ]
    for simulator, tasks in seconds.items():
        one, many = (statistics.median(tasks[task]) for task in ("one shot", "shots"))
        table.append(f"| {simulator} | {one:.2f} | {many:.2f} | {many - one:.2f} |")
    text = "\n".join(table) + "\n"
    (options.out / "samples.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
