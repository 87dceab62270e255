"""Write ``bform.json``: truncated evolutions and their values, for the Rust and the Python tests.

From the folder ``tests``: ``python -m vectors.make_vectors``. The file's format is described in
``README.md`` beside it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from oracle.bform import BForm
from oracle.circuits import haar, orthogonal

PATH = Path(__file__).with_name("bform.json")
Z = np.diag([1.0, -1.0])

# Narrowest gap at a cut (relative weight) and nearest a cutoff may come to a weight (factor).
LEAST_GAP = 1e-5
LEAST_MARGIN = 1.2

Matrix = NDArray[np.complex128]
Step = tuple[int, Matrix]  # first site, 2×2 or 4×4


@dataclass(frozen=True)
class Case:
    """One evolution: settings and steps."""

    name: str
    n: int
    max_bond_dim: int | None
    cutoff: float
    steps: Sequence[Step]


def brickwall(
    n: int, depth: int, seed: int, unitary: Callable[..., Matrix] = haar, one_site: bool = False
) -> list[Step]:
    """Return random two-site steps, even and odd bonds in turn, with one-site steps between."""
    rng = np.random.default_rng(seed)
    steps: list[Step] = []
    for layer in range(depth):
        if one_site:
            steps += [(site, unitary(2, rng)) for site in range(layer % 3, n, 3)]
        steps += [(site, unitary(4, rng)) for site in range(layer % 2, n - 1, 2)]
    return steps


def staircases(n: int, count: int, seed: int) -> list[Step]:
    """Return random two-site steps, up the chain and down again."""
    rng = np.random.default_rng(seed)
    up, down = range(n - 1), range(n - 3, 0, -1)
    return [
        (site, haar(4, rng)) for turn in range(count) for site in (up if turn % 2 == 0 else down)
    ]


def weak(n: int, depth: int, seed: int) -> list[Step]:
    """Return weakly entangling two-site steps, so that Schmidt values fall off fast."""
    rng = np.random.default_rng(seed)
    steps: list[Step] = []
    for layer in range(depth):
        for site in range(layer % 2, n - 1, 2):
            generator = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
            energies, basis = np.linalg.eigh(generator + generator.conj().T)
            steps.append((site, (basis * np.exp(-0.08j * energies)) @ basis.conj().T))
    return steps


def cases() -> list[Case]:
    """Return the cases of the file; seeds are those with wide gaps at every cut."""
    return [
        Case("two sites", 2, None, 0.0, brickwall(2, 1, 1)),
        Case("three sites, one-site steps too", 3, None, 0.0, brickwall(3, 4, 2, one_site=True)),
        Case("exact", 6, None, 0.0, brickwall(6, 5, 3, one_site=True)),
        Case("bond dimension 1", 6, 1, 0.0, brickwall(6, 5, 4)),
        Case("bond dimension 2", 6, 2, 0.0, brickwall(6, 6, 5, one_site=True)),
        Case("bond dimension 3", 6, 3, 0.0, staircases(6, 4, 6)),
        Case("real gates", 6, 3, 0.0, brickwall(6, 7, 7, orthogonal)),
        Case("bond dimension 5", 8, 5, 0.0, brickwall(8, 8, 8)),
        Case("up and down", 9, 4, 0.0, staircases(9, 4, 9)),
        Case("deep", 10, 8, 0.0, brickwall(10, 10, 10)),
        Case("cut by the cutoff", 8, None, 1e-4, weak(8, 8, 3)),
        Case("cut by both", 8, 4, 1e-5, weak(8, 10, 115)),
    ]


def evolve(case: Case, method: Literal["svd", "eigh"] = "svd") -> BForm:
    """Run a case on the slow simulator."""
    state = BForm(case.n, case.max_bond_dim, case.cutoff, method)
    for site, matrix in case.steps:
        state.apply(matrix, site)
    return state


def expected(state: BForm) -> dict[str, Any]:
    """Return what the file says about an evolved state."""
    n = state.n
    words = [[{site: Z} for site in range(n)], [{i: Z, i + 1: Z} for i in range(n - 1)]]
    values: dict[str, Any] = {
        "bonds": [len(schmidt) for schmidt in state.schmidt[1:-1]],
        "schmidt": [schmidt.tolist() for schmidt in state.schmidt[1:-1]],
        "discarded": state.discarded,
        "norm": state.norm(),
    }
    for readout, value in (("local", state.local_value), ("state", state.state_value)):
        values[f"{readout}_z"], values[f"{readout}_zz"] = ([value(w) for w in row] for row in words)
    values["amplitudes"] = _pairs(state.dense()) if n <= 6 else None
    return values


def document() -> dict[str, Any]:
    """Return the contents of the file."""
    return {
        "cases": [
            {
                "name": case.name,
                "n": case.n,
                "max_bond_dim": case.max_bond_dim,
                "cutoff": case.cutoff,
                "steps": [
                    {"site": site, "width": len(matrix) // 2, "matrix": _pairs(matrix)}
                    for site, matrix in case.steps
                ],
                "expected": expected(evolve(case)),
            }
            for case in cases()
        ]
    }


def narrowest(case: Case) -> tuple[float, float]:
    """Return the narrowest gap at a cut and the nearest the cutoff comes to a weight."""
    state = evolve(case)
    return min(state.gaps, default=1.0), min(state.margins, default=float("inf"))


def _pairs(values: NDArray[Any]) -> list[list[float]]:
    flat = np.asarray(values, complex).reshape(-1)
    return np.stack([flat.real, flat.imag], axis=1).tolist()  # type: ignore[no-any-return]


def main() -> None:
    """Write the file, refusing cases whose result would depend on the factorization."""
    for case in cases():
        gap, margin = narrowest(case)
        if gap < LEAST_GAP or margin < LEAST_MARGIN:
            raise ValueError(f"{case.name}: gap {gap:.1e}, margin {margin:.2f}; take another seed")
    rows = ",\n".join(json.dumps(case, separators=(",", ":")) for case in document()["cases"])
    PATH.write_text(f'{{"cases": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    main()
