"""The verdict follows from figures alone."""

import numpy as np
import pytest

from bondline.kernels.diagnosis.closeness import Closeness
from bondline.kernels.diagnosis.concentration import measure
from bondline.kernels.diagnosis.inputs import Gram
from bondline.kernels.diagnosis.scores import Comparison, Score
from bondline.kernels.diagnosis.verdict import judge

OPEN = measure(Gram.of("K", np.full((4, 4), 0.5) + 0.5 * np.eye(4), None), 1000)


def compared(gains, tested=10_000):
    """Scores of the quantum kernel above both references by ``gains``, split by split."""
    base = np.full(len(gains), 0.8)
    scores = {
        name: Score(tuple(found), tuple(found), ((0, 1.0),) * len(gains))
        for name, found in {
            "quantum": base + gains,
            "product state": base,
            "RBF": base,
        }.items()
    }
    return Comparison("accuracy", scores, 1 / 3, 0.95, tested)


@pytest.mark.parametrize(
    ("gains", "kind", "start"),
    [
        ([0.029, 0.03, 0.031, 0.03], "helps", "differs and helps: +0.030"),
        ([-0.029, -0.03, -0.031, -0.03], "does not help", "differs, but does not help"),
        ([0.001, -0.001, 0.002, 0.0], "explained", "explained by a product state and by an RBF"),
        ([0.2, -0.1, 0.15, -0.05], "undecided", "undecided: +0.05"),
    ],
)
def test_scores_decide_between_kernels_that_differ(gains, kind, start):
    far = {"product state": Closeness(0.5, 1.0), "RBF": Closeness(0.6, 1.0)}
    found = judge(OPEN, 0.3, far, compared(np.array(gains)), 0.01)
    assert found.kind == kind
    assert found.sentence.startswith(start)


def test_a_kernel_without_anything_beside_it_is_told_what_is_missing():
    assert judge(OPEN, 0.3, {}, None, 0.01).kind == "unremarkable"


def test_few_points_without_a_difference_explain_nothing():
    far = {"product state": Closeness(0.5, 1.0), "RBF": Closeness(0.6, 1.0)}
    found = judge(OPEN, 0.3, far, compared(np.zeros(2), tested=40), 0.01)
    assert found.kind == "undecided"
    # Forty points without an event allow a rate of 3/40 (more precisely -ln 0.05 / 40).
    assert "0.07" in found.sentence
    assert judge(OPEN, 0.3, far, compared(np.zeros(2)), 0.01).kind == "explained"
