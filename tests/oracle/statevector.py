"""The tests' own dense simulator: every gate a matrix, every application one ``tensordot``.

Nothing is shared with the device under test nor with PennyLane's simulators; from PennyLane come
only the matrices of gates and of elementary observables. Good to about 14 wires.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.measurements import (
    DensityMatrixMP,
    ExpectationMP,
    MeasurementProcess,
    MutualInfoMP,
    ProbabilityMP,
    PurityMP,
    StateMP,
    VarianceMP,
    VnEntropyMP,
)
from pennylane.operation import Operator, StatePrepBase
from pennylane.ops import Prod, SProd, Sum
from pennylane.tape import QuantumScript

Array = NDArray[Any]


def apply_matrix(matrix: Array, state: Array, axes: Sequence[int]) -> Array:
    """Apply a ``2^k`` square matrix to ``k`` axes of a state, the first axis most significant."""
    k = len(axes)
    tensor = np.asarray(matrix, complex).reshape((2,) * (2 * k))
    moved = np.tensordot(tensor, state, (range(k, 2 * k), axes))
    return np.moveaxis(moved, range(k), axes)


def evolve(operations: Iterable[Operator], wires: Sequence[Any]) -> Array:
    """Evolve ``|0...0>`` and return the state with one axis per wire.

    Parameters
    ----------
    operations : iterable of Operator
        Operators without a matrix are decomposed. A preparation must meet its wires in ``|0>``.
    wires : sequence
        Labels in the order of the device; axis ``i`` of the result is ``wires[i]``.

    Returns
    -------
    ndarray, shape ``(2,) * len(wires)``
    """
    state = np.zeros((2,) * len(wires), complex)
    state[(0,) * len(wires)] = 1
    for operation in operations:
        state = _apply(operation, state, list(wires))
    return state


def _apply(operation: Operator, state: Array, wires: list[Any]) -> Array:
    axes = [wires.index(wire) for wire in operation.wires]
    if isinstance(operation, qml.GlobalPhase):
        return np.asarray(state * np.exp(-1j * float(operation.data[0])))
    if isinstance(operation, StatePrepBase):
        return _prepare(operation, state, axes)
    if operation.has_matrix:
        return apply_matrix(operation.matrix(), state, axes)
    for part in operation.decomposition():
        state = _apply(part, state, wires)
    return state


def _prepare(operation: StatePrepBase, state: Array, axes: list[int]) -> Array:
    blank = tuple(0 if axis in axes else slice(None) for axis in range(state.ndim))
    others = state[blank]
    if abs(np.linalg.norm(others) - 1) > 1e-12:
        raise ValueError(f"{operation.name} expects its wires in |0>, got an evolved state.")
    prepared = np.asarray(operation.state_vector(), complex).reshape((2,) * len(axes))
    return np.moveaxis(np.tensordot(prepared, others, 0), range(len(axes)), axes)


def apply_observable(observable: Operator, state: Array, wires: Sequence[Any]) -> Array:
    """Return ``O|psi>``: sums and products are walked, only their leaves become matrices."""
    if isinstance(observable, Sum):  # LinearCombination is one
        coefficients, operators = observable.terms()
        total = np.zeros_like(state)
        for coefficient, operator in zip(coefficients, operators, strict=True):
            total = total + complex(coefficient) * apply_observable(operator, state, wires)
        return total
    if isinstance(observable, SProd):
        return complex(observable.scalar) * apply_observable(observable.base, state, wires)
    if isinstance(observable, Prod):
        for factor in reversed(observable.operands):
            state = apply_observable(factor, state, wires)
        return state
    axes = [list(wires).index(wire) for wire in observable.wires]
    return apply_matrix(observable.matrix(), state, axes) if axes else state


def reduced_density(state: Array, axes: Sequence[int]) -> Array:
    """Density matrix of the given axes in the given order, the first most significant."""
    kept = np.moveaxis(state, axes, range(len(axes))).reshape(2 ** len(axes), -1)
    return kept @ kept.conj().T


def spectrum(state: Array, axes: Sequence[int]) -> Array:
    """Squared singular values of the state between the given axes and the others."""
    kept = np.moveaxis(state, axes, range(len(axes))).reshape(2 ** len(axes), -1)
    return np.asarray(np.linalg.svd(kept, compute_uv=False) ** 2)


def entropy(state: Array, axes: Sequence[int], log_base: float | None) -> Array:
    """Von Neumann entropy of the given axes."""
    weights = spectrum(state, axes)
    weights = weights[weights > 0]
    return np.asarray(-(weights * np.log(weights)).sum() / np.log(log_base or np.e))


def measure(measurement: MeasurementProcess, state: Array, wires: Sequence[Any]) -> Array:
    """Return the analytic value of one measurement, in PennyLane's shape."""
    order = list(wires)
    axes = [order.index(wire) for wire in measurement.wires] or list(range(len(order)))
    match measurement:
        case ExpectationMP():
            return np.asarray(np.vdot(state, apply_observable(measurement.obs, state, order)).real)
        case VarianceMP():
            image = apply_observable(measurement.obs, state, order)
            return np.asarray(np.vdot(image, image).real - np.vdot(state, image).real ** 2)
        case ProbabilityMP():
            rest = tuple(axis for axis in range(len(order)) if axis not in axes)
            marginal = (abs(state) ** 2).sum(rest)
            kept = sorted(axes)
            return np.asarray(marginal.transpose([kept.index(axis) for axis in axes]).reshape(-1))
        case DensityMatrixMP():
            return reduced_density(state, axes)
        case StateMP():
            return state.reshape(-1)
        case PurityMP():
            return np.asarray((spectrum(state, axes) ** 2).sum())
        case VnEntropyMP():
            return entropy(state, axes, measurement.log_base)
        case MutualInfoMP():
            first, second = ([order.index(wire) for wire in part] for part in measurement.raw_wires)
            base = measurement.log_base
            parts = entropy(state, first, base) + entropy(state, second, base)
            return parts - entropy(state, first + second, base)
    raise NotImplementedError(f"the oracle has no value for {type(measurement).__name__}")


def simulate(tape: QuantumScript, wires: Sequence[Any]) -> list[Array]:
    """Return the value of every measurement of a tape on a device with these wires."""
    state = evolve(tape.operations, wires)
    return [measure(measurement, state, wires) for measurement in tape.measurements]


def light_cone(operations: Sequence[Operator], wires: Iterable[Any]) -> list[Operator]:
    """Return the operations that can reach the given wires, in their order."""
    reached = set(wires)
    kept = []
    for operation in reversed(operations):
        if reached & set(operation.wires):
            reached |= set(operation.wires)
            kept.append(operation)
    return kept[::-1]


def light_cone_value(
    operations: Sequence[Operator], measurement: MeasurementProcess, order: Sequence[Any]
) -> Array:
    """Return a value of a wide, shallow circuit from the small circuit in its light cone.

    Parameters
    ----------
    operations : sequence of Operator
        The whole circuit, on any number of wires.
    measurement : MeasurementProcess
        On few wires, whose light cone is narrow enough for a dense state.
    order : sequence
        All wires; the small circuit keeps their order.
    """
    cone = light_cone(operations, measurement.wires)
    touched = set(measurement.wires).union(*(operation.wires for operation in cone))
    wires = [wire for wire in order if wire in touched]
    if len(wires) > 14:
        raise ValueError(f"a light cone of {len(wires)} wires is too wide for a dense state")
    return measure(measurement, evolve(cone, wires), wires)
