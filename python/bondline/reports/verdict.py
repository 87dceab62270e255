"""Whether truncation lost more than a setting allows, and the sentence that says so."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bondline.circuits.group import Group
    from bondline.circuits.lowered import Circuit
    from bondline.config import MpsConfig
    from bondline.reports.account import Account

_WORST_BONDS: Final = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """The value of a call that lost most, and how many lost too much.

    Attributes
    ----------
    fidelity : float
        The figure that was compared with ``min_fidelity``.
    circuit, measurement : int
    row : int
        In the batch of the circuit.
    cone : float or None
        Weight discarded in the light cone of the value; None for a value of the whole state.
    affected : int
        Values of the call that lost too much.
    """

    fidelity: float
    circuit: int
    measurement: int
    row: int
    cone: float | None
    affected: int


def find_losses(
    circuits: Sequence[Circuit], accounts: Sequence[Account], config: MpsConfig
) -> Finding | None:
    """Compare every value of a call with ``min_fidelity``.

    Parameters
    ----------
    circuits : sequence of Circuit
    accounts : sequence of Account
        One per group.
    config : MpsConfig

    Returns
    -------
    Finding or None
        None if every value is good enough.

    Notes
    -----
    A local value is judged by the weight discarded in its light cone, so that a wide circuit does
    not fail by its size alone; a value of the whole state, and every value under
    ``readout="state"``, by the norm of the state. Both are corrected for coherence where the
    engine measured it: the errors that add up in the norm add up in a light cone, too.
    """
    lowest = [account.lowest() for account in accounts]
    worst: Finding | None = None
    affected = 0
    for position, circuit in enumerate(circuits):
        if lowest[circuit.group] * circuit.initial_fidelity >= config.min_fidelity:
            continue
        account = accounts[circuit.group]
        for number, reading in enumerate(circuit.readings):
            cone = reading.cone(account, circuit.rows) if config.readout == "local" else None
            found = account.fidelity(circuit.rows, cone) * circuit.initial_fidelity
            row = int(found.argmin())
            if found[row] >= config.min_fidelity:
                continue
            affected += 1
            if worst is None or found[row] < worst.fidelity:
                weight = None if cone is None else float(cone[row])
                worst = Finding(float(found[row]), position, number, row, weight, 0)
    if worst is None:
        return None
    return Finding(
        worst.fidelity, worst.circuit, worst.measurement, worst.row, worst.cone, affected
    )


def message(
    finding: Finding, circuits: Sequence[Circuit], accounts: Sequence[Account], config: MpsConfig
) -> str:
    """Write what was lost, how that is known, where it was lost, and one way out.

    Parameters
    ----------
    finding : Finding
    circuits : sequence of Circuit
    accounts : sequence of Account
    config : MpsConfig

    Returns
    -------
    str
    """
    circuit = circuits[finding.circuit]
    account = accounts[circuit.group]
    row = circuit.rows.start + finding.row
    member = "" if circuit.batch is None else f", row {finding.row} of its batch"
    others = (
        "" if finding.affected == 1 else f" {finding.affected} values of this call are affected."
    )
    initial = circuit.initial_fidelity
    way = where_lost(account, row, config.max_bond_dim)
    if initial * initial <= finding.fidelity and initial < 1.0:
        # More was lost before than in this run.
        way = "Prepare the initial_state with a larger max_bond_dim and compare."
    return (
        f"Circuit {finding.circuit}, measurement {finding.measurement}{member}: estimated fidelity "
        f"{finding.fidelity:.3g} is below min_fidelity {config.min_fidelity:g}. "
        f"{_origin(finding, account, row, initial)} {way}{others}"
    )


def structure_key(group: Group) -> bytes:
    """Digest what all calls of one QNode have in common: gates, wires and what is measured.

    Parameters
    ----------
    group : Group

    Returns
    -------
    bytes
    """
    # Other bitstrings are the same circuit.
    requests = replace(group.requests, bitstrings=group.requests.bitstrings[:0])
    structure = replace(group, requests=requests).structure()
    return hashlib.blake2b(repr(structure).encode(), digest_size=16).digest()


def ranges(numbers: Iterable[int]) -> str:
    """Write sorted numbers as ranges.

    Parameters
    ----------
    numbers : iterable of int

    Returns
    -------
    str

    Examples
    --------
    >>> ranges([1, 3, 4, 5, 8])
    '1, 3-5, 8'
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    texts = [str(low) if low == high else f"{low}-{high}" for low, high in spans]
    return ", ".join(texts if len(texts) <= 8 else [*texts[:8], "…"])


def _origin(finding: Finding, account: Account, row: int, initial: float) -> str:
    """Say how the estimate was made."""
    start = f"the fidelity {initial:.3g} of the initial_state"
    exponent = float(account.exponent()[row])
    measured = not np.isnan(account.coherence[row])
    if finding.cone is not None:
        weights = f"The weights discarded in its light cone add up to {finding.cone:.3g}"
        if initial < 1.0:
            weights = f"It counts {start}. {weights}"
        if not measured:
            return f"{weights}, an estimate that can be too good for smooth circuits."
        if exponent > 1.0:
            weights += f", counted {exponent:.3g} times because errors add up coherently"
        return f"{weights}."
    times = f"{start} times " if initial < 1.0 else ""
    norm = f"It is {times}the norm {np.exp(account.log_norm[row]):.3g} of the truncated state"
    if not measured:
        return f"{norm}, an estimate that can be too high for smooth circuits."
    if exponent > 1.0:
        norm += f" to the power {exponent:.3g}, by which errors add up coherently"
    return f"{norm}."


def where_lost(account: Account, row: int, bound: int | None) -> str:
    """Write where most was lost, and what to try.

    Parameters
    ----------
    account : Account
    row : int
        In the group.
    bound : int or None
        The ``max_bond_dim`` of the run.

    Returns
    -------
    str
    """
    lost: NDArray[np.float64] = account.discarded[row]
    order = np.argsort(-lost, kind="stable")[:_WORST_BONDS]
    worst = ", ".join(f"{bond} ({lost[bond]:.2g})" for bond in order if lost[bond] > 0)
    most = f"Most was discarded at the bonds {worst}. " if worst else ""
    full = np.flatnonzero(account.saturated[row]).tolist()
    if full and bound is not None:
        return (
            f"{most}Bonds {ranges(full)} were cut by max_bond_dim={bound}; "
            f"try max_bond_dim={2 * bound} and compare."
        )
    return f"{most}No bond was cut by max_bond_dim: lower cutoff and compare."
