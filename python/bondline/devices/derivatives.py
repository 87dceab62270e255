"""What is being differentiated, and derivatives that would be left out or be wrong: refused."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Final

from autograd.tracer import isbox  # type: ignore[import-untyped]
from pennylane.pytrees import flatten

from bondline.errors import UnsupportedError

_OTHER_WAY: Final = (
    "For a derivative, let the QNode itself return qml.expval(qml.Projector(bits, wires=wires)) or "
    "another expval or probs; for the bare number"
)


def require_plain(values: Any, caller: str, other_way: str = _OTHER_WAY) -> None:
    """Raise if any of some numbers is part of a differentiation or of a compiled function.

    Parameters
    ----------
    values : object
        Numbers and arrays, in tuples, lists and dicts of any depth.
    caller : str
        What was called; begins the message.
    other_way : str, optional
        What the message says about the way to a derivative, and for what to call it otherwise.

    Raises
    ------
    UnsupportedError
        For a boxed value of autograd, a tracer of JAX, and a tensor of torch that records its
        gradient. Arrays that merely say ``requires_grad=True`` are plain outside of a
        differentiation.

    Examples
    --------
    >>> from pennylane import numpy as pnp
    >>> require_plain((0.3, {"weights": pnp.array(0.1, requires_grad=True)}), "mps_state")
    """
    for value in flatten(values)[0]:
        owner = _recording(value)
        if owner is not None:
            raise UnsupportedError(
                f"{caller} needs plain numbers, and got {owner}: it has no derivative, and its "
                f"answer would count as a constant. {other_way}, call it outside of grad and jit, "
                "or detach its arguments."
            )


def require_plain_circuit(tape: Any, caller: str) -> None:
    """Raise if a number in a circuit is part of a differentiation or of a compiled function.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript
    caller : str
        What was called; begins the message.

    Raises
    ------
    UnsupportedError

    Examples
    --------
    >>> import pennylane as qml
    >>> require_plain_circuit(qml.tape.QuantumScript([qml.RX(0.3, 0)]), "mps_state")
    """
    require_plain(list(_numbers(tape)), caller)


_TRACERS_OF_DERIVATIVES: Final = frozenset({"JVPTracer", "LinearizeTracer"})


def differentiated(value: Any, *, compiled: bool = False) -> bool:
    """Whether a derivative by a number or an array is being taken, or recorded for later.

    Parameters
    ----------
    value : object
    compiled : bool, default False
        Whether arguments of functions that JAX compiles count, too: a derivative of the compiled
        function may be taken later.

    Returns
    -------
    bool
        False for what merely says ``requires_grad=True`` outside of a differentiation.

    Examples
    --------
    >>> from pennylane import numpy as pnp
    >>> differentiated(pnp.array(0.1, requires_grad=True))
    False
    """
    if isbox(value):
        return True
    jax, torch = sys.modules.get("jax"), sys.modules.get("torch")
    while jax is not None and isinstance(value, jax.core.Tracer):
        if compiled or type(value).__name__ in _TRACERS_OF_DERIVATIVES:
            return True
        value = getattr(value, "val", None)  # under vmap
    return (
        torch is not None
        and isinstance(value, torch.Tensor)
        and bool(value.requires_grad)
        and bool(torch.is_grad_enabled())
    )


def _numbers(tape: Any) -> Iterable[Any]:
    for operator in tape.operations:
        yield from operator.data
    for measurement in tape.measurements:
        # Autograd may box the observable itself.
        yield from getattr(measurement.obs, "data", (measurement.obs,))


def _recording(value: Any) -> str | None:
    """Name what a value is, if a derivative or a compilation hangs on it."""
    if isbox(value):
        return "an argument that autograd differentiates"
    # Whoever has a tracer or a tensor has its library loaded.
    jax, torch = sys.modules.get("jax"), sys.modules.get("torch")
    if jax is not None and isinstance(value, jax.core.Tracer):
        return "an argument that JAX differentiates or compiles"
    if (
        torch is not None
        and isinstance(value, torch.Tensor)
        and value.requires_grad
        and torch.is_grad_enabled()
    ):
        return "a tensor of torch with requires_grad=True"
    return None
