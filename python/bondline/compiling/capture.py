"""From a QNode and its arguments to a circuit whose numbers follow from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pennylane as qml
from pennylane.measurements import MeasurementProcess
from pennylane.pytrees import flatten
from pennylane.queuing import AnnotatedQueue
from pennylane.tape import QuantumScript

from bondline.circuits.lowered import Lowered
from bondline.circuits.lowering import is_of
from bondline.circuits.numbering import Trained
from bondline.circuits.program import Program, Register, program_of
from bondline.circuits.rows import parameter_rows
from bondline.compiling.arguments import Arguments, detached, is_tracer, joined, plain
from bondline.compiling.elementary import Real
from bondline.compiling.formula import Formula, Recorder
from bondline.compiling.functions import FUNCTIONS
from bondline.compiling.traced import Traced, Untraceable, traced_of
from bondline.devices.mps import BondlineMPS
from bondline.errors import InputError
from bondline.measurements.seeds import Seeds
from bondline.operators.gate_set import PREPARATIONS, describe
from bondline.operators.preparations import starts_with_preparation


class NotCaptured(Exception):
    """A QNode does something that is not recorded; the message is a clause that says what."""


class OtherCircuit(NotCaptured):
    """What was recorded is not the circuit that it was to be like; of other numbers it may be."""


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
    if len(qnode.compile_pipeline):
        raise NotCaptured("transforms of the QNode may use its numbers")
    recorder, args, kwargs = _stand_ins(arguments)
    tape, output = _recorded(qnode, args, kwargs, recorder)
    numbers = concrete(arguments)
    args, kwargs = arguments.with_numbers(numbers)
    config = qml.workflow.construct_execution_config(qnode, resolve=True)(*args, **kwargs)
    native = _native(device, config, tape, recorder)
    inputs_now = joined(list(map(plain, numbers)))
    try:
        lowered, formula = _lowered(device, config, native, recorder, inputs_now)
    except Untraceable as error:
        raise NotCaptured(recorder.reason or str(error)) from error
    return _captured(device, arguments, lowered, formula, config, output)


def capture_like(
    make: Callable[..., QuantumScript], arguments: Arguments, known: Lowered, device: BondlineMPS
) -> Captured:
    """Record how a circuit depends on its arguments, whose circuit PennyLane has made already.

    Parameters
    ----------
    make : callable
        Returns the circuit of some arguments, on ``device``.
    arguments : Arguments
    known : Lowered
        The circuit of these arguments; what is recorded must have its structure.
    device : BondlineMPS

    Returns
    -------
    Captured

    Raises
    ------
    OtherCircuit
        If it is another circuit.
    NotCaptured
        If it cannot be recorded.

    Notes
    -----
    PennyLane's operators are made once, for the circuit that is recorded.
    """
    recorder, args, kwargs = _stand_ins(arguments)
    try:
        tape = make(*args, **kwargs)
    except Exception as error:
        raise NotCaptured(recorder.reason or _said(error)) from error
    _require_recorded(recorder)
    (own,), (circuit,), (group,) = known.tapes, known.circuits, known.groups
    config = device.setup_execution_config(circuit=own)
    native = _native(device, config, tape, recorder)
    try:
        program = _program(device, native, circuit.wires, recorder)
        if not is_of(program, group) or not _loads_alike(program, own):
            raise OtherCircuit("its circuit differs from the recorded one")
        register = Register(circuit.wires)
        # Constants are those of the recorded call; the known circuit is there to compare with.
        given = [0.0 if traced_of(number) is not None else number for number in program.parameters]
        constants, _ = parameter_rows(0, native, register, given)
        lowered, formula = _followed(known, program, constants, recorder)
    except (Untraceable, InputError) as error:
        raise NotCaptured(recorder.reason or str(error)) from error
    return _captured(device, arguments, lowered, formula, config, None)


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


def _shapes(arguments: Arguments) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(np.shape(number)) for number in arguments.numbers())


def _stand_ins(arguments: Arguments) -> tuple[Recorder, Any, Any]:
    """Return the arguments with numbers that record what is done to them."""
    if qml.capture.enabled():
        raise NotCaptured("PennyLane captures programs itself")
    ends = np.cumsum([0, *map(math.prod, _shapes(arguments))]).tolist()
    recorder = Recorder(ends[-1], FUNCTIONS)
    traced = [
        Traced(recorder, np.arange(start, end).reshape(shape))
        for (start, end), shape in zip(pairwise(ends), _shapes(arguments), strict=True)
    ]
    return recorder, *arguments.with_numbers(traced)


def _captured(
    device: BondlineMPS,
    arguments: Arguments,
    lowered: Lowered,
    formula: Formula,
    config: Any,
    output: Any,
) -> Captured:
    """Find out which arguments the circuit depends on."""
    shapes = _shapes(arguments)
    ends = np.cumsum([0, *map(math.prod, shapes)]).tolist()
    inputs = np.zeros(ends[-1], dtype=np.bool_)
    inputs[_inputs_of(formula)] = True
    reaches = tuple(bool(inputs[start:end].any()) for start, end in pairwise(ends))
    return Captured(device, formula, lowered, config, output, shapes, reaches)


def _recorded(qnode: Any, args: Any, kwargs: Any, recorder: Recorder) -> tuple[QuantumScript, Any]:
    """Run the quantum function of a QNode with arguments that record."""
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
    program = _program(device, tape, circuit.wires, recorder)
    return _followed(lowered, program, group.parameters, recorder)


def _program(device: BondlineMPS, tape: Any, wires: Any, recorder: Recorder) -> Program:
    """Walk over a recorded circuit."""
    brings = starts_with_preparation(tape.operations)
    has_initial = device.initial_state is not None and not brings
    program = program_of(tape, Register(wires), initial=has_initial)
    _require_recorded(recorder)
    for operator in program.preparations:
        if _is_recorded(operator):
            raise NotCaptured(f"{describe(operator)} is made of an argument")
    return program


def _followed(
    lowered: Lowered, program: Program, constants: Real, recorder: Recorder
) -> tuple[Lowered, Formula]:
    """Return how the parameters of a program follow; those that are constant are given, in rows."""
    results = np.empty(constants.shape, dtype=np.intp)
    fixed = []
    for place, number in enumerate(program.parameters):
        traced = traced_of(number)
        if traced is None:
            fixed.append(place)
        else:
            results[:, place] = traced.registers
    results[:, fixed] = recorder.constants(constants[:, fixed])
    formula = recorder.formula(results)
    slots = np.flatnonzero(formula.varies.any(axis=0))
    trained = Trained(len(slots), np.arange(len(slots)), slots, ())
    circuit = replace(lowered.circuits[0], trained=trained)
    return Lowered(lowered.tapes, (circuit,), lowered.groups), formula


def _loads_alike(program: Program, tape: Any) -> bool:
    """Whether a program starts from the state that a circuit starts from."""
    if not program.preparations:
        return True
    others = [operator for operator in tape.operations if isinstance(operator, PREPARATIONS)]
    return len(program.preparations) == len(others) and all(
        one.wires == other.wires and all(map(np.array_equal, one.data, other.data))
        for one, other in zip(program.preparations, others, strict=True)
    )


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
