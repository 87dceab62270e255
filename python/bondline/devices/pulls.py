"""Which outputs of circuits are differentiated, in parts where all at once are too many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from pennylane.exceptions import QuantumFunctionError

from bondline.circuits.group import Group
from bondline.circuits.lowered import Circuit, Lowered
from bondline.errors import ResourceError
from bondline.measurements.readings import Real, has_derivative

Entry: TypeAlias = tuple[int, slice, Real]

_WEIGHTS_SHARE: Final = 4
"""What part of the memory limit goes to the weights and derivatives of one call of the engine."""


@dataclass(frozen=True, slots=True, eq=False)
class Pull:
    """Weighted sums of the values of a circuit as its outputs.

    Attributes
    ----------
    outputs : int
    entries : tuple of (int, slice, ndarray)
        For each measurement: its number, outputs that it is part of, and its weight in them, of
        shape (rows or 1, outputs, ...).
    """

    outputs: int
    entries: tuple[Entry, ...]

    def part(self, first: int, last: int) -> Pull:
        """Return some of the outputs."""
        if first <= 0 and last >= self.outputs:
            return self
        entries = []
        for number, outputs, weights in self.entries:
            start, stop = max(first, outputs.start), min(last, outputs.stop)
            if start < stop:
                own = weights[:, start - outputs.start : stop - outputs.start]
                entries.append((number, slice(start - first, stop - first), own))
        return Pull(max(0, min(last, self.outputs) - first), tuple(entries))


@dataclass(frozen=True, slots=True, eq=False)
class EachValue:
    """Every value of every measurement as an output; weights are made where they are needed.

    Attributes
    ----------
    shapes : sequence of tuple of int
        Of the measurements, without the batch.
    outputs : int

    Examples
    --------
    >>> ((number, outputs, weights),) = EachValue.of([(), (2,)]).part(2, 3).entries
    >>> number, outputs, weights.tolist()
    (1, slice(0, 1, None), [[[0.0, 1.0]]])
    """

    shapes: Sequence[tuple[int, ...]]
    outputs: int

    @classmethod
    def of(cls, shapes: Sequence[tuple[int, ...]]) -> EachValue:
        """Count the values of measurements of some shapes."""
        return cls(shapes, sum(int(np.prod(shape, dtype=int)) for shape in shapes))

    def part(self, first: int, last: int) -> Pull:
        """Return some of the outputs."""
        entries = []
        begin = 0
        for number, shape in enumerate(self.shapes):
            size = int(np.prod(shape, dtype=int))
            start, stop = max(first, begin), min(last, begin + size)
            if start < stop:
                # w[0, k, v] = 1 where the value v is the output k
                weights = np.eye(stop - start, size, k=start - begin)
                entries.append(
                    (
                        number,
                        slice(start - first, stop - first),
                        weights.reshape(1, stop - start, *shape),
                    )
                )
            begin += size
        return Pull(max(0, min(last, self.outputs) - first), tuple(entries))


Asked: TypeAlias = Pull | EachValue

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


def whole_jacobians(lowered: Lowered) -> list[Asked]:
    """Ask for every value of every measurement by itself.

    Parameters
    ----------
    lowered : Lowered

    Returns
    -------
    list of EachValue or Pull
        One per circuit; circuits with the same readings share one.
    """
    known: dict[int, EachValue] = {}
    pulls: list[Asked] = []
    for position, circuit in enumerate(lowered.circuits):
        if not is_trained(circuit):
            pulls.append(NOTHING)
            continue
        pull = known.get(id(circuit.readings))
        if pull is None:
            pull = known[id(circuit.readings)] = EachValue.of(shapes_of(lowered, position))
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


def in_parts(
    lowered: Lowered, pulls: Sequence[Asked], limit: int
) -> Iterator[tuple[int, list[Pull]]]:
    """Divide outputs into parts whose weights and derivatives fit into memory.

    Parameters
    ----------
    lowered : Lowered
    pulls : sequence of EachValue or Pull
        One per circuit.
    limit : int
        Bytes that the engine may take.

    Yields
    ------
    first : int
        The first output of the part.
    pulls : list of Pull
        One per circuit; shared where the circuits share theirs. Never less than one output.

    Notes
    -----
    Each part is a run of its own: the fewer the better.
    """
    most = max((pull.outputs for pull in pulls), default=0)
    each = sum(
        _bytes_of_an_output(circuit, lowered.groups[circuit.group])
        for circuit, pull in zip(lowered.circuits, pulls, strict=True)
        if pull.outputs > 0
    )
    at_once = max(1, limit // _WEIGHTS_SHARE // max(1, each))
    for first in range(0, most, at_once):
        known: dict[int, Pull] = {}
        for pull in pulls:
            if id(pull) not in known:
                known[id(pull)] = pull.part(first, first + at_once)
        yield first, [known[id(pull)] for pull in pulls]


def require_room(lowered: Lowered, pulls: Sequence[Asked], limit: int) -> None:
    """Raise if derivatives do not fit into memory, whatever is computed at once.

    Parameters
    ----------
    lowered : Lowered
    pulls : sequence of EachValue or Pull
        One per circuit.
    limit : int
        Bytes that the engine may take.

    Raises
    ------
    ResourceError
    """
    total = 0
    for position, (circuit, pull) in enumerate(zip(lowered.circuits, pulls, strict=True)):
        parameters = 0 if circuit.trained is None else circuit.trained.count
        rows = circuit.rows.stop - circuit.rows.start
        needed = 8 * rows * pull.outputs * parameters
        total += needed
        if total > limit:
            sizes = f"{pull.outputs} values by {parameters} parameters"
            batch = "" if circuit.batch is None else f" for each of {rows} rows"
            others = "" if needed == total else f", {_mebibytes(total)} with those before it"
            raise ResourceError(
                f"The Jacobian of circuit {position}, of {sizes}{batch}, takes "
                f"{_mebibytes(needed)}{others}, more than memory_limit ({_mebibytes(limit)}). Give "
                "the QNode device_vjp=True, which differentiates a weighted sum of the values, "
                "measure less, or raise memory_limit."
            )


def _bytes_of_an_output(circuit: Circuit, group: Group) -> int:
    """Bound what one more output of a circuit takes while it is differentiated."""
    requests = group.requests
    parameters = int(group.parameters.shape[1])
    values = (
        len(requests.word_counts)
        + len(requests.variance_counts)
        + sum(2 ** len(wires) for wires in requests.probabilities)
        + sum(2 * 4 ** len(wires) for wires in requests.densities)
    )
    terms = int(requests.variance_counts.sum())
    # Weights are made here, stacked and handed over; derivatives are collected and handed back.
    each: int = 8 * 3 * (values + parameters + terms)
    rows: int = circuit.rows.stop - circuit.rows.start
    return each * rows


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.3g} MiB"
