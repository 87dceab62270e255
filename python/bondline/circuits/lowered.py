"""Circuits that are ready for the engine, and which of them an error is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bondline.circuits.group import Group
from bondline.circuits.program import Register, place_of
from bondline.errors import InputError, NumericalError
from bondline.measurements.results import State

if TYPE_CHECKING:
    from bondline.circuits.numbering import Trained
    from bondline.measurements.coefficients import CoefficientDerivatives
    from bondline.measurements.requests import Requests


@dataclass(frozen=True, slots=True, eq=False)
class Circuit:
    """Where a circuit went and how its values are read.

    Attributes
    ----------
    group : int
        Position of its group.
    rows : slice
        Its rows in the group: as many as its batch has, else one.
    batch : int or None
    readings : tuple of results.Reading, or of shots.ShotReading if there are shots
    wires : tuple
        Labels in the order of their indices.
    bins : tuple of slice
        The shots of each entry of the shot vector; empty without shots.
    partitioned : bool
        Whether values come as a tuple over the entries of the shot vector.
    seeds : ndarray of uint64, shape (rows, 2), or None
    trained : Trained or None
        Its trainable parameters, where it was lowered to be differentiated.
    derivatives : dict from int to CoefficientDerivatives
        By the trainable numbers of its observables, for each measurement that has any.
    initial_fidelity, initial_log_norm : float
        What the state that it starts from had lost already; 1 and 0 for |0…0>, for a preparation
        in the circuit and for a state that does not say.
    """

    group: int
    rows: slice
    batch: int | None
    readings: tuple[Any, ...]
    wires: tuple[Any, ...]
    bins: tuple[slice, ...] = ()
    partitioned: bool = False
    seeds: NDArray[np.uint64] | None = None
    initial_fidelity: float = 1.0
    initial_log_norm: float = 0.0
    trained: Trained | None = None
    derivatives: Mapping[int, CoefficientDerivatives] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A batch of circuits, ready for the engine."""

    tapes: Sequence[Any]
    circuits: tuple[Circuit, ...]
    groups: tuple[Group, ...]

    def asking(self, ask: Callable[[tuple[Any, ...]], Requests]) -> Lowered:
        """Ask for something else than the circuits measure: a value of the whole state.

        Parameters
        ----------
        ask : callable
            From the labels of the wires, in the order of their indices, to the request.

        Returns
        -------
        Lowered
        """
        groups = list(self.groups)
        circuits = []
        for circuit in self.circuits:
            groups[circuit.group] = replace(groups[circuit.group], requests=ask(circuit.wires))
            circuits.append(replace(circuit, readings=(State(),)))
        return Lowered(self.tapes, tuple(circuits), tuple(groups))

    def locate(self, error: InputError) -> InputError:
        """Name the operator that an error of the engine is about, where the engine says which.

        Parameters
        ----------
        error : InputError
            With the attributes ``group``, ``row`` and ``gate``.

        Returns
        -------
        InputError
            The same error if it names no gate.
        """
        if error.group is None or error.gate is None:
            return error
        position = self._position(error)
        if position is None:
            return error
        register = Register(self.circuits[position].wires)
        place = place_of(self.tapes[position], register, gate=error.gate)
        found = InputError(f"{place} of circuit {position}: {error}")
        found.group, found.row, found.gate = error.group, error.row, error.gate
        return found

    def locate_row(self, error: NumericalError) -> NumericalError:
        """Name the circuit that an error of the engine is about, and its row where it has several.

        Parameters
        ----------
        error : NumericalError
            With the attributes ``group`` and ``row``.

        Returns
        -------
        NumericalError
            The same error if it is about no circuit or there is only one.
        """
        position = self._position(error)
        if position is None:
            return error
        places = [f"circuit {position}"] if len(self.circuits) > 1 else []
        circuit = self.circuits[position]
        if circuit.batch is not None:
            places.append(f"row {(error.row or 0) - circuit.rows.start} of the batch")
        if not places:
            return error
        found = NumericalError(f"{', '.join(places)}: {error}")
        found.group, found.row = error.group, error.row
        return found

    def _position(self, error: InputError | NumericalError) -> int | None:
        row = error.row or 0
        for position, circuit in enumerate(self.circuits):
            if circuit.group == error.group and circuit.rows.start <= row < circuit.rows.stop:
                return position
        return None
