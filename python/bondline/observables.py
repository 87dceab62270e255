"""Measurement → request to the engine, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.exceptions import DeviceError
from pennylane.measurements import (
    DensityMatrixMP,
    ExpectationMP,
    MutualInfoMP,
    ProbabilityMP,
    PurityMP,
    StateMeasurement,
    StateMP,
    VarianceMP,
    VnEntropyMP,
)

from bondline import results
from bondline.errors import InputError
from bondline.gate_set import describe
from bondline.pauli_sums import PauliSum, pauli_sum

MATRIX_WIRES: Final = 6
"""Most wires of an observable that is read through its matrix."""

DENSITY_WIRES: Final = 10
"""Most wires of a reduced density matrix: 4^10 numbers are 16 MiB."""

LETTERS: Final = {"X": 1, "Y": 2, "Z": 3}
_HERMITICITY_TOLERANCE: Final = 1e-8

Sites = Mapping[Any, int]


def _no_strings() -> NDArray[np.uint8]:
    return np.empty((0, 0), dtype=np.uint8)


def _no_seeds() -> NDArray[np.uint64]:
    return np.empty((0, 2), dtype=np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class Sampling:
    """Shots to draw; the fields are those that the engine documents."""

    wires: tuple[int, ...]
    letters: NDArray[np.uint8]
    shots: int
    stream: int

    def key(self) -> tuple[object, ...]:
        """Return what tells two samplings apart."""
        return (self.wires, self.letters.tobytes(), self.shots, self.stream)


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """What the engine reads from each row of a group; the fields are those it documents."""

    word_counts: NDArray[np.uint32]
    word_wires: NDArray[np.uint32]
    word_letters: NDArray[np.uint8]
    variance_counts: NDArray[np.uint32]
    variance_words: NDArray[np.uint32]
    variance_coefficients: NDArray[np.float64]
    probabilities: tuple[tuple[int, ...], ...]
    densities: tuple[tuple[int, ...], ...]
    dense_state: bool
    spectra: tuple[tuple[int, ...], ...] = ()
    bitstrings: NDArray[np.uint8] = field(default_factory=_no_strings)
    samplings: tuple[Sampling, ...] = ()
    outcomes: tuple[tuple[int, ...], ...] = ()
    seeds: NDArray[np.uint64] = field(default_factory=_no_seeds)
    tensors: bool = False

    def key(self) -> tuple[object, ...]:
        """Return what two circuits of one group must share: everything but coefficients.

        Returns
        -------
        tuple, hashable
        """
        return (
            self.word_counts.tobytes(),
            self.word_wires.tobytes(),
            self.word_letters.tobytes(),
            self.variance_counts.tobytes(),
            self.variance_words.tobytes(),
            self.probabilities,
            self.densities,
            self.dense_state,
            self.spectra,
            self.bitstrings.tobytes(),
            tuple(sampling.key() for sampling in self.samplings),
            self.outcomes,
            self.tensors,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Interpretation:
    """The measurements of one circuit, understood.

    Attributes
    ----------
    requests : Requests
    readings : tuple of results.Reading or of shots.ShotReading
        One per measurement, in order.
    batch : int or None
        Size of the batch of coefficients, if any observable has one.
    """

    requests: Requests
    readings: tuple[Any, ...]
    batch: int | None


def interpret(measurements: Sequence[Any], sites: Sites) -> Interpretation:
    """Understand the measurements of a circuit; equal Pauli words are asked for once.

    Parameters
    ----------
    measurements : sequence of pennylane.measurements.MeasurementProcess
    sites : mapping from wire label to index
        All wires of the circuit, in the order of their indices.

    Returns
    -------
    Interpretation

    Raises
    ------
    pennylane.exceptions.DeviceError
        If a measurement or an observable is not offered; the message says what to do instead.
    InputError
        If an observable is not Hermitian or not finite.

    Notes
    -----
    About 3 µs a Pauli term; nothing here grows with 2^wires beyond the limits of this module.

    Examples
    --------
    >>> found = interpret([qml.expval(qml.Z("b")), qml.var(qml.Z("b"))], {"a": 0, "b": 1})
    >>> found.requests.word_wires  # one word serves both
    array([1], dtype=uint32)
    """
    request = Builder(sites)
    readings = tuple(request.reading(measurement) for measurement in measurements)
    return request.interpretation(readings)


class Builder:
    """The request of a circuit while it grows."""

    def __init__(self, sites: Sites) -> None:
        self.sites = sites
        self.batch: int | None = None
        self.words: dict[Any, int] = {}
        self.word_counts: list[int] = []
        self.word_wires: list[int] = []
        self.word_letters: list[int] = []
        self.sums: list[tuple[NDArray[np.intp], NDArray[np.float64]]] = []
        self.probabilities: dict[tuple[int, ...], int] = {}
        self.densities: dict[tuple[int, ...], int] = {}
        self.dense_state = False

    def reading(self, measurement: Any) -> results.Reading:
        reader = _READERS.get(type(measurement))
        if reader is not None:
            return reader(self, measurement)
        require_offered(measurement)
        self.dense_state = True
        return results.ProcessedState(measurement, qml.wires.Wires(list(self.sites)))

    # Measurements

    def expectation(self, measurement: Any) -> results.Reading:
        return self.moment(measurement, variance=False)

    def variance(self, measurement: Any) -> results.Reading:
        return self.moment(measurement, variance=True)

    def moment(self, measurement: Any, *, variance: bool) -> results.Reading:
        observable = measurement.obs
        if observable is None:  # a deferred mid-circuit measurement: a function of the outcome
            outcomes = np.asarray(measurement.eigvals(), dtype=np.float64)
            return results.OutcomeMoment(self.outcomes(measurement.wires), outcomes, variance)
        terms = pauli_sum(observable)
        if terms is not None:
            words = self.word_indices(terms)
            if not variance:
                return results.WordSum(words, terms.coefficients)
            self.sums.append((words, terms.coefficients))
            return results.WordVariance(len(self.sums) - 1)
        if isinstance(observable, qml.Projector) and len(observable.data[0]) == len(
            observable.wires
        ):
            return self.projector(observable, variance)
        matrix = hermitian_matrix(observable)
        if matrix.ndim == 3:
            self.require_batch(len(matrix), observable)
        return results.MatrixMoment(self.density(observable.wires), matrix, variance)

    def projector(self, observable: Any, variance: bool) -> results.Reading:
        wires = observable.wires
        if len(wires) > DENSITY_WIRES:
            raise DeviceError(
                f"Observable {describe(observable)} projects {len(wires)} wires, and this version "
                f"reads at most {DENSITY_WIRES}. Take the entry of qml.probs on those wires, "
                "which needs 2^wires numbers."
            )
        bits = np.asarray(qml.math.unwrap([observable.data[0]])[0], dtype=np.intp)
        outcomes = np.zeros(2 ** len(wires))
        outcomes[int(bits @ (1 << np.arange(len(wires))[::-1]))] = 1.0
        return results.OutcomeMoment(self.outcomes(wires), outcomes, variance)

    def distribution(self, measurement: Any) -> results.Reading:
        observable = measurement.obs
        if observable is None:
            return results.Probabilities(self.outcomes(measurement.wires))
        wires = observable.wires
        _require_few(wires, MATRIX_WIRES, measurement)
        gates = observable.diagonalizing_gates()
        rotation = np.eye(2 ** len(wires), dtype=np.complex128)
        for gate in gates:
            rotation = np.asarray(gate.matrix(wire_order=wires)) @ rotation
        return results.RotatedProbabilities(self.density(wires), rotation)

    def state(self, measurement: Any) -> results.Reading:
        if len(measurement.wires) and tuple(measurement.wires) != tuple(self.sites):
            raise DeviceError(
                "state() returns all wires of the device in their order. "
                "Use qml.density_matrix(wires) for some of them."
            )
        self.dense_state = True
        return results.State()

    def reduced_density(self, measurement: Any) -> results.Reading:
        return results.Density(self.few_wires_density(measurement))

    def purity(self, measurement: Any) -> results.Reading:
        return results.Purity(self.few_wires_density(measurement))

    def entropy(self, measurement: Any) -> results.Reading:
        return results.Entropy(self.few_wires_density(measurement), measurement.log_base)

    def mutual_information(self, measurement: Any) -> results.Reading:
        first, _ = measurement.raw_wires
        index = self.few_wires_density(measurement)
        return results.MutualInformation(index, len(first), measurement.log_base)

    # What they ask for

    def few_wires_density(self, measurement: Any) -> int:
        _require_few(measurement.wires, DENSITY_WIRES, measurement)
        return self.density(measurement.wires)

    def outcomes(self, wires: Any) -> int:
        return _index(self.probabilities, self.indices(wires))

    def density(self, wires: Any) -> int:
        return _index(self.densities, self.indices(wires))

    def indices(self, wires: Any) -> tuple[int, ...]:
        """Return the indices of some wires; no wires mean all of them."""
        return tuple(map(self.sites.__getitem__, wires.labels)) or tuple(self.sites.values())

    def word_indices(self, terms: PauliSum) -> NDArray[np.intp]:
        known, sites = self.words, self.sites
        found = []
        for word in terms.words:
            index = known.get(word)
            if index is None:
                index = known[word] = len(known)
                letters = sorted([(sites[wire], LETTERS[letter]) for wire, letter in word.items()])
                self.word_counts.append(len(letters))
                for site, letter in letters:
                    self.word_wires.append(site)
                    self.word_letters.append(letter)
            found.append(index)
        if terms.coefficients.ndim == 2:
            self.require_batch(len(terms.coefficients), terms.words[0])
        return np.array(found, dtype=np.intp)

    def require_batch(self, size: int, owner: Any) -> None:
        if self.batch is not None and self.batch != size:
            raise InputError(
                f"The observables have batches of {self.batch} and {size} values ({owner!r}). "
                "All batches in a circuit must have one size."
            )
        self.batch = size

    def interpretation(self, readings: tuple[Any, ...]) -> Interpretation:
        """Return the request with its readings."""
        return Interpretation(self.freeze(), readings, self.batch)

    def freeze(self) -> Requests:
        return Requests(
            word_counts=np.array(self.word_counts, dtype=np.uint32),
            word_wires=np.array(self.word_wires, dtype=np.uint32),
            word_letters=np.array(self.word_letters, dtype=np.uint8),
            variance_counts=np.array([len(words) for words, _ in self.sums], dtype=np.uint32),
            variance_words=_join([words for words, _ in self.sums], np.uint32),
            variance_coefficients=self.variance_coefficients(),
            probabilities=tuple(self.probabilities),
            densities=tuple(self.densities),
            dense_state=self.dense_state,
        )

    def variance_coefficients(self) -> NDArray[np.float64]:
        if not self.sums:
            return _NO_COEFFICIENTS
        rows = 1
        for _, coefficients in self.sums:
            if coefficients.ndim == 2:
                rows = len(coefficients)
        return np.concatenate(
            [np.broadcast_to(found, (rows, found.shape[-1])) for _, found in self.sums], axis=1
        )


_NO_COEFFICIENTS = np.empty((1, 0))

_READERS: dict[type, Callable[[Builder, Any], results.Reading]] = {
    ExpectationMP: Builder.expectation,
    VarianceMP: Builder.variance,
    ProbabilityMP: Builder.distribution,
    StateMP: Builder.state,
    DensityMatrixMP: Builder.reduced_density,
    PurityMP: Builder.purity,
    VnEntropyMP: Builder.entropy,
    MutualInfoMP: Builder.mutual_information,
}

MEASUREMENTS: Final = frozenset(kind.__name__ for kind in _READERS)
"""Names of the measurement classes, as ``devices/mps.toml`` lists them."""


def require_offered(measurement: Any) -> None:
    """Raise if a measurement is neither in the table nor a state measurement of the user's own.

    Parameters
    ----------
    measurement : pennylane.measurements.MeasurementProcess

    Raises
    ------
    pennylane.exceptions.DeviceError

    Examples
    --------
    >>> require_offered(qml.sample(wires=0))
    Traceback (most recent call last):
    ...
    pennylane.exceptions.DeviceError: Measurement sample(wires=[0]) not accepted for analytic ...
    """
    if type(measurement) not in _READERS and not isinstance(measurement, StateMeasurement):
        raise DeviceError(
            f"Measurement {measurement} not accepted for analytic simulation on bondline.mps. "
            "Give the QNode shots with qml.set_shots, or measure expval, var, probs, state, "
            "density_matrix, purity, vn_entropy or mutual_info."
        )


def _index(known: dict[tuple[int, ...], int], wires: tuple[int, ...]) -> int:
    return known.setdefault(wires, len(known))


def _join(parts: list[NDArray[np.intp]], dtype: type[np.uint32]) -> NDArray[np.uint32]:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)


def _require_few(wires: Any, limit: int, owner: Any) -> None:
    if len(wires) > limit:
        raise DeviceError(
            f"{owner} needs the density matrix of {len(wires)} wires, and bondline.mps builds "
            f"those of at most {limit} (4^{limit} numbers). Ask for fewer wires."
        )


def hermitian_matrix(observable: Any) -> NDArray[np.complex128]:
    """Matrix of an observable without a Pauli form, in the order of its own wires."""
    size = len(observable.wires)
    if size > MATRIX_WIRES:
        raise DeviceError(
            f"Observable {describe(observable)} acts on {size} wires and has no Pauli form; "
            f"matrices are read on at most {MATRIX_WIRES} wires. "
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
