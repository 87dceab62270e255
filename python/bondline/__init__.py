"""Matrix-product-state simulation of quantum machine-learning circuits, for PennyLane.

The device is ``qml.device("bondline.mps")``; what stands here are the states of its circuits, its
settings, its report, a check of its values and its errors.
"""

from bondline._core import __version__
from bondline.checks.recheck import Recheck, recheck
from bondline.compiling.compiled import compile  # bondline.compile
from bondline.config import MpsConfig
from bondline.errors import (
    BondlineError,
    CheckpointError,
    CompileFallbackWarning,
    InputError,
    InternalError,
    LowFidelityError,
    LowFidelityWarning,
    NumericalError,
    ParameterShiftWarning,
    ResourceError,
    UnsupportedError,
    WorkerError,
)
from bondline.reports.report import Report
from bondline.states.circuit_states import log_probability, mps_state, probability
from bondline.states.state import MPS

__all__ = [
    "MPS",
    "BondlineError",
    "CheckpointError",
    "CompileFallbackWarning",
    "InputError",
    "InternalError",
    "LowFidelityError",
    "LowFidelityWarning",
    "MpsConfig",
    "NumericalError",
    "ParameterShiftWarning",
    "Recheck",
    "Report",
    "ResourceError",
    "UnsupportedError",
    "WorkerError",
    "__version__",
    "compile",
    "log_probability",
    "mps_state",
    "probability",
    "recheck",
]
