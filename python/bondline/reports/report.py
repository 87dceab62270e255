"""What a run discarded, and whether its values can be believed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from bondline.reports.plain import plain
from bondline.reports.verdict import ranges

_ROUNDING: Final = 1e-25
"""Discarded weights below it are rounding."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Report:
    """What to believe of one circuit, or of one row of a batched circuit.

    Attributes
    ----------
    norm, log_norm : float
        <psi|psi> of the state that was never renormalised, and its natural logarithm, for where
        the norm itself underflows. An estimate of the fidelity if truncation errors add up
        incoherently, as in random and hardware-efficient circuits. In complex64 it drifts by about
        5e-8 a step, above 1 too, because gates are rounded. After postselections what they kept, as
        a share of that and of all that was discarded before: it may have belonged to it.
    coherence : float
        ln F / ln norm of a run at half the bond dimension, F its overlap with this run: how much
        faster than the norm the fidelity falls. About 1 for random circuits, 3 to 16 for smooth
        ones (small Trotter steps); nan where it was not measured.
    fidelity_estimate : float
        norm to the power max(1, coherence), or the norm itself where coherence is nan; times
        ``initial_fidelity``.
    initial_fidelity : float
        Estimated fidelity of the state that the circuit started from: that of ``initial_state``,
        else 1. The norm is that of this run alone.
    fidelity_method : {"coherence-corrected", "norm"}
        Which of the two it is.
    light_cone : tuple of float or None
        For each measurement, the weight discarded in its light cone; None for a value of the
        whole state.
    value_fidelities : tuple of float
        For each measurement, the figure that ``min_fidelity`` is compared with: exp(-weight in the
        light cone · max(1, coherence)) · ``initial_fidelity`` for a local value, else
        ``fidelity_estimate``.
    discarded : ndarray of float64, shape (wires - 1,)
        Weight discarded at the bond right of each site, relative to what postselections kept.
    bonds : ndarray of uint32, shape (wires - 1,)
        Bond dimensions of the final state.
    largest_bond : int
        Largest bond dimension on the way.
    saturated : ndarray of bool, shape (wires - 1,)
        Bonds that ``max_bond_dim`` cut.
    methods : mapping of str to int
        Truncation steps by method, summed over the circuits of one structure in the call.
    sweeps : int
        Canonicalising sweeps.
    branches : int
        Histories of mid-circuit outcomes that were followed.
    dropped_branches : float
        Probability of the histories that an average left out because each was too unlikely, as a
        share of those that were followed.
    peak_bytes : int
        Largest size of the state.
    seconds : float
        Wall time in the engine.
    steps : int
        Fused two-site steps that were run.
    steps_left_out : int
        Those of the circuit that were not, because no value depends on them: none of its values is
        of the whole state, and they lie outside the light cones of all. Then every figure here, the
        norm and ``fidelity_estimate`` among them, is that of the state without these steps, and
        says nothing of the wires that no value depends on.
    wires : tuple
        Wire label on each site of the final order.
    seed : tuple of two int, or None
        Key of the random numbers, where shots were drawn.
    max_bond_dim : int or None
        The setting it ran under.
    readout : str
        The setting it ran under.
    gradient_method : str or None
        How PennyLane was asked to differentiate. With "adjoint" the state was never
        re-canonicalised on the way: value and derivative belong to one program.
    gradient_error : float or None
        Where derivatives were computed: how far they may be from those of the exact expectation,
        as a share of the scale of the observable. It is the square root of the weight discarded
        over all bonds; errors from a twentieth of it to all of it have been seen. Derivatives of
        the truncated program itself are exact to rounding.
    smallest_gap : float
        Least relative distance of the last Schmidt weight kept and the first one dropped over all
        cuts made by ``max_bond_dim``; 1 where it cut nothing. Derivatives grow where it is small.
    shifted_cuts : int
        Cuts that kept fewer than ``max_bond_dim``, because weights nearly coincided there.
    gradient_guarded : bool
        Whether the circuit stood at a corner: angles, often zeros or right angles, at which a gate
        might create weight that is exactly zero. Derivatives there are taken without truncations,
        by a second state, or as the mean of two runs close by.
    gradient_checkpoints : int
        States kept to evolve from again, where ``memory_limit`` has no room for all steps.
    """

    norm: float
    log_norm: float
    coherence: float
    fidelity_estimate: float
    initial_fidelity: float
    fidelity_method: Literal["coherence-corrected", "norm"]
    light_cone: tuple[float | None, ...]
    value_fidelities: tuple[float, ...]
    discarded: NDArray[np.float64]
    bonds: NDArray[np.uint32]
    largest_bond: int
    saturated: NDArray[np.bool_]
    methods: Mapping[str, int]
    sweeps: int
    branches: int
    dropped_branches: float
    peak_bytes: int
    seconds: float
    steps: int
    steps_left_out: int
    wires: tuple[Any, ...]
    seed: tuple[int, int] | None
    max_bond_dim: int | None
    readout: str
    gradient_method: str | None
    gradient_error: float | None
    smallest_gap: float
    shifted_cuts: int
    gradient_guarded: bool
    gradient_checkpoints: int

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

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain Python numbers, strings and lists, ready for JSON.

        Returns
        -------
        dict of str to object
            One entry per attribute, and ``total_discarded``; nan becomes None.

        Examples
        --------
        >>> import json
        >>> import pennylane as qml
        >>> dev = qml.device("bondline.mps", wires=2)
        >>> value = dev.execute(qml.tape.QuantumScript([qml.CNOT([0, 1])], [qml.expval(qml.Z(1))]))
        >>> json.loads(json.dumps(dev.reports[0].to_dict()))["largest_bond"]
        1
        """
        found = {name: plain(getattr(self, name)) for name in self.__slots__}
        return {**found, "total_discarded": self.total_discarded}

    def __repr__(self) -> str:
        """Return the readable paragraph: arrays with an entry per bond fill pages."""
        return f"<Report: {self}>"

    def __str__(self) -> str:
        """Return a readable paragraph."""
        lines = [
            f"{len(self.wires)} wires, {self.steps} two-site steps in {self.seconds:.3g} s; "
            f"largest bond {self.largest_bond} (max_bond_dim={self.max_bond_dim}), "
            f"{_size(self.peak_bytes)}."
        ]
        if self.steps_left_out:
            lines.append(
                f"{_counted(self.steps_left_out, 'more step', 'more steps')} outside the light "
                "cones of the values were not run: all figures are those of the state without them."
            )
        if self.total_discarded < _ROUNDING:
            lines.append("Nothing was discarded beyond rounding.")
        else:
            lines.append(
                f"Discarded weight {self.total_discarded:.3g} over all bonds; {self._estimate()}"
            )
        if self.initial_fidelity < 1.0:
            lines.append(
                f"It started from a state of fidelity {self.initial_fidelity:.6g}: with that, the "
                f"estimate is {self.fidelity_estimate:.6g}."
            )
        if self.saturated_bonds:
            lines.append(f"Bonds {ranges(self.saturated_bonds)} were cut by max_bond_dim.")
        for position, weight in enumerate(self.light_cone):
            if weight:
                lines.append(f"Measurement {position}: {weight:.3g} discarded in its light cone.")
        if self.fallbacks:
            lines.append(f"{self.fallbacks} truncations fell back to a more accurate method.")
        if self.branches > 1:
            lines.append(f"{self.branches} histories of mid-circuit outcomes were followed.")
        if self.dropped_branches:
            lines.append(f"Histories of probability {self.dropped_branches:.3g} were left out.")
        lines += self._gradient()
        return " ".join(lines)

    def _gradient(self) -> list[str]:
        lines = []
        if self.shifted_cuts:
            lines.append(
                f"{_counted(self.shifted_cuts, 'cut', 'cuts')} kept fewer than max_bond_dim, "
                "because Schmidt weights nearly coincided there."
            )
        if self.gradient_error is None:
            return lines
        if self.gradient_error > _ROUNDING**0.5:
            differ = (
                "they say nothing about those of the exact expectation."
                if self.gradient_error > 1.0
                else "those of the exact expectation may differ by about "
                f"{self.gradient_error:.2g} of the observable's scale."
            )
            lines.append(
                f"Derivatives are those of the truncated program; {differ} The smallest gap at a "
                f"cut was {self.smallest_gap:.2g}."
            )
        if self.gradient_guarded:
            lines.append(
                "The circuit stood at a corner: derivatives were taken without truncations, by a "
                "second state, or as the mean of two runs nearby."
            )
        if self.gradient_checkpoints:
            lines.append(
                f"{_counted(self.gradient_checkpoints, 'state was', 'states were')} kept to "
                "evolve from again, because memory_limit has no room for all steps."
            )
        return lines

    def _state(self) -> str:
        return "the state inside the light cones" if self.steps_left_out else "the whole state"

    def _estimate(self) -> str:
        if self.fidelity_method == "norm":
            return (
                f"norm {self.norm:.6g}, an estimate of the fidelity of {self._state()} that can "
                "be too high for smooth circuits."
            )
        estimate = math.exp(min(max(1.0, self.coherence) * self.log_norm, 0.0))
        return (
            f"estimated fidelity of {self._state()} {estimate:.6g}, from the norm "
            f"{self.norm:.6g} and the coherence {self.coherence:.3g} of its errors."
        )


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"
