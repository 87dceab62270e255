"""One quantum kernel beside product states, an RBF and a linear kernel: what three examples share.

Run ``kernel_digits.py``, ``kernel_breast_cancer.py`` or ``kernel_784_pixels.py``. Each multiplies
its data by several bandwidths, computes the fidelity kernel of the map below and of the same map
without entanglers, and scores support vector machines over them beside an RBF and a linear kernel,
on the same splits; bandwidth, RBF exponent and penalty are chosen inside the training points.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

try:
    from matplotlib.figure import Figure
    from sklearn.model_selection import train_test_split
    from tqdm import tqdm
except ModuleNotFoundError as missing:
    raise SystemExit(
        f'This example needs {missing.name}, which is not installed: pip install "bondline[qml]"'
    ) from None

from bondline.kernels import Diagnosis, FidelityKernel, compare_scores, diagnose

Array = NDArray[np.float64]

QUANTUM, PRODUCT, RBF, LINEAR = "quantum", "product state", "RBF", "linear"
COLOURS = {QUANTUM: "#6a3d9a", PRODUCT: "#33a02c", RBF: "#ff7f00", LINEAR: "#7f7f7f"}
WIDTHS = (0.1, 0.3, 1.0, 3.0, 10.0)
"""RBF exponents in units of one over the median squared distance."""
DIAGNOSED = 600
"""Points that a diagnosis looks at: its work grows with their cube."""


def feature_map(x: Any) -> None:
    """Turn equal superpositions by each feature, and neighbours by the product of their two."""
    wires = len(x)
    for wire in range(wires):
        qml.Hadamard(wire)
        qml.RZ(x[wire], wires=wire)
    for wire in range(wires - 1):
        qml.IsingZZ(x[wire] * x[wire + 1], wires=[wire, wire + 1])


@dataclass(frozen=True)
class DataSet:
    """What is compared on, and how."""

    name: str  # of the files
    title: str
    X: Array
    y: NDArray[Any]
    bandwidths: tuple[float, ...]  # the first is the full one


def parse(
    argv: Sequence[str] | None, about: str, points: int, most: int, quick: int
) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--points", type=int, default=points, help="rows of the data set")
    parser.add_argument("--repeats", type=int, default=10, help="random splits")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="of the machines' fits")
    parser.add_argument("--quick", action="store_true", help=f"{quick} rows, 2 splits")
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    options = parser.parse_args(argv)
    if options.quick:
        options.points, options.repeats = quick, 2
    if not quick <= options.points <= most:
        parser.error(f"--points must lie between {quick} and {most}, got {options.points}.")
    if options.repeats < 2:
        parser.error(f"--repeats must be at least 2 for an interval, got {options.repeats}.")
    return options


def chosen(X: Array, y: NDArray[Any], points: int, seed: int) -> tuple[Array, NDArray[Any]]:
    """Return some of the rows, each class with its share."""
    if points == len(X):
        return X, y
    X, _, y, _ = train_test_split(X, y, train_size=points, stratify=y, random_state=seed)
    return X, y


def classical(X: Array) -> tuple[list[Array], Array]:
    """Return RBF kernels of several exponents, and the linear kernel of trace n."""
    middle = X - X.mean(axis=0)
    linear = middle @ middle.T
    squares = np.diag(linear)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2.0 * linear, 0.0)
    scale = np.median(distances[np.triu_indices(len(X), 1)])
    return [np.exp(-width / scale * distances) for width in WIDTHS], linear * (
        len(X) / np.trace(linear)
    )


def study(data: DataSet, options: argparse.Namespace) -> int:
    """Compute the kernels, score them, print what was found; write a figure and a report."""
    begin = time.perf_counter()
    hidden = options.no_progress or None  # None: no bar where stderr is no terminal
    quantum = FidelityKernel(feature_map, data.X.shape[1])
    kernels = {QUANTUM: quantum, PRODUCT: quantum.without_entanglers()}
    logs: dict[str, list[Array]] = {name: [] for name in kernels}
    with tqdm(
        total=len(kernels) * len(data.bandwidths), desc="kernels", unit="matrix", disable=hidden
    ) as bar:
        for bandwidth in data.bandwidths:
            for name, kernel in kernels.items():
                logs[name].append(kernel.log_matrix(bandwidth * data.X, progress=False))
                bar.update()
    encoded = time.perf_counter() - begin

    rbf, linear = classical(data.X)
    models = {name: [np.exp(found) for found in matrices] for name, matrices in logs.items()}
    models |= {RBF: rbf, LINEAR: [linear]}
    with tqdm(
        total=len(models) * options.repeats, desc="machines", unit="split", disable=hidden
    ) as bar:
        scores = compare_scores(
            models,
            data.y,
            repeats=options.repeats,
            seed=options.seed,
            threads=options.threads,
            tick=bar.update,
        )
    favourite = int(np.bincount([index for index, _ in scores.scores[QUANTUM].chosen]).argmax())
    reports = {
        data.bandwidths[index]: diagnose(
            log_K=logs[QUANTUM][index],
            X=data.X,
            y=data.y,
            product=models[PRODUCT][index],
            repeats=min(options.repeats, 5),
            max_points=DIAGNOSED,
            threads=options.threads,
        )
        for index in sorted({0, favourite})
    }
    medians = {name: [median(found) for found in matrices] for name, matrices in logs.items()}

    points, wires = data.X.shape
    print(f"{data.title}: {points} rows on {wires} wires, {options.repeats} splits\n")
    print(f"{'bandwidth':<12}{'log10 of the median entry':>28}{'of product states':>20}")
    for bandwidth, *found in zip(data.bandwidths, *medians.values(), strict=True):
        print(f"{bandwidth:<12g}{found[0]:>28.2f}{found[1]:>20.2f}")
    print(f"\n{scores.table(QUANTUM)}\n")
    for bandwidth, report in reports.items():
        print(f"At bandwidth {bandwidth:g} ({report.points} rows): {report.verdict}\n")
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / data.name
    draw(path.with_suffix(".png"), data, scores, medians)
    path.with_suffix(".json").write_text(
        json.dumps(summary(data, scores, medians, reports), indent=1), encoding="utf-8"
    )
    print(
        f"{2 * len(data.bandwidths)} quantum kernels in {encoded:.1f} s, "
        f"{time.perf_counter() - begin:.1f} s in all; wrote {path}.png and .json"
    )
    return 0


def median(logs: Array) -> float:
    """Return log10 of the median entry off the diagonal."""
    return float(np.median(logs[np.triu_indices(len(logs), 1)]) / np.log(10.0))


def summary(
    data: DataSet, scores: Any, medians: dict[str, list[float]], reports: dict[float, Diagnosis]
) -> dict[str, Any]:
    """Return what the JSON file holds; intervals are of 95%."""
    names = list(scores.scores)
    return {
        "rows": len(data.X),
        "wires": data.X.shape[1],
        "bandwidths": data.bandwidths,
        "log10_median_entry": medians,
        "accuracy": {name: asdict(scores.estimate(name)) for name in names},
        "quantum_minus": {
            name: asdict(scores.difference(QUANTUM, name)) for name in names if name != QUANTUM
        },
        "verdicts": {f"{b:g}": report.verdict.sentence for b, report in reports.items()},
    }


def draw(path: Path, data: DataSet, scores: Any, medians: dict[str, list[float]]) -> None:
    """Draw the accuracies with their intervals, and how entries fall with the bandwidth."""
    figure = Figure(figsize=(10.5, 4.0), layout="constrained")
    bars, curve = figure.subplots(1, 2)
    names = list(scores.scores)[::-1]
    for row, name in enumerate(names):
        found = scores.estimate(name)
        values = 100 * np.array(scores.scores[name].test)
        spread = row + np.linspace(-0.15, 0.15, len(values))
        colour = COLOURS[name]
        bars.scatter(values, spread, s=14, color=colour, alpha=0.35, linewidths=0)
        width = 100 * found.half_width
        bars.errorbar(100 * found.mean, row, xerr=width, fmt="o", ms=8, capsize=5, color=colour)
    bars.set_yticks(range(len(names)), names)
    bars.set_xlabel("test accuracy (%), 95% intervals")
    bars.set_title("Same splits, each model tuned inside them", loc="left")
    for name, found in medians.items():
        curve.semilogx(data.bandwidths, found, "o-", color=COLOURS[name], label=name)
    curve.axhline(-3.0, color="black", lw=1, ls="--", label="1/1000 shots")
    curve.set_xlabel("bandwidth (factor of the data)")
    curve.set_ylabel("log10 of the median entry")
    curve.set_title("Concentration", loc="left")
    curve.legend(frameon=False)
    for axes in (bars, curve):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.suptitle(data.title)
    figure.savefig(path, dpi=150)
