"""The eigenvalues of a kernel matrix: effective rank, positivity, repair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bondline.kernels.diagnosis.inputs import Array, square


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Eigenvalues and vectors of a kernel matrix whose trace is the number of points.

    Attributes
    ----------
    values : ndarray of float64, shape (n,)
        Ascending.
    vectors : ndarray of float64, shape (n, n)
        One column each.
    """

    values: Array
    vectors: Array

    @classmethod
    def of(cls, K: Array) -> Spectrum:
        """Compute it.

        Parameters
        ----------
        K : ndarray of float64, shape (n, n)
            Symmetric.

        Returns
        -------
        Spectrum
        """
        values, vectors = np.linalg.eigh(K * (len(K) / np.trace(K)))
        return cls(values, vectors)

    @property
    def rounding(self) -> float:
        """What an eigenvalue may be wrong by."""
        return float(len(self.values) * np.finfo(float).eps * np.abs(self.values).max())

    @property
    def positive(self) -> Array:
        """Eigenvalues with those below zero set to zero."""
        return np.maximum(self.values, 0.0)

    @property
    def effective_rank(self) -> float:
        """The exponential of the entropy of the eigenvalues (Roy and Vetterli 2007): 1 to n."""
        shares = self.positive[self.positive > 0.0] / self.positive.sum()
        return float(np.exp(-np.sum(shares * np.log(shares))))

    @property
    def participation(self) -> float:
        """(Σ λ)² / Σ λ²: the rank that counts large eigenvalues only."""
        return float(self.positive.sum() ** 2 / np.sum(self.positive**2))

    @property
    def negative(self) -> float:
        """Sum of the eigenvalues below zero, as a share of the sum of all magnitudes."""
        below = self.values[self.values < -self.rounding]
        return float(-below.sum() / np.abs(self.values).sum())

    def function(self, values: Array) -> Array:
        """Return the matrix with the same vectors and other eigenvalues.

        Parameters
        ----------
        values : ndarray of float64, shape (n,)

        Returns
        -------
        ndarray of float64, shape (n, n)
        """
        # F[i, j] = Σ_k V[i, k] f_k V[j, k]
        return np.asarray((self.vectors * values) @ self.vectors.T)


def effective_rank(K: ArrayLike) -> float:
    """Return exp of the entropy of the eigenvalues of a kernel matrix.

    Parameters
    ----------
    K : array_like, shape (n, n)

    Returns
    -------
    float
        1 for a matrix of ones, n for the identity.

    Examples
    --------
    >>> import numpy as np
    >>> round(effective_rank(np.eye(4)), 6), round(effective_rank(np.ones((4, 4))), 6)
    (4.0, 1.0)
    """
    return Spectrum.of(square("K", K)).effective_rank


@dataclass(frozen=True, slots=True, eq=False)
class Repair:
    """A kernel matrix made positive semidefinite, and what that moved.

    Attributes
    ----------
    matrix : ndarray of float64, shape (n, n)
        The nearest positive semidefinite matrix, scaled back to the diagonal that was given.
    smallest : float
        Least eigenvalue before, where the mean eigenvalue is 1.
    negative : float
        Sum of the eigenvalues below zero as a share of the sum of all magnitudes.
    moved : float
        Largest change of an entry.
    needed : bool
        Whether an eigenvalue was below zero by more than rounding.
    """

    matrix: Array
    smallest: float
    negative: float
    moved: float
    needed: bool


def repair(K: ArrayLike) -> Repair:
    """Make a kernel matrix positive semidefinite; those of shots often are not.

    Parameters
    ----------
    K : array_like, shape (n, n)

    Returns
    -------
    Repair

    Notes
    -----
    Eigenvalues below zero become zero, the nearest positive matrix in the Frobenius norm; rows and
    columns are then scaled by one number each, which keeps it positive, so that the diagonal is the
    one given.

    Examples
    --------
    >>> found = repair([[1.0, 0.9, 0.0], [0.9, 1.0, 0.9], [0.0, 0.9, 1.0]])
    >>> found.needed, bool(found.smallest < -0.2)
    (True, True)
    """
    given = square("K", K)
    return repair_of(given, Spectrum.of(given))


def repair_of(K: Array, spectrum: Spectrum) -> Repair:
    """Do the same where the spectrum is known.

    Parameters
    ----------
    K : ndarray of float64, shape (n, n)
    spectrum : Spectrum

    Returns
    -------
    Repair
    """
    smallest = float(spectrum.values[0])
    if smallest >= -spectrum.rounding:
        return Repair(K, smallest, 0.0, 0.0, False)
    clipped = spectrum.function(spectrum.positive) * (np.trace(K) / len(K))
    roots = np.sqrt(np.diag(K) / np.diag(clipped))
    fixed = roots[:, None] * clipped * roots[None, :]
    fixed = 0.5 * (fixed + fixed.T)
    moved = float(np.abs(fixed - K).max())
    return Repair(fixed, smallest, spectrum.negative, moved, True)
