"""The functions of which expressions are made, element by element, and their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]
Derivative = Callable[..., Any]


@dataclass(frozen=True, slots=True, eq=False)
class Elementary:
    """A function of one or two numbers.

    Attributes
    ----------
    value : callable
        Of arrays of one shape.
    derivatives : tuple of callable
        One for each operand, of the value and the operands.
    """

    value: Callable[..., Any]
    derivatives: tuple[Derivative, ...]


def _one(value: Any, derivative: Derivative) -> Elementary:
    return Elementary(value, (derivative,))


def _two(value: Any, first: Derivative, second: Derivative) -> Elementary:
    return Elementary(value, (first, second))


def _power_by_base(_: Real, a: Real, b: Real) -> Real:
    # A constant exponent of zero has the derivative zero, at zero too.
    found: Real = np.where(b == 0.0, 0.0, b * np.power(a, np.where(b == 0.0, 1.0, b - 1.0)))
    return found


def _power_by_exponent(z: Real, a: Real, b: Real) -> Real:
    found: Real = z * np.log(np.where(a > 0.0, a, 1.0))
    return found


_DEGREE: Final = np.pi / 180.0

ELEMENTARY: Final[dict[str, Elementary]] = {
    "add": _two(np.add, lambda z, a, b: 1.0, lambda z, a, b: 1.0),
    "subtract": _two(np.subtract, lambda z, a, b: 1.0, lambda z, a, b: -1.0),
    "multiply": _two(np.multiply, lambda z, a, b: b, lambda z, a, b: a),
    "divide": _two(np.divide, lambda z, a, b: 1.0 / b, lambda z, a, b: -z / b),
    "power": _two(np.power, _power_by_base, _power_by_exponent),
    "arctan2": _two(
        np.arctan2,
        lambda z, a, b: b / (a * a + b * b),
        lambda z, a, b: -a / (a * a + b * b),
    ),
    "remainder": _two(np.remainder, lambda z, a, b: 1.0, lambda z, a, b: -np.floor_divide(a, b)),
    "maximum": _two(np.maximum, lambda z, a, b: (a >= b) * 1.0, lambda z, a, b: (a < b) * 1.0),
    "minimum": _two(np.minimum, lambda z, a, b: (a <= b) * 1.0, lambda z, a, b: (a > b) * 1.0),
    "negative": _one(np.negative, lambda z, a: -1.0),
    "reciprocal": _one(np.reciprocal, lambda z, a: -z * z),
    "square": _one(np.square, lambda z, a: 2.0 * a),
    "sqrt": _one(np.sqrt, lambda z, a: 0.5 / z),
    "absolute": _one(np.absolute, lambda z, a: np.sign(a)),
    "exp": _one(np.exp, lambda z, a: z),
    "expm1": _one(np.expm1, lambda z, a: z + 1.0),
    "log": _one(np.log, lambda z, a: 1.0 / a),
    "log1p": _one(np.log1p, lambda z, a: 1.0 / (1.0 + a)),
    "sin": _one(np.sin, lambda z, a: np.cos(a)),
    "cos": _one(np.cos, lambda z, a: -np.sin(a)),
    "tan": _one(np.tan, lambda z, a: 1.0 + z * z),
    "arcsin": _one(np.arcsin, lambda z, a: 1.0 / np.sqrt(1.0 - a * a)),
    "arccos": _one(np.arccos, lambda z, a: -1.0 / np.sqrt(1.0 - a * a)),
    "arctan": _one(np.arctan, lambda z, a: 1.0 / (1.0 + a * a)),
    "sinh": _one(np.sinh, lambda z, a: np.cosh(a)),
    "cosh": _one(np.cosh, lambda z, a: np.sinh(a)),
    "tanh": _one(np.tanh, lambda z, a: 1.0 - z * z),
    "radians": _one(np.radians, lambda z, a: _DEGREE),
    "degrees": _one(np.degrees, lambda z, a: 1.0 / _DEGREE),
}
"""By the names of NumPy's functions."""

SYNONYMS: Final = {
    "true_divide": "divide",
    "float_power": "power",
    "mod": "remainder",
    "abs": "absolute",
    "deg2rad": "radians",
    "rad2deg": "degrees",
    # The names of torch.
    "sub": "subtract",
    "mul": "multiply",
    "div": "divide",
    "pow": "power",
    "neg": "negative",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "atan2": "arctan2",
}
"""Other names of the same functions."""
