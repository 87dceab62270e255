"""Cross-validated scores of several kernels by one protocol."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bondline.errors import InputError
from bondline.kernels.blas import one_blas_thread
from bondline.kernels.diagnosis.inputs import Array, Labels, Task, square
from bondline.kernels.diagnosis.interval import Interval, interval
from bondline.kernels.optional import load

PENALTIES: Final = (1.0, 10.0, 100.0)
"""C of the support vector machines, 1/(2C) the ridge of a regression."""
ACCURACY: Final = "accuracy"
_FOLDS: Final = 3

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Score:
    """One model on all splits: accuracy for classes, R² for numbers.

    Attributes
    ----------
    test : tuple of float
    train : tuple of float
    chosen : tuple of (int, float)
        Which of its matrices, and which penalty, won inside the training points.
    """

    test: tuple[float, ...]
    train: tuple[float, ...]
    chosen: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Scores of several kernels on the same splits.

    Attributes
    ----------
    metric : {"accuracy", "R²"}
    scores : dict of str to Score
    test_to_train : float
    confidence : float
    tested : int
        Points tested, over all splits.
    """

    metric: str
    scores: dict[str, Score]
    test_to_train: float
    confidence: float
    tested: int

    def estimate(self, name: str) -> Interval:
        """Return the mean test score of a model with its interval.

        Parameters
        ----------
        name : str

        Returns
        -------
        Interval
        """
        return interval(self.scores[name].test, self.test_to_train, self.confidence)

    def difference(self, name: str, other: str) -> Interval:
        """Return the mean of one model's score less another's, paired over the splits.

        Parameters
        ----------
        name, other : str

        Returns
        -------
        Interval

        Notes
        -----
        Where no accuracy differs the splits know nothing of their spread; N points without an event
        still allow a rate of -ln(1 - confidence) / N, the least half width.
        """
        pairs = zip(self.scores[name].test, self.scores[other].test, strict=True)
        found = interval([a - b for a, b in pairs], self.test_to_train, self.confidence)
        if self.metric != ACCURACY:
            return found
        least = -math.log1p(-self.confidence) / self.tested
        return replace(found, half_width=max(found.half_width, least))

    def table(self, first: str) -> str:
        """Return a table for people: scores, and the first model less each other one.

        Parameters
        ----------
        first : str

        Returns
        -------
        str
        """
        lines = [f"{'kernel':<24}{'test ' + self.metric:>18}{'train':>8}   {first} minus this"]
        for name, score in self.scores.items():
            line = f"{name:<24}{self.estimate(name)!s:>18}{np.mean(score.train):>8.3f}"
            if name != first:
                other = self.difference(first, name)
                line += f"   {'+' if other.mean >= 0 else ''}{other}"
            lines.append(line)
        return "\n".join(lines)


@one_blas_thread
def compare_scores(
    models: Mapping[str, Sequence[ArrayLike]],
    y: ArrayLike,
    *,
    task: Task | str = "auto",
    repeats: int = 10,
    test_size: float = 0.25,
    penalties: Sequence[float] = PENALTIES,
    seed: int = 0,
    confidence: float = 0.95,
    threads: int = 2,
    tick: Callable[[], Any] | None = None,
) -> Comparison:
    """Score kernels on the same repeated splits, each tuned inside the training points.

    Parameters
    ----------
    models : mapping of str to sequence of array_like, shape (n, n)
        Kernel matrices over all points; where a model has several (bandwidths, say), inner
        cross-validation on the training points chooses.
    y : array_like, shape (n,)
    task : {"auto", "classification", "regression"}
    repeats : int, default 10
        Random splits, stratified for classes.
    test_size : float, default 0.25
        Share of the points tested.
    penalties : sequence of float
    seed : int, default 0
    confidence : float, default 0.95
    threads : int, default 2
        The results do not depend on it.
    tick : callable, optional
        Called after each model and split, by any thread.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
    ModuleNotFoundError
        Without scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 40)
    >>> rbf = np.exp(-((x[:, None] - x) ** 2))
    >>> found = compare_scores({"RBF": [rbf], "identity": [np.eye(40)]}, x > 0, repeats=3)
    >>> bool(found.estimate("RBF").mean > 0.8 > found.estimate("identity").mean)
    True
    """
    selection = load("sklearn.model_selection", "Scoring kernels")
    matrices = {name: [square(name, K) for K in found] for name, found in models.items()}
    points = {len(K) for found in matrices.values() for K in found}
    if len(points) != 1 or not all(matrices.values()):
        raise InputError(
            "Every model needs a kernel matrix, and all must be of the same points; "
            f"got matrices of {sorted(points)} points."
        )
    if isinstance(repeats, bool) or repeats < 2:
        raise InputError(f"repeats must be at least 2 for an interval, got {repeats}.")
    (count,) = points
    labels = Labels.of(y, count, task)  # type: ignore[arg-type]
    kind = "ShuffleSplit" if labels.classes is None else "StratifiedShuffleSplit"
    splitter = getattr(selection, kind)(repeats, test_size=test_size, random_state=seed)
    try:
        splits = list(splitter.split(np.zeros(count), labels.given))
    except ValueError as error:
        raise InputError(f"The points cannot be split: {error}") from None

    def run(job: tuple[str, tuple[Indices, Indices]]) -> tuple[float, float, tuple[int, float]]:
        name, (train, test) = job
        found = _one_split(matrices[name], labels, train, test, penalties, seed)
        if tick is not None:
            tick()
        return found

    jobs = [(name, split) for name in matrices for split in splits]
    with ThreadPoolExecutor(max_workers=threads) as pool:
        results = list(pool.map(run, jobs))
    scores = {}
    for position, name in enumerate(matrices):
        mine = results[position * repeats : (position + 1) * repeats]
        test_scores, train_scores, chosen = zip(*mine, strict=True)
        scores[name] = Score(test_scores, train_scores, chosen)
    train, test = splits[0]
    metric = "R²" if labels.classes is None else ACCURACY
    return Comparison(metric, scores, len(test) / len(train), confidence, repeats * len(test))


def _one_split(
    matrices: Sequence[Array],
    labels: Labels,
    train: Indices,
    test: Indices,
    penalties: Sequence[float],
    seed: int,
) -> tuple[float, float, tuple[int, float]]:
    candidates = [(index, penalty) for index in range(len(matrices)) for penalty in penalties]
    best = candidates[0]
    if len(candidates) > 1:
        pairs = _inner_splits(labels, train, seed)
        # Blocks are cut out once per matrix; all penalties use them.
        inner = []
        for K in matrices:
            blocks = [(K[np.ix_(f, f)], K[np.ix_(h, f)], f, h) for f, h in pairs]
            for penalty in penalties:
                found = [
                    _fitted(fit_block, labels, fit, penalty)(held_block, held)
                    for fit_block, held_block, fit, held in blocks
                ]
                inner.append(float(np.mean(found)))
        best = candidates[int(np.argmax(inner))]
    K = matrices[best[0]]
    inside = K[np.ix_(train, train)]
    score = _fitted(inside, labels, train, best[1])
    return score(K[np.ix_(test, train)], test), score(inside, train), best


def _inner_splits(labels: Labels, train: Indices, seed: int) -> list[tuple[Indices, Indices]]:
    selection = load("sklearn.model_selection", "Scoring kernels")
    if labels.classes is None:
        folds = selection.KFold(_FOLDS, shuffle=True, random_state=seed)
    else:
        fewest = int(np.bincount(labels.given[train])[np.unique(labels.given[train])].min())
        if fewest < 2:
            folds = selection.KFold(_FOLDS, shuffle=True, random_state=seed)
        else:
            folds = selection.StratifiedKFold(min(_FOLDS, fewest), shuffle=True, random_state=seed)
    return [(train[f], train[h]) for f, h in folds.split(train, labels.given[train])]


def _fitted(
    block: Array, labels: Labels, fit: Indices, penalty: float
) -> Callable[[Array, Indices], float]:
    """Fit on a block of the kernel and return the function that scores other points."""
    if labels.classes is None:
        return _ridge(block, labels.given, fit, penalty)
    if len(np.unique(labels.given[fit])) < 2:  # an inner fold of one class knows one answer
        only = labels.given[fit][0]
        return lambda _, held: float(np.mean(labels.given[held] == only))
    machine = load("sklearn.svm", "Scoring kernels").SVC(kernel="precomputed", C=penalty)
    machine.fit(block, labels.given[fit])
    return lambda held_block, held: float(
        np.mean(machine.predict(held_block) == labels.given[held])
    )


def _ridge(
    block: Array, targets: Array, fit: Indices, penalty: float
) -> Callable[[Array, Indices], float]:
    """Kernel ridge regression of centred targets."""
    mean = float(targets[fit].mean())
    ridge = 0.5 / penalty
    dual = np.linalg.solve(block + ridge * np.eye(len(block)), targets[fit] - mean)

    def score(held_block: Array, held: Indices) -> float:
        missed = targets[held] - mean - held_block @ dual
        spread = targets[held] - targets[held].mean()
        return float(1.0 - (missed @ missed) / max(spread @ spread, np.finfo(float).tiny))

    return score
