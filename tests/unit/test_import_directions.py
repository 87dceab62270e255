"""Who may import whom; see ARCHITECTURE.md."""

import ast
import re
from pathlib import Path

import pytest

import bondline

ROOT = Path(bondline.__file__).parent

# From each module to the modules of bondline it may import.
LEAVES = {"errors", "memory"}
ALLOWED = {
    "errors": set(),
    "memory": set(),
    "config": LEAVES,
    # operators
    "unitarity": LEAVES,
    "gate_set": LEAVES | {"_core", "unitarity"},
    "outcomes": LEAVES,
    "conditions": {"outcomes"},
    "preparations": LEAVES | {"gate_set", "tensor_formats"},
    "program": LEAVES | {"conditions", "gate_set", "preparations", "unitarity"},
    "rows": LEAVES | {"program", "unitarity"},
    # measurements
    "words": set(),
    "pauli_sums": LEAVES | {"gate_set", "words"},
    "matrices": LEAVES | {"gate_set"},
    "columns": LEAVES | {"_core"},
    "bases": {"columns"},
    "requests": LEAVES | {"bases"},
    "results": LEAVES | {"_core"},
    "entanglement": LEAVES | {"_core", "results"},
    "observables": LEAVES
    | {"entanglement", "matrices", "outcomes", "pauli_sums", "requests", "results"},
    "seeds": LEAVES | {"config"},
    "shots": LEAVES | {"_core", "columns", "results"},
    "sampling": LEAVES
    | {"bases", "columns", "gate_set", "matrices", "observables", "outcomes", "pauli_sums"}
    | {"requests", "shots"},
    # circuits
    "group": {"requests"},
    "lowering": LEAVES
    | {"group", "observables", "preparations", "program", "requests", "results", "rows"}
    | {"sampling", "seeds"},
    "account": LEAVES | {"_core"},
    "warnings_once": LEAVES,
    "verdict": LEAVES | {"account", "config", "group", "lowering"},
    "report": LEAVES | {"account", "config", "group", "lowering", "verdict", "warnings_once"},
    # the device
    "devices.preprocess": LEAVES | {"gate_set", "observables", "preparations", "sampling"},
    "devices.snapshots": LEAVES | {"observables", "sampling"},
    "devices.mid_circuit": LEAVES,
    "devices.execution": LEAVES | {"_core", "columns", "config", "lowering", "report", "results"},
    "devices.mps": LEAVES
    | {
        "_core",
        "account",
        "config",
        "lowering",
        "preparations",
        "report",
        "requests",
        "seeds",
        "warnings_once",
        "devices",
        "devices.execution",
        "devices.mid_circuit",
        "devices.preprocess",
        "devices.snapshots",
    },
    "devices": {"devices.mid_circuit"},
    # states
    "bitstrings": LEAVES,
    "engine_state": LEAVES | {"_core", "config", "lowering", "observables", "requests"},
    "state_files": LEAVES,
    "tensor_formats": LEAVES | {"_core"},
    "state_exchange": LEAVES | {"engine_state", "state_files", "tensor_formats"},
    "state_readings": LEAVES | {"bitstrings", "devices.mps", "engine_state"},
    "state": LEAVES | {"_core", "state_exchange", "state_readings", "tensor_formats"},
    "circuit_states": LEAVES
    | {"_core", "account", "bitstrings", "devices.mps", "engine_state", "lowering", "requests"}
    | {"state"},
    "": {"_core", "circuit_states", "config", "errors", "report", "state"},
}
MAY_IMPORT_PENNYLANE = {
    "unitarity",
    "gate_set",
    "outcomes",
    "conditions",
    "preparations",
    "program",
    "rows",
    "words",
    "pauli_sums",
    "matrices",
    "observables",
    "shots",
    "sampling",
    "lowering",
    "devices.preprocess",
    "devices.snapshots",
    "devices.mid_circuit",
    "devices.execution",
    "devices.mps",
    "engine_state",
    "state_exchange",
    "state_readings",
    "circuit_states",
}


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


MODULES = list(modules())


def imported(path):
    """Names of all imported modules, one for each name of ``from package import name``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: imports are absolute"
            if node.module == "bondline":
                yield from (f"bondline.{alias.name}" for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize(("module", "path"), MODULES)
def test_imports_point_down(module, path):
    assert module in ALLOWED, f"state what {module} may import in this table"
    for name in imported(path):
        if name.startswith("bondline."):
            assert name.removeprefix("bondline.") in ALLOWED[module], f"{module} imports {name}"
        if name.split(".")[0] == "pennylane":
            assert module in MAY_IMPORT_PENNYLANE, f"{module} imports {name}"


@pytest.mark.parametrize(("module", "path"), MODULES)
def test_files_stay_under_400_lines(module, path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400


@pytest.mark.parametrize(("module", "path"), MODULES)
def test_no_private_name_of_pennylane_is_used(module, path):
    for name in imported(path):
        if name.startswith("pennylane"):
            assert not any(part.startswith("_") for part in name.split("."))


# The same for the engine: from each folder or file of the crate to those it may use.
RUST = ROOT.parents[1] / "rust"
BASE = {"cancel", "error", "scalar", "pauli"}
RUST_ALLOWED = {
    "cancel": {"error"},
    "error": set(),
    "scalar": set(),
    "pauli": {"scalar"},
    "operator": {"scalar"},
    "local_operator": {"pauli", "scalar"},
    "rng": set(),
    "ieee": BASE | {"linalg"},  # in its tests
    "guard": BASE | {"pool"},
    "pool": BASE | {"ieee"},
    "linalg": BASE,
    "circuit": BASE | {"linalg", "operator"},
    "mps": BASE | {"ieee", "linalg", "local_operator", "operator", "rng"},
    "request": BASE | {"local_operator", "mps"},
    "report": {"linalg", "mps"},
    "result": BASE | {"mps", "report"},
    "coherence": BASE | {"group", "linalg", "mps"},
    "plan_cache": BASE | {"circuit", "coherence"},
    "group": BASE | {"circuit", "linalg", "mps", "request"},
    "initial": BASE | {"circuit", "group", "linalg", "mps"},
    "program": BASE | {"circuit", "group", "initial", "linalg", "mps"},
    "prepared": BASE | {"circuit", "group", "mps", "plan_cache"},
    "memory": BASE | {"circuit", "group", "histories", "local_operator", "mps", "prepared"},
    "values": BASE | {"circuit", "mps", "request", "rng"},
    "mixture": BASE | {"values"},
    "followers": BASE | {"circuit", "mixture", "mps", "rng"},
    "gathered": BASE
    | {"followers", "mixture", "mps", "program", "report", "request", "result", "rng", "values"},
    "histories": BASE
    | {"circuit", "followers", "gathered", "group", "mps", "prepared", "program", "report"}
    | {"request", "result", "rng", "values"},
}
FREE = {"lib", "run"}  # the entry uses everything


def rust_files():
    source = RUST / "core" / "src"
    for path in sorted(source.rglob("*.rs")):
        yield path.relative_to(source).with_suffix("").parts[0], path


@pytest.mark.parametrize(("room", "path"), list(rust_files()))
def test_rust_imports_point_down(room, path):
    text = path.read_text(encoding="utf-8")
    assert "pyo3" not in text, "only rust/python knows Python"
    if room in FREE:
        return
    assert room in RUST_ALLOWED, f"state what {room} may use in this table"
    # `use crate::x`, paths in code, and re-exports of the crate's root.
    used = set(re.findall(r"\bcrate::([a-z_]+)", text)) - {room}
    assert used <= RUST_ALLOWED[room], f"{path.name} uses {used - RUST_ALLOWED[room]}"
