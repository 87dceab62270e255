"""Regression over a quantum kernel: ridge or support vectors."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVR
from sklearn.utils.validation import validate_data

from bondline.errors import InputError
from bondline.kernels.learning.encoding import KernelEstimator
from bondline.kernels.learning.feature_maps import FeatureMap


class QuantumKernelRegressor(KernelEstimator, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Kernel ridge or support vector regression over the fidelity kernel of a feature map.

    Parameters
    ----------
    feature_map, depth, bandwidth, wires, kernel
        As for ``QuantumKernelClassifier``.
    method : {"ridge", "svr"}, default "ridge"
        Ridge regression is of targets less their mean.
    alpha : float, default 1e-3
        Ridge.
    C, epsilon : float
        Of support vectors.

    Attributes
    ----------
    n_features_in_ : int
    encoded_ : object
        The states of the training set, encoded once and used at every prediction.
    machine_ : KernelRidge or SVR
    offset_ : float
        Mean of the targets that the ridge left out.
    """

    def __init__(
        self,
        feature_map: FeatureMap | None = None,
        *,
        depth: int = 1,
        bandwidth: float = 1.0,
        wires: Any = None,
        kernel: Any = None,
        method: Literal["ridge", "svr"] = "ridge",
        alpha: float = 1e-3,
        C: float = 1.0,
        epsilon: float = 0.1,
    ) -> None:
        self.feature_map = feature_map
        self.depth = depth
        self.bandwidth = bandwidth
        self.wires = wires
        self.kernel = kernel
        self.method = method
        self.alpha = alpha
        self.C = C
        self.epsilon = epsilon

    def fit(self, X: Any, y: Any) -> QuantumKernelRegressor:
        """Encode the training set and fit.

        Parameters
        ----------
        X : array_like, shape (n, d)
        y : array_like, shape (n,)

        Returns
        -------
        QuantumKernelRegressor
        """
        rows, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        if self.method == "ridge":
            machine = KernelRidge(alpha=self.alpha, kernel="precomputed")
            self.offset_ = float(np.mean(targets))
        elif self.method == "svr":
            machine = SVR(kernel="precomputed", C=self.C, epsilon=self.epsilon)
            self.offset_ = 0.0
        else:
            raise InputError(f'method must be "ridge" or "svr", got {self.method!r}.')
        self.machine_ = machine.fit(self._fit_matrix(rows), targets - self.offset_)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the value at each row.

        Parameters
        ----------
        X : array_like, shape (n, d)

        Returns
        -------
        ndarray
        """
        return self._ask_machine(X, "predict") + self.offset_
