"""From any circuit to one that lowering accepts: PennyLane's transforms and a few refusals."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import pennylane as qml
from pennylane.allocation import Allocate, Deallocate
from pennylane.devices.preprocess import (
    decompose,
    device_resolve_dynamic_wires,
    validate_device_wires,
)
from pennylane.exceptions import AllocationError, DeviceError
from pennylane.transforms import defer_measurements

from bondline.devices.mid_circuit import name_wires, require_room
from bondline.devices.trainable import (
    amplitudes_apart,
    expanded,
    loads_constants,
    with_amplitude_angles,
    with_angles,
)
from bondline.measurements.observables import require_offered
from bondline.measurements.sampling import require_sampled
from bondline.operators import gate_set
from bondline.operators.plain import any_of, has_plain_numbers, is_plain, labels_of
from bondline.operators.preparations import loadable

NAME: Final = "bondline.mps"

_ALLOCATIONS: Final = (Allocate, Deallocate)


def pipeline(wires: Any, config: Any = None, *, initial: bool = False) -> Any:
    """Return the transforms that a circuit goes through before it is lowered.

    Parameters
    ----------
    wires : pennylane.wires.Wires or None
        Wires of the device.
    config : pennylane.devices.ExecutionConfig, optional
        Says how mid-circuit measurements are handled; without it, by the device.
    initial : bool, default False
        Whether circuits start from a state of the device unless they bring their own.

    Returns
    -------
    pennylane.CompilePipeline
        Batches of parameters are kept: the engine runs them as rows. With the gradient method
        "adjoint", they are taken apart where a batched parameter may be differentiated.

    Examples
    --------
    >>> tape = qml.tape.QuantumScript([qml.QFT([0, 1, 2])], [qml.expval(qml.Z(2))])
    >>> (ready,), _ = pipeline(None)([tape])
    >>> {operator.name for operator in ready.operations} <= gate_set.NAMES
    True
    """
    measuring = None if config is None else config.mcm_config
    deferred = measuring is not None and measuring.mcm_method == "deferred"
    padded = measuring is not None and measuring.postselect_mode == "pad-invalid-samples"
    adjoint = config is not None and config.gradient_method == "adjoint"
    # PennyLane adds its own transforms to what it is given.
    return qml.CompilePipeline(_pipeline(wires, deferred, padded, adjoint, initial))


@lru_cache(maxsize=64)
def _pipeline(wires: Any, deferred: bool, padded: bool, adjoint: bool, initial: bool) -> Any:
    program = qml.CompilePipeline()
    program.add_transform(refuse_early, wires=wires, deferred=deferred, padded=padded)
    if deferred:
        program.add_transform(name_wires)
        program.add_transform(defer_measurements, allow_postselect=False)
    if adjoint:
        program.add_transform(make_differentiable, initial=initial)
    else:
        program.add_transform(make_native, initial=initial)
    program.add_transform(settle_wires, wires=wires, allow_resets=not deferred)
    return program


@qml.transform  # type: ignore[untyped-decorator]  # PennyLane is not typed
def refuse_early(
    tape: Any, *, wires: Any = None, deferred: bool = False, padded: bool = False
) -> tuple[tuple[Any], Any]:
    """Refuse measurements that this device does not offer, before any work.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript
    wires : pennylane.wires.Wires, optional
        Wires of the device.
    deferred : bool, default False
        Whether mid-circuit measurements are deferred.
    padded : bool, default False
        Whether shots that postselection drops are to be marked instead.

    Returns
    -------
    tuple of the unchanged circuit, and the identity as post-processing

    Raises
    ------
    pennylane.exceptions.DeviceError, pennylane.exceptions.WireError
    """
    require = require_sampled if tape.shots else require_offered
    for measurement in tape.measurements:
        require(measurement)
    measuring = (deferred or padded) and any_of(tape.operations, qml.ops.MidMeasure)
    if measuring and any(
        isinstance(operator, qml.ops.MidMeasure) and operator.postselect is not None
        for operator in tape.operations
    ):
        if deferred:
            raise DeviceError(
                f"{NAME} does not postselect deferred measurements. "
                'Use mcm_method="device", which does.'
            )
        raise DeviceError(
            f'{NAME} does not offer postselect_mode="pad-invalid-samples", which PennyLane chooses '
            'for JAX. Use postselect_mode="fill-shots", or mcm_method="device" with '
            'postselect_mode="hw-like" outside of jax.jit.'
        )
    if deferred and measuring:
        require_room(tape, wires)
    return (tape,), _first


@qml.transform  # type: ignore[untyped-decorator]  # PennyLane is not typed
def make_native(tape: Any, *, initial: bool = False) -> Any:
    """Decompose what the engine does not run by itself.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript
    initial : bool, default False
        Whether the circuit starts from a state of the device unless it brings its own.

    Returns
    -------
    tuple of circuits, and their post-processing

    Raises
    ------
    pennylane.exceptions.DeviceError
        If an operator cannot run on this device.
    """
    if is_plain(tape.operations):
        return (tape,), _first
    return _decomposed(tape, loadable(tape.operations, initial=initial))


@qml.transform  # type: ignore[untyped-decorator]  # PennyLane is not typed
def make_differentiable(tape: Any, *, initial: bool = False) -> Any:
    """Decompose what the engine does not run by itself, or does not differentiate.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript
        With the numbers of its framework, in which it is differentiated.
    initial : bool, default False
        Whether the circuit starts from a state of the device unless it brings its own.

    Returns
    -------
    tuple of circuits, and their post-processing

    Raises
    ------
    pennylane.exceptions.DeviceError
        If an operator cannot run on this device.
    pennylane.exceptions.QuantumFunctionError
        If a derivative by an array is taken that has none.
    """
    if is_plain(tape.operations):
        tape = with_angles(tape)
        if has_plain_numbers(tape.operations):
            return (tape,), _first
        return expanded(tape, bool(tape.trainable_params))
    rows = amplitudes_apart(tape)
    if rows is None:
        return _differentiable(tape, initial)
    circuits, join = rows
    # A circuit of one row has no batch, and stays one.
    return tuple(_differentiable(circuit, initial)[0][0] for circuit in circuits), join


def _differentiable(tape: Any, initial: bool) -> Any:
    # Decomposition counts every number as trainable.
    trainable = bool(tape.trainable_params)
    tape = with_amplitude_angles(tape, loadable(tape.operations, initial=initial))
    loaded = loadable(tape.operations, initial=initial)
    kept = [operator for operator in loaded if loads_constants(operator)]
    (native,), _ = _decomposed(tape, kept)
    return expanded(with_angles(native), trainable)


def _decomposed(tape: Any, loaded: Sequence[Any]) -> Any:
    kept = {id(operator) for operator in loaded}

    def stops(operator: Any) -> bool:
        return gate_set.is_native(operator) or id(operator) in kept

    return decompose(
        tape,
        stopping_condition=stops if kept else gate_set.is_native,
        skip_initial_state_prep=False,
        decomposer=gate_set.decomposition,
        # Borrowed work wires would become long-range gates on a chain: offer none.
        num_work_wires=0,
        target_gates=set(gate_set.TARGETS),
        strict=False,
        name=NAME,
    )


@qml.transform  # type: ignore[untyped-decorator]  # PennyLane is not typed
def settle_wires(tape: Any, *, wires: Any = None, allow_resets: bool = True) -> Any:
    """Give wires to those that the circuit allocates, and to measurements of all wires.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript
    wires : pennylane.wires.Wires, optional
        Wires of the device.
    allow_resets : bool, default True
        Whether a wire may be reset and used again. That costs a measurement, so it is done only
        where the device has too few wires.

    Returns
    -------
    tuple of circuits, and their post-processing

    Raises
    ------
    pennylane.exceptions.AllocationError
        If there are not enough wires.
    pennylane.exceptions.WireError
        If the circuit has wires that the device does not have.

    Notes
    -----
    PennyLane's transforms do the same in 2 µs a gate; they are called where there is more to do, or
    something to refuse.
    """
    if is_plain(tape.operations):
        if wires and all(map(_names_wires, tape.measurements)) and _are_known(tape, wires):
            return (tape,), _first
    elif any_of(tape.operations, _ALLOCATIONS):
        (tape,), _ = _allocated(tape, wires, allow_resets=allow_resets)
    return validate_device_wires(tape, wires, name=NAME)


def _allocated(tape: Any, wires: Any, *, allow_resets: bool) -> Any:
    try:
        return device_resolve_dynamic_wires(tape, wires=wires, allow_resets=False)
    except AllocationError:
        if not allow_resets:
            raise
        return device_resolve_dynamic_wires(tape, wires=wires, allow_resets=True)


def _are_known(tape: Any, wires: Any) -> bool:
    try:
        used = labels_of(tape.operations)
        used.update(*(measurement.wires.labels for measurement in tape.measurements))
        return used <= _set_of(wires.labels)
    except TypeError:
        return False  # Labels that a framework traces cannot be looked up: PennyLane refuses them.


def _names_wires(measurement: Any) -> bool:
    return measurement.obs is not None or len(measurement.wires) > 0


@lru_cache(maxsize=16)
def _set_of(labels: tuple[Any, ...]) -> frozenset[Any]:
    return frozenset(labels)


def _first(results: Any) -> Any:
    return results[0]
