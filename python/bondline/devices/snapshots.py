"""Snapshots inside a circuit, as the circuits that end there."""

from typing import Any

from pennylane.measurements import SampleMeasurement, StateMeasurement
from pennylane.ops import Snapshot

from bondline.measurements.observables import require_offered
from bondline.measurements.sampling import require_sampled


def snapshot_circuits(tape: Any) -> list[tuple[Any, Any]]:
    """Return the circuit up to each snapshot, with the measurement of the snapshot.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript

    Returns
    -------
    list of (tag, pennylane.tape.QuantumScript)
        The tag is None where the user gave none.

    Raises
    ------
    pennylane.exceptions.DeviceError
        If a snapshot holds a measurement that is not offered.

    Notes
    -----
    Every snapshot runs its circuit again from the beginning.
    """
    found = []
    for position, operator in enumerate(tape.operations):
        if isinstance(operator, Snapshot):
            measurement = operator.hyperparameters["measurement"]
            shots = operator.hyperparameters["shots"]
            if shots == "workflow":
                # A value of the state has no shots; the others take those of the circuit.
                exact = isinstance(measurement, StateMeasurement)
                sampled = isinstance(measurement, SampleMeasurement)
                shots = None if exact and not sampled else tape.shots
            circuit = tape.copy(
                operations=tape.operations[:position], measurements=[measurement], shots=shots
            )
            (require_sampled if circuit.shots else require_offered)(measurement)
            found.append((operator.tag, circuit))
    return found


def store_snapshot(snapshots: dict[Any, Any], tag: Any, value: Any) -> None:
    """Store a snapshot under its tag; a tag used again collects a list.

    Parameters
    ----------
    snapshots : dict
        Of PennyLane's debugger; changed in place.
    tag : str, int or None
    value : object

    Examples
    --------
    >>> found = {}
    >>> for value in (1.0, 2.0):
    ...     store_snapshot(found, "a", value)
    >>> found
    {'a': [1.0, 2.0]}
    """
    key = len(snapshots) if tag is None else tag
    if key not in snapshots:
        snapshots[key] = value
    elif isinstance(snapshots[key], list):
        snapshots[key].append(value)
    else:
        snapshots[key] = [snapshots[key], value]
