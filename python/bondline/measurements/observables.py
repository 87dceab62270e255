"""Measurement → request to the engine, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pennylane as qml
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

from bondline.errors import InputError, UnsupportedError
from bondline.measurements import densities, entanglement, results
from bondline.measurements.coefficients import CoefficientDerivatives, derivatives_of
from bondline.measurements.matrices import (
    DENSITY_WIRES,
    diagonalizing_matrix,
    hermitian_matrix,
    require_few,
)
from bondline.measurements.pauli_sums import PauliSum, Split, split
from bondline.measurements.readings import Differentiable, Reading
from bondline.measurements.requests import RequestBuilder, Requests, Sites, WordPlaces
from bondline.operators.gate_set import describe
from bondline.operators.outcomes import Numbers, measurements_behind, value_table

Trained = Mapping[int, Sequence[int]]

NO_MEASUREMENTS: Final[Numbers] = {}
NOTHING_TRAINED: Final[Trained] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Interpretation:
    """The measurements of one circuit, understood.

    Attributes
    ----------
    requests : Requests
    readings : tuple of readings.Reading or of shots.ShotReading
        One per measurement, in order.
    batch : int or None
        Size of the batch of coefficients, if any observable has one.
    derivatives : dict from int to CoefficientDerivatives
        By the numbers of their own observables, of the measurements where these were asked for.
    """

    requests: Requests
    readings: tuple[Any, ...]
    batch: int | None
    derivatives: Mapping[int, CoefficientDerivatives] = field(default_factory=dict)


def interpret(
    measurements: Sequence[Any],
    sites: Sites,
    numbers: Numbers = NO_MEASUREMENTS,
    trained: Trained = NOTHING_TRAINED,
) -> Interpretation:
    """Understand the measurements of a circuit; equal words are asked for once.

    Parameters
    ----------
    measurements : sequence of pennylane.measurements.MeasurementProcess
    sites : mapping from wire label to index
        All wires of the circuit, in the order of their indices.
    numbers : mapping from pennylane.ops.MidMeasure to int, optional
        The mid-circuit measurements of the circuit.
    trained : mapping from int to sequence of int, optional
        For measurements whose derivatives by numbers of their own observables are wanted: which
        numbers, ascending.

    Returns
    -------
    Interpretation

    Raises
    ------
    pennylane.exceptions.DeviceError
        If a measurement or an observable is not offered; the message says what to do instead.
    InputError
        If an observable is not Hermitian or not finite.
    UnsupportedError
        If a derivative by a number of an observable is wanted that has none.

    Notes
    -----
    About 3 µs a Pauli term; nothing here grows with 2^wires beyond the limits of
    :mod:`bondline.measurements.matrices`.

    Examples
    --------
    >>> found = interpret([qml.expval(qml.Z("b")), qml.var(qml.Z("b"))], {"a": 0, "b": 1})
    >>> found.requests.word_wires  # one word serves both
    array([1], dtype=uint32)
    """
    exact = _Exact(sites, numbers, trained)
    readings = tuple(map(exact.reading, range(len(measurements)), measurements))
    return Interpretation(exact.asked.requests(0), readings, exact.asked.batch, exact.derivatives)


class _Exact:
    """What is asked for by measurements without shots, while it grows."""

    def __init__(self, sites: Sites, numbers: Numbers, trained: Trained) -> None:
        self.asked = RequestBuilder(sites)
        self.numbers = numbers
        self.trained = trained
        self.derivatives: dict[int, CoefficientDerivatives] = {}

    def reading(self, position: int, measurement: Any) -> Reading:
        wanted = self.trained.get(position, ())
        if wanted and type(measurement) is ExpectationMP:
            return self.trained_expectation(position, measurement.obs, wanted)
        if wanted and type(measurement) is VarianceMP:
            return self.trained_variance(position, measurement.obs, wanted)
        reader = _READERS.get(type(measurement))
        if reader is not None:
            return reader(self, measurement)
        require_offered(measurement)
        self.asked.dense_state = True
        return results.ProcessedState(measurement, qml.wires.Wires(list(self.asked.sites)))

    def expectation(self, measurement: Any) -> Differentiable:
        observable = measurement.obs
        if observable is None:
            return self.outcome_moment(measurement, variance=False)
        return self.sum_of(split(observable, DENSITY_WIRES, expand=False), observable)

    def sum_of(self, found: Split, observable: Any) -> results.WordSum | results.Combination:
        if found.words is not None and not found.parts:
            return self.words(found, observable)
        return self.combination(found, observable)

    def trained_expectation(
        self, position: int, observable: Any, wanted: Sequence[int]
    ) -> Differentiable:
        found = split(observable, DENSITY_WIRES, expand=False)
        reading = self.sum_of(found, observable)
        parts = {}
        if isinstance(reading, results.Combination):
            terms = reading.terms[len(reading.terms) - len(found.parts) :]
            parts = {id(part): term for (_, part), term in zip(found.parts, terms, strict=True)}
        places = self.asked.places
        self.derivatives[position] = derivatives_of(observable, wanted, places, parts)
        return reading

    def variance(self, measurement: Any) -> Differentiable:
        observable = measurement.obs
        if observable is None:
            return self.outcome_moment(measurement, variance=True)
        found = split(observable, DENSITY_WIRES, expand=True)
        if found.words is None or found.parts:
            return self.matrix_moment(observable, variance=True)
        return self.variance_of(found.words, observable)

    def variance_of(self, found: PauliSum, observable: Any) -> results.WordVariance:
        words = self.asked.words(found.words)
        self.asked.require_batch_of(found.coefficients, observable)
        return results.WordVariance(self.asked.variance(words, found.coefficients))

    def trained_variance(
        self, position: int, observable: Any, wanted: Sequence[int]
    ) -> Differentiable:
        found = split(observable, DENSITY_WIRES, expand=True)
        if found.words is None or found.parts:
            raise UnsupportedError(
                f"The variance of {describe(observable)}, which has no Pauli form, has no "
                "derivative by its coefficients on bondline.mps. Write it as a sum of Pauli words."
            )
        terms = WordPlaces(found.words.words)
        self.derivatives[position] = derivatives_of(observable, wanted, terms, {})
        # Words whose coefficient is zero here have a derivative all the same.
        missing = len(terms) - len(found.words.words)
        coefficients = found.words.coefficients
        widths = [(0, 0)] * (coefficients.ndim - 1) + [(0, missing)]
        return self.variance_of(PauliSum(tuple(terms), np.pad(coefficients, widths)), observable)

    def words(self, found: Split, observable: Any) -> results.WordSum:
        assert found.words is not None
        self.asked.require_batch_of(found.words.coefficients, observable)
        return results.WordSum(self.asked.words(found.words.words), found.words.coefficients)

    def combination(self, found: Split, observable: Any) -> results.Combination:
        coefficients: list[Any] = []
        terms: list[Differentiable] = []
        if found.words is not None:
            coefficients.append(np.ones(()))
            terms.append(self.words(found, observable))
        for coefficient, part in found.parts:
            if coefficient.ndim:
                self.asked.require_batch(len(coefficient), observable)
            coefficients.append(coefficient)
            terms.append(self.matrix_moment(part, variance=False))
        return results.Combination(tuple(terms), tuple(coefficients))

    def matrix_moment(self, observable: Any, *, variance: bool) -> Differentiable:
        matrix = hermitian_matrix(observable)
        if matrix.ndim == 3:
            self.asked.require_batch(len(matrix), observable)
        return densities.MatrixMoment(self.asked.density(observable.wires), matrix, variance)

    def outcome_moment(self, measurement: Any, *, variance: bool) -> Differentiable:
        behind = measurements_behind(measurement, self.numbers)
        if behind is None:
            table = eigenvalues(measurement)
            distribution = results.Probabilities(self.asked.distribution(measurement.wires))
        else:
            table = value_table(measurement.mv)
            distribution = self.outcomes(behind)
        return results.OutcomeMoment(distribution, np.asarray(table, np.float64), variance)

    def outcomes(self, measurements: tuple[int, ...]) -> results.Probabilities:
        return results.Probabilities(self.asked.outcomes(measurements), of_measurements=True)

    def distribution(self, measurement: Any) -> Reading:
        observable = measurement.obs
        if observable is not None:
            wires = observable.wires
            require_few(wires, measurement)
            rotation = diagonalizing_matrix(observable)
            return densities.RotatedProbabilities(self.asked.density(wires), rotation)
        behind = measurements_behind(measurement, self.numbers)
        if behind is not None:
            return self.outcomes(behind)
        return results.Probabilities(self.asked.distribution(measurement.wires))

    def state(self, measurement: Any) -> Reading:
        if len(measurement.wires) and tuple(measurement.wires) != tuple(self.asked.sites):
            raise DeviceError(
                "state() returns all wires of the device in their order. "
                "Use qml.density_matrix(wires) for some of them."
            )
        self.asked.dense_state = True
        return results.State()

    def reduced_density(self, measurement: Any) -> Reading:
        require_few(measurement.wires, "qml.density_matrix")
        return densities.Density(self.asked.density(measurement.wires))

    def purity(self, measurement: Any) -> Reading:
        return entanglement.Purity(self.spectrum(measurement.wires))

    def entropy(self, measurement: Any) -> Reading:
        unit = entanglement.unit_of(measurement.log_base)
        return entanglement.Entropy(self.spectrum(measurement.wires), unit)

    def mutual_information(self, measurement: Any) -> Reading:
        first, second = measurement.raw_wires
        unit = entanglement.unit_of(measurement.log_base)
        return entanglement.MutualInformation(
            *(
                entanglement.Entropy(self.spectrum(wires), unit)
                for wires in (first, second, first + second)
            )
        )

    def spectrum(self, wires: Any) -> entanglement.Spectrum:
        few = len(wires) <= DENSITY_WIRES and 2 * len(wires) <= len(self.asked.sites)
        return entanglement.Spectrum(self.asked.spectrum(wires), local=few)


_READERS: dict[type, Callable[[_Exact, Any], Reading]] = {
    ExpectationMP: _Exact.expectation,
    VarianceMP: _Exact.variance,
    ProbabilityMP: _Exact.distribution,
    StateMP: _Exact.state,
    DensityMatrixMP: _Exact.reduced_density,
    PurityMP: _Exact.purity,
    VnEntropyMP: _Exact.entropy,
    MutualInfoMP: _Exact.mutual_information,
}

MEASUREMENTS: Final = frozenset(kind.__name__ for kind in _READERS)
"""Names of the measurement classes, as ``devices/mps.toml`` lists them."""


def eigenvalues(measurement: Any) -> Any:
    """Return the value of each outcome of a measurement that has no observable.

    Parameters
    ----------
    measurement : pennylane.measurements.ExpectationMP or VarianceMP or SampleMP or CountsMP

    Returns
    -------
    array of float64

    Raises
    ------
    InputError
        If there are none: the observable was forgotten.

    Examples
    --------
    >>> eigenvalues(qml.expval(None))
    Traceback (most recent call last):
    ...
    bondline.errors.InputError: expval needs an observable, got None. ...
    """
    found = measurement.eigvals()
    if found is None:
        name = measurement.__class__.__name__.removesuffix("MP")
        name = {"Expectation": "expval", "Variance": "var"}.get(name, name.lower())
        raise InputError(
            f"{name} needs an observable, got None. Write for example qml.{name}(qml.Z(0))."
        )
    return found


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
