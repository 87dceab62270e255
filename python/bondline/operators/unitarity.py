"""Matrices that users give entry by entry: read, and checked to be unitary."""

from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from bondline.errors import InputError

UNITARITY_TOLERANCE: Final = 1e-6
"""Largest entry of U U† - 1 in a matrix that counts as unitary (single precision passes)."""


def matrix(operator: Any) -> NDArray[np.complex128]:
    """Return the matrix of an operator on few wires, in the order of its own wires.

    Parameters
    ----------
    operator : pennylane.operation.Operator

    Returns
    -------
    ndarray of complex128, shape (d, d) or (batch, d, d)

    Examples
    --------
    >>> matrix(qml.QubitUnitary(np.eye(2), wires=0)).shape
    (2, 2)
    """
    kind = type(operator)
    if kind is qml.DiagonalQubitUnitary:
        diagonal = np.asarray(qml.math.unwrap([operator.data[0]])[0], dtype=np.complex128)
        return np.asarray(diagonal[..., None] * np.eye(diagonal.shape[-1]))
    if kind is qml.QubitUnitary and operator.has_matrix:
        entries = operator.data[0]
    elif operator.has_matrix:
        entries = operator.matrix()
    else:
        entries = operator.sparse_matrix().toarray()
    return np.asarray(qml.math.unwrap([entries])[0], dtype=np.complex128)


def is_unitary(entries: NDArray[Any]) -> bool:
    """Return whether every matrix of a stack is unitary, to 1e-6 in each entry of U U† - 1.

    Parameters
    ----------
    entries : ndarray, shape (..., d, d)

    Returns
    -------
    bool

    Examples
    --------
    >>> is_unitary(np.eye(2)), is_unitary(np.full((1, 2, 2), np.nan))
    (True, False)
    """
    return _excess(entries) <= UNITARITY_TOLERANCE  # False for NaN


def _excess(entries: NDArray[Any]) -> float:
    if not np.isfinite(entries).all():
        return float("nan")
    with np.errstate(over="ignore", invalid="ignore"):  # entries near the largest float
        product = entries @ np.conj(np.swapaxes(entries, -1, -2))
        return float(np.abs(product - np.eye(entries.shape[-1])).max())


def require_unitary(entries: Any, owner: str) -> None:
    """Raise if a matrix, or one of a batch of matrices, is not unitary.

    Parameters
    ----------
    entries : array_like, shape (..., d, d)
        Traced values are let through.
    owner : str
        What the matrix belongs to; begins the message.

    Raises
    ------
    InputError

    Examples
    --------
    >>> require_unitary(np.ones((2, 2)), "QubitUnitary on wires [0]")
    Traceback (most recent call last):
    ...
    bondline.errors.InputError: QubitUnitary on wires [0] has a matrix that is not unitary...
    """
    if qml.math.is_abstract(entries):
        return
    found = np.asarray(qml.math.unwrap([entries])[0])
    if not is_unitary(found):
        if not np.isfinite(found).all():
            raise InputError(f"{owner} has a matrix with an entry that is not finite.")
        excess = _excess(found)
        raise InputError(
            f"{owner} has a matrix that is not unitary: the largest entry of U U† - 1 is "
            f"{excess:.2g}. Only unitary gates can be applied; normalise the matrix first."
        )
