"""The measurements that every circuit family is read with."""

import numpy as np
import pennylane as qml
from pennylane.measurements import MeasurementProcess
from pennylane.operation import Operator

LETTERS = {"X": qml.X, "Y": qml.Y, "Z": qml.Z}


def word(letters: str, wires: list[int]) -> Operator:
    """Return the product of Pauli letters on the given wires."""
    factors = [LETTERS[letter](wire) for letter, wire in zip(letters, wires, strict=True)]
    return qml.prod(*factors) if len(factors) > 1 else factors[0]


def hermitian(k: int, seed: int) -> np.ndarray:
    """Return a random Hermitian matrix on ``k`` wires with entries of order one."""
    gaussian = np.random.default_rng(seed).normal(size=(2, 2**k, 2**k))
    matrix = gaussian[0] + 1j * gaussian[1]
    return np.asarray((matrix + matrix.conj().T) / 2)


def random_sum(n: int, seed: int) -> Operator:
    """Return a sum of an identity, one-wire letters, neighbouring pairs and long words."""
    rng = np.random.default_rng(seed)
    terms: list[Operator] = [qml.Identity(0)]
    supports = [[wire] for wire in range(n)]
    supports += [[left, left + 1] for left in range(n - 1)]
    if n > 1:
        supports += [rng.permutation(n)[: rng.integers(2, 6)].tolist() for _ in range(3)]
    terms += [word("".join(rng.choice(list(LETTERS), len(wires))), wires) for wires in supports]
    return qml.ops.LinearCombination(rng.normal(size=len(terms)), terms)


def measurements(n: int) -> dict[str, MeasurementProcess]:
    """Return the measurements of the table for a circuit on wires ``0 … n-1``, by name."""
    last = n - 1
    table: dict[str, MeasurementProcess] = {}
    for wire in range(n):
        for letter, operator in LETTERS.items():
            table[f"<{letter}{wire}>"] = qml.expval(operator(wire))
    everywhere = "".join("XYZ"[wire % 3] for wire in range(n))
    table["<word on all wires>"] = qml.expval(word(everywhere, list(range(n))))
    table["<identity>"] = qml.expval(qml.Identity(last))
    table["<sum>"] = qml.expval(random_sum(n, 40 + n))
    table["<scaled sum>"] = qml.expval(0.3 * (qml.X(0) + 2.0 * qml.Z(last)) - 0.7 * qml.Y(0))
    table["<matrix on 1 wire>"] = qml.expval(qml.Hermitian(hermitian(1, 50), wires=last))
    table["var(X0)"] = qml.var(qml.X(0))
    table["var(sum)"] = qml.var(random_sum(n, 80 + n))
    table["probs(last)"] = qml.probs(wires=last)
    table["probs"] = qml.probs()
    table["state"] = qml.state()
    table["density(0)"] = qml.density_matrix(wires=0)
    if n > 1:
        table["<Z0 Z1>"] = qml.expval(qml.Z(0) @ qml.Z(1))
        table["<Ylast X0>"] = qml.expval(qml.Y(last) @ qml.X(0))
        for name, wires in {
            "neighbours": [last - 1, last],
            "neighbours reversed": [1, 0],
            "ends": [0, last],
            "ends reversed": [last, 0],
        }.items():
            matrix = hermitian(2, 60)
            table[f"<matrix on {name}>"] = qml.expval(qml.Hermitian(matrix, wires=wires))
        table["var(Zlast Y0)"] = qml.var(qml.Z(last) @ qml.Y(0))
        table["probs(ends reversed)"] = qml.probs(wires=[last, 0])
        table["density(neighbours)"] = qml.density_matrix(wires=[0, 1])
        table["density(ends reversed)"] = qml.density_matrix(wires=[last, 0])
        table["<projector>"] = qml.expval(qml.Projector([0, 1], wires=[last, 0]))
        table["var(projector and letters)"] = qml.var(
            qml.prod(qml.Projector([1], wires=[0]), qml.X(last)) + 0.4 * qml.Z(0)
        )
        table["<matrix and words>"] = qml.expval(
            qml.Hermitian(hermitian(2, 61), wires=[last, 0]) - 0.3 * qml.Y(0) + 2 * qml.H(last)
        )
        table["entropy(last)"] = qml.vn_entropy(wires=[last])
        table["purity(all but last)"] = qml.purity(wires=list(range(last)))
        table["mutual information"] = qml.mutual_info([last], [0])
    if n > 3:
        table["<X1 Zlast>"] = qml.expval(qml.X(1) @ qml.Z(last))
        table["probs(1, last, 0, 2)"] = qml.probs(wires=[1, last, 0, 2])
        table["density(2, 0, last)"] = qml.density_matrix(wires=[2, 0, last])
        table["<matrix on 3 wires>"] = qml.expval(
            qml.Hermitian(hermitian(3, 70), wires=[2, last, 1])
        )
        table["entropy(2, 0)"] = qml.vn_entropy(wires=[2, 0])
        table["entropy(all but 0)"] = qml.vn_entropy(wires=list(range(1, n)))
        table["mutual information of the rest"] = qml.mutual_info([last, 1], [0, 2])
    return table
