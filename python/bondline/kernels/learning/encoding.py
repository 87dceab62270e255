"""What all estimators share: a kernel of scaled data, the training set encoded once."""

from __future__ import annotations

import importlib
import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from bondline.errors import InputError
from bondline.kernels.learning.feature_maps import FeatureMap, at_depth


def build_kernel(
    factory: Callable[..., Any] | None, feature_map: FeatureMap | None, depth: int, wires: Any
) -> Any:
    """Build the kernel of a feature map at a depth.

    Parameters
    ----------
    factory : callable or None
        ``factory(feature_map, wires)``; None for ``FidelityKernel``.
    feature_map : callable or None
    depth : int
    wires : int or sequence

    Returns
    -------
    object
        With ``matrix(X, Y=None)``, and with ``prepare(X)`` where states can be kept.
    """
    if not isinstance(depth, numbers.Integral) or isinstance(depth, bool) or depth < 1:
        raise InputError(f"depth must be a whole number of at least 1, got {depth!r}.")
    if factory is None:
        factory = importlib.import_module("bondline.kernels").FidelityKernel
    return factory(at_depth(feature_map, depth), wires)


def scaled(X: NDArray[Any], bandwidth: float) -> NDArray[Any]:
    """Return the data times the bandwidth.

    Parameters
    ----------
    X : ndarray
    bandwidth : float

    Returns
    -------
    ndarray
    """
    real = isinstance(bandwidth, numbers.Real) and not isinstance(bandwidth, bool)
    if not real or not 0.0 < bandwidth < math.inf:
        raise InputError(f"bandwidth must be a number above 0, got {bandwidth!r}.")
    return X * float(bandwidth)


class KernelEstimator:
    """Part of an estimator that encodes the training set once and compares others with it."""

    feature_map: FeatureMap | None
    depth: int
    bandwidth: float
    wires: Any
    kernel: Callable[..., Any] | None
    encoded_: Any
    machine_: Any

    def _fit_matrix(self, X: NDArray[Any]) -> NDArray[Any]:
        """Encode the training set and return its kernel matrix."""
        self._built = self._build(X.shape[1])
        rows = scaled(X, self.bandwidth)
        prepare = getattr(self._built, "prepare", None)
        self.encoded_ = rows if prepare is None else prepare(rows)
        found: NDArray[Any] = self._built.matrix(self.encoded_)
        return found

    def _ask_machine(self, X: Any, method: str) -> NDArray[Any]:
        """Call the fitted machine on the kernel of new rows with the training set."""
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(getattr(self.machine_, method)(self._cross_matrix(rows)))

    def _cross_matrix(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the kernel of other points with those of the training set."""
        kernel = getattr(self, "_built", None)
        if kernel is None:  # unpickled: kernels hold what need not travel
            kernel = self._build(X.shape[1])
        found: NDArray[Any] = kernel.matrix(scaled(X, self.bandwidth), self.encoded_)
        return found

    def _build(self, features: int) -> Any:
        wires = features if self.wires is None else self.wires
        return build_kernel(self.kernel, self.feature_map, self.depth, wires)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the kernel, which is built again from the parameters."""
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[call-overload]
        state.pop("_built", None)
        return state
