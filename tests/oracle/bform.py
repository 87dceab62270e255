"""Slow, readable matrix-product evolution in Hastings' B form, to check truncated values against.

Site tensors ``B_i`` of shape (left bond, 2, right bond), right-canonical as long as nothing is
discarded, and normalised Schmidt values ``s_i`` on the bond left of site ``i``. One step with a
gate G on sites ``i, i+1`` (Hastings, J. Math. Phys. 50, 095207 (2009))::

    C       = G · B_i B_{i+1}         rows (l p), columns (q r)
    theta   = s_i · C                 weighted by the Schmidt values left of the pair
    V       = leading right singular vectors of theta, as rows
    B_{i+1} = V,   B_i = C V^H,   s_{i+1} = kept singular values / their norm

The state is never renormalised nor brought back to canonical form: ``<psi|psi>`` falls below one
by what was discarded.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Singular values below this fraction of the largest carry no direction, only rounding.
NOISE = 1e-15


class BForm:
    """Matrix-product state of ``n`` sites, started in ``|0...0>``.

    Parameters
    ----------
    n : int
        Number of sites.
    max_bond_dim : int or None
        Largest bond kept, None for no limit.
    cutoff : float
        Largest relative weight that one step may discard below ``max_bond_dim``.
    method : {"svd", "eigh"}
        How the right singular vectors are found. Where the gaps at the cuts are wide both agree.

    Attributes
    ----------
    tensors : list of ndarray
        ``B_0 … B_{n-1}``.
    schmidt : list of ndarray
        ``s_0 … s_n``; ``schmidt[i]`` lies left of site ``i``.
    discarded : list of float
        Relative weight discarded by each step, zero for one-site steps.
    gaps : list of float
        At each step that cut: the weight between the last kept and the first discarded direction,
        relative to the largest weight.
    margins : list of float
        At each step that ``max_bond_dim`` did not decide, with a cutoff: the factor, at least one,
        between ``cutoff`` and the nearest weight that was compared with it.
    """

    def __init__(
        self,
        n: int,
        max_bond_dim: int | None = None,
        cutoff: float = 0.0,
        method: Literal["svd", "eigh"] = "svd",
    ) -> None:
        self.n = n
        self.max_bond_dim = max_bond_dim
        self.cutoff = cutoff
        self.method = method
        self.tensors: list[Array] = [np.array([1, 0], complex).reshape(1, 2, 1)] * n
        self.schmidt: list[Array] = [np.ones(1)] * (n + 1)
        self.discarded: list[float] = []
        self.gaps: list[float] = []
        self.margins: list[float] = []

    @property
    def largest_bond(self) -> int:
        """Largest bond of the present state."""
        return max(len(values) for values in self.schmidt)

    def apply(self, matrix: Array, site: int) -> None:
        """Apply a 2×2 unitary to ``site`` or a 4×4 unitary to ``site`` and ``site + 1``."""
        matrix = np.asarray(matrix, complex)
        if matrix.shape == (2, 2):
            self.tensors[site] = np.einsum("pq,lqr->lpr", matrix, self.tensors[site])
            self.discarded.append(0.0)
            return
        left, right = self.tensors[site], self.tensors[site + 1]
        pair = np.einsum(
            "pqst,lsm,mtr->lpqr", matrix.reshape(2, 2, 2, 2), left, right, optimize=True
        )
        merged = pair.reshape(2 * left.shape[0], 2 * right.shape[2])
        theta = np.repeat(self.schmidt[site], 2)[:, None] * merged
        singular, vectors = self._right_vectors(theta)
        kept = self._rank(singular)
        weight = singular**2
        vectors = vectors[:kept]
        self.tensors[site] = (merged @ vectors.conj().T).reshape(-1, 2, kept)
        self.tensors[site + 1] = vectors.reshape(kept, 2, -1)
        self.schmidt[site + 1] = singular[:kept] / np.linalg.norm(singular[:kept])
        self.discarded.append(float(weight[kept:].sum() / weight.sum()))

    def _right_vectors(self, theta: Array) -> tuple[Array, Array]:
        if self.method == "svd":
            _, singular, vectors = np.linalg.svd(theta, full_matrices=False)
            return singular, vectors
        weights, columns = np.linalg.eigh(theta.conj().T @ theta)
        rank = min(theta.shape)
        singular = np.sqrt(np.maximum(weights[::-1][:rank], 0))
        return singular, columns[:, ::-1][:, :rank].conj().T

    def _rank(self, singular: Array) -> int:
        weights = singular**2 / (singular**2).sum()
        noise = int((singular > NOISE * singular[0]).sum())
        # tails[k]: relative weight lost by keeping k directions
        tails = np.append(np.cumsum(weights[::-1])[::-1], 0.0)
        allowed = int((tails[:-1] > self.cutoff).sum())
        kept = max(1, min(noise, allowed))
        if self.max_bond_dim is not None and kept > self.max_bond_dim:
            kept = self.max_bond_dim
        elif self.cutoff > 0:
            compared = tails[tails > 1e-28] / self.cutoff
            self.margins.append(float(np.exp(abs(np.log(compared))).min()))
        if kept < noise:
            self.gaps.append(float((weights[kept - 1] - weights[kept]) / weights[0]))
        return kept

    def norm(self) -> float:
        """``<psi|psi>`` of the state, which was never renormalised."""
        return self._state_trace({})

    def dense(self) -> Array:
        """All ``2^n`` amplitudes, not renormalised, site 0 most significant."""
        amplitudes = np.ones((1, 1), complex)
        for tensor in self.tensors:
            amplitudes = np.tensordot(amplitudes, tensor, 1).reshape(-1, tensor.shape[2])
        return amplitudes.reshape(-1)

    def state_value(self, factors: Mapping[int, Array]) -> float:
        """Expectation of a product of one-site operators in the whole, normalised state."""
        return self._state_trace(factors) / self.norm()

    def local_value(self, factors: Mapping[int, Array]) -> float:
        """Expectation of a product of one-site operators, read from its support only.

        Schmidt values left of the support, identity right of it, divided by the same without
        the operators.
        """
        first, last = min(factors), max(factors)
        start = np.diag(self.schmidt[first] ** 2).astype(complex)
        numerator = self._trace(start, factors, first, last)
        return numerator / self._trace(start, {}, first, last)

    def local_density(self, first: int, last: int) -> Array:
        """Density matrix of the sites ``first … last``, read from these sites only."""
        block = np.diag(self.schmidt[first]).astype(complex)
        shape = [len(block)]
        for tensor in self.tensors[first : last + 1]:
            block = np.tensordot(block, tensor, 1)
            shape.append(2)
        grouped = block.reshape(len(self.schmidt[first]), 2 ** (last - first + 1), -1)
        density = np.einsum("lar,lbr->ab", grouped, grouped.conj(), optimize=True)
        return np.asarray(density / np.trace(density).real)

    def _state_trace(self, factors: Mapping[int, Array]) -> float:
        return self._trace(np.ones((1, 1), complex), factors, 0, self.n - 1)

    def _trace(self, start: Array, factors: Mapping[int, Array], first: int, last: int) -> float:
        # environment[a, b]: a the bond of the conjugated layer, b of the plain one
        environment = start
        for site in range(first, last + 1):
            tensor = self.tensors[site]
            image = tensor
            if site in factors:
                image = np.einsum("pq,lqr->lpr", factors[site], tensor)
            environment = np.einsum(
                "ab,apc,bpd->cd", environment, tensor.conj(), image, optimize=True
            )
        return float(np.trace(environment).real)
