"""The projected kernel: distances of local density matrices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bondline import _core
from bondline.errors import InputError
from bondline.kernels.data import as_rows
from bondline.kernels.kernel import MapKernel
from bondline.states.engine import TENSORS


class ProjectedKernel(MapKernel):
    r"""The kernel :math:`\exp(-\gamma\sum_k\|\rho_k(x)-\rho_k(y)\|_F^2)` of a feature map.

    The :math:`\rho_k` are density matrices of single wires or of neighbours (Huang et al.,
    arXiv:2011.01938): a row needs one circuit, and its value does not shrink with the wires.

    Parameters
    ----------
    feature_map, wires, params, entanglers, **settings
        As in :class:`FidelityKernel`.
    locality : {1, 2}, default 1
        Wires of each density matrix.
    gamma : float or "scale", default "scale"
        "scale" is scikit-learn's: one over the number of entries times their variance, in the
        second set, which scikit-learn makes that of training.

    Examples
    --------
    >>> import pennylane as qml
    >>> kernel = ProjectedKernel(lambda x: qml.RY(x[0], 0), 1, gamma=1.0)
    >>> kernel.matrix([[0.0], [np.pi]]).round(6)
    array([[1.      , 0.135335],
           [0.135335, 1.      ]])
    """

    _own = ("locality", "gamma")

    def __init__(
        self,
        feature_map: Callable[..., Any],
        wires: Any,
        *,
        locality: int = 1,
        gamma: float | Literal["scale"] = "scale",
        params: Any = None,
        entanglers: bool = True,
        **settings: Any,
    ) -> None:
        super().__init__(
            feature_map, wires, params=params, entanglers=entanglers, settings=settings
        )
        count = len(self._encoder.map.device.wires)
        if locality not in (1, 2) or locality > count:
            raise InputError(
                f"locality must be 1 or 2, and at most the {count} wires, got {locality!r}."
            )
        number = isinstance(gamma, int | float | np.number) and not isinstance(gamma, bool)
        if gamma != "scale" and not (number and 0.0 < float(gamma) < np.inf):
            raise InputError(f'gamma must be "scale" or a positive number, got {gamma!r}.')
        self.locality = locality
        self.gamma = gamma

    def features(self, X: Any, *, params: Any = None) -> NDArray[np.float64]:
        """Return the density matrices of rows as real vectors, whose distances are theirs.

        Parameters
        ----------
        X : array_like, shape (n, features)
        params : object, optional

        Returns
        -------
        ndarray of float64, shape (n, places · 4^locality)
        """
        rows = as_rows(X, "X")
        count = len(self._encoder.map.device.wires)
        places = [
            tuple(range(start, start + self.locality)) for start in range(count - self.locality + 1)
        ]
        requests = replace(TENSORS, tensors=False, densities=tuple(places))
        circuits = self._encoder.maker.circuits(rows, self._given(params, "ProjectedKernel"))
        found = np.empty((len(rows), len(places) * 4**self.locality))
        for group, own in circuits.groups(0, len(rows)):
            (result,) = _core.run(
                [replace(group, requests=requests)], self.config.engine_settings()
            )
            found[own] = np.concatenate([_as_reals(part) for part in result.densities], axis=1)
        return found

    def matrix(self, X: Any, Y: Any = None, *, params: Any = None) -> NDArray[np.float64]:
        """Return the kernel matrix.

        Parameters
        ----------
        X, Y : array_like, shape (n, features)
            ``Y`` defaults to ``X``; the result is then symmetric with ones on its diagonal.
        params : object, optional

        Returns
        -------
        ndarray of float64, shape (n, m)
        """
        X = as_rows(X, "X")
        other = X if Y is None or Y is X else as_rows(Y, "Y", X.shape[1])
        one = self.features(X, params=params)
        two = one if np.array_equal(X, other) else self.features(other, params=params)
        if self.gamma == "scale":
            variance = float(two.var())
            gamma = 1.0 / (two.shape[1] * variance) if variance > 0.0 else 1.0
        else:
            gamma = float(self.gamma)
        squares = (one**2).sum(axis=1)[:, None] + (two**2).sum(axis=1) - 2.0 * one @ two.T
        found: NDArray[np.float64] = np.exp(-gamma * np.maximum(squares, 0.0))
        if two is one:
            found = np.tril(found, -1)
            found = found + found.T + np.eye(len(found))
        return found

    def __call__(self, X: Any, Y: Any = None) -> NDArray[np.float64]:
        """Return the kernel matrix, as scikit-learn calls kernels."""
        return self.matrix(X, Y)


def _as_reals(density: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Write Hermitian matrices (rows, d, d) as vectors with their Frobenius distances."""
    rows, size, _ = density.shape
    upper = np.triu_indices(size, 1)
    off = np.sqrt(2.0) * density[:, *upper]
    diagonal = density[:, range(size), range(size)].real
    return np.concatenate([diagonal, off.real, off.imag], axis=1).reshape(rows, -1)
