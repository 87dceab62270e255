"""States of many rows, packed, and the logarithms of their overlaps: in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bondline import _core
from bondline.errors import InputError
from bondline.states.engine import TENSORS

_PAIRS: Final = 2**14
"""Pairs that are contracted at once, times bond squared."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedStates:
    """Normalised states, one for each row.

    Attributes
    ----------
    bonds : ndarray of uint32, shape (rows, wires - 1)
    sites : tuple of ndarray of complex128, shape (rows, left, 2, right)
        Padded with zeros to the largest bond of any row.
    """

    bonds: NDArray[np.uint32]
    sites: tuple[NDArray[np.complex128], ...]

    @property
    def n_points(self) -> int:
        """Number of states."""
        return len(self.bonds)

    @property
    def n_wires(self) -> int:
        """Number of wires."""
        return len(self.sites)

    @property
    def largest_bond(self) -> int:
        """Largest bond of any state."""
        return int(self.bonds.max(initial=1))

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return sum(site.nbytes for site in self.sites)

    def tensors(self, row: int) -> list[NDArray[np.complex128]]:
        """Return the tensors (left, 2, right) of one state."""
        bonds = [1, *self.bonds[row].tolist(), 1]
        return [
            site[row, :left, :, :right]
            for site, left, right in zip(self.sites, bonds[:-1], bonds[1:], strict=True)
        ]

    def rows(self, start: int, stop: int) -> EncodedStates:
        """Return some of the states, without copying them."""
        return EncodedStates(self.bonds[start:stop], tuple(site[start:stop] for site in self.sites))

    def parts(self) -> tuple[NDArray[np.uint32], NDArray[np.complex128]]:
        """Return the bonds, and all entries: row by row, site by site."""
        entries = [tensor.ravel() for row in range(self.n_points) for tensor in self.tensors(row)]
        return self.bonds, np.concatenate(entries)

    @staticmethod
    def from_parts(bonds: Any, entries: Any) -> EncodedStates:
        """Pack what :meth:`parts` returned."""
        bonds = np.asarray(bonds, dtype=np.uint32)
        found: list[list[NDArray[np.complex128]]] = []
        start = 0
        for row in bonds:
            ends = [1, *row.tolist(), 1]
            tensors = []
            for left, right in pairwise(ends):
                size = 2 * left * right
                tensors.append(entries[start : start + size].reshape(left, 2, right))
                start += size
            found.append(tensors)
        if start != len(entries) or not np.isfinite(entries).all():
            raise InputError("The entries of these states do not fit their bonds.")
        return EncodedStates.of(found)

    @staticmethod
    def of(tensors: Sequence[Sequence[NDArray[np.complex128]]]) -> EncodedStates:
        """Pack the tensors of rows."""
        bonds = np.array(
            [[tensor.shape[2] for tensor in row[:-1]] for row in tensors], dtype=np.uint32
        ).reshape(len(tensors), -1)
        return _padded(bonds, [[row[site] for row in tensors] for site in range(len(tensors[0]))])

    @staticmethod
    def concatenate(sets: Sequence[EncodedStates]) -> EncodedStates:
        """Put states behind one another."""
        if len(sets) == 1:
            return sets[0]
        bonds = np.concatenate([found.bonds for found in sets])
        columns = [
            [tensor for found in sets for tensor in found.sites[site]]
            for site in range(sets[0].n_wires)
        ]
        return _padded(bonds, columns)

    def taken(self, order: NDArray[np.intp]) -> EncodedStates:
        """Return the states in another order."""
        return replace(
            self, bonds=self.bonds[order], sites=tuple(site[order] for site in self.sites)
        )


def _padded(
    bonds: NDArray[np.uint32], columns: Sequence[Sequence[NDArray[np.complex128]]]
) -> EncodedStates:
    sites = []
    for column in columns:
        left = max(tensor.shape[0] for tensor in column)
        right = max(tensor.shape[2] for tensor in column)
        site = np.zeros((len(column), left, 2, right), dtype=np.complex128)
        for row, tensor in enumerate(column):
            site[row, : tensor.shape[0], :, : tensor.shape[2]] = tensor
        sites.append(site)
    return EncodedStates(bonds, tuple(sites))


def encode(group: Any, settings: Any) -> tuple[EncodedStates, _core.GroupResult]:
    """Evolve every row of a group and keep its state, sites in the order of the wires.

    Parameters
    ----------
    group : Group
    settings : EngineSettings

    Returns
    -------
    EncodedStates
    GroupResult
        With the figures of the reports.
    """
    (result,) = _core.run([replace(group, requests=TENSORS)], settings)
    assert result.tensors is not None  # asked for
    return EncodedStates.of(result.tensors), result


def log_overlaps(
    bra: EncodedStates, ket: EncodedStates | None, threads: int | None = None
) -> NDArray[np.float64]:
    """Return ln |<bra_i|ket_j>|^2, -inf for orthogonal states.

    Parameters
    ----------
    bra : EncodedStates
    ket : EncodedStates, optional
        ``bra`` itself by default: the result is symmetric, with zeros on its diagonal.
    threads : int, optional
        Those of NumPy, whatever is asked.

    Returns
    -------
    ndarray of float64, shape (bra rows, ket rows)
    """
    other = bra if ket is None else ket
    block = max(1, _PAIRS // (other.n_points * max(1, bra.largest_bond * other.largest_bond) // 4))
    found = np.concatenate(
        [_block(bra.rows(start, start + block), other) for start in range(0, bra.n_points, block)]
    )
    if ket is None:
        lower = np.tril(found, -1)
        found = lower + lower.T
    return found


def _block(bra: EncodedStates, ket: EncodedStates) -> NDArray[np.float64]:
    edge = np.ones((bra.n_points, ket.n_points, 1, 1), dtype=np.complex128)
    logarithms = np.zeros((bra.n_points, ket.n_points))
    for one, two in zip(bra.sites, ket.sites, strict=True):
        # half[i, j, a, p, r] = sum_l E[i, j, a, l] ket[j, l, p, r]
        half = np.einsum("ijal,jlpr->ijapr", edge, two, optimize=True)
        # E'[i, j, m, r] = sum_{a p} conj(bra[i, a, p, m]) half[i, j, a, p, r]
        edge = np.einsum("iapm,ijapr->ijmr", one.conj(), half, optimize=True)
        largest = np.abs(edge).max(axis=(2, 3))
        edge = edge / np.where(largest > 0.0, largest, 1.0)[..., None, None]
        with np.errstate(divide="ignore"):
            logarithms += np.log(largest)
    with np.errstate(divide="ignore"):
        logarithms += np.log(np.abs(edge[:, :, 0, 0]))
    result: NDArray[np.float64] = np.minimum(2.0 * logarithms, 0.0)
    return result
