"""Derivatives that no exact value could have, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bondline.reports.verdict import where_lost

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bondline.circuits.lowered import Circuit
    from bondline.config import MpsConfig
    from bondline.reports.account import Account

# Twice what the bound says is possible by an angle of OrbitalRotation, and rounding counts.
_STEEP: Final = 3.0


@dataclass(frozen=True, slots=True)
class Steep:
    """The circuit of a call whose derivatives exceed by most what is possible.

    Attributes
    ----------
    excess : float
        The largest derivative, in units of what one of the exact values can be.
    circuit : int
    row : int
        In the batch of the circuit.
    """

    excess: float
    circuit: int
    row: int


def find_steep(
    circuits: Sequence[Circuit], excess: Sequence[NDArray[np.float64] | None]
) -> Steep | None:
    """Find derivatives that are far larger than those of the exact values can be.

    Parameters
    ----------
    circuits : sequence of Circuit
    excess : sequence of (ndarray of float64, shape (rows,)) or None
        One per group.

    Returns
    -------
    Steep or None
        None if every derivative is possible.

    Notes
    -----
    Where much is cut off the truncated program may be a steep function though the exact one is not:
    its derivatives, right to rounding, have been seen to be a million times too large. No estimate
    is needed to know that they are of no use, and a wide circuit whose values are good is not
    suspected for the sum of what all its bonds lost.
    """
    worst: Steep | None = None
    for position, circuit in enumerate(circuits):
        found = excess[circuit.group]
        if found is None:
            continue
        own = found[circuit.rows]
        row = int(own.argmax())
        if own[row] > max(_STEEP, 0.0 if worst is None else worst.excess):
            worst = Steep(float(own[row]), position, row)
    return worst


def steep_message(
    steep: Steep, circuits: Sequence[Circuit], accounts: Sequence[Account], config: MpsConfig
) -> str:
    """Write how large the derivatives are, why, and one way out.

    Parameters
    ----------
    steep : Steep
    circuits : sequence of Circuit
    accounts : sequence of Account
    config : MpsConfig

    Returns
    -------
    str
    """
    circuit = circuits[steep.circuit]
    member = "" if circuit.batch is None else f", row {steep.row} of its batch"
    way = where_lost(accounts[circuit.group], circuit.rows.start + steep.row, config.max_bond_dim)
    return (
        f"Circuit {steep.circuit}{member}: a derivative is {steep.excess:.3g} times as large as "
        "one of the exact value can be. It is that of the truncated program, which has lost "
        "too much for an optimizer to use it. Fewer layers or larger bonds help. "
        f"{way}"
    )
