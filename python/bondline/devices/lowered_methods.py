"""Circuits that are lowered, and run when they are: methods of the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bondline.circuits.lowered import Lowered
from bondline.circuits.lowering import Postselection, lower
from bondline.config import MpsConfig
from bondline.devices.execution import run, track, values_of
from bondline.measurements.seeds import CallSeed, Seeds
from bondline.operators.preparations import InitialState
from bondline.reports.evidence import Evidence
from bondline.reports.warnings_once import GivenOnce


class LoweredMethods:
    """What stands between the circuits of PennyLane and the engine."""

    wires: Any
    tracker: Any
    _given: GivenOnce
    _seeds: Seeds
    _initial_state: InitialState | None

    # What the device itself has.

    def _config_of(self, execution_config: Any) -> MpsConfig:
        raise NotImplementedError

    def _keep(
        self, lowered: Lowered, outputs: list[Any], config: MpsConfig, execution: Any
    ) -> Evidence:
        raise NotImplementedError

    @property
    def initial_state(self) -> InitialState | None:
        """State that circuits start from unless they bring their own."""
        return self._initial_state

    def next_seed(self) -> CallSeed:
        """Return the seed of the next call with shots."""
        return self._seeds.next_call()

    def lowered(
        self,
        circuits: Sequence[Any],
        config: Any,
        wires: Any = None,
        *,
        differentiated: bool = False,
        seed: CallSeed | None = None,
    ) -> Lowered:
        """Lower circuits of native gates, with the seed of the next call if there are shots."""
        if seed is None and any(tape.shots for tape in circuits):
            seed = self.next_seed()
        fill = config is not None and config.mcm_config.postselect_mode == "fill-shots"
        postselection: Postselection = "fill" if fill else "drop"
        return lower(
            circuits,
            self.wires or wires,
            seed,
            postselection=postselection,
            initial=self._initial_state,
            differentiated=differentiated,
        )

    def run_lowered(self, lowered: Lowered, execution_config: Any = None) -> tuple[Any, ...]:
        """Run circuits that are lowered already; see :meth:`execute`."""
        config = self._config_of(execution_config)
        differentiable = (
            execution_config is not None and execution_config.gradient_method == "adjoint"
        )
        settings = config.engine_settings(differentiable=differentiable)
        outputs = run(lowered, settings, self.wires)
        values = values_of(lowered, outputs)
        evidence = self._keep(lowered, outputs, config, execution_config)
        if self.tracker.active:
            track(self.tracker, lowered.tapes, evidence, values, batches=1)
        evidence.judge(lowered.groups, self._given)
        return values
