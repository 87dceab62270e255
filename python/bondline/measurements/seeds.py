"""Where the random numbers of shots come from: one seed for each row of each circuit."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bondline.config import Seed

_GLOBAL_WORDS: Final = 4


class Seeds:
    """Entropy for the calls of a device.

    Two calls of one device differ; two devices with the same seed agree, call by call. Threads
    and the grouping of circuits change nothing.

    Parameters
    ----------
    seed : {"global"}, int, SeedSequence, Generator, JAX key or None
        "global" asks numpy's global generator at each call, so ``np.random.seed`` governs it.

    Examples
    --------
    >>> first, second = Seeds(7), Seeds(7)
    >>> a, b = first.next_call(), first.next_call()
    >>> bool((a.rows(0, 1) == second.next_call().rows(0, 1)).all())
    True
    >>> bool((a.rows(0, 1) == b.rows(0, 1)).any())
    False
    """

    def __init__(self, seed: Seed) -> None:
        self._calls = 0
        self._entropy: Any = None
        self._global = isinstance(seed, str)
        if seed is None:
            self._entropy = np.random.SeedSequence().entropy
        elif isinstance(seed, np.random.SeedSequence):
            self._entropy = seed.generate_state(_GLOBAL_WORDS).tolist()
        elif isinstance(seed, np.random.Generator):
            self._entropy = seed.integers(2**32, size=_GLOBAL_WORDS).tolist()
        elif not isinstance(seed, str):
            self._entropy = seed

    def next_call(self) -> CallSeed:
        """Return the seed of the next call.

        Returns
        -------
        CallSeed
        """
        if self._global:
            words = np.random.randint(2**31 - 1, size=_GLOBAL_WORDS)
            return CallSeed(np.random.SeedSequence(words.tolist()))
        call = self._calls
        self._calls += 1
        return CallSeed(np.random.SeedSequence(self._entropy, spawn_key=(call,)))


class CallSeed:
    """Seed of one call of a device.

    Parameters
    ----------
    sequence : numpy.random.SeedSequence
    """

    def __init__(self, sequence: np.random.SeedSequence) -> None:
        self._sequence = sequence

    def rows(self, circuit: int, count: int) -> NDArray[np.uint64]:
        """Return the seeds of the rows of a circuit.

        Parameters
        ----------
        circuit : int
            Its position in the call.
        count : int
            Number of rows.

        Returns
        -------
        ndarray of uint64, shape (count, 2)
        """
        sequence = self._sequence
        own = np.random.SeedSequence(sequence.entropy, spawn_key=(*sequence.spawn_key, circuit))
        words: NDArray[np.uint64] = own.generate_state(2 * count, np.uint64).astype(np.uint64)
        return words.reshape(count, 2)
