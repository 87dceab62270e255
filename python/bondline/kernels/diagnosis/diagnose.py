"""The diagnosis of a kernel, from its matrix to the verdict."""

from __future__ import annotations

import numbers
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bondline.errors import InputError
from bondline.kernels.blas import one_blas_thread
from bondline.kernels.diagnosis import bandwidth, closeness, concentration
from bondline.kernels.diagnosis.alignment import aligned_with, centred
from bondline.kernels.diagnosis.geometry import compare_geometry
from bondline.kernels.diagnosis.inputs import Array, Gram, Labels, Task, data, gram_of
from bondline.kernels.diagnosis.references import (
    LEARNT_WIDTHS,
    linear,
    squared_distances,
    unit,
)
from bondline.kernels.diagnosis.report import Diagnosis
from bondline.kernels.diagnosis.scores import PENALTIES, Comparison, compare_scores
from bondline.kernels.diagnosis.spectrum import Spectrum, repair_of
from bondline.kernels.diagnosis.verdict import LINEAR, PRODUCT, QUANTUM, RBF, judge

IDENTITY: Final = "identity"


@one_blas_thread
def diagnose(
    kernel: Any = None,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    log_K: ArrayLike | None = None,
    product: Any = None,
    shots: int = 1000,
    task: Task | Literal["auto"] = "auto",
    repeats: int = 10,
    test_size: float = 0.25,
    regularisation: float = 1e-3,
    margin: float = 0.01,
    confidence: float = 0.95,
    max_points: int = 2000,
    seed: int = 0,
    threads: int = 2,
) -> Diagnosis:
    """Say of a quantum kernel whether it is concentrated, new, and of any help.

    Parameters
    ----------
    kernel : array_like, shape (n, n), or an object with ``matrix(X)``
        A kernel matrix, or a kernel such as ``FidelityKernel``.
    X : array_like, shape (n, d), optional
        The data; without them there is no RBF and no linear kernel to compare with.
    y : array_like, shape (n,), optional
        Classes, or numbers for a regression; without them nothing is scored.
    log_K : array_like, shape (n, n), optional
        Natural logarithm of the matrix, instead of ``kernel``: for entries that underflow.
    product : array_like, kernel or False, optional
        The kernel of the same map without entangling gates; by default
        ``kernel.without_entanglers()`` where there is one. False leaves it out.
    shots : int, default 1000
        What a quantum computer would spend on an entry; with labels the kernel as it would be
        estimated is scored, too.
    task : {"auto", "classification", "regression"}
    repeats : int, default 10
        Random splits of the points; stratified for classes.
    test_size : float, default 0.25
    regularisation : float, default 1e-3
        Of the geometric difference and the model complexity; the mean eigenvalue is 1.
    margin : float, default 0.01
        Difference of scores that matters to nobody.
    confidence : float, default 0.95
    max_points : int, default 2000
        Points looked at, chosen at random: work grows with their cube.
    seed : int, default 0
    threads : int, default 2
        The result does not depend on it.

    Returns
    -------
    Diagnosis

    Raises
    ------
    InputError
    ModuleNotFoundError
        Where labels are given and scikit-learn is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(0, 1, 30)[:, None]
    >>> print(diagnose(np.exp(-((x - x.T) ** 2)), x).verdict.sentence)
    explained by an RBF and by a linear kernel
    >>> print(diagnose(np.eye(30)).verdict.sentence)
    concentrated: memorises, does not generalise
    """
    _whole("shots", shots, 1)
    _whole("max_points", max_points, 2)
    if (kernel is None) == (log_K is None):
        raise InputError("Give a kernel (or its matrix), or log_K: one of the two.")
    rows = None if X is None else data(X, None)
    twin = _twin(kernel, product)
    if rows is not None and hasattr(kernel, "matrix") and len(rows) > max_points:
        # Only the points looked at are encoded.
        chosen = _choose(len(rows), max_points, seed)
        given, rows = len(rows), rows[chosen]
        labels = None if y is None else Labels.of(y, given, task)
        gram = gram_of("K", kernel, rows)
        other = None if twin is None else _other(twin, rows, chosen, given)
        labels = None if labels is None else _labels_of(labels, chosen)
    else:
        gram = gram_of("K", kernel, rows) if log_K is None else Gram.of("K", None, log_K)
        given = len(gram.values)
        if rows is not None:
            data(rows, given)
        labels = None if y is None else Labels.of(y, given, task)
        chosen = _choose(given, max_points, seed)
        other = None if twin is None else _other(twin, rows, chosen, given)
        if len(chosen) < given:
            gram = gram.rows(chosen)
            rows = None if rows is None else rows[chosen]
            labels = None if labels is None else _labels_of(labels, chosen)

    K = gram.values
    middle = centred(K)
    spectrum = Spectrum.of(K)
    fixed = repair_of(K, spectrum)
    near = {IDENTITY: closeness.compare(K, middle, np.eye(len(K)))}
    references: dict[str, Array] = {}
    scan, learnt = None, []
    if other is not None:
        references[PRODUCT] = other.values
    if rows is not None:
        distances = squared_distances(rows)
        scale = unit(distances)
        scan = closeness.scan_rbf(K, middle, distances, scale)
        references[RBF] = np.exp(-scan.gamma * distances)
        references[LINEAR] = linear(rows)
        learnt = [np.exp(-width / scale * distances) for width in LEARNT_WIDTHS]
    near |= {name: closeness.compare(K, middle, found) for name, found in references.items()}

    columns = None if labels is None else labels.columns()
    spectra = {name: Spectrum.of(found) for name, found in references.items()}
    geometry = {
        name: compare_geometry(found, spectrum, columns, regularisation)
        for name, found in spectra.items()
    }
    alignments, comparison = {}, None
    if labels is not None:
        alignments[QUANTUM] = aligned_with(middle, labels)
        for name, found in references.items():
            alignments[name] = aligned_with(centred(found), labels)
        models = {QUANTUM: [fixed.matrix]} | {
            name: learnt if name == RBF else [found] for name, found in references.items()
        }
        models[f"quantum, {shots} shots"] = [estimated(K, shots, seed)]
        comparison = _scores(models, labels, repeats, test_size, seed, confidence, threads)
    entries = concentration.measure(gram, shots)
    verdict = judge(entries, spectrum.effective_rank / len(K), near, comparison, margin)
    return Diagnosis(
        points=len(K),
        given=given,
        concentration=entries,
        effective_rank=spectrum.effective_rank,
        participation=spectrum.participation,
        repair=fixed,
        closeness=near,
        rbf=scan,
        geometry=geometry,
        alignments=alignments,
        comparison=comparison,
        bandwidth=bandwidth.suggest(gram, kernel, rows),
        verdict=verdict,
        log10_entries=gram.off_diagonal() / np.log(10.0),
        spectra={QUANTUM: spectrum.values[::-1]}
        | {name: found.values[::-1] for name, found in spectra.items()},
    )


def estimated(K: Array, shots: int, seed: int) -> Array:
    """Return a fidelity kernel as that many shots an entry would estimate it, once for each pair.

    Parameters
    ----------
    K : ndarray of float64, shape (n, n)
    shots : int
    seed : int

    Returns
    -------
    ndarray of float64, shape (n, n)
    """
    upper = np.triu_indices(len(K), 1)
    counts = np.random.default_rng(seed).binomial(shots, np.clip(K[upper], 0.0, 1.0))
    found = np.eye(len(K))
    found[upper] = counts / shots
    return np.asarray(np.maximum(found, found.T))


def _scores(
    models: dict[str, list[Array]],
    labels: Labels,
    repeats: int,
    test_size: float,
    seed: int,
    confidence: float,
    threads: int,
) -> Comparison:
    return compare_scores(
        models,
        labels.given,
        task=labels.task,
        repeats=repeats,
        test_size=test_size,
        penalties=PENALTIES,
        seed=seed,
        confidence=confidence,
        threads=threads,
    )


def _twin(kernel: Any, product: Any) -> Any:
    """Return the product-state kernel, or None."""
    if product is False:
        return None
    if product is None and hasattr(kernel, "without_entanglers"):
        return kernel.without_entanglers()
    return product


def _other(twin: Any, rows: Array | None, chosen: NDArray[np.intp], given: int) -> Gram:
    """Return the matrix of the product-state kernel on the points looked at."""
    if hasattr(twin, "matrix"):
        if rows is not None and len(rows) == given:
            rows = rows[chosen]
        return gram_of("product", twin, rows)
    found = Gram.of("product", twin, None)
    if len(found.values) != given:
        raise InputError(f"product is of {len(found.values)} points, the kernel of {given}.")
    return found if len(chosen) == given else found.rows(chosen)


def _choose(count: int, limit: int, seed: int) -> NDArray[np.intp]:
    if count <= limit:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))


def _labels_of(labels: Labels, chosen: NDArray[np.intp]) -> Labels:
    given = labels.given[chosen]
    return Labels.of(
        given if labels.classes is None else labels.classes[given], len(chosen), labels.task
    )


def _whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}.")
