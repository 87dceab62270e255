"""Kernels, data and labels as they are given, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bondline.errors import InputError

Array = NDArray[np.float64]
Task = Literal["classification", "regression"]

_ASYMMETRY: Final = 1e-8
"""Relative to the largest entry: kernels of truncated states are symmetric to rounding."""


def square(name: str, matrix: ArrayLike, *, logarithms: bool = False) -> Array:
    """Return a symmetric matrix of real numbers, or say what is wrong with it.

    Parameters
    ----------
    name : str
        How messages call it.
    matrix : array_like, shape (n, n)
    logarithms : bool, default False
        Whether entries are logarithms, of which -inf is one.

    Returns
    -------
    ndarray of float64, shape (n, n)

    Raises
    ------
    InputError

    Examples
    --------
    >>> square("K", [[1.0, 0.5], [0.1, 1.0]])
    Traceback (most recent call last):
    ...
    bondline.errors.InputError: K is not symmetric: entries (0, 1) and (1, 0) are 0.5 and 0.1.
    """
    try:
        found = np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a matrix of real numbers.") from None
    if found.ndim != 2 or found.shape[0] != found.shape[1]:
        raise InputError(f"{name} must be a square matrix, got the shape {found.shape}.")
    if len(found) < 2:
        raise InputError(f"{name} has {len(found)} row(s): a kernel matrix compares at least two.")
    bad = ~(np.isfinite(found) | (found == -np.inf)) if logarithms else ~np.isfinite(found)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(f"{name} has {found[row, column]} at ({row}, {column}).")
    with np.errstate(invalid="ignore"):  # -inf against -inf
        gap = np.where(found == found.T, 0.0, np.abs(found - found.T))
    # A logarithm's error is relative to the entry, so that its own size does not matter.
    scale = 1.0 if logarithms else float(np.abs(found).max())
    row, column = np.unravel_index(int(gap.argmax()), gap.shape)
    if gap[row, column] > _ASYMMETRY * max(scale, np.finfo(float).tiny):
        raise InputError(
            f"{name} is not symmetric: entries ({row}, {column}) and ({column}, {row}) are "
            f"{found[row, column]:g} and {found[column, row]:g}."
        )
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Gram:
    """A kernel matrix with ones on its diagonal, and its logarithm, which never underflows.

    Attributes
    ----------
    values, logs : ndarray of float64, shape (n, n)
    """

    values: Array
    logs: Array

    @classmethod
    def of(cls, name: str, K: ArrayLike | None, log_K: ArrayLike | None) -> Gram:
        """Build it from one of the two, divided by the square roots of the diagonal.

        Parameters
        ----------
        name : str
        K, log_K : array_like, shape (n, n), or None

        Returns
        -------
        Gram

        Raises
        ------
        InputError

        Examples
        --------
        >>> float(Gram.of("K", None, [[0.0, -400.0], [-400.0, 0.0]]).logs[0, 1])
        -400.0
        """
        if log_K is not None:
            logs = square(f"log_{name}", log_K, logarithms=True)
            half = 0.5 * np.diag(logs)
            if not np.isfinite(half).all():
                raise InputError(f"log_{name} has -inf on its diagonal: a state of norm zero.")
            logs = logs - half[:, None] - half[None, :]
            return cls(np.exp(logs), logs)
        values = square(name, K)  # type: ignore[arg-type]
        diagonal = np.diag(values)
        if (diagonal <= 0.0).any():
            row = int(diagonal.argmin())
            raise InputError(f"{name} has {diagonal[row]:g} on its diagonal, in row {row}.")
        roots = np.sqrt(diagonal)
        values = values / roots[:, None] / roots[None, :]
        values = 0.5 * (values + values.T)
        # Entries below zero are rounding or shots: as small as can be.
        with np.errstate(divide="ignore"):
            return cls(values, np.log(np.maximum(values, 0.0)))

    def rows(self, chosen: NDArray[np.intp]) -> Gram:
        """Return the matrix of some of the points.

        Parameters
        ----------
        chosen : ndarray of int

        Returns
        -------
        Gram
        """
        block = np.ix_(chosen, chosen)
        return Gram(self.values[block], self.logs[block])

    def off_diagonal(self) -> Array:
        """Return ln K of every pair once.

        Returns
        -------
        ndarray of float64, shape (n(n-1)/2,)
        """
        return np.asarray(self.logs[np.triu_indices(len(self.logs), 1)])


def gram_of(name: str, kernel: Any, X: Any) -> Gram:
    """Return the matrix of an array, or of an object with ``matrix`` or ``log_matrix``.

    Parameters
    ----------
    name : str
    kernel : array_like or object
    X : ndarray of float64, shape (n, d), or None

    Returns
    -------
    Gram

    Raises
    ------
    InputError
        If a kernel that computes matrices was given no data, or the matrix is none.
    """
    if not hasattr(kernel, "matrix"):
        return Gram.of(name, kernel, None)
    if X is None:
        raise InputError(f"{name} is a kernel that computes its matrix: it needs the data X.")
    if hasattr(kernel, "log_matrix"):
        return Gram.of(name, None, kernel.log_matrix(X))
    return Gram.of(name, kernel.matrix(X), None)


def data(X: ArrayLike, points: int | None) -> Array:
    """Return the data as a matrix of finite numbers.

    Parameters
    ----------
    X : array_like, shape (n, d)
    points : int or None
        Rows there must be.

    Returns
    -------
    ndarray of float64, shape (n, d)

    Raises
    ------
    InputError

    Examples
    --------
    >>> data([[0.0, float("nan")]], 1)
    Traceback (most recent call last):
    ...
    bondline.errors.InputError: X has nan in row 0, feature 1.
    """
    try:
        found = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("X must be an array of real numbers, one row per point.") from None
    if found.ndim != 2 or found.shape[1] == 0:
        raise InputError(f"X must have one row per point, got the shape {found.shape}.")
    if points is not None and len(found) != points:
        raise InputError(f"X has {len(found)} rows, but the kernel is of {points} points.")
    if not np.isfinite(found).all():
        row, feature = np.argwhere(~np.isfinite(found))[0]
        raise InputError(f"X has {found[row, feature]} in row {row}, feature {feature}.")
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What is to be learnt, and the same as columns of numbers.

    Attributes
    ----------
    task : {"classification", "regression"}
    given : ndarray, shape (n,)
        Numbers of classes, or the targets themselves.
    classes : ndarray or None
    """

    task: Task
    given: NDArray[Any]
    classes: NDArray[Any] | None

    @classmethod
    def of(cls, y: ArrayLike, points: int, task: Task | Literal["auto"]) -> Labels:
        """Check labels; "auto" takes floating-point numbers with fractions for a regression.

        Parameters
        ----------
        y : array_like, shape (n,)
        points : int
        task : {"auto", "classification", "regression"}

        Returns
        -------
        Labels

        Raises
        ------
        InputError

        Examples
        --------
        >>> Labels.of([0, 1, 1], 3, "auto").task, Labels.of([0.5, 1, 1], 3, "auto").task
        ('classification', 'regression')
        """
        found = np.asarray(y)
        if found.ndim == 2 and found.shape[1] == 1:
            found = found[:, 0]
        if found.ndim != 1:
            raise InputError(f"y must hold one label per point, got the shape {found.shape}.")
        if len(found) != points:
            raise InputError(f"y has {len(found)} labels for {points} points.")
        if task not in ("auto", "classification", "regression"):
            raise InputError(
                f'task must be "auto", "classification" or "regression", got {task!r}.'
            )
        real = np.issubdtype(found.dtype, np.floating)
        if real and not np.isfinite(found).all():
            row = int(np.flatnonzero(~np.isfinite(found))[0])
            raise InputError(f"y has {found[row]} at {row}.")
        if task == "auto":
            task = "regression" if real and (found != np.round(found)).any() else "classification"
        if task == "regression":
            try:
                targets = found.astype(np.float64)
            except ValueError:
                raise InputError("y must hold real numbers for a regression.") from None
            if np.ptp(targets) == 0.0:
                raise InputError("y is constant: there is nothing to learn.")
            return cls("regression", targets, None)
        classes, numbers = np.unique(found, return_inverse=True)
        if len(classes) < 2:
            raise InputError(f"y has one class only, {classes[0]!r}: there is nothing to learn.")
        return cls("classification", numbers.astype(np.intp), classes)

    def columns(self) -> Array:
        """Return one column per class (one for two classes), centred, of mean square 1.

        Returns
        -------
        ndarray of float64, shape (n, c)
        """
        if self.classes is None:
            found = self.given[:, None].astype(np.float64)
        else:
            found = (self.given[:, None] == np.arange(len(self.classes))).astype(np.float64)
            found = found[:, 1:] if len(self.classes) == 2 else found
        found = found - found.mean(axis=0)
        return np.asarray(found / np.sqrt(np.mean(found**2, axis=0)))
