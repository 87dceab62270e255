"""How numbers follow from the arguments of a function: recorded once, evaluated as arrays.

Every number has a register. Functions of the same name whose operands are known at the same time
are one step, however many numbers they make: a circuit of 2,000 gates with ``2 * x`` in each is one
multiplication of 2,000 numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bondline.compiling.elementary import ELEMENTARY, Real

Registers = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One function of many numbers.

    Attributes
    ----------
    function : str
    results : ndarray of intp, shape (count,)
    operands : tuple of ndarray of intp, each of shape (count,)
    """

    function: str
    results: Registers
    operands: tuple[Registers, ...]


class Recorder:
    """Registers while they grow.

    Parameters
    ----------
    inputs : int
        Numbers that are given: the first registers.
    functions : mapping from str to callable, optional
        What arrays know beside the elementary functions.

    Attributes
    ----------
    count : int
        Number of registers.
    reason : str or None
        What could not be recorded, if anything.

    Examples
    --------
    >>> recorder = Recorder(2)
    >>> double = recorder.apply("multiply", recorder.constants(np.array([2.0, 2.0])), np.arange(2))
    >>> recorder.formula(double)(np.array([0.1, 0.2]))
    array([0.2, 0.4])
    """

    def __init__(
        self, inputs: int, functions: Mapping[str, Callable[..., Any]] | None = None
    ) -> None:
        self.inputs = inputs
        self.functions = functions or {}
        self.reason: str | None = None
        self._levels = np.zeros(max(64, 2 * inputs), dtype=np.intp)
        self.count = inputs
        self._constants: list[tuple[Registers, Real]] = []
        self._steps: dict[tuple[int, str], list[tuple[Registers, tuple[Registers, ...]]]] = {}
        # Circuits are mostly written with single numbers: those are kept without arrays.
        self._single_constants: dict[float, int] = {}
        self._single_steps: dict[tuple[int, str], list[tuple[int, ...]]] = {}

    def constants(self, values: Any) -> Registers:
        """Return registers of constants.

        Parameters
        ----------
        values : array_like of float

        Returns
        -------
        ndarray of intp, of the same shape
        """
        array = np.asarray(values, dtype=np.float64)
        found = self._new(array.shape, 0)
        self._constants.append((found.ravel(), array.ravel()))
        return found

    def constant(self, value: float) -> int:
        """Return the register of one constant; constants of one value share it."""
        found = self._single_constants.get(value)
        if found is not None and value != 0.0:  # zeros have signs
            return found
        found = self._new_one(0)
        if value == 0.0:
            self._constants.append((np.array([found], dtype=np.intp), np.array([value])))
        else:
            self._single_constants[value] = found
        return found

    def apply_to_single(self, function: str, *operands: int) -> int:
        """Record a function of single numbers; see :meth:`apply`."""
        level = 1 + max(map(self._levels.item, operands))
        found = self._new_one(level)
        self._single_steps.setdefault((level, function), []).append((found, *operands))
        return found

    def apply(self, function: str, *operands: Registers) -> Registers:
        """Record a function of numbers.

        Parameters
        ----------
        function : str
            One of ``ELEMENTARY``.
        *operands : ndarray of intp
            They broadcast.

        Returns
        -------
        ndarray of intp
        """
        joint = np.broadcast_arrays(*operands)
        flat = tuple(np.array(part.ravel(), dtype=np.intp) for part in joint)
        level = 1 + max(int(self._levels[part].max(initial=0)) for part in flat)
        found = self._new(joint[0].shape, level)
        self._steps.setdefault((level, function), []).append((found.ravel(), flat))
        return found

    def formula(self, results: Registers) -> Formula:
        """Return how some numbers follow from the inputs, and nothing else.

        Parameters
        ----------
        results : ndarray of intp

        Returns
        -------
        Formula
        """
        needed = np.zeros(self.count, dtype=np.bool_)
        needed[results.ravel()] = True
        varies = np.zeros(self.count, dtype=np.bool_)
        varies[: self.inputs] = True
        steps: list[Step] = []
        for level, function in sorted({*self._steps, *self._single_steps}, reverse=True):
            parts = [
                np.stack([part, *given]) for part, given in self._steps.get((level, function), ())
            ]
            singles = self._single_steps.get((level, function))
            if singles is not None:
                parts.append(np.array(singles, dtype=np.intp).T)
            found, *operands = np.concatenate(parts, axis=1)
            kept = needed[found]
            if kept.any():
                chosen = tuple(part[kept] for part in operands)
                for part in chosen:
                    needed[part] = True
                steps.append(Step(function, found[kept], chosen))
        steps.reverse()
        for step in steps:
            varies[step.results] = np.logical_or.reduce([varies[part] for part in step.operands])
        pool = np.zeros(self.count)
        for registers, values in self._constants:
            pool[registers] = values
        pool[list(self._single_constants.values())] = list(self._single_constants)
        return Formula(self.inputs, pool, tuple(steps), results, varies[results])

    def _new_one(self, level: int) -> int:
        found = self.count
        self.count += 1
        if self.count > len(self._levels):
            self._levels = np.concatenate([self._levels, np.zeros(2 * self.count, dtype=np.intp)])
        self._levels[found] = level
        return found

    def _new(self, shape: tuple[int, ...], level: int) -> Registers:
        start = self.count
        self.count += math.prod(shape)
        if self.count > len(self._levels):
            self._levels = np.concatenate([self._levels, np.zeros(2 * self.count, dtype=np.intp)])
        self._levels[start : self.count] = level
        return np.arange(start, self.count, dtype=np.intp).reshape(shape)


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """How numbers follow from inputs.

    Attributes
    ----------
    inputs : int
    constants : ndarray of float64, shape (registers,)
        With zeros where a register is no constant.
    steps : tuple of Step
        In an order in which they can be computed.
    results : ndarray of intp
        Registers of the numbers, in any shape.
    varies : ndarray of bool, of the same shape
        Which of them depend on the inputs.
    """

    inputs: int
    constants: Real
    steps: tuple[Step, ...]
    results: Registers
    varies: NDArray[np.bool_]

    def __call__(self, inputs: Real) -> Real:
        """Return the numbers.

        Parameters
        ----------
        inputs : ndarray of float64, shape (inputs,)

        Returns
        -------
        ndarray of float64, of the shape of ``results``
        """
        return self.pool(inputs)[self.results]

    def of_rows(self, inputs: Real) -> Real:
        """Return the numbers of many rows of inputs at once.

        Parameters
        ----------
        inputs : ndarray of float64, shape (rows, inputs)

        Returns
        -------
        ndarray of float64, shape (rows, *shape of ``results``)

        Examples
        --------
        >>> recorder = Recorder(1)
        >>> sine = recorder.apply("sin", np.zeros(1, dtype=np.intp))
        >>> recorder.formula(sine).of_rows(np.zeros((3, 1))).shape
        (3, 1)
        """
        # Rows last: a step then reads and writes whole lines of them.
        return np.moveaxis(self.pool(inputs.T)[self.results], -1, 0)

    def pool(self, inputs: Real) -> Real:
        """Return all registers, for inputs of shape (inputs,) or (inputs, rows)."""
        pool = np.empty((len(self.constants), *inputs.shape[1:]))
        pool[...] = self.constants.reshape(-1, *(1,) * (inputs.ndim - 1))
        pool[: self.inputs] = inputs
        for step in self.steps:
            operands = [pool[part] for part in step.operands]
            pool[step.results] = ELEMENTARY[step.function].value(*operands)
        return pool

    def pull(self, inputs: Real, cotangents: Real) -> Real:
        """Return the derivative of a weighted sum of the numbers by the inputs.

        Parameters
        ----------
        inputs : ndarray of float64, shape (inputs,)
        cotangents : ndarray of float64
            The weights, of the shape of ``results``.

        Returns
        -------
        ndarray of float64, shape (inputs,)

        Examples
        --------
        >>> recorder = Recorder(1)
        >>> sine = recorder.apply("sin", np.zeros(3, dtype=np.intp))
        >>> recorder.formula(sine).pull(np.array([0.0]), np.array([1.0, 2.0, 3.0]))
        array([6.])
        """
        return self._pulled(inputs, cotangents.reshape(-1))

    def pull_of_rows(self, inputs: Real, cotangents: Real) -> Real:
        """Return what :meth:`pull` returns, of many rows of inputs at once.

        Parameters
        ----------
        inputs : ndarray of float64, shape (rows, inputs)
        cotangents : ndarray of float64, shape (rows, *shape of ``results``)

        Returns
        -------
        ndarray of float64, shape (rows, inputs)

        Examples
        --------
        >>> recorder = Recorder(1)
        >>> sine = recorder.apply("sin", np.zeros(1, dtype=np.intp))
        >>> recorder.formula(sine).pull_of_rows(np.zeros((2, 1)), np.array([[1.0], [2.0]]))
        array([[1.],
               [2.]])
        """
        return self._pulled(inputs.T, cotangents.reshape(len(inputs), -1).T).T

    def along(self, inputs: Real, direction: Real) -> Real:
        """Return the derivative of the numbers along a direction of the inputs, for many rows.

        Parameters
        ----------
        inputs : ndarray of float64, shape (rows, inputs)
        direction : ndarray of float64, shape (inputs,)

        Returns
        -------
        ndarray of float64, shape (rows, *shape of ``results``)

        Examples
        --------
        >>> recorder = Recorder(1)
        >>> sine = recorder.apply("sin", np.zeros(1, dtype=np.intp))
        >>> recorder.formula(sine).along(np.zeros((1, 1)), np.array([3.0]))
        array([[3.]])
        """
        pool = self.pool(inputs.T)
        moved = np.zeros(pool.shape)
        moved[: self.inputs] = direction[:, None]
        with np.errstate(all="ignore"):
            for step in self.steps:
                value = pool[step.results]
                operands = [pool[part] for part in step.operands]
                for part, derivative in zip(
                    step.operands, ELEMENTARY[step.function].derivatives, strict=True
                ):
                    own = moved[part]
                    slope = own * derivative(value, *operands)
                    moved[step.results] += np.where(own == 0.0, 0.0, slope)
        return np.moveaxis(moved[self.results], -1, 0)

    def _pulled(self, inputs: Real, cotangents: Real) -> Real:
        """Carry weights from results of steps to their operands, the last step first.

        All arrays are (numbers,) or (numbers, rows).
        """
        shape = (len(self.constants), *inputs.shape[1:])
        weights = _gathered(self.results.ravel(), cotangents, shape)
        if self.steps:
            pool = self.pool(inputs)
            with np.errstate(all="ignore"):
                for step in reversed(self.steps):
                    own = weights[step.results]
                    operands: Sequence[Real] = [pool[part] for part in step.operands]
                    value = pool[step.results]
                    for part, derivative in zip(
                        step.operands, ELEMENTARY[step.function].derivatives, strict=True
                    ):
                        slope = own * derivative(value, *operands)
                        # A number of weight zero has no share, however steep the function is there.
                        weights += _gathered(part, np.where(own == 0.0, 0.0, slope), shape)
        return weights[: self.inputs]


def _gathered(places: Registers, weights: Real, shape: tuple[int, ...]) -> Real:
    """Add up weights, (numbers,) or (numbers, rows), by the registers that they belong to."""
    if len(shape) > 1:
        places = (places[:, None] * shape[1] + np.arange(shape[1])).ravel()
    found = np.bincount(places, weights.ravel(), int(np.prod(shape)))
    return found.astype(np.float64, copy=False).reshape(shape)
