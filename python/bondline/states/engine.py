"""Questions to the engine about a state as a whole, of a circuit or given as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from bondline import _core
from bondline.circuits.lowering import lower
from bondline.config import MpsConfig
from bondline.errors import InternalError
from bondline.measurements.observables import interpret
from bondline.measurements.requests import Requests

Tensors = Sequence[NDArray[np.complex128]]

_NOTHING: Final = interpret([], {}).requests
TENSORS: Final = replace(_NOTHING, tensors=True)
"""The request for the tensors and Schmidt values of the state."""


def bitstring_request(bits: NDArray[np.uint8]) -> Requests:
    """Return the request for the probabilities of bitstrings.

    Parameters
    ----------
    bits : ndarray of uint8, shape (strings, wires)

    Returns
    -------
    Requests
    """
    return replace(_NOTHING, bitstrings=np.ascontiguousarray(bits))


def tensors_of(
    result: _core.GroupResult, row: int
) -> tuple[list[NDArray[np.complex128]], list[NDArray[np.float64]]]:
    """Take the tensors and Schmidt values of one row out of a result.

    Parameters
    ----------
    result : GroupResult
    row : int

    Returns
    -------
    tensors, schmidt_values : lists of ndarray
    """
    if result.tensors is None or result.schmidt_values is None:
        raise InternalError("The engine returned no tensors although they were requested.")
    return result.tensors[row], result.schmidt_values[row]


def canonical_form(
    tensors: Tensors, wires: Sequence[Any]
) -> tuple[list[NDArray[np.complex128]], list[NDArray[np.float64]]]:
    """Bring site tensors of any gauge to right-canonical form, without truncation.

    Parameters
    ----------
    tensors : sequence of ndarray of complex128, shapes (left, 2, right)
        Of norm 1.
    wires : sequence of hashable

    Returns
    -------
    tensors, schmidt_values : lists of ndarray

    Notes
    -----
    O(wires · bond³).
    """
    return tensors_of(_answer(tensors, wires, TENSORS), 0)


def log_probabilities(
    tensors: Tensors, wires: Sequence[Any], bits: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return natural logarithms of the probabilities of bitstrings.

    Parameters
    ----------
    tensors : sequence of ndarray of complex128, shapes (left, 2, right)
    wires : sequence of hashable
    bits : ndarray of uint8, shape (strings, wires)

    Returns
    -------
    ndarray of float64, shape (strings,)

    Notes
    -----
    O(strings · wires · bond²) after one sweep.
    """
    result = _answer(tensors, wires, bitstring_request(bits))
    row: NDArray[np.float64] = result.log_probabilities[0]
    return row


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    wires: Sequence[Any]
    tensors: Tensors


def _answer(tensors: Tensors, wires: Sequence[Any], requests: Requests) -> _core.GroupResult:
    """Run no gate on given tensors; nothing is truncated but noise."""
    lowered = lower([qml.tape.QuantumScript([], [])], wires, initial=_Held(wires, tensors))
    settings = MpsConfig(max_bond_dim=None, cutoff=0.0, ordering="given").engine_settings()
    (result,) = _core.run(lowered.asking(lambda wires: requests).groups, settings)
    return result
