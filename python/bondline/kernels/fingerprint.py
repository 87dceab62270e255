"""What two encoded sets must have in common, and what differs if they have not."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bondline.config import MpsConfig


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Feature map and settings of a set.

    Attributes
    ----------
    circuit : str
        Digest of gates and formulas.
    params : str
        Digest of the trainable parameters.
    wires : str
    features : int
    settings : dict
        Those that change a state.
    """

    circuit: str
    params: str
    wires: str
    features: int
    settings: dict[str, Any]

    def digest(self) -> str:
        """Return it as one hexadecimal string."""
        return digest(json.dumps(asdict(self), sort_keys=True))

    def differences(self, other: Fingerprint) -> list[str]:
        """Say what another one has in place of its own; nothing if they are equal."""
        found = [
            f"{name} {own!r} and {others!r}"
            for name, own, others in (
                ("features", self.features, other.features),
                ("wires", self.wires, other.wires),
                *((name, value, other.settings.get(name)) for name, value in self.settings.items()),
            )
            if own != others
        ]
        if self.circuit != other.circuit:
            found.append("feature maps that differ in gates or angles")
        if self.params != other.params:
            found.append("other trainable parameters")
        return found


def settings_of(config: MpsConfig) -> dict[str, Any]:
    """Return the settings that change a state, as JSON holds them."""
    engine = config.engine_settings()
    ordering = engine.ordering
    return {
        "max_bond_dim": engine.max_bond_dim,
        "cutoff": engine.cutoff,
        "c_dtype": str(np.dtype(config.c_dtype)),
        "ordering": ordering if isinstance(ordering, str) else list(ordering),
        "truncation": engine.truncation,
    }


def digest(*parts: Any) -> str:
    """Digest texts, bytes and arrays.

    Parameters
    ----------
    *parts : str, bytes or ndarray

    Returns
    -------
    str

    Examples
    --------
    >>> digest("a", np.ones(2)) == digest("a", np.ones(2)) != digest("a")
    True
    """
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            found.update(f"{part.dtype.str}{part.shape}".encode())
            part = np.ascontiguousarray(part).tobytes()
        found.update(part.encode() if isinstance(part, str) else part)
        found.update(b"|")
    return found.hexdigest()
