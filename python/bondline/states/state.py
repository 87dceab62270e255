"""A matrix product state as an object: what a circuit prepared, kept for later questions."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from bondline import _core, tensor_formats
from bondline.errors import InputError, ResourceError
from bondline.measurements.entanglement import unit_of
from bondline.memory import available_memory
from bondline.states.exchange import StateExchange
from bondline.states.readings import StateReadings

_MEMORY_SHARE: Final = 0.8
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MPS(StateReadings, StateExchange):
    """A normalised, right-canonical matrix product state on labelled wires.

    Made by :func:`bondline.mps_state` from a circuit, by :meth:`from_tensors` from arrays of any
    gauge, or by :meth:`load`. Arrays are read-only.

    Attributes
    ----------
    tensors : tuple of ndarray of complex128
        One per wire, of shape (left bond, 2, right bond); the first has left = 1, the last
        right = 1. Right-canonical: the sum over the physical and the right index of
        B · B.conj() is the identity. The state is their product, so its norm is 1.
    wires : tuple
        Label of each tensor, in the order of the chain.
    schmidt_values : tuple of ndarray of float64
        At each of the n - 1 bonds between wires, descending; their squares add up to 1.
    log_norm : float
        Natural logarithm of <psi|psi> before the tensors were normalised. After a circuit this is
        the norm of its run, what truncation left of 1; after :meth:`from_tensors`, that of the
        given arrays.
    fidelity : float
        Estimated fidelity with the state that the circuit would prepare without truncation, as
        the report of the run has it; 1 for given tensors. As the ``initial_state`` of a device it
        is counted into what follows; log_norm, too.

    Examples
    --------
    >>> import numpy as np
    >>> bell = MPS.from_tensors([np.eye(2), np.eye(2)], wires=["a", "b"])
    >>> bell
    MPS(2 wires, largest bond 2, fidelity 1)
    >>> bell.entropies(log_base=2).round(9)
    array([1.])
    >>> bell.probability(["00", "01", "11"]).round(9)
    array([0.5, 0. , 0.5])
    """

    tensors: tuple[NDArray[np.complex128], ...]
    wires: tuple[Any, ...]
    schmidt_values: tuple[NDArray[np.float64], ...]
    log_norm: float = 0.0
    fidelity: float = 1.0

    def __post_init__(self) -> None:
        """Check that the parts fit together, and keep read-only views of the arrays."""
        tensors = tensor_formats.site_tensors(self.tensors, "An MPS")
        wires = tuple(self.wires)
        if len(wires) != len(tensors) or len(set(wires)) != len(wires):
            raise InputError(
                f"An MPS of {len(tensors)} tensors needs as many wires, each once, "
                f"got {len(wires)}: {list(wires)[:20]!r}."
            )
        bonds = [tensor.shape[2] for tensor in tensors[:-1]]
        schmidt = [np.asarray(values, dtype=np.float64) for values in self.schmidt_values]
        if [values.shape for values in schmidt] != [(bond,) for bond in bonds]:
            raise InputError(
                f"An MPS with the bonds {bonds[:20]} needs as many Schmidt values at each, got "
                f"arrays of shape {[values.shape for values in schmidt][:20]}. "
                "MPS.from_tensors computes them."
            )
        _set(self, "tensors", tuple(map(_read_only, tensors)))
        _set(self, "wires", wires)
        _set(self, "schmidt_values", tuple(map(_read_only, schmidt)))
        _set(self, "log_norm", float(self.log_norm))
        _set(self, "fidelity", float(self.fidelity))

    # What it is

    @property
    def norm(self) -> float:
        """<psi|psi> before the tensors were normalised; 0 where it underflows, see log_norm."""
        return math.exp(self.log_norm)

    @property
    def bond_dims(self) -> tuple[int, ...]:
        """Bond dimension between neighbouring wires, n - 1 of them."""
        return tuple(tensor.shape[2] for tensor in self.tensors[:-1])

    def __len__(self) -> int:
        """Return the number of wires."""
        return len(self.tensors)

    def __repr__(self) -> str:
        """Return a line that tells the size."""
        largest = max(self.bond_dims, default=1)
        count = "1 wire" if len(self) == 1 else f"{len(self)} wires"
        return f"MPS({count}, largest bond {largest}, fidelity {self.fidelity:.6g})"

    def __eq__(self, other: object) -> bool:
        """Return whether wires and every tensor entry are equal; see overlap for the state."""
        if not isinstance(other, MPS):
            return NotImplemented
        return self.wires == other.wires and all(
            np.array_equal(mine, theirs)
            for mine, theirs in zip(self.tensors, other.tensors, strict=True)
        )

    def __hash__(self) -> int:
        """Return a hash of wires and shapes, which equal states share."""
        return hash((self.wires, self.bond_dims))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle through the constructor, so that copies are checked and read-only, too."""
        parts = (self.tensors, self.wires, self.schmidt_values, self.log_norm, self.fidelity)
        return MPS, parts

    # Entanglement and overlap

    def entropies(self, log_base: float | None = None) -> NDArray[np.float64]:
        """Von Neumann entropy of each cut between neighbouring wires.

        Parameters
        ----------
        log_base : float, optional
            Base of the logarithm; natural by default, as in ``qml.vn_entropy``.

        Returns
        -------
        ndarray of float64, shape (wires - 1,)

        Examples
        --------
        >>> import numpy as np
        >>> MPS.from_tensors([np.eye(2), np.eye(2)]).entropies(log_base=2).round(9)
        array([1.])
        """
        unit = unit_of(log_base)
        found = np.empty(len(self) - 1)
        for bond, values in enumerate(self.schmidt_values):
            weights = np.where(values > 0, values, 1.0) ** 2  # 0 log 0 = 0
            found[bond] = max(-float((weights * np.log(weights)).sum()) / unit, 0.0) + 0.0
        return found

    def log_overlap(self, other: MPS) -> tuple[float, float]:
        """Logarithm of the size of <self|other>, and its phase.

        Parameters
        ----------
        other : MPS
            On the same wires in the same order.

        Returns
        -------
        log_magnitude : float
            Natural; -inf for orthogonal states. Never underflows.
        phase : float
            Radians.

        Raises
        ------
        InputError
            If the wires differ.

        Notes
        -----
        O(wires · bond³).

        Examples
        --------
        >>> plus = MPS.from_tensors([[1, 1]])
        >>> log_magnitude, phase = plus.log_overlap(MPS.from_tensors([[1, 0]]))
        >>> print(round(log_magnitude, 6), abs(round(phase, 9)))
        -0.346574 0.0
        """
        if not isinstance(other, MPS):
            raise InputError(f"An overlap needs another MPS, got a {type(other).__name__}.")
        if self.wires != other.wires:
            pairs = zip(self.wires, other.wires, strict=False)
            unequal = (f"{place}: {a!r} and {b!r}" for place, (a, b) in enumerate(pairs) if a != b)
            first = next(unequal, f"{min(len(self), len(other))}: there one of them ends")
            raise InputError(
                f"An overlap needs states on the same wires in the same order, got {len(self)} and "
                f"{len(other)} wires that first differ at place {first}. "
                "Give both devices the same wires."
            )
        return _core.overlap(self.tensors, other.tensors)

    def overlap(self, other: MPS) -> complex:
        """<self|other> of the normalised states.

        Parameters
        ----------
        other : MPS
            On the same wires in the same order.

        Returns
        -------
        complex
            0 where it underflows; use :meth:`log_overlap` for wide states.

        Examples
        --------
        >>> plus = MPS.from_tensors([[1, 1]])
        >>> print(round(abs(plus.overlap(MPS.from_tensors([[1, 0]]))) ** 2, 9))
        0.5
        """
        log_magnitude, phase = self.log_overlap(other)
        return cmath.rect(math.exp(log_magnitude), phase)

    def dense(self) -> NDArray[np.complex128]:
        """All 2^wires amplitudes, the first wire most significant.

        Returns
        -------
        ndarray of complex128, shape (2^wires,)

        Raises
        ------
        ResourceError
            If they need more than 0.8 of the memory that is free.

        Examples
        --------
        >>> MPS.from_tensors([[0, 1]]).dense()
        array([0.+0.j, 1.+0.j])
        """
        # The last product holds its input, which is half as long, beside its result.
        needed = 24 * 2 ** len(self)
        limit = int(_MEMORY_SHARE * available_memory())
        if needed > limit:
            raise ResourceError(
                f"The amplitudes of {len(self)} wires need 2^{len(self)} complex numbers "
                f"({needed / 2**30:.3g} GiB at work), more than the {limit / 2**30:.3g} GiB that "
                "may be taken. Use sample, probability of chosen bitstrings, or expval."
            )
        amplitudes = np.ones((1, 1), dtype=np.complex128)
        for tensor in self.tensors:
            left, _, right = tensor.shape
            # a[x r] = Σ_l a[x l] B[l (p r)], then x := (x p)
            amplitudes = (amplitudes @ tensor.reshape(left, 2 * right)).reshape(-1, right)
        return amplitudes[:, 0]


_set = object.__setattr__  # The class is frozen; only its own validation writes.


def _read_only(array: NDArray[_Number]) -> NDArray[_Number]:
    view = array.view()
    view.flags.writeable = False
    return view
