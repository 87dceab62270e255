"""Rows of data → states: recorded once where the map allows it, else row by row."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from bondline.circuits.group import Group
from bondline.circuits.lowered import Circuit
from bondline.compiling.arguments import UnknownArgument, arguments_of, joined, plain
from bondline.compiling.capture import Captured, NotCaptured, capture
from bondline.compiling.compiled import STRUCTURES
from bondline.errors import InputError, LowFidelityError, LowFidelityWarning
from bondline.kernels.feature_map import FeatureMap
from bondline.kernels.fingerprint import Fingerprint, digest, settings_of
from bondline.kernels.report import EncodingReport
from bondline.kernels.states import EncodedStates, encode
from bondline.measurements.results import State
from bondline.reports.account import Account
from bondline.reports.verdict import find_losses, message
from bondline.reports.warnings_once import GivenOnce, user_stacklevel

_BLOCK_NUMBERS: Final = 2**22
"""Numbers of a formula that are computed at once: 32 MiB."""
_BLOCK_ROWS: Final = 512
_TAPES: Final = 128
"""Circuits of PennyLane that are held at once."""
_AGREEMENT: Final = 1e-9
_PROBES: Final = 4

Rows = NDArray[np.float64]
Block = tuple[Group, NDArray[np.intp]]


@dataclass(slots=True, eq=False)
class Encoder:
    """Turns rows into circuits of few structures, and these into states.

    Attributes
    ----------
    map : FeatureMap
    """

    map: FeatureMap
    _known: dict[Any, Captured | str] = field(default_factory=dict)
    _given: GivenOnce = field(default_factory=GivenOnce)

    def blocks(
        self, rows: Rows, params: Sequence[Any]
    ) -> tuple[Iterator[Block], str | None, Fingerprint]:
        """Return groups with the rows they hold, why they were not recorded, and a fingerprint."""
        params = tuple(map(plain, params))
        chosen = sorted({0, len(rows) // 2, len(rows) - 1})
        own = [self.map.lowered(rows[place : place + 1], params).groups[0] for place in chosen]
        captured = self._captured(rows[0], params)
        if isinstance(captured, Captured):
            if self._agrees(captured, rows[chosen], params, own):
                mark = self._fingerprint(_formula_digest(captured), rows.shape[1], params)
                return self._recorded(captured, rows, params), None, mark
            captured = "its circuit differs from the recorded one"
        again = [self.map.lowered(rows[place : place + 1], params).groups[0] for place in chosen]
        if not all(map(_alike, own, again)):
            raise InputError(
                "The feature map makes another circuit of the same row at every call. A kernel "
                "needs a map that depends on its row alone: take the random numbers out of it."
            )
        mark = self._fingerprint(self._probed(rows.shape[1], params), rows.shape[1], params)
        return self._row_by_row(rows, params), captured, mark

    def states(
        self, rows: Rows, params: Sequence[Any]
    ) -> tuple[EncodedStates, EncodingReport, Fingerprint]:
        """Return the states of rows, in their order."""
        blocks, reason, mark = self.blocks(rows, params)
        found, places, accounts, structures = [], [], [], set()
        config = self.map.device.config
        settings = config.engine_settings()
        worst: tuple[float, str] | None = None
        for group, own in blocks:
            states, result = encode(group, settings)
            account = Account.of(result)
            worst = _worse(worst, self._loss(account, own))
            found.append(states)
            places.append(own)
            structures.add(digest(repr(group.structure())))
            accounts.append(
                (
                    account.fidelity(),
                    account.discarded.sum(axis=1),
                    account.largest_bond.max(),
                    account.saturated.any(axis=0),
                )
            )
        self._judge(worst, mark)
        order = np.argsort(np.concatenate(places), kind="stable")
        together = EncodedStates.concatenate(found)
        if not np.array_equal(order, np.arange(len(order))):
            together = together.taken(order)
        report = EncodingReport(
            "recorded once" if reason is None else "row by row",
            reason,
            len(structures),
            np.concatenate([part[0] for part in accounts])[order],
            np.concatenate([part[1] for part in accounts])[order],
            int(max(part[2] for part in accounts)),
            int(np.logical_or.reduce([part[3] for part in accounts]).sum()),
        )
        return together, report, mark

    # What is recorded

    def _captured(self, row: Rows, params: Sequence[Any]) -> Captured | str:
        found: Captured | str = ""
        for integers in (True, False):
            try:
                arguments = arguments_of((row, *params), {}, integers=integers)
            except UnknownArgument as error:
                return str(error)
            key = (integers, arguments.key)
            if key not in self._known:
                qnode = qml.QNode(self.map.circuit, self.map.device, diff_method=None)
                try:
                    self._known[key] = capture(qnode, self.map.device, arguments)
                except NotCaptured as error:
                    self._known[key] = str(error)
            found = self._known[key]
            if len(self._known) > STRUCTURES:
                del self._known[next(iter(self._known))]
            if isinstance(found, Captured):
                break
        return found

    def _recorded(self, captured: Captured, rows: Rows, params: Sequence[Any]) -> Iterator[Block]:
        size = max(1, min(_BLOCK_ROWS, _BLOCK_NUMBERS // max(1, len(captured.formula.constants))))
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            yield self._group(captured, part, params), np.arange(start, start + len(part))

    def _group(self, captured: Captured, rows: Rows, params: Sequence[Any]) -> Group:
        rest = joined(_numbers(captured, params))
        inputs = np.concatenate([rows, np.broadcast_to(rest, (len(rows), len(rest)))], axis=1)
        parameters = captured.formula.of_rows(inputs)[:, 0]
        if not np.isfinite(parameters).all():
            row = int(np.argwhere(~np.isfinite(parameters))[0][0])
            raise InputError(f"The feature map makes an angle of row {row} that is not finite.")
        return replace(captured.lowered.groups[0], parameters=np.ascontiguousarray(parameters))

    def _agrees(
        self, captured: Captured, rows: Rows, params: Sequence[Any], own: Sequence[Group]
    ) -> bool:
        found = self._group(captured, rows, params)
        return all(
            _alike(replace(found, parameters=found.parameters[place : place + 1]), expected)
            for place, expected in enumerate(own)
        )

    # Row by row

    def _row_by_row(self, rows: Rows, params: Sequence[Any]) -> Iterator[Block]:
        for start in range(0, len(rows), _TAPES):
            lowered = self.map.lowered(rows[start : start + _TAPES], params)
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

    # What was lost

    def _loss(self, account: Account, own: NDArray[np.intp]) -> tuple[float, str] | None:
        device = self.map.device
        rows = len(account.norm)
        circuit = Circuit(0, slice(0, rows), rows, (State(),), tuple(device.wires))
        finding = find_losses([circuit], [account], device.config)
        if finding is None:
            return None
        text = message(finding, [circuit], [account], device.config).partition(": ")[2]
        return finding.fidelity, f"The state of row {own[finding.row]}: {text}"

    def _judge(self, worst: tuple[float, str] | None, mark: Fingerprint) -> None:
        config = self.map.device.config
        if worst is None or config.on_low_fidelity == "ignore":
            return
        if config.on_low_fidelity == "raise":
            raise LowFidelityError(worst[1])
        if self._given.first(mark.digest()):
            warnings.warn(worst[1], LowFidelityWarning, stacklevel=user_stacklevel())


def _worse(
    one: tuple[float, str] | None, other: tuple[float, str] | None
) -> tuple[float, str] | None:
    if one is None or other is None:
        return one or other
    return min(one, other)


def _numbers(captured: Captured, params: Sequence[Any]) -> list[Any]:
    """Return the parameters that were recorded as numbers: integers may be structure."""
    for integers in (True, False):
        found = arguments_of(params, {}, integers=integers).numbers()
        if tuple(map(np.shape, found)) == captured.shapes[1:]:
            return found
    return []


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
