"""A support vector machine over a quantum kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import SVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from bondline.errors import InputError
from bondline.kernels.learning.encoding import KernelEstimator
from bondline.kernels.learning.feature_maps import FeatureMap


class QuantumKernelClassifier(KernelEstimator, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Support vector machine over the fidelity kernel of a feature map.

    Parameters
    ----------
    feature_map : callable, optional
        ``feature_map(x, depth)`` or ``feature_map(x)``, a quantum function of one row of data; by
        default a chain of rotations with one feature to a wire.
    depth : int, default 1
        Given to the feature map if it has an argument of that name.
    bandwidth : float, default 1.0
        Factor for the data: the hyper-parameter that matters most.
    wires : int or sequence, optional
        By default one per feature.
    kernel : callable, optional
        ``kernel(feature_map, wires)`` returns the kernel; by default ``FidelityKernel``. Settings
        go by ``functools.partial(FidelityKernel, max_bond_dim=32)``.
    C : float, default 1.0
    class_weight : dict, "balanced" or None

    Attributes
    ----------
    classes_ : ndarray
    n_features_in_ : int
    encoded_ : object
        The states of the training set, encoded once and used at every prediction.
    machine_ : SVC

    Notes
    -----
    Search over ``depth`` and ``bandwidth`` with ``GridSearchCV`` as over any parameter. Fitted
    estimators can be pickled if the feature map can: a function of a module, not a lambda.
    """

    def __init__(
        self,
        feature_map: FeatureMap | None = None,
        *,
        depth: int = 1,
        bandwidth: float = 1.0,
        wires: Any = None,
        kernel: Any = None,
        C: float = 1.0,
        class_weight: Any = None,
    ) -> None:
        self.feature_map = feature_map
        self.depth = depth
        self.bandwidth = bandwidth
        self.wires = wires
        self.kernel = kernel
        self.C = C
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any) -> QuantumKernelClassifier:
        """Encode the training set and fit the machine.

        Parameters
        ----------
        X : array_like, shape (n, d)
        y : array_like, shape (n,)

        Returns
        -------
        QuantumKernelClassifier
        """
        rows, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y has one class only, {self.classes_[0]!r}: nothing to learn.")
        weight = self.class_weight
        if isinstance(weight, dict):
            weight = {int(np.flatnonzero(self.classes_ == c)[0]): w for c, w in weight.items()}
        machine = SVC(kernel="precomputed", C=self.C, class_weight=weight)
        self.machine_ = machine.fit(self._fit_matrix(rows), numbers)
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the distance to the boundary, one column per class for more than two.

        Parameters
        ----------
        X : array_like, shape (n, d)

        Returns
        -------
        ndarray
        """
        found: NDArray[np.float64] = self._ask_machine(X, "decision_function")
        return found

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each row.

        Parameters
        ----------
        X : array_like, shape (n, d)

        Returns
        -------
        ndarray
        """
        numbers = self._ask_machine(X, "predict")
        return np.asarray(self.classes_[numbers])
