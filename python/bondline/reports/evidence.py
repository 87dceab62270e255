"""The engine's account of a call: reports of it, and the judgement of its values."""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bondline.config import MpsConfig
from bondline.errors import LowFidelityError, LowFidelityWarning
from bondline.reports.account import Account, GradientAccount
from bondline.reports.report import Report
from bondline.reports.steep_gradients import find_steep, steep_message
from bondline.reports.verdict import find_losses, message, structure_key
from bondline.reports.warnings_once import GivenOnce, user_stacklevel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bondline.circuits.group import Group
    from bondline.circuits.lowered import Circuit

REPORT_LIMIT: Final = 1024
"""Most reports that a device keeps: those of the last rows of its last call."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The engine's account of a call; reports are made from it when somebody looks."""

    circuits: Sequence[Circuit]
    accounts: Sequence[Account]
    config: MpsConfig
    gradient_method: object
    gradients: Sequence[GradientAccount | None] = ()

    def reports(self) -> deque[Report]:
        """Return a report for each row of each circuit, the last ``REPORT_LIMIT`` of them.

        Returns
        -------
        deque of Report
        """
        rows = [
            (circuit, row)
            for circuit in self.circuits
            for row in range(circuit.rows.start, circuit.rows.stop)
        ]
        return deque(
            (self.report(circuit, row) for circuit, row in rows[-REPORT_LIMIT:]), REPORT_LIMIT
        )

    def report(self, circuit: Circuit, row: int) -> Report:
        """Return the report of one row.

        Parameters
        ----------
        circuit : Circuit
        row : int
            In the group of the circuit.

        Returns
        -------
        Report
        """
        account = self.accounts[circuit.group]
        rows = slice(row, row + 1)
        cones = [reading.cone(account, rows) for reading in circuit.readings]
        local = self.config.readout == "local"
        judged = [
            circuit.initial_fidelity * account.fidelity(rows, cone if local else None)
            for cone in cones
        ]
        coherence = float(account.coherence[row])
        discarded = account.discarded[row]
        gradient = self.gradients[circuit.group] if self.gradients else None
        return Report(
            norm=float(account.norm[row]),
            log_norm=float(account.log_norm[row]),
            coherence=coherence,
            fidelity_estimate=circuit.initial_fidelity * float(account.fidelity(rows)[0]),
            initial_fidelity=circuit.initial_fidelity,
            fidelity_method="norm" if math.isnan(coherence) else "coherence-corrected",
            light_cone=tuple(None if cone is None else float(cone[0]) for cone in cones),
            value_fidelities=tuple(float(found[0]) for found in judged),
            discarded=discarded,
            bonds=account.bonds[row],
            largest_bond=int(account.largest_bond[row]),
            saturated=account.saturated[row],
            methods=dict(account.methods),
            sweeps=int(account.sweeps[row]),
            branches=int(account.branches[row]),
            dropped_branches=float(account.dropped_branches[row]),
            peak_bytes=int(account.peak_bytes[row]),
            seconds=float(account.seconds[row]),
            steps=account.n_steps,
            steps_left_out=account.n_steps_left_out,
            wires=tuple(circuit.wires[wire] for wire in account.wire_of_site),
            seed=_seed(circuit, row),
            max_bond_dim=self.config.max_bond_dim,
            readout=self.config.readout,
            gradient_method=_method_name(self.gradient_method),
            gradient_error=None if gradient is None else math.sqrt(discarded.sum()),
            smallest_gap=float(account.smallest_gap[row]),
            shifted_cuts=int(account.shifted_cuts[row]),
            gradient_guarded=gradient is not None and bool(gradient.guarded[row]),
            gradient_checkpoints=0 if gradient is None else int(gradient.checkpoints[row]),
        )

    def judge(self, groups: Sequence[Group], given: GivenOnce) -> None:
        """Warn, raise or do nothing, as ``on_low_fidelity`` says, if too much was discarded.

        Parameters
        ----------
        groups : sequence of Group
            As the engine ran them.
        given : GivenOnce
            The warnings that the device has given: one for circuits of one structure under the
            same settings, which is once per QNode.

        Raises
        ------
        LowFidelityError
            If the setting is "raise"; at every call.
        """
        if self.config.on_low_fidelity == "ignore":
            return
        finding = find_losses(self.circuits, self.accounts, self.config)
        if finding is None:
            return
        text = message(finding, self.circuits, self.accounts, self.config)
        self._react(text, groups[self.circuits[finding.circuit].group], given)

    def judge_gradients(
        self,
        groups: Sequence[Group],
        excess: Sequence[NDArray[np.float64] | None],
        given: GivenOnce,
    ) -> None:
        """Warn, raise or do nothing, as ``on_low_fidelity`` says, if derivatives are far too large.

        Parameters
        ----------
        groups : sequence of Group
            As the engine ran them.
        excess : sequence of (ndarray of float64, shape (rows,)) or None
            For each group the largest derivative, in units of what one of the exact values can be.
        given : GivenOnce
            The warnings that the device has given; this one comes beside that of the values.

        Raises
        ------
        LowFidelityError
            If the setting is "raise"; at every call.
        """
        if self.config.on_low_fidelity == "ignore":
            return
        finding = find_steep(self.circuits, excess)
        if finding is None:
            return
        text = steep_message(finding, self.circuits, self.accounts, self.config)
        self._react(text, groups[self.circuits[finding.circuit].group], given, "derivatives")

    def _react(self, text: str, group: Group, given: GivenOnce, about: str = "values") -> None:
        config = self.config
        if config.on_low_fidelity == "raise":
            raise LowFidelityError(text)
        settings = (config.max_bond_dim, config.cutoff, config.c_dtype, config.readout)
        if given.first((about, structure_key(group), *settings, config.min_fidelity)):
            warnings.warn(text, LowFidelityWarning, stacklevel=user_stacklevel())


def _seed(circuit: Circuit, row: int) -> tuple[int, int] | None:
    if circuit.seeds is None:
        return None
    first, second = circuit.seeds[row - circuit.rows.start].tolist()
    return first, second


def _method_name(method: object) -> str | None:
    """Name a gradient method; PennyLane may hand the transform that computes it."""
    if method is None or isinstance(method, str):
        return method
    function = getattr(method, "tape_transform", method)
    return str(getattr(function, "__name__", type(method).__name__))
