"""From lowered circuits to derivatives of their values, in as few calls of the engine as fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bondline import _core
from bondline.circuits.lowered import Circuit, Lowered
from bondline.config import EngineSettings
from bondline.devices.execution import located, require_orderings, run
from bondline.devices.pulls import Asked, Pull, in_parts, is_trained, require_room
from bondline.measurements.cotangents import Cotangents, Weights, stacked
from bondline.measurements.readings import Read, Real
from bondline.measurements.requests import Requests
from bondline.measurements.results import WordVariance

Method = Literal["adjoint", "two-state"]


@dataclass(frozen=True, slots=True, eq=False)
class Derivatives:
    """What a call to differentiate gives.

    Attributes
    ----------
    results : list of GroupResult
        Values of the same run, one per group.
    gradients : list of GroupGradient or None
        Of the first outputs; None for groups in which nothing is trainable.
    jacobians : list of ndarray of float64, shape (rows, outputs, trainable)
        One per circuit.
    excess : list of ndarray of float64, shape (rows,), or None
        One per group: the largest derivative, in units of what one of the exact outputs can be.
    """

    results: list[_core.GroupResult]
    gradients: list[_core.GroupGradient | None]
    jacobians: list[Real]
    excess: list[Real | None]


def differentiate(
    lowered: Lowered,
    pulls: Sequence[Asked],
    settings: EngineSettings,
    method: Method,
    wires: Any = None,
) -> Derivatives:
    """Differentiate outputs of circuits by their trainable parameters.

    Parameters
    ----------
    lowered : Lowered
        Made with ``differentiated=True``.
    pulls : sequence of EachValue or Pull
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
    One call of the engine for all circuits, or one for each part of the outputs where the weights
    and the derivatives of all at once would fill the memory. Circuits with a variance that is read
    from a matrix or from outcomes are run once before, because its derivative depends on its mean.
    """
    gradients: list[_core.GroupGradient | None] = [None] * len(lowered.groups)
    excess: list[Real | None] = [None] * len(lowered.groups)
    require_room(lowered, pulls, settings.memory_limit)
    jacobians = [_empty(*each) for each in zip(lowered.circuits, pulls, strict=True)]
    if any(map(is_trained, lowered.circuits)):
        require_orderings(lowered, settings)
        known = _values_before(lowered, settings, wires)
        for first, part in in_parts(lowered, pulls, settings.memory_limit):
            cotangents = _cotangents(lowered, part, known)
            found = _differentiated(lowered, cotangents, settings, method, wires)
            for group, gradient in found.items():
                own = _excess(gradient, cotangents[group], lowered.groups[group].requests)
                before = excess[group]
                excess[group] = own if before is None else np.maximum(before, own)
                if before is None:
                    gradients[group] = gradient
            for circuit, pull, jacobian in zip(lowered.circuits, part, jacobians, strict=True):
                if pull.outputs:
                    requests = lowered.groups[circuit.group].requests
                    outputs = jacobian[:, first : first + pull.outputs]
                    _fill(outputs, circuit, pull, found[circuit.group], requests)
    others = [group for group in range(len(lowered.groups)) if gradients[group] is None]
    rest = dict(zip(others, run(lowered, settings, wires, others), strict=True)) if others else {}
    results = [
        rest[group] if gradient is None else gradient.result
        for group, gradient in enumerate(gradients)
    ]
    return Derivatives(results, gradients, jacobians, excess)


def _differentiated(
    lowered: Lowered,
    cotangents: dict[int, Cotangents],
    settings: EngineSettings,
    method: Method,
    wires: Any,
) -> dict[int, _core.GroupGradient]:
    chosen = sorted(cotangents)
    with located(lowered, wires, chosen):
        found = _core.differentiate(
            [lowered.groups[group] for group in chosen],
            [cotangents[group] for group in chosen],
            settings,
            method,
        )
    return dict(zip(chosen, found, strict=True))


def _excess(gradient: _core.GroupGradient, cotangents: Cotangents, requests: Requests) -> Real:
    largest = np.abs(gradient.gradients).max(axis=2, initial=0.0)
    steepest = np.broadcast_to(cotangents.steepest(requests), largest.shape)
    shares = np.divide(largest, steepest, out=np.zeros_like(largest), where=steepest > 0.0)
    excess: Real = shares.max(axis=1, initial=0.0)
    return excess


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
    lowered: Lowered, pulls: Sequence[Pull], known: dict[int, _core.GroupResult]
) -> dict[int, Cotangents]:
    """Return the weights of all groups in which there are outputs."""
    chosen = {
        circuit.group
        for circuit, pull in zip(lowered.circuits, pulls, strict=True)
        if pull.outputs and is_trained(circuit)
    }
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


def _empty(circuit: Circuit, pull: Asked) -> Real:
    """Return room for a Jacobian: [b, k, t], where the values of one parameter lie together."""
    count = 0 if circuit.trained is None else circuit.trained.count
    return np.zeros((count, _length(circuit), pull.outputs)).transpose(1, 2, 0)


def _fill(
    jacobian: Real,
    circuit: Circuit,
    pull: Pull,
    gradient: _core.GroupGradient,
    requests: Requests,
) -> None:
    trained = circuit.trained
    if trained is None:
        return
    by_slot = gradient.gradients[circuit.rows, : pull.outputs]
    if not trained.data:
        # J[b, k, t] = g[b, k, slot of t]
        jacobian[...] = by_slot.take(trained.slots, axis=2)
        return
    jacobian[:, :, trained.columns] = by_slot.take(trained.slots, axis=2)
    for measurement, derivatives in circuit.derivatives.items():
        columns = [datum.column for datum in trained.data if datum.measurement == measurement]
        reading = circuit.readings[measurement]
        if isinstance(reading, WordVariance):
            start = int(requests.variance_counts[: reading.index].sum())
            terms = slice(start, start + int(requests.variance_counts[reading.index]))
            by_term = gradient.variance_coefficients[circuit.rows, : pull.outputs, terms]
            jacobian[:, :, columns] = derivatives.of_variance(by_term)
            continue
        values = derivatives.of_expectation(gradient.result, circuit.rows)
        for number, outputs, cotangents in pull.entries:
            if number == measurement:
                jacobian[:, outputs, columns] += cotangents[:, :, None] * values[:, None]


def _length(circuit: Circuit) -> int:
    rows = circuit.rows
    count: int = rows.stop - rows.start
    return count
