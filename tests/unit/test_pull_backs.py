"""A reading pulls cotangents back to weights: the other way round from values, to first order."""

from types import SimpleNamespace

import numpy as np
import pennylane as qml
import pytest

from bondline.measurements.cotangents import Weights, stacked
from bondline.measurements.observables import interpret
from bondline.measurements.readings import Read, has_derivative

ROWS = 3
SITES = {"a": 0, "b": 1, "c": 2}
HERMITIAN = np.array([[1.0, 0.3 - 0.2j], [0.3 + 0.2j, -0.4]])

MEASUREMENTS = {
    "words": qml.expval(0.3 * qml.X("a") @ qml.Z("c") - 1.2 * qml.Y("b") + 0.5 * qml.I("a")),
    "words with a batch": qml.expval(qml.s_prod(np.array([0.3, 0.1, -2.0]), qml.Y("b"))),
    "variance of words": qml.var(qml.X("a") + 2 * qml.Z("b")),
    "probabilities": qml.probs(wires=["c", "a"]),
    "probabilities of an observable": qml.probs(op=qml.Y("a") @ qml.Hadamard("b")),
    "matrix": qml.expval(qml.Hermitian(HERMITIAN, "b")),
    "variance of a matrix": qml.var(qml.Hermitian(np.kron(HERMITIAN, HERMITIAN), ["a", "c"])),
    "sum with a matrix": qml.expval(0.7 * qml.Hadamard("a") + 0.2 * qml.Z("b") - qml.Hadamard("c")),
    "outcomes": qml.measurements.ExpectationMP(
        eigvals=np.array([0.5, -1.0, 2.0, 0.1]), wires=qml.wires.Wires(["b", "c"])
    ),
    "variance of outcomes": qml.measurements.VarianceMP(
        eigvals=np.array([0.5, -1.0, 2.0, 0.1]), wires=qml.wires.Wires(["b", "c"])
    ),
}


def densities(rng, dimension):
    factors = rng.normal(size=(2, ROWS, dimension, dimension))
    factors = factors[0] + 1j * factors[1]
    found = factors @ np.conj(np.swapaxes(factors, 1, 2))
    return found / np.trace(found, axis1=1, axis2=2)[:, None, None]


def distributions(rng, size):
    found = rng.uniform(size=(ROWS, size))
    return found / found.sum(axis=1, keepdims=True)


def raw(requests, rng):
    """Return what an engine might read: distributions and densities are normalised."""
    return SimpleNamespace(
        words=rng.normal(size=(ROWS, len(requests.word_counts))),
        variances=rng.normal(size=(ROWS, len(requests.variance_counts))),
        probabilities=[distributions(rng, 2 ** len(wires)) for wires in requests.probabilities],
        densities=[densities(rng, 2 ** len(wires)) for wires in requests.densities],
    )


def between(first, second, share):
    def mix(one, other):
        return one + share * (other - one)

    return SimpleNamespace(
        words=mix(first.words, second.words),
        variances=mix(first.variances, second.variances),
        probabilities=list(map(mix, first.probabilities, second.probabilities)),
        densities=list(map(mix, first.densities, second.densities)),
    )


def contracted(weights, first, second):
    """Return the change of each output along the way from one result to another."""
    total = np.einsum("rkw,rw->rk", full(weights.words), second.words - first.words)
    total += np.einsum("rkw,rw->rk", full(weights.variances), second.variances - first.variances)
    for weight, one, other in zip(
        weights.probabilities, first.probabilities, second.probabilities, strict=True
    ):
        total += np.einsum("rkp,rp->rk", full(weight), other - one)
    for weight, one, other in zip(
        weights.densities, first.densities, second.densities, strict=True
    ):
        np.testing.assert_allclose(weight, np.conj(np.swapaxes(weight, 2, 3)), atol=1e-14)
        total += np.einsum("rkij,rji->rk", full(weight), other - one).real
    return total


def full(weight):
    return np.broadcast_to(weight, (ROWS, *weight.shape[1:]))


@pytest.mark.parametrize("measurement", MEASUREMENTS.values(), ids=MEASUREMENTS)
def test_weights_are_the_derivative_of_the_values(measurement):
    rng = np.random.default_rng(11)
    found = interpret([measurement], SITES)
    (reading,) = found.readings
    assert has_derivative(reading)
    shape = reading.shape(found.requests)
    first, second = raw(found.requests, rng), raw(found.requests, rng)
    outputs = 2
    varies = reading.varies
    cotangents = rng.normal(size=(1, outputs, *shape))
    weights = Weights(found.requests, ROWS if varies else 1, outputs + 1)
    reading.pull(weights, slice(1, 3), cotangents, Read(first, slice(0, ROWS)))
    assert not weights.words[:, 0].any()
    step = 1e-5
    ahead, behind = (
        reading.values(between(first, second, share), slice(0, ROWS)) for share in (step, -step)
    )
    slope = ((ahead - behind) / (2 * step)).reshape(ROWS, -1)
    expected = slope @ cotangents[0].reshape(outputs, -1).T
    np.testing.assert_allclose(contracted(weights, first, second)[:, 1:], expected, atol=1e-8)


def test_weights_of_several_readings_add_up():
    found = interpret([qml.expval(2 * qml.Z("a")), qml.expval(3 * qml.Z("a"))], SITES)
    weights = Weights(found.requests, 1, 1)
    for reading in found.readings:
        reading.pull(weights, slice(0, 1), np.ones((1, 1)))
    assert weights.words.tolist() == [[[5.0]]]


def test_readings_that_have_no_derivative_do_not_look_like_one():
    found = interpret([qml.state(), qml.purity("a"), qml.density_matrix("a")], SITES)
    assert not any(has_derivative(reading) for reading in found.readings)


def test_circuits_of_a_group_share_weights_or_stack_them():
    requests = interpret([qml.expval(qml.Z("a"))], SITES).requests
    one, other = Weights(requests, 1, 1), Weights(requests, 2, 3)
    other.words[:] = 7.0
    mask = np.ones(1, dtype=bool)
    assert stacked([(one, 4), (one, 2)], mask).words is one.words
    found = stacked([(one, 2), (other, 2)], mask).words
    assert found.shape == (4, 3, 1)
    assert found[:2].tolist() == [[[0.0]] * 3] * 2
    assert (found[2:] == 7.0).all()


@pytest.mark.parametrize("measure", [qml.expval, qml.var])
def test_words_without_a_coefficient_are_asked_for_where_their_derivative_is(measure):
    observable = qml.Hamiltonian([0.0, 1.5], [qml.X("a"), qml.Z("b")])
    observable.pauli_rep.simplify()  # drops what is zero
    still = interpret([measure(observable)], SITES)
    moving = interpret([measure(observable)], SITES, trained={0: [0, 1]})
    assert len(still.requests.word_counts) == 1
    assert len(moving.requests.word_counts) == 2
    assert moving.derivatives[0].factors.tolist() == [1.0, 1.0]
    assert moving.derivatives[0].places.tolist() == [1, 0]
    if measure is qml.var:
        assert moving.requests.variance_coefficients.tolist() == [[1.5, 0.0]]


def test_derivatives_of_exact_values_are_bounded():
    variance = qml.var(qml.X("a") + 2 * qml.Z("b"))
    outputs = [qml.expval(2 * qml.Z("a") - 3 * qml.X("b")), variance, qml.probs(wires="c")]
    found = interpret(outputs, SITES)
    weights = Weights(found.requests, 1, 3)
    for output, (reading, size) in enumerate(zip(found.readings, [(), (), (2,)], strict=True)):
        reading.pull(weights, slice(output, output + 1), np.full((1, 1, *size), -2.0), None)
    cotangents = stacked([(weights, 1)], np.zeros(0, dtype=bool))
    # 2 (2 + 3), 2 · 3 (1 + 2)², and 2 for each of two outcomes
    np.testing.assert_allclose(cotangents.steepest(found.requests), [[10.0, 54.0, 4.0]])


def test_the_bound_of_a_derivative_is_attained():
    tape = qml.tape.QuantumScript(
        [qml.RX(np.pi / 2, "a")], [qml.expval(0.5 * qml.Z("a"))], trainable_params=[0]
    )
    found = interpret(tape.measurements, SITES)
    weights = Weights(found.requests, 1, 1)
    found.readings[0].pull(weights, slice(0, 1), np.ones((1, 1)), None)
    bound = stacked([(weights, 1)], np.zeros(1, dtype=bool)).steepest(found.requests)
    slope = qml.device("bondline.mps").compute_derivatives(tape)
    np.testing.assert_allclose(np.abs(slope), bound.item(), atol=1e-12)
