"""Values of reduced density matrices: of Hermitian matrices and in the bases of observables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bondline.measurements.readings import (
    Cone,
    Cones,
    Read,
    Real,
    Scalar,
    Values,
    row_sums,
    values_read,
)

if TYPE_CHECKING:
    from bondline._core import GroupResult
    from bondline.measurements.cotangents import Weights
    from bondline.measurements.requests import Requests

Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, eq=False)
class _FromDensity:
    """A value of the reduced density matrix of some wires."""

    index: int

    def density(self, result: GroupResult, rows: slice) -> NDArray[np.complex128]:
        """Return the density matrices, shape (rows, 2^k, 2^k)."""
        return result.densities[self.index][rows]

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Take the engine's light cone."""
        return account.cone_densities[rows, self.index]


@dataclass(frozen=True, slots=True, eq=False)
class Density(_FromDensity):
    """The reduced density matrix itself."""

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Take the engine's density matrix."""
        return self.density(result, rows)


@dataclass(frozen=True, slots=True, eq=False)
class MatrixMoment(_FromDensity, Scalar):
    """Expectation or variance of a Hermitian matrix."""

    matrix: NDArray[np.complex128]  # (d, d) or (batch, d, d)
    variance: bool

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Trace the matrix with the density: tr(rho M), and tr(rho (M - mean)^2)."""
        density = self.density(result, rows)
        matrix = np.broadcast_to(self.matrix, density.shape)
        mean = _traces(density, matrix)
        if not self.variance:
            return mean
        identity = np.eye(density.shape[-1])
        shifted = matrix - mean[:, None, None] * identity
        return _traces(density, shifted @ shifted)

    @property
    def varies(self) -> bool:
        """Whether there is a batch of matrices, or a variance, whose weights depend on the mean."""
        return self.variance or self.matrix.ndim == 3

    @property
    def needs_values(self) -> bool:
        """Whether it is a variance."""
        return self.variance

    def pull(
        self, weights: Weights, outputs: slice, cotangents: Real, read: Read | None = None
    ) -> None:
        """Weigh the density with the matrix, or with the square of its deviation."""
        matrix = self.matrix if self.matrix.ndim == 3 else self.matrix[None]
        if self.variance:
            # d tr(rho (M - m)²) = tr((M - m)² d rho): the mean m is where the trace is least.
            mean = _traces(*np.broadcast_arrays(self.density(*values_read(read)), matrix))
            shifted = matrix - mean[:, None, None] * np.eye(matrix.shape[-1])
            matrix = shifted @ shifted
        weights.densities[self.index][:, outputs] += cotangents[:, :, None, None] * matrix[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class RotatedProbabilities(_FromDensity, Scalar):
    """Distribution of the outcomes in the eigenbasis of an observable."""

    rotation: NDArray[np.complex128]  # (d, d), from the eigenbasis to the computational basis

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Take the diagonal of U rho U†."""
        density = self.density(result, rows)
        rotated = (self.rotation @ density) * self.rotation.conj()
        diagonal: Real = rotated.real.sum(axis=2)
        return diagonal

    def shape(self, requests: Requests) -> tuple[int, ...]:
        """Return the number of outcomes."""
        return (len(self.rotation),)

    def pull(
        self, weights: Weights, outputs: slice, cotangents: Real, read: Read | None = None
    ) -> None:
        """Weigh the density with U† diag(cotangents) U."""
        # W[r k, b, a] = Σ_i U*[i, b] · c[r k, i] · U[i, a]
        weights.densities[self.index][:, outputs] += self.rotation.conj().T @ (
            cotangents[..., None] * self.rotation
        )


def _traces(first: Complex, second: Complex) -> Real:
    """Return tr(A B) of each pair of Hermitian matrices."""
    return row_sums(first * np.swapaxes(second, 1, 2))
