"""Verdicts on kernels whose answer is known, and each figure by another way."""

import json

import numpy as np
import pytest

from bondline import kernels
from bondline.errors import InputError
from bondline.kernels import diagnose
from bondline.kernels.diagnosis.interval import interval
from kernels.stand_in import ChainKernel, dense_matrix

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    chosen = np.random.default_rng(1).choice(len(X), 240, replace=False)
    return X[chosen] / 16.0, y[chosen]


@pytest.fixture
def cloud():
    rng = np.random.default_rng(5)
    return rng.normal(size=(30, 4)), rng.normal(size=(30, 30))


def gram(X, gamma=0.3):
    return np.exp(-gamma * np.sum((X[:, None] - X[None]) ** 2, axis=-1))


def test_the_stand_in_is_the_kernel_of_state_vectors(cloud):
    X = cloud[0][:6]
    np.testing.assert_allclose(
        ChainKernel(0.7, 1.3).matrix(X), dense_matrix(X, 0.7, 1.3), atol=1e-13
    )


def test_digits_at_full_bandwidth_are_concentrated(digits):
    X, y = digits
    found = diagnose(ChainKernel(4 * np.pi), X, y, repeats=4)
    assert found.verdict.kind == "concentrated"
    assert found.verdict.sentence == "concentrated: memorises, does not generalise"
    assert found.concentration.median < -8
    assert found.effective_rank > 239
    assert found.comparison.estimate("quantum").mean < 0.4
    assert found.comparison.estimate("RBF").mean > 0.85
    assert 0.01 < found.bandwidth.scale < 0.2


def test_digits_at_a_small_bandwidth_are_explained_by_product_states_and_an_rbf(digits):
    X, y = digits
    found = diagnose(ChainKernel(0.5), X, y, repeats=4)
    assert found.verdict.kind == "explained"
    assert found.verdict.by[:2] == ("product state", "RBF")
    assert abs(found.comparison.difference("quantum", "RBF").mean) < 0.02


def test_labels_made_from_the_quantum_kernel_itself_show_that_it_helps():
    rng = np.random.default_rng(7)
    X = rng.uniform(-1.5, 1.5, size=(300, 4))
    kernel = ChainKernel(1.0, 6.0)
    centres = rng.uniform(-1.5, 1.5, size=(12, 4))
    score = kernel.matrix(X, centres) @ rng.choice([-1.0, 1.0], size=12)
    y = score > np.median(score)
    found = diagnose(kernel, X, y, repeats=10)
    assert found.verdict.kind == "helps", str(found)
    assert found.verdict.sentence.startswith("differs and helps: +")
    # The same kernel with labels that the data give by a straight line is of no help.
    other = diagnose(kernel, X, X[:, 0] > 0.0, repeats=10)
    assert other.verdict.kind == "does not help", str(other)


@pytest.mark.parametrize("width", [0.05, 0.3, 0.5])
def test_an_rbf_is_explained_by_an_rbf_and_its_exponent_is_found(cloud, width):
    X = cloud[0]
    found = diagnose(gram(X, width), X)
    assert "RBF" in found.verdict.by
    np.testing.assert_allclose(found.rbf.gamma, width, rtol=1e-3)


def test_a_product_kernel_is_explained_by_a_product_state():
    X = np.random.default_rng(2).uniform(-2, 2, size=(80, 5))
    kernel = ChainKernel(1.0, 0.0)
    assert diagnose(kernel, X).verdict.by[0] == "product state"
    entangled = diagnose(ChainKernel(1.0, 6.0), X)
    assert entangled.verdict.kind == "differs"
    assert "takes labels" in entangled.verdict.sentence


def test_regressions_are_scored_by_the_share_of_variance():
    X = np.random.default_rng(3).uniform(-1, 1, size=(80, 2))
    found = diagnose(gram(X, 2.0), X, np.sin(3 * X[:, 0]), repeats=4)
    assert found.comparison.metric == "R²"
    assert found.comparison.estimate("quantum").mean > 0.9


def test_logarithms_do_not_underflow():
    logs = -400.0 - 10.0 * np.random.default_rng(0).random((20, 20))
    logs = logs + logs.T
    np.fill_diagonal(logs, 0.0)
    found = diagnose(log_K=logs)
    assert found.concentration.median < -163
    np.testing.assert_allclose(
        found.concentration.median,
        np.median(logs[np.triu_indices(20, 1)]) / np.log(10),
        rtol=1e-12,
    )
    assert found.concentration.below_precision == 1.0


def test_geometric_difference_is_the_inverse_in_between(cloud):
    from scipy.linalg import sqrtm

    X = cloud[0][:12]
    K, Q = gram(X), ChainKernel(0.8).matrix(X)
    root = np.real(sqrtm(Q))
    expected = np.sqrt(np.linalg.norm(root @ np.linalg.inv(K) @ root, 2))
    found = kernels.geometric_difference(K, Q, regularisation=0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    strength = 0.1
    inverse = np.linalg.inv(K + strength * np.eye(12))
    middle = np.real(sqrtm(K)) @ inverse @ inverse @ np.real(sqrtm(K))
    np.testing.assert_allclose(
        kernels.geometric_difference(K, Q, regularisation=strength),
        np.sqrt(np.linalg.norm(root @ middle @ root, 2)),
        rtol=1e-8,
    )


def test_model_complexity_is_a_solve(cloud):
    K = gram(cloud[0])
    y = cloud[1][0]
    scaled = (y - y.mean()) / y.std()
    np.testing.assert_allclose(
        kernels.model_complexity(K, y, regularisation=0.0),
        scaled @ np.linalg.solve(K, scaled),
        rtol=1e-8,
    )


def test_a_function_of_the_quantum_kernel_is_simpler_to_it_than_to_an_rbf():
    rng = np.random.default_rng(7)
    X = rng.uniform(-1.5, 1.5, size=(120, 4))
    kernel = ChainKernel(1.0, 6.0)
    targets = kernel.matrix(X) @ rng.normal(size=120)
    found = diagnose(kernel, X, targets, repeats=2)
    assert found.geometry["RBF"].complexity_ratio > 1.2
    # No labels can be harder than the geometric difference allows.
    assert found.geometry["RBF"].complexity_ratio < found.geometry["RBF"].difference * 1.2


def test_alignment_is_a_cosine_of_centred_features(cloud):
    rng = cloud[1]
    features, other = rng[:, :3], rng[:, 3:5]
    middle = np.eye(30) - 1 / 30
    A, B = middle @ features, middle @ other
    expected = np.sum((A.T @ B) ** 2) / (np.linalg.norm(A @ A.T) * np.linalg.norm(B @ B.T))
    np.testing.assert_allclose(
        kernels.alignment(features @ features.T, other @ other.T), expected, rtol=1e-12
    )
    signs = np.where(rng[0] > 0, 1.0, -1.0)
    np.testing.assert_allclose(
        kernels.target_alignment(features @ features.T, signs > 0),
        kernels.alignment(features @ features.T, np.outer(signs, signs)),
        rtol=1e-12,
    )


def test_repair_projects_on_positive_matrices():
    rng = np.random.default_rng(4)
    K = gram(rng.normal(size=(20, 3)))
    noise = 0.2 * rng.normal(size=(20, 20))
    np.fill_diagonal(noise, 0.0)
    noisy = K + noise + noise.T
    found = kernels.repair(noisy)
    assert found.needed
    assert np.linalg.eigvalsh(noisy)[0] < -0.1
    assert np.linalg.eigvalsh(found.matrix)[0] > -1e-12
    np.testing.assert_allclose(np.diag(found.matrix), 1.0)
    assert not kernels.repair(K).needed


def test_effective_rank_counts_equal_directions():
    blocks = np.kron(np.eye(5), np.ones((4, 4)))
    np.testing.assert_allclose(kernels.effective_rank(blocks), 5.0)


def test_the_interval_is_the_formula_of_nadeau_and_bengio():
    from scipy.stats import t

    values = [0.1, 0.3, 0.2, 0.25]
    found = interval(values, 1 / 3, 0.9)
    error = np.sqrt((1 / 4 + 1 / 3) * np.var(values, ddof=1))
    np.testing.assert_allclose(found.half_width, t.ppf(0.95, 3) * error)


def test_the_report_is_text_json_and_a_figure(cloud, tmp_path):
    pytest.importorskip("matplotlib")
    X = cloud[0]
    found = diagnose(gram(X), X, X[:, 0] > 0, repeats=2, product=gram(X, 0.1))
    assert "Verdict:" in str(found)
    assert "quantum, 1000 shots" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["points"] == 30
    found.plot(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_scores_do_not_depend_on_threads(cloud):
    X = cloud[0]
    models = {"a": [gram(X), gram(X, 2.0)]}
    one, two = (kernels.compare_scores(models, X[:, 0] > 0, repeats=3, threads=n) for n in (1, 2))
    assert one == two


def test_some_points_stand_for_many(cloud):
    X = cloud[0]
    found = diagnose(ChainKernel(0.5), X, X[:, 0] > 0, repeats=2, max_points=20)
    assert (found.points, found.given) == (20, 30)


NAN = float("nan")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": np.ones((2, 3))}, "square matrix"),
        ({"kernel": [[1.0, 0.5], [0.1, 1.0]]}, "not symmetric"),
        ({"kernel": [[1.0, NAN], [NAN, 1.0]]}, r"K has nan at \(0, 1\)"),
        ({"kernel": [[1.0]]}, "at least two"),
        ({"kernel": [[1.0, 0.0], [0.0, 0.0]]}, "on its diagonal"),
        ({"kernel": "kernel"}, "matrix of real numbers"),
        ({}, "one of the two"),
        ({"kernel": np.eye(3), "log_K": np.eye(3)}, "one of the two"),
        ({"log_K": [[-np.inf, 0.0], [0.0, 0.0]]}, "norm zero"),
        ({"kernel": ChainKernel()}, "needs the data X"),
        ({"kernel": np.eye(3), "X": np.ones((2, 2))}, "X has 2 rows"),
        ({"kernel": np.eye(3), "X": [[0.0], [NAN], [1.0]]}, "X has nan in row 1, feature 0"),
        ({"kernel": np.eye(3), "X": np.ones((3, 2))}, "rows of X are the same"),
        ({"kernel": np.eye(3), "y": [0, 1]}, "2 labels for 3 points"),
        ({"kernel": np.eye(3), "y": [1, 1, 1]}, "one class only"),
        ({"kernel": np.eye(3), "y": [0.0, NAN, 1.0]}, "y has nan at 1"),
        ({"kernel": np.eye(3), "y": [0, 1, 1]}, "cannot be split"),
        ({"kernel": np.eye(3), "shots": 0}, "shots must be a whole number"),
        ({"kernel": np.eye(3), "product": np.eye(2)}, "product is of 2 points"),
        ({"kernel": np.eye(3), "y": [0, 1, 1], "task": "ranking"}, "task must be"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        diagnose(**arguments)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.model_selection", None)
    with pytest.raises(ModuleNotFoundError, match=r"bondline\[qml\]"):
        kernels.compare_scores({"a": [np.eye(4)]}, [0, 1, 0, 1])
