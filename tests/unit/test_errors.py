"""Errors are the built-in ones a caller would catch, and share one base."""

from concurrent.futures import BrokenExecutor

import pytest

import bondline


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (bondline.InputError, ValueError),
        (bondline.UnsupportedError, NotImplementedError),
        (bondline.NumericalError, ArithmeticError),
        (bondline.ResourceError, MemoryError),
        (bondline.LowFidelityError, RuntimeError),
        (bondline.InternalError, RuntimeError),
        (bondline.CheckpointError, OSError),
        (bondline.WorkerError, BrokenExecutor),
    ],
)
def test_each_error_is_its_builtin(error, builtin):
    raised = error("what, where, how to go on")
    assert isinstance(raised, builtin)
    assert isinstance(raised, bondline.BondlineError)
    assert str(raised) == "what, where, how to go on"


def test_the_place_of_an_input_error_is_open_until_it_is_set():
    error = bondline.InputError("wrong")
    assert (error.group, error.row, error.gate) == (None, None, None)
    error.gate = 3
    assert bondline.InputError.gate is None


@pytest.mark.parametrize(
    "kind",
    [bondline.LowFidelityWarning, bondline.ParameterShiftWarning, bondline.CompileFallbackWarning],
)
def test_warnings_can_be_filtered_as_user_warnings(kind):
    assert issubclass(kind, UserWarning)


def test_public_names():
    assert sorted(bondline.__all__) == [
        "BondlineError",
        "CheckpointError",
        "CompileFallbackWarning",
        "InputError",
        "InternalError",
        "LowFidelityError",
        "LowFidelityWarning",
        "MPS",
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
    for name in bondline.__all__:
        assert hasattr(bondline, name)
