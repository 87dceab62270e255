"""A QNode whose circuit is recorded once for each structure of its arguments."""

from __future__ import annotations

import functools
import threading
import warnings
from collections import OrderedDict
from dataclasses import replace
from typing import Any, Final

import numpy as np
from pennylane.pytrees import flatten
from pennylane.queuing import QueuingManager

from bondline.compiling import frameworks
from bondline.compiling.arguments import (
    Arguments,
    UnknownArgument,
    arguments_of,
    framework_of,
    is_tracer,
    joined,
    plain,
)
from bondline.compiling.capture import Captured, NotCaptured, capture, concrete
from bondline.compiling.running import Running
from bondline.devices.derivatives import differentiated
from bondline.devices.mps import BondlineMPS
from bondline.devices.on_execution import FEW_VALUES, number_of_values
from bondline.devices.qnodes import device_of
from bondline.errors import CompileFallbackWarning, InputError
from bondline.measurements.seeds import Seeds
from bondline.reports.warnings_once import GivenOnce, user_stacklevel

_SINGLE: Final = frozenset({"float32", "complex64"})
_SINGLE_AGREEMENT: Final = 1e-5

STRUCTURES: Final = 64
"""Most structures of arguments that are kept; the oldest goes first."""

_AGREEMENT: Final = {np.dtype(np.complex128): 1e-8, np.dtype(np.complex64): 1e-3}
"""How far values of a captured circuit may be from those of the QNode, which are the same bits but
for angles that were computed in another order."""


class CompiledQNode:
    """A QNode that hands its numbers to the engine; see :func:`compile`.

    Attributes
    ----------
    qnode : pennylane.QNode
    fallback_reason : str or None
        Why the last call ran as PennyLane runs it; None if it did not.
    """

    def __init__(self, qnode: Any) -> None:
        device_of(qnode, "compile")
        self.qnode = qnode
        self.fallback_reason: str | None = None
        self._known: OrderedDict[Any, Captured | str] = OrderedDict()
        self._lock = threading.RLock()
        self._given = GivenOnce()
        functools.update_wrapper(self, qnode.func)

    @property
    def device(self) -> BondlineMPS:
        """Device of the QNode, with the reports of the last call."""
        found: BondlineMPS = self.qnode.device
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the QNode returns.

        Raises
        ------
        InputError
            If it is called while PennyLane records a circuit.
        """
        if QueuingManager.recording():
            raise InputError(
                "expected a call outside of circuits, got one while PennyLane records a circuit: a "
                "compiled QNode has no gates to draw or to use again; pass its QNode, `.qnode`"
            )
        try:
            arguments, captured = self._captured(args, kwargs)
        except (NotCaptured, UnknownArgument) as error:
            return self._by_pennylane(str(error), args, kwargs)
        running = Running(captured, captured.device)
        numbers = arguments.numbers()
        traced = any(map(is_tracer, numbers))
        wanted = traced or any(map(differentiated, numbers))
        if wanted and (running.circuit.seeds is not None or not captured.differentiable):
            reason = "its derivatives are not those of the device"
            return self._by_pennylane(reason, args, kwargs, warn=False)
        self.fallback_reason = None
        framework = self._framework(numbers, captured)
        if wanted:
            return self._differentiably(running, numbers, framework)
        results = running.results(joined([plain(number) for number in numbers]))
        like = next((number for number in numbers if framework_of(number) == framework), None)
        return running.in_structure(frameworks.in_framework(results, framework, like))

    def _differentiably(self, running: Running, numbers: list[Any], framework: str) -> Any:
        keywords = self.qnode.execute_kwargs
        product = bool(keywords["device_vjp"])
        # Whoever records a derivative asks for it, nearly always; tensors may record by oversight.
        (tape,) = running.captured.lowered.tapes
        now = keywords["grad_on_execution"]
        if now in (None, "best"):
            now = framework != "torch" or number_of_values(tape, self.device.wires) <= FEW_VALUES
        if framework == "jax":
            found = frameworks.by_jax(running, numbers, product=product)
        elif framework == "torch":
            found = frameworks.by_torch(running, numbers, product=product, now=now)
        else:
            found = frameworks.by_autograd(running, numbers, product=product, now=now)
        return running.in_structure(found[0] if len(found) == 1 else tuple(found))

    def _framework(self, numbers: list[Any], captured: Captured) -> str:
        """Return the framework of the results: PennyLane asks the numbers in the circuit."""
        interface = self.qnode.interface
        if interface != "auto":
            named = str(getattr(interface, "value", interface))
            return {"jax-jit": "jax", "None": "numpy"}.get(named, named)
        found = {
            framework_of(number)
            for number, reaches in zip(numbers, captured.reaches, strict=True)
            if reaches
        } | {captured.framework}
        return next((name for name in ("torch", "jax", "autograd") if name in found), "numpy")

    # Capturing

    def _captured(self, args: Any, kwargs: Any) -> tuple[Arguments, Captured]:
        reasons = []
        for integers in (True, False):
            arguments = arguments_of(args, kwargs, integers=integers)
            found = self._known_or_new(arguments, integers)
            if isinstance(found, Captured):
                return arguments, found
            reasons.append(found)
        raise NotCaptured(reasons[-1])

    def _known_or_new(self, arguments: Arguments, integers: bool) -> Captured | str:
        qnode = self.qnode
        key = (
            integers,
            arguments.key,
            id(qnode.device),
            qnode.shots,
            str(qnode.interface),
            str(qnode.diff_method),
            len(qnode.compile_pipeline),
        )
        found = self._known.get(key)
        if found is not None:
            return found
        with self._lock:
            found = self._known.get(key)
            if found is None:
                try:
                    found = self._compared(arguments, capture(qnode, self.device, arguments))
                except NotCaptured as error:
                    found = str(error)
                self._known[key] = found
                while len(self._known) > STRUCTURES:
                    self._known.popitem(last=False)
        return found

    def _compared(self, arguments: Arguments, captured: Captured) -> Captured:
        """Run a captured circuit and the QNode side by side, on devices of their own."""
        numbers = concrete(arguments)
        args, kwargs = arguments.with_numbers(numbers)
        fresh = self.device.with_settings(seed=0, on_low_fidelity="ignore")
        other = self.device.with_settings(seed=0, on_low_fidelity="ignore")
        try:
            expected = self.qnode.update(device=fresh, grad_on_execution=False)(*args, **kwargs)
        except Exception as error:
            raise NotCaptured(f"the QNode raises {type(error).__name__}") from error
        running = Running(captured, other)
        inputs = joined([plain(number) for number in numbers])
        found = running.in_structure(running.results(inputs, Seeds(0).next_call()))
        tolerance = _AGREEMENT[self.device.c_dtype]
        if any(np.asarray(plain(number)).dtype.itemsize < 8 for number in numbers):
            tolerance = max(tolerance, _SINGLE_AGREEMENT)
        if not _agree(found, expected, tolerance):
            raise NotCaptured(
                "its values differ from those of the recorded circuit: it depends on more than its "
                "arguments, or returns its values in another way"
            )
        framework = _framework_of_results(expected)
        return captured if framework is None else replace(captured, framework=framework)

    def _by_pennylane(self, reason: str, args: Any, kwargs: Any, *, warn: bool = True) -> Any:
        self.fallback_reason = reason
        if warn and self._given.first(reason):
            name = getattr(self.qnode.func, "__name__", "a QNode")
            warnings.warn(
                f"{name} runs as PennyLane runs it, because {reason}. The results are the same; "
                "bondline.compile saves nothing here.",
                CompileFallbackWarning,
                stacklevel=user_stacklevel(),
            )
        return self.qnode(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy the QNode only: circuits are captured again."""
        return (compile, (self.qnode,))

    def __repr__(self) -> str:
        kept = sum(isinstance(found, Captured) for found in self._known.values())
        return f"<compiled {self.qnode!r}, {kept} circuits captured>"


def _agree(found: Any, expected: Any, tolerance: float) -> bool:
    own, structure = flatten(found)
    others, other_structure = flatten(expected)
    if structure != other_structure or len(own) != len(others):
        return False
    for value, other in zip(own, others, strict=True):
        if framework_of(other) is None:
            if value != other:
                return False
            continue
        ours, theirs = np.asarray(value), np.asarray(plain(other))
        if ours.shape != theirs.shape or ours.dtype.kind != theirs.dtype.kind:
            return False
        # JAX computes in single precision by default.
        atol = max(tolerance, _SINGLE_AGREEMENT) if str(theirs.dtype) in _SINGLE else tolerance
        if not np.allclose(ours, theirs, rtol=0.0, atol=atol, equal_nan=True):
            return False
    return True


def _framework_of_results(results: Any) -> str | None:
    """Name a framework that results are in for the sake of numbers inside of the circuit."""
    for leaf in flatten(results)[0]:
        if type(leaf) is np.ndarray and leaf.ndim == 0:
            return "autograd"  # NumPy has a number there
    return None


def compile(qnode: Any) -> CompiledQNode:  # as jax.jit and torch.compile are called
    """Record the circuit of a QNode once, and hand its numbers straight to the engine afterwards.

    PennyLane builds the circuit of a QNode anew at every call, 30 µs for each gate. A compiled one
    runs its Python function once for each structure of arguments (their shapes, and the values of
    those that are no real numbers), with stand-ins that record what is computed from them.

    Parameters
    ----------
    qnode : pennylane.QNode
        On ``bondline.mps``.

    Returns
    -------
    CompiledQNode
        Takes the arguments of the QNode and returns what it returns, in autograd, JAX and torch
        with derivatives of the engine. Its ``fallback_reason`` says why the last call was left to
        PennyLane, if it was.

    Raises
    ------
    InputError
        If it is no QNode on ``bondline.mps``.

    Warns
    -----
    CompileFallbackWarning
        Once for each reason: the function compares its arguments or makes integers of them, uses a
        function that is not recorded, measures in the middle, loads amplitudes or matrices that
        depend on arguments, or the QNode has transforms. Such calls are those of the QNode.

    Notes
    -----
    Recorded are arithmetic, NumPy's elementary functions, sums, products of matrices and whatever
    only moves numbers. Arrays, tensors and plain numbers are numbers; plain numbers given by
    keyword and integers that the function counts with decide the structure. The first call of a
    structure runs the circuit three times: once by itself, and beside the QNode to compare.

    What the function reads besides its arguments, such as a global variable, is read when it is
    recorded and never again. Copies and pickles keep the QNode and record anew.

    Examples
    --------
    >>> import numpy as np
    >>> import pennylane as qml
    >>> import bondline
    >>> @bondline.compile
    ... @qml.qnode(qml.device("bondline.mps", wires=3))
    ... def circuit(angles):
    ...     for wire in range(3):
    ...         qml.RX(2 * angles[wire], wires=wire)
    ...     qml.CNOT([0, 1])
    ...     return qml.expval(qml.Z(1))
    >>> print(circuit(np.array([0.1, 0.2, 0.3])).round(6))
    0.902701
    """
    return CompiledQNode(qnode)
