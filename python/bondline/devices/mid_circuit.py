"""How measurements in the middle of a circuit are handled, where the user leaves it open."""

from dataclasses import replace
from typing import Any, Final

from pennylane.exceptions import DeviceError
from pennylane.ops import MidMeasure

ENUMERATED_MEASUREMENTS: Final = 12
"""Most measurements whose 2^12 histories are followed one by one without being asked to."""

METHODS: Final = ("device", "one-shot", "deferred")
"""Methods of the device. Each shot is a trajectory of its own, which is all "one-shot" asks for."""


def resolve(config: Any, circuit: Any, wires: Any = None) -> Any:
    """Choose the method where none is given, and refuse what is not offered.

    Parameters
    ----------
    config : pennylane.devices.MCMConfig
    circuit : pennylane.tape.QuantumScript or None
    wires : pennylane.wires.Wires, optional
        Wires of the device.

    Returns
    -------
    pennylane.devices.MCMConfig
        The same object if there is nothing to choose.

    Raises
    ------
    pennylane.exceptions.DeviceError
        If a method is not offered.

    Examples
    --------
    >>> from pennylane.devices import MCMConfig
    >>> resolve(MCMConfig(), None).mcm_method == "device"
    True
    """
    method = config.mcm_method
    if method is None:
        return replace(config, mcm_method=_default(circuit, wires))
    if method not in METHODS:
        raise DeviceError(
            f'bondline.mps does not offer mcm_method="{method}". Use mcm_method="device", the '
            'default with shots, or mcm_method="deferred".'
        )
    return config


def _default(circuit: Any, wires: Any) -> str:
    """Follow histories with shots, or exactly where they are few; else defer if it can be done."""
    if circuit is None or circuit.shots:
        return "device"
    measures = [operator for operator in circuit.operations if isinstance(operator, MidMeasure)]
    if len(measures) <= ENUMERATED_MEASUREMENTS:
        return "device"
    postselected = any(measure.postselect is not None for measure in measures)
    return "device" if postselected or not _has_room(circuit, wires) else "deferred"


def _has_room(circuit: Any, wires: Any) -> bool:
    """Whether the device has the wires that PennyLane takes to defer the measurements."""
    if not wires:
        return True
    measured: list[Any] = []
    used_again = set()
    for operator in circuit:  # measurements at the end, too
        if isinstance(operator, MidMeasure):
            (wire,) = operator.wires
            if operator.reset or wire in measured:
                used_again.add(wire)
            measured.append(wire)
        else:
            used_again.update(set(measured).intersection(operator.wires))
    more = sum(wire in used_again for wire in measured)
    start = max((wire for wire in circuit.wires if isinstance(wire, int)), default=-1) + 1
    return all(start + number in wires for number in range(more))
