"""A quantum kernel of handwritten digits: 64 pixels on 64 wires, all 1,797 images.

    python examples/kernel_digits.py

Pixels are angles in [0, pi]. At full bandwidth half of all pairs of images have an overlap below
1e-15, and the machine memorises; at smaller ones the kernel is a product of single-wire kernels.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from kernel_comparison import DataSet, chosen, parse, study
from sklearn.datasets import load_digits


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison."""
    X, y = load_digits(return_X_y=True)
    options = parse(argv, "digits on 64 wires", len(X), len(X), quick=80)
    X, y = chosen(np.pi / 16.0 * X, y, options.points, options.seed)
    data = DataSet("kernel_digits", "scikit-learn's digits", X, y, (1.0, 0.3, 0.15, 0.08))
    return study(data, options)


if __name__ == "__main__":
    sys.exit(main())
