"""Geometric difference of two kernels and the complexity of labels (Huang et al., 2011.01938)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from bondline.errors import InputError
from bondline.kernels.diagnosis.inputs import Array, Labels, square
from bondline.kernels.diagnosis.spectrum import Spectrum
from bondline.kernels.optional import load

_DENSE: Final = 200
"""Points up to which all singular values cost no more than the largest one."""
_PRECISION: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Geometry:
    """A classical kernel against the quantum one.

    Attributes
    ----------
    difference : float
        g(classical ‖ quantum), 1 where they agree and at most about the square root of the number
        of points. Where it is small, the classical kernel needs no more data for any labels.
    training_error : float
        How much the regularised classical kernel may miss on the training points; near 0 for a
        figure that says something.
    limit : float
        Square root of the number of points.
    complexity_ratio : float or None
        sqrt(s_classical / s_quantum) for the labels given: what g becomes for them alone. Below 1
        where the labels are simpler to the classical kernel.
    """

    difference: float
    training_error: float
    limit: float
    complexity_ratio: float | None


def geometric_difference(
    K_classical: ArrayLike, K_quantum: ArrayLike, *, regularisation: float = 1e-3
) -> float:
    r"""Return g(classical ‖ quantum) of two kernel matrices over the same points.

    Parameters
    ----------
    K_classical, K_quantum : array_like, shape (n, n)
    regularisation : float, default 1e-3
        λ below, where the mean eigenvalue is 1.

    Returns
    -------
    float

    Notes
    -----
    Both are scaled to trace n. With :math:`\lambda` the largest singular value of
    :math:`\sqrt{K_Q}\sqrt{K_C}(K_C + \lambda)^{-1}`, which for :math:`\lambda=0` is
    :math:`\sqrt{\|\sqrt{K_Q} K_C^{-1} \sqrt{K_Q}\|_\infty}`.

    Examples
    --------
    >>> import numpy as np
    >>> K = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> round(geometric_difference(K, K, regularisation=0.0), 9)
    1.0
    """
    classical, quantum = square("K_classical", K_classical), square("K_quantum", K_quantum)
    if classical.shape != quantum.shape:
        raise InputError(
            f"K_classical is of {len(classical)} points and K_quantum of {len(quantum)}."
        )
    strength = _strength(regularisation)
    return _difference(Spectrum.of(classical), Spectrum.of(quantum), strength)[0]


def model_complexity(K: ArrayLike, y: ArrayLike, *, regularisation: float = 1e-3) -> float:
    r"""Return s = yᵀ K⁻¹ y of labels to a kernel, regularised.

    Parameters
    ----------
    K : array_like, shape (n, n)
    y : array_like, shape (n,)
        Classes, or numbers for a regression. Columns of them, one per class against the others,
        are centred and scaled to mean square 1.
    regularisation : float, default 1e-3
        λ below, where the mean eigenvalue is 1.

    Returns
    -------
    float
        The mean over the columns; sqrt(s / n) bounds the error on new points.

    Notes
    -----
    K is scaled to trace n. :math:`s = y^T \sqrt K (K + \lambda)^{-2} \sqrt K\, y`.

    Examples
    --------
    >>> import numpy as np
    >>> round(model_complexity(np.eye(4), [0, 1, 0, 1], regularisation=0.0), 9)
    4.0
    """
    matrix = square("K", K)
    columns = Labels.of(y, len(matrix), "auto").columns()
    return complexity(Spectrum.of(matrix), columns, _strength(regularisation))


def compare_geometry(
    classical: Spectrum, quantum: Spectrum, columns: Array | None, regularisation: float
) -> Geometry:
    """Compare two kernels by their spectra.

    Parameters
    ----------
    classical, quantum : Spectrum
    columns : ndarray of float64, shape (n, c), or None
        Labels.
    regularisation : float

    Returns
    -------
    Geometry
    """
    difference, error = _difference(classical, quantum, regularisation)
    ratio = None
    if columns is not None:
        ratio = math.sqrt(
            complexity(classical, columns, regularisation)
            / complexity(quantum, columns, regularisation)
        )
    return Geometry(difference, error, math.sqrt(len(quantum.values)), ratio)


def complexity(spectrum: Spectrum, columns: Array, regularisation: float) -> float:
    """Return the regularised yᵀ K⁻¹ y, the mean over columns of labels.

    Parameters
    ----------
    spectrum : Spectrum
    columns : ndarray of float64, shape (n, c)
    regularisation : float

    Returns
    -------
    float
    """
    # c[k, a] = Σ_i V[i, k] y[i, a]
    coefficients = spectrum.vectors.T @ columns
    terms = (_weights(spectrum, regularisation) ** 2)[:, None] * coefficients**2
    return float(np.sum(terms) / columns.shape[1])


def _weights(spectrum: Spectrum, regularisation: float) -> Array:
    """Return √λ_k / (λ_k + λ); directions without weight do not count."""
    values = np.where(spectrum.positive > spectrum.rounding, spectrum.positive, 0.0)
    return np.sqrt(values) / np.where(values > 0.0, values + regularisation, 1.0)


def _difference(classical: Spectrum, quantum: Spectrum, strength: float) -> tuple[float, float]:
    # overlap[k, l] = √q_k Σ_i V_Q[i, k] V_C[i, l]
    overlap = np.sqrt(quantum.positive)[:, None] * (quantum.vectors.T @ classical.vectors)
    general = _largest(overlap * _weights(classical, strength))
    left = strength / (classical.positive + strength) if strength else np.zeros(overlap.shape[1])
    return general, _largest(overlap * left)


def _largest(matrix: Array) -> float:
    """Return the largest singular value."""
    if len(matrix) <= _DENSE:
        # M[k, m] = Σ_l A[k, l] A[m, l]
        return math.sqrt(max(float(np.linalg.eigvalsh(matrix @ matrix.T)[-1]), 0.0))

    def squared(vector: Array) -> Array:
        return np.asarray(matrix @ (matrix.T @ vector))

    # One eigenvalue takes a few dozen products with a vector; the start is always the same one.
    start = np.random.default_rng(0).normal(size=len(matrix))
    if not squared(start).any():
        return 0.0
    solvers = load("scipy.sparse.linalg", "A geometric difference")
    operator = solvers.LinearOperator(matrix.shape, matvec=squared, dtype=np.float64)
    settings = {"which": "LA", "v0": start, "tol": _PRECISION, "return_eigenvectors": False}
    try:
        found = solvers.eigsh(operator, k=1, **settings)
    except solvers.ArpackNoConvergence:  # values too close together to be told apart
        return float(np.linalg.norm(matrix, 2))
    return math.sqrt(max(float(found[0]), 0.0))


def _strength(regularisation: float) -> float:
    if not 0.0 <= regularisation < math.inf:
        raise InputError(f"regularisation must be a number ≥ 0, got {regularisation!r}.")
    return float(regularisation)
