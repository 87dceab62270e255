"""What a run discarded, and whether its values can be believed."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from bondline.config import MpsConfig
from bondline.errors import LowFidelityError, LowFidelityWarning

if TYPE_CHECKING:
    from bondline._core import GroupResult
    from bondline.lowering import Circuit

REPORT_LIMIT: Final = 1024
"""Most reports that a device keeps: those of the last rows of its last call."""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What to believe of one circuit, or of one row of a batched circuit.

    Attributes
    ----------
    norm : float
        <psi|psi> of the state that was never renormalised: an *estimate* of its fidelity. It
        assumes that truncation errors add incoherently, which holds for random and
        hardware-efficient circuits; for smooth ones (small-angle Trotter steps) it is too high.
        In complex64 it drifts by about 5e-8 a step, above 1 too, because gates are rounded.
    discarded : ndarray of float64, shape (wires - 1,)
        Weight discarded at the bond right of each site.
    bonds : ndarray of uint32, shape (wires - 1,)
        Bond dimensions of the final state.
    largest_bond : int
        Largest bond dimension on the way.
    saturated : ndarray of bool, shape (wires - 1,)
        Bonds that ``max_bond_dim`` cut.
    light_cone : tuple of float or None
        For each measurement, the weight discarded in its light cone; None for a value of the
        whole state, which ``norm`` judges.
    methods : mapping of str to int
        Truncation steps by method, summed over the circuits of one structure in the call.
    sweeps : int
        Canonicalising sweeps.
    seconds : float
        Wall time in the engine.
    steps : int
        Fused two-site steps.
    wires : tuple
        Wire label on each site of the final order.
    max_bond_dim : int or None
        The setting it ran under.
    readout : str
        The setting it ran under.
    gradient_method : str or None
        How PennyLane was asked to differentiate.
    """

    norm: float
    discarded: NDArray[np.float64]
    bonds: NDArray[np.uint32]
    largest_bond: int
    saturated: NDArray[np.bool_]
    light_cone: tuple[float | None, ...]
    methods: Mapping[str, int]
    sweeps: int
    seconds: float
    steps: int
    wires: tuple[Any, ...]
    max_bond_dim: int | None
    readout: str
    gradient_method: str | None

    @property
    def total_discarded(self) -> float:
        """Sum of the discarded weights over all bonds."""
        return float(self.discarded.sum())

    @property
    def saturated_bonds(self) -> tuple[int, ...]:
        """Sites left of the bonds that ``max_bond_dim`` cut."""
        return tuple(np.flatnonzero(self.saturated).tolist())

    @property
    def fallbacks(self) -> int:
        """Truncation steps whose first method was not accurate enough."""
        return self.methods.get("fallback", 0)

    def __str__(self) -> str:
        """Return a readable paragraph."""
        lines = [
            f"{len(self.wires)} wires, {self.steps} two-site steps in {self.seconds:.3g} s; "
            f"largest bond {self.largest_bond} (max_bond_dim={self.max_bond_dim})."
        ]
        if self.total_discarded == 0.0:
            lines.append("Nothing was discarded beyond rounding.")
        else:
            lines.append(
                f"Discarded weight {self.total_discarded:.3g} over all bonds; "
                f"norm {self.norm:.6g}, an estimate of the fidelity of the whole state that can "
                "be too high for smooth circuits."
            )
        if self.saturated_bonds:
            lines.append(f"Bonds {_ranges(self.saturated_bonds)} were cut by max_bond_dim.")
        for position, weight in enumerate(self.light_cone):
            if weight:
                lines.append(f"Measurement {position}: {weight:.3g} discarded in its light cone.")
        if self.fallbacks:
            lines.append(f"{self.fallbacks} truncations fell back to a more accurate method.")
        return " ".join(lines)


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """What the engine tells about a group, without its values; the names are the engine's."""

    norm: NDArray[np.float64]
    discarded: NDArray[np.float64]
    bonds: NDArray[np.uint32]
    largest_bond: NDArray[np.uint32]
    saturated: NDArray[np.bool_]
    cone_words: NDArray[np.float64]
    cone_variances: NDArray[np.float64]
    cone_probabilities: NDArray[np.float64]
    cone_densities: NDArray[np.float64]
    methods: Mapping[str, int]
    sweeps: NDArray[np.uint32]
    seconds: NDArray[np.float64]
    n_steps: int
    wire_of_site: NDArray[np.uint32]

    @classmethod
    def of(cls, result: GroupResult) -> Account:
        """Keep the account of a result and let go of its values.

        Parameters
        ----------
        result : GroupResult

        Returns
        -------
        Account
        """
        return cls(*[getattr(result, name) for name in cls.__slots__])

    def loss(self) -> float:
        """Return the largest loss of any row, by norm or by light cone.

        Returns
        -------
        float
        """
        if not self.discarded.any():
            return 0.0
        cones = (
            self.cone_words,
            self.cone_variances,
            self.cone_probabilities,
            self.cone_densities,
        )
        largest = max(float(cone.max(initial=0.0)) for cone in cones)
        return max(largest, 1.0 - float(self.norm.min(initial=1.0)))


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The engine's account of a call; reports are made from it when somebody looks."""

    circuits: Sequence[Circuit]
    accounts: Sequence[Account]
    config: MpsConfig
    gradient_method: str | None

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
        cones = [reading.cone(account, slice(row, row + 1)) for reading in circuit.readings]
        return Report(
            norm=float(account.norm[row]),
            discarded=account.discarded[row],
            bonds=account.bonds[row],
            largest_bond=int(account.largest_bond[row]),
            saturated=account.saturated[row],
            light_cone=tuple(None if cone is None else float(cone[0]) for cone in cones),
            methods=dict(account.methods),
            sweeps=int(account.sweeps[row]),
            seconds=float(account.seconds[row]),
            steps=account.n_steps,
            wires=tuple(circuit.wires[wire] for wire in account.wire_of_site),
            max_bond_dim=self.config.max_bond_dim,
            readout=self.config.readout,
            gradient_method=self.gradient_method,
        )

    def judge(self) -> None:
        """Warn, raise or do nothing, as ``on_low_fidelity`` says, if too much was discarded.

        A local value is judged by the weight discarded in its light cone, a value of the whole
        state (and every value under ``readout="state"``) by the norm of the state.

        Raises
        ------
        LowFidelityError
            If the setting is "raise".
        """
        allowed = 1.0 - self.config.min_fidelity
        if self.config.on_low_fidelity == "ignore":
            return
        suspects = {
            place for place, account in enumerate(self.accounts) if account.loss() > allowed
        }
        if not suspects:
            return
        message = self._message(allowed, suspects)
        if message is None:
            return
        if self.config.on_low_fidelity == "raise":
            raise LowFidelityError(message)
        warnings.warn(message, LowFidelityWarning, stacklevel=3)

    def _message(self, allowed: float, suspects: set[int]) -> str | None:
        """Describe the worst value and count the others; None if every value is good."""
        worst: tuple[float, int, int, int, bool] | None = None
        affected = 0
        for position, circuit in enumerate(self.circuits):
            if circuit.group not in suspects:
                continue
            account = self.accounts[circuit.group]
            for number, reading in enumerate(circuit.readings):
                local = self.config.readout == "local"
                cone = reading.cone(account, circuit.rows) if local else None
                losses = 1.0 - account.norm[circuit.rows] if cone is None else cone
                row = int(losses.argmax())
                if losses[row] <= allowed:
                    continue
                affected += 1
                if worst is None or losses[row] > worst[0]:
                    worst = (float(losses[row]), position, row, number, cone is None)
        if worst is None:
            return None
        loss, position, row, number, is_global = worst
        circuit = self.circuits[position]
        member = "" if circuit.batch is None else f", row {row} of its batch"
        floor = self.config.min_fidelity
        if is_global:
            finding = (
                f"estimated fidelity {1.0 - loss:.3g} is below min_fidelity {floor:g} (the norm of "
                "the truncated state, an estimate that can be too high for smooth circuits)"
            )
        else:
            finding = (
                f"the weights discarded in its light cone add up to {loss:.3g}, more than the "
                f"{allowed:.3g} that min_fidelity {floor:g} allows"
            )
        others = "" if affected == 1 else f" {affected} values of this call are affected."
        return (
            f"Circuit {position}, measurement {number}{member}: {finding}. "
            f"{self._way_out(circuit, row)}{others}"
        )

    def _way_out(self, circuit: Circuit, row: int) -> str:
        account = self.accounts[circuit.group]
        full = np.flatnonzero(account.saturated[circuit.rows.start + row]).tolist()
        bound = self.config.max_bond_dim
        if full and bound is not None:
            return (
                f"Bonds {_ranges(full)} were cut by max_bond_dim={bound}; "
                f"try max_bond_dim={2 * bound} and compare."
            )
        return "No bond was cut by max_bond_dim: lower cutoff and compare."


def _ranges(numbers: Iterable[int]) -> str:
    """Write sorted numbers as ranges: 1, 3-5, 8."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    texts = [str(low) if low == high else f"{low}-{high}" for low, high in spans]
    return ", ".join(texts if len(texts) <= 8 else [*texts[:8], "…"])
