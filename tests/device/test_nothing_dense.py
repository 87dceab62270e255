"""No path of the device builds anything of size 2^wires that nobody asked for."""

import numpy as np
import pennylane as qml
import pytest

from bondline import gate_set

WIRES = 100


@pytest.fixture(autouse=True)
def _no_dense_methods(monkeypatch):
    def refuse(self, *args, **kwargs):
        raise AssertionError(f"{type(self).__name__} was asked for something dense")

    classes = [
        qml.operation.Operator,
        qml.ops.CompositeOp,
        qml.ops.Controlled,
        qml.ops.Adjoint,
        qml.ops.SProd,
        qml.ops.Prod,
        qml.ops.Sum,
        qml.PauliRot,
        qml.BasisState,
        *gate_set.GATES,
    ]
    for kind in classes:
        for name in ("matrix", "eigvals", "sparse_matrix", "state_vector"):
            if name in vars(kind):
                monkeypatch.setattr(kind, name, refuse)


def layer():
    rng = np.random.default_rng(5)
    start = 0
    for kind, (wires, parameters) in {
        kind: (kind.num_wires or 5, kind.num_params) for kind in gate_set.GATES
    }.items():
        angles = rng.uniform(size=parameters)
        kind(*angles, wires=range(start, start + wires))
        start = (start + wires) % (WIRES - 6)
    qml.BasisState(np.ones(WIRES, dtype=int), range(WIRES))
    qml.MultiRZ(0.3, range(20, 70))
    qml.PauliRot(0.2, "XYZ" * 10, range(40, 70))
    qml.GlobalPhase(0.1, range(WIRES))
    qml.ops.Adjoint(qml.PauliRot(0.2, "ZIX", [0, 50, 99]))


def test_local_values_on_many_wires():
    hamiltonian = qml.dot(
        [1.0] * (2 * WIRES - 1),
        [qml.Z(i) @ qml.Z(i + 1) for i in range(WIRES - 1)] + [qml.X(i) for i in range(WIRES)],
    )

    @qml.qnode(qml.device("bondline.mps", wires=WIRES, max_bond_dim=16, on_low_fidelity="ignore"))
    def circuit():
        layer()
        return (
            qml.expval(hamiltonian),
            qml.var(hamiltonian),
            qml.expval(qml.prod(*[qml.Z(i) for i in range(0, WIRES, 7)])),
            qml.probs(wires=[99, 0]),
            qml.density_matrix([3, 50]),
            qml.purity([10]),
            qml.expval(qml.Projector([0, 1], [5, 6])),
            qml.expval(qml.I(0)),
        )

    values = circuit()
    for value in values:
        assert np.isfinite(value).all()
    assert values[-1] == 1.0
