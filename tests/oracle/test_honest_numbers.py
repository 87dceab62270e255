"""Light cones, memory, small weights and wide variances: where numbers once were wrong."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import pytest


def _haar(rng: np.random.Generator) -> np.ndarray:
    matrix = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    unitary, triangle = np.linalg.qr(matrix)
    return unitary * (np.diag(triangle) / abs(np.diag(triangle)))


def ghz_around_a_scrambled_block() -> None:
    """Fourteen wires in a GHZ state; wires 3 to 10 scrambled, which no outer value should see."""
    rng = np.random.default_rng(3)
    qml.Hadamard(0)
    for wire in range(13):
        qml.CNOT([wire, wire + 1])
    for layer in range(8):
        for wire in range(3 + layer % 2, 10, 2):
            qml.QubitUnitary(_haar(rng), wires=[wire, wire + 1])


def test_a_truncation_between_the_wires_of_a_value_is_in_its_light_cone() -> None:
    device = qml.device("bondline.mps", wires=14, max_bond_dim=8, on_low_fidelity="ignore")

    @qml.qnode(device)
    def circuit():
        ghz_around_a_scrambled_block()
        return (
            qml.probs(wires=[0, 13]),
            qml.var(qml.Z(0) + qml.Z(13)),
            qml.expval(qml.Z(0) @ qml.Z(13)),
            qml.expval(qml.Z(0)),
        )

    outer, variance, _, _ = circuit()
    cones = device.reports[-1].light_cone
    # The values are visibly wrong, and the report must say so.
    assert abs(outer - [0.5, 0, 0, 0.5]).max() > 1e-3
    assert abs(variance - 4.0) > 1e-4
    assert min(cones[:3]) > 0.01
    # One wire outside the block is reached by none of its truncations.
    assert cones[3] < 1e-15


def test_threads_never_decide_whether_a_run_fits_in_memory() -> None:
    def run(threads: int) -> float:
        device = qml.device(
            "bondline.mps",
            wires=24,
            max_bond_dim=None,
            threads=threads,
            memory_limit=20 * 2**20,
        )

        @qml.qnode(device)
        def circuit():
            rng = np.random.default_rng(1)
            for layer in range(7):
                for wire in range(layer % 2, 23, 2):
                    qml.QubitUnitary(_haar(rng), wires=[wire, wire + 1])
            return qml.expval(qml.Z(12))

        return float(circuit())

    assert run(1) == run(2) == run(16)


@pytest.mark.parametrize("angle", [2.1e-7, 3e-6, 1e-4])
def test_small_weights_beside_a_null_space_cost_no_digits(angle: float) -> None:
    def circuit():
        for wire in range(12):
            qml.RY(0.3 + 0.2 * wire, wires=wire)
        for _ in range(2):
            for wire in range(11):
                qml.IsingXX(angle, wires=[wire, wire + 1])
                qml.RY(0.4, wires=wire)
        return qml.state()

    found = qml.QNode(
        circuit, qml.device("bondline.mps", wires=12, max_bond_dim=None, cutoff=0.0)
    )()
    expected = qml.QNode(circuit, qml.device("default.qubit", wires=12))()
    assert abs(found - expected).max() < 2e-12


@pytest.mark.parametrize(
    ("c_dtype", "angle", "tolerance"),
    [(np.complex128, 0.5, 1e-9), (np.complex128, 1e-4, 1e-10), (np.complex64, 0.5, 0.05)],
)
def test_the_variance_of_a_wide_sum_loses_no_digits(
    c_dtype: type, angle: float, tolerance: float
) -> None:
    n = 1000

    @qml.qnode(qml.device("bondline.mps", wires=n, c_dtype=c_dtype))
    def circuit():
        for wire in range(n):
            qml.RY(angle, wires=wire)
        terms = [qml.Z(w) for w in range(n)] + [qml.Z(w) @ qml.Z(w + 1) for w in range(n - 1)]
        return qml.var(qml.dot(np.ones(len(terms)), terms))

    # Product state, m = <Z>, v = 1 - m²: Var ΣZ + Var ΣZZ + 2 Cov, pair by pair.
    m = np.cos(angle)
    v = np.sin(angle) ** 2
    zz = (n - 1) * (1 - m**4) + 2 * (n - 2) * (m**2 - m**4)
    expected = n * v + zz + 2 * (2 * (n - 1)) * m * v
    assert abs(circuit() - expected) < tolerance
