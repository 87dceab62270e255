"""Kernel matrices as functions of autograd, torch and JAX."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from autograd.extend import defvjp_argnums, primitive  # type: ignore[import-untyped]
from pennylane.pytrees import flatten

from bondline.compiling.arguments import framework_of, is_tracer, plain, unboxed
from bondline.devices.derivatives import differentiated
from bondline.kernels.gradient import Differentiable, Real


def is_differentiated(params: Any) -> bool:
    """Whether a derivative by some parameters is being taken, or recorded for later.

    Parameters
    ----------
    params : object

    Returns
    -------
    bool
    """
    return any(is_tracer(leaf) or differentiated(leaf) for leaf in flatten(params)[0])


def traced_matrix(found: Differentiable) -> Any:
    """Return a kernel matrix in the framework that differentiates its parameters.

    Parameters
    ----------
    found : Differentiable

    Returns
    -------
    array of that framework, shape (n, m)
    """
    numbers = found.numbers()
    frameworks = {framework_of(number) for number in numbers}
    if "torch" in frameworks:
        return _by_torch(found, numbers)
    if "jax" in frameworks:
        return _by_jax(found, numbers)
    return _boxed(found, *numbers)


@primitive  # type: ignore[untyped-decorator]
def _boxed(found: Differentiable, *numbers: Any) -> Real:
    return found.matrix([plain(number) for number in numbers])


def _boxed_vjp(argnums: Any, _: Any, args: Any, __: Any) -> Callable[[Any], tuple[Any, ...]]:
    found, *numbers = args

    def pull(cotangents: Any) -> tuple[Any, ...]:
        given = [plain(number) for number in numbers]
        parts = found.pull(given, np.asarray(unboxed(cotangents)))
        return tuple(parts[number - 1] for number in argnums)

    return pull


defvjp_argnums(_boxed, _boxed_vjp)


def _by_torch(found: Differentiable, numbers: Sequence[Any]) -> Any:
    torch = sys.modules["torch"]
    tensors = [  # torch would round plain numbers to single precision
        number
        if isinstance(number, torch.Tensor)
        else torch.as_tensor(plain(number), dtype=torch.float64)
        for number in numbers
    ]
    like = next(number for number in tensors if number.requires_grad)
    return _torch_function().apply(found, like.device, *tensors)


@lru_cache(maxsize=1)
def _torch_function() -> Any:
    torch = sys.modules["torch"]

    class Matrix(torch.autograd.Function):  # type: ignore[name-defined,misc]
        @staticmethod
        def forward(ctx: Any, found: Differentiable, device: Any, *tensors: Any) -> Any:
            ctx.found = found
            ctx.numbers = [np.array(plain(tensor)) for tensor in tensors]
            ctx.like = [(tensor.dtype, tensor.device) for tensor in tensors]
            return torch.as_tensor(found.matrix(ctx.numbers), device=device)

        @staticmethod
        @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
        def backward(ctx: Any, cotangents: Any) -> Any:
            parts = ctx.found.pull(ctx.numbers, cotangents.detach().cpu().numpy())
            tensors = [
                torch.as_tensor(part, dtype=dtype, device=device) if needed else None
                for part, (dtype, device), needed in zip(
                    parts, ctx.like, ctx.needs_input_grad[2:], strict=True
                )
            ]
            return (None, None, *tensors)

    return Matrix


def _by_jax(found: Differentiable, numbers: Sequence[Any]) -> Any:
    jax = sys.modules["jax"]
    real = jax.numpy.zeros(()).dtype  # float32 unless 64 bits were switched on

    def matrix(*given: Any) -> Any:
        return found.matrix([np.asarray(part) for part in given]).astype(real)

    def pulled(cotangents: Any, *given: Any) -> Any:
        own = [np.asarray(part) for part in given]
        parts = found.pull(own, np.asarray(cotangents, dtype=np.float64))
        found.forget()  # what JAX compiles lives as long as the process
        return tuple(part.astype(number.dtype) for part, number in zip(parts, own, strict=True))

    def called(function: Any, shape: Any, *operands: Any) -> Any:
        return jax.pure_callback(function, shape, *operands, vmap_method="sequential")

    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def run(*given: Any) -> Any:
        return called(matrix, jax.ShapeDtypeStruct(found.shape, real), *given)

    def forward(*given: Any) -> Any:
        return run(*given), given

    def backward(given: Any, cotangents: Any) -> Any:
        shapes = tuple(jax.ShapeDtypeStruct(part.shape, part.dtype) for part in given)
        return called(pulled, shapes, cotangents, *given)

    run.defvjp(forward, backward)
    return run(*map(jax.numpy.asarray, numbers))
