"""Handwritten digits on 64 qubits, to see whether entanglement helps a projected kernel.

Every image of scikit-learn's digits is laid on a chain of 64 wires, one pixel to a wire, along a
path that snakes through the rows. A feature map rotates each wire by its pixel and entangles
neighbours twice; the state is read through its 192 local Pauli expectations, and an RBF kernel on
these numbers, the projected quantum kernel of Huang et al. (arXiv:2011.01938), goes into a support
vector machine. Beside it run the same map without entanglers, an RBF kernel on the pixels and a
linear one, all with the same splits, the same number of hyper-parameter candidates and the same
inner cross-validation.

    python examples/digits_projected_kernel.py --images 400 --repeats 10

prints two tables and a verdict, and writes a figure and a JSON report into ``examples/out``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

try:
    from matplotlib.figure import Figure
    from scipy.stats import t as student
    from sklearn.datasets import load_digits
    from sklearn.metrics.pairwise import euclidean_distances
    from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit, train_test_split
    from sklearn.svm import SVC
    from tqdm import tqdm
except ModuleNotFoundError as missing:
    raise SystemExit(
        f'This example needs {missing.name}, which is not installed: pip install "bondline[qml]"'
    ) from None

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

SIDE = 8
WIRES = SIDE * SIDE
CHUNK = 25  # images in one call of the QNode

BANDWIDTHS = (0.125, 0.25, 0.5, 1.0, 2.0)
"""Angle of a white pixel in units of pi/2: the scale of the data inside the circuit."""
WIDTHS = (0.25, 1.0, 4.0)
"""RBF exponents of the projected kernels, in units of one over the median squared distance."""
PIXEL_WIDTHS = tuple(float(width) for width in np.geomspace(0.05, 20.0, 15))
PENALTIES = (1.0, 10.0, 100.0)
LINEAR_PENALTIES = tuple(float(penalty) for penalty in np.geomspace(1e-3, 1e3, 45))
CANDIDATES = len(BANDWIDTHS) * len(WIDTHS) * len(PENALTIES)  # 45, for every model
INNER_FOLDS = 3
TEST_SHARE = 0.25
FEWEST_IMAGES, MOST_IMAGES = 40, 1797

ENTANGLED = "projected kernel, entangled"
PRODUCT = "projected kernel, no entanglers"
PIXELS = "RBF kernel on the pixels"
LINEAR = "linear kernel on the pixels"


def snake() -> Indices:
    """Return the pixel on each wire: rows alternate in direction, so that the path never jumps."""
    rows = np.arange(WIRES).reshape(SIDE, SIDE)
    rows[1::2] = rows[1::2, ::-1]
    return rows.reshape(-1)


def feature_map(pixels: Array, bandwidth: float, *, entangle: bool) -> None:
    """Apply two layers of pixel rotations, each followed by ZZ rotations between neighbours.

    ``pixels`` has one column per wire; with several rows PennyLane broadcasts over the images.
    A ZZ angle is the product of two pixels: dark background stays unentangled.
    """
    angles = 0.5 * math.pi * bandwidth * pixels
    for _ in range(2):
        for wire in range(WIRES):
            qml.RY(angles[:, wire], wires=wire)
            qml.RZ(angles[:, wire], wires=wire)
        if entangle:
            for wire in range(WIRES - 1):
                qml.IsingZZ(2.0 * angles[:, wire] * pixels[:, wire + 1], wires=(wire, wire + 1))


@dataclass
class CircuitCost:
    """What the circuits of one map cost in all, and how exact they were at worst."""

    circuits: int = 0
    seconds: float = 0.0  # of the QNode's calls, PennyLane included
    engine_seconds: float = 0.0  # of the circuits themselves, summed over threads
    largest_bond: int = 0
    discarded_weight: float = 0.0


def project(
    pixels: Array, bandwidth: float, *, entangle: bool, cost: CircuitCost, tick: Callable[[], Any]
) -> Array:
    """Compute the 3·64 expectations <X>, <Y>, <Z> of every wire, one row per image."""
    device = qml.device("bondline.mps", wires=WIRES)

    @qml.qnode(device, diff_method=None)  # no gradients here: the batch stays one tape
    def expectations(rows: Array) -> list[Any]:
        feature_map(rows, bandwidth, entangle=entangle)
        return [qml.expval(p(wire)) for wire in range(WIRES) for p in (qml.X, qml.Y, qml.Z)]

    blocks = []
    for start in range(0, len(pixels), CHUNK):
        begin = time.perf_counter()
        blocks.append(np.stack(expectations(pixels[start : start + CHUNK]), axis=-1))
        cost.seconds += time.perf_counter() - begin
        cost.circuits += len(device.reports)
        for report in device.reports:
            cost.engine_seconds += report.seconds
            cost.largest_bond = max(cost.largest_bond, report.largest_bond)
            cost.discarded_weight = max(cost.discarded_weight, report.total_discarded)
        tick()
    return np.concatenate(blocks).astype(np.float64)


@dataclass(frozen=True)
class Model:
    """A family of kernels to choose from: squared distances with RBF exponents, or one Gram."""

    name: str
    matrices: dict[float, Array]  # by bandwidth; one entry where there is nothing to scale
    widths: tuple[float, ...]  # empty: the matrices are Gram matrices already
    penalties: tuple[float, ...]

    def candidates(self, bandwidth: float, train: Indices) -> list[tuple[Array, float]]:
        """Pair kernel matrices over all images with each penalty.

        The RBF's unit of width comes from the training images alone.
        """
        matrix = self.matrices[bandwidth]
        if not self.widths:
            return [(matrix, penalty) for penalty in self.penalties]
        inside = matrix[np.ix_(train, train)]
        scale = float(np.median(inside[np.triu_indices(len(train), 1)]))
        kernels = [np.exp(-width / scale * matrix) for width in self.widths]
        return [(kernel, penalty) for kernel in kernels for penalty in self.penalties]


def score(kernel: Array, labels: Indices, fit: Indices, held: Indices, penalty: float) -> float:
    """Return the accuracy on ``held`` of a support vector machine trained on ``fit``."""
    machine = SVC(kernel="precomputed", C=penalty).fit(kernel[np.ix_(fit, fit)], labels[fit])
    return float(machine.score(kernel[np.ix_(held, fit)], labels[held]))


@dataclass(frozen=True)
class SplitResult:
    """Test accuracies of one model on one split."""

    chosen: float  # of the candidate that won inside the training images
    by_bandwidth: dict[float, float]  # of the winner at each bandwidth


def evaluate(model: Model, labels: Indices, train: Indices, test: Indices) -> SplitResult:
    """Choose bandwidth, width and penalty by cross-validation on ``train``; report on ``test``."""
    folds = min(INNER_FOLDS, int(np.bincount(labels[train]).min()))
    inner = StratifiedKFold(folds, shuffle=True, random_state=0)
    pairs = [(train[fit], train[held]) for fit, held in inner.split(train, labels[train])]
    by_bandwidth: dict[float, float] = {}
    inside: dict[float, float] = {}
    for bandwidth in model.matrices:
        candidates = model.candidates(bandwidth, train)
        inner_scores = [
            float(np.mean([score(kernel, labels, *pair, penalty) for pair in pairs]))
            for kernel, penalty in candidates
        ]
        inside[bandwidth] = max(inner_scores)
        kernel, penalty = candidates[int(np.argmax(inner_scores))]
        by_bandwidth[bandwidth] = score(kernel, labels, train, test, penalty)
    return SplitResult(by_bandwidth[max(inside, key=inside.__getitem__)], by_bandwidth)


@dataclass(frozen=True)
class Estimate:
    """Mean over the splits with two standard errors.

    The plain one treats the splits as independent; as their training sets overlap it is too small,
    and the one of Nadeau and Bengio (2003) widens it by the ratio of test to training images.
    """

    mean: float
    standard_error: float
    corrected_error: float

    @classmethod
    def of(cls, values: Sequence[float] | Array, test_to_train: float) -> Estimate:
        """Compute it from one value per split."""
        sample = np.asarray(values, dtype=np.float64)
        deviation = float(sample.std(ddof=1))
        return cls(
            float(sample.mean()),
            deviation / math.sqrt(len(sample)),
            deviation * math.sqrt(1.0 / len(sample) + test_to_train),
        )


def verdict(difference: Estimate, splits: int) -> str:
    """Say plainly whether the entanglers helped (Student's t at 95%, corrected error)."""
    figures = (
        f"{100 * difference.mean:+.2f} ± {100 * difference.corrected_error:.2f} percentage points "
        "(paired over the splits, standard error corrected for their overlap)"
    )
    if abs(difference.mean) <= student.ppf(0.975, splits - 1) * difference.corrected_error:
        return f"No measurable difference: entanglement changed the accuracy by {figures}."
    word = "helped" if difference.mean > 0.0 else "hurt"
    return f"Entanglement {word}: it changed the accuracy by {figures}."


def draw(
    path: Path,
    accuracy: dict[str, Array],
    by_bandwidth: dict[str, dict[float, Estimate]],
    entanglement: Array,
    test_to_train: float,
) -> None:
    """Draw three panels: the models, accuracy against bandwidth, where the entanglement sits."""
    colours = {ENTANGLED: "#6a3d9a", PRODUCT: "#33a02c", PIXELS: "#ff7f00", LINEAR: "#7f7f7f"}
    figure = Figure(figsize=(13.5, 4.2), layout="constrained")
    bars, curve, picture = figure.subplots(1, 3, width_ratios=(1.25, 1.1, 1.0))

    names = list(accuracy)[::-1]
    for row, name in enumerate(names):
        values = 100 * accuracy[name]
        estimate = Estimate.of(values, test_to_train)
        spread = np.linspace(-0.16, 0.16, len(values))
        bars.scatter(values, row + spread, s=14, color=colours[name], alpha=0.35, linewidths=0)
        bars.errorbar(
            estimate.mean,
            row,
            xerr=estimate.corrected_error,
            fmt="o",
            ms=8,
            capsize=5,
            lw=2,
            color=colours[name],
        )
    bars.set_yticks(range(len(names)), [name.replace(", ", ",\n") for name in names])
    bars.set_ylim(-0.5, len(names) - 0.5)
    bars.set_xlabel("test accuracy (%)")
    bars.set_title("Same splits, same search budget", loc="left")

    for name, line in by_bandwidth.items():
        curve.errorbar(
            list(line),
            [100 * estimate.mean for estimate in line.values()],
            yerr=[100 * estimate.corrected_error for estimate in line.values()],
            fmt="o-",
            capsize=3,
            color=colours[name],
            label=name.split(", ")[1],
        )
    level = Estimate.of(100 * accuracy[PIXELS], test_to_train)
    low, high = level.mean - level.corrected_error, level.mean + level.corrected_error
    curve.axhspan(low, high, color=colours[PIXELS], alpha=0.15, lw=0)
    curve.axhline(level.mean, color=colours[PIXELS], lw=1, label="RBF on the pixels")
    curve.set_xscale("log", base=2)
    curve.set_xticks(BANDWIDTHS, [f"{bandwidth:g}" for bandwidth in BANDWIDTHS])
    curve.set_xlabel("bandwidth: angle of a white pixel (units of π/2)")
    curve.set_ylabel("test accuracy (%)")
    curve.set_title("Bandwidth decides", loc="left")
    curve.legend(frameon=False, fontsize=9)

    image = np.empty(WIRES)
    image[snake()] = entanglement
    shown = picture.imshow(image.reshape(SIDE, SIDE), cmap="magma", vmin=0.0)
    rows, columns = np.divmod(snake(), SIDE)
    picture.plot(columns, rows, color="white", lw=1, alpha=0.6)
    picture.set_xticks([])
    picture.set_yticks([])
    picture.set_title("Where the entanglement sits", loc="left")
    figure.colorbar(
        shown, ax=picture, label=f"1 - |Bloch vector|², bandwidth {BANDWIDTHS[-2]:g}", shrink=0.9
    )
    for axes in (bars, curve):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.savefig(path, dpi=150)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=400, help="images used, of 1797")
    parser.add_argument("--repeats", type=int, default=10, help="train/test splits")
    parser.add_argument("--seed", type=int, default=2011, help="chooses images and splits")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "out")
    parser.add_argument("--no-progress", action="store_true", help="no progress bars")
    options = parser.parse_args(argv)
    if not FEWEST_IMAGES <= options.images <= MOST_IMAGES:
        parser.error(
            f"--images must lie between {FEWEST_IMAGES} (a few of each digit for the inner folds) "
            f"and {MOST_IMAGES} (all there are), got {options.images}."
        )
    if options.repeats < 2:
        parser.error(f"--repeats must be at least 2 for a standard error, got {options.repeats}.")
    return options


def load_images(options: argparse.Namespace) -> tuple[Array, Indices]:
    """Return pixels in [0, 1] in wire order, and labels: a stratified choice of images."""
    data = load_digits()
    chosen = np.arange(len(data.target))
    if options.images < len(chosen):
        chosen, _ = train_test_split(
            chosen,
            train_size=options.images,
            stratify=data.target,
            random_state=options.seed,
        )
    return data.data[chosen][:, snake()] / 16.0, data.target[chosen].astype(np.intp)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study, print the tables, write the figure and the report."""
    options = parse(argv)
    begin = time.perf_counter()
    pixels, labels = load_images(options)

    costs = {ENTANGLED: CircuitCost(), PRODUCT: CircuitCost()}
    projected: dict[str, dict[float, Array]] = {ENTANGLED: {}, PRODUCT: {}}
    chunks = math.ceil(len(pixels) / CHUNK)
    with tqdm(
        total=chunks * len(BANDWIDTHS) * len(costs),
        desc="circuits on 64 wires",
        unit="batch",
        disable=options.no_progress or None,  # None: no bar where stderr is no terminal
    ) as bar:
        for name, cost in costs.items():
            for bandwidth in BANDWIDTHS:
                projected[name][bandwidth] = project(
                    pixels, bandwidth, entangle=name == ENTANGLED, cost=cost, tick=bar.update
                )

    def distances(features: Array) -> Array:
        return np.asarray(euclidean_distances(features, squared=True), dtype=np.float64)

    models = [
        Model(name, {b: distances(f) for b, f in features.items()}, WIDTHS, PENALTIES)
        for name, features in projected.items()
    ]
    models.append(Model(PIXELS, {1.0: distances(pixels)}, PIXEL_WIDTHS, PENALTIES))
    models.append(Model(LINEAR, {1.0: pixels @ pixels.T}, (), LINEAR_PENALTIES))

    splits = StratifiedShuffleSplit(
        options.repeats, test_size=TEST_SHARE, random_state=options.seed
    )
    runs: dict[str, list[SplitResult]] = {model.name: [] for model in models}
    pairs = list(splits.split(pixels, labels))
    with tqdm(
        total=len(pairs) * len(models),
        desc="support vector machines",
        unit="fit",
        disable=options.no_progress or None,  # None: no bar where stderr is no terminal
    ) as bar:
        for train, test in pairs:
            for model in models:
                runs[model.name].append(evaluate(model, labels, train, test))
                bar.update()

    test_to_train = len(pairs[0][1]) / len(pairs[0][0])
    accuracy = {name: np.array([run.chosen for run in rows]) for name, rows in runs.items()}
    by_bandwidth = {
        name: {
            b: Estimate.of([run.by_bandwidth[b] for run in runs[name]], test_to_train)
            for b in BANDWIDTHS
        }
        for name in costs
    }
    overall = {name: Estimate.of(values, test_to_train) for name, values in accuracy.items()}
    paired = {
        name: Estimate.of(accuracy[ENTANGLED] - values, test_to_train)
        for name, values in accuracy.items()
        if name != ENTANGLED
    }
    paired_by_bandwidth = {
        b: Estimate.of(
            [
                entangled.by_bandwidth[b] - product.by_bandwidth[b]
                for entangled, product in zip(runs[ENTANGLED], runs[PRODUCT], strict=True)
            ],
            test_to_train,
        )
        for b in BANDWIDTHS
    }
    bloch = projected[ENTANGLED][BANDWIDTHS[-2]].reshape(len(pixels), WIRES, 3)
    entanglement = np.mean(1.0 - np.sum(bloch**2, axis=-1), axis=0)

    print(
        f"{len(pixels)} images, {options.repeats} splits ({len(pairs[0][0])} to train, "
        f"{len(pairs[0][1])} to test), {CANDIDATES} candidates a model, chosen on training images\n"
    )
    print(f"{'model':<34}{'accuracy %':>12}{'± s.e.':>8}{'corrected':>11}   entangled minus this")
    for name, estimate in overall.items():
        line = f"{name:<34}{100 * estimate.mean:>12.2f}{100 * estimate.standard_error:>8.2f}"
        line += f"{100 * estimate.corrected_error:>11.2f}"
        if name in paired:
            line += f"   {100 * paired[name].mean:+.2f} ± {100 * paired[name].corrected_error:.2f}"
        print(line)
    print(
        f"\n{'circuits of 64 wires':<34}{'number':>8}{'ms each':>9}{'in engine':>11}"
        f"{'largest bond':>14}{'discarded weight':>18}"
    )
    for name, cost in costs.items():
        each, engine = (1e3 * s / cost.circuits for s in (cost.seconds, cost.engine_seconds))
        print(
            f"{name:<34}{cost.circuits:>8}{each:>9.2f}{engine:>11.2f}{cost.largest_bond:>14}"
            f"{cost.discarded_weight:>18.1e}"
        )
    conclusion = verdict(paired[PRODUCT], options.repeats)
    print(f"\n{conclusion}")
    steps = [
        f"{100 * estimate.mean:+.1f} ± {100 * estimate.corrected_error:.1f} at {b:g}"
        for b, estimate in paired_by_bandwidth.items()
    ]
    print("With the bandwidth held fixed instead of chosen: " + ", ".join(steps) + ".")

    options.out.mkdir(parents=True, exist_ok=True)
    picture = options.out / "digits_projected_kernel.png"
    draw(picture, accuracy, by_bandwidth, entanglement, test_to_train)
    report = {
        "images": len(pixels),
        "repeats": options.repeats,
        "seed": options.seed,
        "candidates_per_model": CANDIDATES,
        "test_to_train": test_to_train,
        "accuracy": {name: asdict(estimate) for name, estimate in overall.items()},
        "accuracy_by_split": {name: values.tolist() for name, values in accuracy.items()},
        "entangled_minus": {name: asdict(estimate) for name, estimate in paired.items()},
        "accuracy_by_bandwidth": {
            name: {str(b): asdict(estimate) for b, estimate in line.items()}
            for name, line in by_bandwidth.items()
        },
        "entangled_minus_product_by_bandwidth": {
            str(b): asdict(estimate) for b, estimate in paired_by_bandwidth.items()
        },
        "circuits": {name: asdict(cost) for name, cost in costs.items()},
        "entanglement_per_wire": entanglement.tolist(),
        "verdict": conclusion,
        "seconds": time.perf_counter() - begin,
    }
    record = options.out / "digits_projected_kernel.json"
    record.write_text(json.dumps(report, indent=2) + "\n")
    print(f"Wrote {picture} and {record} after {report['seconds']:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
