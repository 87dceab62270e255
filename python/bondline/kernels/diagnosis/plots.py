"""The figure of a diagnosis."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from bondline.kernels.diagnosis.verdict import LINEAR, PRODUCT, QUANTUM, RBF
from bondline.kernels.optional import load

_COLOURS: Final = {QUANTUM: "#6a3d9a", PRODUCT: "#33a02c", RBF: "#ff7f00", LINEAR: "#7f7f7f"}


def draw(report: Any, path: str | Path | None) -> Any:
    """Draw four panels: entries, eigenvalues, the scan of RBFs, scores.

    Parameters
    ----------
    report : Diagnosis
        Not imported: the report imports this figure.
    path : str, Path or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = load("matplotlib.figure", "A plot").Figure(figsize=(11.0, 7.5), layout="constrained")
    (entries, spectra), (scan, scores) = figure.subplots(2, 2)
    _entries(entries, report)
    _spectra(spectra, report)
    _scan(scan, report)
    _scores(scores, report)
    for axes in (entries, spectra, scan, scores):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.suptitle(report.verdict.sentence)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def _entries(axes: Any, report: Any) -> None:
    found = report.log10_entries[np.isfinite(report.log10_entries)]
    if found.size:
        axes.hist(found, bins=60, color=_COLOURS[QUANTUM], alpha=0.8)
    zeros = len(report.log10_entries) - len(found)
    axes.axvline(-np.log10(report.concentration.shots), color="black", lw=1, ls="--")
    axes.axvline(np.log10(np.finfo(float).eps), color="black", lw=1, ls=":")
    note = f", {zeros} are zero" if zeros else ""
    axes.set_xlabel(f"log10 K off the diagonal{note} (dashed: 1/shots, dotted: precision)")
    axes.set_ylabel("pairs")
    axes.set_title("Entries", loc="left")


def _spectra(axes: Any, report: Any) -> None:
    for name, values in report.spectra.items():
        kept = np.maximum(values, 1e-16)
        axes.semilogy(np.arange(1, len(kept) + 1), kept, color=_COLOURS[name], label=name)
    axes.axvline(report.effective_rank, color=_COLOURS[QUANTUM], lw=1, ls="--")
    axes.set_xlabel("eigenvalue (dashed: effective rank)")
    axes.set_title("Spectrum", loc="left")
    axes.legend(frameon=False)


def _scan(axes: Any, report: Any) -> None:
    axes.set_title("Agreement with RBFs", loc="left")
    if report.rbf is None:
        axes.text(0.5, 0.5, "takes the data X", ha="center", transform=axes.transAxes)
        return
    axes.semilogx(report.rbf.widths, report.rbf.alignments, "o-", ms=3, color=_COLOURS[RBF])
    axes.axvline(report.rbf.best_width, color=_COLOURS[RBF], lw=1, ls="--")
    for name in (PRODUCT, LINEAR):
        if name in report.closeness:
            level = report.closeness[name].alignment
            axes.axhline(level, color=_COLOURS[name], lw=1, label=name)
    axes.set_xlabel("RBF exponent × median squared distance")
    axes.set_ylabel("centred alignment with the kernel")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def _scores(axes: Any, report: Any) -> None:
    axes.set_title("Scores on the same splits", loc="left")
    comparison = report.comparison
    if comparison is None:
        axes.text(0.5, 0.5, "takes labels y", ha="center", transform=axes.transAxes)
        return
    names = list(comparison.scores)[::-1]
    for row, name in enumerate(names):
        found = comparison.estimate(name)
        colour = _COLOURS.get(name, "#b294c7")
        test = comparison.scores[name].test
        axes.scatter(test, row + np.linspace(-0.15, 0.15, len(test)), s=12, alpha=0.4, color=colour)
        axes.errorbar(found.mean, row, xerr=found.half_width, fmt="o", capsize=4, color=colour)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel(f"test {comparison.metric}")
