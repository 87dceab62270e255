"""The examples run, on little data, and write what they promise."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_digits_example_compares_four_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    arguments = ["--images", "60", "--repeats", "2", "--no-progress", "--out", str(tmp_path)]
    main = runpy.run_path(str(EXAMPLES / "digits_projected_kernel.py"))["main"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "largest bond" in printed
    assert "entanglement" in printed
    report = json.loads((tmp_path / "digits_projected_kernel.json").read_text())
    assert len(report["accuracy"]) == 4
    for model, figures in report["accuracy"].items():
        # Better than guessing one of ten digits, and no model sees the test labels.
        assert 0.3 < figures["mean"] < 1.0, model
    entangled = report["circuits"]["projected kernel, entangled"]
    assert entangled["largest_bond"] == 4
    assert entangled["discarded_weight"] < 1e-15
    assert (tmp_path / "digits_projected_kernel.png").stat().st_size > 10_000
