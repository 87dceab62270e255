"""How measurements in the middle of a circuit are handled, where the user leaves it open."""

from dataclasses import replace
from typing import Any, Final

from pennylane.exceptions import DeviceError
from pennylane.ops import MidMeasure

ENUMERATED_MEASUREMENTS: Final = 12
"""Most measurements whose 2^12 histories are followed one by one without being asked to."""

METHODS: Final = ("device", "one-shot", "deferred")
"""Methods of the device. Each shot is a trajectory of its own, which is all "one-shot" asks for."""


def resolve(config: Any, circuit: Any) -> Any:
    """Choose the method where none is given, and refuse what is not offered.

    Parameters
    ----------
    config : pennylane.devices.MCMConfig
    circuit : pennylane.tape.QuantumScript or None

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
        return replace(config, mcm_method=_default(circuit))
    if method not in METHODS:
        raise DeviceError(
            f'bondline.mps does not offer mcm_method="{method}". Use mcm_method="device", the '
            'default with shots, or mcm_method="deferred".'
        )
    return config


def _default(circuit: Any) -> str:
    """Follow histories with shots, or exactly where they are few; else defer."""
    if circuit is None or circuit.shots:
        return "device"
    measures = [operator for operator in circuit.operations if isinstance(operator, MidMeasure)]
    free = sum(measure.postselect is None for measure in measures)
    # Deferred measurements cannot be postselected.
    few = free <= ENUMERATED_MEASUREMENTS or free < len(measures)
    return "device" if few else "deferred"
