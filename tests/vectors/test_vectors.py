"""The golden file is what its script writes, and the device reproduces it."""

import functools
import json
from typing import Any

import numpy as np
import pennylane as qml
import pytest
from pennylane.measurements import MeasurementProcess
from pennylane.operation import Operator

from oracle.devices import assert_values_agree, bondline, run_on
from vectors import make_vectors
from vectors.make_vectors import Case

CASES = make_vectors.cases()
# So little discarded that the state of the device is not brought back to canonical form either.
LITTLE = [case for case in CASES if make_vectors.evolve(case).norm() > 0.995]


@functools.cache
def document() -> dict[str, Any]:
    return dict(json.loads(make_vectors.PATH.read_text()))


def stored(case: Case) -> dict[str, Any]:
    return next(dict(row) for row in document()["cases"] if row["name"] == case.name)


def assert_same(stored: Any, made: Any, path: str, tolerance: float) -> None:
    """Compare nested lists and objects, numbers to a tolerance."""
    if isinstance(made, dict):
        assert stored.keys() == made.keys(), path
        for key in made:
            assert_same(stored[key], made[key], f"{path}.{key}", tolerance)
    elif isinstance(made, list):
        assert len(stored) == len(made), path
        for position, (left, right) in enumerate(zip(stored, made, strict=True)):
            assert_same(left, right, f"{path}[{position}]", tolerance)
    elif isinstance(made, float):
        assert stored == pytest.approx(made, rel=0, abs=tolerance), path
    else:
        assert stored == made, path


def operations(row: dict[str, Any]) -> list[Operator]:
    """Return the steps of a stored case as gates."""
    gates = []
    for step in row["steps"]:
        size = 2 ** step["width"]
        matrix = np.array([complex(*entry) for entry in step["matrix"]]).reshape(size, size)
        wires = range(step["site"], step["site"] + step["width"])
        gates.append(qml.QubitUnitary(matrix, wires=wires))
    return gates


def test_the_file_is_what_its_script_writes() -> None:
    assert_same(document(), make_vectors.document(), "bform.json", 1e-12)
    assert make_vectors.PATH.stat().st_size < 300_000


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_vectors_do_not_depend_on_the_factorization(case: Case) -> None:
    gap, margin = make_vectors.narrowest(case)
    assert gap >= make_vectors.LEAST_GAP
    assert margin >= make_vectors.LEAST_MARGIN
    values = [make_vectors.expected(make_vectors.evolve(case, m)) for m in ("svd", "eigh")]
    for key in ("schmidt", "discarded", "norm", "local_z", "local_zz", "state_z", "state_zz"):
        # Through the Gram matrix singular values are known to 1e-8 of the largest.
        assert_same(values[0][key], values[1][key], key, 1e-8 if key == "schmidt" else 1e-11)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_pair_of_steps_could_be_fused(case: Case) -> None:
    last_on: dict[int, int] = {}  # site → the two-site step that touched it last
    for site, matrix in case.steps:
        if len(matrix) == 4:
            assert not last_on.get(site, -1) == last_on.get(site + 1, -2) == site
            last_on[site] = last_on[site + 1] = site


def device_of(row: dict[str, Any], **settings: Any) -> Any:
    limits = {"max_bond_dim": row["max_bond_dim"], "cutoff": row["cutoff"]}
    return bondline(row["n"], ordering="given", on_low_fidelity="ignore", **limits, **settings)


def words_of(n: int) -> list[MeasurementProcess]:
    singles = [qml.expval(qml.Z(site)) for site in range(n)]
    return singles + [qml.expval(qml.Z(site) @ qml.Z(site + 1)) for site in range(n - 1)]


@pytest.mark.parametrize("truncation", ["auto", "svd"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_device_reproduces_the_local_values(case: Case, truncation: str) -> None:
    row, asked = stored(case), words_of(case.n)
    device = device_of(row, truncation=truncation)
    values = run_on(device, operations(row), asked)
    expected = row["expected"]
    reference = expected["local_z"] + expected["local_zz"]
    assert_values_agree(values, reference, [str(word) for word in asked], 1e-9)
    report = device.reports[-1]
    assert report.norm == pytest.approx(expected["norm"], abs=1e-9)
    assert report.bonds.tolist() == expected["bonds"]


@pytest.mark.parametrize("case", LITTLE, ids=lambda case: case.name)
def test_the_device_reproduces_the_values_of_the_whole_state(case: Case) -> None:
    row, asked = stored(case), words_of(case.n)
    expected = row["expected"]
    names = [str(word) for word in asked]
    reference = expected["state_z"] + expected["state_zz"]
    values = run_on(device_of(row, readout="state"), operations(row), asked)
    assert_values_agree(values, reference, names, 1e-9)
    if expected["amplitudes"] is not None:
        amplitudes = np.array([complex(*entry) for entry in expected["amplitudes"]])
        (state,) = run_on(device_of(row), operations(row), [qml.state()])
        assert_values_agree([state], [amplitudes / expected["norm"] ** 0.5], ["state"], 1e-9)
