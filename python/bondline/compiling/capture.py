"""From a QNode and its arguments to a circuit whose numbers follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pennylane as qml
from pennylane.measurements import MeasurementProcess
from pennylane.pytrees import flatten
from pennylane.queuing import AnnotatedQueue
from pennylane.tape import QuantumScript

from bondline.circuits.lowered import Lowered
from bondline.circuits.numbering import Trained
from bondline.circuits.program import Register, program_of
from bondline.compiling.arguments import Arguments, detached, is_tracer, joined, plain
from bondline.compiling.elementary import Real
from bondline.compiling.formula import Formula, Recorder
from bondline.compiling.functions import FUNCTIONS
from bondline.compiling.traced import Traced, Untraceable, traced_of
from bondline.devices.mps import BondlineMPS
from bondline.measurements.seeds import Seeds
from bondline.operators.gate_set import describe
from bondline.operators.preparations import starts_with_preparation


class NotCaptured(Exception):
    """A QNode does something that is not recorded; the message is a clause that says what."""


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """A circuit whose numbers follow from the arguments of a QNode.

    Attributes
    ----------
    device : BondlineMPS
        That it was captured for.
    formula : Formula
        From the arguments to the parameters of the engine, shape (rows, parameters).
    lowered : Lowered
        One circuit, with the parameters of the call that it was captured in.
    config : pennylane.devices.ExecutionConfig
        As PennyLane resolves it for this QNode.
    structure : object
        Of what the quantum function returns.
    shapes : tuple of tuple of int
        Of the numbers among the arguments.
    reaches : tuple of bool
        Which of these the circuit depends on.
    framework : str
        Of the constants in the circuit, where that decides the results.
    """

    device: BondlineMPS
    formula: Formula
    lowered: Lowered
    config: Any
    structure: Any
    shapes: tuple[tuple[int, ...], ...]
    reaches: tuple[bool, ...]
    framework: str = "numpy"

    @property
    def differentiable(self) -> bool:
        """Whether the device differentiates the circuit."""
        return bool(self.config.gradient_method == "adjoint")


def capture(qnode: Any, device: BondlineMPS, arguments: Arguments) -> Captured:
    """Record how the circuit of a QNode depends on its arguments.

    Parameters
    ----------
    qnode : pennylane.QNode
    device : BondlineMPS
    arguments : Arguments

    Returns
    -------
    Captured

    Raises
    ------
    NotCaptured
        If that cannot be recorded.
    """
    if qml.capture.enabled():
        raise NotCaptured("PennyLane captures programs itself")
    if len(qnode.compile_pipeline):
        raise NotCaptured("transforms of the QNode may use its numbers")
    shapes = tuple(tuple(np.shape(number)) for number in arguments.numbers())
    sizes = [int(np.prod(shape, dtype=int)) for shape in shapes]
    recorder = Recorder(sum(sizes), FUNCTIONS)
    tape, output = _recorded(qnode, arguments, recorder, shapes, sizes)
    numbers = concrete(arguments)
    args, kwargs = arguments.with_numbers(numbers)
    config = qml.workflow.construct_execution_config(qnode, resolve=True)(*args, **kwargs)
    native = _native(device, config, tape, recorder)
    inputs_now = joined(list(map(plain, numbers)))
    try:
        lowered, formula = _lowered(device, config, native, recorder, inputs_now)
    except Untraceable as error:
        raise NotCaptured(recorder.reason or str(error)) from error
    inputs = np.zeros(sum(sizes), dtype=np.bool_)
    inputs[_inputs_of(formula)] = True
    ends = np.cumsum(sizes)
    reaches = tuple(
        bool(inputs[end - size : end].any()) for end, size in zip(ends, sizes, strict=True)
    )
    return Captured(device, formula, lowered, config, output, shapes, reaches)


def concrete(arguments: Arguments) -> list[Any]:
    """Return the numbers of a call, out of any derivative; drawn ones where JAX has none.

    Parameters
    ----------
    arguments : Arguments

    Returns
    -------
    list of float or ndarray
    """
    draw = np.random.default_rng(0)
    return [
        draw.uniform(0.1, 0.9, np.shape(number)) if is_tracer(number) else detached(number)
        for number in arguments.numbers()
    ]


def _recorded(
    qnode: Any,
    arguments: Arguments,
    recorder: Recorder,
    shapes: Sequence[tuple[int, ...]],
    sizes: Sequence[int],
) -> tuple[QuantumScript, Any]:
    """Run the quantum function with arguments that record what is done to them."""
    ends = np.cumsum(sizes)
    traced = [
        Traced(recorder, np.arange(end - size, end).reshape(shape))
        for end, size, shape in zip(ends, sizes, shapes, strict=True)
    ]
    args, kwargs = arguments.with_numbers(traced)
    try:
        with AnnotatedQueue() as queue:
            output = qnode.func(*args, **kwargs)
        tape = QuantumScript.from_queue(queue, qnode.shots)
    except Exception as error:
        raise NotCaptured(recorder.reason or _said(error)) from error
    _require_recorded(recorder)
    leaves, structure = flatten(output, is_leaf=_is_measurement)
    same = len(leaves) == len(tape.measurements) and all(
        leaf is measurement for leaf, measurement in zip(leaves, tape.measurements, strict=True)
    )
    if not same:
        raise NotCaptured("it does not return its measurements, in their order")
    return tape, structure


def _native(device: BondlineMPS, config: Any, tape: Any, recorder: Recorder) -> Any:
    """Bring a recorded circuit to native gates."""
    if any(isinstance(operator, qml.ops.MidMeasure) for operator in tape.operations):
        raise NotCaptured("it measures in the middle of the circuit")
    plain_config = replace(config, gradient_method=None)
    try:
        tapes, _ = device.preprocess_transforms(plain_config)([tape])
    except Exception as error:
        raise NotCaptured(recorder.reason or _said(error)) from error
    _require_recorded(recorder)
    if len(tapes) != 1 or any(isinstance(op, qml.ops.MidMeasure) for op in tapes[0].operations):
        raise NotCaptured("it needs several circuits or measurements in the middle of one")
    for measurement in tapes[0].measurements:
        observable = measurement.obs
        if observable is not None and _is_recorded(observable):
            raise NotCaptured(f"numbers of {type(observable).__name__} depend on an argument")
    return tapes[0]


def _lowered(
    device: BondlineMPS, config: Any, tape: Any, recorder: Recorder, inputs: Real
) -> tuple[Lowered, Formula]:
    """Lower a circuit with its numbers, and find out how they follow from the inputs."""
    pool = recorder.formula(np.arange(recorder.count)).pool(inputs)
    operations = [_with_numbers(operator, pool) for operator in tape.operations]
    numbered = QuantumScript(operations, tape.measurements, shots=tape.shots)
    seed = Seeds(0).next_call() if tape.shots else None
    lowered = device.lowered([numbered], config, seed=seed)
    (circuit,), (group,) = lowered.circuits, lowered.groups
    brings = starts_with_preparation(operations)
    has_initial = device.initial_state is not None and not brings
    program = program_of(tape, Register(circuit.wires), initial=has_initial)
    _require_recorded(recorder)
    for operator in program.preparations:
        if _is_recorded(operator):
            raise NotCaptured(f"{describe(operator)} is made of an argument")
    rows = len(group.parameters)
    columns = []
    for number, column in zip(program.parameters, group.parameters.T, strict=True):
        traced = traced_of(number)
        registers = recorder.constants(column) if traced is None else traced.registers
        columns.append(np.broadcast_to(registers, (rows,)))
    results = np.stack(columns, axis=1) if columns else np.empty((rows, 0), dtype=np.intp)
    formula = recorder.formula(results)
    slots = np.flatnonzero(formula.varies.any(axis=0))
    trained = Trained(len(slots), np.arange(len(slots)), slots, ())
    circuit = replace(circuit, trained=trained)
    return Lowered(lowered.tapes, (circuit,), (group,)), formula


def _with_numbers(operator: Any, pool: Real) -> Any:
    if not _is_recorded(operator):
        return operator
    traced = map(traced_of, operator.data)
    found = [
        number if own is None else pool[own.registers]
        for number, own in zip(operator.data, traced, strict=True)
    ]
    return qml.ops.functions.bind_new_parameters(operator, found)


def _is_recorded(operator: Any) -> bool:
    """Whether any number of an operator depends on the arguments."""
    return any(traced_of(number) is not None for number in operator.data)


def _inputs_of(formula: Formula) -> Any:
    """Return the inputs that some numbers depend on."""
    read = [formula.results.ravel(), *(part for step in formula.steps for part in step.operands)]
    registers = np.concatenate(read)
    return registers[registers < formula.inputs]


def _require_recorded(recorder: Recorder) -> None:
    if recorder.reason is not None:
        raise NotCaptured(recorder.reason)


def _said(error: Exception) -> str:
    text = str(error).splitlines()
    return f"it raises {type(error).__name__}" + (f" ({text[0][:120]})" if text else "")


def _is_measurement(value: Any) -> bool:
    return isinstance(value, MeasurementProcess)
