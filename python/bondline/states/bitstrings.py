"""Bitstrings, as users write them, as an array of zeros and ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bondline.errors import InputError


def as_bits(bitstrings: Any) -> tuple[NDArray[np.uint8], bool]:
    """Read one bitstring or several.

    Parameters
    ----------
    bitstrings : str, sequence of str, or array_like of 0, 1 or bool
        An array has the shape (wires,) or (strings, wires).

    Returns
    -------
    bits : ndarray of uint8, shape (strings, wires)
    single : bool
        Whether one string was given by itself.

    Raises
    ------
    InputError
        If an entry is neither 0 nor 1, or the strings differ in length. Integers do not stand for
        bitstrings: they do not say how many wires they mean.

    Examples
    --------
    >>> as_bits(["01", "11"])[0]
    array([[0, 1],
           [1, 1]], dtype=uint8)
    >>> as_bits(6)
    Traceback (most recent call last):
    ...
    bondline.errors.InputError: bitstrings must be ... got 6 of type int. ...
    """
    if isinstance(bitstrings, str):
        return _from_text([bitstrings]), True
    if isinstance(bitstrings, Sequence) and any(isinstance(entry, str) for entry in bitstrings):
        return _from_text(bitstrings), False
    try:
        found = np.asarray(bitstrings)
    except ValueError as error:
        raise InputError(
            f"bitstrings must all have one length, one entry per wire ({error})."
        ) from None
    if found.dtype.kind not in "biuf" or found.ndim not in (1, 2):
        raise InputError(
            "bitstrings must be an array of shape (strings, wires) with entries 0 and 1, or a list "
            f'of texts like "0110", got {_shown(bitstrings)}. Write the integer 6 on four wires as '
            'format(6, "04b").'
        )
    if found.size and not np.isin(found, (0, 1)).all():
        raise InputError(
            f"bitstrings must have entries 0 and 1 only, got {_first_other(found)!r}. Integers do "
            'not stand for bitstrings: write the integer 6 on four wires as format(6, "04b").'
        )
    return np.atleast_2d(found).astype(np.uint8), found.ndim == 1


def require_width(bits: NDArray[np.uint8], wires: Sequence[Any]) -> None:
    """Raise unless every bitstring has one entry per wire.

    Parameters
    ----------
    bits : ndarray of uint8, shape (strings, wires)
    wires : sequence
        Labels, in the order of the entries.

    Raises
    ------
    InputError

    Examples
    --------
    >>> require_width(as_bits("01")[0], ("a", "b"))
    """
    if bits.shape[1] != len(wires):
        shown = ", ".join(map(repr, wires[:8])) + (", …" if len(wires) > 8 else "")
        raise InputError(
            f"A bitstring needs one entry for each of the {len(wires)} wires, in the order "
            f"{shown}; got strings of length {bits.shape[1]}. For some of the wires use qml.probs."
        )


def _from_text(texts: Sequence[Any]) -> NDArray[np.uint8]:
    for text in texts:
        if not isinstance(text, str) or not text or text.strip("01"):
            raise InputError(
                f'bitstrings must be texts of 0 and 1 like "0110", got {_shown(text)}.'
            )
    lengths = {len(text) for text in texts}
    if len(lengths) > 1:
        raise InputError(
            "bitstrings must all have one length, one entry per wire; "
            f"got the lengths {sorted(lengths)[:8]}."
        )
    flat = np.frombuffer("".join(texts).encode("ascii"), dtype=np.uint8) - np.uint8(ord("0"))
    bits: NDArray[np.uint8] = flat.reshape(len(texts), -1)
    return bits


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text[:40] + '…' if len(text) > 40 else text} of type {type(value).__name__}"


def _first_other(found: NDArray[Any]) -> Any:
    return found[~np.isin(found, (0, 1))].flat[0].item()
