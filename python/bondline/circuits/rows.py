"""The numbers of one circuit as rows: parameters and matrices, checked."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from bondline.circuits.program import Register, place_of
from bondline.errors import InputError
from bondline.operators.unitarity import is_unitary, require_unitary

_IMAGINARY_TOLERANCE: Final = 1e-10
_NO_ENTRIES: Final = np.empty((1, 0), dtype=np.complex128)


def parameter_rows(
    position: int, tape: Any, sites: Register, parameters: list[Any]
) -> tuple[NDArray[np.float64], int | None]:
    """Return the parameters of a circuit, whatever they are: ints, 0-d arrays, tensors, batches.

    Parameters
    ----------
    position : int
        Of the circuit in its call; for messages.
    tape : pennylane.tape.QuantumScript
    sites : Register
    parameters : list
        Of the program of the circuit.

    Returns
    -------
    rows : ndarray of float64, shape (1 or batch, parameters)
    batch : int or None

    Raises
    ------
    InputError
        If a parameter is no finite real number or the sizes of batches differ.

    Examples
    --------
    >>> tape = qml.tape.QuantumScript([qml.RX(np.array([1, 2]), 0), qml.RY(3, 0)])
    >>> parameter_rows(0, tape, Register((0,)), [np.array([1, 2]), 3])
    (array([[1., 3.], [2., 3.]]), 2)
    """
    try:
        found = np.array(parameters)
    except (ValueError, TypeError, RuntimeError):  # batched and single parameters together
        found = None
    if found is None or found.ndim > 1 or found.dtype.kind not in "fiu":
        return _unequal_parameter_rows(position, tape, sites, parameters)
    rows = found.astype(np.float64, copy=False)[None]
    require_finite(position, tape, sites, rows)
    return rows, None


def _unequal_parameter_rows(
    position: int, tape: Any, sites: Register, parameters: list[Any]
) -> tuple[NDArray[np.float64], int | None]:
    batch = None
    columns = []
    for number, value in enumerate(qml.math.unwrap(parameters)):
        column = np.asarray(value)
        if column.dtype.kind == "c" and np.abs(column.imag).max() <= _IMAGINARY_TOLERANCE:
            column = column.real
        if column.dtype.kind not in "fiub" or column.ndim > 1:
            place = place_of(tape, sites, parameter=number)
            raise InputError(
                f"{place} of circuit {position} has a parameter that is no real number "
                f"(type {type(value).__name__}, shape {column.shape}, dtype {column.dtype})."
            )
        if column.ndim == 1:
            if batch is not None and len(column) != batch:
                place = place_of(tape, sites, parameter=number)
                raise InputError(
                    f"{place} of circuit {position} has a batch of {len(column)} values, and an "
                    f"operator before it {batch}. All batches in a circuit must have one size."
                )
            batch = len(column)
        columns.append(column)
    if batch == 0:
        raise InputError(f"Circuit {position} has an empty batch of parameters.")
    rows = np.empty((1 if batch is None else batch, len(columns)))
    for number, column in enumerate(columns):
        rows[:, number] = column
    require_finite(position, tape, sites, rows)
    return rows, batch


def require_finite(position: int, tape: Any, sites: Register, rows: NDArray[np.float64]) -> None:
    """Raise if a parameter is not finite.

    Parameters
    ----------
    position : int
        Of the circuit in its call; for messages.
    tape : pennylane.tape.QuantumScript
    sites : Register
    rows : ndarray of float64, shape (rows, parameters)

    Raises
    ------
    InputError
        With the operator.
    """
    if np.isfinite(rows).all():
        return
    row, number = np.argwhere(~np.isfinite(rows))[0]
    member = f", row {row} of its batch," if len(rows) > 1 else ""
    raise InputError(
        f"{place_of(tape, sites, parameter=int(number))} of circuit {position}{member} has the "
        f"parameter {rows[row, number]}, which is not finite."
    )


def matrix_rows(
    position: int, tape: Any, sites: Register, matrices: list[NDArray[np.complex128]]
) -> tuple[NDArray[np.complex128], int | None]:
    """Return the matrices of a circuit, checked to be unitary.

    Parameters
    ----------
    position : int
        Of the circuit in its call; for messages.
    tape : pennylane.tape.QuantumScript
    sites : Register
    matrices : list of ndarray, shape (d, d) or (batch, d, d)
        Of the program of the circuit.

    Returns
    -------
    rows : ndarray of complex128, shape (1 or batch, entries)
    batch : int or None

    Raises
    ------
    InputError
        If a matrix is not unitary or the sizes of batches differ.
    """
    if not matrices:
        return _NO_ENTRIES, None
    batch = None
    for entries in matrices:
        if entries.ndim == 3:
            if batch is not None and len(entries) != batch:
                raise InputError(
                    f"Circuit {position} has matrices in batches of {batch} and {len(entries)}. "
                    "All batches in a circuit must have one size."
                )
            batch = len(entries)
    for size in {entries.shape[-1] for entries in matrices}:
        same = [
            entries.reshape(-1, size, size) for entries in matrices if entries.shape[-1] == size
        ]
        if same and not is_unitary(np.concatenate(same)):
            for number, entries in enumerate(matrices):
                if not is_unitary(entries):
                    place = f"{place_of(tape, sites, matrix=number)} of circuit {position}"
                    require_unitary(entries, place)
    rows = 1 if batch is None else batch
    flat = [
        np.broadcast_to(entries.reshape(-1, entries.shape[-1] ** 2), (rows, entries.shape[-1] ** 2))
        for entries in matrices
    ]
    return np.concatenate(flat, axis=1), batch
