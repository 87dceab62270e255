"""Verdicts on kernels of real feature maps, and the estimators on them, with nothing passed in."""

import pickle

import numpy as np
import pennylane as qml
import pytest

from bondline.kernels import FidelityKernel, diagnose

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from bondline.kernels import QuantumGPKernel, QuantumKernelClassifier, QuantumKernelRegressor
from bondline.kernels.learning.feature_maps import chain_map


def phases(x):
    """Phases of single features and of products of neighbours, over equal superpositions."""
    for wire in range(len(x)):
        qml.Hadamard(wire)
        qml.RZ(x[wire], wires=wire)
    for wire in range(len(x) - 1):
        qml.IsingZZ(x[wire] * x[wire + 1], wires=[wire, wire + 1])


def strong(x):
    """Rotations, entanglers six times as strong as in the map taken by default, rotations."""
    for wire in range(len(x)):
        qml.RY(x[wire], wires=wire)
        qml.RZ(x[wire], wires=wire)
    for wire in range(len(x) - 1):
        qml.IsingZZ(6.0 * x[wire] * x[wire + 1], wires=[wire, wire + 1])
    for wire in range(len(x)):
        qml.RY(x[wire], wires=wire)


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    chosen = np.random.default_rng(0).choice(len(X), 120, replace=False)
    return np.pi / 16.0 * X[chosen], y[chosen]


def test_digits_at_full_bandwidth_on_64_wires_are_concentrated(digits):
    X, y = digits
    found = diagnose(FidelityKernel(phases, 64), X, y, repeats=4)
    assert found.verdict.kind == "concentrated", str(found)
    # White pixels turn by pi, and half of the pairs have less than 1e-15 in common.
    assert -15.7 < found.concentration.median < -14.3
    assert found.concentration.below_shots > 0.99
    assert found.effective_rank > 119.0
    assert found.comparison.estimate("quantum").mean < 0.4
    assert found.comparison.estimate("RBF").mean > 0.75
    assert 0.01 < found.bandwidth.scale < 0.3


def test_digits_at_a_small_bandwidth_are_explained_by_product_states_and_an_rbf(digits):
    X, y = digits
    found = diagnose(FidelityKernel(phases, 64), 0.08 * X, y, repeats=4)
    assert found.verdict.kind == "explained", str(found)
    assert found.verdict.by[:2] == ("product state", "RBF")
    assert found.comparison.estimate("quantum").mean > 0.75


def test_labels_made_from_the_quantum_kernel_itself_show_that_it_helps():
    rng = np.random.default_rng(7)
    X = rng.uniform(-1.5, 1.5, size=(300, 4))
    kernel = FidelityKernel(strong, 4)
    centres = rng.uniform(-1.5, 1.5, size=(12, 4))
    score = kernel.matrix(X, centres) @ rng.choice([-1.0, 1.0], size=12)
    found = diagnose(kernel, X, score > np.median(score), repeats=10)
    assert found.verdict.kind == "helps", str(found)
    assert found.verdict.sentence.startswith("differs and helps: +")
    other = diagnose(kernel, X, X[:, 0] > 0.0, repeats=10)
    assert other.verdict.kind == "does not help", str(other)


@parametrize_with_checks(
    [QuantumKernelClassifier(bandwidth=0.5), QuantumKernelRegressor(bandwidth=0.5)]
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def cancer():
    from sklearn.datasets import load_breast_cancer

    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X)[:150, :12], y[:150]


def test_the_kernel_taken_by_default_is_the_fidelity_kernel(cancer):
    X, y = cancer
    found = QuantumKernelClassifier(bandwidth=0.4).fit(X[:100], y[:100])
    kernel = FidelityKernel(chain_map, 12)
    machine = SVC(kernel="precomputed").fit(kernel.matrix(0.4 * X[:100]), y[:100])
    expected = machine.decision_function(kernel.matrix(0.4 * X[100:], 0.4 * X[:100]))
    np.testing.assert_allclose(found.decision_function(X[100:]), expected, atol=1e-9)
    assert found.score(X[100:], y[100:]) > 0.8


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("estimator", [QuantumKernelClassifier, QuantumKernelRegressor])
def test_fitted_estimators_survive_pickling_with_their_states(cancer, estimator, depth):
    X, y = cancer
    found = estimator(bandwidth=0.4, depth=depth).fit(X[:60], y[:60])
    again = pickle.loads(pickle.dumps(found))
    assert again.encoded_.fingerprint == found.encoded_.fingerprint
    np.testing.assert_array_equal(again.predict(X[60:]), found.predict(X[60:]))
    assert not hasattr(clone(again), "encoded_")


def test_a_gaussian_process_survives_pickling(cancer):
    X, y = cancer
    kernel = QuantumGPKernel(bandwidth=0.3, bandwidth_bounds="fixed")
    found = GaussianProcessClassifier(kernel, optimizer=None).fit(X[:60], y[:60])
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict_proba(X[60:]), found.predict_proba(X[60:]))
