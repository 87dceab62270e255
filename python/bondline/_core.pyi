"""Typed face of the Rust engine. One call, :func:`run`, evolves a whole batch of circuits."""

from collections.abc import Sequence
from typing import Literal, Protocol, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EncodedStates",
    "GroupGradient",
    "GroupResult",
    "__version__",
    "differentiate",
    "encode",
    "gate_table",
    "kernel_gradients",
    "log_overlaps",
    "overlap",
    "plan_cache_info",
    "run",
]

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
    def word_letters(
        self,
    ) -> NDArray[np.uint8]: ...  # same length; 1 X, 2 Y, 3 Z, 4 |0><0|, 5 |1><1|
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
    def spectra(self) -> Sequence[Sequence[int]]: ...  # wires whose entanglement spectrum is asked
    @property
    def bitstrings(self) -> NDArray[np.uint8]: ...  # (strings, n_wires), 0 or 1
    @property
    def samplings(self) -> Sequence[_Sampling]: ...
    @property
    def outcomes(
        self,
    ) -> Sequence[Sequence[int]]: ...  # mid-circuit measurements whose joint distribution is asked
    @property
    def seeds(self) -> NDArray[np.uint64]: ...  # (rows, 2) or (0, 2) without samplings
    @property
    def dense_state(self) -> bool: ...
    @property
    def tensors(self) -> bool: ...  # the state itself, its sites in the order of the wires

class _Sampling(Protocol):
    """Shots to draw, all measured in one product basis or each in its own."""

    @property
    def wires(self) -> Sequence[int]: ...  # columns of the result
    @property
    def letters(
        self,
    ) -> NDArray[np.uint8]: ...  # (wires,), or (shots, wires): 1 X, 2 Y, 3 Z
    @property
    def shots(self) -> int: ...
    @property
    def stream(self) -> int: ...  # keys the random numbers, with the seed of the row

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
    def control_counts(
        self,
    ) -> NDArray[np.uint32]: ...  # (gates,) controls of each gate, the first of its wires
    @property
    def control_values(self) -> NDArray[np.uint8]: ...  # flat, 0 or 1
    @property
    def measure_resets(
        self,
    ) -> NDArray[np.bool_]: ...  # (measurements,) MidMeasureMP gates in order
    @property
    def measure_postselects(
        self,
    ) -> NDArray[np.int8]: ...  # (measurements,) -1 none, or the outcome; + 2 projects every shot
    @property
    def conditions(
        self,
    ) -> NDArray[np.int32]: ...  # (gates,) the condition of each gate, -1 none; or (0,)
    @property
    def condition_measurements(self) -> Sequence[Sequence[int]]: ...  # of each condition
    @property
    def condition_tables(
        self,
    ) -> Sequence[NDArray[np.bool_]]: ...  # (2^measurements,), the first most significant
    @property
    def loaded_wires(self) -> Sequence[int]: ...  # wires of the initial state, none for |0...0>
    @property
    def loaded_vectors(
        self,
    ) -> NDArray[np.complex128] | None: ...  # (rows or 1, 2^loaded), first wire most significant
    @property
    def loaded_tensors(
        self,
    ) -> Sequence[NDArray[np.complex128]] | None: ...  # (left, 2, right) along loaded_wires
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
    def truncation(self) -> Literal["auto", "exact", "gram", "svd"]: ...
    @property
    def threads(self) -> int | None: ...
    @property
    def memory_limit(self) -> int: ...  # bytes
    @property
    def sweeps(self) -> bool: ...  # False: the state is never re-canonicalised on the way

class _Cotangents(Protocol):
    """What to differentiate in each row of a group: outputs that are linear in its requested values.

    Output k of a row is  sum_w words[k, w] <W_w> + sum_v variances[k, v] Var_v
        + sum_j probabilities[j][k] . p_j + sum_j tr(densities[j][k] rho_j).
    The first axis is rows, or 1 where all rows share the weights; the second is the outputs.
    """

    @property
    def words(self) -> NDArray[np.float64]: ...  # (rows or 1, outputs, words)
    @property
    def variances(self) -> NDArray[np.float64]: ...  # (rows or 1, outputs, sums)
    @property
    def probabilities(
        self,
    ) -> Sequence[NDArray[np.float64]]: ...  # each (rows or 1, outputs, 2^k)
    @property
    def densities(
        self,
    ) -> Sequence[NDArray[np.complex128]]: ...  # each (rows or 1, outputs, 2^k, 2^k), Hermitian
    @property
    def differentiated(
        self,
    ) -> NDArray[np.bool_]: ...  # (parameters,) the gate parameters to differentiate by

@final
class GroupResult:
    """Arrays over the rows of one group."""

    words: NDArray[np.float64]  # (rows, words)
    variances: NDArray[np.float64]  # (rows, sums)
    probabilities: list[NDArray[np.float64]]  # each (rows, 2^k)
    densities: list[NDArray[np.complex128]]  # each (rows, 2^k, 2^k)
    spectra: list[NDArray[np.float64]]  # each (rows, m), descending, summing to 1, padded with 0
    log_probabilities: NDArray[np.float64]  # (rows, strings), natural
    samples: list[NDArray[np.uint8]]  # each (rows, shots, wires), bit 1 = eigenvalue -1
    sample_outcomes: list[
        NDArray[np.uint8]
    ]  # each (rows, shots, measurements); 255 = the shot was dropped by postselection
    outcomes: list[NDArray[np.float64]]  # each (rows, 2^m), of mid-circuit measurements
    dense_state: NDArray[np.complex128] | None  # (rows, 2^n_wires)
    tensors: list[list[NDArray[np.complex128]]] | None  # rows of (left, 2, right), normalised
    schmidt_values: list[list[NDArray[np.float64]]] | None  # rows of the n_wires - 1 inner bonds
    # Report, one entry per row.
    norm: NDArray[np.float64]  # (rows,) <psi|psi> of the state that was never renormalised
    log_norm: NDArray[np.float64]  # (rows,) its logarithm, where the norm itself underflows
    coherence: NDArray[
        np.float64
    ]  # (rows,) ln F / ln norm at half the bond dimension; nan where not measured
    branches: NDArray[np.uint32]  # (rows,) histories of mid-circuit outcomes followed
    dropped_branches: NDArray[
        np.float64
    ]  # (rows,) probability of histories too unlikely to follow, as a share of those followed
    peak_bytes: NDArray[np.uint64]  # (rows,) largest size of the state
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
    cone_spectra: NDArray[np.float64]  # (rows, len(spectra))
    methods: dict[str, int]  # steps by truncation method, and "fallback"; summed over rows
    sweeps: NDArray[np.uint32]  # (rows,) canonicalising sweeps
    seconds: NDArray[np.float64]  # (rows,) wall time of each circuit
    n_steps: int  # fused two-site steps per row
    # Those outside the light cones of all values, which were not run: every other figure is that of
    # the circuit without them.
    n_steps_left_out: int
    smallest_gap: NDArray[
        np.float64
    ]  # (rows,) least (m_k - m_d) / m_k of the last kept and the first dropped Schmidt weight over
    # the cuts made by max_bond_dim; 1 where there was none
    shifted_cuts: NDArray[
        np.uint32
    ]  # (rows,) cuts that kept fewer than max_bond_dim, because weights nearly coincided there
    wire_of_site: NDArray[np.uint32]  # (n_wires,) final site order

@final
class GroupGradient:
    """Derivatives of the outputs of one group, with the values of the same run."""

    result: GroupResult
    gradients: NDArray[np.float64]  # (rows, outputs, parameters); 0 where not differentiated
    variance_coefficients: NDArray[
        np.float64
    ]  # (rows, outputs, terms): derivative by the coefficient of each variance term
    guarded: NDArray[np.bool_]  # (rows,) a corner or a cut without a gap was met
    checkpoints: NDArray[
        np.uint32
    ]  # (rows,) states kept to evolve from again, where memory_limit has no room for all steps
    tape_bytes: NDArray[np.uint64]  # (rows,) largest size of what was kept of the steps

def run(groups: Sequence[_Group], settings: _Settings) -> list[GroupResult]:
    """Evolve every row of every group and read what was asked. Releases the GIL; Ctrl-C stops it."""

def differentiate(
    groups: Sequence[_Group],
    cotangents: Sequence[_Cotangents],
    settings: _Settings,
    method: Literal["adjoint", "two-state"],
) -> list[GroupGradient]:
    """Differentiate outputs of every row by gate parameters. Releases the GIL; Ctrl-C stops it."""

def gate_table() -> list[tuple[str, int, int]]:
    """``(name, wires, parameters)`` of each gate, its id being the position; 0 wires = any number."""

def plan_cache_info() -> tuple[int, int, int]:
    """``(hits, misses, size)`` of the cache of plans, since the start of the process."""

def overlap(
    bra: Sequence[NDArray[np.complex128]], ket: Sequence[NDArray[np.complex128]]
) -> tuple[float, float]:
    """``(ln |<bra|ket>|, phase in radians)`` of two states given as tensors (left, 2, right).

    The tensors are taken as they are, not normalised; ``(-inf, 0.0)`` for orthogonal states.
    """

@final
class EncodedStates:
    """Normalised states, one for each data point, packed for overlaps. Immutable; rows share memory."""

    n_points: int
    n_wires: int
    largest_bond: int
    single_precision: bool
    nbytes: int
    def rows(self, start: int, stop: int) -> EncodedStates: ...
    def parts(
        self,
    ) -> tuple[NDArray[np.uint32], NDArray[np.complex128] | NDArray[np.complex64]]:
        """Bonds (n_points, n_wires - 1) and all entries: point by point, site by site, (left, 2, right)."""
    @staticmethod
    def from_parts(
        bonds: NDArray[np.uint32], entries: NDArray[np.complex128] | NDArray[np.complex64]
    ) -> EncodedStates: ...
    def tensors(self, row: int) -> list[NDArray[np.complex128]]: ...
    @staticmethod
    def concatenate(sets: Sequence[EncodedStates]) -> EncodedStates: ...
    def __reduce__(self) -> tuple[object, ...]: ...

def encode(group: _Group, settings: _Settings) -> tuple[EncodedStates, GroupResult]:
    """Evolve every row and keep its state, swept and normalised; sites in the order of the result."""

def log_overlaps(
    bra: EncodedStates, ket: EncodedStates | None, threads: int | None
) -> NDArray[np.float64]:
    """``ln |<bra_i|ket_j>|^2``, -inf for orthogonal states. Releases the GIL; Ctrl-C stops it.

    Without ket, bra with itself: half the work, symmetric, zeros on the diagonal. An entry depends
    on its two states alone, whatever else is asked and on however many threads.
    """

def kernel_gradients(
    group: _Group,
    others: EncodedStates,
    weights: NDArray[np.float64],
    differentiated: NDArray[np.bool_],
    settings: _Settings,
) -> tuple[NDArray[np.float64], list[bool]]:
    """``d/d parameters of row i`` of ``sum_j weights[i, j] |<psi_i|others_j>|^2``, the others standing still.

    weights (rows, others), differentiated and the result (rows, parameters); then whether the derivatives of
    a row are unsettled, those of a truncated state without a derivative. Always in double precision and without sweeps. Releases the GIL; Ctrl-C stops it.
    """
