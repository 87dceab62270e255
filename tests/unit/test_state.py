"""The state as an object: what it refuses, how it travels, what it says of itself."""

from __future__ import annotations

import contextlib
import copy
import importlib
import json
import math
import pickle
import zipfile

import numpy as np
import pennylane as qml
import pytest

from bondline import MPS, InputError, ResourceError
from bondline.states.bitstrings import as_bits, require_width
from bondline.tensor_formats import normalised, site_tensors


def chain(state: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Right-canonical tensors and Schmidt values of a state vector, by singular values."""
    n = int(np.log2(state.size))
    tensors: list[np.ndarray] = []
    schmidt: list[np.ndarray] = []
    rest = state.reshape(-1, 1)
    for _ in range(n - 1):
        right = rest.shape[1]
        u, s, v = np.linalg.svd(rest.reshape(-1, 2 * right), full_matrices=False)
        kept = s > 1e-13
        tensors.insert(0, v[kept].reshape(-1, 2, right))
        schmidt.insert(0, s[kept])
        rest = u[:, kept] * s[kept]
    tensors.insert(0, rest.reshape(1, 2, -1))
    return tensors, schmidt


def random_state(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    state = rng.normal(size=2**n) + 1j * rng.normal(size=2**n)
    return state / np.linalg.norm(state)


def held(n: int = 5, seed: int = 1, wires=None, **numbers) -> MPS:
    tensors, schmidt = chain(random_state(n, seed))
    return MPS(
        tuple(tensors), tuple(range(n) if wires is None else wires), tuple(schmidt), **numbers
    )


# What it is


def test_dense_is_the_state_with_the_first_wire_most_significant():
    np.testing.assert_allclose(held(6, 3).dense(), random_state(6, 3), atol=1e-13)


def test_entropies_are_those_of_the_reduced_density_matrices():
    state = random_state(5, 2)
    mps = held(5, 2)
    for cut in range(1, 5):
        block = state.reshape(2**cut, -1)
        weights = np.linalg.eigvalsh(block @ block.conj().T)
        weights = weights[weights > 1e-15]
        expected = -(weights * np.log(weights)).sum()
        assert mps.entropies()[cut - 1] == pytest.approx(expected, abs=1e-12)
        assert mps.entropies(log_base=2)[cut - 1] == pytest.approx(expected / np.log(2), abs=1e-12)


def test_bond_dimensions_and_norms_are_told():
    mps = held(5, log_norm=-0.5, fidelity=0.25)
    assert mps.bond_dims == (2, 4, 4, 2)
    assert mps.norm == pytest.approx(math.exp(-0.5))
    assert len(mps) == 5
    assert repr(mps) == "MPS(5 wires, largest bond 4, fidelity 0.25)"
    assert repr(held(1)) == "MPS(1 wire, largest bond 1, fidelity 1)"


def test_equality_is_that_of_wires_and_entries():
    assert held() == held()
    assert hash(held()) == hash(held())
    assert held() != held(seed=2)
    assert held() != held(wires="abcde")
    assert held() != held(4)
    assert held() != "a state"


def test_arrays_are_read_only_and_do_not_freeze_the_callers():
    tensors, schmidt = chain(random_state(3, 0))
    mps = MPS(tuple(tensors), (0, 1, 2), tuple(schmidt))
    with pytest.raises(ValueError, match="read-only"):
        mps.tensors[0][0, 0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        mps.schmidt_values[0][0] = 1.0
    tensors[0][0, 0, 0] = 7.0
    copies = mps.to_tensors()
    copies[1][:] = 0.0
    assert mps.tensors[1].any()


def test_copies_are_equal_and_read_only():
    mps = held(wires="abcde", log_norm=-0.1, fidelity=0.9)
    for copied in (pickle.loads(pickle.dumps(mps)), copy.deepcopy(mps), copy.copy(mps)):
        assert copied == mps
        assert (copied.log_norm, copied.fidelity) == (-0.1, 0.9)
        assert not copied.tensors[0].flags.writeable


def test_dense_is_refused_past_the_memory():
    wide = MPS(
        tuple(np.array([1, 0], dtype=complex).reshape(1, 2, 1) for _ in range(60)),
        tuple(range(60)),
        tuple(np.ones(1) for _ in range(59)),
    )
    with pytest.raises(ResourceError, match=r"2\^60 .* Use sample, probability"):
        wide.dense()


def test_overlaps_of_other_wires_are_refused():
    with pytest.raises(InputError, match="same wires in the same order"):
        held().overlap(held(wires="abcde"))
    with pytest.raises(InputError, match="another MPS, got a list"):
        held().overlap([1, 2])


# Shapes


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "at least one site tensor"),
        ([np.ones((1, 3, 1))], r"It has 1 tensors, each of the shape .* 0 has \(1, 3, 1\)"),
        ([np.ones((2, 2)), np.ones((2, 2, 1)), np.ones((2, 2))], "left bond 2, but tensor 1"),
        ([np.ones((2, 2, 1))], "left bond 2, but it must be 1"),
        ([np.ones((1, 2, 2)), np.ones((2, 2, 2))], "right bond 2, and 1 is needed"),
        ([np.full((1, 2, 1), np.nan)], "tensor 0 with an entry that is not finite"),
        ([np.ones((2, 2)), np.ones(2), np.ones((2, 2))], r"tensor 1 has \(2,\)"),
        (["up", "down"], "tensor 0 that is no array of numbers"),
    ],
)
def test_tensors_that_make_no_chain_are_refused(arrays, message):
    with pytest.raises(InputError, match=message):
        site_tensors(arrays, "It")


def test_any_tensors_are_scaled_to_norm_one():
    state = random_state(5, 4)
    tensors, _ = chain(state)
    scaled, log_norm = normalised([1e60 * tensor for tensor in tensors], "It")
    np.testing.assert_allclose(
        MPS(tuple(scaled), tuple(range(5)), held(5).schmidt_values).dense(), state
    )
    assert log_norm == pytest.approx(2 * 5 * math.log(1e60))
    with pytest.raises(InputError, match="It is zero"):
        normalised([np.zeros((1, 2, 1), complex)], "It")


def test_wires_and_schmidt_values_must_fit():
    tensors, schmidt = chain(random_state(3, 0))
    with pytest.raises(InputError, match="as many wires, each once"):
        MPS(tuple(tensors), (0, 1, 1), tuple(schmidt))
    with pytest.raises(InputError, match="as many wires"):
        MPS(tuple(tensors), (0, 1), tuple(schmidt))
    with pytest.raises(InputError, match="Schmidt values"):
        MPS(tuple(tensors), (0, 1, 2), tuple(schmidt[:1]))


# Files


def test_a_file_gives_back_every_bit(tmp_path):
    mps = held(wires=["a", 7, -1, "b", 0], log_norm=-0.125, fidelity=0.1 + 0.2)
    path = tmp_path / "state"
    mps.save(path)
    found = MPS.load(path)
    assert found == mps
    assert found.wires == ("a", 7, -1, "b", 0)
    assert (found.log_norm, found.fidelity) == (mps.log_norm, mps.fidelity)
    for mine, theirs in zip(mps.schmidt_values, found.schmidt_values, strict=True):
        assert np.array_equal(mine, theirs)
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]


def test_files_replace_files_and_one_wire_is_enough(tmp_path):
    path = tmp_path / "state.npz"
    held(5).save(path)
    held(1).save(str(path))
    assert MPS.load(str(path)) == held(1)


def test_numpy_alone_reads_the_tensors(tmp_path):
    held().save(tmp_path / "state.npz")
    with np.load(tmp_path / "state.npz", allow_pickle=False) as archive:
        assert np.array_equal(archive["tensor_2"], held().tensors[2])


def rewrite(path, change):
    """Write the archive again with other members; the checksums of the archive are right."""
    with np.load(path) as archive:
        members = {name: archive[name] for name in archive.files}
    header = json.loads(members["header"].tobytes())
    change(header, members)
    members["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with path.open("wb") as stream:
        np.savez(stream, **members)


def one_number(header, members):
    members["tensor_1"][0, 0, 0] += 1e-15


def another_wire(header, members):
    header["wires"][0] = "other"


def another_fidelity(header, members):
    header["fidelity"] = 1.0


def no_checksum(header, members):
    del header["sha256"]


@pytest.mark.parametrize("change", [one_number, another_wire, another_fidelity, no_checksum])
def test_altered_files_are_refused(tmp_path, change):
    path = tmp_path / "state"
    held(fidelity=0.5).save(path)
    rewrite(path, change)
    with pytest.raises(InputError, match="altered after it was written"):
        MPS.load(path)


def newer(header, members):
    header["version"] = 2


def other_format(header, members):
    header["format"] = "photographs"


def no_tensor(header, members):
    del members["tensor_3"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (newer, "version 2 of the format; this bondline reads version 1"),
        (other_format, "archive of something else"),
        (no_tensor, "damaged"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path, change, message):
    path = tmp_path / "state"
    held().save(path)
    rewrite(path, change)
    with pytest.raises(InputError, match=message):
        MPS.load(path)


def test_damaged_files_are_refused_wherever_they_end(tmp_path):
    path = tmp_path / "state"
    held().save(path)
    whole = path.read_bytes()
    for length in [0, 1, 10, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"MPS\.save"):
            MPS.load(path)
    for place in range(50, len(whole), 397):
        changed = bytearray(whole)
        changed[place] ^= 0x40
        path.write_bytes(bytes(changed))
        with contextlib.suppress(InputError):
            assert MPS.load(path) == held()  # padding between the members


def test_pickles_in_an_archive_are_not_opened(tmp_path):
    path = tmp_path / "state"
    held().save(path)

    def smuggle(header, members):
        members["tensor_0"] = np.array([{"an": "object"}], dtype=object)

    rewrite(path, smuggle)
    with pytest.raises(InputError, match="damaged"):
        MPS.load(path)


def test_archives_of_others_are_refused(tmp_path):
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("note.txt", "nothing of ours")
    with pytest.raises(InputError, match=r"no file of MPS\.save"):
        MPS.load(path)
    with pytest.raises(FileNotFoundError):
        MPS.load(tmp_path / "absent")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "state"
    held(5).save(path)

    def full_disk(*arguments, **arrays):
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="no space"):
        held(4).save(path)
    assert MPS.load(path) == held(5)
    assert [entry.name for entry in tmp_path.iterdir()] == ["state"]


def test_labels_that_no_file_holds_are_refused(tmp_path):
    with pytest.raises(InputError, match="texts or integers"):
        held(2, wires=[(0, 1), 2]).save(tmp_path / "state")
    assert not list(tmp_path.iterdir())


# Circuits and other libraries


def test_mps_prep_prepares_the_state():
    # Bonds of 3 are no power of two: three product states in superposition.
    rng = np.random.default_rng(4)
    state = sum(
        np.kron(np.kron(*parts[:2]), np.kron(*parts[2:])) for parts in rng.normal(size=(3, 4, 2))
    )
    state = state / np.linalg.norm(state)
    tensors, schmidt = chain(state)
    mps = MPS(tuple(tensors), tuple("abcd"), tuple(schmidt))
    assert mps.bond_dims == (2, 3, 2)
    operator = mps.mps_prep()
    assert isinstance(operator, qml.MPSPrep)
    assert operator.wires.tolist() == ["a", "b", "c", "d"]
    assert [entry.shape for entry in operator.mps] == [(2, 2), (2, 2, 4), (4, 2, 2), (2, 2)]
    assert mps.mps_prep(wires=range(4)).wires.tolist() == [0, 1, 2, 3]

    # PennyLane's own reading of it, with work wires.
    work = ["w0", "w1"]
    with_work = qml.MPSPrep(operator.mps, wires=list("abcd"), work_wires=work)

    @qml.qnode(qml.device("default.qubit", wires=[*work, *"abcd"]))
    def circuit():
        qml.apply(with_work)
        return qml.state()

    assert abs(np.vdot(circuit()[:16], state)) == pytest.approx(1.0, abs=1e-9)


def test_one_wire_has_no_mps_prep():
    with pytest.raises(InputError, match=r"Use qml\.StatePrep"):
        held(1).mps_prep()


def test_quimb_is_asked_for_where_it_is_missing(monkeypatch):
    original = importlib.import_module

    def without(name, *rest):
        if name.startswith("quimb"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(ImportError, match="pip install quimb"):
        held().to_quimb()


def test_only_open_chains_come_from_quimb():
    with pytest.raises(InputError, match=r"got a list\. For arrays use"):
        MPS.from_quimb([1, 2])

    class Ring:
        cyclic = True

        def permute_arrays(self, order): ...

        def gen_sites_present(self): ...

    with pytest.raises(InputError, match="open chain, got a ring"):
        MPS.from_quimb(Ring())


# Bitstrings


@pytest.mark.parametrize(
    "given",
    [
        ["011", "100"],
        ("011", "100"),
        [[0, 1, 1], [1, 0, 0]],
        np.array([[0, 1, 1], [1, 0, 0]]),
        np.array([[False, True, True], [True, False, False]]),
        np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]),
    ],
)
def test_bitstrings_are_read(given):
    bits, single = as_bits(given)
    assert not single
    assert bits.dtype == np.uint8
    assert bits.tolist() == [[0, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize("given", ["011", [0, 1, 1], np.array([0, 1, 1])])
def test_one_bitstring_is_read(given):
    bits, single = as_bits(given)
    assert single
    assert bits.tolist() == [[0, 1, 1]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "got 3 of type int"),
        ([3, 5], "got 3. Integers do not stand for bitstrings: .*format"),
        (["01", "2"], "like \"0110\", got '2'"),
        (["01", "011"], r"one length.*\[2, 3\]"),
        (["01", 1], "got 1 of type int"),
        ([[0, 1], [1]], "all have one length"),
        ([[[0]]], "shape \\(strings, wires\\)"),
        ("", "got ''"),
        ([[0, -1]], "got -1"),
        ([[0.5, 1]], "got 0.5"),
        ({"0": 1}, "of type dict"),
    ],
)
def test_what_is_no_bitstring_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        as_bits(given)


def test_bitstrings_must_have_the_width_of_the_state():
    with pytest.raises(InputError, match="each of the 3 wires, in the order 'a', 'b', 'c'; got"):
        require_width(as_bits("01")[0], tuple("abc"))
