"""Circuits on their way to be differentiated: arrays that are no angles, and batches."""

from __future__ import annotations

from collections.abc import Sequence
from operator import is_not
from typing import Any, Final

import numpy as np
import pennylane as qml
from pennylane.exceptions import QuantumFunctionError
from pennylane.measurements import ExpectationMP, ProbabilityMP, VarianceMP

from bondline.devices.derivatives import differentiated
from bondline.measurements.matrices import hermitian_matrix
from bondline.measurements.pauli_sums import LEAF_WIRES, is_basis_projector
from bondline.operators import gate_set
from bondline.operators.amplitude_angles import constant, gates, has_zeros
from bondline.operators.plain import is_plain

_LEAVE_OUT: Final = (
    "leave it out of what is differentiated (pennylane.numpy: requires_grad=False; torch: detach; "
    "jax: argnums)."
)


_NAMES: Final = {ExpectationMP: "expval", VarianceMP: "var", ProbabilityMP: "probs"}


def loads_constants(operator: Any) -> bool:
    """Whether a preparation is loaded as it is: no derivative by its amplitudes is taken.

    Parameters
    ----------
    operator : pennylane.operation.Operator

    Returns
    -------
    bool
        False for amplitudes that must become gates, whose angles have derivatives.
    """
    if type(operator) is qml.MPSPrep:
        return True
    # A compiled function may be differentiated later; wide states are loaded all the same then.
    compiled = len(operator.wires) <= gate_set.LATE_STATE_WIRES
    return not any(differentiated(amplitudes, compiled=compiled) for amplitudes in operator.data)


def amplitudes_apart(tape: Any) -> Any:
    """Take a batch apart if amplitudes in it are differentiated: each row has gates of its own.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript

    Returns
    -------
    tuple of circuits, and their post-processing; or None
    """
    if not any(
        operator.batch_size is not None and not loads_constants(operator)
        for operator in tape.operations
        if type(operator) in gate_set.PREPARATIONS
    ):
        return None
    return qml.transforms.broadcast_expand(tape)


def with_amplitude_angles(tape: Any, loaded: Sequence[Any]) -> Any:
    """Write amplitudes that are differentiated as gates, where one of them is or may be zero.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript
    loaded : sequence of pennylane.operation.Operator
        Its preparations that act on |0…0>.

    Returns
    -------
    pennylane.tape.QuantumScript
        The same one if there is nothing to change. Without zeros PennyLane's decomposition serves.

    Raises
    ------
    pennylane.exceptions.QuantumFunctionError
        If there are too many amplitudes, or zeros that are not prepared from |0…0>.
    """
    first = set(map(id, loaded))
    operations: list[Any] = []
    changed = False
    for operator in tape.operations:
        # What gates of the table are, their type says.
        plain = type(operator) in gate_set.GATES or not operator.data
        base = operator if plain else gate_set.base_of(operator)[0]
        if (
            type(base) not in gate_set.PREPARATIONS
            or type(base) is qml.MPSPrep
            or loads_constants(operator)
        ):
            operations.append(operator)
            continue
        if id(operator) in first and len(operator.wires) > gate_set.LATE_STATE_WIRES:
            raise QuantumFunctionError(
                f"bondline.mps differentiates by amplitudes on at most {gate_set.LATE_STATE_WIRES} "
                f"wires, and {gate_set.describe(operator)} has more. Build the state from gates "
                f"with angles, or {_LEAVE_OUT}"
            )
        if not has_zeros(base.data[0]):
            operations.append(operator)
        elif id(operator) in first:
            operations += gates(base.data[0], base.wires)
            changed = True
        elif qml.math.is_abstract(constant(base.data[0])):
            operations.append(operator)
        else:
            raise QuantumFunctionError(
                f"bondline.mps does not differentiate by the amplitudes of "
                f"{gate_set.describe(operator)}: one is zero, and it does not act on |0…0>. Put "
                f"it first, or {_LEAVE_OUT}"
            )
    return tape.copy(operations=operations) if changed else tape


def with_angles(tape: Any) -> Any:
    """Leave no array to be differentiated, only angles of gates and coefficients of words.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript
        Of native gates, with the numbers of its framework.

    Returns
    -------
    pennylane.tape.QuantumScript
        The same one if there is nothing to change. Arrays, and coefficients of observables, that
        say ``requires_grad=True`` outside of a differentiation, as those of ``pennylane.numpy`` do
        by default, become plain ones. The expectation of a matrix that is differentiated becomes
        that of its Pauli words.

    Raises
    ------
    pennylane.exceptions.QuantumFunctionError
        If a derivative by an array is taken that has none.
    """
    operations = tape.operations
    if not is_plain(operations):
        operations = [
            operator
            if type(operator) in gate_set.GATES or not operator.data
            else _settled_operator(operator)
            for operator in operations
        ]
    measurements = [_settled_measurement(measurement) for measurement in tape.measurements]
    changed = {}
    if operations is not tape.operations and any(map(is_not, operations, tape.operations)):
        changed["operations"] = operations
    if any(map(is_not, measurements, tape.measurements)):
        changed["measurements"] = measurements
    # The trainable parameters are found again by PennyLane, from the numbers themselves.
    return tape.copy(**changed) if changed else tape


def expanded(tape: Any, trainable: bool) -> tuple[tuple[Any, ...], Any]:
    """Take a batch apart where a derivative by a batched number may be asked for.

    A derivative of a batch by a number without one has a value for each row; by a batched number it
    would have one for each pair of rows, nearly all of them zero, which PennyLane has no shape for.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript
        Of native gates.
    trainable : bool
        Whether plain numbers count as trainable.

    Returns
    -------
    tuple of circuits, and their post-processing
    """
    if tape.batch_size is None:
        return (tape,), _first
    for operator in tape.operations:
        if operator.data and operator.batch_size is not None:
            framework = qml.math.get_interface(*operator.data)
            if trainable if framework == "numpy" else _any_requires_grad(operator.data):
                found: tuple[tuple[Any, ...], Any] = qml.transforms.broadcast_expand(tape)
                return found
    return (tape,), _first


def _any_requires_grad(data: Any) -> bool:
    return any(qml.math.requires_grad(number) for number in data)


def _settled_operator(operator: Any) -> Any:
    base = gate_set.base_of(operator)[0]
    if type(base) in gate_set.GATES:
        return operator
    if not (
        type(base) in gate_set.BASIS_STATES
        or type(base) in gate_set.PREPARATIONS
        or gate_set.is_matrix_gate(base)
    ):
        return operator
    if any(map(differentiated, operator.data)):
        what = {
            qml.MPSPrep: "tensors",
            qml.BasisState: "bits",
            qml.BasisEmbedding: "bits",
        }.get(type(base), "matrix")
        raise QuantumFunctionError(
            f"bondline.mps does not differentiate by the {what} of {gate_set.describe(operator)}. "
            f"Build it from gates with angles, or {_LEAVE_OUT}"
        )
    return _with_constants(operator)


def _with_constants(operator: Any) -> Any:
    """Replace numbers of pennylane.numpy that are not being differentiated by plain ones."""
    data = operator.data
    if not any(map(_is_idle, data)):
        return operator
    found = [np.asarray(number.unwrap()) if _is_idle(number) else number for number in data]
    return qml.ops.functions.bind_new_parameters(operator, found)


def _is_idle(number: Any) -> bool:
    return isinstance(number, qml.numpy.tensor) and bool(number.requires_grad)


def _settled_measurement(measurement: Any) -> Any:
    observable = measurement.obs
    # Autograd may box the observable itself, which PennyLane refuses later.
    if observable is None or not getattr(observable, "data", ()):
        return measurement
    arrays = [number for number in observable.data if getattr(number, "ndim", 0)]
    few = len(observable.wires) <= LEAF_WIRES
    if not any(differentiated(array, compiled=few) for array in arrays):
        settled = _with_constants(observable)
        return measurement if settled is observable else type(measurement)(obs=settled)
    if type(measurement) is ExpectationMP and few:
        if isinstance(observable, qml.Hermitian):
            _require_hermitian(observable)
            return ExpectationMP(obs=_words_of(observable.matrix(), observable.wires))
        if isinstance(observable, qml.Projector) and not is_basis_projector(observable):
            amplitudes = observable.data[0]
            matrix = qml.math.outer(amplitudes, qml.math.conj(amplitudes))
            return ExpectationMP(obs=_words_of(matrix, observable.wires))
    if not isinstance(observable, qml.Hermitian | qml.Projector | qml.SparseHamiltonian):
        # A batch of coefficients, or a matrix in a sum: lowering knows.
        return measurement
    if not any(map(differentiated, arrays)):
        return measurement
    raise QuantumFunctionError(
        f"bondline.mps does not differentiate the {_NAMES.get(type(measurement), 'value')} of "
        f"{gate_set.describe(observable)} by the array of its observable, but "
        f"for the expval of a Hermitian or a state on at most {LEAF_WIRES} wires. Write it with "
        f"qml.dot or qml.Hamiltonian, whose coefficients have derivatives, or {_LEAVE_OUT}"
    )


def _require_hermitian(observable: Any) -> None:
    """Raise if a matrix that is differentiated is not Hermitian, if its entries are known."""
    entries = constant(observable.data[0])
    if not qml.math.is_abstract(entries):
        hermitian_matrix(qml.Hermitian(entries, wires=observable.wires))


def _words_of(matrix: Any, wires: Any) -> Any:
    """Write a Hermitian matrix as a sum of Pauli words, in its framework."""
    words = [
        qml.pauli.string_to_pauli_word(
            "".join(letters), wire_map={w: i for i, w in enumerate(wires)}
        )
        for letters in _letters(len(wires))
    ]
    scale = 2.0 ** -len(wires)
    coefficients = [
        scale
        * qml.math.real(
            qml.math.sum(
                matrix * qml.math.convert_like(qml.matrix(word, wire_order=wires).T, matrix)
            )
        )
        for word in words
    ]
    return qml.ops.LinearCombination(coefficients, words)


def _letters(count: int) -> list[tuple[str, ...]]:
    words: list[tuple[str, ...]] = [()]
    for _ in range(count):
        words = [(*word, letter) for word in words for letter in "IXYZ"]
    return words


def _first(results: Any) -> Any:
    return results[0]
