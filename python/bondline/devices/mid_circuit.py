"""How measurements in the middle of a circuit are handled, where the user leaves it open."""

from collections.abc import Sequence
from typing import Any, Final

from pennylane import transform
from pennylane.exceptions import DeviceError, WireError
from pennylane.math import Interface
from pennylane.measurements import CountsMP, ProbabilityMP, SampleMP, StateMP
from pennylane.ops import MeasurementValue, MidMeasure
from pennylane.wires import Wires

from bondline.devices.configurations import changed
from bondline.errors import UnsupportedError
from bondline.operators.plain import any_of

ENUMERATED_MEASUREMENTS: Final = 12
"""Most measurements whose 2^12 histories are followed one by one without being asked to."""

_ENGINES_WAY: Final = "; use shots"
"""How the engine's word on too many histories ends."""

METHODS: Final = ("device", "one-shot", "deferred")
"""Methods of the device. Each shot is a trajectory of its own, which is all "one-shot" asks for."""


def method_of(config: Any, circuit: Any, wires: Any = None, *, differentiated: bool = False) -> str:
    """Return the method that will be used, whether it is given or not.

    Parameters
    ----------
    config : pennylane.devices.ExecutionConfig or None
    circuit : pennylane.tape.QuantumScript or None
    wires : pennylane.wires.Wires, optional
        Wires of the device.
    differentiated : bool, default False
        Whether derivatives of the device are asked for, which deferred measurements have.

    Returns
    -------
    str
    """
    given = None if config is None else config.mcm_config.mcm_method
    return str(given) if given else _default(circuit, wires, differentiated=differentiated)


def resolve(config: Any, circuit: Any, wires: Any = None, *, differentiated: bool = False) -> Any:
    """Choose the method where none is given, and refuse what is not offered.

    Parameters
    ----------
    config : pennylane.devices.MCMConfig
    circuit : pennylane.tape.QuantumScript or None
    wires : pennylane.wires.Wires, optional
        Wires of the device.
    differentiated : bool, default False
        Whether derivatives of the device are asked for, which deferred measurements have.

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
        method = _default(circuit, wires, differentiated=differentiated)
        return changed(config, mcm_method=method)
    if method not in METHODS:
        raise DeviceError(
            f'bondline.mps does not offer mcm_method="{method}". Use mcm_method="device", the '
            'default with shots, or mcm_method="deferred".'
        )
    return config


def require_jit_shapes(circuit: Any, interface: Any) -> None:
    """Raise if PennyLane would announce to JAX another shape of a value than it has.

    Parameters
    ----------
    circuit : pennylane.tape.QuantumScript or None
    interface : pennylane.math.Interface or None

    Raises
    ------
    UnsupportedError
    """
    if circuit is None or interface is not Interface.JAX_JIT:
        return
    for measurement in circuit.measurements:
        if isinstance(measurement, SampleMP) and isinstance(measurement.mv, MeasurementValue):
            raise UnsupportedError(
                "qml.sample of one mid-circuit measurement has the shape (shots,), and PennyLane "
                "announces (shots, 1) to jax.jit. Return qml.sample([m]), a list of one, which "
                "has the shape (shots, 1) everywhere."
            )


def require_room(circuit: Any, wires: Any) -> None:
    """Raise if a circuit cannot be deferred on the wires of the device.

    Parameters
    ----------
    circuit : pennylane.tape.QuantumScript
    wires : pennylane.wires.Wires or None
        Wires of the device.

    Raises
    ------
    pennylane.exceptions.WireError
        If outcomes need wires that the device does not have.
    pennylane.exceptions.DeviceError
        If a value of all wires is asked for, which would include those of the outcomes.
    """
    needed = _storage(circuit)
    missing = [wire for wire in needed if wires and wire not in wires]
    if missing:
        these = "this label" if len(missing) == 1 else "these labels"
        raise WireError(
            f'mcm_method="deferred" keeps {_counted(len(needed))} on wires of their own, '
            f"{_listed(needed)}, and the device does not have {_listed(missing)}. Give it "
            f"wires with {these}, or leave out mcm_method."
        )
    for measurement in circuit.measurements:
        if _of_all_wires(measurement) and (wires or type(measurement) is StateMP):
            raise DeviceError(
                f'{measurement} is of all wires, and mcm_method="deferred" keeps outcomes on some '
                "of them. Name the wires that are measured, or leave out mcm_method."
            )


def explain(error: UnsupportedError, circuits: Sequence[Any], wires: Any) -> UnsupportedError:
    """Add to the engine's word on too many histories how the measurements could be deferred.

    Parameters
    ----------
    error : UnsupportedError
    circuits : sequence of pennylane.tape.QuantumScript
    wires : pennylane.wires.Wires or None
        Wires of the device.

    Returns
    -------
    UnsupportedError
        The same error if it is about something else.
    """
    if not str(error).endswith(_ENGINES_WAY):
        return error
    for circuit in circuits:
        measures = _measures(circuit)
        if circuit.shots or len(measures) <= ENUMERATED_MEASUREMENTS:
            continue
        way = "Give the QNode shots with qml.set_shots"
        missing = [wire for wire in _storage(circuit) if wires and wire not in wires]
        if any(measure.postselect is not None for measure in measures):
            pass  # deferred measurements are not postselected here
        elif any(wires and len(found.wires) == len(wires) for found in circuit.measurements):
            way += (
                ", or measure some of the device's wires only, by name: then the measurements are "
                "deferred onto the others"
            )
        elif missing:
            way += (
                f", or the device {len(missing)} more wires, {_listed(missing)}: then the "
                "measurements are deferred, and no histories are run"
            )
        else:
            way += ', or choose mcm_method="deferred"'
        return UnsupportedError(f"{str(error).removesuffix(_ENGINES_WAY)}. {way}.")
    return error


@transform  # type: ignore[untyped-decorator]  # PennyLane is not typed
def name_wires(tape: Any) -> tuple[tuple[Any], Any]:
    """Give measurements of all wires those of the circuit, before outcomes add theirs.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript
        On a device without wires.

    Returns
    -------
    tuple of the circuit, and the post-processing of one result
    """
    if not any(map(_of_all_wires, tape.measurements)):
        return (tape,), _first
    labels = tape.wires.labels
    # As PennyLane orders the states of its own simulators.
    if set(labels) == set(range(len(labels))):
        labels = tuple(range(len(labels)))
    measurements = [_on(labels, measurement) for measurement in tape.measurements]
    return (tape.copy(measurements=measurements),), _first


def _on(labels: tuple[Any, ...], measurement: Any) -> Any:
    if not _of_all_wires(measurement):
        return measurement
    if isinstance(measurement, CountsMP):
        return CountsMP(wires=Wires(labels), all_outcomes=measurement.all_outcomes)
    return type(measurement)(wires=Wires(labels))


def _of_all_wires(measurement: Any) -> bool:
    return (
        isinstance(measurement, CountsMP | ProbabilityMP | SampleMP)
        and measurement.obs is None
        and measurement.mv is None
        and not measurement.wires
    ) or type(measurement) is StateMP


def _default(circuit: Any, wires: Any, *, differentiated: bool) -> str:
    """Follow histories with shots, or exactly where they are few; else defer if it can be done."""
    if circuit is None or circuit.shots:
        return "device"
    measures = _measures(circuit)
    if len(measures) <= (0 if differentiated else ENUMERATED_MEASUREMENTS):
        return "device"
    if any(measure.postselect is not None for measure in measures):
        return "device"
    try:
        require_room(circuit, wires)
    except (WireError, DeviceError):
        return "device"
    return "deferred"


def _measures(circuit: Any) -> list[Any]:
    operations = circuit.operations
    if not any_of(operations, MidMeasure):
        return []
    return [operator for operator in operations if isinstance(operator, MidMeasure)]


def _storage(circuit: Any) -> list[int]:
    """Labels that PennyLane gives to outcomes whose wires are used again."""
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
    start = max((wire for wire in circuit.wires if isinstance(wire, int)), default=-1) + 1
    return [start + number for number in range(sum(wire in used_again for wire in measured))]


def _counted(outcomes: int) -> str:
    return "1 outcome" if outcomes == 1 else f"{outcomes} outcomes"


def _listed(labels: Sequence[int]) -> str:
    texts = [str(label) for label in labels]
    return ", ".join(texts if len(texts) <= 4 else [*texts[:2], "…", texts[-1]])


def _first(results: Any) -> Any:
    return results[0]
