"""Which circuits the device differentiates, why not the others, and what that costs."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pennylane as qml
from pennylane.measurements import (
    DensityMatrixMP,
    ExpectationMP,
    MutualInfoMP,
    ProbabilityMP,
    PurityMP,
    StateMP,
    VarianceMP,
    VnEntropyMP,
)

from bondline.devices import mid_circuit
from bondline.devices.derivatives import differentiated
from bondline.devices.on_execution import comes_with_values, number_of_values
from bondline.errors import ParameterShiftWarning
from bondline.measurements.matrices import DENSITY_WIRES
from bondline.operators import gate_set
from bondline.operators.plain import is_plain
from bondline.reports.warnings_once import GivenOnce, user_stacklevel

METHODS: Final = ("best", "device", "adjoint")
"""Names of ``diff_method`` that ask for derivatives of the device."""

PROBABILITY_WIRES: Final = DENSITY_WIRES
"""Most wires of probabilities that the device differentiates: each outcome is a value."""

SHIFTED_CIRCUITS: Final = 50
"""Circuits for one gradient by parameter-shift that are worth a warning if there are more."""

_MEASURED: Final = frozenset({ExpectationMP, VarianceMP, ProbabilityMP})
_NAMES: Final = {
    StateMP: "qml.state",
    DensityMatrixMP: "qml.density_matrix",
    PurityMP: "qml.purity",
    VnEntropyMP: "qml.vn_entropy",
    MutualInfoMP: "qml.mutual_info",
}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What keeps the device from differentiating a circuit.

    Attributes
    ----------
    reason : str
        A clause that begins with its subject.
    way : str
        A sentence: what to do instead.
    shifts : bool
        Whether the parameter-shift rule differentiates the circuit all the same, at a cost that
        its owner may not expect.
    """

    reason: str
    way: str
    shifts: bool = False


def obstacle(
    circuit: Any, config: Any = None, wires: Any = None, *, setting: str = "adjoint"
) -> Obstacle | None:
    """Find what keeps the device from differentiating a circuit.

    Parameters
    ----------
    circuit : pennylane.tape.QuantumScript or None
        As the user made it, or native; None asks for circuits in general.
    config : pennylane.devices.ExecutionConfig, optional
    wires : pennylane.wires.Wires, optional
        Wires of the device.
    setting : str, default "adjoint"
        The setting ``gradient`` of the device.

    Returns
    -------
    Obstacle or None
        None if there is none.

    Notes
    -----
    A look at every operator and measurement, 0.1 µs each; nothing is decomposed.

    Examples
    --------
    >>> obstacle(qml.tape.QuantumScript([], [qml.vn_entropy(wires=0)])).reason
    'qml.vn_entropy has no derivative on the device'
    """
    if setting == "parameter-shift":
        return Obstacle(
            'the device was made with gradient="parameter-shift"',
            'Make it with gradient="adjoint", the default.',
        )
    if config is not None and config.derivative_order > 1:
        return Obstacle(
            "max_diff is larger than 1, and the device has first derivatives only",
            'Use diff_method="parameter-shift" for second ones.',
        )
    if circuit is None:
        return None
    if circuit.shots:
        return Obstacle(
            "derivatives of the device are exact, and the circuit has shots",
            'Use diff_method="parameter-shift", which "best" chooses, or no shots.',
        )
    return _measurements(circuit, wires) or _operators(circuit, config, wires)


def _measurements(circuit: Any, wires: Any) -> Obstacle | None:
    for measurement in circuit.measurements:
        kind = type(measurement)
        if kind not in _MEASURED:
            name = _NAMES.get(kind, f"{measurement!r}")
            return Obstacle(
                f"{name} has no derivative on the device",
                'Return expval, var or probs, or use diff_method="finite-diff" for a number.',
            )
        if kind is ProbabilityMP:
            count = len(measurement.wires) or len(wires or circuit.wires)
            if count > PROBABILITY_WIRES:
                return Obstacle(
                    f"qml.probs on {count} wires has 2^{count} values to differentiate, and the "
                    f"device differentiates those of at most {PROBABILITY_WIRES} wires",
                    "Ask for fewer wires, or for the expval of a function of them.",
                    shifts=True,
                )
    return None


def _operators(circuit: Any, config: Any, wires: Any) -> Obstacle | None:
    if is_plain(circuit.operations):
        return None
    measured = False
    for operator in circuit.operations:
        kind = type(operator)
        if kind in gate_set.GATES:
            continue
        if kind is qml.ops.MidMeasure:
            measured = True
        elif operator.data and _is_trained_matrix(operator):
            return Obstacle(
                f"{gate_set.describe(operator)} is a matrix, and the device differentiates by "
                "angles",
                "Build it from gates, for example with qml.PauliRot or qml.ArbitraryUnitary.",
                shifts=True,
            )
    return _mid_circuit(circuit, config, wires) if measured else None


def _is_trained_matrix(operator: Any) -> bool:
    if type(operator) is qml.ops.Conditional:
        operator = operator.base
    base = gate_set.base_of(operator)[0]
    return (
        type(base) not in gate_set.GATES
        and gate_set.is_matrix_gate(base)
        and any(differentiated(array, compiled=True) for array in operator.data)
    )


def _mid_circuit(circuit: Any, config: Any, wires: Any) -> Obstacle | None:
    named = config is not None and config.gradient_method in ("device", "adjoint")
    if mid_circuit.method_of(config, circuit, wires, differentiated=named) == "deferred":
        return None
    return Obstacle(
        "mid-circuit measurements have no derivative on the device",
        'Use mcm_method="deferred", which has one if the device has wires for the outcomes.',
        shifts=True,
    )


def differentiated_by_device(
    config: Any, circuit: Any = None, wires: Any = None, *, watched: bool = False
) -> dict[str, Any]:
    """Return what a configuration must say for PennyLane to ask the device for derivatives.

    Parameters
    ----------
    config : pennylane.devices.ExecutionConfig
    circuit : pennylane.tape.QuantumScript, optional
        As the user made it.
    wires : pennylane.wires.Wires, optional
        Wires of the device.
    watched : bool, default False
        Whether snapshots are being taken, which a run for derivatives has not.

    Returns
    -------
    dict from field to value
        The fields that change; choices that were made stay.

    Examples
    --------
    >>> from pennylane.devices import ExecutionConfig
    >>> differentiated_by_device(ExecutionConfig(gradient_method="adjoint"))["grad_on_execution"]
    False
    """
    changes: dict[str, Any] = {}
    if config.gradient_method != "adjoint":
        changes["gradient_method"] = "adjoint"
    if config.use_device_gradient is None:
        changes["use_device_gradient"] = True
    if config.use_device_jacobian_product is None:
        # The Jacobian of one value is its gradient, which may come with it.
        several = circuit is None or number_of_values(circuit, wires) > 1
        changes["use_device_jacobian_product"] = several
    if config.grad_on_execution is None:
        together = not watched and comes_with_values(circuit, config.interface, wires)
        changes["grad_on_execution"] = together
    return changes


def refusal(found: Obstacle, method: str) -> str:
    """Write why a circuit is not differentiated in the way that was asked for.

    Parameters
    ----------
    found : Obstacle
    method : str
        The ``diff_method``.

    Returns
    -------
    str

    Examples
    --------
    >>> refusal(Obstacle("max_diff is 2", "Use it."), "adjoint")
    'bondline.mps does not offer diff_method="adjoint" here: max_diff is 2. Use it.'
    """
    return f'bondline.mps does not offer diff_method="{method}" here: {found.reason}. {found.way}'


def warn_of_shifts(found: Obstacle, circuit: Any, given: GivenOnce) -> None:
    """Warn once per structure if a gradient by parameter-shift takes many circuits.

    Parameters
    ----------
    found : Obstacle
    circuit : pennylane.tape.QuantumScript
        As the user made it.
    given : GivenOnce
        The warnings that the device has given.
    """
    if not found.shifts:
        return
    count = shifted_circuits(circuit)
    if count <= SHIFTED_CIRCUITS:
        return
    structure = tuple((type(found), found.wires) for found in circuit)
    if given.first((ParameterShiftWarning, found, structure)):
        warnings.warn(
            f"A gradient of this QNode takes about {count} circuits by the parameter-shift rule, "
            f'because {found.reason}. {found.way} With diff_method="parameter-shift" there is no '
            "warning.",
            ParameterShiftWarning,
            stacklevel=user_stacklevel(),
        )


def shifted_circuits(circuit: Any) -> int:
    """Return how many circuits a gradient by parameter-shift takes: two for each number.

    Parameters
    ----------
    circuit : pennylane.tape.QuantumScript

    Returns
    -------
    int
        0 if nothing is differentiated. More for gates with several frequencies.

    Examples
    --------
    >>> shifted_circuits(qml.tape.QuantumScript([qml.RX(0.1, 0)]))
    0
    """
    count = 0
    for operator in circuit.operations:
        for number in operator.data:
            if differentiated(number):
                count += int(np.prod(qml.math.shape(number), dtype=int)) // (
                    operator.batch_size or 1
                )
    return 2 * count
