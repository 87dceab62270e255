"""States that are loaded at the start of a circuit: amplitudes, tensors, and which of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from bondline import tensor_formats
from bondline.errors import InputError
from bondline.operators import gate_set
from bondline.operators.gate_set import describe

LOADED_WIRES: Final = 20
"""Most wires of all amplitude vectors of one circuit together: 2^20 numbers."""

NORM_TOLERANCE: Final = 1e-5
"""Largest deviation from 1 of the norm of amplitudes (single precision passes)."""

_Complex = NDArray[np.complex128]


class InitialState(Protocol):
    """A matrix product state that circuits start from instead of |0…0>.

    Where it has ``fidelity`` and ``log_norm``, what it lost is counted into the reports.
    """

    @property
    def wires(self) -> Sequence[Any]:
        """Labels of its wires."""

    @property
    def tensors(self) -> Sequence[NDArray[Any]]:
        """One array (left, 2, right) for each wire."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """What the engine starts from, in the words of its contract.

    Attributes
    ----------
    wires : tuple of int
    vectors : ndarray of complex128, shape (1 or batch, 2^wires), or None
    tensors : tuple of ndarray of complex128, shape (left, 2, right), or None
    batch : int or None
    """

    wires: tuple[int, ...] = ()
    vectors: _Complex | None = None
    tensors: tuple[_Complex, ...] | None = None
    batch: int | None = None


def starts_with_preparation(operations: Sequence[Any]) -> bool:
    """Return whether a circuit brings its own initial state.

    Parameters
    ----------
    operations : sequence of pennylane.operation.Operator

    Returns
    -------
    bool
        Whether the first operator with an effect prepares a state.

    Examples
    --------
    >>> starts_with_preparation([qml.Barrier(0), qml.BasisState([1], 0), qml.H(1)])
    True
    """
    for operator in operations:
        if type(operator) not in gate_set.NO_OPERATIONS:
            return isinstance(operator, (qml.operation.StatePrepBase, qml.MPSPrep))
    return False


def loadable(operations: Sequence[Any], *, initial: bool = False) -> list[Any]:
    """Return the preparations of a circuit that act on |0…0> and are loaded.

    A preparation on wires that nothing acted on before commutes with everything before it.

    Parameters
    ----------
    operations : sequence of pennylane.operation.Operator
    initial : bool, default False
        Whether the circuit starts from a state of the device unless it brings its own.

    Returns
    -------
    list of pennylane.operation.Operator

    Notes
    -----
    Tensors win over amplitudes of a batch, and what comes first over what no longer fits; the
    others are decomposed. One pass over the operators up to the last preparation.

    Examples
    --------
    >>> late = qml.StatePrep([0, 1], 0)
    >>> loadable([qml.StatePrep([0, 1], 1), qml.H(0), late])
    [StatePrep(array([0, 1]), wires=[1])]
    """
    # Look at each class once: isinstance costs a microsecond for PennyLane's abstract classes.
    kinds = {kind for kind in set(map(type, operations)) if issubclass(kind, _LOADED_CLASSES)}
    if not kinds:
        return []
    places = [place for place, operator in enumerate(operations) if type(operator) in kinds]
    if initial and not starts_with_preparation(operations):
        return []
    found = []
    touched: set[Any] = set()
    start = 0
    for place in places:
        for operator in operations[start:place]:
            if type(operator) not in gate_set.NO_OPERATIONS:
                touched.update(operator.wires.labels)
        start = place
        operator = operations[place]
        if not touched.intersection(loaded_labels(operator)):
            found.append(operator)
        touched.update(operator.wires.labels)
        start += 1
    return _fitting(found)


_LOADED_CLASSES: Final = gate_set.PREPARATIONS


def _fitting(preparations: list[Any]) -> list[Any]:
    """Leave out what cannot be loaded together with the rest."""
    tensors = any(type(operator) is qml.MPSPrep for operator in preparations)
    found = []
    wires = 0
    for operator in preparations:
        if type(operator) is not qml.MPSPrep:
            size = len(operator.wires)
            if wires + size > LOADED_WIRES or (tensors and operator.batch_size is not None):
                continue
            wires += size
        found.append(operator)
    return found


def loaded_labels(preparation: Any) -> tuple[Any, ...]:
    """Return the wires that a preparation loads; work wires stay as they are.

    Parameters
    ----------
    preparation : pennylane.operation.Operator

    Returns
    -------
    tuple of labels
    """
    if type(preparation) is qml.MPSPrep:
        return tuple(preparation.hyperparameters["input_wires"].labels)
    return tuple(preparation.wires.labels)


def load(preparations: Sequence[Any], sites: Mapping[Any, int]) -> Loaded:
    """Join the preparations of a circuit into one.

    Parameters
    ----------
    preparations : sequence of pennylane.operation.Operator
        On different wires, as :func:`loadable` returns them.
    sites : mapping from wire label to index

    Returns
    -------
    Loaded
        Amplitudes are tensored; beside an MPSPrep they become tensors by exact splitting.

    Raises
    ------
    InputError
        If a state is not finite, not normalised or of the wrong shape.

    Notes
    -----
    O(2^wires) for amplitudes, O(wires · bond³) for tensors.

    Examples
    --------
    >>> found = load([qml.StatePrep([0, 1], "a"), qml.StatePrep([1, 0], "b")], {"a": 0, "b": 1})
    >>> found.wires, found.vectors.real
    ((0, 1), array([[0., 0., 1., 0.]]))
    """
    if not preparations:
        return Loaded()
    wires = tuple(sites[label] for operator in preparations for label in loaded_labels(operator))
    if any(type(operator) is qml.MPSPrep for operator in preparations):
        tensors: list[_Complex] = []
        for operator in preparations:
            if type(operator) is qml.MPSPrep:
                given = tensor_formats.site_tensors(
                    qml.math.unwrap(list(operator.data)), describe(operator)
                )
                tensors += tensor_formats.normalised(given, describe(operator))[0]
            else:
                tensors += split(_amplitudes(operator)[0])
        return Loaded(wires, tensors=tuple(tensors))
    vectors = np.ones((1, 1), dtype=np.complex128)
    batch = None
    for operator in preparations:
        amplitudes = _amplitudes(operator)
        if operator.batch_size is not None:
            if batch is not None and len(amplitudes) != batch:
                raise InputError(
                    f"{describe(operator)} has a batch of {len(amplitudes)} states, and a "
                    f"preparation before it {batch}. All batches in a circuit must have one size."
                )
            batch = len(amplitudes)
        product = vectors[:, :, None] * amplitudes[:, None, :]
        vectors = product.reshape(len(product), -1)
    return Loaded(wires, vectors=np.ascontiguousarray(vectors), batch=batch)


def initial_state(state: InitialState, sites: Mapping[Any, int]) -> Loaded:
    """Return what the engine starts from when circuits start from a state of the device.

    Parameters
    ----------
    state : InitialState
        Checked by :func:`require_state`.
    sites : mapping from wire label to index

    Returns
    -------
    Loaded
    """
    tensors = tensor_formats.site_tensors(state.tensors, "initial_state")
    return Loaded(tuple(sites[label] for label in state.wires), tensors=tuple(tensors))


def require_state(state: Any, wires: Any) -> None:
    """Raise if an object is not a state that circuits can start from.

    Parameters
    ----------
    state : object
    wires : pennylane.wires.Wires or None
        Wires of the device.

    Raises
    ------
    InputError

    Examples
    --------
    >>> require_state([1, 0], None)
    Traceback (most recent call last):
    ...
    bondline.errors.InputError: initial_state must be a state with wires and tensors, ...
    """
    labels, tensors = getattr(state, "wires", None), getattr(state, "tensors", None)
    if labels is None or tensors is None:
        raise InputError(
            "initial_state must be a state with wires and tensors, as bondline.mps_state returns, "
            f"got {type(state).__name__}. Load amplitudes with qml.StatePrep in the circuit."
        )
    if len(labels) != len(tensors) or len(set(labels)) != len(labels) or not len(labels):
        raise InputError(
            f"initial_state has {len(labels)} wires and {len(tensors)} tensors. "
            "It needs one tensor for each of its wires, and every wire once."
        )
    if wires and (missing := [label for label in labels if label not in wires]):
        raise InputError(
            f"initial_state has the wires {missing[:8]}, which are not on the device. "
            "Give the device all wires of the state."
        )
    tensor_formats.site_tensors(tensors, "initial_state")


def split(amplitudes: _Complex) -> list[_Complex]:
    """Split amplitudes into tensors, exactly.

    Parameters
    ----------
    amplitudes : ndarray of complex128, shape (2^wires,)

    Returns
    -------
    list of ndarray, shape (left, 2, right)

    Examples
    --------
    >>> [tensor.shape for tensor in split(np.array([1, 0, 0, 1]) / np.sqrt(2))]
    [(1, 2, 2), (2, 2, 1)]
    """
    tensors = []
    rest = np.asarray(amplitudes, dtype=np.complex128).reshape(1, -1)
    while rest.shape[1] > 2:
        left = rest.shape[0]
        isometry, weights, right = np.linalg.svd(rest.reshape(2 * left, -1), full_matrices=False)
        kept = int((weights > weights[0] * np.finfo(np.float64).eps).sum())
        tensors.append(np.ascontiguousarray(isometry[:, :kept].reshape(left, 2, kept)))
        rest = weights[:kept, None] * right[:kept]
    tensors.append(np.ascontiguousarray(rest.reshape(-1, 2, 1)))
    return tensors


def _amplitudes(operator: Any) -> _Complex:
    """Amplitudes as (1 or batch, 2^wires), of norm 1."""
    if isinstance(operator, qml.StatePrep) and not operator.is_sparse:
        given = operator.data[0]
    else:
        given = operator.state_vector(wire_order=operator.wires)
        if hasattr(given, "toarray"):
            given = given.toarray()
    size = 2 ** len(operator.wires)
    found = np.asarray(qml.math.unwrap([given])[0], dtype=np.complex128).reshape(-1, size)
    norms = np.linalg.norm(found, axis=1)
    worst = float(np.abs(norms - 1.0).max(initial=0.0))
    if not np.isfinite(worst):
        raise InputError(
            f"{describe(operator)} prepares amplitudes that are not finite. One of them is nan or "
            "infinite, or all were zero and normalize=True divided by their norm. "
            "Give a state of norm 1."
        )
    if not norms.all():
        raise InputError(
            f"{describe(operator)} prepares amplitudes that are all zero, which is no state. "
            "Give at least one that is not."
        )
    if worst > NORM_TOLERANCE:
        raise InputError(
            f"{describe(operator)} prepares amplitudes of norm {norms[np.abs(norms - 1).argmax()]}"
            ", and a state has norm 1. Give normalize=True, or normalise them first."
        )
    return np.asarray(found / norms[:, None])
