"""Entropies, purities and mutual information of some wires, from the spectra of their states."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bondline.errors import InputError
from bondline.measurements.readings import Cone, Cones, Real, Values, row_sums

if TYPE_CHECKING:
    from bondline._core import GroupResult


def unit_of(log_base: float | None) -> float:
    """Return the natural logarithm of the base in which entropies are given.

    Parameters
    ----------
    log_base : float or None
        None for natural entropies.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If entropies in such a base are none.

    Examples
    --------
    >>> unit_of(None), round(unit_of(2), 6)
    (1.0, 0.693147)
    >>> unit_of(1)
    Traceback (most recent call last):
    ...
    bondline.errors.InputError: log_base must be a number greater than 1, or None ...
    """
    if log_base is None:
        return 1.0
    if not 1 < log_base < math.inf:
        raise InputError(
            "log_base must be a number greater than 1, or None for the natural logarithm, "
            f"got {log_base}. Use log_base=2 for bits."
        )
    return math.log(log_base)


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Eigenvalues of the reduced density matrix of some wires."""

    index: int
    local: bool  # whether the engine reads it like other values of few wires

    def weights(self, result: GroupResult, rows: slice) -> Real:
        """Take the engine's spectrum, shape (rows, any)."""
        return result.spectra[self.index][rows]

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Take the engine's light cone."""
        return account.cone_spectra[rows, self.index] if self.local else None


@dataclass(frozen=True, slots=True, eq=False)
class Purity:
    """Purity of some wires."""

    spectrum: Spectrum

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Add up the squares of the eigenvalues."""
        return row_sums(self.spectrum.weights(result, rows) ** 2)

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Take that of the spectrum."""
        return self.spectrum.cone(account, rows)


@dataclass(frozen=True, slots=True, eq=False)
class Entropy:
    """Von Neumann entropy of some wires, in units of a natural logarithm."""

    spectrum: Spectrum
    unit: float

    def values(self, result: GroupResult, rows: slice) -> Real:
        """Take the entropy of the eigenvalues."""
        weights = self.spectrum.weights(result, rows)
        positive = np.where(weights > 0, weights, 1.0)  # 0 log 0 = 0; rounding may leave -1e-17
        entropy = -row_sums(positive * np.log(positive))
        # Adding zero turns the -0.0 of a pure state into 0.0.
        clipped: Real = np.maximum(entropy / self.unit, 0.0) + 0.0
        return clipped

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Take that of the spectrum."""
        return self.spectrum.cone(account, rows)


@dataclass(frozen=True, slots=True, eq=False)
class MutualInformation:
    """Mutual information between two sets of wires."""

    first: Entropy
    second: Entropy
    both: Entropy

    def values(self, result: GroupResult, rows: slice) -> Values:
        """Add the entropies of the parts and take away that of the whole.

        Each is read from its own light cone, so that truncation could take them below zero.
        """
        parts = self.first.values(result, rows) + self.second.values(result, rows)
        found: Real = np.maximum(parts - self.both.values(result, rows), 0.0)
        return found

    def cone(self, account: Cones, rows: slice) -> Cone:
        """Take that of the whole, which contains the others."""
        return self.both.cone(account, rows)
