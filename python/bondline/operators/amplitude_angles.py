"""Amplitudes that are differentiated, zeros among them, as gates whose angles have derivatives."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pennylane as qml

NEGLIGIBLE: Final = 1e-7
"""Amplitudes below it count as zeros, near which angles of rotations have no usable derivative."""


def has_zeros(amplitudes: Any) -> bool:
    """Whether an amplitude is zero, or may be one when a compiled function runs.

    Parameters
    ----------
    amplitudes : tensor_like, shape (..., 2^wires)

    Returns
    -------
    bool

    Examples
    --------
    >>> has_zeros(np.array([0.6, 0.8])), has_zeros(np.array([0.0, 1.0]))
    (False, True)
    """
    found = constant(amplitudes)
    return qml.math.is_abstract(found) or bool((np.abs(found) < NEGLIGIBLE).any())


def constant(amplitudes: Any) -> Any:
    """Return amplitudes without their derivatives, as an array of NumPy if their values are known.

    Parameters
    ----------
    amplitudes : tensor_like

    Returns
    -------
    tensor_like
    """
    if qml.math.get_interface(amplitudes) == "jax":
        import jax

        amplitudes = jax.lax.stop_gradient(amplitudes)
        if qml.math.is_abstract(amplitudes):
            return amplitudes
        while isinstance(amplitudes, jax.core.Tracer):
            amplitudes = getattr(amplitudes, "primal", getattr(amplitudes, "val", None))
    return np.asarray(qml.math.unwrap([amplitudes])[0])


def gates(amplitudes: Any, wires: Any) -> list[Any]:
    """Prepare amplitudes from |0…0> by gates that have derivatives where amplitudes are zero, too.

    Parameters
    ----------
    amplitudes : tensor_like, shape (2^wires,)
        Normalised.
    wires : pennylane.wires.Wires

    Returns
    -------
    list of pennylane.operation.Operator

    Notes
    -----
    The angle between two amplitudes has no derivative where both are zero. So the state is prepared
    by a constant V, and before it stands one rotation by a Pauli word for each direction in which
    V|0…0> can change. Their angles are zero, and their derivatives are those of V†ψ.

    Examples
    --------
    >>> found = gates(np.array([0.6, 0.8, 0.0, 0.0]), qml.wires.Wires([0, 1]))
    >>> [operator.name for operator in found[:3]]
    ['PauliRot', 'PauliRot', 'PauliRot']
    """
    fixed = constant(amplitudes)
    # -0.0 has the angle pi, and a phase that `_undone` knows nothing of.
    fixed = qml.math.where(fixed == 0.0, qml.math.zeros_like(fixed), fixed)
    change = _undone(amplitudes - qml.math.convert_like(fixed, amplitudes), fixed, len(wires))
    is_complex = "complex" in qml.math.get_dtype_name(amplitudes)
    found = []
    for place in range(1, 2 ** len(wires)):
        ones = [
            wire for wire, bit in zip(wires, f"{place:0{len(wires)}b}", strict=True) if bit == "1"
        ]
        # exp(-iθP/2)|0…0> = |0…0> + θ/2 |place> for P = YX…X, and - iθ/2 |place> for P = XX…X.
        word = "X" * len(ones)
        found.append(qml.PauliRot(2.0 * qml.math.real(change[place]), "Y" + word[1:], wires=ones))
        if is_complex:
            found.append(qml.PauliRot(-2.0 * qml.math.imag(change[place]), word, wires=ones))
    return [*found, *qml.MottonenStatePreparation.compute_decomposition(fixed, wires=wires)]


def _undone(vector: Any, amplitudes: Any, size: int) -> Any:
    """Return V†·vector, V being what prepares some amplitudes: rotations by Y, then phases."""
    moduli = qml.math.abs(amplitudes)
    phases = qml.math.where(
        moduli == 0.0, 1.0, amplitudes / qml.math.where(moduli == 0.0, 1.0, moduli)
    )
    found = vector * qml.math.convert_like(qml.math.conj(phases), vector)
    weights = moduli**2
    for wire in reversed(range(size)):
        # weights[p, q]: of the amplitudes with p on the wires before this one, and q on it.
        pairs = qml.math.sum(qml.math.reshape(weights, (2**wire, 2, -1)), axis=2)
        total = qml.math.sum(pairs, axis=1)
        empty = total == 0.0
        total = qml.math.where(empty, 1.0, total)
        cosine = qml.math.where(empty, 1.0, qml.math.sqrt(pairs[:, 0] / total))[:, None]
        sine = qml.math.where(empty, 0.0, qml.math.sqrt(pairs[:, 1] / total))[:, None]
        cosine, sine = (qml.math.convert_like(number, vector) for number in (cosine, sine))
        # found[p, q, r] → Σ_q' RY_p[q', q] · found[p, q', r]
        found = qml.math.reshape(found, (2**wire, 2, -1))
        zero, one = found[:, 0], found[:, 1]
        found = qml.math.stack([cosine * zero + sine * one, cosine * one - sine * zero], axis=1)
    return qml.math.reshape(found, (-1,))
