"""What kernels share: a feature map, settings, and the manners of scikit-learn's estimators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Self

import numpy as np
import pennylane as qml

from bondline.config import MpsConfig
from bondline.devices.mps import BondlineMPS
from bondline.errors import InputError, UnsupportedError
from bondline.kernels.encoding import Encoder
from bondline.kernels.feature_map import FeatureMap
from bondline.kernels.tracing import is_differentiated

DEFAULTS = MpsConfig().keywords()
_SHARED: Final = ("feature_map", "wires", "params", "entanglers")


class MapKernel:
    """A kernel of a feature map.

    Parameters
    ----------
    feature_map : callable
    wires : int or sequence of hashable
    params : object
        Trainable parameters; a tuple stands for several.
    entanglers : bool
        False leaves gates on two and more wires out of the map.
    settings : dict
        Of the device.
    own : tuple of str
        Further parameters of the kernel.
    """

    _own: tuple[str, ...] = ()

    def __init__(
        self,
        feature_map: Callable[..., Any],
        wires: Any,
        *,
        params: Any = None,
        entanglers: bool = True,
        settings: dict[str, Any],
    ) -> None:
        name = type(self).__name__
        if isinstance(feature_map, qml.QNode) or not callable(feature_map):
            raise InputError(
                f"{name} takes a plain quantum function of one row, which queues gates and "
                f"measures nothing; got a {type(feature_map).__name__}."
            )
        if not isinstance(entanglers, bool | np.bool_):
            raise InputError(f"entanglers must be True or False, got {entanglers!r}.")
        MpsConfig.from_keywords(name, settings, also=(*_SHARED, *self._own))
        self.feature_map = feature_map
        self.wires = wires
        self.params = params
        self.entanglers = bool(entanglers)
        self._settings = {**DEFAULTS, **settings}
        device: BondlineMPS = BondlineMPS(wires, **self._settings)
        if not device.wires:
            raise InputError(f"{name} needs wires, got {wires!r}.")
        self._encoder = Encoder(FeatureMap(feature_map, device, self.entanglers))

    @property
    def config(self) -> MpsConfig:
        """Settings of the engine."""
        return self._encoder.map.device.config

    def without_entanglers(self) -> Self:
        """Return the same kernel, with gates on two and more wires left out of its map.

        Returns
        -------
        kernel
            Of product states: what it explains needs no entanglement.
        """
        return type(self)(**{**self.get_params(), "entanglers": False})

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the arguments of the constructor, as scikit-learn asks for them."""
        own = {name: getattr(self, name) for name in self._own}
        return {
            **{name: getattr(self, name) for name in _SHARED},
            **own,
            **self._settings,
        }

    def set_params(self, **given: Any) -> Self:
        """Change arguments of the constructor, as scikit-learn does."""
        self.__init__(**{**self.get_params(), **given})  # type: ignore[misc]
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave what was recorded out of copies."""
        return self.get_params()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _chosen(self, params: Any) -> tuple[Any, ...]:
        """Return the arguments of the map behind the row, as they were given."""
        chosen = self.params if params is None else params
        if chosen is None:
            return ()
        return chosen if isinstance(chosen, tuple) else (chosen,)

    def _given(self, params: Any, what: str) -> tuple[Any, ...]:
        """Return them where no derivative goes through."""
        found = self._chosen(params)
        # Values without their derivative would be trained on in silence.
        if is_differentiated(found):
            raise UnsupportedError(
                f"{what} has no derivatives by the parameters of the map, and one of params is "
                "being differentiated. Detach it, or differentiate FidelityKernel.matrix of rows."
            )
        return found
