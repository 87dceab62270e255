"""Derivatives of a kernel matrix by the trainable parameters of its feature map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pennylane.pytrees import flatten, unflatten

from bondline import _core
from bondline.compiling.arguments import arguments_of, plain
from bondline.compiling.capture import Captured
from bondline.errors import InternalError, ResourceError, UnsupportedError
from bondline.kernels.encoding import Encoder, Encoding
from bondline.kernels.row_circuits import Rows, inputs_of

Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Evolved:
    """One side of a matrix whose states derivatives are taken of."""

    encoding: Encoding
    captured: Captured
    states: _core.EncodedStates


@dataclass(slots=True, eq=False)
class Differentiable:
    """A kernel matrix as a function of the parameters of its map.

    Attributes
    ----------
    encoder : Encoder
    rows : ndarray of float64, shape (n, features)
    others : ndarray of float64, shape (m, features), or None
        None for the rows themselves.
    params : tuple
        Arguments of the map, those that are differentiated among them.
    budget : int
        Bytes that all states may take.
    """

    encoder: Encoder
    rows: Rows
    others: Rows | None
    params: tuple[Any, ...]
    budget: int
    _evolved: tuple[bytes, list[_Evolved]] | None = field(default=None, init=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the matrix."""
        return len(self.rows), len(self.rows if self.others is None else self.others)

    def numbers(self) -> list[Any]:
        """Return the leaves of the parameters that are numbers, in their frameworks."""
        return arguments_of(self.params, {}, integers=True).numbers()

    def matrix(self, numbers: Sequence[Any]) -> Real:
        """Return the matrix at some numbers in place of those of the parameters.

        Parameters
        ----------
        numbers : sequence of float or ndarray

        Returns
        -------
        ndarray of float64, shape (n, m)
        """
        sides = self._sides(numbers)
        self._evolved = (_bits(numbers), sides)
        ket = sides[1].states if len(sides) > 1 else None
        threads = self.encoder.map.device.config.threads
        found = _core.log_overlaps(sides[0].states, ket, threads)
        return np.exp(found, out=found)

    def pull(self, numbers: Sequence[Any], cotangents: Real) -> list[Real]:
        """Return the derivative of a weighted sum of the entries by each of the numbers.

        Parameters
        ----------
        numbers : sequence of float or ndarray
        cotangents : ndarray of float64, shape (n, m)
            The weights.

        Returns
        -------
        list of ndarray
        """
        known = self._evolved
        same = known is not None and known[0] == _bits(numbers)
        sides = known[1] if known is not None and same else self._sides(numbers)
        weights = np.asarray(cotangents, dtype=np.float64).reshape(self.shape)
        if len(sides) == 1:
            # Both sides of a pair are the same states; the diagonal is 1.
            weights = weights + weights.T
            np.fill_diagonal(weights, 0.0)
            parts = [(sides[0], self.rows, sides[0], weights)]
        else:
            assert self.others is not None  # two sides
            parts = [
                (sides[0], self.rows, sides[1], weights),
                (sides[1], self.others, sides[0], weights.T),
            ]
        params = self._at(numbers)
        total = sum(self._of_side(*part, params) for part in parts)
        return self._in_shapes(total, sides[0].captured, numbers)

    def forget(self) -> None:
        """Let go of the states of the last matrix, which a derivative would use."""
        self._evolved = None

    def _of_side(
        self, side: _Evolved, rows: Rows, other: _Evolved, weights: Real, params: Sequence[Any]
    ) -> Any:
        """Differentiate by what comes behind the features, the states of the other side at rest."""
        captured, formula = side.captured, side.captured.formula
        settings = side.encoding.settings()
        features = rows.shape[1]
        direction = np.zeros(formula.inputs)
        direction[features:] = np.random.default_rng(0).uniform(0.5, 1.5, len(direction) - features)
        total = np.zeros(formula.inputs - features)
        for group, own in side.encoding.circuits.groups(0, len(rows)):
            inputs = inputs_of(captured, rows[own], params)
            # Angles that the parameters do not move, such as those of a feature that is zero.
            moved = formula.along(inputs, direction)[:, 0] != 0.0
            found, unsettled = _core.kernel_gradients(
                group, other.states, np.ascontiguousarray(weights[own]), moved, settings
            )
            side.encoding.judge_derivatives(own[unsettled], settings.max_bond_dim)
            by_inputs = formula.pull_of_rows(inputs, found[:, None])
            total += by_inputs[:, features:].sum(axis=0)
        return total

    def _sides(self, numbers: Sequence[Any]) -> list[_Evolved]:
        params = self._at(numbers)
        sets = [self.rows] if self.others is None else [self.rows, self.others]
        sides = [self._side(rows, params, self.budget // len(sets)) for rows in sets]
        if sides[0].encoding.wire_of_site != sides[-1].encoding.wire_of_site:
            raise InternalError("Two circuits of one structure have their sites in two orders.")
        return sides

    def _side(self, rows: Rows, params: tuple[Any, ...], budget: int) -> _Evolved:
        encoding = self.encoder.encoding(rows, params, differentiable=True)
        captured = encoding.circuits.captured
        if captured is None:
            raise UnsupportedError(
                f"The kernel has no derivatives of this feature map, because "
                f"{encoding.circuits.reason}: PennyLane makes its circuits row by row, and how "
                "their angles follow from the parameters is not recorded. Write the map without "
                "that, or pass detached parameters and differentiate by finite differences."
            )
        states = encoding.states(0, len(rows), budget)
        if states is None:
            raise ResourceError(
                f"The states of {len(rows)} rows do not fit memory_limit "
                f"({budget / 2**30:.3g} GiB), and derivatives need all of them. Train on fewer "
                "rows at a time, lower max_bond_dim, or raise memory_limit."
            )
        return _Evolved(encoding, captured, states)

    def _at(self, numbers: Sequence[Any]) -> tuple[Any, ...]:
        """Return the parameters with other numbers, as NumPy has them."""
        args, _ = arguments_of(self.params, {}, integers=True).with_numbers(list(numbers))
        leaves, structure = flatten(args)
        return tuple(unflatten([plain(leaf) for leaf in leaves], structure))

    def _in_shapes(self, flat: Real, captured: Captured, numbers: Sequence[Any]) -> list[Real]:
        """Take the derivatives apart; integers that were counted with have none."""
        shapes = list(captured.shapes[1:])
        found, start = [], 0
        counted = len(shapes) != len(numbers)
        for number in numbers:
            shape = tuple(np.shape(number))
            if counted and np.asarray(plain(number)).dtype.kind != "f":
                found.append(np.zeros(shape))
                continue
            size = int(np.prod(shape, dtype=int))
            found.append(flat[start : start + size].reshape(shape))
            start += size
        return found


def in_containers(params: tuple[Any, ...], parts: Sequence[Real]) -> tuple[Any, ...]:
    """Put derivatives where the numbers of the parameters are, and None elsewhere.

    Parameters
    ----------
    params : tuple
    parts : sequence of ndarray
        As :meth:`Differentiable.pull` returns them.

    Returns
    -------
    tuple

    Examples
    --------
    >>> in_containers((0.5, {"layers": "two"}), [np.array(1.0)])
    (array(1.), {'layers': None})
    """
    found = arguments_of(params, {}, integers=True)
    leaves: list[Any] = [None] * len(found.leaves)
    for place, part in zip(found.places, parts, strict=True):
        leaves[place] = part
    args, _ = unflatten(leaves, found.structure)
    return tuple(args)


def _bits(numbers: Sequence[Any]) -> bytes:
    return b"".join(np.asarray(number, dtype=np.float64).tobytes() for number in numbers)
