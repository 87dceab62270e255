"""PennyLane's transforms and algorithms that run circuits of their own work unchanged."""

import numpy as np
import pennylane as qml
import pytest
from pennylane import numpy as pnp

ANGLES = np.array([0.1, 0.2, 0.3])


def layered(name, wires=4, **options):
    @qml.qnode(qml.device(name, wires=wires), **options)
    def circuit(x):
        qml.RX(x[0], 0)
        qml.RY(x[1], 1)
        qml.CNOT([0, 1])
        qml.RZ(x[2], 1)
        qml.RX(0.4, 1)
        return qml.expval(qml.Z(1))

    return circuit


def both(run, **close):
    """Compare with default.qubit."""
    np.testing.assert_allclose(
        run("bondline.mps"), run("default.qubit"), **({"atol": 1e-8} | close)
    )


def trainable():
    return pnp.array(ANGLES, requires_grad=True)


def test_cut_circuits():
    def run(name):
        # The fragments have two wires, the circuit three.
        @qml.cut_circuit
        @qml.qnode(qml.device(name, wires=2))
        def circuit(x):
            qml.RX(x, 0)
            qml.RY(0.9, 1)
            qml.CNOT([0, 1])
            qml.WireCut(wires=1)
            qml.RX(0.3, 1)
            qml.CNOT([1, 2])
            return qml.expval(qml.Z(0) @ qml.Z(1) @ qml.Z(2))

        return circuit(0.3)

    both(run)


def test_cut_circuits_by_monte_carlo():
    @qml.cut_circuit_mc(classical_processing_fn=lambda bits: (-1.0) ** np.sum(bits))
    @qml.set_shots(1000)
    @qml.qnode(qml.device("bondline.mps", wires=2, seed=3))
    def circuit(x):
        qml.RX(x, 0)
        qml.CNOT([0, 1])
        qml.WireCut(wires=1)
        qml.CNOT([1, 2])
        return qml.sample(wires=[0, 2])

    # Z0 Z2 on cos|000> + sin|111>; a cut multiplies the noise by four: .13 here.
    np.random.seed(4)
    assert circuit(0.3) == pytest.approx(1.0, abs=0.5)


@pytest.mark.parametrize("fold", [qml.noise.fold_global])
def test_zero_noise_extrapolation(fold):
    def run(name):
        return qml.noise.mitigate_with_zne(
            layered(name),
            scale_factors=[1, 2, 3],
            folding=fold,
            extrapolate=qml.noise.poly_extrapolate,
            extrapolate_kwargs={"order": 2},
        )(ANGLES)

    both(run)


@pytest.mark.parametrize("approx", ["diag", "block-diag", None])
def test_metric_tensors(approx):
    both(lambda name: qml.metric_tensor(layered(name, wires=5), approx=approx)(trainable()))


def test_the_quantum_fisher_information():
    both(lambda name: qml.gradients.quantum_fisher(layered(name, wires=5))(trainable()))


def test_natural_gradients():
    both(lambda name: qml.QNGOptimizer(0.1).step(layered(name), trainable()))


@pytest.mark.parametrize("method", ["finite-diff", "parameter-shift", "spsa"])
def test_gradient_transforms(method):
    options = {"gradient_kwargs": {"sampler_rng": 5}} if method == "spsa" else {}
    both(lambda name: qml.grad(layered(name, diff_method=method, **options))(trainable()))


def test_second_derivatives():
    both(
        lambda name: qml.jacobian(
            qml.grad(layered(name, diff_method="parameter-shift", max_diff=2))
        )(trainable())
    )


@pytest.mark.parametrize(
    "transform",
    [
        qml.transforms.split_non_commuting,
        qml.transforms.split_to_single_terms,
        qml.transforms.diagonalize_measurements,
        qml.transforms.broadcast_expand,
        qml.transforms.cancel_inverses,
        qml.transforms.merge_rotations,
        qml.transforms.single_qubit_fusion,
        qml.simplify,
        qml.compile,
    ],
)
def test_transforms_of_circuits(transform):
    def run(name):
        @qml.qnode(qml.device(name, wires=3))
        def circuit(x):
            qml.RX(x[0], 0)
            qml.RX(x[1], 0)
            qml.CNOT([0, 1])
            qml.CNOT([0, 1])
            qml.Rot(*x, wires=2)
            qml.CNOT([2, 1])
            return qml.expval(qml.X(0) + 0.5 * qml.Z(1)), qml.expval(qml.Z(2))

        return transform(circuit)(ANGLES)

    both(run)


def test_a_device_with_a_transform():
    dev = qml.transforms.merge_rotations(qml.device("bondline.mps", wires=1))

    @qml.qnode(dev)
    def circuit(x):
        qml.RX(x, 0)
        qml.RX(x, 0)
        return qml.expval(qml.Z(0))

    assert circuit(0.2) == pytest.approx(np.cos(0.4))


def test_kernel_matrices():
    def run(name):
        @qml.qnode(qml.device(name, wires=3))
        def overlap(a, b):
            qml.AngleEmbedding(a, range(3))
            qml.adjoint(qml.AngleEmbedding)(b, range(3))
            return qml.expval(qml.Projector([0, 0, 0], range(3)))

        rng = np.random.default_rng(0)
        return qml.kernels.kernel_matrix(rng.normal(size=(3, 3)), rng.normal(size=(2, 3)), overlap)

    both(run)


def test_drawings_and_counts_of_resources():
    circuit = layered("bondline.mps")
    assert "RX" in qml.draw(circuit)(ANGLES)
    assert "RX" in qml.draw(circuit, level="device")(ANGLES)
    resources = qml.specs(circuit, level="device")(ANGLES)["resources"]
    assert resources.gate_types["CNOT"] == 1


def test_noise_is_refused_with_the_way_out():
    noisy = qml.noise.insert(layered("bondline.mps"), qml.AmplitudeDamping, 0.1, position="end")
    with pytest.raises(qml.exceptions.DeviceError, match=r"noise channel.*default\.mixed"):
        noisy(ANGLES)


def test_qjit_is_refused():
    dev = qml.device("bondline.mps", wires=1)
    assert not dev.capabilities.qjit_compatible
    assert not dev.capabilities.runtime_code_generation
