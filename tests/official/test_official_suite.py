"""PennyLane's own suite for devices, strictly: see README.md."""

import importlib.util
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pennylane as qml
import pytest
from pennylane.devices.tests import get_device_tests

COUNTS = json.loads(Path(__file__).with_name("counts.json").read_text(encoding="utf-8"))
TORCH = importlib.util.find_spec("torch") is not None


@pytest.mark.parametrize("shots", ["None", "20000"])
def test_counts(shots, tmp_path):
    if qml.version() != COUNTS["pennylane"]:
        pytest.skip(f"the counts are those of PennyLane {COUNTS['pennylane']}")
    report = tmp_path / "suite.xml"
    # Its conftest defines options that clash with ours, and it warns of its own deprecations.
    command = [sys.executable, "-W", "ignore", "-m", "pytest", get_device_tests()]
    command += ["--device=bondline.mps", "--shots", shots, "-p", "no:flaky"]
    command += ["-p", "no:cacheprovider", "-q", f"--junitxml={report}"]
    # Last on the line. Without a seed a test in some hundred misses its tolerance by chance.
    command += ["--device-kwargs", "seed=7"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    counts = Counter(map(outcome, ElementTree.parse(report).iter("testcase")))
    assert counts == COUNTS["with torch" if TORCH else "without torch"][shots]


def outcome(case):
    kinds = {child.tag: child.get("type") for child in case}
    if "failure" in kinds or "error" in kinds:
        return "failed"
    if "skipped" in kinds:
        return "xfailed" if kinds["skipped"] == "pytest.xfail" else "skipped"
    return "passed"
