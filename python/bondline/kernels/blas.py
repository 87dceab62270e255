"""How many threads NumPy takes for a matrix."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


def one_blas_thread(function: Callable[_Given, _Found]) -> Callable[_Given, _Found]:
    """Run a function with one thread in NumPy's library of linear algebra.

    On a busy machine the threads of that library spend their time waiting for each other (five
    times the work of a diagnosis), and sums depend on their number. Needs threadpoolctl, which
    comes with scikit-learn; without it nothing changes.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable

    Examples
    --------
    >>> @one_blas_thread
    ... def twice(number):
    ...     return 2 * number
    >>> twice(21)
    42
    """

    @functools.wraps(function)
    def alone(*given: _Given.args, **named: _Given.kwargs) -> _Found:
        try:
            limits: Any = importlib.import_module("threadpoolctl").threadpool_limits
        except ModuleNotFoundError:
            return function(*given, **named)
        with limits(limits=1, user_api="blas"):
            return function(*given, **named)

    return alone
