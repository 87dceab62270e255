"""What the engine tells about a group of circuits, beside their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bondline._core import GroupGradient, GroupResult


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """What the engine tells about a group, without its values; the names are the engine's."""

    norm: NDArray[np.float64]
    log_norm: NDArray[np.float64]
    coherence: NDArray[np.float64]
    branches: NDArray[np.uint32]
    dropped_branches: NDArray[np.float64]
    peak_bytes: NDArray[np.uint64]
    discarded: NDArray[np.float64]
    bonds: NDArray[np.uint32]
    largest_bond: NDArray[np.uint32]
    saturated: NDArray[np.bool_]
    cone_words: NDArray[np.float64]
    cone_variances: NDArray[np.float64]
    cone_probabilities: NDArray[np.float64]
    cone_densities: NDArray[np.float64]
    cone_spectra: NDArray[np.float64]
    methods: Mapping[str, int]
    sweeps: NDArray[np.uint32]
    seconds: NDArray[np.float64]
    n_steps: int
    n_steps_left_out: int
    wire_of_site: NDArray[np.uint32]
    smallest_gap: NDArray[np.float64]
    shifted_cuts: NDArray[np.uint32]

    @classmethod
    def of(cls, result: GroupResult) -> Account:
        """Keep the account of a result and let go of its values.

        Parameters
        ----------
        result : GroupResult

        Returns
        -------
        Account
        """
        return cls(*_fields_of(result))

    def exponent(self) -> NDArray[np.float64]:
        """Return how many times a discarded weight counts: max(1, coherence), 1 if not measured.

        Returns
        -------
        ndarray of float64, shape (rows,)
        """
        return np.fmax(self.coherence, 1.0)

    def fidelity(
        self, rows: slice = slice(None), cone: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Estimate the fidelity of the state, or of a value with a light cone.

        Parameters
        ----------
        rows : slice, optional
            Defaults to all rows.
        cone : ndarray of float64, shape (rows,), optional
            Weight discarded in the light cone of a local value.

        Returns
        -------
        ndarray of float64, shape (rows,), at most 1
        """
        log_loss = self.log_norm[rows] if cone is None else -cone
        estimate: NDArray[np.float64] = np.exp(np.minimum(self.exponent()[rows] * log_loss, 0.0))
        return estimate

    def lowest(self) -> float:
        """Return the lowest fidelity of any row, of the state or of any value.

        Returns
        -------
        float
        """
        if not self.discarded.any():
            return 1.0
        cones = np.concatenate(
            [
                self.cone_words,
                self.cone_variances,
                self.cone_probabilities,
                self.cone_densities,
                self.cone_spectra,
            ],
            axis=1,
        )
        local = self.fidelity(cone=cones.max(axis=1, initial=0.0))
        return float(min(local.min(initial=1.0), self.fidelity().min(initial=1.0)))


_fields_of = attrgetter(*Account.__slots__)


@dataclass(frozen=True, slots=True, eq=False)
class GradientAccount:
    """What the engine tells about the derivatives of a group; the names are the engine's."""

    guarded: NDArray[np.bool_]
    checkpoints: NDArray[np.uint32]

    @classmethod
    def of(cls, gradient: GroupGradient) -> GradientAccount:
        """Keep the account of a gradient and let go of its numbers.

        Parameters
        ----------
        gradient : GroupGradient

        Returns
        -------
        GradientAccount
        """
        return cls(gradient.guarded, gradient.checkpoints)
