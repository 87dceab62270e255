"""QNodes on the device, as functions of bondline take them."""

from __future__ import annotations

from typing import Any

import pennylane as qml

from bondline.devices.mps import BondlineMPS
from bondline.errors import InputError


def device_of(qnode: Any, caller: str) -> BondlineMPS:
    """Return the device of a QNode.

    Parameters
    ----------
    qnode : pennylane.QNode
    caller : str
        What was called; begins the message.

    Returns
    -------
    BondlineMPS

    Raises
    ------
    InputError
        If it is no QNode on ``bondline.mps``.

    Examples
    --------
    >>> dev = BondlineMPS(wires=1)
    >>> device_of(qml.QNode(lambda: qml.expval(qml.Z(0)), dev), "recheck") is dev
    True
    """
    device = getattr(qnode, "device", None)
    if not isinstance(qnode, qml.QNode) or not isinstance(device, BondlineMPS):
        given = type(qnode).__name__ if device is None else f"a QNode on {device.name}"
        raise InputError(
            f"{caller} needs a QNode on the device bondline.mps, got {given}. "
            'Make one with qml.QNode(circuit, qml.device("bondline.mps", wires=...)).'
        )
    found: BondlineMPS = device
    return found
