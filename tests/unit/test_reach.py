"""No value of two states differs by more than the bound says."""

import math

import numpy as np
import pennylane as qml
import pytest

from bondline.checks.reach import distance, reach, spread

RNG = np.random.default_rng(5)
MATRIX = RNG.normal(size=(4, 4)) + 1j * RNG.normal(size=(4, 4))
OBSERVABLES = {
    "letter": qml.Y(1),
    "word": qml.X(0) @ qml.Z(2),
    "sum": 0.3 * qml.Z(0) @ qml.Z(1) - 1.2 * qml.X(2) + 5 * qml.I(0),
    "projector": qml.Projector([0, 1], [0, 2]),
    "projected": qml.Projector([1], [0]) @ qml.Z(1),
    "matrix": qml.Hermitian(MATRIX + MATRIX.conj().T, [0, 1]),
    "mixed": qml.Hermitian(MATRIX + MATRIX.conj().T, [1, 2]) - 0.7 * qml.X(0),
}


def pure(fidelity=None, other=None):
    """Draw a state, at random or with a given fidelity with another one."""
    state = RNG.normal(size=8) + 1j * RNG.normal(size=8)
    if other is not None:
        state -= np.vdot(other, state) * other
    state /= np.linalg.norm(state)
    if other is None:
        return state
    return math.sqrt(fidelity) * other + math.sqrt(1 - fidelity) * state


def value(measurement, state):
    tape = qml.tape.QuantumScript([qml.StatePrep(state, range(3))], [measurement])
    return np.asarray(qml.device("default.qubit", wires=3).execute(tape))


@pytest.mark.parametrize("observable", OBSERVABLES.values(), ids=OBSERVABLES)
def test_the_spread_is_that_of_the_eigenvalues_or_more(observable):
    eigenvalues = np.linalg.eigvalsh(qml.matrix(observable, wire_order=range(3)))
    found = spread(qml.expval(observable))
    assert np.ptp(eigenvalues) <= found * (1 + 1e-12)
    assert found <= 2.5 * np.ptp(eigenvalues)


MEASUREMENTS = [
    *(kind(observable) for kind in (qml.expval, qml.var) for observable in OBSERVABLES.values()),
    qml.probs([0, 2]),
    qml.density_matrix([1]),
    qml.purity([0, 1]),
]


@pytest.mark.parametrize("measurement", MEASUREMENTS, ids=str)
@pytest.mark.parametrize("fidelity", [0.0, 0.3, 0.9, 0.999999])
def test_values_differ_by_no_more(measurement, fidelity):
    limit = reach(measurement, distance(fidelity, 1.0))
    changes = []
    for _ in range(40):
        first = pure()
        second = pure(fidelity, first)
        changes.append(np.abs(value(measurement, first) - value(measurement, second)).max())
    assert max(changes) <= limit * (1 + 1e-9)
    assert max(changes) > 0.01 * limit


def test_a_value_can_go_as_far_as_its_bound():
    up, down = np.eye(8)[[0, 7]]
    plus, minus = (up + down) / math.sqrt(2), (up - down) / math.sqrt(2)
    measurement = qml.expval(qml.Z(0))
    assert reach(measurement, distance(0.5, 1.0) ** 2) == pytest.approx(1.0)
    change = abs(value(measurement, up) - value(measurement, down))
    assert change == pytest.approx(reach(measurement, distance(0.0, 1.0)))
    rotated = math.cos(0.05) * plus + math.sin(0.05) * minus
    change = abs(value(measurement, plus) - value(measurement, rotated))
    assert change == pytest.approx(reach(measurement, distance(math.cos(0.05) ** 2, 1)), rel=3e-3)


def test_variances_and_purities_come_near_their_bounds():
    up, down = np.eye(8)[[0, 7]]

    def mixed(angle):
        return math.cos(angle) * up + math.sin(angle) * down

    variance, purity = qml.var(qml.Z(0)), qml.purity([0])
    near = reach(variance, distance(math.cos(0.02) ** 2, 1.0))
    change = value(variance, mixed(np.pi / 8 + 0.01)) - value(variance, mixed(np.pi / 8 - 0.01))
    assert 0.49 * near < change < near
    far = reach(purity, distance(2 / 3, 1.0))
    change = value(purity, up) - value(purity, mixed(math.acos(math.sqrt(2 / 3))))
    assert 0.38 * far < change < far


def test_two_losses_add_up_as_angles_do():
    first = pure()
    for one, other in [(0.9, 0.8), (0.99, 0.7), (0.5, 0.5)]:
        overlap = abs(np.vdot(pure(one, first), pure(other, first))) ** 2
        assert math.sqrt(1 - overlap) <= distance(one, other) + 1e-12
    assert distance(0.3, 0.3) == 1.0
    assert distance(1.0, 1.0) == 0.0


def test_a_batch_of_coefficients_counts_with_its_largest():
    observable = np.array([0.5, 3.0]) * qml.X(0)
    assert spread(qml.expval(observable)) == pytest.approx(6.0)


def test_where_no_bound_is_known_it_is_nan():
    assert math.isnan(reach(qml.vn_entropy([0]), 0.1))
