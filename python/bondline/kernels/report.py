"""What to believe of the states of a set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class EncodingReport:
    """How rows became states, and what that lost.

    Attributes
    ----------
    encoding : {"recorded once", "row by row"}
    reason : str or None
        Why it was row by row.
    structures : int
        Circuits that differ in more than numbers.
    fidelity : ndarray of float64, shape (rows,)
        Estimated fidelity of each state.
    discarded : ndarray of float64, shape (rows,)
        Weight discarded over all bonds.
    largest_bond : int
    saturated : int
        Bonds that ``max_bond_dim`` cut in any row.
    """

    encoding: str
    reason: str | None
    structures: int
    fidelity: NDArray[np.float64]
    discarded: NDArray[np.float64]
    largest_bond: int
    saturated: int

    @property
    def least_fidelity(self) -> float:
        """Least estimated fidelity of any row."""
        return float(self.fidelity.min())

    def to_dict(self) -> dict[str, Any]:
        """Return the report ready for JSON."""
        return {
            "encoding": self.encoding,
            "reason": self.reason,
            "structures": self.structures,
            "rows": len(self.fidelity),
            "least_fidelity": self.least_fidelity,
            "fidelity": self.fidelity.tolist(),
            "discarded": self.discarded.tolist(),
            "largest_bond": self.largest_bond,
            "saturated": self.saturated,
        }

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> EncodingReport:
        """Make a report of what :meth:`to_dict` returned."""
        return cls(
            found["encoding"],
            found["reason"],
            int(found["structures"]),
            np.asarray(found["fidelity"], dtype=np.float64),
            np.asarray(found["discarded"], dtype=np.float64),
            int(found["largest_bond"]),
            int(found["saturated"]),
        )

    def __str__(self) -> str:
        how = self.encoding if self.reason is None else f"{self.encoding}: {self.reason}"
        cut = f" {self.saturated} bonds were cut by max_bond_dim." if self.saturated else ""
        return (
            f"{len(self.fidelity)} rows ({how}); largest bond {self.largest_bond}, at most "
            f"{self.discarded.max():.3g} discarded, least estimated fidelity "
            f"{self.least_fidelity:.6g}.{cut}"
        )
