"""Overlaps as a chain of small matrix products, batched over pairs: what NumPy does with them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

States = list[NDArray[np.complex128]]
"""One array (points, left, 2, right) for each site."""


def pack(rows: Sequence[Sequence[NDArray[np.complex128]]]) -> States:
    """Put the tensors (left, 2, right) of all points side by side, padded with zeros."""
    sites = []
    for column in zip(*rows, strict=True):
        left, right = (max(tensor.shape[axis] for tensor in column) for axis in (0, 2))
        site = np.zeros((len(column), left, 2, right), dtype=np.complex128)
        for place, tensor in enumerate(column):
            site[place, : tensor.shape[0], :, : tensor.shape[2]] = tensor
        sites.append(site)
    return sites


def overlaps(
    states: States, bra: NDArray[np.intp], ket: NDArray[np.intp]
) -> NDArray[np.complex128]:
    """Contract pair after pair from left to right, all pairs in one batch."""
    edge = np.ones((len(bra), 1, 1), dtype=np.complex128)
    for site in states:
        _, left, _, right = site.shape
        # half[p, a, (s r)] = sum_l E[p, a, l] ket[p, l, (s r)]
        half = edge @ site.reshape(-1, left, 2 * right)[ket]
        # E'[p, m, r] = sum_{a s} conj(bra[p, (a s), m]) half[p, (a s), r]
        adjoint = site.conj().reshape(-1, 2 * left, right).transpose(0, 2, 1)[bra]
        edge = adjoint @ half.reshape(-1, 2 * left, right)
    return edge[:, 0, 0]


def random_states(points: int, wires: int, bond: int) -> States:
    """Draw normalised states of full bonds."""
    rng = np.random.default_rng(bond)
    bonds = [min(bond, 2 ** min(cut, wires - cut)) for cut in range(wires + 1)]
    states = []
    for left, right in pairwise(bonds):
        shape = (points, left, 2, right)
        site = rng.normal(size=shape) + 1j * rng.normal(size=shape)
        states.append(site / np.sqrt(4 * left))
    every = np.arange(points)
    states[0] /= np.sqrt(overlaps(states, every, every).real)[:, None, None, None]
    return states
