"""Truncated evolution: the same numbers as a slow simulator of the same method, and its laws.

The circuits are brickwalls of Haar-random two-wire unitaries: neighbouring steps never share a
pair, so fusion has nothing to fuse, and random gates leave wide gaps at every cut, so that the
truncated state does not depend on how the singular vectors were found.
"""

import functools
from typing import Any

import numpy as np
import pennylane as qml
import pytest
from pennylane.measurements import MeasurementProcess
from pennylane.operation import Operator

from oracle.bform import BForm
from oracle.circuits import haar_brickwall, operations_of, orthogonal_brickwall
from oracle.devices import assert_values_agree, bondline, run_on
from oracle.measurements import random_sum
from oracle.statevector import evolve, measure

PAULIS = {
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]).astype(complex),
}
LIMIT = {"cutoff": 0.0, "ordering": "given", "on_low_fidelity": "ignore"}

# (wires, depth, max_bond_dim): norms from 0.99 down to 0.1
CASES = [(10, 6, 7), (10, 10, 4), (12, 12, 8), (13, 8, 3), (14, 9, 12)]
LIGHT_CASES = [(10, 5, 10), (12, 5, 12), (14, 6, 15)]  # norms above 0.99


@functools.cache
def brickwall(n: int, depth: int) -> list[Operator]:
    return operations_of(lambda: haar_brickwall(n, depth, 100 * n + depth))


@functools.cache
def slow(n: int, depth: int, max_bond_dim: int) -> BForm:
    return evolve_slowly(n, brickwall(n, depth), max_bond_dim)


def evolve_slowly(n: int, operations: list[Operator], max_bond_dim: int) -> BForm:
    state = BForm(n, max_bond_dim)
    for operation in operations:
        state.apply(operation.matrix(), operation.wires[0])
    return state


def words_of(n: int) -> list[dict[int, str]]:
    """Return words on one site, on neighbours, and across gaps, everywhere on the chain."""
    words = [{site: letter} for site in range(n) for letter in PAULIS]
    words += [{site: "Z", site + 1: "Z"} for site in range(n - 1)]
    words += [{site: "X", site + 1: "Y"} for site in range(n - 1)]
    words += [{site: "Y", site + 4: "X"} for site in range(n - 4)]
    words += [{0: "Z", n - 1: "Z"}, {1: "X", n // 2: "Y", n - 2: "Z"}]
    return words


def expectation(word: dict[int, str]) -> MeasurementProcess:
    return qml.expval(qml.prod(*(getattr(qml, letter)(site) for site, letter in word.items())))


def factors(word: dict[int, str]) -> dict[int, np.ndarray]:
    return {site: PAULIS[letter] for site, letter in word.items()}


@pytest.mark.parametrize("truncation", ["auto", "gram", "svd"])
@pytest.mark.parametrize(("n", "depth", "max_bond_dim"), CASES)
def test_local_values_are_those_of_the_slow_simulator(
    n: int, depth: int, max_bond_dim: int, truncation: str
) -> None:
    reference, words = slow(n, depth, max_bond_dim), words_of(n)
    assert reference.norm() < 0.995, "the case does not truncate"
    device = bondline(n, max_bond_dim=max_bond_dim, truncation=truncation, **LIMIT)
    values = run_on(device, brickwall(n, depth), [expectation(word) for word in words])
    expected = [reference.local_value(factors(word)) for word in words]
    assert_values_agree(values, expected, [str(word) for word in words], 1e-8)


@pytest.mark.parametrize(("n", "depth", "max_bond_dim"), CASES)
def test_local_densities_and_distributions_are_those_of_the_slow_simulator(
    n: int, depth: int, max_bond_dim: int
) -> None:
    reference = slow(n, depth, max_bond_dim)
    blocks = [(site, site + k) for k in (0, 1, 2) for site in (0, n // 2, n - 1 - k)]
    densities = [reference.local_density(*block) for block in blocks]
    wires = [list(range(first, last + 1)) for first, last in blocks]
    device = bondline(n, max_bond_dim=max_bond_dim, **LIMIT)
    asked = [qml.density_matrix(block) for block in wires]
    asked += [qml.probs(wires=block) for block in wires]
    asked += [qml.expval(qml.Hermitian(np.diag(np.arange(2.0 ** len(w))), w)) for w in wires]
    expected: list[Any] = densities + [np.diag(density).real for density in densities]
    expected += [float(np.diag(rho).real @ np.arange(len(rho))) for rho in densities]
    names = [f"{kind} on {w}" for kind in ("density", "probs", "<matrix>") for w in wires]
    values = run_on(device, brickwall(n, depth), asked)
    assert_values_agree(values, expected, names, 1e-8)


@pytest.mark.parametrize(("n", "depth", "max_bond_dim"), CASES)
def test_each_word_of_a_sum_is_read_from_its_own_support(
    n: int, depth: int, max_bond_dim: int
) -> None:
    reference, words = slow(n, depth, max_bond_dim), words_of(n)
    coefficients = np.random.default_rng(n).normal(size=len(words))
    total = qml.ops.LinearCombination(coefficients, [expectation(word).obs for word in words])
    expected = coefficients @ [reference.local_value(factors(word)) for word in words]
    device = bondline(n, max_bond_dim=max_bond_dim, **LIMIT)
    values = run_on(device, brickwall(n, depth), [qml.expval(total)])
    assert_values_agree(values, [expected], ["sum"], 1e-8)


@pytest.mark.parametrize(("n", "depth", "max_bond_dim"), CASES)
def test_the_report_has_the_norm_and_the_weights_of_the_slow_simulator(
    n: int, depth: int, max_bond_dim: int
) -> None:
    reference = slow(n, depth, max_bond_dim)
    device = bondline(n, max_bond_dim=max_bond_dim, **LIMIT)
    run_on(device, brickwall(n, depth), [qml.expval(qml.Z(wire)) for wire in range(n)])
    report = device.reports[-1]
    discarded = np.zeros(n - 1)
    for operation, weight in zip(brickwall(n, depth), reference.discarded, strict=True):
        discarded[operation.wires[0]] += weight
    assert report.norm == pytest.approx(reference.norm(), abs=1e-9)
    np.testing.assert_allclose(report.discarded, discarded, rtol=0, atol=1e-9)
    assert report.largest_bond == max_bond_dim
    assert report.bonds.tolist() == [len(values) for values in reference.schmidt[1:-1]]


@pytest.mark.parametrize(("n", "depth", "max_bond_dim"), LIGHT_CASES)
def test_state_readout_is_the_slow_simulators_when_little_is_discarded(
    n: int, depth: int, max_bond_dim: int
) -> None:
    # So little that bringing the state back to canonical form would not pay.
    reference, words = slow(n, depth, max_bond_dim), words_of(n)
    assert 1e-4 < 1 - reference.norm() < 0.01
    device = bondline(n, max_bond_dim=max_bond_dim, readout="state", **LIMIT)
    asked = [expectation(word) for word in words]
    values = run_on(device, brickwall(n, depth), [*asked, qml.state()])
    expected: list[Any] = [reference.state_value(factors(word)) for word in words]
    expected.append(reference.dense() / np.sqrt(reference.norm()))
    assert_values_agree(values, expected, [*map(str, words), "state"], 1e-8)
    assert device.reports[-1].sweeps == 0


@pytest.mark.parametrize(("n", "depth", "max_bond_dim"), CASES)
def test_state_readout_reads_one_state(n: int, depth: int, max_bond_dim: int) -> None:
    device = bondline(n, max_bond_dim=max_bond_dim, readout="state", **LIMIT)
    words = words_of(n)
    wires = [n - 1, 0, n // 2]
    asked = [expectation(word) for word in words] + [qml.var(random_sum(n, n))]
    asked += [qml.probs(wires=wires), qml.density_matrix(wires)]
    *values, state = run_on(device, brickwall(n, depth), [*asked, qml.state()])
    expected = [measure(reading, state.reshape((2,) * n), range(n)) for reading in asked]
    names = [*map(str, words), "var", "probs", "density"]
    assert_values_agree(values, expected, names, 1e-9)


@pytest.mark.parametrize(("n", "depth", "max_bond_dim"), CASES)
def test_the_dense_state_is_no_worse_than_the_slow_simulators(
    n: int, depth: int, max_bond_dim: int
) -> None:
    # Sweeps may make it better; the norm estimates the fidelity of random circuits.
    exact = evolve(brickwall(n, depth), range(n)).reshape(-1)
    reference = slow(n, depth, max_bond_dim)
    fidelity = abs(np.vdot(exact, reference.dense())) ** 2 / reference.norm()
    device = bondline(n, max_bond_dim=max_bond_dim, **LIMIT)
    (state,) = run_on(device, brickwall(n, depth), [qml.state()])
    assert np.linalg.norm(state) == pytest.approx(1, abs=1e-10)
    assert abs(np.vdot(exact, state)) ** 2 >= 0.97 * fidelity
    assert device.reports[-1].norm == pytest.approx(fidelity, rel=0.25)


@pytest.mark.parametrize("c_dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("readout", ["local", "state"])
@pytest.mark.parametrize("max_bond_dim", [1, 2, 3, 5])
def test_truncation_leaves_a_physical_state(max_bond_dim: int, readout: str, c_dtype: type) -> None:
    n, operations = 10, brickwall(10, 10)
    tolerance = 1e-11 if c_dtype is np.complex128 else 1e-5
    device = bondline(n, max_bond_dim=max_bond_dim, readout=readout, c_dtype=c_dtype, **LIMIT)
    words = words_of(n)
    groups = [[0], [n - 1], [3, 4], [7, 2], [9, 0, 5]]
    asked = [
        *(qml.expval(qml.Identity(wire)) for wire in (0, n - 1)),
        qml.expval(qml.sum(*(0.25 * qml.Identity(wire) for wire in range(4)))),
        *(qml.probs(wires=group) for group in groups),
        qml.probs(),
        *(qml.density_matrix(group) for group in groups),
        *(qml.var(expectation(word).obs) for word in words),
        *(expectation(word) for word in words),
    ]
    values = run_on(device, operations, asked)
    assert [float(value) for value in values[:3]] == [1.0, 1.0, 1.0]
    for distribution in values[3 : 4 + len(groups)]:
        assert distribution.min() >= -tolerance
        assert distribution.sum() == pytest.approx(1, abs=tolerance)
    for density in values[4 + len(groups) : 4 + 2 * len(groups)]:
        assert abs(density - density.conj().T).max() <= tolerance
        assert np.trace(density) == pytest.approx(1, abs=tolerance)
        assert np.linalg.eigvalsh(density).min() >= -tolerance
    variances, expectations = np.split(np.array(values[4 + 2 * len(groups) :], float), 2)
    assert abs(expectations).max() <= 1 + tolerance
    assert abs(variances - (1 - expectations**2)).max() <= 10 * tolerance
    assert device.reports[-1].norm < 0.9
    assert device.reports[-1].largest_bond == max_bond_dim


@pytest.mark.parametrize("readout", ["local", "state"])
@pytest.mark.parametrize("c_dtype", [np.complex128, np.complex64])
def test_values_converge_to_the_exact_ones_as_the_bond_grows(c_dtype: type, readout: str) -> None:
    n, operations = 10, brickwall(10, 10)
    exact = evolve(operations, range(n))
    density = np.outer(exact.reshape(-1), exact.reshape(-1).conj())
    diagonal = np.diag(density).real.reshape((2,) * n)
    magnetization = [
        float(np.take(diagonal, 0, wire).sum() - np.take(diagonal, 1, wire).sum())
        for wire in range(n)
    ]
    errors = []
    for max_bond_dim in (4, 16, 32):
        device = bondline(n, max_bond_dim=max_bond_dim, readout=readout, c_dtype=c_dtype, **LIMIT)
        values = run_on(device, operations, [qml.expval(qml.Z(wire)) for wire in range(n)])
        errors.append(abs(np.subtract(values, magnetization)).max())
    assert errors[0] > 1e-2  # chi 4 does truncate
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < (1e-9 if c_dtype is np.complex128 else 1e-4)  # chi 32 is exact


def test_an_ordering_names_the_wire_on_each_site() -> None:
    # Neighbours on the sites are far apart on the wires: no other order gives these values.
    n, depth, max_bond_dim = CASES[1]
    order = np.random.default_rng(1).permutation(n).tolist()
    assert np.argsort(order).tolist() != order
    reference, words = slow(n, depth, max_bond_dim), words_of(n)
    wire_on = dict(enumerate(order))
    operations = [operation.map_wires(wire_on) for operation in brickwall(n, depth)]
    asked = [expectation(word).map_wires(wire_on) for word in words]
    device = bondline(n, max_bond_dim=max_bond_dim, **{**LIMIT, "ordering": order})
    values = run_on(device, operations, asked)
    expected = [reference.local_value(factors(word)) for word in words]
    assert_values_agree(values, expected, [str(word) for word in words], 1e-8)
    assert list(device.reports[-1].wires) == order


def test_real_gates_truncate_as_complex_ones() -> None:
    n, max_bond_dim = 12, 6
    operations = operations_of(lambda: orthogonal_brickwall(n, 10, 5))
    reference, words = evolve_slowly(n, operations, max_bond_dim), words_of(n)
    assert reference.norm() < 0.9
    device = bondline(n, max_bond_dim=max_bond_dim, **LIMIT)
    values = run_on(device, operations, [expectation(word) for word in words])
    expected = [reference.local_value(factors(word)) for word in words]
    assert_values_agree(values, expected, [str(word) for word in words], 1e-8)


@pytest.mark.parametrize("cutoff", [1e-3, 1e-6])
def test_no_step_discards_more_weight_than_the_cutoff(cutoff: float) -> None:
    n, operations = 12, brickwall(12, 8)
    device = bondline(n, max_bond_dim=None, cutoff=cutoff, on_low_fidelity="ignore")
    run_on(device, operations, [qml.expval(qml.Z(wire)) for wire in range(n)])
    lost = 1 - device.reports[-1].norm
    assert lost <= 1.5 * cutoff * len(operations)
    assert lost > 0  # the cutoff did cut: a looser one loses more
    exact = bondline(n, max_bond_dim=None, cutoff=0.0)
    run_on(exact, operations, [qml.expval(qml.Z(wire)) for wire in range(n)])
    assert device.reports[-1].largest_bond < exact.reports[-1].largest_bond
    assert exact.reports[-1].norm == pytest.approx(1, abs=1e-12)
