"""Measurement with shots → which shots to draw, and how they are read.

Measurements that commute wire by wire share their shots, as on hardware; each further basis has
shots of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

from bondline.measurements import shots as readings
from bondline.measurements.bases import Z
from bondline.measurements.columns import Columns
from bondline.measurements.matrices import (
    DENSITY_WIRES,
    diagonalizing_matrix,
    hermitian_matrix,
    require_few,
)
from bondline.measurements.observables import NO_MEASUREMENTS, Interpretation, eigenvalues
from bondline.measurements.pauli_sums import PauliSum, split
from bondline.measurements.requests import RequestBuilder, Sites
from bondline.operators.gate_set import describe
from bondline.operators.outcomes import (
    LISTED_MEASUREMENTS,
    Numbers,
    measurements_behind,
    value_table,
)

OUTCOME_WIRES: Final = 20
"""Most wires whose 2^wires outcomes are listed."""

_BASES: Final = {"X": 1, "Y": 2, "Z": Z, "0": Z, "1": Z}
"""In which letter each letter of a word is measured."""


def interpret_shots(
    measurements: Sequence[Any], sites: Sites, total: int, numbers: Numbers = NO_MEASUREMENTS
) -> Interpretation:
    """Understand the measurements of a circuit with shots.

    Parameters
    ----------
    measurements : sequence of pennylane.measurements.MeasurementProcess
    sites : mapping from wire label to index
        All wires of the circuit, in the order of their indices.
    total : int
        Shots, over all entries of a shot vector.
    numbers : mapping from pennylane.ops.MidMeasure to int, optional
        The mid-circuit measurements of the circuit.

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
    drawn = _Drawn(sites, total, numbers)
    found = tuple(drawn.reading(measurement) for measurement in measurements)
    return Interpretation(drawn.asked.requests(total), found, drawn.asked.batch)


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


class _Drawn:
    """What is drawn for measurements with shots, while it grows."""

    def __init__(self, sites: Sites, total: int, numbers: Numbers) -> None:
        self.asked = RequestBuilder(sites)
        self.bases = self.asked.bases
        self.total = total
        self.measured = numbers
        self.streams = 0

    def reading(self, measurement: Any) -> Any:
        reader = _READERS.get(type(measurement))
        if reader is not None:
            return reader(self, measurement)
        require_sampled(measurement)
        wires = qml.wires.Wires(list(self.asked.sites))
        return readings.ProcessedSamples(measurement, wires, self.outcome(wires))

    # Measurements

    def expectation(self, measurement: Any) -> Any:
        observable = measurement.obs
        if observable is None:
            return readings.Moment(self.numbers(measurement), variance=False)
        # After mid-circuit measurements words need no average over all histories, matrices do.
        found = split(observable, DENSITY_WIRES, expand=bool(self.measured))
        sources: list[readings.PerShot] = []
        if found.words is not None:
            self.asked.require_batch_of(found.words.coefficients, observable)
            sources += self.word_values(found.words)
        for coefficient, part in found.parts:
            sources.append(self.eigenvalues(measurement, part, coefficient))
        means = tuple(readings.Moment(source, variance=False) for source in sources)
        return means[0] if len(means) == 1 else readings.SumOfMeans(means)

    def variance(self, measurement: Any) -> Any:
        return readings.Moment(self.numbers(measurement), variance=True)

    def sample(self, measurement: Any) -> Any:
        if self.wants_bits(measurement):
            dtype = np.dtype(measurement._dtype or np.int64)
            return readings.BitSamples(self.bits_of(measurement), dtype)
        source = self.numbers(measurement)
        exact: Any = np.float64
        if isinstance(source, readings.TableValues | readings.FunctionValues):
            exact = source.dtype
        return readings.Samples(source, np.dtype(measurement._dtype or exact))

    def counts(self, measurement: Any) -> Any:
        listed = measurement.all_outcomes
        if self.wants_bits(measurement):
            outcome = self.bits_of(measurement)
            if listed:
                _require_listed(outcome.width, measurement)
            return readings.BitCounts(outcome, listed)
        source = self.numbers(measurement)
        outcomes = None
        if listed:
            if isinstance(source, readings.TableValues):
                values = source.table
            else:
                width = source.outcome.width if isinstance(source, readings.FunctionValues) else 0
                _require_listed(max(width, len(measurement.wires)), measurement)
                values = np.asarray(measurement.eigvals()).real
            outcomes = tuple(np.unique(np.round(values, 12)).tolist())
        return readings.ValueCounts(source, outcomes)

    def distribution(self, measurement: Any) -> Any:
        observable = measurement.obs
        if observable is None:
            outcome = self.bits_of(measurement)
            _require_listed(outcome.width, measurement)
            return readings.Frequencies(outcome)
        wires = measurement.wires
        _require_listed(len(wires), measurement)
        words = split(observable, DENSITY_WIRES, expand=True).words
        letters = None if words is None else _common_letters(words, self.asked.sites)
        if letters is None:
            return readings.Frequencies(self.eigenbasis(measurement, observable))
        places = self.asked.indices(wires)
        basis = self.bases.place(dict.fromkeys(places, Z) | letters)
        return readings.Frequencies(self.bases.columns(basis, places))

    def shadow(self, measurement: Any) -> readings.Shadow:
        wires = self.asked.indices(measurement.wires)
        # PennyLane draws a seed for every shadow that is given none.
        generator = np.random.RandomState(measurement.seed)
        recipes = generator.randint(0, 3, size=(self.total, len(wires)))
        columns = self.bases.place_shot_by_shot(wires, (recipes + 1).astype(np.uint8))
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

    def bits_of(self, measurement: Any) -> Columns:
        """Return the bits of the wires or mid-circuit measurements that a measurement looks at."""
        behind = measurements_behind(measurement, self.measured)
        if behind is None:
            return self.outcome(measurement.wires)
        return Columns(self.any_basis(), behind, of_measurements=True)

    def numbers(self, measurement: Any) -> readings.PerShot:
        """Return a number for every shot: an eigenvalue, or a function of a few outcomes."""
        observable = measurement.obs
        if observable is None:
            outcome = self.bits_of(measurement)
            if outcome.of_measurements and outcome.width > LISTED_MEASUREMENTS:
                return readings.FunctionValues(outcome, measurement.mv)
            _require_listed(outcome.width, measurement)
            deferred = not outcome.of_measurements
            table = eigenvalues(measurement) if deferred else value_table(measurement.mv)
            return readings.TableValues(outcome, np.asarray(table))
        words = split(observable, DENSITY_WIRES, expand=True).words
        if words is not None:
            self.asked.require_batch_of(words.coefficients, observable)
            if _common_letters(words, self.asked.sites) is not None:
                (source,) = self.word_values(words)
                return source
        return self.eigenvalues(measurement, observable, np.ones(()))

    def word_values(self, terms: PauliSum) -> list[readings.WordValues]:
        """Return the sums of words that one basis measures at once, one for each basis."""
        sites = self.asked.sites
        letters = _common_letters(terms, sites)
        if letters is not None:
            return [self.words_in(self.bases.place(letters), terms)]
        parts: dict[int, list[int]] = {}
        for number, word in enumerate(terms.words):
            parts.setdefault(self.bases.place(_letters(word, sites)), []).append(number)
        return [
            self.words_in(
                basis,
                PauliSum(
                    tuple(terms.words[number] for number in numbers),
                    terms.coefficients[..., numbers],
                ),
            )
            for basis, numbers in parts.items()
        ]

    def words_in(self, basis: int, terms: PauliSum) -> readings.WordValues:
        sites = self.asked.sites
        words, places = [], []
        constant = np.zeros(terms.coefficients.shape[:-1])
        for number, word in enumerate(terms.words):
            letters = [(sites[wire], letter) for wire, letter in word.items()]
            if not letters:
                constant = constant + terms.coefficients[..., number]
                continue
            bits = [(site, letter) for site, letter in letters if letter in "01"]
            paulis = [site for site, letter in letters if letter not in "01"]
            words.append(
                readings.WordBits(
                    self.bases.columns(basis, paulis),
                    self.bases.columns(basis, [site for site, _ in bits]),
                    np.array([int(letter) for _, letter in bits], dtype=np.uint8),
                )
            )
            places.append(number)
        return readings.WordValues(basis, tuple(words), terms.coefficients[..., places], constant)

    def eigenvalues(
        self, measurement: Any, observable: Any, factor: NDArray[np.float64]
    ) -> readings.PerShot:
        """Return eigenvalues of a matrix, times a factor."""
        if len(observable.wires) > DENSITY_WIRES:
            raise DeviceError(
                f"{measurement} with shots: {describe(observable)} has words that do not commute "
                f"wire by wire, and a common eigenbasis is found on at most {DENSITY_WIRES} wires. "
                "Measure its words one by one, or remove the shots."
            )
        matrix = hermitian_matrix(observable)
        if matrix.ndim != 2 or factor.ndim:
            raise DeviceError(
                f"{measurement} has a batch of matrices, which shots do not offer. "
                "Apply qml.transforms.broadcast_expand to the QNode."
            )
        values, basis = np.linalg.eigh(matrix)
        return readings.TableValues(self.drawn_in(basis, observable.wires), factor * values)

    def eigenbasis(self, measurement: Any, observable: Any) -> readings.Outcome:
        """Return outcomes in the order of the gates that diagonalize an observable."""
        require_few(observable.wires, measurement)
        rotation = diagonalizing_matrix(observable)
        return self.drawn_in(rotation.conj().T, observable.wires)

    def drawn_in(self, basis: NDArray[np.complex128], wires: Any) -> readings.DrawnOutcomes:
        self.streams += 1
        # Mid-circuit measurements may drop shots; any sampling tells how many.
        sampling = self.any_basis() if self.measured else None
        density = self.asked.density(wires)
        return readings.DrawnOutcomes(density, basis, self.total, self.streams, sampling)

    def outcome(self, wires: Any) -> Columns:
        places = self.asked.indices(wires)
        return self.bases.columns(self.bases.place(dict.fromkeys(places, Z)), places)

    def any_basis(self) -> int:
        return self.bases.place({})


def _letters(word: Any, sites: Sites) -> dict[int, int]:
    """Return in which letter a word needs each of its wires measured."""
    return {sites[wire]: _BASES[letter] for wire, letter in word.items()}


def _common_letters(terms: PauliSum, sites: Sites) -> dict[int, int] | None:
    """Return the letters that measure all words of a sum at once; None if there are none."""
    common: dict[int, int] = {}
    for word in terms.words:
        for site, letter in _letters(word, sites).items():
            if common.setdefault(site, letter) != letter:
                return None
    return common


_READERS: dict[type, Callable[[_Drawn, Any], Any]] = {
    ExpectationMP: _Drawn.expectation,
    VarianceMP: _Drawn.variance,
    ProbabilityMP: _Drawn.distribution,
    SampleMP: _Drawn.sample,
    CountsMP: _Drawn.counts,
    ClassicalShadowMP: _Drawn.shadow,
    ShadowExpvalMP: _Drawn.shadow_expectation,
}

SAMPLED: Final = frozenset(kind.__name__ for kind in _READERS)
"""Names of the measurement classes that take shots, as ``devices/mps.toml`` lists them."""


def _require_listed(wires: int, owner: Any) -> None:
    if wires > OUTCOME_WIRES:
        name = {ProbabilityMP: "qml.probs", CountsMP: "qml.counts"}.get(type(owner), owner)
        way = "Use qml.sample or qml.counts, which return what was seen."
        if isinstance(owner, CountsMP) and owner.all_outcomes:
            way = "Drop all_outcomes: qml.counts then returns what was seen."
        raise DeviceError(
            f"{name} lists the 2^{wires} outcomes of {wires} wires, and bondline.mps lists those "
            f"of at most {OUTCOME_WIRES}. {way}"
        )
