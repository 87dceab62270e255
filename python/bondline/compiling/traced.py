"""Arguments as a quantum function sees them while it is recorded: shapes without numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import autoray  # type: ignore[import-untyped]
import numpy as np

from bondline.compiling.elementary import ELEMENTARY, SYNONYMS
from bondline.compiling.formula import Recorder, Registers


class Untraceable(TypeError):
    """A quantum function does something with its arguments that cannot be recorded."""


class Traced:
    """An array of real numbers that are not known yet.

    Parameters
    ----------
    recorder : Recorder
    registers : ndarray of intp, or int
        Where its numbers are, in its own shape; an integer for a single number.

    Notes
    -----
    It takes part in arithmetic, in functions of NumPy and torch and in those of
    ``pennylane.numpy``. What changes only the place of numbers, such as a slice, is done to the
    registers. What would need the numbers themselves (a comparison, ``int(x)``, a function that is
    not in the table) raises, and the recorder keeps the reason: whatever the function does next, it
    would not do for a number.

    Examples
    --------
    >>> x = Traced(Recorder(3), np.arange(3))
    >>> (2 * np.sin(x[1:])).shape
    (2,)
    >>> bool(x[0] > 0)
    Traceback (most recent call last):
    ...
    bondline.compiling.traced.Untraceable: it compares an argument
    """

    __array_priority__ = 10_000.0
    dtype = np.dtype(np.float64)

    __slots__ = ("_array", "_single", "recorder")

    def __init__(self, recorder: Recorder, registers: Registers | int) -> None:
        self.recorder = recorder
        # One of the two; circuits are mostly written with single numbers, without arrays.
        self._single = registers if isinstance(registers, int) else None
        self._array = None if isinstance(registers, int) else registers

    # What is known

    @property
    def registers(self) -> Registers:
        """Where its numbers are, in its own shape."""
        if self._array is None:
            self._array = np.array(self._single, dtype=np.intp)
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return () if self._single is not None else self.registers.shape

    @property
    def ndim(self) -> int:
        """Number of its axes."""
        return 0 if self._single is not None else self.registers.ndim

    @property
    def size(self) -> int:
        """Number of its entries."""
        return 1 if self._single is not None else self.registers.size

    @property
    def real(self) -> Traced:
        """Itself: its numbers are real."""
        return self

    @property
    def T(self) -> Traced:  # NumPy's name
        """Its transpose."""
        return self.like(self.registers.T)

    def __len__(self) -> int:
        return len(self.registers)

    def __iter__(self) -> Iterator[Traced]:
        return (self[place] for place in range(len(self)))

    # A set, a dictionary or a text would tell numbers apart by their values.

    def __repr__(self) -> str:
        self.refuse("it makes a text of an argument")

    def __format__(self, _: str) -> str:
        self.refuse("it makes a text of an argument")

    def __hash__(self) -> int:
        self.refuse("it looks an argument up in a set or a dictionary")

    # Where its numbers are

    def like(self, registers: Any) -> Traced:
        """Return an array of other registers."""
        if np.ndim(registers) == 0:
            return Traced(self.recorder, int(registers))
        return Traced(self.recorder, np.asarray(registers, dtype=np.intp))

    def registers_of(self, value: Any) -> Registers:
        """Return the registers of an operand: its own, or those of constants."""
        if isinstance(value, Traced):
            if value.recorder is not self.recorder:
                self.refuse("it uses an argument of another call")
            return value.registers
        try:
            numbers = np.asarray(value)
        except Untraceable:
            raise
        except Exception:
            self.refuse(f"it computes with an argument and an object of {type(value).__name__}")
        if numbers.dtype == object:
            found = traced_of(numbers)
            if found is not None:
                return self.registers_of(found)
        if numbers.dtype.kind not in "fiub":
            self.refuse(f"it computes with an argument and numbers of {numbers.dtype}")
        return self.recorder.constants(numbers)

    def single_of(self, value: Any) -> int | None:
        """Return the register of an operand that is seen at once to be a single number."""
        if type(value) is Traced:
            return value._single if value.recorder is self.recorder else None
        if type(value) is float or type(value) is np.float64:
            return self.recorder.constant(float(value))
        if type(value) is int and abs(value) < 2**53:
            return self.recorder.constant(float(value))
        return None

    def refuse(self, reason: str) -> NoReturn:
        """Raise, and keep the first reason."""
        if self.recorder.reason is None:
            self.recorder.reason = reason
        raise Untraceable(reason)

    def __getitem__(self, index: Any) -> Traced:
        if type(index) is int and self.registers.ndim == 1:
            return Traced(self.recorder, self.registers.item(index))
        return self.like(self.registers[index])

    def reshape(self, *shape: Any, **order: Any) -> Traced:
        """Return it in another shape."""
        return self.like(self.registers.reshape(*shape, **order))

    view = reshape  # torch's name

    def astype(self, dtype: Any, **_: Any) -> Traced:
        """Return itself as real numbers; no other kind is recorded."""
        if np.dtype(dtype).kind != "f":
            self.refuse(f"it turns an argument into {np.dtype(dtype)}")
        return self

    # Arithmetic

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not {name for name in kwargs if kwargs[name] is not None}:
            return self.function(ufunc.__name__, inputs, {})
        return self.refuse(f"it calls numpy.{ufunc.__name__}.{method} with an argument")

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func.__name__ in ELEMENTARY or func.__name__ in self.recorder.functions:
            return self.function(func.__name__, args, kwargs)
        # On arrays of objects it does what it does with numbers, or asks what cannot be answered.
        try:
            found = func(*map(_as_objects, args), **kwargs)
        except Exception as error:
            if self.recorder.reason is None:
                self.recorder.reason = f"it calls numpy.{func.__name__} with an argument"
            raise Untraceable(self.recorder.reason) from error
        traced = traced_of(found)
        return found if traced is None else traced

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        own = next((value for value in _flat(args) if isinstance(value, cls)), None)
        name = getattr(func, "__name__", repr(func)).strip("_")
        if own is None:
            raise Untraceable(f"it calls torch.{name} with an argument")
        return own.function(name, args, dict(kwargs or {}))

    def function(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record a function by its name."""
        name = SYNONYMS.get(name, name)
        elementary = ELEMENTARY.get(name)
        if elementary is not None:
            if kwargs or len(args) != len(elementary.derivatives):
                self.refuse(f"it calls {name} with an argument and more than that")
            singles = [
                register for value in args if (register := self.single_of(value)) is not None
            ]
            if len(singles) == len(args):
                return Traced(self.recorder, self.recorder.apply_to_single(name, *singles))
            operands = [self.registers_of(value) for value in args]
            return self.like(self.recorder.apply(name, *operands))
        handler = self.recorder.functions.get(name)
        if handler is None:
            self.refuse(f"it calls {name}, which is not recorded, with an argument")
        return handler(self, name, *args, **kwargs)

    def __neg__(self) -> Any:
        return self.function("negative", (self,), {})

    def __abs__(self) -> Any:
        return self.function("absolute", (self,), {})

    def __pos__(self) -> Traced:
        return self

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Return an array of objects, one for each number: NumPy's functions compute with them."""
        if dtype is not None and np.dtype(dtype) != object:
            self.refuse(f"it makes an array of {np.dtype(dtype)} of an argument")
        return np.frompyfunc(self.like, 1, 1)(self.registers.reshape(-1)).reshape(self.shape)

    def __bool__(self) -> bool:
        self.refuse("it asks whether an argument is true")

    def __int__(self) -> int:
        self.refuse("it makes an integer of an argument")

    def __index__(self) -> int:
        self.refuse("it counts or chooses by an argument")

    def __float__(self) -> float:
        self.refuse("it makes a plain number of an argument")

    def __complex__(self) -> complex:
        self.refuse("it makes a complex number of an argument")

    def item(self, *_: Any) -> NoReturn:
        """Refuse: the number is not known."""
        self.refuse("it makes a plain number of an argument")

    tolist = item
    numpy = item
    unwrap = item

    def __setitem__(self, index: Any, value: Any) -> None:
        self.refuse("it writes into an argument")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in _METHODS:
            raise AttributeError(f"{name} of an argument is not recorded")
        return lambda *args, **kwargs: self.function(name, (self, *args), kwargs)


def traced_of(value: Any) -> Traced | None:
    """Return an argument of a gate as one array, if any of its numbers is recorded.

    Parameters
    ----------
    value : object

    Returns
    -------
    Traced or None

    Examples
    --------
    >>> x = Traced(Recorder(3), np.arange(3))
    >>> traced_of(np.asarray(x)).shape, traced_of(0.5)
    ((3,), None)
    """
    if isinstance(value, Traced):
        return value
    if not isinstance(value, np.ndarray) or value.dtype != object:
        return None
    entries = value.reshape(-1).tolist()
    own = next((entry for entry in entries if isinstance(entry, Traced)), None)
    if own is None:
        return None
    registers = [own.registers_of(entry) for entry in entries]
    return own.like(np.array(registers, dtype=np.intp).reshape(value.shape))


def _as_objects(value: Any) -> Any:
    if isinstance(value, Traced):
        return np.asarray(value)
    if isinstance(value, tuple | list) and any(isinstance(entry, Traced) for entry in value):
        return [_as_objects(entry) for entry in value]
    return value


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple | list):
            yield from _flat(value)
        else:
            yield value


def _operator(name: str, *, reflected: bool = False) -> Callable[..., Any]:
    def operate(self: Traced, other: Any) -> Any:
        return self.function(name, (other, self) if reflected else (self, other), {})

    return operate


for _name, _function in (
    ("add", "add"),
    ("sub", "subtract"),
    ("mul", "multiply"),
    ("truediv", "divide"),
    ("pow", "power"),
    ("mod", "remainder"),
    ("matmul", "matmul"),
):
    setattr(Traced, f"__{_name}__", _operator(_function))
    setattr(Traced, f"__r{_name}__", _operator(_function, reflected=True))


def _comparison(self: Traced, _: Any) -> Any:
    self.refuse("it compares an argument")


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Traced, f"__{_name}__", _comparison)

_METHODS: Final = frozenset(
    ELEMENTARY.keys()
    | {"flatten", "ravel", "squeeze", "transpose", "swapaxes", "repeat", "take", "sum", "mean"}
    | {"dot", "conj", "conjugate", "copy", "diagonal", "unsqueeze", "permute", "clone", "detach"}
    | {"abs", "cumsum"}
)

# PennyLane's mathematics then calls NumPy's functions, and those come here.
autoray.register_backend(Traced, "numpy")
