"""Matrices of observables that have no other form, on few wires."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.exceptions import DeviceError

from bondline.errors import InputError
from bondline.operators.gate_set import describe

DENSITY_WIRES: Final = 10
"""Most wires of a reduced density matrix or an observable's matrix: 4^10 numbers are 16 MiB."""

_HERMITICITY_TOLERANCE: Final = 1e-8


def require_few(wires: Sequence[Any], owner: Any) -> None:
    """Raise if the density matrix of some wires is too large.

    Parameters
    ----------
    wires : sequence
    owner : object
        What needs it; begins the message.

    Raises
    ------
    pennylane.exceptions.DeviceError

    Examples
    --------
    >>> require_few(range(11), "This")
    Traceback (most recent call last):
    ...
    pennylane.exceptions.DeviceError: This needs the density matrix of 11 wires, ...
    """
    if len(wires) > DENSITY_WIRES:
        raise DeviceError(
            f"{owner} needs the density matrix of {len(wires)} wires, and bondline.mps builds "
            f"those of at most {DENSITY_WIRES} (4^{DENSITY_WIRES} numbers). Ask for fewer wires."
        )


def hermitian_matrix(observable: Any) -> NDArray[np.complex128]:
    """Return the matrix of an observable, in the order of its own wires.

    Parameters
    ----------
    observable : pennylane.operation.Operator

    Returns
    -------
    ndarray of complex128, shape (2^wires, 2^wires), or with a batch axis before

    Raises
    ------
    InputError
        If it is not Hermitian or not finite.
    pennylane.exceptions.DeviceError
        If it is too large, or there is none.

    Examples
    --------
    >>> hermitian_matrix(qml.Hadamard(0)).shape
    (2, 2)
    """
    size = len(observable.wires)
    if size > DENSITY_WIRES:
        raise DeviceError(
            f"Observable {describe(observable)} acts on {size} wires and has no Pauli form; "
            f"matrices are read on at most {DENSITY_WIRES} wires. "
            "Write it as a sum of Pauli words, for example with qml.Hamiltonian."
        )
    if observable.has_matrix:
        entries = observable.matrix()
    elif observable.has_sparse_matrix:
        entries = observable.sparse_matrix().toarray()
    else:
        raise DeviceError(
            f"Observable {describe(observable)} is not offered by bondline.mps: it has neither a "
            "Pauli form nor a matrix. Write it as a sum of Pauli words."
        )
    matrix = np.asarray(qml.math.unwrap([entries])[0], dtype=np.complex128)
    if matrix.shape[-1] != 2**size:
        raise DeviceError(
            f"Observable {describe(observable)} does not act on qubits, "
            "and bondline.mps simulates nothing else."
        )
    if not np.isfinite(matrix).all():
        raise InputError(f"Observable {describe(observable)} has an entry that is not finite.")
    scale = max(1.0, float(np.abs(matrix).max()))
    excess = float(np.abs(matrix - np.conj(np.swapaxes(matrix, -1, -2))).max())
    if excess > _HERMITICITY_TOLERANCE * scale:
        raise InputError(
            f"Observable {describe(observable)} is not Hermitian: the largest entry of M - M† is "
            f"{excess:.2g}. Measure its Hermitian part."
        )
    return matrix


def diagonalizing_matrix(observable: Any) -> NDArray[np.complex128]:
    """Return the matrix of the gates that diagonalize an observable, in the order of its wires.

    Parameters
    ----------
    observable : pennylane.operation.Operator
        On few wires; see :func:`require_few`.

    Returns
    -------
    ndarray of complex128, shape (2^wires, 2^wires)

    Examples
    --------
    >>> diagonalizing_matrix(qml.X(0)).real.round(3)
    array([[ 0.707,  0.707],
           [ 0.707, -0.707]])
    """
    wires = observable.wires
    size = len(wires)
    # U[p_1 … p_k, q], one axis for each wire of the rows.
    rotation = np.eye(2**size, dtype=np.complex128).reshape([2] * size + [2**size])
    for gate in observable.diagonalizing_gates():
        places = [wires.index(wire) for wire in gate.wires]
        k = len(places)
        factor = np.asarray(qml.math.unwrap([gate.matrix()])[0]).reshape([2] * (2 * k))
        # Σ_q G[p, q] · U[… q …], with p in the places of q.
        rotated = np.tensordot(factor, rotation, axes=(range(k, 2 * k), places))
        rotation = np.moveaxis(rotated, range(k), places)
    return np.ascontiguousarray(rotation.reshape(2**size, 2**size))
