"""How a state leaves for a file, a circuit or another library, and comes back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from bondline import tensor_formats
from bondline.errors import InputError
from bondline.states import files as state_files
from bondline.states.engine import canonical_form


class StateExchange:
    """The travelling half of :class:`bondline.MPS`."""

    __slots__ = ()

    if TYPE_CHECKING:
        tensors: tuple[NDArray[np.complex128], ...]
        wires: tuple[Any, ...]
        schmidt_values: tuple[NDArray[np.float64], ...]
        log_norm: float
        fidelity: float

        def __init__(
            self,
            tensors: tuple[NDArray[np.complex128], ...],
            wires: tuple[Any, ...],
            schmidt_values: tuple[NDArray[np.float64], ...],
            log_norm: float = 0.0,
            fidelity: float = 1.0,
        ) -> None: ...

    @classmethod
    def from_tensors(cls, tensors: Sequence[Any], wires: Sequence[Any] | None = None) -> Self:
        """Make a state from site tensors of any gauge and any norm.

        Parameters
        ----------
        tensors : sequence of array_like
            One per wire, of shape (left, 2, right); the ends may lack their outer axis, as in
            ``qml.MPSPrep``.
        wires : sequence of hashable, optional
            Labels; 0 … n-1 by default.

        Returns
        -------
        MPS
            Canonicalised and normalised; ``log_norm`` tells the norm that the tensors had.

        Raises
        ------
        InputError
            If the shapes do not make a chain, or the state is zero or not finite.

        Examples
        --------
        >>> from bondline import MPS
        >>> state = MPS.from_tensors([[3, 4]])
        >>> print(round(state.norm, 9), state.tensors[0].round(9).ravel())
        25.0 [0.6+0.j 0.8+0.j]
        """
        owner = "The state"
        chain, log_norm = tensor_formats.normalised(
            tensor_formats.site_tensors(tensors, owner), owner
        )
        labels = tuple(range(len(chain)) if wires is None else wires)
        found, schmidt = canonical_form(chain, labels)
        return cls(tuple(found), labels, tuple(schmidt), log_norm)

    def to_tensors(self) -> list[NDArray[np.complex128]]:
        """Return copies of the site tensors, which may be changed.

        Returns
        -------
        list of ndarray of complex128, shapes (left, 2, right)

        Examples
        --------
        >>> from bondline import MPS
        >>> MPS.from_tensors([[0, 1]]).to_tensors()[0].shape
        (1, 2, 1)
        """
        return [tensor.copy() for tensor in self.tensors]

    @classmethod
    def from_quimb(cls, state: Any, wires: Sequence[Any] | None = None) -> Self:
        """Make a state from quimb's, in any gauge and any norm.

        Parameters
        ----------
        state : quimb.tensor.MatrixProductState
            Open, of qubits.
        wires : sequence of hashable, optional
            Labels of its sites in their order; 0 … n-1 by default.

        Returns
        -------
        MPS

        Raises
        ------
        InputError
            If it is a ring, not of qubits, zero or not finite.
        """
        tensors, log_scale = tensor_formats.from_quimb(state)
        found = cls.from_tensors(tensors, wires)
        log_norm = found.log_norm + 2.0 * log_scale
        return cls(found.tensors, found.wires, found.schmidt_values, log_norm)

    def to_quimb(self) -> Any:
        """Return the state as quimb's ``MatrixProductState`` on the sites 0 … n-1.

        Returns
        -------
        quimb.tensor.MatrixProductState
            Right-canonical and normalised; the labels of the wires stay behind.

        Raises
        ------
        ImportError
            If quimb is not installed.
        """
        return tensor_formats.to_quimb(self.tensors)

    def mps_prep(self, wires: Sequence[Any] | None = None) -> Any:
        """Return the operator that prepares this state in a circuit.

        Parameters
        ----------
        wires : sequence of hashable, optional
            Where to prepare it; its own wires by default.

        Returns
        -------
        pennylane.MPSPrep

        Raises
        ------
        InputError
            If the state has one wire only.

        Examples
        --------
        >>> from bondline import MPS
        >>> MPS.from_tensors([np.eye(2), np.eye(2)]).mps_prep(wires=["a", "b"]).wires
        Wires(['a', 'b'])
        """
        tensors = tensor_formats.prep_tensors(self.tensors)
        return qml.MPSPrep(tensors, wires=list(self.wires if wires is None else wires))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state into one file, which appears complete or not at all.

        Parameters
        ----------
        path : path-like
            Taken as it is; ``.npz`` is the natural ending.

        Raises
        ------
        InputError
            If a wire label is neither a text nor an integer.
        OSError
            As writing raises it.
        """
        for wire in self.wires:
            if type(wire) not in (str, int):
                raise InputError(
                    f"A file holds wire labels that are texts or integers, got {wire!r} of type "
                    f"{type(wire).__name__}. Save MPS(state.tensors, new_wires, "
                    "state.schmidt_values)."
                )
        facts = {
            "wires": list(self.wires),
            "log_norm": self.log_norm,
            "fidelity": self.fidelity,
        }
        state_files.write_state(path, facts, self.tensors, self.schmidt_values)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file of :meth:`save`.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        MPS
            Equal to the one that was saved, to the last bit.

        Raises
        ------
        FileNotFoundError
        InputError
            If it is another kind of file, of a newer version, truncated or altered.
        """
        facts, tensors, schmidt = state_files.read_state(path)
        return cls(
            tuple(tensors),
            tuple(facts["wires"]),
            tuple(schmidt),
            facts["log_norm"],
            facts["fidelity"],
        )
