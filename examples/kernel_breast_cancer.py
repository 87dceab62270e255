"""A quantum kernel of the Wisconsin breast cancer data: 30 features on 30 wires.

    python examples/kernel_breast_cancer.py

Features are standardised; a bandwidth of 1 turns a wire by one radian for a standard deviation.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from kernel_comparison import DataSet, chosen, parse, study
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison."""
    X, y = load_breast_cancer(return_X_y=True)
    options = parse(argv, "breast cancer on 30 wires", len(X), len(X), quick=80)
    X, y = chosen(StandardScaler().fit_transform(X), y, options.points, options.seed)
    bandwidths = (1.0, 0.5, 0.2, 0.1, 0.05)
    data = DataSet("kernel_breast_cancer", "Wisconsin breast cancer", X, y, bandwidths)
    return study(data, options)


if __name__ == "__main__":
    sys.exit(main())
