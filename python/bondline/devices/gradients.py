"""From lowered circuits to derivatives of their values, in one call of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pennylane.exceptions import QuantumFunctionError

from bondline import _core
from bondline.circuits.lowered import Circuit, Lowered
from bondline.config import EngineSettings
from bondline.devices.execution import located, require_orderings, run
from bondline.errors import ResourceError
from bondline.measurements.cotangents import Cotangents, Weights, stacked
from bondline.measurements.readings import Read, Real, has_derivative
from bondline.measurements.requests import Requests
from bondline.measurements.results import WordVariance

Method = Literal["adjoint", "two-state"]


@dataclass(frozen=True, slots=True, eq=False)
class Pull:
    """Which outputs of a circuit are differentiated.

    Attributes
    ----------
    outputs : int
    entries : tuple of (int, slice, ndarray)
        For each measurement: its number, outputs that it is part of, and its weight in them, of
        shape (rows or 1, outputs, ...).
    """

    outputs: int
    entries: tuple[tuple[int, slice, Real], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Derivatives:
    """What a call to differentiate gives.

    Attributes
    ----------
    results : list of GroupResult
        Values of the same run, one per group.
    gradients : list of GroupGradient or None
        None for groups in which nothing is trainable.
    jacobians : list of ndarray of float64, shape (rows, outputs, trainable)
        One per circuit.
    excess : list of ndarray of float64, shape (rows,), or None
        One per group: the largest derivative, in units of what one of the exact outputs can be.
    """

    results: list[_core.GroupResult]
    gradients: list[_core.GroupGradient | None]
    jacobians: list[Real]
    excess: list[Real | None]


NOTHING: Final = Pull(0, ())
"""What is asked of a circuit in which nothing is trainable."""


def is_trained(circuit: Circuit) -> bool:
    """Whether a circuit has trainable parameters.

    Parameters
    ----------
    circuit : Circuit

    Returns
    -------
    bool
    """
    return circuit.trained is not None and circuit.trained.count > 0


def whole_jacobians(lowered: Lowered) -> list[Pull]:
    """Ask for every value of every measurement by itself.

    Parameters
    ----------
    lowered : Lowered

    Returns
    -------
    list of Pull
        One per circuit; circuits with the same readings share one.
    """
    known: dict[int, Pull] = {}
    pulls = []
    for position, circuit in enumerate(lowered.circuits):
        if not is_trained(circuit):
            pulls.append(NOTHING)
            continue
        pull = known.get(id(circuit.readings))
        if pull is None:
            shapes = shapes_of(lowered, position)
            pull = known[id(circuit.readings)] = _one_by_one(shapes)
        pulls.append(pull)
    return pulls


def shapes_of(lowered: Lowered, position: int) -> list[tuple[int, ...]]:
    """Return the shape of each measurement of a circuit, without its batch.

    Parameters
    ----------
    lowered : Lowered
    position : int
        Of the circuit.

    Returns
    -------
    list of tuple of int

    Raises
    ------
    pennylane.exceptions.QuantumFunctionError
        If a measurement has no derivative.
    """
    circuit = lowered.circuits[position]
    requests = lowered.groups[circuit.group].requests
    shapes = []
    for reading, measurement in zip(
        circuit.readings, lowered.tapes[position].measurements, strict=True
    ):
        if not has_derivative(reading):
            raise QuantumFunctionError(
                f"{measurement} of circuit {position} has no derivative on bondline.mps. "
                'Use diff_method="parameter-shift" or "finite-diff".'
            )
        shapes.append(reading.shape(requests))
    return shapes


def _one_by_one(shapes: Sequence[tuple[int, ...]]) -> Pull:
    entries = []
    start = 0
    for number, shape in enumerate(shapes):
        size = int(np.prod(shape, dtype=int))
        outputs = slice(start, start + size)
        entries.append((number, outputs, np.eye(size).reshape(1, size, *shape)))
        start += size
    return Pull(start, tuple(entries))


def differentiate(
    lowered: Lowered,
    pulls: Sequence[Pull],
    settings: EngineSettings,
    method: Method,
    wires: Any = None,
) -> Derivatives:
    """Differentiate outputs of circuits by their trainable parameters.

    Parameters
    ----------
    lowered : Lowered
        Made with ``differentiated=True``.
    pulls : sequence of Pull
        One per circuit.
    settings : EngineSettings
        Without sweeps.
    method : {"adjoint", "two-state"}
    wires : pennylane.wires.Wires, optional
        Wires of the device.

    Returns
    -------
    Derivatives

    Notes
    -----
    One call of the engine for all circuits. Those with a variance that is read from a matrix or
    from outcomes are run once before, because its derivative depends on its mean.
    """
    chosen = sorted({circuit.group for circuit in lowered.circuits if is_trained(circuit)})
    gradients: list[_core.GroupGradient | None] = [None] * len(lowered.groups)
    excess: list[Real | None] = [None] * len(lowered.groups)
    if chosen:
        require_orderings(lowered, settings)
        _require_memory(lowered, pulls, settings.memory_limit)
        known = _values_before(lowered, settings, wires)
        cotangents = _cotangents(lowered, pulls, known, set(chosen))
        with located(lowered, wires, chosen):
            found = _core.differentiate(
                [lowered.groups[group] for group in chosen],
                [cotangents[group] for group in chosen],
                settings,
                method,
            )
        for group, gradient in zip(chosen, found, strict=True):
            gradients[group] = gradient
            excess[group] = _excess(gradient, cotangents[group], lowered.groups[group].requests)
    others = [group for group in range(len(lowered.groups)) if gradients[group] is None]
    rest = dict(zip(others, run(lowered, settings, wires, others), strict=True)) if others else {}
    results = [
        rest[group] if gradient is None else gradient.result
        for group, gradient in enumerate(gradients)
    ]
    jacobians = [
        _jacobian(circuit, pull, gradients[circuit.group], lowered.groups[circuit.group].requests)
        for circuit, pull in zip(lowered.circuits, pulls, strict=True)
    ]
    return Derivatives(results, gradients, jacobians, excess)


def _excess(gradient: _core.GroupGradient, cotangents: Cotangents, requests: Requests) -> Real:
    largest = np.abs(gradient.gradients).max(axis=2, initial=0.0)
    steepest = np.broadcast_to(cotangents.steepest(requests), largest.shape)
    shares = np.divide(largest, steepest, out=np.zeros_like(largest), where=steepest > 0.0)
    excess: Real = shares.max(axis=1, initial=0.0)
    return excess


def _require_memory(lowered: Lowered, pulls: Sequence[Pull], limit: int) -> None:
    """Raise if the weights of all outputs alone are larger than the memory."""
    for position, (circuit, pull) in enumerate(zip(lowered.circuits, pulls, strict=True)):
        requests = lowered.groups[circuit.group].requests
        values = (
            len(requests.word_counts)
            + len(requests.variance_counts)
            + sum(2 ** len(wires) for wires in requests.probabilities)
            + sum(2 * 4 ** len(wires) for wires in requests.densities)
        )
        needed = 8 * pull.outputs * values
        if needed > limit:
            raise ResourceError(
                f"The derivatives of circuit {position} are those of {pull.outputs} outputs of "
                f"{values} values, whose weights take {needed / 2**20:.3g} MiB, more than "
                f"memory_limit ({limit / 2**20:.3g} MiB). Give the QNode device_vjp=True, which "
                "differentiates their weighted sum, or measure less."
            )


def _values_before(
    lowered: Lowered, settings: EngineSettings, wires: Any
) -> dict[int, _core.GroupResult]:
    """Run the groups whose weights depend on their values."""
    groups = sorted(
        {
            circuit.group
            for circuit in lowered.circuits
            if is_trained(circuit) and any(reading.needs_values for reading in circuit.readings)
        }
    )
    if not groups:
        return {}
    return dict(zip(groups, run(lowered, settings, wires, groups), strict=True))


def _cotangents(
    lowered: Lowered,
    pulls: Sequence[Pull],
    known: dict[int, _core.GroupResult],
    chosen: set[int],
) -> dict[int, Cotangents]:
    members: dict[int, list[tuple[Weights, int]]] = {}
    differentiated: dict[int, NDArray[np.bool_]] = {}
    shared: dict[tuple[int, int], Weights] = {}
    for circuit, pull in zip(lowered.circuits, pulls, strict=True):
        if circuit.group not in chosen:
            continue
        group = lowered.groups[circuit.group]
        mask = differentiated.setdefault(
            circuit.group, np.zeros(group.parameters.shape[1], dtype=np.bool_)
        )
        if circuit.trained is not None:
            mask[circuit.trained.slots] = True
        key = (id(pull), id(circuit.readings))
        weights = shared.get(key)
        if weights is None:
            weights = _weights(circuit, pull, group.requests, known.get(circuit.group))
            if len(weights.words) == 1:
                shared[key] = weights
        members.setdefault(circuit.group, []).append((weights, _length(circuit)))
    return {group: stacked(found, differentiated[group]) for group, found in members.items()}


def _weights(
    circuit: Circuit, pull: Pull, requests: Requests, result: _core.GroupResult | None
) -> Weights:
    varies = any(
        circuit.readings[measurement].varies or len(cotangents) > 1
        for measurement, _, cotangents in pull.entries
    )
    weights = Weights(requests, _length(circuit) if varies else 1, pull.outputs)
    read = None if result is None else Read(result, circuit.rows)
    for measurement, outputs, cotangents in pull.entries:
        circuit.readings[measurement].pull(weights, outputs, cotangents, read)
    return weights


def _jacobian(
    circuit: Circuit, pull: Pull, gradient: _core.GroupGradient | None, requests: Requests
) -> Real:
    trained = circuit.trained
    if gradient is None or trained is None:
        return np.zeros((_length(circuit), pull.outputs, 0))
    by_slot = gradient.gradients[circuit.rows, : pull.outputs].take(trained.slots, axis=2)
    if not trained.data:
        return by_slot
    found = np.zeros((_length(circuit), pull.outputs, trained.count))
    found[:, :, trained.columns] = by_slot
    for measurement, derivatives in circuit.derivatives.items():
        columns = [datum.column for datum in trained.data if datum.measurement == measurement]
        reading = circuit.readings[measurement]
        if isinstance(reading, WordVariance):
            start = int(requests.variance_counts[: reading.index].sum())
            terms = slice(start, start + int(requests.variance_counts[reading.index]))
            by_term = gradient.variance_coefficients[circuit.rows, : pull.outputs, terms]
            found[:, :, columns] = derivatives.of_variance(by_term)
            continue
        values = derivatives.of_expectation(gradient.result, circuit.rows)
        for number, outputs, cotangents in pull.entries:
            if number == measurement:
                found[:, outputs, columns] += cotangents[:, :, None] * values[:, None]
    return found


def _length(circuit: Circuit) -> int:
    rows = circuit.rows
    count: int = rows.stop - rows.start
    return count
