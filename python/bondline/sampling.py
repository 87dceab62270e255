"""Measurement with shots → which shots to draw, and how they are read.

Measurements that commute wire by wire share their shots, as on hardware; each further basis has
shots of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.exceptions import DeviceError
from pennylane.measurements import (
    ClassicalShadowMP,
    CountsMP,
    ExpectationMP,
    ProbabilityMP,
    SampleMeasurement,
    SampleMP,
    ShadowExpvalMP,
    VarianceMP,
)

from bondline import shots as readings
from bondline.gate_set import describe
from bondline.observables import (
    DENSITY_WIRES,
    LETTERS,
    Builder,
    Interpretation,
    Sampling,
    Sites,
    hermitian_matrix,
)
from bondline.pauli_sums import PauliSum, pauli_sum

OUTCOME_WIRES: Final = 20
"""Most wires whose 2^wires outcomes are listed."""

_Z: Final = LETTERS["Z"]


def interpret_shots(measurements: Sequence[Any], sites: Sites, total: int) -> Interpretation:
    """Understand the measurements of a circuit with shots.

    Parameters
    ----------
    measurements : sequence of pennylane.measurements.MeasurementProcess
    sites : mapping from wire label to index
        All wires of the circuit, in the order of their indices.
    total : int
        Shots, over all entries of a shot vector.

    Returns
    -------
    Interpretation
        Its requests lack the seeds.

    Raises
    ------
    pennylane.exceptions.DeviceError
        If a measurement or an observable is not offered; the message says what to do instead.

    Examples
    --------
    >>> found = interpret_shots([qml.expval(qml.X(0)), qml.sample(wires=1)], {0: 0, 1: 1}, 10)
    >>> [(sampling.wires, sampling.letters.tolist()) for sampling in found.requests.samplings]
    [((0, 1), [1, 3])]
    """
    request = _Request(sites, total)
    found = tuple(request.reading(measurement) for measurement in measurements)
    return replace(request.builder.interpretation(found), requests=request.freeze())


def require_sampled(measurement: Any) -> None:
    """Raise if a measurement is not offered with shots.

    Parameters
    ----------
    measurement : pennylane.measurements.MeasurementProcess

    Raises
    ------
    pennylane.exceptions.DeviceError

    Examples
    --------
    >>> require_sampled(qml.state())
    Traceback (most recent call last):
    ...
    pennylane.exceptions.DeviceError: Measurement state(wires=[]) not accepted with finite shots ...
    """
    if type(measurement) not in _READERS and not isinstance(measurement, SampleMeasurement):
        raise DeviceError(
            f"Measurement {measurement} not accepted with finite shots on bondline.mps. Remove the "
            "shots with qml.set_shots(qnode, None), or measure expval, var, probs, sample, counts, "
            "classical_shadow or shadow_expval."
        )


class _Group:
    """One sampling while it grows: each wire is measured in one letter."""

    def __init__(self, letters: Mapping[int, int]) -> None:
        self.letters = dict(letters)

    def takes(self, letters: Mapping[int, int]) -> bool:
        return all(self.letters.get(site, letter) == letter for site, letter in letters.items())

    def columns(self, sites: Sequence[int]) -> tuple[int, ...]:
        places = {site: column for column, site in enumerate(self.letters)}
        return tuple(places[site] for site in sites)


class _Request:
    """The samplings while they grow."""

    def __init__(self, sites: Sites, total: int) -> None:
        self.sites = sites
        self.total = total
        self.builder = Builder(sites)
        self.groups: list[_Group] = []
        self.shadows: dict[int, NDArray[np.uint8]] = {}  # letters shot by shot, by group
        self.streams = 0

    def reading(self, measurement: Any) -> Any:
        reader = _READERS.get(type(measurement))
        if reader is not None:
            return reader(self, measurement)
        require_sampled(measurement)
        wires = qml.wires.Wires(list(self.sites))
        return readings.ProcessedSamples(measurement, wires, self.outcome(wires))

    # Measurements

    def expectation(self, measurement: Any) -> Any:
        observable = measurement.obs
        terms = None if observable is None else self.words_of(observable)
        if terms is None or self.commute(terms):
            return readings.Moment(self.numbers(measurement), variance=False)
        parts: dict[int, list[int]] = {}
        for number, word in enumerate(terms.words):
            parts.setdefault(self.group(self.letters(word)), []).append(number)
        return readings.SumOfMeans(
            tuple(
                self.word_values(
                    PauliSum(
                        tuple(terms.words[number] for number in numbers),
                        terms.coefficients[..., numbers],
                    ),
                    group,
                )
                for group, numbers in parts.items()
            )
        )

    def variance(self, measurement: Any) -> Any:
        return readings.Moment(self.numbers(measurement), variance=True)

    def sample(self, measurement: Any) -> Any:
        if self.wants_bits(measurement):
            dtype = np.dtype(measurement._dtype or np.int64)
            return readings.BitSamples(self.outcome(measurement.wires), dtype)
        whole = np.float64 if measurement.mv is None else np.int64
        source = self.numbers(measurement)
        if isinstance(source, readings.OutcomeValues):
            whole = source.table.dtype.type
        return readings.Samples(source, np.dtype(measurement._dtype or whole))

    def counts(self, measurement: Any) -> Any:
        listed = measurement.all_outcomes
        if self.wants_bits(measurement):
            wires = measurement.wires or qml.wires.Wires(list(self.sites))
            if listed:
                _require_listed(len(wires), measurement)
            return readings.BitCounts(self.outcome(wires), listed)
        outcomes = None
        if listed:
            _require_listed(len(measurement.wires), measurement)
            values = np.round(np.asarray(measurement.eigvals()).real, 12)
            outcomes = tuple(np.unique(values).tolist())
        return readings.ValueCounts(self.numbers(measurement), outcomes)

    def distribution(self, measurement: Any) -> Any:
        observable = measurement.obs
        wires = measurement.wires or qml.wires.Wires(list(self.sites))
        _require_listed(len(wires), measurement)
        if observable is None:
            return readings.Frequencies(self.outcome(wires))
        terms = self.words_of(observable)
        if terms is None or not self.commute(terms):
            raise DeviceError(
                f"{measurement} needs the eigenbasis of {describe(observable)}, and shots are "
                "drawn in a basis of single wires. Remove the shots with "
                "qml.set_shots(qnode, None), or rotate the wires with gates and measure probs."
            )
        letters = {self.sites[wire]: _Z for wire in wires}
        for word in terms.words:
            letters |= self.letters(word)
        group = self.group(letters)
        columns = self.groups[group].columns([self.sites[wire] for wire in wires])
        return readings.Frequencies(readings.Columns(group, columns))

    def shadow(self, measurement: Any) -> readings.Shadow:
        wires = measurement.wires or qml.wires.Wires(list(self.sites))
        # PennyLane draws a seed for every shadow that is given none.
        generator = np.random.RandomState(measurement.seed)
        recipes = generator.randint(0, 3, size=(self.total, len(wires)))
        group = len(self.groups)
        self.groups.append(_Group({self.sites[wire]: _Z for wire in wires}))
        self.shadows[group] = (recipes + 1).astype(np.uint8)
        columns = readings.Columns(group, tuple(range(len(wires))))
        return readings.Shadow(columns, recipes.astype(np.int8))

    def shadow_expectation(self, measurement: Any) -> Any:
        shadow = self.shadow(measurement)
        wires = tuple(measurement.wires)
        return readings.ShadowExpectation(shadow, wires, measurement.H, measurement.k)

    # What they ask for

    def wants_bits(self, measurement: Any) -> bool:
        if measurement.obs is not None:
            return False
        if measurement.mv is None:
            return measurement.eigvals() is None
        return not isinstance(measurement.mv, qml.ops.MeasurementValue)

    def numbers(self, measurement: Any) -> readings.PerShot:
        """Return a number for every shot: an eigenvalue, or a function of a few outcomes."""
        observable = measurement.obs
        if observable is None:
            _require_listed(len(measurement.wires), measurement)
            table = np.asarray(measurement.eigvals())
            return readings.OutcomeValues(self.outcome(measurement.wires), table)
        if isinstance(observable, qml.Projector) and len(observable.data[0]) == len(
            observable.wires
        ):
            bits = np.asarray(qml.math.unwrap([observable.data[0]])[0], dtype=np.uint8)
            return readings.Indicator(self.outcome(observable.wires), bits)
        terms = self.words_of(observable)
        if terms is not None and self.commute(terms):
            letters: dict[int, int] = {}
            for word in terms.words:
                letters |= self.letters(word)
            return self.word_values(terms, self.group(letters))
        if len(observable.wires) > DENSITY_WIRES:
            raise DeviceError(
                f"{measurement} with shots: {describe(observable)} has words that do not commute "
                f"wire by wire, and a common eigenbasis is found on at most {DENSITY_WIRES} wires. "
                "Measure its words one by one, or remove the shots."
            )
        matrix = hermitian_matrix(observable)
        if matrix.ndim != 2:
            raise DeviceError(
                f"{measurement} has a batch of matrices, which shots do not offer. "
                "Apply qml.transforms.broadcast_expand to the QNode."
            )
        self.streams += 1
        density = self.builder.density(observable.wires)
        return readings.Eigenvalues(density, matrix, self.total, self.streams)

    def words_of(self, observable: Any) -> PauliSum | None:
        if isinstance(observable, qml.Projector):
            return None
        terms = pauli_sum(observable)
        if terms is not None and terms.coefficients.ndim == 2:
            self.builder.require_batch(len(terms.coefficients), observable)
        return terms

    def letters(self, word: Mapping[Any, str]) -> dict[int, int]:
        return {self.sites[wire]: LETTERS[letter] for wire, letter in word.items()}

    def commute(self, terms: PauliSum) -> bool:
        together = _Group({})
        for word in terms.words:
            letters = self.letters(word)
            if not together.takes(letters):
                return False
            together.letters |= letters
        return True

    def word_values(self, terms: PauliSum, group: int) -> readings.WordValues:
        columns, places = [], []
        constant = np.zeros(terms.coefficients.shape[:-1])
        for number, word in enumerate(terms.words):
            if not word:
                constant = constant + terms.coefficients[..., number]
                continue
            sites = list(self.letters(word))
            columns.append(readings.Columns(group, self.groups[group].columns(sites)))
            places.append(number)
        return readings.WordValues(tuple(columns), terms.coefficients[..., places], constant)

    def outcome(self, wires: Any) -> readings.Columns:
        sites = [self.sites[wire] for wire in wires] or list(self.sites.values())
        group = self.group(dict.fromkeys(sites, _Z))
        return readings.Columns(group, self.groups[group].columns(sites))

    def group(self, letters: Mapping[int, int]) -> int:
        """Return the first sampling that can measure these letters, too."""
        for number, group in enumerate(self.groups):
            if number not in self.shadows and group.takes(letters):
                for site, letter in letters.items():
                    group.letters.setdefault(site, letter)
                return number
        self.groups.append(_Group(letters))
        return len(self.groups) - 1

    def freeze(self) -> Any:
        samplings = []
        for number, group in enumerate(self.groups):
            letters = self.shadows.get(number)
            if letters is None:
                letters = np.array(list(group.letters.values()), dtype=np.uint8)
            samplings.append(Sampling(tuple(group.letters), letters, self.total, number))
        return replace(self.builder.freeze(), samplings=tuple(samplings))


_READERS: dict[type, Callable[[_Request, Any], Any]] = {
    ExpectationMP: _Request.expectation,
    VarianceMP: _Request.variance,
    ProbabilityMP: _Request.distribution,
    SampleMP: _Request.sample,
    CountsMP: _Request.counts,
    ClassicalShadowMP: _Request.shadow,
    ShadowExpvalMP: _Request.shadow_expectation,
}

SAMPLED: Final = frozenset(kind.__name__ for kind in _READERS)
"""Names of the measurement classes that take shots, as ``devices/mps.toml`` lists them."""


def _require_listed(wires: int, owner: Any) -> None:
    if wires > OUTCOME_WIRES:
        raise DeviceError(
            f"{owner} lists the 2^{wires} outcomes of {wires} wires, and bondline.mps lists those "
            f"of at most {OUTCOME_WIRES}. Use qml.sample or qml.counts, which return what was seen."
        )
