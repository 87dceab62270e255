"""Rows of data → circuits: recorded once where the map allows it, else row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bondline.circuits.group import Group
from bondline.circuits.lowered import Lowered
from bondline.compiling.arguments import UnknownArgument, arguments_of, joined, plain
from bondline.compiling.capture import Captured, NotCaptured, OtherCircuit, capture_like
from bondline.compiling.compiled import STRUCTURES
from bondline.errors import InputError
from bondline.kernels.feature_map import FeatureMap
from bondline.kernels.fingerprint import Fingerprint, digest, settings_of

_BLOCK_NUMBERS: Final = 2**22
"""Numbers of a formula that are computed at once: 32 MiB."""
_BLOCK_ROWS: Final = 512
_TAPES: Final = 128
"""Circuits of PennyLane that are held at once."""
_AGREEMENT: Final = 1e-9
_PROBES: Final = 4

Rows = NDArray[np.float64]
Block = tuple[Group, NDArray[np.intp]]


@dataclass(frozen=True, slots=True, eq=False)
class RowCircuits:
    """The circuits of the rows of one data set.

    Attributes
    ----------
    rows : int
    reason : str or None
        Why they were not recorded once; None if they were, and all have one structure.
    mark : Fingerprint
    groups : callable
        ``groups(start, stop)`` yields groups of these rows, and which rows each holds.
    captured : Captured or None
        How the angles follow from features and parameters, if that was recorded.
    """

    rows: int
    reason: str | None
    mark: Fingerprint
    groups: Callable[[int, int], Iterator[Block]]
    captured: Captured | None = None


@dataclass(slots=True, eq=False)
class CircuitMaker:
    """Turns rows into circuits of few structures.

    Attributes
    ----------
    map : FeatureMap
    """

    map: FeatureMap
    _known: dict[Any, Captured | str] = field(default_factory=dict)

    def circuits(self, rows: Rows, params: Sequence[Any]) -> RowCircuits:
        """Return the circuits of rows, recorded if a few of them agree with PennyLane's own."""
        params = tuple(map(plain, params))
        chosen = sorted({0, len(rows) // 2, len(rows) - 1})
        own = self.map.lowered(rows[chosen], params)
        captured = self._captured(rows[0], params, own)
        if isinstance(captured, Captured):
            if self._agrees(captured, rows[chosen], params, own):
                mark = self._fingerprint(_formula_digest(captured), rows.shape[1], params)
                recorded = partial(self._recorded, captured, rows, params)
                return RowCircuits(len(rows), None, mark, recorded, captured)
            captured = "its circuit differs from the recorded one"
        if not _same(own, self.map.lowered(rows[chosen], params)):
            raise InputError(
                "The feature map makes another circuit of the same row at every call. A kernel "
                "needs a map that depends on its row alone: take the random numbers out of it."
            )
        mark = self._fingerprint(self._probed(rows.shape[1], params), rows.shape[1], params)
        return RowCircuits(len(rows), captured, mark, partial(self._row_by_row, rows, params))

    # What is recorded

    def _captured(self, row: Rows, params: Sequence[Any], own: Lowered) -> Captured | str:
        found: Captured | str = ""
        for integers in (True, False):
            try:
                arguments = arguments_of((row, *params), {}, integers=integers)
            except UnknownArgument as error:
                return str(error)
            key = (integers, arguments.key)
            if key not in self._known:
                # Of the row alone: its circuit was made with those of others.
                known = self.map.device.lowered(own.tapes[:1], None)
                try:
                    self._known[key] = capture_like(
                        self.map.circuit, arguments, known, self.map.device
                    )
                except OtherCircuit as error:
                    return str(error)
                except NotCaptured as error:
                    self._known[key] = str(error)
            found = self._known[key]
            if len(self._known) > STRUCTURES:
                del self._known[next(iter(self._known))]
            if isinstance(found, Captured):
                break
        return found

    def _recorded(
        self, captured: Captured, rows: Rows, params: Sequence[Any], first: int, last: int
    ) -> Iterator[Block]:
        size = max(1, min(_BLOCK_ROWS, _BLOCK_NUMBERS // max(1, len(captured.formula.constants))))
        for start in range(first, last, size):
            stop = min(last, start + size)
            yield self._group(captured, rows[start:stop], params), np.arange(start, stop)

    def _group(self, captured: Captured, rows: Rows, params: Sequence[Any]) -> Group:
        parameters = captured.formula.of_rows(inputs_of(captured, rows, params))[:, 0]
        if not np.isfinite(parameters).all():
            row = int(np.argwhere(~np.isfinite(parameters))[0][0])
            raise InputError(f"The feature map makes an angle of row {row} that is not finite.")
        return replace(captured.lowered.groups[0], parameters=np.ascontiguousarray(parameters))

    def _agrees(self, captured: Captured, rows: Rows, params: Sequence[Any], own: Lowered) -> bool:
        """Whether these rows have the circuits, all of one structure, that PennyLane made."""
        if len(own.groups) > 1:
            return False
        return _alike(self._group(captured, rows, params), own.groups[0])

    # Row by row

    def _row_by_row(
        self, rows: Rows, params: Sequence[Any], first: int, last: int
    ) -> Iterator[Block]:
        for start in range(first, last, _TAPES):
            lowered = self.map.lowered(rows[start : min(last, start + _TAPES)], params)
            for place, group in enumerate(lowered.groups):
                own = [at for at, found in enumerate(lowered.circuits) if found.group == place]
                yield group, start + np.array(own, dtype=np.intp)

    def _probed(self, features: int, params: Sequence[Any]) -> str:
        """Digest the circuits of a few rows that are always the same."""
        parts: list[Any] = []
        for row in np.random.default_rng(0).uniform(-1.0, 1.0, (_PROBES, features)):
            try:
                (group,) = self.map.lowered(row[None], params).groups
            except Exception as error:  # a map may refuse such rows
                parts.append(type(error).__name__)
                continue
            numbers = [f"{number:.9e}" for number in group.parameters.ravel()]
            parts += [repr(group.structure()), " ".join(numbers)]
        return digest(*parts)

    def _fingerprint(self, circuit: str, features: int, params: Sequence[Any]) -> Fingerprint:
        device = self.map.device
        own = [np.asarray(leaf) for leaf in arguments_of(params, {}, integers=True).leaves]
        values = [repr(part.tolist()) if part.dtype == object else part for part in own]
        return Fingerprint(
            circuit,
            digest(*values),
            digest(repr(device.wires.tolist())) + f" ({len(device.wires)})",
            features,
            settings_of(device.config),
        )


def inputs_of(captured: Captured, rows: Rows, params: Sequence[Any]) -> Rows:
    """Return what the angles of some rows follow from: features, and the parameters behind them."""
    rest = joined(_numbers(captured, params))
    return np.concatenate([rows, np.broadcast_to(rest, (len(rows), len(rest)))], axis=1)


def _numbers(captured: Captured, params: Sequence[Any]) -> list[Any]:
    """Return the parameters that were recorded as numbers: integers may be structure."""
    for integers in (True, False):
        found = arguments_of(params, {}, integers=integers).numbers()
        if tuple(map(np.shape, found)) == captured.shapes[1:]:
            return found
    return []


def _same(one: Lowered, other: Lowered) -> bool:
    places = [[circuit.group for circuit in lowered.circuits] for lowered in (one, other)]
    return places[0] == places[1] and all(map(_alike, one.groups, other.groups))


def _alike(one: Group, other: Group) -> bool:
    return (
        one.structure() == other.structure()
        and one.parameters.shape == other.parameters.shape
        and np.allclose(one.parameters, other.parameters, rtol=_AGREEMENT, atol=_AGREEMENT)
        and np.array_equal(one.matrices, other.matrices)
    )


def _formula_digest(captured: Captured) -> str:
    formula = captured.formula
    group = captured.lowered.groups[0]
    parts: list[Any] = [repr(group.structure()), group.matrices, formula.constants]
    for step in formula.steps:
        parts += [step.function, step.results, *step.operands]
    return digest(*parts, formula.results)
