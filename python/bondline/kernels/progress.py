"""A bar with pairs per second and the time left, quiet where nobody watches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bondline.errors import InputError


@contextmanager
def pairs_bar(total: int, done: int, progress: bool | None) -> Iterator[Callable[[int], object]]:
    """Show a bar while the context lasts and yield what advances it by some pairs.

    Parameters
    ----------
    total : int
        Pairs of the matrix.
    done : int
        Pairs that were there before, which the rate leaves out.
    progress : bool or None
        None shows a bar on a terminal outside CI, if tqdm is installed.

    Yields
    ------
    callable

    Raises
    ------
    InputError
        If ``progress=True`` and tqdm is not installed.
    """
    if progress is False or (progress is None and os.environ.get("CI")):
        yield _ignore
        return
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        if progress:
            raise InputError(
                "progress=True needs tqdm, which is not installed: pip install tqdm, or leave "
                "progress out."
            ) from None
        yield _ignore
        return
    with tqdm(
        total=total,
        initial=done,
        unit="pairs",
        unit_scale=True,
        desc="overlaps",
        delay=0.0 if progress else 1.0,
        disable=False if progress else None,  # None: where stderr is no terminal
    ) as bar:
        yield bar.update


def _ignore(_pairs: int) -> None:
    """Show nothing."""
