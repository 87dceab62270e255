"""Centred alignment of two kernels, and of a kernel with labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bondline.kernels.diagnosis.inputs import Array, Labels, square


def centred(K: Array) -> Array:
    """Return the kernel of the same features less their mean.

    Parameters
    ----------
    K : ndarray of float64, shape (n, n)

    Returns
    -------
    ndarray of float64, shape (n, n)
    """
    means = K.mean(axis=0)
    return np.asarray(K - means[:, None] - means[None, :] + means.mean())


def cosine(A: Array, B: Array) -> float:
    """Return the cosine of the angle between two matrices; 0 where one of them vanishes.

    Parameters
    ----------
    A, B : ndarray of float64, shape (n, n)

    Returns
    -------
    float
    """
    norms = float(np.linalg.norm(A) * np.linalg.norm(B))
    return float(np.vdot(A, B)) / norms if norms else 0.0


def alignment(K: ArrayLike, L: ArrayLike) -> float:
    """Return the centred alignment of two kernel matrices (Cortes et al. 2012).

    Parameters
    ----------
    K, L : array_like, shape (n, n)

    Returns
    -------
    float
        1 for kernels that differ by a factor and a constant only.

    Examples
    --------
    >>> import numpy as np
    >>> K = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> round(alignment(K, 3.0 * K + 1.0), 12)
    1.0
    """
    return cosine(centred(square("K", K)), centred(square("L", L)))


def target_alignment(K: ArrayLike, y: ArrayLike) -> float:
    """Return the centred alignment of a kernel matrix with its labels.

    Parameters
    ----------
    K : array_like, shape (n, n)
    y : array_like, shape (n,)
        Classes, or numbers for a regression.

    Returns
    -------
    float

    Examples
    --------
    >>> target_alignment([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]], [3, 3, 5, 5])
    1.0
    """
    matrix = square("K", K)
    return aligned_with(centred(matrix), Labels.of(y, len(matrix), "auto"))


def aligned_with(centred_kernel: Array, labels: Labels) -> float:
    """Do the same for a kernel that is centred already.

    Parameters
    ----------
    centred_kernel : ndarray of float64, shape (n, n)
    labels : Labels

    Returns
    -------
    float
    """
    if labels.classes is None:
        columns = labels.columns()
    else:
        columns = (labels.given[:, None] == np.arange(len(labels.classes))).astype(np.float64)
        columns -= columns.mean(axis=0)
    return cosine(centred_kernel, columns @ columns.T)
