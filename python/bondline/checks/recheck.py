"""The same circuit at larger bond dimensions, to see whether its values stay."""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.measurements import StateMP
from pennylane.pytrees import flatten, unflatten

from bondline.checks.reach import distance, reach
from bondline.devices.derivatives import require_plain
from bondline.devices.mps import BondlineMPS
from bondline.devices.qnodes import device_of
from bondline.errors import InputError, UnsupportedError
from bondline.reports.report import Report

_ROUNDING: Final = {np.dtype(np.complex128): 1e-9, np.dtype(np.complex64): 1e-4}
"""Changes that count as rounding, as a share of the largest possible one."""

_OTHER_WAY: Final = "Differentiate the QNode itself; to check its value"

_Arrays = list[NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Recheck:
    """Values of a QNode at several bond dimensions, and what to make of them.

    Attributes
    ----------
    bond_dims : tuple of int
        That of the device first, then larger ones.
    values : tuple
        What the QNode returns at each, in its own structure, with NumPy arrays.
    changes : tuple of tuple of float
        For each bond dimension after the first, how far each value is from the first one: of an
        array the largest absolute difference, of ``qml.state`` the infidelity of the two states.
    promised : tuple of tuple of float
        For each of these, the largest change that the reports of both runs allow, in the worst
        case: s·sqrt(1 - F) for an expectation value whose largest and smallest outcome are s apart
        and a fidelity F; nan where no such bound is known.
    fidelities : tuple of tuple of float
        For each bond dimension and each value the figure of the report, ``value_fidelities``; of a
        batch, the lowest.
    reports : tuple of tuple of Report
        Of each run.
    """

    bond_dims: tuple[int, ...]
    values: tuple[Any, ...]
    changes: tuple[tuple[float, ...], ...]
    promised: tuple[tuple[float, ...], ...]
    fidelities: tuple[tuple[float, ...], ...]
    reports: tuple[tuple[Report, ...], ...]

    @property
    def change(self) -> float:
        """Largest change of any value, at the largest bond dimension."""
        return max(self.changes[-1])

    @property
    def larger_than_promised(self) -> bool:
        """Whether any value changed by more than the reports promised: an estimate is wrong."""
        return bool(self._broken())

    @property
    def still_cut(self) -> bool:
        """Whether the largest bond dimension cut bonds, too."""
        return any(report.saturated.any() for report in self.reports[-1])

    def to_dict(self) -> dict[str, Any]:
        """Return what was found as plain Python numbers, strings and lists, ready for JSON.

        Returns
        -------
        dict of str to object
            One entry per attribute and property; values flat, real where they are real, and nan
            as None.
        """
        return {
            "bond_dims": list(self.bond_dims),
            "values": [[_plain(value) for value in _leaves(found)] for found in self.values],
            "changes": [list(row) for row in self.changes],
            "promised": [[None if math.isnan(x) else x for x in row] for row in self.promised],
            "fidelities": [list(row) for row in self.fidelities],
            "change": self.change,
            "larger_than_promised": self.larger_than_promised,
            "still_cut": self.still_cut,
            "reports": [[report.to_dict() for report in found] for found in self.reports],
        }

    def __repr__(self) -> str:
        """Return the readable table: arrays fill pages."""
        return f"<Recheck:\n{self}>"

    def __str__(self) -> str:
        """Return a table, one row for each bond dimension, and a verdict."""
        first = _leaves(self.values[0])
        single = len(first) == 1 and first[0].ndim == 0 and not np.iscomplexobj(first[0])
        head = f"{'max_bond_dim':>12}" + (f"{'value':>16}" if single else "")
        lines = [f"{head}{'change':>12}{'promised':>12}{'1 - fidelity':>14}"]
        for row, bond in enumerate(self.bond_dims):
            line = f"{bond:>12}"
            if single:
                line += f"{float(_leaves(self.values[row])[0]):>16.9g}"
            if row == 0:
                line += f"{'':>24}"
            else:
                worst = self._worst(row - 1)
                change, promised = self.changes[row - 1][worst], self.promised[row - 1][worst]
                line += f"{change:>12.3g}"
                line += f"{'unknown':>12}" if math.isnan(promised) else f"{promised:>12.3g}"
            lines.append(f"{line}{1.0 - min(self.fidelities[row]):>14.3g}")
        if len(first) > 1:
            lines.append(f"Of {len(first)} values, the one that changed most against its promise.")
        return "\n".join([*lines, self._verdict()])

    def _broken(self) -> list[tuple[int, int]]:
        return [
            (row, number)
            for row, (changes, promised) in enumerate(zip(self.changes, self.promised, strict=True))
            for number, (change, limit) in enumerate(zip(changes, promised, strict=True))
            if change > limit  # never for nan
        ]

    def _worst(self, row: int) -> int:
        """Find the value that changed most, against its promise where there is one."""
        ranked = [
            (change / limit if limit > 0 else 0.0, change)
            for change, limit in zip(self.changes[row], self.promised[row], strict=True)
        ]
        return max(range(len(ranked)), key=ranked.__getitem__)

    def _verdict(self) -> str:
        broken = self._broken()
        if broken:
            row, number = broken[-1]
            text = (
                f"Value {number} changed by {self.changes[row][number]:.3g} at max_bond_dim="
                f"{self.bond_dims[row + 1]}, and the reports promised at most "
                f"{self.promised[row][number]:.3g}: their estimates of the fidelity are too high."
            )
        elif not any(report.saturated.any() for report in self.reports[0]):
            text = "No bond was cut at any of them: max_bond_dim changes nothing here."
        else:
            text = (
                "No change is larger than the reports promised. That is the worst case: judge by "
                "the change itself."
            )
        if self.still_cut:
            text += f" Bonds are still cut at max_bond_dim={self.bond_dims[-1]}."
        return text


def recheck(qnode: Any, factor: float | Sequence[float] = 2) -> Callable[..., Recheck]:
    """Return a function that evaluates a QNode again at larger bond dimensions.

    Parameters
    ----------
    qnode : pennylane.QNode
        On ``bondline.mps``, with a ``max_bond_dim`` and without shots.
    factor : float or sequence of float, default 2
        By which the bond dimension grows, above 1; the product is rounded up.

    Returns
    -------
    callable
        Takes the arguments of the QNode and returns a :class:`Recheck`.

    Raises
    ------
    InputError
        If it is no QNode on ``bondline.mps``, its device has no ``max_bond_dim``, or a factor is
        not above 1.
    UnsupportedError
        If the QNode has shots, or an argument is being differentiated.

    Notes
    -----
    Runs the circuit at its own bond dimension, too; twice the bond dimension takes up to eight
    times as long. All runs have devices of their own with the settings of the QNode's device: its
    reports and its tracker stay as they are. The estimates of the fidelity are in the result, so
    ``on_low_fidelity`` does not apply.

    Examples
    --------
    >>> import pennylane as qml
    >>> from bondline import recheck
    >>> dev = qml.device("bondline.mps", wires=12, max_bond_dim=4, on_low_fidelity="ignore")
    >>> @qml.qnode(dev)
    ... def chain(angle):
    ...     for _ in range(6):
    ...         for wire in range(11):
    ...             qml.IsingZZ(angle, [wire, wire + 1])
    ...         for wire in range(12):
    ...             qml.RX(angle, wire)
    ...     return qml.expval(qml.Z(5))
    >>> found = recheck(chain, factor=(2, 4))(0.4)
    >>> found.bond_dims
    (4, 8, 16)
    >>> found.larger_than_promised
    False
    """
    device = device_of(qnode, "recheck")
    bonds = _bond_dims(device.config.max_bond_dim, factor)

    @functools.wraps(qnode.func)
    def rechecked(*args: Any, **kwargs: Any) -> Recheck:
        measurements = _measurements_of(qnode, args, kwargs)
        runs = [_run(qnode, device, bond, args, kwargs) for bond in bonds]
        leaves = [_leaves(values) for values, _ in runs]
        count = len(leaves[0])
        if measurements is not None and len(measurements) != count:
            measurements = None
        fidelities = [_fidelities(reports, count) for _, reports in runs]
        changes, promised = [], []
        for later, figures in zip(leaves[1:], fidelities[1:], strict=True):
            changes.append(_changes(leaves[0], later, measurements))
            promised.append(_promised(fidelities[0], figures, measurements, device))
        return Recheck(
            bonds,
            tuple(values for values, _ in runs),
            tuple(changes),
            tuple(promised),
            tuple(fidelities),
            tuple(reports for _, reports in runs),
        )

    return rechecked


def _bond_dims(first: int | None, factor: Any) -> tuple[int, ...]:
    if first is None:
        raise InputError(
            "recheck needs a device with a max_bond_dim, and this one has max_bond_dim=None: "
            "no bond is cut. Compare with a smaller cutoff instead."
        )
    factors = list(factor) if isinstance(factor, Sequence | np.ndarray) else [factor]
    if not factors or isinstance(factor, str):
        raise InputError(f"factor must be a number above 1 or some of them, got {factor!r}.")
    for entry in factors:
        real = isinstance(entry, numbers.Real) and not isinstance(entry, bool | np.bool_)
        if not real or not 1 < entry < math.inf:
            raise InputError(f"factor must be a number above 1 or some of them, got {entry!r}.")
    # A decimal factor such as 1.1 may land a rounding error above the integer that is meant.
    larger = {math.ceil(first * float(entry) - 1e-9 * first) for entry in factors}
    return (first, *sorted(max(bond, first + 1) for bond in larger))


def _measurements_of(qnode: Any, args: Any, kwargs: Any) -> list[Any] | None:
    """Return what a QNode measures; None where its transforms make several circuits of it."""
    require_plain((args, kwargs), "recheck", _OTHER_WAY)
    tapes, _ = qml.workflow.construct_batch(qnode, level="user")(*args, **kwargs)
    if any(tape.shots for tape in tapes):
        raise UnsupportedError(
            "recheck compares exact values, and this QNode has shots: their noise would count as a "
            "change. Take them off with qml.set_shots(qnode, None)."
        )
    return list(tapes[0].measurements) if len(tapes) == 1 else None


def _run(
    qnode: Any, device: BondlineMPS, bond: int, args: Any, kwargs: Any
) -> tuple[Any, tuple[Report, ...]]:
    """Run a QNode on a device of its own, differentiated alike: that may decide how it runs."""
    fresh = device.with_settings(max_bond_dim=bond, on_low_fidelity="ignore")
    values = qnode.update(device=fresh, grad_on_execution=False)(*args, **kwargs)
    leaves, structure = flatten(values)
    # Numbers may come from around the circuit, too, not only through its arguments.
    require_plain(leaves, "recheck", _OTHER_WAY)
    arrays = [np.asarray(qml.math.toarray(leaf)) for leaf in leaves]
    return unflatten(arrays, structure), fresh.reports


def _leaves(values: Any) -> _Arrays:
    leaves: _Arrays = flatten(values)[0]
    return leaves


def _fidelities(reports: tuple[Report, ...], count: int) -> tuple[float, ...]:
    """Return the figure of each value, the lowest of a batch, or of all that there are."""
    figures = [report.value_fidelities for report in reports]
    if all(len(row) == count for row in figures):
        return tuple(float(low) for low in np.min(figures, axis=0))
    return (min(min(row) for row in figures),) * count


def _changes(first: _Arrays, later: _Arrays, measurements: list[Any] | None) -> tuple[float, ...]:
    found = []
    for number, (before, after) in enumerate(zip(first, later, strict=True)):
        if measurements is not None and type(measurements[number]) is StateMP:
            overlap = np.abs(np.sum(np.conj(before) * after, axis=-1)) ** 2
            found.append(float(np.max(1.0 - overlap, initial=0.0)))
        else:
            found.append(float(np.max(np.abs(after - before), initial=0.0)))
    return tuple(found)


def _promised(
    first: tuple[float, ...],
    later: tuple[float, ...],
    measurements: list[Any] | None,
    device: BondlineMPS,
) -> tuple[float, ...]:
    if measurements is None:
        return (math.nan,) * len(first)
    rounding = _ROUNDING[device.c_dtype]
    return tuple(
        reach(measurement, distance(before, after)) + rounding * reach(measurement, 1.0)
        for measurement, before, after in zip(measurements, first, later, strict=True)
    )


def _plain(value: NDArray[Any]) -> Any:
    if np.iscomplexobj(value):
        return {"real": value.real.tolist(), "imag": value.imag.tolist()}
    return value.tolist()
