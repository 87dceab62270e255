"""Tiles: the whole matrix, the same bits however it is divided and whoever computes it."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from bondline.errors import InputError, ResourceError, WorkerError
from bondline.kernels.division import Division
from bondline.kernels.executors import compute_tile
from bondline.kernels.progress import pairs_bar
from bondline.kernels.tile_rows import RowsOnDemand, Spill, TileRows
from bondline.kernels.tiles import overlap_matrix, overlap_tiles
from kernels import standin

N = 23
BRA, KET = standin.rows(N), standin.rows(9, seed=1)


@pytest.mark.parametrize("tile", [1, 4, 23, 100, None])
def test_a_matrix_does_not_depend_on_its_tiles(tile):
    whole = standin.overlaps(BRA, None, None)
    np.testing.assert_array_equal(overlap_matrix(BRA, tile=tile, overlaps=standin.overlaps), whole)
    cross = overlap_matrix(BRA, KET, tile=tile, overlaps=standin.overlaps)
    np.testing.assert_array_equal(cross, standin.overlaps(BRA, KET, None))


def test_a_symmetric_matrix_is_half_the_work_with_exact_zeros():
    seen = []

    def counted(bra, ket, threads):
        seen.append(bra.n_points * (bra if ket is None else ket).n_points)
        return standin.overlaps(bra, ket, threads) + 1e-16  # rounding, as it might be

    matrix = overlap_matrix(BRA, tile=4, overlaps=counted)
    assert sum(seen) == Division(N, N, 4, True).pairs() < 0.6 * N * N
    np.testing.assert_array_equal(np.diag(matrix), 0.0)
    np.testing.assert_array_equal(matrix, matrix.T)


def test_rows_on_demand_are_encoded_once_and_spilled_past_the_limit():
    asked = []

    def encode(start, stop):
        asked.append((start, stop))
        return BRA.rows(start, stop)

    row = BRA.rows(0, 4).nbytes
    for rows_kept, spills in ((100, False), (2, True)):
        asked.clear()
        matrix, report = overlap_tiles(
            RowsOnDemand(N, encode),
            tile=4,
            memory_limit=8 * N * N + 16 * 4 * 4 + rows_kept * row,
            overlaps=standin.overlaps,
        )
        np.testing.assert_array_equal(matrix, standin.overlaps(BRA, None, None))
        assert sorted(asked) == [(a, min(N, a + 4)) for a in range(0, N, 4)]
        assert (report.spilled_bytes > 0) == spills
        assert ("spilled" in str(report)) == spills


def test_a_matrix_past_the_limit_is_refused_before_any_work():
    with pytest.raises(ResourceError, match="23 x 23 needs"):
        overlap_matrix(BRA, memory_limit=100, overlaps=None)


def test_tiles_under_way_count_against_the_limit():
    limit = 8 * N * N + 16 * 8 * 8
    with pytest.raises(ResourceError, match="tiles of 9 rows"):
        overlap_tiles(BRA, tile=9, memory_limit=limit, overlaps=standin.overlaps)
    overlap_tiles(BRA, tile=8, memory_limit=limit, overlaps=standin.overlaps)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ResourceError, match="tiles of 8 rows"):
        overlap_tiles(BRA, tile=8, memory_limit=limit, overlaps=standin.overlaps, executor=pool)
    # What is not chosen fits, however little is left.
    for left in (0, 100, 16 * N * N):
        matrix, report = overlap_tiles(
            BRA, memory_limit=8 * N * N + 16 + left, overlaps=standin.overlaps
        )
        assert 16 * report.tile**2 <= 16 + left
        np.testing.assert_array_equal(matrix, standin.overlaps(BRA, None, None))


@pytest.mark.parametrize("start", ["spawn", "fork", "threads"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_pools_give_the_same_bits_with_one_thread_each(start):
    if start == "threads":
        pool = ThreadPoolExecutor(2)
    else:
        workers = 1 if start == "spawn" else 2  # which import everything, for seconds
        pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context(start))
    with pool:
        matrix = overlap_matrix(BRA, KET, tile=4, executor=pool, overlaps=standin.one_thread)
        gram = overlap_matrix(BRA, tile=4, executor=pool, overlaps=standin.one_thread)
    np.testing.assert_array_equal(matrix, standin.overlaps(BRA, KET, None))
    np.testing.assert_array_equal(gram, standin.overlaps(BRA, None, None))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_dead_worker_of_a_pool_leaves_a_checkpoint_to_go_on_from(tmp_path, monkeypatch):
    monkeypatch.setenv("BONDLINE_TEST_DEATH", str(tmp_path / "death"))
    options = {"tile": 4, "checkpoint": tmp_path / "gram", "overlaps": standin.deadly}
    for turn in range(2):
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
            if turn == 0:
                with pytest.raises(WorkerError, match="all finished tiles are kept"):
                    overlap_matrix(BRA, executor=pool, **options)
            else:
                matrix = overlap_matrix(BRA, executor=pool, **options)
    np.testing.assert_array_equal(matrix, standin.overlaps(BRA, None, None))


def test_tasks_for_processes_are_small():
    big = standin.rows(1000, wires=50)
    spill = Spill()
    try:
        task = (compute_tile, standin.overlaps, TileRows(big, 500, 10**9, spill).stored(0), None, 1)
        assert len(pickle.dumps(task)) < 1000
    finally:
        spill.close()


def test_a_bounded_number_of_tiles_is_in_flight():
    class Counting(ThreadPoolExecutor):
        open, most = 0, 0

        def submit(self, function, /, *arguments, **keywords):
            Counting.open += 1
            Counting.most = max(Counting.most, Counting.open)
            future = super().submit(function, *arguments, **keywords)
            return future

    def counted(bra, ket, threads):
        result = standin.slowly(bra, ket, threads)
        Counting.open -= 1
        return result

    with Counting(2) as pool:
        overlap_matrix(BRA, tile=4, executor=pool, overlaps=counted)
    assert Counting.most <= 4


def test_what_is_no_executor_or_takes_no_work_is_refused():
    with pytest.raises(InputError, match="must be a concurrent"):
        overlap_matrix(BRA, executor=3, overlaps=standin.overlaps)
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(InputError, match="takes no work"):
        overlap_matrix(BRA, executor=pool, overlaps=standin.overlaps)
    with pytest.raises(InputError, match="tile must be at least 1"):
        overlap_matrix(BRA, tile=0, overlaps=standin.overlaps)


def test_errors_of_a_tile_come_through():
    def wrong(bra, ket, threads):
        raise InputError("this tile")

    with ThreadPoolExecutor(2) as pool, pytest.raises(InputError, match="this tile"):
        overlap_matrix(BRA, tile=4, executor=pool, overlaps=wrong)


@pytest.mark.parametrize("there", ["a pipe", "a terminal", "a terminal of CI"])
@pytest.mark.parametrize("progress", [None, True, False])
def test_progress_is_for_those_who_watch(monkeypatch, capsys, there, progress):
    pytest.importorskip("tqdm")
    monkeypatch.delenv("CI", raising=False)
    if there == "a terminal of CI":
        monkeypatch.setenv("CI", "true")
    if there != "a pipe":
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    # A bar that nobody asked for waits a second before it appears.
    with pairs_bar(100, 40, progress) as advance:
        time.sleep(1.01 if progress is None and there == "a terminal" else 0)
        advance(20)
    shown = capsys.readouterr()
    assert not shown.out
    assert bool(shown.err) == (progress or (progress is None and there == "a terminal"))
    if shown.err:
        assert "60.0/100" in shown.err
        assert "pairs/s" in shown.err


def test_tiles_advance_the_bar_by_their_pairs(tmp_path, capsys):
    pytest.importorskip("tqdm")
    options = {"tile": 4, "progress": True, "overlaps": standin.overlaps}
    overlap_matrix(BRA, checkpoint=tmp_path, **options)
    assert "309/309" in capsys.readouterr().err
    (tmp_path / "tile_0_1.npy").unlink()
    overlap_matrix(BRA, checkpoint=tmp_path, **options)
    shown = capsys.readouterr().err
    assert "293/309" in shown
    assert "309/309" in shown
