"""Captured circuits as functions of autograd, torch and JAX: values and derivatives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from autograd.extend import defvjp_argnums, primitive  # type: ignore[import-untyped]

from bondline.compiling.arguments import joined, plain, unboxed
from bondline.compiling.capture import Captured
from bondline.compiling.elementary import Real
from bondline.compiling.running import Running


def in_framework(results: Any, framework: str, like: Any = None) -> Any:
    """Return values as arrays of a framework.

    Parameters
    ----------
    results : object
        Values, in tuples and lists; dicts of counts stay.
    framework : {"numpy", "autograd", "torch", "jax"}
    like : torch.Tensor, optional
        On whose device the tensors are.

    Returns
    -------
    object
    """
    if framework == "numpy" or isinstance(results, dict):
        return results
    if isinstance(results, tuple | list):
        return type(results)(in_framework(value, framework, like) for value in results)
    if framework == "autograd":
        return np.asarray(results)
    if framework == "torch":
        torch = sys.modules["torch"]
        return torch.as_tensor(results, device=getattr(like, "device", None))
    jax = sys.modules["jax"]
    return jax.numpy.asarray(results)


class Backward:
    """Derivatives of one run, computed when they are asked for.

    Parameters
    ----------
    running : Running
    inputs : ndarray of float64, shape (inputs,)
    product : bool
        Whether the weighted sum of the values is differentiated, at each question anew.
    """

    def __init__(self, running: Running, inputs: Real, *, product: bool) -> None:
        self.running = running
        self.inputs = inputs
        self.product = product
        self.jacobian: Real | None = None

    def values(self, *, now: bool) -> Real:
        """Return the values behind one another; with their derivatives, if they come now."""
        if now and not self.product:
            values, self.jacobian = self.running.with_jacobian(self.inputs)
            return values
        return self.running.flat(self.running.results(self.inputs))

    def __call__(self, cotangents: Any) -> list[Real]:
        """Return the derivative of a weighted sum of the values by each argument."""
        weights = np.asarray(cotangents, dtype=np.float64)
        if self.product:
            return self.running.product(self.inputs, weights)
        if self.jacobian is None:
            self.jacobian = self.running.with_jacobian(self.inputs)[1]
        return self.running.pull(self.inputs, self.jacobian, weights)


def by_autograd(running: Running, numbers: Sequence[Any], *, product: bool, now: bool) -> list[Any]:
    """Run a circuit of whose arguments autograd differentiates some.

    Parameters
    ----------
    running : Running
    numbers : sequence
        Of all arguments.
    product : bool
        Whether the weighted sum of the values is differentiated, not each of them.
    now : bool
        Whether derivatives come with the values.

    Returns
    -------
    list
        One box for each value.
    """
    holder: list[Backward] = []
    flat = _boxed(holder, running, product, now, *numbers)
    return running.apart(flat)


@primitive  # type: ignore[untyped-decorator]
def _boxed(
    holder: list[Backward], running: Running, product: bool, now: bool, *numbers: Any
) -> Real:
    inputs = joined([plain(number) for number in numbers])
    holder.append(Backward(running, inputs, product=product))
    return holder[0].values(now=now)


def _boxed_vjp(argnums: Any, _: Any, args: Any, __: Any) -> Callable[[Any], tuple[Any, ...]]:
    backward = args[0][0]

    def pull(cotangents: Any) -> tuple[Any, ...]:
        found = backward(unboxed(cotangents))
        return tuple(found[number - 4] for number in argnums)

    return pull


defvjp_argnums(_boxed, _boxed_vjp)


def by_torch(running: Running, numbers: Sequence[Any], *, product: bool, now: bool) -> list[Any]:
    """Run a circuit of whose arguments torch records a derivative; see :func:`by_autograd`."""
    torch = sys.modules["torch"]
    tensors = [  # torch would round plain numbers to single precision
        number
        if isinstance(number, torch.Tensor)
        else torch.as_tensor(plain(number), dtype=torch.float64)
        for number in numbers
    ]
    like = next(number for number in tensors if number.requires_grad)
    return running.apart(_torch_function().apply(running, product, now, like.device, *tensors))


@lru_cache(maxsize=1)
def _torch_function() -> Any:
    torch = sys.modules["torch"]

    class Circuit(torch.autograd.Function):  # type: ignore[name-defined,misc]
        @staticmethod
        def forward(
            ctx: Any, running: Running, product: bool, now: bool, device: Any, *tensors: Any
        ) -> Any:
            inputs = joined([plain(tensor) for tensor in tensors])
            ctx.backwards = Backward(running, inputs, product=product)
            ctx.like = [(tensor.dtype, tensor.device) for tensor in tensors]
            return torch.as_tensor(ctx.backwards.values(now=now), device=device)

        @staticmethod
        @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
        def backward(ctx: Any, cotangents: Any) -> Any:
            found = ctx.backwards(cotangents.detach().cpu().numpy())
            tensors = [
                torch.as_tensor(part, dtype=dtype, device=device) if needed else None
                for part, (dtype, device), needed in zip(
                    found, ctx.like, ctx.needs_input_grad[4:], strict=True
                )
            ]
            return (None, None, None, None, *tensors)

    return Circuit


def by_jax(running: Running, numbers: Sequence[Any], *, product: bool) -> list[Any]:
    """Run a circuit inside of a function that JAX differentiates or compiles.

    Parameters
    ----------
    running : Running
    numbers : sequence
        Of all arguments.
    product : bool
        Whether the weighted sum of the values is differentiated, not each of them.

    Returns
    -------
    list of jax.Array
        One for each value.
    """
    numpy = sys.modules["jax"].numpy
    run = _jax_function(running.captured, product, numpy.zeros(()).dtype)
    return running.apart(run(*map(numpy.asarray, numbers)))


@lru_cache(maxsize=64)
def _jax_function(captured: Captured, product: bool, real: Any) -> Any:
    """Return a function of all arguments; ``real`` is float32 unless 64 bits were switched on."""
    jax = sys.modules["jax"]
    running = Running(captured, captured.device)
    circuit = running.circuit
    count = sum(int(np.prod(shape, dtype=int)) for shape in running.shapes())
    rows = circuit.rows.stop - circuit.rows.start
    slots = 0 if circuit.trained is None else len(circuit.trained.slots)
    flat_shape = jax.ShapeDtypeStruct((count,), real)
    jacobian_shape = jax.ShapeDtypeStruct((rows, count // rows, slots), real)

    def called(function: Any, shape: Any, *operands: Any) -> Any:
        return jax.pure_callback(function, shape, *operands, vmap_method="sequential")

    def inputs_of(given: Sequence[Any]) -> Real:
        return joined([np.asarray(part) for part in given])

    def values(*given: Any) -> Any:
        return running.flat(running.results(inputs_of(given))).astype(real)

    def values_and_jacobian(*given: Any) -> Any:
        found, jacobian = running.with_jacobian(inputs_of(given))
        return found.astype(real), jacobian.astype(real)

    def pulled(cotangents: Any, jacobian: Any, *given: Any) -> Any:
        weights = np.asarray(cotangents, dtype=np.float64)
        if product:
            found = running.product(inputs_of(given), weights)
        else:
            found = running.pull(inputs_of(given), np.asarray(jacobian, np.float64), weights)
        return tuple(
            part.astype(np.asarray(own).dtype) for part, own in zip(found, given, strict=True)
        )

    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def run(*given: Any) -> Any:
        return called(values, flat_shape, *given)

    def forward(*given: Any) -> Any:
        if product:
            return called(values, flat_shape, *given), (real.type(0), given)
        found, jacobian = called(values_and_jacobian, (flat_shape, jacobian_shape), *given)
        return found, (jacobian, given)

    def backward(kept: Any, cotangents: Any) -> Any:
        jacobian, given = kept
        shapes = tuple(jax.ShapeDtypeStruct(part.shape, part.dtype) for part in given)
        return called(pulled, shapes, cotangents, jacobian, *given)

    run.defvjp(forward, backward)
    return run
