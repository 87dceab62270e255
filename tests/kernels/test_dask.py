"""A real Dask cluster, one of whose workers dies on the way."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("distributed")

# In a process of its own: the cluster's threads and warnings are not those of other tests.
# The first tile that a worker takes kills it, and nobody else.
PROGRAM = """
import os
from distributed import Client, LocalCluster
from kernels import standin
from bondline.kernels.tiles import overlap_tiles

if __name__ == "__main__":
    rows = standin.rows(40)
    with LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            before = set(client.run(os.getpid).values())
            matrix, report = overlap_tiles(rows, tile=4, executor=client, overlaps=standin.deadly)
            assert before - set(client.run(os.getpid).values()), "no worker died"
    assert (matrix == standin.overlaps(rows, None, None)).all()
    print("same bits", report)
"""


def test_a_cluster_gives_the_same_bits_though_a_worker_dies(tmp_path):
    script = tmp_path / "on_a_cluster.py"
    script.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(script)],
        env={
            **os.environ,
            "PYTHONPATH": os.path.dirname(os.path.dirname(__file__)),
            "BONDLINE_TEST_DEATH": str(tmp_path / "death"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("same bits")
    assert (tmp_path / "death").exists()
