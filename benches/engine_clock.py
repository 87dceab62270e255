"""How much of a call is spent inside the engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from bondline import _core

ENTRIES = ("run", "differentiate")


class EngineClock:
    """Seconds inside the engine, wall or CPU, while it is on; from whatever thread calls it."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds = 0.0
        self._clock = clock
        self._entries = {name: getattr(_core, name) for name in ENTRIES}

    def __enter__(self) -> EngineClock:
        """Put a stopwatch around every entry of the engine."""
        self.seconds = 0.0
        for name in ENTRIES:
            setattr(_core, name, self._timed(name))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the stopwatches off."""
        for name, entry in self._entries.items():
            setattr(_core, name, entry)

    def _timed(self, name: str) -> Any:
        entry = self._entries[name]

        def timed(*arguments: Any, **keywords: Any) -> Any:
            begin = self._clock()
            try:
                return entry(*arguments, **keywords)
            finally:
                self.seconds += self._clock() - begin

        return timed
