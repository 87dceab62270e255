"""The fidelity kernel against statevectors, and what it refuses."""

import copy
import dataclasses
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pennylane as qml
import pytest

import bondline
from bondline import InputError, _core
from bondline.kernels import EncodedSet, FidelityKernel, ProjectedKernel, tile_rows

WIRES = 5
X = np.random.default_rng(3).uniform(-1, 1, (7, WIRES))
Y = np.random.default_rng(4).uniform(-1, 1, (4, WIRES))


def zz_map(x):
    for _ in range(2):
        for wire in range(len(x)):
            qml.Hadamard(wire)
            qml.RZ(2 * x[wire], wires=wire)
        for wire in range(len(x) - 1):
            qml.IsingZZ(
                2 * (np.pi - x[wire]) * (np.pi - x[wire + 1]) / np.pi, wires=[wire, wire + 1]
            )


def branching(x):
    for wire in range(WIRES):
        qml.RY(x[wire], wires=wire)
    if x[0] > 0:
        qml.CNOT([0, 1])
        qml.RX(x[1], wires=2)
    else:
        qml.CZ([2, 3])


def trained(x, angles, scale):
    for wire in range(WIRES):
        qml.RY(scale * x[wire] + angles[wire], wires=wire)
    for wire in range(WIRES - 1):
        qml.CNOT([wire, wire + 1])


def reordering(x):
    """End in an order of sites that depends on the row."""
    near, far = ((0, 1), (2, 4)) if x[0] > 0 else ((0, 2), (1, 3))
    for wire in range(WIRES):
        qml.RY(x[wire], wires=wire)
    for _ in range(2):
        for pair in (near, (near[0], 4), (0, 3), far, (1, 4)):
            qml.IsingXX(x[pair[0]] + 0.3, wires=pair)
        qml.SWAP(far)


def far_apart(x):
    qml.RX(x[0], 0)
    qml.Hadamard(4)
    qml.CRX(x[1], [4, 0])


MAPS = {
    "zz": zz_map,
    "iqp": lambda x: qml.IQPEmbedding(x, wires=range(WIRES)),
    "angle": lambda x: qml.AngleEmbedding(x, wires=range(WIRES)),
    "branching": branching,
    "amplitudes": lambda x: qml.AmplitudeEmbedding(x, wires=range(3), pad_with=0.3, normalize=True),
    "far apart": far_apart,
    "reordering": reordering,
}


def states(function, rows, *params, wires=WIRES):
    device = qml.device("default.qubit", wires=wires)

    @qml.qnode(device)
    def circuit(row):
        function(row, *params)
        return qml.state()

    return np.array([circuit(row) for row in rows])


def exact(function, one, two, *params):
    return abs(states(function, one, *params).conj() @ states(function, two, *params).T) ** 2


@pytest.mark.parametrize("name", MAPS)
def test_matrices_are_those_of_statevectors(name):
    kernel = FidelityKernel(MAPS[name], WIRES)
    np.testing.assert_allclose(kernel(X, Y), exact(MAPS[name], X, Y), atol=1e-9, rtol=0)
    own = kernel.matrix(X)
    np.testing.assert_allclose(own, exact(MAPS[name], X, X), atol=1e-9, rtol=0)
    assert (np.diag(own) == 1.0).all()
    assert (own == own.T).all()
    assert (kernel(X, X.copy()) == own).all()
    assert (kernel.log_matrix(X) <= 0.0).all()


def test_the_report_says_how_rows_were_encoded():
    assert FidelityKernel(zz_map, WIRES).prepare(X).report.encoding == "recorded once"
    report = FidelityKernel(branching, WIRES).prepare(X).report
    assert report.encoding == "row by row"
    assert report.reason == "it compares an argument"
    assert report.structures == 2


def test_fifty_rows_on_sixty_wires():
    data = np.random.default_rng(77).uniform(0, 0.2, size=(50, 60))
    assert abs(FidelityKernel(zz_map, 60).matrix(data[:2])[0, 1] - 0.2770779096) < 1e-9


@pytest.mark.parametrize("ordering", ["auto", "given"])
def test_sites_are_in_one_order(ordering):
    kernel = FidelityKernel(reordering, WIRES, ordering=ordering)
    circuits = kernel._encoder.maker.circuits(X, ())
    settings = kernel.config.engine_settings()
    orders = {
        tuple(_core.encode(group, settings)[1].wire_of_site.tolist())
        for group, _ in circuits.groups(0, len(X))
    }
    assert len(orders) == 2  # what makes this a test
    np.testing.assert_allclose(kernel(X, Y), exact(reordering, X, Y), atol=1e-9)
    assert kernel.prepare(X).wire_of_site == tuple(range(WIRES))


def test_states_too_large_for_memory_are_made_by_tile_rows(tmp_path, monkeypatch):
    written = []
    write = tile_rows.Spill.write
    monkeypatch.setattr(
        tile_rows.Spill, "write", lambda own, states: written.append(1) or write(own, states)
    )
    data = np.random.default_rng(5).uniform(0, 1, (60, 12))
    others = np.random.default_rng(6).uniform(0, 1, (20, 12))
    large = FidelityKernel(zz_map, 12)
    size = large.prepare(data).states.nbytes
    small = FidelityKernel(zz_map, 12, memory_limit=size // 2)
    expected = large.matrix(data)
    assert not written
    np.testing.assert_array_equal(small.matrix(data, checkpoint=tmp_path / "run"), expected)
    assert written
    np.testing.assert_array_equal(large.matrix(data, checkpoint=tmp_path / "run"), expected)
    np.testing.assert_array_equal(small.matrix(data, others), large.matrix(data, others))
    with pytest.raises(bondline.ResourceError, match="tile by tile"):
        small.prepare(data)


def test_params_of_the_constructor_and_of_the_call():
    params = (np.linspace(0.1, 0.5, WIRES), 2)
    expected = exact(trained, X, Y, *params)
    kernel = FidelityKernel(trained, WIRES, params=params)
    np.testing.assert_allclose(kernel(X, Y), expected, atol=1e-9)
    found = FidelityKernel(trained, WIRES).matrix(X, Y, params=params)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_types_of_numbers():
    kernel = FidelityKernel(zz_map, WIRES)
    whole = np.random.default_rng(0).integers(0, 3, (4, WIRES))
    np.testing.assert_allclose(kernel.matrix(whole), exact(zz_map, whole, whole), atol=1e-9)
    single = X.astype(np.float32)
    np.testing.assert_array_equal(kernel.matrix(single), kernel.matrix(single.astype(float)))


def test_blocks_and_rows_one_by_one_agree():
    kernel = FidelityKernel(zz_map, WIRES)
    single = np.array([[kernel(x[None], y[None])[0, 0] for y in Y] for x in X])
    np.testing.assert_allclose(kernel(X, Y), single, atol=1e-13)


def test_sets_are_saved_and_loaded(tmp_path):
    kernel = FidelityKernel(zz_map, WIRES)
    found = kernel.prepare(X)
    found.save(tmp_path / "set")
    loaded = EncodedSet.load(tmp_path / "set")
    assert loaded.fingerprint == found.fingerprint
    assert len(loaded) == len(X)
    np.testing.assert_array_equal(kernel.matrix(loaded), kernel.matrix(X))
    np.testing.assert_array_equal(kernel.matrix(loaded, Y), kernel.matrix(X, Y))
    whole = (tmp_path / "set").read_bytes()
    for place in (len(whole) // 2, len(whole) // 4, len(whole) * 3 // 4):
        altered = bytearray(whole)
        altered[place] ^= 1
        (tmp_path / "bad").write_bytes(altered)
        with pytest.raises(InputError):
            EncodedSet.load(tmp_path / "bad")
    (tmp_path / "bad").write_bytes(whole[:-30])
    with pytest.raises(InputError, match="damaged"):
        EncodedSet.load(tmp_path / "bad")


def test_sets_of_another_kernel_are_refused():
    found = FidelityKernel(zz_map, WIRES).prepare(X)
    with pytest.raises(InputError, match="max_bond_dim 128 and 2"):
        FidelityKernel(zz_map, WIRES, max_bond_dim=2).matrix(found)
    with pytest.raises(InputError, match="differ in gates or angles"):
        FidelityKernel(branching, WIRES).matrix(X, found)
    kernel = FidelityKernel(trained, WIRES, params=(np.ones(WIRES), 1.0))
    with pytest.raises(InputError, match="other trainable parameters"):
        kernel.matrix(kernel.prepare(X), Y, params=(np.zeros(WIRES), 1.0))


def test_sets_with_sites_in_another_order_are_refused():
    kernel = FidelityKernel(far_apart, WIRES, ordering="given")
    found = kernel.prepare(X)
    assert found.wire_of_site != tuple(range(WIRES))
    np.testing.assert_array_equal(kernel.matrix(found, Y), kernel.matrix(X, Y))
    other = dataclasses.replace(found, wire_of_site=tuple(range(WIRES)))
    with pytest.raises(InputError, match="sites in other orders"):
        kernel.matrix(other, Y)


def test_states_travel_to_processes():
    kernel = FidelityKernel(zz_map, 12)
    data = np.random.default_rng(5).uniform(0, 1, (40, 12))
    expected = kernel.matrix(data)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        found = kernel.matrix(data, executor=pool, progress=False)
    np.testing.assert_array_equal(found, expected)


def measures(x):
    qml.RX(x[0], 0)
    qml.expval(qml.Z(0))


def in_the_middle(x):
    qml.RX(x[0], 0)
    qml.measure(0)


BAD_MAPS = {
    "measures": (measures, "measures"),
    "returns a measurement": (lambda x: qml.expval(qml.Z(0)), "measures"),
    "returns": (lambda x: 3.0, "returns a float"),
    "in the middle": (in_the_middle, "in its middle"),
    "channel": (lambda x: qml.BitFlip(0.1, 0), "noise channel"),
    "wires": (lambda x: qml.RX(x[0], "a"), "wire 'a'"),
    "features": (lambda x: qml.RX(x[9], 0), "raises IndexError"),
    "random": (lambda x: qml.RX(np.random.random(), 0), "another circuit"),
}


@pytest.mark.parametrize("name", BAD_MAPS)
def test_maps_that_do_what_they_may_not(name):
    function, text = BAD_MAPS[name]
    with pytest.raises(InputError, match=text):
        FidelityKernel(function, WIRES).matrix(X)


def test_random_angles_are_seen_in_one_row():
    with pytest.raises(InputError, match="another circuit"):
        FidelityKernel(BAD_MAPS["random"][0], WIRES).matrix(X[:1])


def test_a_row_with_another_circuit_spoils_no_later_call():
    def wanders(x):
        # No comparison of what is recorded, but a plain number is seen to be zero.
        wire = 1 if isinstance(x[0], float) and x[0] == 0.0 else 2
        qml.RX(x[0], 0)
        qml.CNOT([0, wire])

    kernel = FidelityKernel(wanders, WIRES)
    with_zero = np.where(np.arange(7)[:, None] == 0, 0.0, X)
    found = kernel.prepare(with_zero).report
    assert found.reason == "its circuit differs from the recorded one"
    assert kernel.prepare(X).report.encoding == "recorded once"


def test_constants_and_matrices_are_recorded():
    def mixed(x):
        qml.StatePrep(np.array([0.6, 0.8]), 3)
        qml.RX(0.3, 0)
        qml.QubitUnitary(np.array([[0.6, 0.8], [-0.8, 0.6]]), 1)
        qml.ctrl(qml.RY(x[0] * -0.0 + x[1], 2), [0, 1], control_values=[0, 1])
        qml.PauliRot(np.float64(0.2) * x[1] - x[2] / 3, "XZ", [0, 3])

    kernel = FidelityKernel(mixed, WIRES)
    assert kernel.prepare(X).report.encoding == "recorded once"
    np.testing.assert_allclose(kernel.matrix(X), exact(mixed, X, X), atol=1e-9)


BAD_DATA = {
    "nan": (np.where(np.eye(7, WIRES) > 0, np.nan, X), r"X\[0, 0\] is nan"),
    "one axis": (X[0], "reshape"),
    "empty": (X[:0], "empty"),
    "text": (np.array([["a", "b"]]), "real numbers"),
    "complex": (1j * X, "real numbers"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_data_that_make_no_sense(name):
    data, text = BAD_DATA[name]
    for kernel in (FidelityKernel(zz_map, WIRES), ProjectedKernel(zz_map, WIRES)):
        with pytest.raises(InputError, match=text):
            kernel.matrix(data)


def test_other_arguments_that_make_no_sense():
    with pytest.raises(InputError, match="3 features"):
        FidelityKernel(zz_map, WIRES).matrix(X, Y[:, :3])
    with pytest.raises(InputError, match="plain quantum function"):
        FidelityKernel(qml.QNode(measures, qml.device("bondline.mps")), WIRES)
    with pytest.raises(TypeError, match="did you mean 'max_bond_dim'"):
        FidelityKernel(zz_map, WIRES, max_bond=3)
    with pytest.raises(InputError, match="gamma"):
        ProjectedKernel(zz_map, WIRES, gamma=-1.0)
    with pytest.raises(InputError, match="locality"):
        ProjectedKernel(zz_map, WIRES, locality=3)


def test_states_that_lost_too_much_warn_once():
    kernel = FidelityKernel(zz_map, WIRES, max_bond_dim=1)
    with pytest.warns(bondline.LowFidelityWarning, match="The state of row"):
        found = kernel.prepare(X)
    assert found.report.least_fidelity < 0.99
    kernel.prepare(X)  # warnings are errors here
    with pytest.raises(bondline.LowFidelityError):
        FidelityKernel(zz_map, WIRES, max_bond_dim=1, on_low_fidelity="raise").prepare(X)


def test_the_twin_has_no_entanglers():
    def product(x):
        for _ in range(2):
            for wire in range(WIRES):
                qml.Hadamard(wire)
                qml.RZ(2 * x[wire], wires=wire)

    twin = FidelityKernel(zz_map, WIRES).without_entanglers()
    np.testing.assert_allclose(twin.matrix(X), exact(product, X, X), atol=1e-9)
    assert twin.prepare(X).report.largest_bond == 1
    base = pytest.importorskip("sklearn.base")
    copies = [pickle.loads(pickle.dumps(twin)), copy.deepcopy(twin), base.clone(twin)]
    for copied in [*copies, twin.set_params(cutoff=1e-14)]:
        np.testing.assert_array_equal(copied.matrix(X), twin.matrix(X))
    assert base.clone(twin).set_params(entanglers=True).prepare(X).report.largest_bond > 1
    with pytest.raises(InputError, match="entanglers"):
        FidelityKernel(zz_map, WIRES, entanglers="no")


@pytest.mark.parametrize("locality", [1, 2])
def test_projected_kernels_are_those_of_density_matrices(locality):
    places = [tuple(range(at, at + locality)) for at in range(WIRES - locality + 1)]

    def densities(rows):
        found = states(zz_map, rows)
        return np.concatenate(
            [qml.math.reduce_statevector(found, place).reshape(len(rows), -1) for place in places],
            axis=1,
        )

    one, two = densities(X), densities(Y)
    squares = (abs(one[:, None] - two[None]) ** 2).sum(axis=2)
    kernel = ProjectedKernel(zz_map, WIRES, locality=locality, gamma=0.7)
    np.testing.assert_allclose(kernel(X, Y), np.exp(-0.7 * squares), atol=1e-9)
    own = ProjectedKernel(zz_map, WIRES, locality=locality).matrix(X)
    assert (np.diag(own) == 1.0).all()
    assert (own == own.T).all()
    assert np.linalg.eigvalsh(own).min() > -1e-12


def test_scikit_learn_takes_it():
    base = pytest.importorskip("sklearn.base")
    svm = pytest.importorskip("sklearn.svm")
    kernel = FidelityKernel(zz_map, WIRES, max_bond_dim=16)
    labels = (X[:, 0] > 0).astype(int)
    machine = svm.SVC(kernel=kernel).fit(X, labels)
    expected = svm.SVC(kernel="precomputed").fit(kernel(X), labels)
    np.testing.assert_allclose(
        machine.decision_function(Y), expected.decision_function(kernel(Y, X)), atol=1e-9
    )
    twin = base.clone(kernel)
    assert twin.get_params() == kernel.get_params()
    assert twin.set_params(max_bond_dim=4).config.max_bond_dim == 4
    assert base.clone(machine).get_params()["kernel__max_bond_dim"] == 16


def test_pennylanes_own_kernel_matrix_agrees():
    device = qml.device("bondline.mps", wires=WIRES)

    @qml.qnode(device)
    def overlap(x, y):
        zz_map(x)
        qml.adjoint(zz_map)(y)
        return qml.probs(wires=range(WIRES))

    found = qml.kernels.kernel_matrix(X, Y, lambda x, y: overlap(x, y)[0])
    np.testing.assert_allclose(found, FidelityKernel(zz_map, WIRES)(X, Y), atol=1e-9)


def test_a_checkpoint_is_resumed_and_never_mixed(tmp_path):
    kernel = FidelityKernel(zz_map, WIRES)
    first = kernel.matrix(X, checkpoint=tmp_path / "run", progress=False)
    np.testing.assert_array_equal(first, kernel.matrix(X))
    np.testing.assert_array_equal(first, kernel.matrix(X, checkpoint=tmp_path / "run"))
    with pytest.raises(InputError):
        kernel.matrix(X + 0.1, checkpoint=tmp_path / "run")
    with pytest.raises(TypeError, match="checkpoint"):
        kernel.matrix(X, chekpoint="run")
