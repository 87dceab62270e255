"""Matrix-product-state simulation of quantum machine-learning circuits, for PennyLane.

The device is ``qml.device("bondline.mps")``; what stands here are its settings, its report and its
errors.
"""

from bondline._core import __version__
from bondline.config import MpsConfig
from bondline.errors import (
    BondlineError,
    InputError,
    InternalError,
    LowFidelityError,
    LowFidelityWarning,
    NumericalError,
    ResourceError,
    UnsupportedError,
)
from bondline.report import Report

__all__ = [
    "BondlineError",
    "InputError",
    "InternalError",
    "LowFidelityError",
    "LowFidelityWarning",
    "MpsConfig",
    "NumericalError",
    "Report",
    "ResourceError",
    "UnsupportedError",
    "__version__",
]
