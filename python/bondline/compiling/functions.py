"""Functions of whole arrays: those that only move numbers, and those made of elementary ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from bondline.compiling.formula import Registers
from bondline.compiling.traced import Traced

_MOVES: Final = (
    *("reshape", "ravel", "transpose", "moveaxis", "rollaxis", "swapaxes", "squeeze"),
    *("expand_dims", "broadcast_to", "repeat", "tile", "roll", "flip", "fliplr", "flipud", "rot90"),
    *("take", "diagonal", "atleast_1d", "atleast_2d", "atleast_3d", "copy", "delete", "resize"),
    *("split", "array_split", "hsplit", "vsplit"),
)
"""Functions whose first argument is the array."""

_JOINS: Final = ("concatenate", "stack", "hstack", "vstack", "dstack", "column_stack", "append")
"""Functions whose first arguments are arrays or a sequence of them."""

_MOVES_OF_TORCH: Final = {
    "flatten": "ravel",
    "unsqueeze": "expand_dims",
    "permute": "transpose",
    "cat": "concatenate",
    "clone": "copy",
}

_ASKS: Final[dict[str, Callable[[Traced], Any]]] = {
    "shape": lambda array: array.shape,
    "ndim": lambda array: array.ndim,
    "size": lambda array: array.size,
    "iscomplexobj": lambda array: False,
    "isrealobj": lambda array: True,
    "zeros_like": lambda array: np.zeros(array.shape),
    "ones_like": lambda array: np.ones(array.shape),
}


def _moved(own: Traced, name: str, *args: Any, **kwargs: Any) -> Any:
    array, *rest = args
    found = getattr(np, _MOVES_OF_TORCH.get(name, name))(own.registers_of(array), *rest, **kwargs)
    return [own.like(part) for part in found] if isinstance(found, list) else own.like(found)


def _joined(own: Traced, name: str, arrays: Any, *rest: Any, **kwargs: Any) -> Any:
    name = _MOVES_OF_TORCH.get(name, name)
    if name == "append":
        arrays, *rest_ = (arrays, *rest)
        return own.like(
            np.append(own.registers_of(arrays), own.registers_of(rest_[0]), *rest_[1:], **kwargs)
        )
    if "dim" in kwargs:
        kwargs["axis"] = kwargs.pop("dim")
    parts = [own.registers_of(part) for part in arrays]
    return own.like(getattr(np, name)(parts, *rest, **kwargs))


def _asked(own: Traced, name: str, array: Any, *_: Any, **__: Any) -> Any:
    return _ASKS[name](array)


def _itself(own: Traced, name: str, array: Any, *_: Any, **__: Any) -> Any:
    return array


def _summed(own: Traced, terms: Registers, axis: Any) -> Registers:
    """Add numbers along axes, two halves at a time: few steps, whatever their number."""
    if axis is None:
        terms, axis = terms.reshape(-1), 0
    axes = (axis,) if isinstance(axis, int | np.integer) else tuple(axis)
    axes = tuple(place % terms.ndim for place in axes)
    rest = [place for place in range(terms.ndim) if place not in axes]
    terms = terms.transpose(*axes, *rest).reshape(-1, *(terms.shape[place] for place in rest))
    if not len(terms):
        return own.recorder.constants(np.zeros(terms.shape[1:]))
    while len(terms) > 1:
        half = len(terms) // 2
        pairs = own.recorder.apply("add", terms[:half], terms[half : 2 * half])
        terms = np.concatenate([pairs, terms[2 * half :]])
    total: Registers = terms[0]
    return total


def _sum(own: Traced, name: str, array: Any, axis: Any = None, **kwargs: Any) -> Any:
    axis = kwargs.pop("dim", axis)
    if any(kwargs.values()):
        own.refuse(f"it calls {name} with an argument and {sorted(kwargs)}")
    registers = own.registers_of(array)
    total = _summed(own, registers, axis)
    if name == "mean":
        share = own.recorder.constants(total.size / max(registers.size, 1))
        total = own.recorder.apply("multiply", total, share)
    return own.like(total)


def _matmul(own: Traced, name: str, first: Any, second: Any) -> Any:
    left, right = own.registers_of(first), own.registers_of(second)
    if name == "outer":
        return own.like(own.recorder.apply("multiply", left.reshape(-1, 1), right.reshape(1, -1)))
    if name in ("dot", "inner", "vdot") and (left.ndim == 0 or right.ndim == 0):
        return own.like(own.recorder.apply("multiply", left, right))
    if name == "vdot":
        left, right = left.reshape(-1), right.reshape(-1)
    elif name == "inner" and right.ndim > 1:
        right = right.swapaxes(-1, -2)
    if left.ndim > 2 or right.ndim > 2:
        own.refuse(f"it calls {name} with an argument of three axes")
    # out[i, j] = sum_k left[i, k] right[k, j]
    rows = left if left.ndim == 2 else left[None]
    columns = right if right.ndim == 2 else right[:, None]
    if rows.shape[1] != columns.shape[0]:
        raise ValueError(f"{name} of the shapes {left.shape} and {right.shape}")
    products = own.recorder.apply("multiply", rows[:, :, None], columns[None])
    found = _summed(own, products, 1)
    if left.ndim == 1:
        found = found[0]
    return own.like(found if right.ndim == 2 else found[..., 0])


def _norm(own: Traced, name: str, array: Any, ord: Any = None, axis: Any = None) -> Any:
    registers = own.registers_of(array)
    if ord not in (None, 2) or (axis is None and registers.ndim > 1 and ord is not None):
        own.refuse("it takes a norm of an argument that is not recorded")
    squares = own.recorder.apply("square", registers)
    return own.like(own.recorder.apply("sqrt", _summed(own, squares, axis)))


def _cumsum(own: Traced, name: str, array: Any, axis: Any = None) -> Any:
    registers = own.registers_of(array)
    if axis is None:
        registers, axis = registers.reshape(-1), 0
    along = np.moveaxis(registers, axis, 0)
    found = [along[0]]
    for part in along[1:]:
        found.append(own.recorder.apply("add", found[-1], part))
    return own.like(np.moveaxis(np.stack(found), 0, axis))


def _prod(own: Traced, name: str, array: Any) -> Any:
    registers = own.registers_of(array).reshape(-1)
    found = own.recorder.constants(1.0)
    for place in range(len(registers)):
        found = own.recorder.apply("multiply", found, registers[place])
    return own.like(found)


def _where(own: Traced, name: str, condition: Any, first: Any, second: Any) -> Any:
    if isinstance(condition, Traced):
        own.refuse("it chooses by an argument")
    return own.like(np.where(condition, own.registers_of(first), own.registers_of(second)))


def _clip(own: Traced, name: str, array: Any, low: Any = None, high: Any = None) -> Any:
    registers = own.registers_of(array)
    if low is not None:
        registers = own.recorder.apply("maximum", registers, own.registers_of(low))
    if high is not None:
        registers = own.recorder.apply("minimum", registers, own.registers_of(high))
    return own.like(registers)


def _table() -> dict[str, Callable[..., Any]]:
    table: dict[str, Callable[..., Any]] = dict.fromkeys(
        (*_MOVES, "flatten", "unsqueeze", "permute"), _moved
    )
    table["clone"] = _moved
    table |= dict.fromkeys((*_JOINS, "cat"), _joined)
    table |= dict.fromkeys(_ASKS, _asked)
    table |= dict.fromkeys(
        ("real", "conj", "conjugate", "real_if_close", "positive", "detach"), _itself
    )
    table |= dict.fromkeys(("sum", "mean"), _sum)
    table |= dict.fromkeys(("matmul", "dot", "inner", "vdot", "outer"), _matmul)
    table |= {"norm": _norm, "cumsum": _cumsum, "prod": _prod, "where": _where, "clip": _clip}
    return table


FUNCTIONS: Final = _table()
"""By the names of NumPy's functions, or of torch's; a recorder is given them."""
