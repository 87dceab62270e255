"""Circuits of one structure: what the engine takes as one group."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bondline.measurements.requests import Requests


def _no_flags() -> NDArray[np.bool_]:
    return np.empty(0, dtype=np.bool_)


def _no_outcomes() -> NDArray[np.int8]:
    return np.empty(0, dtype=np.int8)


def _no_conditions() -> NDArray[np.int32]:
    return np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Circuits of one structure, one row of numbers each; the fields are those of the engine."""

    n_wires: int
    gates: NDArray[np.uint16]
    wire_counts: NDArray[np.uint32]
    wires: NDArray[np.uint32]
    letters: NDArray[np.uint8]
    parameters: NDArray[np.float64]
    matrices: NDArray[np.complex128]
    requests: Requests
    control_counts: NDArray[np.uint32]
    control_values: NDArray[np.uint8]
    measure_resets: NDArray[np.bool_] = field(default_factory=_no_flags)
    measure_postselects: NDArray[np.int8] = field(default_factory=_no_outcomes)
    conditions: NDArray[np.int32] = field(default_factory=_no_conditions)
    condition_measurements: tuple[tuple[int, ...], ...] = ()
    condition_tables: tuple[NDArray[np.bool_], ...] = ()
    loaded_wires: tuple[int, ...] = ()
    loaded_vectors: NDArray[np.complex128] | None = None
    loaded_tensors: tuple[NDArray[np.complex128], ...] | None = None

    def structure(self) -> tuple[object, ...]:
        """Return what circuits of one group have in common: everything but their numbers.

        Returns
        -------
        tuple, hashable
        """
        return (
            self.n_wires,
            self.gates.tobytes(),
            self.wire_counts.tobytes(),
            self.wires.tobytes(),
            self.letters.tobytes(),
            self.control_counts.tobytes(),
            self.control_values.tobytes(),
            self.measure_resets.tobytes(),
            self.measure_postselects.tobytes(),
            self.conditions.tobytes(),
            self.condition_measurements,
            tuple(table.tobytes() for table in self.condition_tables),
            self.loaded_wires,
            self.loaded_vectors is None,
            None if self.loaded_tensors is None else _digest(self.loaded_tensors),
            *self.requests.key(),
        )


def merge(members: list[Group]) -> Group:
    """Stack the rows of circuits of one structure.

    Parameters
    ----------
    members : list of Group

    Returns
    -------
    Group
    """
    first = members[0]
    if len(members) == 1:
        return first
    rows = [len(member.parameters) for member in members]
    coefficients = _stack([member.requests.variance_coefficients for member in members], rows)
    vectors = [member.loaded_vectors for member in members if member.loaded_vectors is not None]
    return replace(
        first,
        parameters=np.concatenate([member.parameters for member in members]),
        matrices=_stack([member.matrices for member in members], rows),
        loaded_vectors=_stack(vectors, rows) if vectors else None,
        requests=replace(
            first.requests,
            variance_coefficients=coefficients,
            seeds=np.concatenate([member.requests.seeds for member in members]),
        ),
    )


def _stack(parts: list[NDArray[Any]], rows: list[int]) -> NDArray[Any]:
    """Stack the numbers of several circuits; numbers that all of them share stay one row."""
    first = parts[0]
    if len(first) == 1 and all(part is first or np.array_equal(part, first) for part in parts):
        return first
    return np.concatenate(
        [
            np.broadcast_to(part, (count, part.shape[1]))
            for part, count in zip(parts, rows, strict=True)
        ]
    )


def _digest(tensors: tuple[NDArray[np.complex128], ...]) -> tuple[object, ...]:
    """Tell tensors of many megabytes apart without keeping a copy of them."""
    found = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        found.update(np.ascontiguousarray(tensor).data)
    return (*(tensor.shape for tensor in tensors), found.digest())
