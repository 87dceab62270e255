"""Errors and warnings of bondline: each is also the built-in class one would catch."""

from concurrent.futures import BrokenExecutor


class BondlineError(Exception):
    """Base class of every error that bondline raises on its own account.

    Examples
    --------
    >>> issubclass(InputError, BondlineError)
    True
    """


class InputError(BondlineError, ValueError):
    """A setting, a parameter, an operator or an observable has a value that makes no sense.

    Attributes
    ----------
    gate : int or None
        Position of the offending gate in the lowered circuit, where the engine knows it.
    row : int or None
        Row of the offending circuit in its group.
    group : int or None
        Position of the group in the batch.
    """

    gate: int | None = None
    row: int | None = None
    group: int | None = None


class UnsupportedError(BondlineError, NotImplementedError):
    """The request makes sense, but this version does not offer it."""


class NumericalError(BondlineError, ArithmeticError):
    """A factorization did not converge, a number is not finite, or nothing is left of a state.

    Attributes
    ----------
    row : int or None
        Row of the circuit in its group, where a postselection left nothing of it.
    group : int or None
        Position of the group in the batch.
    """

    row: int | None = None
    group: int | None = None


class ResourceError(BondlineError, MemoryError):
    """The request needs more memory than ``memory_limit``; raised before any work."""


class LowFidelityError(BondlineError, RuntimeError):
    """Truncation lost more than ``min_fidelity`` allows and ``on_low_fidelity="raise"``."""


class CheckpointError(BondlineError, OSError):
    """A checkpoint cannot be used now: another process has it, or its folder cannot be written."""


class WorkerError(BondlineError, BrokenExecutor):
    """Workers of an executor died; what a checkpoint has is kept."""


class InternalError(BondlineError, RuntimeError):
    """A defect of bondline itself; please report it with the circuit that shows it."""


class LowFidelityWarning(UserWarning):
    """Truncation lost more than ``min_fidelity`` allows and ``on_low_fidelity="warn"``."""


class ParameterShiftWarning(UserWarning):
    """A gradient takes many circuits, because one thing in them has no derivative on the device."""


class CompileFallbackWarning(UserWarning):
    """A compiled QNode runs as PennyLane runs it: it does something that is not recorded."""
