"""What the engine differentiates: for each output, weights of the values that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bondline.measurements.requests import Requests

Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cotangents:
    """Weights of one group, as the engine documents them; the first axis is rows, or 1."""

    words: Real
    variances: Real
    probabilities: tuple[Real, ...]
    densities: tuple[NDArray[np.complex128], ...]
    differentiated: NDArray[np.bool_]

    def steepest(self, requests: Requests) -> Real:
        """Bound the derivatives of the exact outputs by one parameter of a gate.

        Parameters
        ----------
        requests : Requests
            What the weighted values are.

        Returns
        -------
        ndarray of float64, shape (rows or 1, outputs)

        Notes
        -----
        A gate exp(-i x G) changes <O> by at most the norm of O times the spread of the eigenvalues
        of G, which is 1 for all gates (of OrbitalRotation it is 2), and <O^2> - <O>^2 by three
        times its square.
        """
        bound: Real = np.abs(self.words).sum(axis=2)
        for probabilities in self.probabilities:
            bound = bound + np.abs(probabilities).sum(axis=2)
        for densities in self.densities:
            bound = bound + np.abs(densities).sum(axis=(2, 3))
        if len(requests.variance_counts):
            ends = np.cumsum(requests.variance_counts, dtype=np.intp)
            sums = np.cumsum(np.abs(requests.variance_coefficients), axis=1)
            sums = np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)
            norms = sums[:, ends] - sums[:, ends - requests.variance_counts.astype(np.intp)]
            bound = bound + 3.0 * (np.abs(self.variances) * norms[:, None] ** 2).sum(axis=2)
        return bound


class Weights:
    """Weights of one circuit while they grow: readings add theirs to the outputs they belong to.

    Parameters
    ----------
    requests : Requests
        What the weighted values are.
    rows : int
        1 where all rows of the circuit share the weights.
    outputs : int

    Attributes
    ----------
    words : ndarray of float64, shape (rows, outputs, words)
    variances : ndarray of float64, shape (rows, outputs, sums)
    probabilities : list of ndarray of float64, shape (rows, outputs, 2^k)
    densities : list of ndarray of complex128, shape (rows, outputs, 2^k, 2^k)
        Hermitian.

    Examples
    --------
    >>> import pennylane as qml
    >>> from bondline.measurements.observables import interpret
    >>> found = interpret([qml.expval(2 * qml.Z(0) + 3 * qml.X(1))], {0: 0, 1: 1})
    >>> weights = Weights(found.requests, rows=1, outputs=1)
    >>> found.readings[0].pull(weights, slice(0, 1), np.ones((1, 1)))
    >>> weights.words
    array([[[2., 3.]]])
    """

    __slots__ = ("densities", "probabilities", "variances", "words")

    def __init__(self, requests: Requests, rows: int, outputs: int) -> None:
        self.words: Real = np.zeros((rows, outputs, len(requests.word_counts)))
        self.variances: Real = np.zeros((rows, outputs, len(requests.variance_counts)))
        self.probabilities: list[Real] = [
            np.zeros((rows, outputs, 2 ** len(wires))) for wires in requests.probabilities
        ]
        self.densities: list[NDArray[np.complex128]] = [
            np.zeros((rows, outputs, 2 ** len(wires), 2 ** len(wires)), dtype=np.complex128)
            for wires in requests.densities
        ]


def stacked(
    members: Sequence[tuple[Weights, int]], differentiated: NDArray[np.bool_]
) -> Cotangents:
    """Stack the weights of the circuits of one group.

    Parameters
    ----------
    members : sequence of (Weights, int)
        Each with the rows of its circuit, in the order of the rows.
    differentiated : ndarray of bool, shape (parameters,)

    Returns
    -------
    Cotangents
        With the outputs of the circuit that has most; the others are filled up with zeros.
    """
    first = members[0][0]
    outputs = max(member.words.shape[1] for member, _ in members)
    shared = len(first.words) == 1 and all(member is first for member, _ in members)
    rows = [1] if shared else [count for _, count in members]
    weights = [first] if shared else [member for member, _ in members]

    def stack(parts: list[NDArray[Any]]) -> NDArray[Any]:
        if len(parts) == 1 and len(parts[0]) == rows[0]:
            return parts[0]
        total = np.zeros((sum(rows), outputs, *parts[0].shape[2:]), dtype=parts[0].dtype)
        start = 0
        for part, count in zip(parts, rows, strict=True):
            total[start : start + count, : part.shape[1]] = part
            start += count
        return total

    return Cotangents(
        words=stack([member.words for member in weights]),
        variances=stack([member.variances for member in weights]),
        probabilities=tuple(
            stack(list(parts))
            for parts in zip(*[member.probabilities for member in weights], strict=True)
        ),
        densities=tuple(
            stack(list(parts))
            for parts in zip(*[member.densities for member in weights], strict=True)
        ),
        differentiated=differentiated,
    )
