"""Checkpoints: what is done is kept, whatever happens, and is never mixed with anything else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from bondline import __version__
from bondline.errors import CheckpointError, InputError
from bondline.kernels.tiles import overlap_matrix, overlap_tiles
from kernels import standin

N = 23
ROWS = standin.rows(N)
WHOLE = standin.overlaps(ROWS, None, None)
PROGRAM = """
import sys
from kernels import standin
from bondline.kernels.tiles import overlap_matrix
print("ready", flush=True)
overlap_matrix(standin.rows(23), tile=4, checkpoint=sys.argv[1], overlaps=standin.slowly)
"""


def run(path, **options):
    return overlap_tiles(
        ROWS, **{"tile": 4, "checkpoint": path, "overlaps": standin.overlaps, **options}
    )


def start(path):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)],
        env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(__file__))},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("seconds", [0.1, 0.35])
def test_a_run_that_is_killed_goes_on_with_the_same_bits(tmp_path, how, seconds):
    with start(tmp_path / "gram") as process:
        time.sleep(seconds)
        process.send_signal(how)
        assert process.wait() != 0
    kept = len(list((tmp_path / "gram").glob("tile_*.npy")))
    matrix, report = run(tmp_path / "gram", tile=None)
    np.testing.assert_array_equal(matrix, WHOLE)
    assert report.from_checkpoint == kept > 0
    assert report.computed == 21 - kept
    assert not report.damaged
    assert not list((tmp_path / "gram").glob(".*.tmp"))


def test_two_runs_at_once_are_refused(tmp_path):
    with start(tmp_path / "gram") as process:
        while not (tmp_path / "gram" / "manifest.json").exists():
            time.sleep(0.01)
        with pytest.raises(CheckpointError, match=f"in use by process {process.pid} on"):
            run(tmp_path / "gram")
        process.kill()
    run(tmp_path / "gram")

    def again(bra, ket, threads):
        with pytest.raises(CheckpointError, match="another thread of this process"):
            run(tmp_path / "other")
        return standin.overlaps(bra, ket, threads)

    run(tmp_path / "other", overlaps=again)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"identity": {"data set": "b", "feature map": "m"}}, "data set is b, was a"),
        ({"identity": {"data set": "a", "feature map": "n"}}, "feature map is n, was m"),
        ({"tile": 5}, "tile is 5, was 4"),
        ({"ket": ROWS}, "symmetric is False, was True"),
    ],
)
def test_another_matrix_is_refused_by_name(tmp_path, changed, named):
    identity = {"data set": "a", "feature map": "m"}
    run(tmp_path, identity=identity)
    with pytest.raises(InputError, match=named):
        run(tmp_path, **{"identity": identity, **changed})


def test_other_states_and_other_versions_are_refused(tmp_path, monkeypatch):
    run(tmp_path)
    with pytest.raises(InputError, match="bra states is"):
        overlap_matrix(standin.rows(N, seed=5), checkpoint=tmp_path, overlaps=standin.overlaps)
    monkeypatch.setattr("bondline._core.__version__", "99")
    with pytest.raises(InputError, match=f"bondline is 99, was {__version__}"):
        run(tmp_path)


def damage_a_bit(path):
    content = bytearray(path.read_bytes())
    content[150] ^= 1
    path.write_bytes(content)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-40])


def empty(path):
    path.write_bytes(b"")


def take_another(path):
    path.write_bytes((path.parent / "tile_0_1.npy").read_bytes())


@pytest.mark.parametrize("harm", [damage_a_bit, cut_short, empty, take_another])
def test_a_damaged_tile_is_found_and_computed_again(tmp_path, harm):
    run(tmp_path)
    harm(tmp_path / "tile_1_2.npy")
    matrix, report = run(tmp_path)
    np.testing.assert_array_equal(matrix, WHOLE)
    assert report.damaged == ((1, 2),)
    assert report.computed == 1
    assert "damaged there, computed again: (1, 2)" in str(report)
    assert run(tmp_path)[1].computed == 0


def test_numpy_reads_a_tile(tmp_path):
    run(tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "tile_1_2.npy"), WHOLE[4:8, 8:12])


def test_folders_of_something_else_are_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="files of something else"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(CheckpointError, match="cannot make checkpoint"):
        run(tmp_path / "thesis.txt" / "inside")


def test_a_damaged_manifest_is_refused(tmp_path):
    run(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="damaged manifest"):
        run(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(InputError, match="no manifest"):
        run(tmp_path)


def test_a_full_disk_keeps_what_is_written(tmp_path, monkeypatch):
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 9:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"No space left on device.*before is kept"):
        run(tmp_path)
    monkeypatch.undo()
    matrix, report = run(tmp_path)
    np.testing.assert_array_equal(matrix, WHOLE)
    assert report.from_checkpoint > 0
