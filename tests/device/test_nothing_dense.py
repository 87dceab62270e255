"""No path of the device builds anything of size 2^wires that nobody asked for."""

import tracemalloc

import numpy as np
import pennylane as qml
import pytest

import bondline
from bondline.operators import gate_set

SPACE = 200 * 2**20
"""Bytes of Python objects that a circuit on 200 wires may take."""


FEW = 8
"""Wires on which PennyLane and the device may look at a matrix."""


def classes(module):
    return [kind for kind in vars(module).values() if isinstance(kind, type)]


@pytest.fixture(autouse=True)
def _no_dense_methods(monkeypatch):
    def guarded(method):
        def of_few_wires(self, *args, **kwargs):
            name = f"{type(self).__name__}.{method.__name__}"
            assert 0 < len(self.wires) <= FEW, f"{name} on {len(self.wires)} wires is dense"
            return method(self, *args, **kwargs)

        return of_few_wires

    operators = {qml.operation.Operator, *gate_set.GATES, *classes(qml.ops)}
    dense = {kind: ("matrix", "eigvals", "sparse_matrix", "state_vector") for kind in operators}
    dense |= dict.fromkeys(classes(qml.measurements), ("process_samples",))
    for kind, names in dense.items():
        for name in names:
            if name in vars(kind):
                monkeypatch.setattr(kind, name, guarded(vars(kind)[name]))
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < SPACE


def device(wires, **settings):
    return qml.device(
        "bondline.mps", wires=wires, max_bond_dim=8, on_low_fidelity="ignore", **settings
    )


def layer(n):
    rng = np.random.default_rng(5)
    start = 0
    for kind in gate_set.GATES:
        wires = kind.num_wires or 5
        kind(*rng.uniform(size=kind.num_params), wires=range(start, start + wires))
        start = (start + wires) % (n - 6)
    qml.BasisState(np.ones(n, dtype=int), range(n))
    qml.MultiRZ(0.3, range(20, 70))
    qml.PauliRot(0.2, "XYZ" * 10, range(40, 70))
    qml.GlobalPhase(0.1, range(n))
    qml.ops.Adjoint(qml.PauliRot(0.2, "ZIX", [0, 50, 99]))
    qml.MultiControlledX(range(60), control_values=[0, 1] * 29 + [1])
    qml.ctrl(qml.RX(0.3, 0), range(1, n), control_values=[1] * (n - 1))
    qml.ctrl(qml.MultiRZ(0.3, range(20)), range(20, 40))
    qml.ctrl(qml.GlobalPhase(0.3), range(n))
    qml.ops.Controlled(qml.QubitUnitary(np.eye(4), [0, 1]), [7, 90])
    qml.CSWAP([5, 40, 41])
    qml.Permute(list(range(n - 1, -1, -1)), range(n))
    qml.FlipSign([1] * 30, range(30))


@pytest.mark.parametrize("n", [100, 200])
@pytest.mark.parametrize("readout", ["local", "state"])
def test_values(n, readout):
    hamiltonian = qml.dot(
        [1.0] * (2 * n - 1),
        [qml.Z(i) @ qml.Z(i + 1) for i in range(n - 1)] + [qml.X(i) for i in range(n)],
    )

    @qml.qnode(device(n, readout=readout))
    def circuit():
        layer(n)
        return (
            qml.expval(hamiltonian),
            qml.var(hamiltonian),
            qml.expval(qml.prod(*[qml.Z(i) for i in range(0, n, 7)])),
            qml.var(qml.prod(*[qml.Y(i) for i in range(n)])),
            qml.probs(wires=[99, 0]),
            qml.density_matrix([3, 50]),
            qml.purity([10]),
            qml.mutual_info([10], [n - 1]),
            qml.expval(qml.Projector([0, 1], [5, 6])),
            qml.expval(qml.Projector([1] * n, range(n))),
            qml.expval(qml.exp(qml.prod(*[qml.Z(i) for i in range(n)]), 0.1)),
            qml.expval(qml.I(0)),
        )

    values = circuit()
    for value in values:
        assert np.isfinite(value).all()
    assert values[-1] == 1.0


@pytest.mark.parametrize("n", [100, 200])
def test_derivatives(n):
    hamiltonian = qml.dot(
        [0.5] * (2 * n - 1),
        [qml.Z(i) @ qml.Z(i + 1) for i in range(n - 1)] + [qml.X(i) for i in range(n)],
    )

    def circuit():
        layer(n)
        qml.expval(hamiltonian)
        qml.var(hamiltonian)
        qml.expval(qml.prod(*[qml.Z(i) for i in range(0, n, 7)]))
        qml.expval(qml.Projector([1] * n, range(n)))
        qml.expval(qml.Hadamard(3))
        qml.probs(wires=[99, 0])

    dev = device(n)
    config = dev.setup_execution_config(qml.devices.ExecutionConfig(gradient_method="adjoint"))
    ((tape,), _) = dev.preprocess_transforms(config)([qml.tape.make_qscript(circuit)()])
    numbers = tape.get_parameters(trainable_only=False)
    tape.trainable_params = [place for place, number in enumerate(numbers) if np.ndim(number) == 0]
    values, products = dev.execute_and_compute_vjp(
        tape, (1.0, 0.1, 1.0, 1.0, 1.0, np.ones(4)), config
    )
    assert len(products) == len(tape.trainable_params) > 2 * (2 * n - 1)
    assert np.isfinite(products).all()
    # The derivative by a coefficient of the Hamiltonian is the expectation of its term.
    first = len([n for operator in tape.operations for n in operator.data if np.ndim(n) == 0])
    by_coefficient = np.array(products[first : first + 2 * n - 1])
    assert 2 * values[0] == pytest.approx(by_coefficient.sum(), abs=1e-9)


@pytest.mark.parametrize("n", [100, 200])
def test_shots_and_measurements_in_the_middle(n):
    @qml.set_shots(50)
    @qml.qnode(device(n, seed=1))
    def circuit():
        layer(n)
        first = qml.measure(0, reset=True)
        qml.cond(first, qml.ctrl(qml.RY, range(1, 30)))(0.3, n - 1)
        return (
            qml.sample(),
            qml.counts(),
            qml.expval(qml.prod(*[qml.X(i) for i in range(n)])),
            qml.var(qml.sum(*[qml.Z(i) for i in range(n)])),
            qml.expval(qml.Projector([0] * n, range(n))),
            qml.probs(wires=[0, n - 1]),
            qml.expval(first),
            qml.classical_shadow(range(n)),
        )

    samples, counts, *_ = circuit()
    assert samples.shape == (50, n)
    assert sum(counts.values()) == 50


@pytest.mark.parametrize("n", [100, 200])
def test_states(n):
    @qml.qnode(device(n))
    def circuit():
        layer(n)
        return qml.expval(qml.Z(0))

    bits = bondline.mps_state(circuit)().sample(3, seed=1)
    assert np.isfinite(bondline.log_probability(circuit, bits)()).all()
    state = bondline.mps_state(circuit)()
    again = qml.QNode(lambda: qml.expval(qml.Z(0)), device(n, initial_state=state))()
    assert abs(again - state.expval(qml.Z(0))) < 1e-9
