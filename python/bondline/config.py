"""Settings of the MPS engine: the only place with defaults, each validated once."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from bondline.errors import InputError
from bondline.memory import available_memory

Seed = Literal["global"] | int | np.random.SeedSequence | np.random.Generator | None

_MEMORY_SHARE = 0.8
_CUTOFFS = {np.dtype(np.complex128): 1e-20, np.dtype(np.complex64): 1e-12}
_READOUTS = ("local", "state")
_REACTIONS = ("warn", "raise", "ignore")
_TRUNCATIONS = ("auto", "exact", "gram", "svd")
_GRADIENTS = ("adjoint", "two-state", "parameter-shift")
_OF_THE_QNODE = ("diff_method", "interface", "mcm_method", "postselect_mode")


class MpsSettings(TypedDict, total=False):
    """Keywords of ``bondline.mps``: the fields of :class:`MpsConfig`, every one optional."""

    max_bond_dim: int | None
    cutoff: float | None
    c_dtype: npt.DTypeLike
    readout: Literal["local", "state"]
    ordering: Literal["given", "auto"] | Sequence[int]
    min_fidelity: float
    on_low_fidelity: Literal["warn", "raise", "ignore"]
    threads: int | None
    seed: Seed
    memory_limit: int | None
    gradient: Literal["adjoint", "two-state", "parameter-shift"]
    truncation: Literal["auto", "exact", "gram", "svd"]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What the engine is told, every value explicit; see :meth:`MpsConfig.engine_settings`."""

    max_bond_dim: int | None
    cutoff: float
    single_precision: bool
    readout: Literal["local", "state"]
    ordering: Literal["given", "auto"] | tuple[int, ...]
    truncation: Literal["auto", "exact", "gram", "svd"]
    threads: int | None
    memory_limit: int
    sweeps: bool = True


@dataclass(frozen=True, slots=True)
class MpsConfig:
    """Settings of the MPS engine; every field is a keyword of the device ``bondline.mps``.

    Parameters
    ----------
    max_bond_dim : int or None, default 128
        Largest bond kept; None sets no limit, so that only ``cutoff`` truncates.
    cutoff : float or None, default None
        Largest relative *weight* (sum of squared singular values) discarded at one step below
        ``max_bond_dim``. None means 1e-20 in complex128 and 1e-12 in complex64; 0 switches the
        truncation off, except for noise. Simulators that cut singular values instead of weights
        call our 1e-20 their 1e-10.
    c_dtype : dtype, default complex128
        complex128 or complex64, the working precision; results are double in both.
    readout : {"local", "state"}, default "local"
        "local" reads each value from its own light cone, which is more accurate under truncation;
        "state" reads everything from one global state.
    ordering : {"auto", "given"} or sequence of int, default "auto"
        "given" puts the device's wires on the chain in their order, "auto" may choose a cheaper
        order, and a permutation of 0 … n-1 states the position in the device's wires that sits on
        each site.
    min_fidelity : float, default 0.99
        Floor of the estimated fidelity (global results), or of one minus the weight discarded in
        the light cone (local values).
    on_low_fidelity : {"warn", "raise", "ignore"}, default "warn"
        What to do below ``min_fidelity``.
    threads : int or None, default None
        Threads of the engine, None for all; never changes a result.
    seed : {"global"}, int, SeedSequence, Generator, JAX key or None, default "global"
        Source of the random numbers of shots: "global" asks numpy's global generator at each call,
        None the operating system. With any other seed two calls of a device differ and two fresh
        devices agree, whatever the number of threads; a JAX key is read as a number.
    memory_limit : int or None, default None
        Bytes the engine may take; None means 0.8 of the memory that is free at the call.
    gradient : {"adjoint", "two-state", "parameter-shift"}, default "adjoint"
        How derivatives are taken where ``diff_method`` leaves it to the device: "adjoint"
        differentiates the program that ran, truncation included, in about two forward runs;
        "two-state" is the derivative of the exact expectation where nothing is truncated, at
        twice the bond dimension, and a check of the other; "parameter-shift" leaves it to
        PennyLane.
    truncation : {"auto", "exact", "gram", "svd"}, default "auto"
        How a bond is truncated. "auto" takes the fastest way that is exact enough. Where 1e-7 and
        more is discarded at bonds of 48 and more that is a sketch, whose fidelity was that of the
        best cut within a thousandth in every circuit measured; QNodes that are differentiated on
        the device go without it (``diff_method=None`` says that none is). "exact" always keeps the
        leading Schmidt vectors, by the eigenvectors of a Gram matrix or an SVD; "gram" and "svd"
        fix the way and serve tests and benchmarks.

    Raises
    ------
    InputError
        If a value has the wrong type or lies outside its range.

    Examples
    --------
    >>> config = MpsConfig(max_bond_dim=64, c_dtype="complex64")
    >>> config.c_dtype
    dtype('complex64')
    >>> config.engine_settings().cutoff
    1e-12
    >>> MpsConfig(max_bond_dim=0)
    Traceback (most recent call last):
    ...
    bondline.errors.InputError: max_bond_dim must be at least 1 or None (no limit), got 0.
    """

    max_bond_dim: int | None = 128
    cutoff: float | None = None
    c_dtype: npt.DTypeLike = np.complex128
    readout: Literal["local", "state"] = "local"
    ordering: Literal["given", "auto"] | Sequence[int] = "auto"
    min_fidelity: float = 0.99
    on_low_fidelity: Literal["warn", "raise", "ignore"] = "warn"
    threads: int | None = None
    seed: Seed = "global"
    memory_limit: int | None = None
    gradient: Literal["adjoint", "two-state", "parameter-shift"] = "adjoint"
    truncation: Literal["auto", "exact", "gram", "svd"] = "auto"

    def __post_init__(self) -> None:
        """Validate every field and bring it to its own type."""
        _set(self, "max_bond_dim", _count("max_bond_dim", self.max_bond_dim, "no limit"))
        _set(self, "cutoff", _cutoff(self.cutoff))
        _set(self, "c_dtype", _precision(self.c_dtype))
        _choice("readout", self.readout, _READOUTS)
        _set(self, "ordering", _ordering(self.ordering))
        _set(self, "min_fidelity", _fraction("min_fidelity", self.min_fidelity))
        _choice("on_low_fidelity", self.on_low_fidelity, _REACTIONS)
        _set(self, "threads", _count("threads", self.threads, "all of them"))
        _set(self, "seed", _seed(self.seed))
        _set(self, "memory_limit", _count("memory_limit", self.memory_limit, "0.8 of what is free"))
        _choice("gradient", self.gradient, _GRADIENTS)
        _choice("truncation", self.truncation, _TRUNCATIONS)

    @classmethod
    def from_keywords(
        cls, owner: str, keywords: Mapping[str, Any], *, also: Sequence[str] = ()
    ) -> MpsConfig:
        """Build a configuration from keywords and name the closest known one for each unknown.

        Parameters
        ----------
        owner : str
            Who was given the keywords; begins the message.
        keywords : mapping of str to object
        also : sequence of str, optional
            What the owner takes beside the settings; named in messages.

        Returns
        -------
        MpsConfig

        Raises
        ------
        TypeError
            If a keyword is unknown.

        Examples
        --------
        >>> MpsConfig.from_keywords("bondline.mps", {"max_bond": 8})
        Traceback (most recent call last):
        ...
        TypeError: bondline.mps has no setting 'max_bond'; did you mean 'max_bond_dim'? ...
        """
        for name in keywords:
            if name not in _NAMES:
                close = difflib.get_close_matches(name, [*_NAMES, *also], n=1, cutoff=0.5)
                hint = f"; did you mean {close[0]!r}?" if close else "."
                if name in _OF_THE_QNODE:
                    hint = f": it belongs to the QNode, qml.QNode(circuit, dev, {name}=…)."
                known = ", ".join([*_NAMES, *also])
                raise TypeError(f"{owner} has no setting {name!r}{hint} Known settings: {known}.")
        return cls(**keywords)

    def keywords(self) -> dict[str, Any]:
        """Return the settings as a dict from keyword to value, in the order of the fields.

        Returns
        -------
        dict of str to object

        Examples
        --------
        >>> MpsConfig(**MpsConfig(threads=2).keywords()).threads
        2
        """
        return {name: getattr(self, name) for name in _NAMES}

    def engine_settings(
        self, *, differentiable: bool = False, derivatives: bool = False
    ) -> EngineSettings:
        """Return what the engine is told, with every open choice made.

        Parameters
        ----------
        differentiable : bool, default False
            Whether values must depend smoothly on parameters and belong to the program that
            derivatives are taken of: the state is not brought back to its canonical form on the
            way, and "auto" truncates as "exact" does.
        derivatives : bool, default False
            Whether they are for derivatives, which are computed in double precision: the default
            of ``cutoff`` is that of complex128 then.

        Returns
        -------
        EngineSettings

        Notes
        -----
        ``memory_limit=None`` asks the operating system, at most once a second.

        Examples
        --------
        >>> MpsConfig(memory_limit=10**9).engine_settings().memory_limit
        1000000000
        """
        limit = self.memory_limit
        if limit is None:
            limit = int(_MEMORY_SHARE * available_memory())
        return _engine_settings(self, differentiable, derivatives, limit)


# Kept: a device asks at every call.
@lru_cache(maxsize=64)
def _engine_settings(
    config: MpsConfig, differentiable: bool, derivatives: bool, memory_limit: int
) -> EngineSettings:
    precision = np.dtype(config.c_dtype)
    cut = np.dtype(np.complex128) if derivatives else precision
    exact = differentiable and config.truncation == "auto"
    return EngineSettings(
        max_bond_dim=config.max_bond_dim,
        cutoff=_CUTOFFS[cut] if config.cutoff is None else config.cutoff,
        single_precision=precision == np.complex64,
        readout=config.readout,
        ordering=config.ordering if isinstance(config.ordering, str) else tuple(config.ordering),
        truncation="exact" if exact else config.truncation,
        threads=config.threads,
        memory_limit=memory_limit,
        sweeps=not differentiable,
    )


_NAMES = tuple(field.name for field in fields(MpsConfig))
_set = object.__setattr__  # The class is frozen; only its own validation writes.


def _is_integer(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)


def _is_real(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _count(name: str, value: Any, none_means: str) -> int | None:
    if value is None:
        return None
    if not _is_integer(value):
        raise InputError(
            f"{name} must be an integer or None ({none_means}), "
            f"got {value!r} of type {type(value).__name__}."
        )
    if value < 1:
        raise InputError(f"{name} must be at least 1 or None ({none_means}), got {value}.")
    return int(value)


def _cutoff(value: Any) -> float | None:
    if value is None:
        return None
    if not _is_real(value):
        raise InputError(
            "cutoff must be a real number or None (chosen by c_dtype), "
            f"got {value!r} of type {type(value).__name__}."
        )
    if not 0 <= value < 1:
        raise InputError(
            "cutoff is a relative weight and must lie in [0, 1): 0 switches truncation off, "
            f"1e-20 is the default of complex128; got {value}."
        )
    return float(value)


def _fraction(name: str, value: Any) -> float:
    if not _is_real(value):
        raise InputError(
            f"{name} must be a real number, got {value!r} of type {type(value).__name__}."
        )
    if not 0 <= value <= 1 or math.isnan(value):
        raise InputError(f"{name} must lie in [0, 1], got {value}.")
    return float(value)


def _precision(value: Any) -> np.dtype[Any]:
    try:
        precision: np.dtype[Any] | None = np.dtype(value)
    except TypeError:
        precision = None
    # numpy reads None as float64.
    if value is None or precision is None or precision not in _CUTOFFS:
        raise InputError(f"c_dtype must be complex128 or complex64, got {value!r}.")
    return precision


def _choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        named = ", ".join(f'"{choice}"' for choice in choices)
        raise InputError(f"{name} must be one of {named}, got {value!r}.")


def _ordering(value: Any) -> str | tuple[int, ...]:
    if isinstance(value, str) and value in ("auto", "given"):
        return value
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        raise InputError(
            f'ordering must be "auto", "given" or a permutation of 0 … n-1, got {value!r}.'
        )
    if not all(_is_integer(site) for site in value) or sorted(value) != list(range(len(value))):
        raise InputError(
            "ordering must hold each of 0 … n-1 once: the position in the device's wires that "
            f"sits on each site; got {list(value)!r}."
        )
    return tuple(int(site) for site in value)


def _seed(value: Any) -> Seed:
    if value is None or isinstance(value, np.random.SeedSequence | np.random.Generator):
        return value
    if isinstance(value, str) and value == "global":
        return "global"
    if type(value).__module__.startswith("jax"):
        return _seed_of_jax_key(value)
    if not _is_integer(value):
        raise InputError(
            'seed must be "global", None, an integer, a numpy SeedSequence or Generator, or a JAX '
            "key, "
            f"got {value!r} of type {type(value).__name__}."
        )
    if value < 0:
        raise InputError(f"seed must not be negative, got {value}.")
    return int(value)


def _seed_of_jax_key(key: Any) -> int:
    """Return the words of a key as one number: calls of a device still differ by their count."""
    import jax  # whoever has a key has it loaded

    if key.dtype != np.uint32:  # the typed keys of jax.random.key
        key = jax.random.key_data(key)
    words = np.asarray(key)
    if words.dtype != np.uint32 or words.ndim != 1:
        raise InputError(
            f"seed must be one JAX key, got an array of shape {words.shape} and {words.dtype}."
        )
    return int.from_bytes(words.tobytes(), "little")
