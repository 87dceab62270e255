"""The arguments of a QNode: the numbers in them, and what decides the structure of a circuit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from autograd.tracer import isbox  # type: ignore[import-untyped]
from pennylane.operation import Operator
from pennylane.pytrees import flatten, unflatten

from bondline.compiling.elementary import Real

_LEAST_BYTES: Final = 4
"""Smallest number type whose arithmetic is taken for that of double precision."""
_STATIC_BYTES: Final = 2**20
"""Largest array that is told by its contents."""


class UnknownArgument(TypeError):
    """An argument is of no kind that can be told from another one."""


@dataclass(frozen=True, slots=True, eq=False)
class Arguments:
    """The arguments of one call.

    Attributes
    ----------
    leaves : list
    structure : object
        What ``unflatten`` takes.
    places : tuple of int
        Which leaves are numbers that may differ between calls.
    key : tuple, hashable
        What calls with the same circuit have in common.
    """

    leaves: list[Any]
    structure: Any
    places: tuple[int, ...]
    key: tuple[Any, ...]

    def numbers(self) -> list[Any]:
        """Return the leaves that are numbers, in their frameworks."""
        return [self.leaves[place] for place in self.places]

    def with_numbers(self, numbers: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments with other numbers in place of their own."""
        leaves = list(self.leaves)
        for place, number in zip(self.places, numbers, strict=True):
            leaves[place] = number
        args, kwargs = unflatten(leaves, self.structure)
        return tuple(args), dict(kwargs)


def arguments_of(args: Any, kwargs: Any, *, integers: bool) -> Arguments:
    """Take the arguments of a call apart.

    Parameters
    ----------
    args : tuple
    kwargs : dict
        Their plain numbers decide the structure; their arrays do not.
    integers : bool
        Whether integers in positional arguments and in arrays are numbers like others; else each of
        them decides the structure.

    Returns
    -------
    Arguments

    Raises
    ------
    UnknownArgument

    Examples
    --------
    >>> found = arguments_of((0.3, np.ones(2)), {"layers": 2}, integers=True)
    >>> found.places, [np.shape(number) for number in found.numbers()]
    ((0, 1), [(), (2,)])
    """
    if not kwargs:  # PennyLane takes 100 µs to look for containers
        kinds = tuple(_kind_of(number, integers=integers, scalars=True) for number in args)
        if None not in kinds:
            row = tuple(range(len(args)))
            return Arguments(list(args), _row(len(args)), row, ("row", *kinds, *_shared(args)))
    leaves, structure = flatten((args, kwargs), is_leaf=_is_whole)
    positional = len(flatten(args, is_leaf=_is_whole)[0]) if kwargs else len(leaves)
    places: list[int] = []
    key: list[Any] = [structure]
    for place, leaf in enumerate(leaves):
        kind = _kind_of(leaf, integers=integers, scalars=place < positional)
        if kind is None:
            key.append(_token(leaf))
        else:
            places.append(place)
            key.append(kind)
    key.extend(_shared([leaves[place] for place in places]))
    return Arguments(leaves, structure, tuple(places), tuple(key))


@lru_cache(maxsize=64)
def _row(count: int) -> Any:
    """Return the structure of so many numbers or arrays, one after the other."""
    return flatten(((0.0,) * count, {}))[1]


def _is_whole(value: Any) -> bool:
    return isinstance(value, Operator)


def _shared(numbers: Sequence[Any]) -> tuple[int, ...]:
    """Return which numbers are the same object as one before them: a function may ask that."""
    first: dict[int, int] = {}
    found = [first.setdefault(id(number), at) for at, number in enumerate(numbers)]
    return () if len(first) == len(found) else tuple(found)


def _kind_of(leaf: Any, *, integers: bool, scalars: bool) -> tuple[Any, ...] | None:
    """Return shape, framework and type of a leaf that is numbers; None if it decides the structure.

    Functions may ask for all of them. Types in which arithmetic wraps around or rounds to few
    digits, and arrays with an arithmetic of their own, decide the structure with every number.
    """
    shape = _shape_of(leaf, integers=integers, scalars=scalars)
    if shape is None:
        return None
    if isinstance(leaf, int | float | np.number):
        kind: tuple[Any, ...] = "number", type(leaf)
    else:
        value = unboxed(leaf)
        kind = framework_of(leaf), str(value.dtype)
        if type(value) in (np.ma.MaskedArray, np.matrix):
            return None
    if isinstance(leaf, int | float):
        return (shape, *kind)
    width = getattr(unboxed(leaf), "itemsize", 8)
    return (shape, *kind) if width >= _LEAST_BYTES else None


def _shape_of(leaf: Any, *, integers: bool, scalars: bool) -> tuple[int, ...] | None:
    kinds = "fiu" if integers else "f"
    if isinstance(leaf, bool | np.bool_):
        return None
    if isinstance(leaf, int | float | np.number):
        number = isinstance(leaf, float | np.floating) or (
            integers and isinstance(leaf, int | np.integer)
        )
        return () if scalars and number else None
    owner = framework_of(leaf)
    if owner is None:
        return None
    if owner == "torch":
        real = leaf.is_floating_point() or (integers and not leaf.is_complex() and leaf.numel())
        known = real and str(leaf.dtype) != "torch.bool"
    else:
        value = unboxed(leaf) if owner == "autograd" else leaf
        known = np.dtype(getattr(value, "dtype", type(value))).kind in kinds
    if not known:
        return None
    shape = tuple(leaf.shape)
    return shape if np.prod(shape, dtype=int) else None


def framework_of(leaf: Any) -> str | None:
    """Return the framework that an array or a number belongs to.

    Parameters
    ----------
    leaf : object

    Returns
    -------
    {"numpy", "autograd", "torch", "jax"} or None

    Examples
    --------
    >>> framework_of(0.3), framework_of("a")
    ('numpy', None)
    """
    kind = type(leaf)
    if kind is np.ndarray or kind is float or isinstance(leaf, int | np.number):
        return "numpy"
    root = kind.__module__.partition(".")[0]
    if isbox(leaf) or (root == "pennylane" and isinstance(leaf, np.ndarray)):
        return "autograd"
    if isinstance(leaf, np.ndarray):
        return "numpy"
    jax, torch = sys.modules.get("jax"), sys.modules.get("torch")
    if torch is not None and isinstance(leaf, torch.Tensor):
        return "torch"
    if jax is not None and isinstance(leaf, jax.Array):
        return "jax"
    return None


def unboxed(leaf: Any) -> Any:
    """Return the numbers under the boxes of autograd.

    Parameters
    ----------
    leaf : object

    Returns
    -------
    object
    """
    while isbox(leaf):
        leaf = leaf._value
    return leaf


def is_tracer(leaf: Any) -> bool:
    """Return whether a leaf is part of a function that JAX differentiates or compiles.

    Parameters
    ----------
    leaf : object

    Returns
    -------
    bool
    """
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(leaf, jax.core.Tracer)


def detached(leaf: Any) -> Any:
    """Return numbers that no derivative hangs on, in their framework.

    Parameters
    ----------
    leaf : object
        Not traced by JAX.

    Returns
    -------
    float or array
    """
    return leaf.detach() if framework_of(leaf) == "torch" else plain(leaf)


def plain(leaf: Any) -> Any:
    """Return numbers as NumPy has them.

    Parameters
    ----------
    leaf : object
        Not traced by JAX.

    Returns
    -------
    float or ndarray

    Examples
    --------
    >>> plain(np.float32(0.5))
    np.float32(0.5)
    """
    leaf = unboxed(leaf)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(leaf, torch.Tensor):
        return leaf.detach().cpu().numpy()
    return leaf


def joined(numbers: Sequence[Any]) -> Real:
    """Return all numbers of a call behind one another.

    Parameters
    ----------
    numbers : sequence of float or array
        As :func:`plain` returns them.

    Returns
    -------
    ndarray of float64, shape (inputs,)

    Examples
    --------
    >>> joined([0.5, np.ones((1, 2))])
    array([0.5, 1. , 1. ])
    """
    if len(numbers) == 1:
        return np.asarray(numbers[0], dtype=np.float64).ravel()
    if not numbers:
        return np.empty(0)
    return np.concatenate([np.asarray(part, dtype=np.float64).ravel() for part in numbers])


def _token(leaf: Any) -> Any:
    """Return what tells a leaf that decides the structure from others."""
    leaf = unboxed(leaf)
    if framework_of(leaf) == "torch":
        leaf = leaf.detach().cpu().numpy()
    if isinstance(leaf, np.ndarray) or framework_of(leaf) == "jax":
        if is_tracer(leaf):
            raise UnknownArgument("an argument that decides the circuit is traced by JAX")
        array = np.asarray(leaf)
        if array.dtype == object or array.nbytes > _STATIC_BYTES:
            raise UnknownArgument(f"an argument is an array of {array.dtype}, not of real numbers")
        return (str(array.dtype), array.shape, array.tobytes())
    own: Any = type(leaf).__hash__
    by_identity = own is object.__hash__ and not callable(leaf)
    try:
        hash(leaf)
    except TypeError:
        by_identity = True
    if by_identity:
        raise UnknownArgument(
            f"an argument is of the type {type(leaf).__name__}, which is not told by its value"
        )
    return (type(leaf), leaf)
