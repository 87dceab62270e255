"""From lowered circuits to values in PennyLane's shapes, and what a tracker is told about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pennylane.resource import SpecsResources

from bondline import _core
from bondline.circuits.lowered import Circuit, Lowered
from bondline.config import EngineSettings
from bondline.devices.mid_circuit import explain
from bondline.errors import InputError, NumericalError, UnsupportedError
from bondline.measurements.columns import Window
from bondline.measurements.readings import in_shape
from bondline.reports.evidence import Evidence


def require_ordering(ordering: Any, wires: int, owner: str) -> None:
    """Raise if an order of the sites has another length than there are wires.

    Parameters
    ----------
    ordering : str or sequence of int
    wires : int
    owner : str
        What has the wires.

    Raises
    ------
    InputError

    Examples
    --------
    >>> require_ordering("auto", 3, "the device")
    """
    if not isinstance(ordering, str) and len(ordering) != wires:
        raise InputError(
            f"ordering lists {len(ordering)} sites, and {owner} has {wires} wires. "
            "Give one entry per wire of the device."
        )


def require_orderings(lowered: Lowered, settings: EngineSettings) -> None:
    """Raise if a circuit has another number of wires than the order of the sites.

    Parameters
    ----------
    lowered : Lowered
    settings : EngineSettings

    Raises
    ------
    InputError
    """
    for position, circuit in enumerate(lowered.circuits):
        require_ordering(settings.ordering, len(circuit.wires), f"circuit {position}")


def run(
    lowered: Lowered,
    settings: EngineSettings,
    wires: Any = None,
    chosen: Sequence[int] | None = None,
) -> list[_core.GroupResult]:
    """Run lowered circuits in the engine.

    Parameters
    ----------
    lowered : Lowered
    settings : EngineSettings
    wires : pennylane.wires.Wires, optional
        Wires of the device.
    chosen : sequence of int, optional
        The groups to run; all of them by default.

    Returns
    -------
    list of GroupResult

    Raises
    ------
    InputError, NumericalError, UnsupportedError
        See :func:`located`.
    """
    require_orderings(lowered, settings)
    with located(lowered, wires, chosen):
        if chosen is None:
            return _core.run(lowered.groups, settings)
        return _core.run([lowered.groups[group] for group in chosen], settings)


@contextmanager
def located(
    lowered: Lowered, wires: Any = None, chosen: Sequence[int] | None = None
) -> Iterator[None]:
    """Say in errors of the engine which circuit they are about.

    Parameters
    ----------
    lowered : Lowered
    wires : pennylane.wires.Wires, optional
        Wires of the device.
    chosen : sequence of int, optional
        The groups that the engine was given; all of them by default.

    Raises
    ------
    InputError
        With the operator that it is about, where the engine says which.
    NumericalError
        With the circuit and the row of its batch, where a postselection left nothing of it.
    UnsupportedError
        With what else could be done about too many histories of mid-circuit outcomes.
    """
    try:
        yield
    except InputError as error:
        _count_groups(error, chosen)
        found = lowered.locate(error)
        if found is error:
            raise
        raise found from None
    except NumericalError as error:
        _count_groups(error, chosen)
        placed = lowered.locate_row(error)
        if placed is error:
            raise
        raise placed from None
    except UnsupportedError as error:
        explained = explain(error, lowered.tapes, wires)
        if explained is error:
            raise
        raise explained from None


def _count_groups(error: InputError | NumericalError, chosen: Sequence[int] | None) -> None:
    if chosen is not None and error.group is not None:
        error.group = chosen[error.group]


def values_of(lowered: Lowered, outputs: list[_core.GroupResult]) -> tuple[Any, ...]:
    """Return the values of each circuit in PennyLane's shapes.

    Parameters
    ----------
    lowered : Lowered
    outputs : list of GroupResult

    Returns
    -------
    tuple
        One entry per circuit: a tuple over the entries of a shot vector, of tuples over the
        measurements; neither is there for a single one.
    """
    return tuple(_circuit_values(circuit, outputs[circuit.group]) for circuit in lowered.circuits)


def _circuit_values(circuit: Circuit, output: _core.GroupResult) -> Any:
    if circuit.seeds is None:
        found = [reading.values(output, circuit.rows) for reading in circuit.readings]
        return _unwrapped(found, circuit)
    entries = []
    for shots in circuit.bins:
        window = Window(circuit.rows, shots, circuit.seeds)
        found = [reading.values(output, window) for reading in circuit.readings]
        entries.append(_unwrapped(found, circuit))
    return tuple(entries) if circuit.partitioned else entries[0]


def _unwrapped(values: list[Any], circuit: Circuit) -> Any:
    found = tuple(in_shape(value, circuit.batch) for value in values)
    return found[0] if len(found) == 1 else found


_NO_TOTALS = ("fidelity_estimate", "max_bond", "discarded_weight")


def track(
    tracker: Any, tapes: Any, evidence: Evidence, values: tuple[Any, ...], **counts: int
) -> None:
    """Update a tracker with PennyLane's keys and our own; cheap whatever the observables.

    Parameters
    ----------
    tracker : pennylane.Tracker
    tapes : sequence of pennylane.tape.QuantumScript
    evidence : Evidence
    values : tuple
        One entry per circuit.
    **counts : int
        What kind of call it was.

    Notes
    -----
    ``executions`` are rows of batches. ``resources`` have no depth, and name measurements by
    their kind only. Fidelities and bonds are no sums: they are in the history alone.
    """
    tracker.update(**counts)
    tracker.record()
    for tape, circuit, value in zip(tapes, evidence.circuits, values, strict=True):
        account = evidence.accounts[circuit.group]
        rows = circuit.rows
        count = rows.stop - rows.start
        shots = {"shots": tape.shots.total_shots * count} if tape.shots else {}
        tracker.update(
            simulations=1,
            executions=count,
            results=value,
            **shots,
            resources=_resources(tape, circuit),
            fidelity_estimate=circuit.initial_fidelity * float(account.fidelity(rows).min()),
            max_bond=int(account.largest_bond[rows].max()),
            discarded_weight=float(account.discarded[rows].sum(axis=1).max()),
        )
        for name in _NO_TOTALS:
            tracker.totals.pop(name, None)
        tracker.record()


def track_derivatives(tracker: Any, **counts: int) -> None:
    """Update a tracker with a call for derivatives alone, under PennyLane's keys.

    Parameters
    ----------
    tracker : pennylane.Tracker
    **counts : int

    Notes
    -----
    Resources are left out: PennyLane counts them anew at every gradient of the same circuit.
    """
    tracker.update(**counts)
    tracker.record()


def _resources(tape: Any, circuit: Circuit) -> Any:
    operations = tape.operations
    return SpecsResources(
        gate_types=dict(Counter(operator.name for operator in operations)),
        gate_sizes=dict(Counter(len(operator.wires) for operator in operations)),
        measurements=dict(Counter(type(measurement).__name__ for measurement in tape.measurements)),
        num_allocs=len(circuit.wires),
    )
