"""How cost grows: ``python -m benches.growth`` draws four curves, bondline beside peers.

Bond dimension (W1), wires (two layers), circuits in a batch, threads. A curve ends where a process
runs past ``--limit`` seconds. JSON lines go to ``growth.jsonl``, the picture to ``growth.png``;
``--draw`` draws it again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benches import measure
from benches.cases import CONTESTANTS
from benches.run import PEERS_PYTHON, run_one

PEERS = ("aer", "maestro", "quimb")


@dataclass(frozen=True)
class Curve:
    """One picture: points of growing size, each a circuit and a bond dimension."""

    title: str
    axis: str
    points: tuple[tuple[int, str, int], ...]  # size, circuit, bond dimension
    labels: tuple[str, ...]
    clock: str = "cpu_s"


BONDS = tuple((chi, "w1", chi) for chi in (16, 32, 64, 128, 256, 512))
CURVES = (
    Curve("Haar brickwall, 40 wires", "bond dimension", BONDS, ("engine", *PEERS)),
    Curve(
        "two layers, bond dimension 16",
        "wires",
        tuple((n, f"layers-{n}", 16) for n in (20, 50, 100, 200, 500, 1000, 2000)),
        ("engine", *PEERS),
    ),
    Curve(
        "60 wires, 4 layers, bond dimension 16",
        "circuits in one call",
        tuple((rows, f"batch-{rows}", 16) for rows in (1, 10, 100, 1000)),
        ("engine", "engine-2"),
        "wall_s",
    ),
    Curve("threads", "bond dimension", BONDS, ("engine", "engine-2"), "wall_s"),
)


def series(
    curve: Curve, records: Iterable[dict[str, Any]]
) -> dict[tuple[str, int], list[tuple[int, float]]]:
    """Collect the medians of a curve, by simulator and threads, in the order of size."""
    sizes = {(workload, chi): size for size, workload, chi in curve.points}
    times: dict[tuple[str, int], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        size = sizes.get((record["workload"], record["chi"]))
        if record["curve"] == curve.title and record["call"] > 0 and size is not None:
            who = (record["simulator"], record["threads"])
            times[who][size].append(record[curve.clock])
    return {
        who: sorted((size, median(found)) for size, found in by_size.items())
        for who, by_size in times.items()
    }


def collect(options: argparse.Namespace, results: Path) -> None:
    """Let the simulators take turns at every point; one that ran past the limit goes no further."""
    results.parent.mkdir(parents=True, exist_ok=True)
    peers = options.peers_python.exists()
    with results.open("w") as file:
        for curve in CURVES:
            runners = [
                contestant
                for contestant in CONTESTANTS
                if contestant.label in curve.labels and (peers or not contestant.is_peer)
            ]
            for size, workload, chi in curve.points:
                if options.largest is not None and size > options.largest:
                    break
                for contestant in tuple(runners):
                    print(f"{curve.title}: {size} {contestant.label}", file=sys.stderr)
                    lines = run_one(contestant, workload, chi, options)
                    if not lines:
                        runners.remove(contestant)
                    for line in lines:
                        record = {**json.loads(line), "curve": curve.title}
                        file.write(json.dumps(record, sort_keys=True) + "\n")
                    file.flush()


def draw(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw all curves, both axes logarithmic."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    for curve, panel in zip(CURVES, panels.flat, strict=True):
        for (simulator, threads), points in sorted(series(curve, records).items()):
            name = simulator + (f", {threads} threads" if threads > 1 else "")
            panel.loglog(*zip(*points, strict=True), marker="o", markersize=3, label=name)
        panel.set(title=curve.title, xlabel=curve.axis)
        panel.set_ylabel("CPU seconds" if curve.clock == "cpu_s" else "wall seconds")
        if panel.lines:
            panel.legend(fontsize=7)
    figure.savefig(path, dpi=90)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1)
    parser.add_argument("--limit", type=float, default=90.0, help="seconds for one process")
    parser.add_argument("--largest", type=int, help="no point beyond this size")
    parser.add_argument("--peers-python", type=Path, default=PEERS_PYTHON)
    parser.add_argument("--out", type=Path, default=measure.OUT)
    parser.add_argument("--draw", action="store_true", help="only draw the picture again")
    options = parser.parse_args(argv)
    results = options.out / "growth.jsonl"
    if not options.draw:
        collect(options, results)
    draw(
        [json.loads(line) for line in results.read_text().splitlines()], options.out / "growth.png"
    )
    print(options.out / "growth.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
