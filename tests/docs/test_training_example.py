"""The training example: its exact numbers, its verdict, and a short run."""

from __future__ import annotations

import json
import runpy
from functools import reduce
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pennylane as qml
import pytest

pytest.importorskip("optax")
pytest.importorskip("matplotlib")

SCRIPT = Path(__file__).parents[2] / "examples" / "train_100_wires.py"
WIRES = 8
PAULI = {"X": np.array([[0.0, 1.0], [1.0, 0.0]]), "Z": np.diag([1.0, -1.0]), "I": np.eye(2)}


@pytest.fixture(scope="module")
def example() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


def dense_chain(wires: int, field: float) -> np.ndarray:
    """Build the Hamiltonian as a matrix, without PennyLane and without fermions."""

    def term(letters: str) -> np.ndarray:
        return reduce(np.kron, [PAULI[letter] for letter in letters])

    couplings = ["I" * left + "ZZ" + "I" * (wires - 2 - left) for left in range(wires - 1)]
    fields = ["I" * left + "X" + "I" * (wires - 1 - left) for left in range(wires)]
    return -sum(map(term, couplings)) - field * sum(map(term, fields))


@pytest.mark.parametrize("field", [0.3, 1.0, 1.7])
def test_the_ground_energy_is_that_of_dense_diagonalisation(
    example: SimpleNamespace, field: float
) -> None:
    dense = dense_chain(WIRES, field)
    np.testing.assert_allclose(
        example.ground_energy(WIRES, field), np.linalg.eigvalsh(dense)[0], rtol=1e-12
    )
    built = qml.matrix(example.hamiltonian(WIRES, field), wire_order=range(WIRES))
    np.testing.assert_allclose(built, dense, atol=1e-14)


@pytest.mark.parametrize("field", [0.3, 1.0])
def test_free_fermions_give_the_energy_of_any_angles(
    example: SimpleNamespace, field: float
) -> None:
    angles = np.random.default_rng(3).normal(size=(3, 2 * WIRES - 1))
    energy = example.energy_on(qml.device("default.qubit", wires=WIRES), 3, field)
    np.testing.assert_allclose(
        example.exact_energy(angles, field), energy(list(angles.flat)), rtol=1e-12
    )


def test_the_verdict_wants_the_gain_at_the_largest_bond_dimension(
    example: SimpleNamespace,
) -> None:
    before, ground = np.array([-8.2, -8.0]), -10.0
    real, text = example.verdict((4, 16), before, np.array([-9.5, -9.49]), ground)
    assert real
    assert text.startswith("The gain was real: at bond dimension 16 ")
    assert "by 1.4900, too. There they are 0.5100 above the ground state; at 4," in text
    assert text.endswith("seemed to be 0.5000 above it.")

    real, text = example.verdict((4, 16), before, np.array([-9.5, -9.1]), ground)
    assert not real
    assert "lower the energy by only 1.1000" in text

    real, text = example.verdict((4, 16), before, np.array([-10.1, -7.0]), ground)
    assert not real
    assert "do not lower the energy" in text
    assert text.endswith("seemed to be 0.1000 below it.")


def test_a_short_training_lowers_the_energy_and_writes_what_it_promises(
    example: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--wires", str(WIRES), "--layers", "2", "--max-bond-dim", "3", "--steps", "3"]
    assert example.main([*arguments, "--no-progress", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "ground state, exactly" in printed
    assert "The gain was " in printed

    report = json.loads((tmp_path / "train_100_wires.json").read_text())
    assert report["bond_dims"] == [3, 6, 12]
    assert report["angles"] == 2 * (2 * WIRES - 1)
    assert len(report["curve"]) == 3
    assert report["curve"][2] < report["curve"][0] - 0.1
    assert report["exact_curve"][2] == pytest.approx(report["after"]["exact"], abs=1e-12)
    assert report["verdict"] in printed

    after = report["after"]
    assert min(report["curve"]) == pytest.approx(after["energies"][0], abs=1e-9)
    # Two layers have bonds of at most 4: only the first run is truncated.
    assert abs(after["energies"][0] - after["exact"]) > 1e-6
    for energy in after["energies"][1:]:
        assert energy == pytest.approx(after["exact"], abs=1e-10)
    assert after["exact"] > report["ground_energy"]
    assert (tmp_path / "train_100_wires.png").stat().st_size > 10_000


def test_training_returns_the_angles_of_every_energy(example: SimpleNamespace) -> None:
    energy = example.energy_on(qml.device("bondline.mps", wires=3), 1, 1.0)
    seen: list[float] = []
    first = np.full((1, 5), 0.9)
    path, curve = example.train(energy, first, 6, 2.0, seen.append)
    assert curve == seen
    assert curve[-1] > min(curve)
    np.testing.assert_array_equal(path[0], first)
    for angles, value in zip(path, curve, strict=True):
        assert float(energy(list(angles.flat))) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(("name", "value"), [("--wires", "1"), ("--max-bond-dim", "0")])
def test_numbers_that_make_no_sense_are_refused(
    example: SimpleNamespace, name: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        example.main([name, value])
    assert f"{name} must be at least" in capsys.readouterr().err
