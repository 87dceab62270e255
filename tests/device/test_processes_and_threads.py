"""Ctrl-C, forks, pools of processes and Python threads around one engine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pennylane as qml
import pytest

WIRES = 14


def energies(seed: int) -> list[float]:
    """Values of a batch that is large enough to use the thread pool."""
    device = qml.device("bondline.mps", wires=WIRES, threads=2, on_low_fidelity="ignore")

    @qml.qnode(device)
    def circuit(angles):
        for layer in range(6):
            for wire in range(WIRES):
                qml.RY(angles[:, layer, wire], wires=wire)
            for wire in range(layer % 2, WIRES - 1, 2):
                qml.IsingXX(angles[:, layer, wire] + 0.4, wires=[wire, wire + 1])
        return qml.expval(qml.sum(*[qml.Z(w) @ qml.Z(w + 1) for w in range(WIRES - 1)]))

    angles = np.random.default_rng(seed).normal(size=(4, 6, WIRES))
    return [float(value) for value in circuit(angles)]


@pytest.fixture(scope="module")
def expected() -> list[list[float]]:
    """Values computed in this process, which starts its pool."""
    return [energies(seed) for seed in range(4)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
# Forking with threads is what users of multiprocessing and joblib do, and what is tested here.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_children_make_a_pool_of_their_own(expected: list[list[float]]) -> None:
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        assert list(executor.map(energies, range(4), timeout=120)) == expected
    # And the parent's pool serves on.
    assert energies(0) == expected[0]


def test_spawned_processes_agree(expected: list[list[float]]) -> None:
    program = (
        f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r});"
        "from test_processes_and_threads import energies; print(energies(1))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout.strip() == str(expected[1])


def test_joblib_workers_agree(expected: list[list[float]]) -> None:
    joblib = pytest.importorskip("joblib")
    for backend in ("loky", "multiprocessing", "threading"):
        found = joblib.Parallel(n_jobs=2, backend=backend, timeout=120)(
            joblib.delayed(energies)(seed) for seed in range(4)
        )
        assert found == expected, backend


def test_python_threads_share_the_engine(expected: list[list[float]]) -> None:
    with ThreadPoolExecutor(4) as executor:
        for _ in range(3):
            assert list(executor.map(energies, range(4), timeout=120)) == expected


THREADS_OF_OURS = textwrap.dedent(
    f"""
    import pathlib, re, sys, time
    sys.path.insert(0, {os.path.dirname(__file__)!r})
    import pennylane as qml
    from test_processes_and_threads import energies

    def threads():
        names = [path.read_text() for path in pathlib.Path("/proc/self/task").glob("*/comm")]
        # Those of the pool are numbered; another, for each call, looks out for Ctrl-C.
        return sum(re.match("bondline-[0-9]", name) is not None for name in names)

    device = qml.device("bondline.mps", wires=10, threads=2)

    @qml.qnode(device)
    def few_wires():
        for layer in range(20):
            for wire in range(10):
                qml.RY(0.3 + layer + wire, wires=wire)
            for wire in range(9):
                qml.CNOT(wires=[wire, wire + 1])
        return qml.expval(qml.Z(9))

    few_wires()
    print(device.reports[0].largest_bond, threads())
    found = energies(1)
    for _ in range(100):  # a thread that was started gets its name when it first runs
        if threads() == 2:
            break
        time.sleep(0.05)
    print(threads())
    print(found)
    """
)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
@pytest.mark.parametrize("variable", ["1", "7"])
def test_few_wires_start_no_pool_and_other_pools_have_no_say(
    variable: str, expected: list[list[float]]
) -> None:
    found = subprocess.run(
        [sys.executable, "-c", THREADS_OF_OURS],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "RAYON_NUM_THREADS": variable},
    )
    few_wires, pool, values = found.stdout.strip().split("\n")
    assert few_wires == "32 0"
    assert pool == "2"
    assert values == str(expected[1])


LONG_RUN = textwrap.dedent(
    """
    import signal, time
    import numpy as np, pennylane as qml

    # Shells start background jobs with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def run(layers):
        device = qml.device("bondline.mps", wires=40, max_bond_dim=128, on_low_fidelity="ignore")
        rng = np.random.default_rng(1)
        angles = rng.normal(size=(layers, 40, 3))

        @qml.qnode(device)
        def circuit():
            for layer in range(layers):
                for wire in range(40):
                    qml.Rot(*angles[layer, wire], wires=wire)
                for wire in range(layer % 2, 39, 2):
                    qml.IsingXX(1.1, wires=[wire, wire + 1])
                    qml.IsingZZ(0.7, wires=[wire, wire + 1])
            return qml.expval(qml.Z(20))

        return circuit()

    before = run(3)
    print("running", flush=True)
    try:
        run(80)
        print("finished")
    except KeyboardInterrupt:
        stopped = time.time()
        print("interrupted", stopped, run(3) == before, flush=True)
    """
)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent the POSIX way")
def test_ctrl_c_stops_a_long_run_and_leaves_the_session_usable() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LONG_RUN], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "running"
        time.sleep(4.0)  # PennyLane is done with the circuit, the engine has a minute of work left
        sent = time.time()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    word, stopped, usable = output.split()
    assert word == "interrupted"
    assert usable == "True"
    print(f"stopped {float(stopped) - sent:.2f} s after the signal")
