"""Typed face of the Rust engine. One call, :func:`run`, evolves a whole batch of circuits."""

from collections.abc import Sequence
from typing import Literal, Protocol, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["GroupResult", "__version__", "gate_table", "plan_cache_info", "run"]

__version__: str

class _Requests(Protocol):
    """What to read from the evolved state of each row of a group; wires are indices."""

    @property
    def word_counts(
        self,
    ) -> NDArray[np.uint32]: ...  # (words,) letters in each Pauli word; 0 = identity
    @property
    def word_wires(self) -> NDArray[np.uint32]: ...  # (sum of word_counts,)
    @property
    def word_letters(self) -> NDArray[np.uint8]: ...  # same length; 1 X, 2 Y, 3 Z
    @property
    def variance_counts(
        self,
    ) -> NDArray[np.uint32]: ...  # (sums,) terms in each sum whose variance is asked
    @property
    def variance_words(self) -> NDArray[np.uint32]: ...  # (terms,) indices into the words
    @property
    def variance_coefficients(self) -> NDArray[np.float64]: ...  # (rows or 1, terms)
    @property
    def probabilities(
        self,
    ) -> Sequence[Sequence[int]]: ...  # wires of each distribution, first most significant
    @property
    def densities(self) -> Sequence[Sequence[int]]: ...  # wires of each reduced density matrix
    @property
    def dense_state(self) -> bool: ...

class _Group(Protocol):
    """Circuits of one structure: the same gates on the same wires, one row of parameters each.

    The number of rows is ``parameters.shape[0]``, also without parameters. GlobalPhase and Identity
    may have no wires.
    """

    @property
    def n_wires(self) -> int: ...  # at least 1
    @property
    def gates(self) -> NDArray[np.uint16]: ...  # (gates,) ids of gate_table(); bit 15 set = adjoint
    @property
    def wire_counts(self) -> NDArray[np.uint32]: ...  # (gates,) wires of each gate
    @property
    def wires(self) -> NDArray[np.uint32]: ...  # flat
    @property
    def letters(
        self,
    ) -> NDArray[np.uint8]: ...  # flat, of the PauliRot gates only, in order; 0 I, 1 X, 2 Y, 3 Z
    @property
    def parameters(self) -> NDArray[np.float64]: ...  # (rows, parameters), consumed gate by gate
    @property
    def matrices(
        self,
    ) -> NDArray[np.complex128]: ...  # (rows or 1, entries), consumed gate by gate, row-major
    @property
    def requests(self) -> _Requests: ...

class _Settings(Protocol):
    """Engine settings; every one explicit."""

    @property
    def max_bond_dim(self) -> int | None: ...
    @property
    def cutoff(self) -> float: ...
    @property
    def single_precision(self) -> bool: ...
    @property
    def readout(self) -> Literal["local", "state"]: ...
    @property
    def ordering(self) -> Literal["given", "auto"] | Sequence[int]: ...  # or the wire on each site
    @property
    def truncation(self) -> Literal["auto", "gram", "svd"]: ...
    @property
    def threads(self) -> int | None: ...
    @property
    def memory_limit(self) -> int: ...  # bytes

@final
class GroupResult:
    """Arrays over the rows of one group."""

    words: NDArray[np.float64]  # (rows, words)
    variances: NDArray[np.float64]  # (rows, sums)
    probabilities: list[NDArray[np.float64]]  # each (rows, 2^k)
    densities: list[NDArray[np.complex128]]  # each (rows, 2^k, 2^k)
    dense_state: NDArray[np.complex128] | None  # (rows, 2^n_wires)
    # Report, one entry per row.
    norm: NDArray[np.float64]  # (rows,) <psi|psi> of the state that was never renormalised
    discarded: NDArray[
        np.float64
    ]  # (rows, n_wires - 1) weight discarded at the bond right of each site
    bonds: NDArray[np.uint32]  # (rows, n_wires - 1) final bond dimensions
    largest_bond: NDArray[np.uint32]  # (rows,) over the whole evolution
    saturated: NDArray[np.bool_]  # (rows, n_wires - 1) bonds cut by max_bond_dim
    # Relative weights of single steps added up over a light cone, so they may exceed 1. They mean
    # the never-swept state of the local readout.
    cone_words: NDArray[np.float64]  # (rows, words)
    cone_variances: NDArray[np.float64]  # (rows, sums)
    cone_probabilities: NDArray[np.float64]  # (rows, len(probabilities))
    cone_densities: NDArray[np.float64]  # (rows, len(densities))
    methods: dict[str, int]  # steps by truncation method, and "fallback"; summed over rows
    sweeps: NDArray[np.uint32]  # (rows,) canonicalising sweeps
    seconds: NDArray[np.float64]  # (rows,) wall time of each circuit
    n_steps: int  # fused two-site steps per row
    wire_of_site: NDArray[np.uint32]  # (n_wires,) final site order

def run(groups: Sequence[_Group], settings: _Settings) -> list[GroupResult]:
    """Evolve every row of every group and read what was asked. Releases the GIL; Ctrl-C stops it."""

def gate_table() -> list[tuple[str, int, int]]:
    """``(name, wires, parameters)`` of each gate, its id being the position; 0 wires = any number."""

def plan_cache_info() -> tuple[int, int, int]:
    """``(hits, misses, size)`` of the cache of plans, since the start of the process."""
