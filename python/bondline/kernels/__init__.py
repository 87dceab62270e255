"""Kernels made of feature maps: every row of data is one state, every entry one overlap.

With the diagnosis of kernels, and estimators of scikit-learn over them: those are loaded when they
are asked for, because scikit-learn is optional.
"""

from __future__ import annotations

from typing import Any

from bondline.kernels.diagnosis.alignment import alignment, target_alignment
from bondline.kernels.diagnosis.diagnose import diagnose
from bondline.kernels.diagnosis.geometry import geometric_difference, model_complexity
from bondline.kernels.diagnosis.report import Diagnosis
from bondline.kernels.diagnosis.scores import compare_scores
from bondline.kernels.diagnosis.spectrum import effective_rank, repair
from bondline.kernels.encoded_set import EncodedSet
from bondline.kernels.fidelity import FidelityKernel
from bondline.kernels.projected import ProjectedKernel
from bondline.kernels.report import EncodingReport

_ESTIMATORS = {
    "QuantumKernelClassifier": "bondline.kernels.learning.classifier",
    "QuantumKernelRegressor": "bondline.kernels.learning.regressor",
    "QuantumGPKernel": "bondline.kernels.learning.gaussian_process",
}

__all__ = [
    "Diagnosis",
    "EncodedSet",
    "EncodingReport",
    "FidelityKernel",
    "ProjectedKernel",
    "alignment",
    "compare_scores",
    "diagnose",
    "effective_rank",
    "geometric_difference",
    "model_complexity",
    "repair",
    "target_alignment",
]


def __getattr__(name: str) -> Any:
    """Load an estimator, and with it scikit-learn."""
    if name not in _ESTIMATORS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bondline.kernels.optional import load

    load("sklearn", name)
    return getattr(load(_ESTIMATORS[name], name), name)


def __dir__() -> list[str]:
    """List what can be asked for."""
    return sorted([*globals(), *_ESTIMATORS])
