"""A quantum kernel for Gaussian processes of scikit-learn."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel, NormalizedKernelMixin

from bondline.kernels.learning.encoding import build_kernel, scaled
from bondline.kernels.learning.feature_maps import FeatureMap

_STEP: Final = 1e-4
"""Of ln bandwidth: the error of a central difference is of its square."""
_KEPT: Final = 2


class QuantumGPKernel(NormalizedKernelMixin, Kernel):  # type: ignore[misc]
    """Fidelity kernel for ``GaussianProcessClassifier`` and ``GaussianProcessRegressor``.

    Parameters
    ----------
    feature_map, depth, wires, kernel
        As for ``QuantumKernelClassifier``.
    bandwidth : float, default 1.0
        Factor for the data, a hyper-parameter that the process fits.
    bandwidth_bounds : pair of float or "fixed", default (1e-2, 1e1)

    Notes
    -----
    Add a ``WhiteKernel``, multiply by a ``ConstantKernel`` as with any kernel. The derivative with
    respect to ln bandwidth is a central difference, two more matrices. The states of the last sets
    of data are kept, so that predictions do not encode the training set again.
    """

    def __init__(
        self,
        feature_map: FeatureMap | None = None,
        depth: int = 1,
        bandwidth: float = 1.0,
        bandwidth_bounds: Any = (1e-2, 1e1),
        wires: Any = None,
        kernel: Any = None,
    ) -> None:
        self.feature_map = feature_map
        self.depth = depth
        self.bandwidth = bandwidth
        self.bandwidth_bounds = bandwidth_bounds
        self.wires = wires
        self.kernel = kernel

    @property
    def hyperparameter_bandwidth(self) -> Hyperparameter:
        """What scikit-learn optimises, by its logarithm."""
        return Hyperparameter("bandwidth", "numeric", self.bandwidth_bounds)

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        """Return the kernel matrix, and its derivative with respect to ln bandwidth.

        Parameters
        ----------
        X : array_like, shape (n, d)
        Y : array_like, shape (m, d), optional
        eval_gradient : bool, default False

        Returns
        -------
        ndarray, or a pair of them
        """
        rows = np.asarray(X, dtype=np.float64)
        kernel = self._built(rows.shape[1])
        if Y is not None:
            if eval_gradient:
                raise ValueError("The derivative is of the kernel of one set: leave Y out.")
            others = np.asarray(Y, dtype=np.float64)
            return kernel.matrix(*self._pair(kernel, rows, others))
        values = kernel.matrix(self._encoded(kernel, rows))
        if not eval_gradient:
            return values
        if self.hyperparameter_bandwidth.fixed:
            return values, np.empty((*values.shape, 0))
        up, down = (
            kernel.matrix(scaled(rows, self.bandwidth * math.exp(step))) for step in (_STEP, -_STEP)
        )
        return values, ((up - down) / (2.0 * _STEP))[:, :, None]

    def is_stationary(self) -> bool:
        """Return False: the kernel is no function of differences alone."""
        return False

    def __repr__(self) -> str:
        """Return the parameters that vary."""
        return f"QuantumGPKernel(depth={self.depth}, bandwidth={self.bandwidth:.3g})"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is kept for speed."""
        return {n: v for n, v in self.__dict__.items() if n not in ("_kernels", "_sets")}

    def _built(self, features: int) -> Any:
        wires = features if self.wires is None else self.wires
        key = (self.feature_map, self.depth, repr(wires), self.kernel)
        kept: dict[Any, Any] = self.__dict__.setdefault("_kernels", {})
        if key not in kept:
            kept.clear()
            self.__dict__.pop("_sets", None)
            kept[key] = build_kernel(self.kernel, self.feature_map, self.depth, wires)
        return kept[key]

    def _pair(
        self, kernel: Any, rows: NDArray[np.float64], others: NDArray[np.float64]
    ) -> tuple[Any, Any]:
        """Return both sets; the one that was learnt from is known already, on either side."""
        kept = self.__dict__.setdefault("_sets", {})
        known = [self._key(found) in kept for found in (rows, others)]
        if not any(known):  # cloned or unpickled since: which is which, the next call tells
            known = [True, True]
        first, second = (
            self._encoded(kernel, found) if keep else scaled(found, self.bandwidth)
            for found, keep in zip((rows, others), known, strict=True)
        )
        return first, second

    def _key(self, rows: NDArray[np.float64]) -> tuple[Any, ...]:
        return (float(self.bandwidth), rows.shape, rows.tobytes())

    def _encoded(self, kernel: Any, rows: NDArray[np.float64]) -> Any:
        """Return the states of rows, those seen last without encoding them again."""
        if not hasattr(kernel, "prepare"):
            return scaled(rows, self.bandwidth)
        key = self._key(rows)
        kept: dict[Any, Any] = self.__dict__.setdefault("_sets", {})
        if key not in kept:
            while len(kept) >= _KEPT:
                kept.pop(next(iter(kept)))
            kept[key] = kernel.prepare(scaled(rows, self.bandwidth))
        return kept[key]
