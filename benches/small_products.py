"""Overlaps as chains of small matrix products: batched over pairs by NumPy, or one by one in C."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

States = list[NDArray[np.complex128]]
"""One array (points, left, 2, right) for each site."""


def pack(rows: Sequence[Sequence[NDArray[np.complex128]]]) -> States:
    """Put the tensors (left, 2, right) of all points side by side, padded with zeros."""
    sites = []
    for column in zip(*rows, strict=True):
        left, right = (max(tensor.shape[axis] for tensor in column) for axis in (0, 2))
        site = np.zeros((len(column), left, 2, right), dtype=np.complex128)
        for place, tensor in enumerate(column):
            site[place, : tensor.shape[0], :, : tensor.shape[2]] = tensor
        sites.append(site)
    return sites


def overlaps(
    states: States, bra: NDArray[np.intp], ket: NDArray[np.intp]
) -> NDArray[np.complex128]:
    """Contract pair after pair from left to right, all pairs in one batch."""
    edge = np.ones((len(bra), 1, 1), dtype=np.complex128)
    for site in states:
        _, left, _, right = site.shape
        # half[p, a, (s r)] = sum_l E[p, a, l] ket[p, l, (s r)]
        half = edge @ site.reshape(-1, left, 2 * right)[ket]
        # E'[p, m, r] = sum_{a s} conj(bra[p, (a s), m]) half[p, (a s), r]
        adjoint = site.conj().reshape(-1, 2 * left, right).transpose(0, 2, 1)[bra]
        edge = adjoint @ half.reshape(-1, 2 * left, right)
    return edge[:, 0, 0]


def random_states(points: int, wires: int, bond: int) -> States:
    """Draw normalised states of full bonds."""
    rng = np.random.default_rng(bond)
    bonds = [min(bond, 2 ** min(cut, wires - cut)) for cut in range(wires + 1)]
    states = []
    for left, right in pairwise(bonds):
        shape = (points, left, 2, right)
        site = rng.normal(size=shape) + 1j * rng.normal(size=shape)
        states.append(site / np.sqrt(4 * left))
    every = np.arange(points)
    states[0] /= np.sqrt(overlaps(states, every, every).real)[:, None, None, None]
    return states


def compiled(
    states: States, bra: NDArray[np.intp], ket: NDArray[np.intp], *, blas: bool
) -> Callable[[], NDArray[np.complex128]]:
    """Return what contracts pair after pair in C, by loops compiled for this machine or a BLAS."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "small_products.so"
        source = Path(__file__).with_suffix(".c")
        flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
        subprocess.run(["cc", *flags, "-o", str(library), str(source)], check=True)
        function = ctypes.CDLL(str(library)).overlaps
    bonds = np.array([1, *(site.shape[3] for site in states)], dtype=np.intc)
    points = len(states[0])
    entries = np.concatenate([site.reshape(points, -1) for site in states], axis=1)
    pairs = np.array([bra, ket], dtype=ctypes.c_long)
    found = np.empty(len(bra), dtype=np.complex128)

    def call() -> NDArray[np.complex128]:
        function(
            _zgemm() if blas else None,
            ctypes.c_int(len(states)),
            bonds.ctypes,
            ctypes.c_long(entries.shape[1]),
            entries.ctypes,
            ctypes.c_long(len(bra)),
            pairs[0].ctypes,
            pairs[1].ctypes,
            found.ctypes,
        )
        return found

    return call


def _zgemm() -> ctypes.c_void_p:
    """Return the matrix product of the BLAS (OpenBLAS) that SciPy brings."""
    from scipy.linalg import cython_blas  # pennylane has it

    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    name = ctypes.pythonapi.PyCapsule_GetName
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    capsule = cython_blas.__pyx_capi__["zgemm"]
    return ctypes.c_void_p(pointer(capsule, name(capsule)))
