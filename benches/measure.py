"""What every measured process shares: its arguments, its clock and the JSON lines it prints."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

import numpy as np

Settings: TypeAlias = Mapping[str, object]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Variables that keep hidden thread pools quiet; ``benches.run`` sets them for its children."""

SHORTEST = 0.2
"""Seconds: shorter calls are timed several at once."""

OUT = Path(__file__).resolve().parent / "out"


@dataclass(frozen=True)
class Record:
    """One line of ``results.jsonl``: one call of one simulator."""

    simulator: str
    workload: str
    chi: int
    threads: int
    call: int  # 0 is the warm-up, kept in the file and left out of the table
    cpu_s: float
    wall_s: float
    value: float
    task: str = "value"  # or "gradient", with a value in the same call
    parameters: int | None = None  # differentiated by, where it is a gradient
    scaled_by: float = 1.0  # the gradient by some parameters, multiplied up to all
    derivatives: tuple[float, ...] | None = None  # by the parameters of ``some_of``
    engine_s: float | None = None  # of wall_s, inside the engine
    guarded: bool | None = None  # the guard of a corner was used
    fidelity: float | None = None  # true fidelity with the exact state, where that is affordable
    fidelity_estimate: float | None = None  # the simulator's own figure, where it has one
    largest_bond: int | None = None
    product_flops: float | None = None  # of the ideal matrix products, see benches.roofline
    peak_rss_mib: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)
    python: str = platform.python_version()
    cpu_model: str = ""
    started: str = ""

    def line(self) -> str:
        """Return the record as one line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Outcome:
    """What one call returned: the value, and what else the simulator tells about it."""

    value: float
    largest_bond: int | None = None
    fidelity_estimate: float | None = None
    parameters: int | None = None
    scaled_by: float = 1.0
    derivatives: tuple[float, ...] | None = None
    engine_s: float | None = None
    guarded: bool | None = None
    product_flops: float | None = None


@dataclass(frozen=True)
class Task:
    """One of several things that a process measures in turn."""

    simulator: str
    kind: str  # "value" or "gradient"
    call: Callable[[], Outcome]
    threads: int = 1


def parser(description: str) -> argparse.ArgumentParser:
    """Describe the arguments of a measured process: workload, bond dimension, threads, calls."""
    result = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("workload", help="a name of benches/workloads.py")
    result.add_argument("chi", type=int, help="largest bond dimension")
    result.add_argument("--threads", type=int, default=1)
    result.add_argument("--calls", type=int, default=3, help="timed calls after one warm-up")
    return result


def cpu_seconds() -> float:
    """Return user and system time of this process, its threads and its children."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def cpu_model() -> str:
    """Return the CPU's name as the operating system gives it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def openblas_core() -> str | None:
    """Name the CPU for an OpenBLAS that is older than it, None where it finds out by itself.

    Aer ships OpenBLAS 0.3.15, which takes recent Intel server CPUs for a processor without AVX and
    then runs at half its speed; that would flatter us.
    """
    info = Path("/proc/cpuinfo")
    words = set(info.read_text().split()) if info.exists() else set()
    if "GenuineIntel" not in words or "avx2" not in words:
        return None
    return "SkylakeX" if "avx512f" in words else "Haswell"


def versions(*packages: str) -> dict[str, str]:
    """Look up the installed versions of ``packages``."""
    return {package: metadata.version(package) for package in packages}


def some_of(parameters: int) -> list[int]:
    """Choose four parameters from one end to the other, whose derivatives are kept to compare."""
    return sorted({round(index) for index in np.linspace(0, parameters - 1, 4)})


def repeat(
    simulator: str,
    options: argparse.Namespace,
    call: Callable[[], Outcome],
    *,
    versions: Mapping[str, str],
    settings: Settings,
    fidelity: Callable[[], float] | None = None,
    least_seconds: float = 0.0,
) -> None:
    """Warm up once, time ``options.calls`` calls and print one JSON line for each.

    ``fidelity`` is computed once, before the clock starts and outside of every timed call.
    """
    task = Task(simulator, "value", call, options.threads)
    measured = fidelity() if fidelity is not None else None
    interleave(
        [task],
        options,
        versions=versions,
        settings=settings,
        fidelity=measured,
        least_seconds=least_seconds,
    )


def interleave(
    tasks: Sequence[Task],
    options: argparse.Namespace,
    *,
    versions: Mapping[str, str],
    settings: Settings,
    fidelity: float | None = None,
    least_seconds: float = 0.0,
) -> None:
    """Warm up every task once, then time them in turn and print one JSON line for each call.

    Every round of calls starts with another task. A call that is shorter than ``least_seconds`` is
    timed as the mean of as many as fill them.
    """
    names = (*THREAD_VARIABLES, "OPENBLAS_CORETYPE")
    environment = {name: os.environ[name] for name in names if name in os.environ}
    repetitions = [1] * len(tasks)
    for index in range(options.calls + 1):
        shift = index % len(tasks)
        for place in [*range(shift, len(tasks)), *range(shift)]:
            task = tasks[place]
            started = datetime.now(UTC).isoformat(timespec="seconds")
            cpu, wall = cpu_seconds(), time.perf_counter()
            for _ in range(repetitions[place]):
                outcome = task.call()
            cpu = (cpu_seconds() - cpu) / repetitions[place]
            wall = (time.perf_counter() - wall) / repetitions[place]
            if index == 0 and least_seconds:
                # The warm-up itself is slower than what comes after it.
                begin = time.perf_counter()
                task.call()
                again = time.perf_counter() - begin
                repetitions[place] = max(1, math.ceil(least_seconds / again))
            record = Record(
                simulator=task.simulator,
                workload=options.workload,
                chi=options.chi,
                threads=task.threads,
                call=index,
                cpu_s=round(cpu, 6),
                wall_s=round(wall, 6),
                value=outcome.value,
                task=task.kind,
                parameters=outcome.parameters,
                scaled_by=outcome.scaled_by,
                derivatives=outcome.derivatives,
                engine_s=outcome.engine_s,
                guarded=outcome.guarded,
                fidelity=fidelity,
                fidelity_estimate=outcome.fidelity_estimate,
                largest_bond=outcome.largest_bond,
                product_flops=outcome.product_flops,
                peak_rss_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
                versions=versions,
                settings={**settings, "environment": environment},
                cpu_model=cpu_model(),
                started=started,
            )
            print(record.line(), flush=True)
