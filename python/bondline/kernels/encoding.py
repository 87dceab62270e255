"""Rows of data → states, a block at a time: all of them, or some when they are needed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bondline import _core
from bondline.circuits.group import Group
from bondline.circuits.lowered import Circuit
from bondline.config import EngineSettings, MpsConfig
from bondline.errors import InternalError, LowFidelityError, LowFidelityWarning
from bondline.kernels.feature_map import FeatureMap
from bondline.kernels.fingerprint import digest
from bondline.kernels.report import EncodingReport
from bondline.kernels.row_circuits import CircuitMaker, RowCircuits, Rows
from bondline.measurements.results import State
from bondline.reports.account import Account
from bondline.reports.verdict import find_losses, message
from bondline.reports.warnings_once import GivenOnce, user_stacklevel
from bondline.states.engine import TENSORS, Tensors


@dataclass(slots=True, eq=False)
class Encoder:
    """Turns rows into states.

    Attributes
    ----------
    map : FeatureMap
    maker : CircuitMaker
    """

    map: FeatureMap
    maker: CircuitMaker = field(init=False)
    _given: GivenOnce = field(default_factory=GivenOnce)

    def __post_init__(self) -> None:
        self.maker = CircuitMaker(self.map)

    def encoding(
        self, rows: Rows, params: Sequence[Any], *, differentiable: bool = False
    ) -> Encoding:
        """Return the encoding of a data set, nothing of which is evolved yet."""
        circuits = self.maker.circuits(rows, params)
        device = self.map.device
        return Encoding(
            circuits, device.config, tuple(device.wires), self._given, differentiable=differentiable
        )


@dataclass(frozen=True, slots=True)
class _Figures:
    """What a report keeps of a block."""

    rows: NDArray[np.intp]
    fidelity: NDArray[np.float64]
    discarded: NDArray[np.float64]
    largest_bond: int
    saturated: NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class Encoding:
    """The states of one data set, while they are made.

    Attributes
    ----------
    circuits : RowCircuits
    config : MpsConfig
    wires : tuple of hashable
    wire_of_site : tuple of int or None
        Order of the sites, the same in all states; None before the first.
    differentiable : bool
        Whether the states are those that derivatives are taken of: see :meth:`settings`.
    """

    circuits: RowCircuits
    config: MpsConfig
    wires: tuple[Any, ...]
    _given: GivenOnce
    wire_of_site: tuple[int, ...] | None = None
    differentiable: bool = False
    _figures: list[_Figures] = field(default_factory=list)
    _structures: set[str] = field(default_factory=set)

    def settings(self) -> EngineSettings:
        """Return what the engine is told; derivatives are of another program than values alone."""
        if not self.differentiable:
            return self.config.engine_settings()
        found = self.config.engine_settings(differentiable=True, derivatives=True)
        return replace(found, single_precision=False)

    def states(self, start: int, stop: int, budget: int | None = None) -> Any:
        """Return the states of some rows.

        Parameters
        ----------
        start, stop : int
        budget : int, optional
            Bytes that they may take.

        Returns
        -------
        EncodedStates or None
            None as soon as they are seen to take more.
        """
        found, places, worst, done, held = [], [], None, 0, 0
        size = stop - start
        if budget is not None and self._largest() * size > budget:
            size = 1  # one row tells how many to evolve at once
        while done < stop - start:
            first = start + done
            for group, own in self.circuits.groups(first, min(stop, first + size)):
                states, result = self._encoded(group)
                account = Account.of(result)
                worst = _worse(worst, self._loss(account, own))
                self._note(group, account, own)
                found.append(states)
                places.append(own)
                done, held = done + len(own), held + states.nbytes
                if budget is not None and held * (stop - start) > budget * done:
                    return None
            size = max(1, (budget or 0) * done // (4 * held))
        self._judge(worst)
        order = np.argsort(np.concatenate(places), kind="stable")
        together = _core.EncodedStates.concatenate(found)
        if np.array_equal(order, np.arange(len(order))):
            return together
        return _core.EncodedStates.concatenate([together.rows(row, row + 1) for row in order])

    def report(self) -> EncodingReport:
        """Return what the rows encoded so far lost."""
        order = np.argsort(np.concatenate([part.rows for part in self._figures]), kind="stable")
        return EncodingReport(
            "recorded once" if self.circuits.reason is None else "row by row",
            self.circuits.reason,
            len(self._structures),
            np.concatenate([part.fidelity for part in self._figures])[order],
            np.concatenate([part.discarded for part in self._figures])[order],
            max(part.largest_bond for part in self._figures),
            int(np.logical_or.reduce([part.saturated for part in self._figures]).sum()),
        )

    def _largest(self) -> float:
        """Bytes of the largest state that the settings allow."""
        bond = self.settings().max_bond_dim
        return math.inf if bond is None else 32.0 * len(self.wires) * bond**2

    def _encoded(self, group: Group) -> tuple[_core.EncodedStates, _core.GroupResult]:
        settings = self.settings()
        states, result = _core.encode(group, settings)
        order = tuple(result.wire_of_site.tolist())
        if self.circuits.reason is not None and order != tuple(range(len(order))):
            # Other structures may end in other orders; tensors that are read are in that of wires.
            (result,) = _core.run([replace(group, requests=TENSORS)], settings)
            assert result.tensors is not None  # asked for
            states = _packed(result.tensors, np.dtype(self.config.c_dtype))
            order = tuple(range(len(order)))
        if self.wire_of_site not in (None, order):
            raise InternalError("Two circuits of one structure have their sites in two orders.")
        self.wire_of_site = order
        return states, result

    def _note(self, group: Group, account: Account, own: NDArray[np.intp]) -> None:
        self._structures.add(digest(repr(group.structure())))
        self._figures.append(
            _Figures(
                own,
                account.fidelity(),
                account.discarded.sum(axis=1),
                int(account.largest_bond.max()),
                np.atleast_1d(account.saturated.any(axis=0)),
            )
        )

    def _loss(self, account: Account, own: NDArray[np.intp]) -> tuple[float, str] | None:
        rows = len(account.norm)
        circuit = Circuit(0, slice(0, rows), rows, (State(),), self.wires)
        finding = find_losses([circuit], [account], self.config)
        if finding is None:
            return None
        text = message(finding, [circuit], [account], self.config).partition(": ")[2]
        return finding.fidelity, f"The state of row {own[finding.row]}: {text}"

    def judge_derivatives(self, rows: NDArray[np.intp], max_bond_dim: int | None) -> None:
        """Warn, once for each structure, of rows whose derivatives tell nothing.

        Parameters
        ----------
        rows : ndarray of int
            Those that the engine calls unsettled.
        max_bond_dim : int, optional
            Of the simulation.

        Raises
        ------
        LowFidelityError
            Instead, with ``on_low_fidelity="raise"``.
        """
        if not len(rows):
            return
        text = (
            f"The derivatives of {len(rows)} rows, row {rows[0]} among them, are not to be "
            "trusted: their states are truncated between equal weights or at a corner "
            f"(max_bond_dim={max_bond_dim}), where a kernel has no derivative. Raise max_bond_dim, "
            "or start from parameters and features that are not exactly 0 or multiples of pi/2."
        )
        self._tell(text, "derivatives" + self.circuits.mark.digest())

    def _judge(self, worst: tuple[float, str] | None) -> None:
        if worst is not None:
            self._tell(worst[1], self.circuits.mark.digest())

    def _tell(self, text: str, mark: str) -> None:
        if self.config.on_low_fidelity == "ignore":
            return
        if self.config.on_low_fidelity == "raise":
            raise LowFidelityError(text)
        if self._given.first(mark):
            warnings.warn(text, LowFidelityWarning, stacklevel=user_stacklevel())


def _packed(tensors: Sequence[Tensors], dtype: np.dtype[Any]) -> _core.EncodedStates:
    bonds = np.array([[site.shape[2] for site in row[:-1]] for row in tensors], dtype=np.uint32)
    entries = np.concatenate([site.ravel() for row in tensors for site in row])
    return _core.EncodedStates.from_parts(
        bonds.reshape(len(tensors), -1), entries.astype(dtype, copy=False)
    )


def _worse(
    one: tuple[float, str] | None, other: tuple[float, str] | None
) -> tuple[float, str] | None:
    if one is None or other is None:
        return one or other
    return min(one, other)
