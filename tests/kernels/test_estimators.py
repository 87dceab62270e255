"""The estimators behave as scikit-learn asks, and encode the training set once."""

import functools
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from bondline.errors import InputError
from bondline.kernels import QuantumGPKernel, QuantumKernelClassifier, QuantumKernelRegressor
from bondline.kernels.learning.feature_maps import at_depth
from kernels.stand_in import ChainKernel, of_map


@parametrize_with_checks(
    [
        QuantumKernelClassifier(kernel=of_map, bandwidth=0.5),
        QuantumKernelRegressor(kernel=of_map, bandwidth=0.5),
        QuantumKernelRegressor(kernel=of_map, bandwidth=0.5, method="svr"),
    ]
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X)[:150, :12], np.where(y[:150], "benign", "malignant")


def test_a_classifier_is_a_machine_over_the_precomputed_kernel(cancer):
    X, y = cancer
    found = QuantumKernelClassifier(kernel=of_map, bandwidth=0.4, C=3.0).fit(X[:100], y[:100])
    machine = SVC(kernel="precomputed", C=3.0).fit(ChainKernel(0.4).matrix(X[:100]), y[:100])
    block = ChainKernel(0.4).matrix(X[100:], X[:100])
    np.testing.assert_array_equal(found.predict(X[100:]), machine.predict(block))
    np.testing.assert_allclose(
        found.decision_function(X[100:]), machine.decision_function(block), atol=1e-9
    )
    assert found.score(X[100:], y[100:]) > 0.85


def test_a_regressor_is_a_ridge_over_the_precomputed_kernel():
    X, y = load_diabetes(return_X_y=True)
    X, y = 20.0 * X[:120], y[:120]
    found = QuantumKernelRegressor(kernel=of_map, bandwidth=0.3, alpha=0.1).fit(X[:90], y[:90])
    ridge = KernelRidge(alpha=0.1, kernel="precomputed")
    ridge.fit(ChainKernel(0.3).matrix(X[:90]), y[:90] - y[:90].mean())
    expected = ridge.predict(ChainKernel(0.3).matrix(X[90:], X[:90])) + y[:90].mean()
    np.testing.assert_allclose(found.predict(X[90:]), expected, rtol=1e-9)


def test_the_training_set_is_encoded_once(cancer):
    X, y = cancer
    ChainKernel.encoded_rows = 0
    found = QuantumKernelClassifier(kernel=of_map, bandwidth=0.4).fit(X[:60], y[:60])
    found.predict(X[60:70])
    found.predict(X[60:70])
    assert ChainKernel.encoded_rows == 60 + 10 + 10


def test_a_fitted_estimator_survives_pickling(cancer):
    X, y = cancer
    found = QuantumKernelClassifier(kernel=of_map, bandwidth=0.4).fit(X[:60], y[:60])
    ChainKernel.encoded_rows = 0
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict(X[60:]), found.predict(X[60:]))
    assert ChainKernel.encoded_rows == 2 * 90


def test_a_search_over_bandwidths_in_a_pipeline_finds_one_that_works(cancer):
    X, y = cancer
    line = make_pipeline(StandardScaler(), QuantumKernelClassifier(kernel=of_map))
    grid = {"quantumkernelclassifier__bandwidth": [0.3, 30.0]}
    search = GridSearchCV(line, grid, cv=3).fit(X, y)
    assert search.best_params_ == {"quantumkernelclassifier__bandwidth": 0.3}
    assert clone(search.best_estimator_).get_params()["quantumkernelclassifier__bandwidth"] == 0.3


def test_depth_reaches_a_feature_map_that_takes_it():
    seen = []

    def with_depth(x, depth):
        seen.append(depth)

    at_depth(with_depth, 3)([0.0])
    assert seen == [3]

    def without(x):
        seen.append("alone")

    at_depth(without, 3)([0.0])
    assert seen == [3, "alone"]


def gp_kernel(**settings):
    return QuantumGPKernel(kernel=of_map, **settings)


def test_the_derivative_of_the_kernel_is_that_of_the_logarithm_of_the_bandwidth():
    X = np.random.default_rng(0).normal(size=(6, 3))
    values, derivative = gp_kernel(bandwidth=0.7)(X, eval_gradient=True)
    np.testing.assert_allclose(values, ChainKernel(0.7).matrix(X), atol=1e-12)
    # Richardson's rule: two orders better than the central difference under test.
    wide, near = (
        (ChainKernel(0.7 * np.exp(h)).matrix(X) - ChainKernel(0.7 * np.exp(-h)).matrix(X)) / (2 * h)
        for h in (2e-3, 1e-3)
    )
    np.testing.assert_allclose(derivative[:, :, 0], (4 * near - wide) / 3, atol=1e-7)
    assert gp_kernel(bandwidth_bounds="fixed")(X, eval_gradient=True)[1].shape == (6, 6, 0)


def test_a_gaussian_process_fits_the_bandwidth():
    rng = np.random.default_rng(1)
    X = rng.uniform(-1, 1, size=(60, 2))
    y = np.sin(3 * X[:, 0]) * X[:, 1]
    kernel = gp_kernel(bandwidth=3.0) + WhiteKernel(1e-3, "fixed")
    fitted = GaussianProcessRegressor(kernel).fit(X[:40], y[:40])
    start = GaussianProcessRegressor(kernel, optimizer=None).fit(X[:40], y[:40])
    assert fitted.log_marginal_likelihood_value_ > start.log_marginal_likelihood_value_ + 1.0
    assert fitted.score(X[40:], y[40:]) > start.score(X[40:], y[40:])
    bandwidth = fitted.kernel_.k1.bandwidth
    inside = ChainKernel(bandwidth).matrix(X[:40]) + 1e-3 * np.eye(40)
    across = ChainKernel(bandwidth).matrix(X[40:], X[:40])
    np.testing.assert_allclose(
        fitted.predict(X[40:]), across @ np.linalg.solve(inside, y[:40]), atol=1e-6
    )
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_allclose(again.predict(X[40:]), fitted.predict(X[40:]))


def test_a_gaussian_process_does_not_encode_the_training_set_again(cancer):
    X, y = cancer
    machine = GaussianProcessClassifier(
        gp_kernel(bandwidth=0.4, bandwidth_bounds="fixed"), optimizer=None
    ).fit(X[:60], y[:60])
    machine.predict(X[60:80])
    ChainKernel.encoded_rows = 0
    machine.predict(X[60:80])
    assert ChainKernel.encoded_rows == 20


@pytest.mark.parametrize(
    ("settings", "labels", "message"),
    [
        ({"bandwidth": 0.0}, [0, 1], "bandwidth must be a number above 0"),
        ({"depth": 0}, [0, 1], "depth must be a whole number"),
        ({}, [1, 1], "one class only"),
    ],
)
def test_bad_settings_are_refused(settings, labels, message):
    estimator = QuantumKernelClassifier(kernel=of_map).set_params(**settings)
    with pytest.raises(InputError, match=message):
        estimator.fit([[0.0, 1.0], [1.0, 0.0]], labels)


def test_an_unknown_method_is_refused():
    with pytest.raises(InputError, match='"ridge" or "svr"'):
        QuantumKernelRegressor(kernel=of_map, method="lasso").fit([[0.0], [1.0]], [0.0, 1.0])


def test_settings_of_a_kernel_travel_through_a_partial_function(cancer):
    X, y = cancer

    def factory(feature_map, wires, strength):
        assert wires == 12
        return ChainKernel(1.0, strength)

    kernel = functools.partial(factory, strength=0.0)
    found = QuantumKernelClassifier(kernel=kernel, bandwidth=0.4).fit(X[:60], y[:60])
    np.testing.assert_allclose(
        found._built.matrix(0.4 * X[:5]), ChainKernel(0.4, 0.0).matrix(X[:5]), atol=1e-12
    )
