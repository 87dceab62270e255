"""States that are rows of numbers, and overlaps as slow as a test wants them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rows:
    """Product states: an angle on each wire."""

    angles: np.ndarray

    @property
    def n_points(self):
        return len(self.angles)

    @property
    def n_wires(self):
        return self.angles.shape[1]

    @property
    def largest_bond(self):
        return 1

    @property
    def nbytes(self):
        return self.angles.nbytes

    def rows(self, start, stop):
        return Rows(self.angles[start:stop])

    def parts(self):
        return (self.angles,)


def rows(n, seed=0, wires=5):
    return Rows(np.random.default_rng(seed).uniform(0.1, 0.9, (n, wires)))


def overlaps(bra, ket, threads):
    """Return sums over wires in one order, so that no bit depends on the tile."""
    other = bra if ket is None else ket
    total = np.zeros((bra.n_points, other.n_points))
    for wire in range(bra.n_wires):
        gap = bra.angles[:, wire, None] - other.angles[None, :, wire]
        total += 2 * np.log(np.cos(gap))
    return total


def slowly(bra, ket, threads):
    time.sleep(0.03)
    return overlaps(bra, ket, threads)


def deadly(bra, ket, threads):
    """Kill the first process that comes by, whoever it is."""
    try:
        os.close(os.open(os.environ["BONDLINE_TEST_DEATH"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return slowly(bra, ket, threads)
    os.kill(os.getpid(), 9)
    raise AssertionError


def one_thread(bra, ket, threads):
    assert threads == 1
    return overlaps(bra, ket, threads)
