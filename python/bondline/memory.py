"""How much memory this process may still take."""

import os
import time
from functools import lru_cache
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_REFRESH_SECONDS = 1.0


def available_memory() -> int:
    """Bytes that a new allocation could take without swapping.

    The smaller of what the machine has available and what the control group of this process (a
    container's limit) leaves; at most a second old, because asking the kernel costs more than a
    small circuit.

    Returns
    -------
    int

    Examples
    --------
    >>> available_memory() > 0
    True
    """
    return _measure(int(time.monotonic() / _REFRESH_SECONDS))


@lru_cache(maxsize=1)
def _measure(_tick: int) -> int:
    machine = _machine_memory()
    group = _group_memory()
    return machine if group is None else min(machine, group)


def _machine_memory() -> int:
    try:
        for line in _MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass  # Not Linux, or no /proc: ask the C library.
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return 4 * 2**30


def _group_memory() -> int | None:
    """Bytes left under the control group's limit; None without a limit."""
    limit = _number(_CGROUP / "memory.max")
    if limit is not None:
        used, reclaimable = _number(_CGROUP / "memory.current"), "inactive_file"
        statistics = _CGROUP / "memory.stat"
    else:  # version 1
        folder = _CGROUP / "memory"
        limit = _number(folder / "memory.limit_in_bytes")
        used, reclaimable = _number(folder / "memory.usage_in_bytes"), "total_inactive_file"
        statistics = folder / "memory.stat"
    if limit is None or used is None or limit > 2**60:
        return None
    return max(limit - used + _statistic(statistics, reclaimable), 0)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # absent, or the word "max"
        return None


def _statistic(path: Path, name: str) -> int:
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    except (OSError, ValueError):
        pass  # The statistics are a refinement: without them the estimate is lower, never higher.
    return 0
