"""Warnings that are given once, and that point at the user's own line."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

KEY_LIMIT: Final = 1024
"""Most keys that are remembered; a training run has one."""

# What stands between the line that called a QNode and the device that answers it.
_BETWEEN: Final = frozenset(
    {"autograd", "autoray", "bondline", "contextlib", "functools", "jax", "jaxlib", "pennylane"}
    | {"torch", "concurrent", "threading"}
)


class GivenOnce:
    """A bounded memory of what has been said.

    Examples
    --------
    >>> given = GivenOnce()
    >>> given.first("bonds are full"), given.first("bonds are full")
    (True, False)
    """

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: OrderedDict[Hashable, None] = OrderedDict()

    def first(self, key: Hashable) -> bool:
        """Return whether a key is new, and remember it.

        Parameters
        ----------
        key : hashable

        Returns
        -------
        bool
            True also for a key that was forgotten because ``KEY_LIMIT`` others came after it.
        """
        if key in self._keys:
            self._keys.move_to_end(key)
            return False
        self._keys[key] = None
        while len(self._keys) > KEY_LIMIT:
            self._keys.popitem(last=False)
        return True


def user_stacklevel() -> int:
    """Return the ``stacklevel`` with which the caller's warning points at the user's code.

    Returns
    -------
    int
        Of the innermost frame that belongs to neither bondline, PennyLane nor what lies between
        them; 2, the caller's caller, if there is none (a callback in a thread of its own).

    Examples
    --------
    >>> user_stacklevel() >= 1
    True
    """
    frame = sys._getframe(1)
    level = 1
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] not in _BETWEEN:
            return level
        if frame.f_back is None:
            break
        frame = frame.f_back
        level += 1
    return 2
