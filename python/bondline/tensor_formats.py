"""Site tensors as others write them: plain lists, PennyLane's MPSPrep, quimb."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bondline import _core
from bondline.errors import InputError

Tensors = list[NDArray[np.complex128]]


def site_tensors(arrays: Sequence[Any], owner: str) -> Tensors:
    """Bring site tensors to the shape (left, 2, right) and check that they make a chain.

    Parameters
    ----------
    arrays : sequence of array_like
        One per site, of shape (left, 2, right) with left = 1 at the first and right = 1 at the
        last. The ends may lack their outer axis: (2, right) and (left, 2), and (2,) for a single
        site.
    owner : str
        What they belong to; begins the message.

    Returns
    -------
    list of ndarray of complex128

    Raises
    ------
    InputError

    Examples
    --------
    >>> [tensor.shape for tensor in site_tensors([np.eye(2), np.eye(2)], "A state")]
    [(1, 2, 2), (2, 2, 1)]
    """
    if not len(arrays):
        raise InputError(f"{owner} needs at least one site tensor, got none.")
    tensors = []
    right = 1
    last = len(arrays) - 1
    for site, array in enumerate(arrays):
        tensor = _complex(array, site, owner)
        given = tensor.shape
        if tensor.ndim < 3 and site == 0:
            tensor = tensor[None]
        if tensor.ndim < 3 and site == last:
            tensor = tensor[..., None]
        if tensor.ndim != 3 or tensor.shape[1] != 2 or 0 in tensor.shape:
            raise InputError(
                f"{owner} has {len(arrays)} tensors, each of the shape (left bond, 2, right bond); "
                f"tensor {site} has {given}. Move its axes with np.transpose."
            )
        if tensor.shape[0] != right:
            before = f"tensor {site - 1} has the right bond {right}" if site else "it must be 1"
            raise InputError(
                f"{owner} has a tensor {site} with the left bond {tensor.shape[0]}, but {before}: "
                "neighbours must agree, and the chain is open."
            )
        right = tensor.shape[2]
        if not np.isfinite(tensor).all():
            raise InputError(f"{owner} has a tensor {site} with an entry that is not finite.")
        tensors.append(tensor)
    if right != 1:
        raise InputError(
            f"{owner} has a last tensor with the right bond {right}, and 1 is needed: "
            "the chain is open, not a ring."
        )
    return tensors


def normalised(tensors: Tensors, owner: str) -> tuple[Tensors, float]:
    """Scale the tensors of a state so that its norm is 1.

    Parameters
    ----------
    tensors : list of ndarray of complex128, shapes (left, 2, right)
    owner : str
        What they belong to; begins the message.

    Returns
    -------
    tensors : list of ndarray
    log_norm : float
        Natural logarithm of <psi|psi> as it was.

    Raises
    ------
    InputError
        If the state is zero.

    Examples
    --------
    >>> found, log_norm = normalised([np.full((1, 2, 1), 3.0 + 0j)], "A state")
    >>> found[0].ravel().real.round(6), round(np.exp(log_norm))
    (array([0.707107, 0.707107]), 18)
    """
    log_scale = 0.0
    scaled = []
    for tensor in tensors:
        # Products of many entries of one size neither overflow nor underflow.
        largest = float(np.abs(tensor).max()) or 1.0
        scaled.append(tensor / largest)
        log_scale += math.log(largest)
    log_norm, _ = _core.overlap(scaled, scaled)
    if not math.isfinite(log_norm):
        raise InputError(f"{owner} is zero: there is no norm to divide its tensors by.")
    factor = math.exp(-log_norm / (2 * len(scaled)))
    return [tensor * factor for tensor in scaled], log_norm + 2.0 * log_scale


def prep_tensors(tensors: Sequence[NDArray[np.complex128]]) -> Tensors:
    """Write site tensors as ``qml.MPSPrep`` takes them.

    Parameters
    ----------
    tensors : sequence of ndarray of complex128, shapes (left, 2, right)

    Returns
    -------
    list of ndarray of complex128
        Of shapes (2, right), (left, 2, right) …, (left, 2). Bonds are filled with zeros up to
        powers of two, which MPSPrep demands; the state is the same.

    Raises
    ------
    InputError
        If there is one site only, which MPSPrep cannot hold.
    """
    if len(tensors) < 2:
        raise InputError("qml.MPSPrep needs at least two wires, got one. Use qml.StatePrep.")
    padded = []
    for tensor in tensors:
        left, right = (1 << (bond - 1).bit_length() for bond in (tensor.shape[0], tensor.shape[2]))
        full = np.zeros((left, 2, right), dtype=np.complex128)
        full[: tensor.shape[0], :, : tensor.shape[2]] = tensor
        padded.append(full)
    padded[0] = padded[0][0]
    padded[-1] = padded[-1][..., 0]
    return padded


def to_quimb(tensors: Sequence[NDArray[np.complex128]]) -> Any:
    """Build quimb's matrix product state.

    Parameters
    ----------
    tensors : sequence of ndarray of complex128, shapes (left, 2, right)

    Returns
    -------
    quimb.tensor.MatrixProductState
        Sites 0 … n-1 with the physical indices ``k0`` …; our axes are quimb's ``"lpr"``.

    Raises
    ------
    ImportError
        If quimb is not installed.
    """
    try:
        quimb = importlib.import_module("quimb.tensor")
    except ImportError as error:
        raise ImportError(
            "to_quimb needs quimb, which is not installed here. Install it with "
            "`pip install quimb`, or take the arrays themselves with to_tensors()."
        ) from error
    arrays = [np.array(tensor) for tensor in tensors]
    arrays[0] = arrays[0][0]
    arrays[-1] = arrays[-1][..., 0]
    return quimb.MatrixProductState(arrays, shape="lpr")


def from_quimb(state: Any) -> tuple[Tensors, float]:
    """Take the site tensors out of quimb's matrix product state.

    Parameters
    ----------
    state : quimb.tensor.MatrixProductState
        Open, of qubits; its sites in their order become the wires.

    Returns
    -------
    tensors : list of ndarray of complex128, shapes (left, 2, right)
    log_scale : float
        Natural logarithm of the factor that quimb keeps beside the tensors.

    Raises
    ------
    InputError
        If it is no such state.
    """
    if not hasattr(state, "permute_arrays") or not hasattr(state, "gen_sites_present"):
        raise InputError(
            "from_quimb needs a quimb.tensor.MatrixProductState, "
            f"got a {type(state).__name__}. For arrays use MPS.from_tensors."
        )
    if state.cyclic:
        raise InputError(
            "from_quimb needs an open chain, got a ring. Cut it with quimb before, "
            "for example by compressing the closing bond into the others."
        )
    ordered = state.copy()
    ordered.permute_arrays("lpr")
    arrays = [ordered[ordered.site_tag(site)].data for site in ordered.gen_sites_present()]
    scale = float(getattr(ordered, "exponent", 0.0)) * math.log(10.0)
    return site_tensors(arrays, "The state of quimb"), scale


def _complex(array: Any, site: int, owner: str) -> NDArray[np.complex128]:
    try:
        return np.asarray(array, dtype=np.complex128)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{owner} has a tensor {site} that is no array of numbers: {error}."
        ) from None
