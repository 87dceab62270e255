"""Rules of parameter shifts where PennyLane's is wrong or missing: refused, or given."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pennylane as qml
from pennylane import transform
from pennylane.gradients import generate_shift_rule, hadamard_grad, param_shift
from pennylane.measurements import PurityMP
from pennylane.operation import ParameterFrequenciesUndefinedError
from pennylane.ops import Conditional, MidMeasure

from bondline.devices.derivatives import differentiated
from bondline.errors import UnsupportedError
from bondline.operators.plain import any_of, is_plain

_SHIFTS = ("best", "parameter-shift", param_shift)
_LINEAR_RULES = (*_SHIFTS, "hadamard", hadamard_grad)


def rule_of(circuit: Any, method: Any) -> Any:
    """Return the rule by which a circuit is differentiated, if that comes to pass.

    Parameters
    ----------
    circuit : pennylane.tape.QuantumScript or None
    method : object
        How PennyLane is asked to differentiate: a name, or the transform that does it.

    Returns
    -------
    object
        The same method, but where PennyLane would apply a rule for values that are linear in the
        state to others: to a purity, which is quadratic in it, and behind a postselection whose
        probability depends on what is differentiated, which divides by it. The derivative would be
        wrong. And for gates under conditions shifts in the place of finite differences.

    Examples
    --------
    >>> rule_of(qml.tape.QuantumScript([], [qml.expval(qml.Z(0))]), "parameter-shift")
    'parameter-shift'
    """
    if circuit is None or method not in _LINEAR_RULES:
        return method
    if any(isinstance(found, PurityMP) for found in circuit.measurements):
        return no_rule_for_purity
    if is_plain(circuit.operations):
        return method
    if _selects_by_angles(circuit.operations):
        return no_rule_for_postselection
    if method in _SHIFTS and any_of(circuit.operations, Conditional):
        return shifts_under_conditions
    return method


def _selects_by_angles(operations: Sequence[Any]) -> bool:
    """Whether what is differentiated comes before a measurement that is postselected."""
    if not any_of(operations, MidMeasure):
        return False
    moves = False
    for operator in operations:
        if type(operator) is MidMeasure:
            if moves and operator.postselect is not None:
                return True
        else:
            moves = moves or any(differentiated(number, compiled=True) for number in operator.data)
    return False


@transform  # type: ignore[untyped-decorator]  # PennyLane is not typed
def no_rule_for_purity(tape: Any, **_: Any) -> Any:
    """Refuse to differentiate; it stands where PennyLane looks for the rule.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript

    Raises
    ------
    UnsupportedError
    """
    raise UnsupportedError(
        "qml.purity has no derivative by the parameter-shift rule, which holds for values that are "
        'linear in the state. Give the QNode diff_method="finite-diff".'
    )


@transform  # type: ignore[untyped-decorator]
def no_rule_for_postselection(tape: Any, **_: Any) -> Any:
    """Refuse to differentiate; it stands where PennyLane looks for the rule.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript

    Raises
    ------
    UnsupportedError
    """
    raise UnsupportedError(
        "A value behind a postselection has no derivative by the parameter-shift rule where the "
        "probability of the outcome depends on a parameter: the value is divided by it. Return "
        "qml.probs of the measured wire together with the others, without postselect, and divide "
        'yourself; or, without shots, give the QNode diff_method="finite-diff".'
    )


def _expand(tape: Any, **keywords: Any) -> Any:
    """Take gates under conditions apart into such as have shifts, and the others as PennyLane."""
    operations: list[Any] = []
    for operator in tape.operations:
        if type(operator) is Conditional and any(map(qml.math.requires_grad, operator.data)):
            operations += [Conditional(operator.meas_val, base) for base in _parts(operator.base)]
        else:
            operations.append(operator)
    if len(operations) != len(tape.operations):
        tape = tape.copy(operations=operations)
    return param_shift.expand_transform(tape, **keywords)


def _parts(base: Any) -> list[Any]:
    # Differences of a template would be taken of all entries of an array at once.
    if not base.data or getattr(base, "grad_method", None) == "A" or not base.has_decomposition:
        return [base]
    return [part for own in base.decomposition() for part in _parts(own)]


@partial(transform, expand_transform=_expand)
def shifts_under_conditions(tape: Any, **keywords: Any) -> Any:
    """Apply PennyLane's rule of parameter shifts, to gates under conditions, too.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript
    **keywords
        Those of PennyLane's rule.

    Returns
    -------
    tuple of circuits, and their post-processing

    Notes
    -----
    The state after a gate under a condition is a sum over outcomes, of which some have the gate and
    the others do not depend on its angle. So an expectation value has the frequencies that the
    gate alone gives it, and the same shifts are exact. PennyLane knows no frequencies of such
    gates, and would take finite differences, which with shots are noise.
    """
    operations = [
        _with_recipe(operator) if type(operator) is Conditional and operator.data else operator
        for operator in tape.operations
    ]
    known = tape.copy(operations=operations)
    known.trainable_params = tape.trainable_params
    return param_shift.tape_transform(known, **keywords)


def _with_recipe(operator: Any) -> Any:
    try:
        frequencies = operator.base.parameter_frequencies
    except (AttributeError, ParameterFrequenciesUndefinedError):
        return operator
    found = Conditional(operator.meas_val, operator.base)
    # df/dx = sum_j c_j f(x + s_j), as PennyLane writes it: (c, 1, s)
    found.grad_recipe = [
        [[float(weight), 1.0, float(shift)] for weight, shift in generate_shift_rule(own)]
        for own in frequencies
    ]
    return found
