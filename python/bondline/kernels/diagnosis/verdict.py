"""The verdict on a kernel in plain language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from bondline.kernels.diagnosis.closeness import Closeness
from bondline.kernels.diagnosis.concentration import Concentration
from bondline.kernels.diagnosis.interval import Interval
from bondline.kernels.diagnosis.scores import Comparison

QUANTUM: Final = "quantum"
PRODUCT: Final = "product state"
RBF: Final = "RBF"
LINEAR: Final = "linear"
NAMES: Final = {PRODUCT: "a product state", RBF: "an RBF", LINEAR: "a linear kernel"}

SAME: Final = 0.99
"""Centred alignment from which two kernels count as one."""
FULL_RANK: Final = 0.5
"""Effective rank, as a share of the points, from which points are strangers to each other."""

Kind = Literal[
    "concentrated", "explained", "helps", "does not help", "differs", "undecided", "unremarkable"
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a kernel is, in one sentence, and why.

    Attributes
    ----------
    kind : str
        "concentrated", "explained", "helps", "does not help", "differs" (no labels were given),
        "undecided", or "unremarkable" (nothing to compare with was given).
    sentence : str
    by : tuple of str
        The kernels that explain it, the simplest first.
    reasons : tuple of str
    """

    kind: Kind
    sentence: str
    by: tuple[str, ...]
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        """Return the sentence and the reasons."""
        return "\n".join([self.sentence, *(f"  - {reason}" for reason in self.reasons)])


def judge(
    concentration: Concentration,
    rank_share: float,
    closeness: Mapping[str, Closeness],
    comparison: Comparison | None,
    margin: float,
) -> Verdict:
    """Judge a kernel by its entries, its neighbours among kernels and its scores.

    Parameters
    ----------
    concentration : Concentration
    rank_share : float
        Effective rank as a share of the points.
    closeness : mapping of str to Closeness
        To the reference kernels.
    comparison : Comparison or None
        None without labels.
    margin : float
        Difference of scores that matters to nobody.

    Returns
    -------
    Verdict

    Notes
    -----
    Concentrated: the median entry is below what the shots resolve and the effective rank is more
    than half of the points; with labels, it must also score below a reference beyond chance, or
    leave its training score behind by more than ten times the margin. Explained: the same kernel to
    0.99 of centred alignment, or the interval of the difference of scores lies within the margin.
    Helps: it scores above every reference, beyond chance for each. Does not help: it cannot
    exceed one of them by the margin.
    """
    references = [name for name in (PRODUCT, RBF, LINEAR) if name in closeness]
    differences: dict[str, Interval] = {}
    if comparison is not None:
        differences = {
            name: comparison.difference(QUANTUM, name)
            for name in references
            if name in comparison.scores
        }
    reasons = _reasons(references, closeness, differences)
    if _concentrated(concentration, rank_share) and _memorises(comparison, differences, margin):
        return Verdict(
            "concentrated",
            "concentrated: memorises, does not generalise",
            (),
            (_entries(concentration, rank_share), *_memory(comparison), *reasons),
        )
    if _concentrated(concentration, rank_share):
        reasons = (_entries(concentration, rank_share), *reasons)
    same = [name for name in references if closeness[name].alignment >= SAME]
    equal = [
        name for name, found in differences.items() if -margin <= found.low and found.high <= margin
    ]
    explaining = tuple(name for name in references if name in {*same, *equal})
    if explaining:
        named = " and by ".join(NAMES[name] for name in explaining)
        return Verdict("explained", f"explained by {named}", explaining, reasons)
    if not references:
        return Verdict(
            "unremarkable",
            "not concentrated; whether it is new takes the data X or a product-state kernel",
            (),
            reasons,
        )
    if not differences:
        others = " and ".join(NAMES[name] for name in references)
        return Verdict(
            "differs", f"differs from {others}; whether that helps takes labels", (), reasons
        )
    worst = min(differences, key=lambda name: differences[name].mean)
    if all(found.low > 0.0 for found in differences.values()):
        missing = () if PRODUCT in references else (_NO_PRODUCT,)
        return Verdict(
            "helps", f"differs and helps: +{differences[worst]}", (), (*reasons, *missing)
        )
    beaten = [name for name, found in differences.items() if found.high <= margin]
    if beaten:
        named = " and ".join(NAMES[name] for name in beaten)
        return Verdict(
            "does not help", f"differs, but does not help: {named} scores as well", (), reasons
        )
    found = differences[worst]
    sign = "+" if found.mean >= 0.0 else ""
    return Verdict(
        "undecided",
        f"undecided: {sign}{found} against {NAMES[worst]}; more splits or more points are needed",
        (),
        reasons,
    )


_NO_PRODUCT: Final = "no product-state kernel was given: entanglement may have no part in it"


def _concentrated(concentration: Concentration, rank_share: float) -> bool:
    return concentration.median < -np.log10(concentration.shots) and rank_share > FULL_RANK


def _memorises(
    comparison: Comparison | None, differences: Mapping[str, Interval], margin: float
) -> bool:
    """Whether scores bear out what the entries say; without labels the entries stand alone."""
    if comparison is None:
        return True
    score = comparison.scores[QUANTUM]
    if any(found.high < 0.0 for found in differences.values()):
        return True
    return float(np.mean(score.train) - np.mean(score.test)) > 10.0 * margin and not all(
        found.low > 0.0 for found in differences.values()
    )


def _memory(comparison: Comparison | None) -> tuple[str, ...]:
    if comparison is None:
        return ("no labels were given: this is of the entries alone",)
    score = comparison.scores[QUANTUM]
    return (
        f"{comparison.metric} {np.mean(score.train):.3f} on training points, "
        f"{comparison.estimate(QUANTUM)} on others",
    )


def _entries(concentration: Concentration, rank_share: float) -> str:
    return (
        f"the median entry is 1e{concentration.median:.1f} and {concentration.below_shots:.0%} of "
        f"all are below what {concentration.shots} shots resolve; the effective rank is "
        f"{rank_share:.0%} of the points"
    )


def _reasons(
    references: list[str],
    closeness: Mapping[str, Closeness],
    differences: Mapping[str, Interval],
) -> tuple[str, ...]:
    lines = []
    for name in references:
        line = f"{NAMES[name]}: centred alignment {closeness[name].alignment:.4f}"
        if name in differences:
            sign = "+" if differences[name].mean >= 0.0 else ""
            line += f", quantum minus this {sign}{differences[name]}"
        lines.append(line)
    return tuple(lines)
