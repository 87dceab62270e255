"""The report of a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bondline.kernels.diagnosis.bandwidth import Bandwidth
from bondline.kernels.diagnosis.closeness import Closeness, RbfGrid
from bondline.kernels.diagnosis.concentration import Concentration
from bondline.kernels.diagnosis.geometry import Geometry
from bondline.kernels.diagnosis.inputs import Array
from bondline.kernels.diagnosis.scores import Comparison
from bondline.kernels.diagnosis.spectrum import Repair
from bondline.kernels.diagnosis.verdict import QUANTUM, Verdict
from bondline.reports.plain import plain


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Diagnosis:
    """What a kernel matrix tells, and the verdict.

    Attributes
    ----------
    points : int
        Points that were diagnosed.
    given : int
        Points that were given; more where ``max_points`` left some out.
    concentration : Concentration
    effective_rank, participation : float
        exp of the entropy of the eigenvalues; (Σ λ)² / Σ λ².
    repair : Repair
        Least eigenvalue, and the nearest positive semidefinite matrix.
    closeness : mapping of str to Closeness
        To "identity", "product state", "RBF" (the closest) and "linear", as far as given.
    rbf : RbfGrid or None
    geometry : mapping of str to Geometry
        g(reference ‖ quantum), for the product-state kernel too.
    alignments : mapping of str to float
        Centred alignment of each kernel with the labels; empty without.
    comparison : Comparison or None
        Scores over repeated splits; None without labels.
    bandwidth : Bandwidth
    verdict : Verdict
    log10_entries : ndarray of float64
        Off-diagonal entries, each pair once.
    spectra : mapping of str to ndarray of float64
        Eigenvalues, descending, of mean 1.
    """

    points: int
    given: int
    concentration: Concentration
    effective_rank: float
    participation: float
    repair: Repair
    closeness: Mapping[str, Closeness]
    rbf: RbfGrid | None
    geometry: Mapping[str, Geometry]
    alignments: Mapping[str, float]
    comparison: Comparison | None
    bandwidth: Bandwidth
    verdict: Verdict
    log10_entries: Array
    spectra: Mapping[str, Array]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain numbers, strings and lists, ready for JSON.

        Returns
        -------
        dict of str to object
            Without the entries and the repaired matrix; minus infinity becomes None.

        Examples
        --------
        >>> import json
        >>> import numpy as np
        >>> from bondline.kernels import diagnose
        >>> json.loads(json.dumps(diagnose(np.eye(4)).to_dict()))["effective_rank"]
        4.0
        """
        fixed = self.repair
        found = {
            "points": self.points,
            "given": self.given,
            "verdict": asdict(self.verdict),
            "concentration": asdict(self.concentration),
            "effective_rank": self.effective_rank,
            "participation": self.participation,
            "smallest_eigenvalue": fixed.smallest,
            "negative_share": fixed.negative,
            "repair_moved": fixed.moved,
            "closeness": {name: asdict(entry) for name, entry in self.closeness.items()},
            "rbf": None if self.rbf is None else asdict(self.rbf),
            "geometry": {name: asdict(entry) for name, entry in self.geometry.items()},
            "alignments": self.alignments,
            "comparison": None if self.comparison is None else asdict(self.comparison),
            "bandwidth": asdict(self.bandwidth),
            "spectra": self.spectra,
        }
        return {name: plain(entry) for name, entry in found.items()}

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw entries, eigenvalues, the scan of RBFs and the scores.

        Parameters
        ----------
        path : str or Path, optional
            Where the figure is written, by its ending PNG, SVG or PDF.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ModuleNotFoundError
            Without matplotlib.
        """
        from bondline.kernels.diagnosis.plots import draw

        return draw(self, path)

    def __repr__(self) -> str:
        """Return the sentence of the verdict."""
        return f"<Diagnosis of {self.points} points: {self.verdict.sentence}>"

    def __str__(self) -> str:
        """Return the whole report as text."""
        c = self.concentration
        left_out = f" of {self.given} given" if self.given > self.points else ""
        lines = [
            f"Verdict: {self.verdict}",
            "",
            f"{self.points} points{left_out}. Off-diagonal entries: median 1e{c.median:.2f}, "
            f"{c.spread:.2g} decades between the quartiles, from 1e{c.smallest:.1f} to "
            f"1e{c.largest:.1f}; with the nearest other point 1e{c.nearest:.2f}.",
            f"{c.below_shots:.1%} of them lie below 1/{c.shots} (shots), {c.below_precision:.1%} "
            f"below machine precision; {c.shots_needed:.2g} shots give the median to a tenth.",
            f"Effective rank {self.effective_rank:.1f} of {self.points}; participation "
            f"{self.participation:.1f}.",
            self._positivity(),
        ]
        for name, entry in self.closeness.items():
            line = (
                f"Beside {name}: centred alignment {entry.alignment:.4f}, relative distance "
                f"{entry.distance:.3g}"
            )
            if name in self.geometry:
                line += self._geometry(self.geometry[name])
            lines.append(line + ".")
        if self.rbf is not None:
            lines.append(
                f"The closest RBF has gamma={self.rbf.gamma:.3g} ({self.rbf.best_width:.2g} over "
                "the median squared distance)."
            )
        if self.alignments:
            figures = ", ".join(f"{name} {found:.3f}" for name, found in self.alignments.items())
            lines.append(f"Centred alignment with the labels: {figures}.")
        b = self.bandwidth
        lines.append(
            f"Suggested scale of the data: {b.scale:.3g} ({b.method}; median entry "
            f"{b.median:.2g} there)."
        )
        if self.comparison is not None:
            splits = len(self.comparison.scores[QUANTUM].test)
            lines += [
                "",
                self.comparison.table(QUANTUM),
                f"({splits} splits; {self.comparison.confidence:.0%} intervals, corrected for "
                "overlapping training sets)",
            ]
        return "\n".join(lines)

    def _positivity(self) -> str:
        if not self.repair.needed:
            return "Positive semidefinite to rounding."
        return (
            f"Not positive semidefinite: least eigenvalue {self.repair.smallest:.2g} (mean 1), "
            f"{self.repair.negative:.2g} of the weight negative. The repaired matrix, "
            f"repair.matrix, moves entries by up to {self.repair.moved:.2g}."
        )

    @staticmethod
    def _geometry(found: Geometry) -> str:
        line = f", geometric difference {found.difference:.3g} (at most about {found.limit:.3g})"
        if found.complexity_ratio is not None:
            line += f", {found.complexity_ratio:.3g} for these labels"
        return line
