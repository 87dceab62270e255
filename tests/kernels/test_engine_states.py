"""Encoded states as Python sees them, and their overlaps, beside dense vectors and NumPy."""

import pickle
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pennylane as qml
import pytest
from pennylane.tape import QuantumScript

from bondline import InputError, ResourceError, UnsupportedError, _core
from bondline.circuits.lowering import lower
from bondline.config import MpsConfig

Tensors = list[np.ndarray]


def random_state(bonds, rng, *, real=False) -> Tensors:
    """Normalise a random state; each tensor is (left, 2, right)."""
    edges = [1, *bonds, 1]
    tensors = []
    for left, right in pairwise(edges):
        tensor = rng.normal(size=(left, 2, right)) + 0j
        if not real:
            tensor += 1j * rng.normal(size=tensor.shape)
        tensors.append(tensor / np.sqrt(2 * left * right))
    factor = np.exp(-log_overlap(tensors, tensors) / 4 / len(tensors))
    return [tensor * factor for tensor in tensors]


def log_overlap(bra: Tensors, ket: Tensors) -> float:
    """Contract site by site, the environment divided by its norm; ln |<bra|ket>|^2."""
    environment, log = np.ones((1, 1), dtype=complex), 0.0
    for a, b in zip(bra, ket, strict=True):
        environment = np.einsum("ab,asc,bsd->cd", environment, a.conj(), b, optimize=True)
        norm = np.linalg.norm(environment)
        if norm == 0.0:
            return -np.inf
        environment, log = environment / norm, log + np.log(norm)
    return 2 * (log + np.log(abs(environment[0, 0])))


def dense(tensors: Tensors) -> np.ndarray:
    vector = np.ones((1, 1))
    for tensor in tensors:
        vector = np.tensordot(vector, tensor, 1).reshape(-1, tensor.shape[2])
    return vector[:, 0]


def packed(states, dtype=np.complex128) -> _core.EncodedStates:
    bonds = np.array([[tensor.shape[2] for tensor in state[:-1]] for state in states])
    entries = np.concatenate([tensor.ravel() for state in states for tensor in state])
    return _core.EncodedStates.from_parts(
        bonds.reshape(len(states), len(states[0]) - 1).astype(np.uint32), entries.astype(dtype)
    )


def strays(n, count, largest, rng) -> list[Tensors]:
    """Draw other bonds for each site of each state; every third state is real."""
    return [
        random_state(rng.integers(1, largest + 1, n - 1), rng, real=index % 3 == 1)
        for index in range(count)
    ]


def mixed(n, seed) -> list[Tensors]:
    """Some states share their bonds, and some share them with nobody."""
    rng = np.random.default_rng(seed)
    alike = [
        random_state([bond] * (n - 1), rng, real=real)
        for bond, count, real in [(2, 7, False), (4, 6, True), (1, 5, False), (2, 4, True)]
        for _ in range(count)
    ]
    return [*strays(n, 3, 6, rng), *alike]


def exact_overlaps(bra, ket):
    rows, columns = (np.array([dense(state) for state in states]) for states in (bra, ket))
    return abs(rows.conj() @ columns.T) ** 2


def group_of(operations):
    return lower([QuantumScript(operations, [qml.expval(qml.Z(0))])]).groups[0]


def feature_map(data, *, real=False):
    """Angles of a column of data on each wire, neighbours and one far pair entangled."""
    n = data.shape[1]
    operations = []
    for layer in range(4):
        for wire in range(n):
            operations.append(qml.RY(data[:, wire] + 0.3 * layer, wire))
            if not real:
                operations.append(qml.RZ(1.7 * data[:, wire], wire))
        operations += [qml.CNOT([wire, wire + 1]) for wire in range(layer % 2, n - 1, 2)]
        if n > 2:
            operations.append(qml.CNOT([n - 1, 0]))
    return operations


def settings(**keywords):
    return MpsConfig(**keywords).engine_settings()


@pytest.mark.parametrize("n", [1, 2, 3, 6, 10])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.complex128, 1e-9), (np.complex64, 1e-4)])
def test_overlaps_are_those_of_dense_vectors(n, dtype, tolerance):
    rng = np.random.default_rng(n)
    bra, ket = strays(n, 6, 20, rng), strays(n, 5, 20, rng)
    for bond in [2, 4]:
        ket += [random_state([bond] * (n - 1), rng) for _ in range(9)]
    found = _core.log_overlaps(packed(bra, dtype), packed(ket, dtype), 1)
    assert found.shape == (6, 23)
    assert found.dtype == np.float64
    np.testing.assert_allclose(np.exp(found), exact_overlaps(bra, ket), rtol=0, atol=tolerance)
    found = _core.log_overlaps(packed(ket, dtype), None, 1)
    np.testing.assert_allclose(np.exp(found), exact_overlaps(ket, ket), rtol=0, atol=tolerance)


@pytest.mark.parametrize("n", [1, 2, 5, 10])
@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.complex128, 1e-9), (np.complex64, 1e-4)])
def test_encoded_circuits_have_the_overlaps_of_their_states(n, real, dtype, tolerance):
    data = np.random.default_rng(7).uniform(-1.5, 1.5, size=(5, n))
    operations = feature_map(data, real=real)
    states, result = _core.encode(group_of(operations), settings(c_dtype=dtype))
    assert (states.n_points, states.n_wires) == (5, n)
    assert states.single_precision == (dtype == np.complex64)
    vectors = np.asarray(
        qml.device("default.qubit", wires=n).execute(
            [QuantumScript(operations, [qml.state()])], qml.devices.ExecutionConfig()
        )[0]
    )
    exact = abs(vectors.conj() @ vectors.T) ** 2
    found = np.exp(_core.log_overlaps(states, None, None))
    np.testing.assert_allclose(found, exact, rtol=0, atol=tolerance)
    # The tensors themselves, on the wires that the result names.
    assert sorted(result.wire_of_site) == list(range(n))
    for row, vector in enumerate(vectors):
        own = dense(states.tensors(row)).reshape((2,) * n)
        own = own.transpose(np.argsort(result.wire_of_site)).ravel()
        assert abs(abs(np.vdot(own, vector)) - 1) < tolerance


def test_what_encoding_reports_is_what_a_run_reports():
    data = np.random.default_rng(8).uniform(-1.5, 1.5, size=(4, 9))
    group = group_of(feature_map(data))
    states, result = _core.encode(group, settings(max_bond_dim=3))
    assert states.largest_bond == 3
    assert (result.discarded.sum(axis=1) > 0).all()
    assert (result.log_norm < 0).all()
    assert (result.largest_bond >= 3).all()
    assert (states.parts()[0] == result.bonds).all()
    for row in range(4):
        assert abs(np.linalg.norm(dense(states.tensors(row))) - 1) < 1e-12


def test_rows_of_a_batch_are_the_same_states_alone():
    data = np.random.default_rng(9).uniform(-1.5, 1.5, size=(6, 8))
    whole = _core.encode(group_of(feature_map(data)), settings(max_bond_dim=4))[0]
    part = _core.encode(group_of(feature_map(data[2:5])), settings(max_bond_dim=4, threads=2))[0]
    for found, expected in zip(part.parts(), whole.rows(2, 5).parts(), strict=True):
        assert found.tobytes() == expected.tobytes()


def test_logarithms_of_784_wires_agree_with_numpy():
    n = 784
    rng = np.random.default_rng(10)

    def product(spread):
        angles = 0.8 + spread * rng.normal(size=(2, n))
        vectors = np.array([np.cos(angles[0]), np.exp(1j * angles[1]) * np.sin(angles[0])]).T
        return [vector.reshape(1, 2, 1) for vector in vectors]

    states = [product(spread) for spread in [0.0, 0.5, 0.7, 0.8, 1.0]]
    states += [random_state([bond] * (n - 1), rng) for bond in [2, 4]]
    states.append(random_state(rng.integers(1, 6, n - 1), rng))
    found = _core.log_overlaps(packed(states), None, 1)
    exact = np.array([[log_overlap(bra, ket) for ket in states] for bra in states])
    assert ((exact > -500) & (exact < -300)).any()
    assert exact.min() < -500
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-8)


def test_orthogonal_states_have_minus_infinity():
    n = 40
    zero, one = (np.array(vector).reshape(1, 2, 1) for vector in ([1, 0j], [0j, 1]))
    rng = np.random.default_rng(11)
    products = [[(zero, one)[bit] for bit in row] for row in rng.integers(0, 2, size=(12, n))]
    for dtype in [np.complex128, np.complex64]:
        found = _core.log_overlaps(packed(products, dtype), None, 2)
        off = ~np.eye(12, dtype=bool)
        assert (found[off] == -np.inf).all()
        assert (np.diag(found) == 0).all()


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_a_set_with_itself_is_symmetric_with_zeros_on_the_diagonal(dtype):
    states = packed(mixed(12, 12), dtype)
    half, whole = _core.log_overlaps(states, None, 1), _core.log_overlaps(states, states, 1)
    assert half.tobytes() == half.T.copy().tobytes()
    assert np.diag(half).tobytes() == bytes(8 * states.n_points)
    upper = np.triu_indices(states.n_points, 1)
    assert half[upper].tobytes() == whole[upper].tobytes()
    assert (half[upper] < 0).all()
    assert (whole <= 0).all()
    assert np.linalg.eigvalsh(np.exp(half)).min() > -1e-6


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_tiles_and_threads_change_no_bit(dtype):
    bra, ket = packed(mixed(9, 13), dtype), packed(mixed(9, 14), dtype).rows(0, 21)
    whole = _core.log_overlaps(bra, ket, 1)
    for threads in [2, 8, None]:
        assert _core.log_overlaps(bra, ket, threads).tobytes() == whole.tobytes()
        half = _core.log_overlaps(bra, None, threads)
        assert half.tobytes() == _core.log_overlaps(bra, None, 1).tobytes()
    for tall, wide in [(1, 1), (4, 5), (25, 2), (7, 21)]:
        tiled = np.block(
            [
                [
                    _core.log_overlaps(
                        bra.rows(top, min(top + tall, 25)),
                        ket.rows(left, min(left + wide, 21)),
                        1 + top % 2,
                    )
                    for left in range(0, 21, wide)
                ]
                for top in range(0, 25, tall)
            ]
        )
        assert tiled.tobytes() == whole.tobytes()


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_parts_pickles_and_concatenation_keep_every_bit(dtype):
    states = packed(mixed(7, 15), dtype)
    bonds, entries = states.parts()
    assert (bonds.dtype, bonds.shape) == (np.uint32, (25, 6))
    assert entries.dtype == dtype
    assert states.nbytes == entries.nbytes + bonds.nbytes
    assert states.largest_bond == bonds.max()
    copies = [
        _core.EncodedStates.from_parts(bonds, entries),
        pickle.loads(pickle.dumps(states)),
        _core.EncodedStates.concatenate([states.rows(0, 4), states.rows(4, 4), states.rows(4, 25)]),
    ]
    for copy in copies:
        assert (copy.n_points, copy.n_wires, copy.nbytes) == (25, 7, states.nbytes)
        assert copy.single_precision == states.single_precision
        assert [part.tobytes() for part in copy.parts()] == [bonds.tobytes(), entries.tobytes()]
    # Rows are those of the whole, also after a pickle.
    few = pickle.loads(pickle.dumps(states.rows(3, 6)))
    for row in range(3):
        for found, expected in zip(few.tensors(row), states.tensors(row + 3), strict=True):
            assert found.dtype == np.complex128
            assert found.tobytes() == expected.tobytes()


def test_tensors_are_left_physical_right():
    state = random_state([3, 2, 5], np.random.default_rng(16))
    states = packed([state, state])
    for found, expected in zip(states.tensors(1), state, strict=True):
        assert found.shape == expected.shape
        assert found.tobytes() == expected.tobytes()
    with pytest.raises(IndexError, match="no row 2 of 2 states"):
        states.tensors(2)


def test_states_cannot_be_changed_through_their_parts():
    states = packed(mixed(4, 17))
    before = states.parts()
    for part in states.parts():
        part[:] = 0
    states.tensors(0)[0][:] = 0
    assert [part.tobytes() for part in states.parts()] == [part.tobytes() for part in before]
    with pytest.raises(AttributeError):
        states.n_points = 3
    with pytest.raises(TypeError, match="cannot create"):
        type(states)()


def test_empty_sets():
    some = packed(mixed(5, 18))
    none = some.rows(2, 2)
    assert (none.n_points, none.n_wires, none.largest_bond, none.nbytes) == (0, 5, 1, 0)
    assert _core.log_overlaps(none, None, None).shape == (0, 0)
    assert _core.log_overlaps(none, some, None).shape == (0, 25)
    assert _core.log_overlaps(some, none, None).shape == (25, 0)
    again = pickle.loads(pickle.dumps(none))
    assert (again.n_points, again.n_wires) == (0, 5)
    both = _core.EncodedStates.concatenate([none, some])
    assert both.n_points == 25
    group = group_of(feature_map(np.zeros((2, 3))))
    group = replace(group, parameters=group.parameters[:0])
    encoded, result = _core.encode(group, settings())
    assert (encoded.n_points, encoded.n_wires) == (0, 3)
    assert result.bonds.shape[0] == 0


def test_one_wire():
    angles = np.array([0.0, 0.4, 1.3, np.pi])
    states, _ = _core.encode(group_of([qml.RY(angles, 0)]), settings())
    assert (states.n_wires, states.largest_bond, states.parts()[0].shape) == (1, 1, (4, 0))
    exact = np.cos((angles[:, None] - angles) / 2) ** 2
    np.testing.assert_allclose(np.exp(_core.log_overlaps(states, None, None)), exact, atol=1e-12)
    assert pickle.loads(pickle.dumps(states)).n_points == 4


BONDS = np.array([[2, 2]], dtype=np.uint32)
ENTRIES = np.full(16, 0.25 + 0j)


@pytest.mark.parametrize(
    ("bonds", "entries", "message"),
    [
        (BONDS, ENTRIES[:-1], "got 15"),
        (BONDS, np.append(ENTRIES, 0), "expected 16 entries for these bonds, got 17"),
        (BONDS * 0, ENTRIES, "bonds of at least 1, got 0"),
        (BONDS + 2**31, ENTRIES, "got 16"),
        (np.vstack([BONDS, BONDS]), ENTRIES, "got 16 in all, too few"),
        (BONDS, np.where(np.arange(16) == 3, np.nan, ENTRIES), "not finite"),
        (BONDS, np.where(np.arange(16) == 15, 1j * np.inf, ENTRIES), "not finite"),
        (BONDS, np.full(16, np.inf, dtype=np.complex64), "not finite"),
        (BONDS[:0], ENTRIES, "expected 0 entries"),
    ],
)
def test_parts_that_are_no_states_are_refused(bonds, entries, message):
    with pytest.raises(InputError, match=message):
        _core.EncodedStates.from_parts(bonds, entries)


@pytest.mark.parametrize(
    ("bonds", "entries", "message"),
    [
        (BONDS.astype(np.int64), ENTRIES, r"bonds of uint32.*got int64 of shape \(1, 2\)"),
        (BONDS[0], ENTRIES, r"got uint32 of shape \(2,\)"),
        (BONDS, ENTRIES.real, "complex64 or complex128 on one axis, got float64"),
        (BONDS, ENTRIES.reshape(4, 4), r"got complex128 of shape \(4, 4\)"),
        (BONDS, None, "got <class 'NoneType'>"),
    ],
)
def test_parts_of_other_types_are_refused(bonds, entries, message):
    with pytest.raises(InputError, match=message):
        _core.EncodedStates.from_parts(bonds, entries)


def test_sets_that_do_not_belong_together_are_refused():
    rng = np.random.default_rng(19)
    four, five = packed(strays(4, 2, 3, rng)), packed(strays(5, 2, 3, rng))
    single = packed(strays(4, 2, 3, rng), np.complex64)
    with pytest.raises(InputError, match="got 4 and 5 wires"):
        _core.log_overlaps(four, five, None)
    with pytest.raises(InputError, match="one width and precision"):
        _core.EncodedStates.concatenate([four, five])
    with pytest.raises(InputError, match="one width and precision"):
        _core.EncodedStates.concatenate([four, single])
    with pytest.raises(InputError, match="at least one set"):
        _core.EncodedStates.concatenate([])
    with pytest.raises(InputError, match="within 0 to 2, got 1 to 3"):
        four.rows(1, 3)
    with pytest.raises(InputError, match="got 2 to 1"):
        four.rows(2, 1)
    with pytest.raises(OverflowError):
        four.rows(-1, 2)
    with pytest.raises(InputError, match="at least 1"):
        _core.log_overlaps(four, None, 0)


def test_mid_circuit_measurements_are_refused():
    def circuit():
        qml.RY(0.3, 0)
        qml.measure(0)
        return qml.expval(qml.Z(0))

    tape = qml.tape.make_qscript(circuit)()
    group = lower([tape]).groups[0]
    with pytest.raises(UnsupportedError, match="mid-circuit"):
        _core.encode(group, settings())


def test_states_that_do_not_fit_are_refused():
    data = np.random.default_rng(20).uniform(-1.5, 1.5, size=(64, 10))
    group = group_of(feature_map(data))
    # Even product states are too many; the limit is too small for those that have grown.
    for limit in [10_000, 60_000]:
        with pytest.raises(ResourceError, match="memory_limit"):
            _core.encode(group, settings(max_bond_dim=None, memory_limit=limit))
    assert _core.encode(group, settings(memory_limit=10**8))[0].n_points == 64


def test_numbers_that_are_not_finite_are_refused():
    group = group_of([qml.RY(np.array([0.1, 0.2]), 0)])
    group.parameters[1, 0] = np.nan
    with pytest.raises(InputError, match="parameter 0 is NaN") as caught:
        _core.encode(group, settings())
    assert caught.value.row == 1


LONG_RUN = textwrap.dedent(
    """
    import signal, time
    import numpy as np
    from bondline import _core

    # Shells start background jobs with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    n, bond = 200, 12
    rng = np.random.default_rng(1)
    bonds = np.full((40, n - 1), bond, dtype=np.uint32)
    count = 40 * (2 * 2 * bond + (n - 2) * 2 * bond**2)
    entries = rng.normal(size=(2, count)) / 10
    states = _core.EncodedStates.from_parts(bonds, entries[0] + 1j * entries[1])
    few = states.rows(0, 3)
    before = _core.log_overlaps(few, None, 2).tobytes()
    many = _core.EncodedStates.concatenate([states] * 100)
    print("running", flush=True)
    try:
        _core.log_overlaps(many, None, THREADS)
        print("finished")
    except KeyboardInterrupt:
        stopped = time.time()
        same = _core.log_overlaps(few, None, 2).tobytes() == before
        print("interrupted", stopped, same, flush=True)
    """
)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent the POSIX way")
@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_stops_overlaps_and_leaves_the_session_usable(threads):
    with subprocess.Popen(
        [sys.executable, "-c", LONG_RUN.replace("THREADS", str(threads))],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "running"
        time.sleep(0.5)  # minutes of work are left
        sent = time.time()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    word, stopped, usable = output.split()
    assert (word, usable) == ("interrupted", "True")
    assert float(stopped) - sent < 10.0
