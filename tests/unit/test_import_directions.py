"""Who may import whom; see ARCHITECTURE.md."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

import bondline

ROOT = Path(bondline.__file__).parent

# From the bottom to the top: a module imports from its own floor and from those below.
FLOORS = [
    {"_core", "errors", "memory"},
    {"config", "tensor_formats"},
    {"operators"},
    {"measurements"},
    {"circuits"},
    {"reports"},
    {"devices"},
    {"checks", "compiling", "states"},
    {"kernels"},
    {""},
]
FLOOR = {room: height for height, floor in enumerate(FLOORS) for room in floor}
KNOW_PENNYLANE = {"operators", "measurements", "circuits", "devices", "checks", "states"} | {
    "compiling",
    "kernels",
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
            # A name may be a module of a package, or something in a module.
            if node.module.split(".")[0] == "bondline" and node.module.count(".") < 2:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module


def room_of(module):
    return module.split(".")[0]


@pytest.mark.parametrize(("module", "path"), MODULES)
def test_imports_point_down(module, path):
    room = room_of(module)
    assert room in FLOOR, f"state the floor of {room} in this table"
    for name in imported(path):
        if name.startswith("bondline."):
            below = room_of(name.removeprefix("bondline."))
            assert below == room or FLOOR[below] < FLOOR[room], f"{module} imports {name}"
        if name.split(".")[0] == "pennylane":
            assert room in KNOW_PENNYLANE, f"{module} imports {name}"


def test_no_modules_import_each_other_in_a_circle():
    known = {module for module, _ in MODULES}
    below = {
        module: {
            name.removeprefix("bondline.")
            for name in imported(path)
            if name.removeprefix("bondline.") in known - {""}
        }
        for module, path in MODULES
    }
    list(graphlib.TopologicalSorter(below).static_order())  # raises at a circle


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
    "row": BASE | {"coherence", "mps", "prepared", "program", "report", "result", "values"},
    "gradient": BASE
    | {"circuit", "group", "ieee", "linalg", "local_operator", "memory", "mps", "overlaps"}
    | {"operator", "plan_cache", "prepared", "program", "report", "request", "result", "rng"}
    | {"row", "run", "values"},
    "overlaps": BASE
    | {"group", "ieee", "linalg", "mps", "plan_cache", "pool", "request", "result", "row", "run"},
    "histories": BASE
    | {"circuit", "group", "mps", "prepared", "program", "report", "request", "result", "rng"}
    | {"values"},
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
