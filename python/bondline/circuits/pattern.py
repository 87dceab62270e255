"""Circuits of one structure, recognised without walking over their gates once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, compress, count
from operator import attrgetter, is_not
from typing import Any, Final

from bondline.circuits.group import Group
from bondline.circuits.program import Program
from bondline.measurements.observables import Interpretation
from bondline.measurements.simple import simple_key
from bondline.operators import gate_set
from bondline.operators.plain import is_plain

_FEW: Final = 8
"""Operators that are looked at one by one where the others are the very same objects."""

_data_of = attrgetter("data")
_labels_of = attrgetter("wires.labels")
_controls_of = attrgetter("control_wires.labels")
_targets_of = attrgetter("base.wires.labels")

_Wires = tuple[list[Any], list[Any], list[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """A circuit of gates of the table that was lowered, to compare others with.

    Attributes
    ----------
    tape : pennylane.tape.QuantumScript
    kinds : list of type
        Classes of its operators.
    controlled : list of bool
        Which of them are controlled operators of PennyLane.
    wires : tuple of list
        Wires of the operators that are not controlled; controls and targets of those that are.
    starts : list of int
        First parameter of each operator.
    numbered : list of bool
        Which operators have parameters.
    program : Program
    group : Group
    found : Interpretation
    place : int
        Position of the group.
    labels : tuple
        Wires in the order of their indices.
    """

    tape: Any
    kinds: list[type]
    controlled: list[bool]
    wires: _Wires
    starts: list[int]
    numbered: list[bool]
    program: Program
    group: Group
    found: Interpretation
    place: int
    labels: tuple[Any, ...]

    def parameters(self, tape: Any) -> list[Any] | None:
        """Return the parameters of a circuit of the same structure.

        Parameters
        ----------
        tape : pennylane.tape.QuantumScript

        Returns
        -------
        list, or None
            None if the structure is another one, or may be.

        Notes
        -----
        10 ns a gate where the operators are the same objects, as in the circuits of one gradient or
        of one batch, else about 0.4 µs, which is what PennyLane takes to tell their wires.
        """
        operations = tape.operations
        if len(operations) != len(self.kinds) or tape.shots != self.tape.shots:
            return None
        if not self._measures_alike(tape.measurements):
            return None
        changed = list(compress(count(), map(is_not, operations, self.tape.operations)))
        if len(changed) <= _FEW:
            return self._with(operations, changed)
        if list(map(type, operations)) != self.kinds:
            return None
        if _wires(operations, self.controlled) != self.wires:
            return None
        return list(chain.from_iterable(map(_data_of, compress(operations, self.numbered))))

    def _with(self, operations: Sequence[Any], changed: list[int]) -> list[Any] | None:
        found = self.program.parameters.copy()
        for place in changed:
            operator, own = operations[place], self.tape.operations[place]
            if type(operator) is not type(own) or operator.wires != own.wires:
                return None
            found[self.starts[place] : self.starts[place + 1]] = operator.data
        return found

    def _measures_alike(self, measurements: Sequence[Any]) -> bool:
        own = self.tape.measurements
        if len(own) != len(measurements):
            return False
        for measurement, known in zip(measurements, own, strict=True):
            if measurement is not known:
                key = simple_key(measurement)
                if key is None or key != simple_key(known):
                    return False
        return True


def pattern_of(
    tape: Any,
    program: Program,
    group: Group,
    found: Interpretation,
    place: int,
    labels: tuple[Any, ...],
) -> Pattern | None:
    """Keep a circuit that was lowered to compare others with.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript
    program : Program
    group : Group
    found : Interpretation
    place : int
        Position of the group.
    labels : tuple
        Wires in the order of their indices.

    Returns
    -------
    Pattern or None
        None if an operator is no gate of the table, or an observable has a batch.
    """
    operations = tape.operations
    if not is_plain(operations) or found.batch is not None:
        return None
    kinds = list(map(type, operations))
    controlled = list(map(gate_set.CONTROLLED_GATES.__contains__, kinds))
    counts = list(map(len, map(_data_of, operations)))
    starts = [0, *accumulate(counts)]
    wires = _wires(operations, controlled)
    return Pattern(
        tape,
        kinds,
        controlled,
        wires,
        starts,
        list(map(bool, counts)),
        program,
        group,
        found,
        place,
        labels,
    )


def _wires(operations: Sequence[Any], controlled: list[bool]) -> _Wires:
    if not any(controlled):
        return list(map(_labels_of, operations)), [], []
    # PennyLane puts the wires of a controlled operator together anew at every look.
    some = list(compress(operations, controlled))
    others = [operator for operator, taken in zip(operations, controlled, strict=True) if not taken]
    return (
        list(map(_labels_of, others)),
        list(map(_controls_of, some)),
        list(map(_targets_of, some)),
    )
