"""The PennyLane device ``bondline.mps``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import numpy as np
from pennylane.devices import Device, ExecutionConfig
from pennylane.devices.modifiers import single_tape_support
from pennylane.exceptions import QuantumFunctionError
from pennylane.logging import debug_logger, debug_logger_init

from bondline.circuits.lowered import Circuit, Lowered
from bondline.config import MpsConfig, MpsSettings
from bondline.devices import mid_circuit
from bondline.devices.configurations import changed
from bondline.devices.derivative_methods import DerivativeMethods
from bondline.devices.differentiability import METHODS, differentiated_by_device, refusal
from bondline.devices.execution import require_ordering, run, values_of
from bondline.devices.preprocess import NAME, pipeline
from bondline.devices.shift_rules import rule_of
from bondline.devices.snapshots import snapshot_circuits, store_snapshot
from bondline.measurements.requests import Requests
from bondline.measurements.seeds import Seeds
from bondline.operators.preparations import InitialState, require_state
from bondline.reports.account import Account, GradientAccount
from bondline.reports.evidence import Evidence
from bondline.reports.report import Report
from bondline.reports.warnings_once import GivenOnce

if TYPE_CHECKING:
    from bondline._core import GroupGradient, GroupResult


@single_tape_support
class BondlineMPS(DerivativeMethods, Device):  # type: ignore[misc]  # PennyLane is not typed
    """Simulate circuits as matrix product states.

    Parameters
    ----------
    wires : int or sequence of hashable, optional
        Number or labels of the wires; their order is the order of the chain that ``state()`` and
        ``ordering="given"`` use. Without wires each circuit brings its own, in the order of first
        use, or in that of their labels if those are 0 … n-1.
    shots : None
        Give shots to the QNode: ``qml.set_shots(qnode, 1000)``.
    initial_state : bondline.MPS, optional
        What every circuit starts from that does not begin with a preparation of its own: an object
        with ``wires`` (labels) and ``tensors``, one array (left, 2, right) for each of them.
    **settings
        Fields of :class:`bondline.MpsConfig`: ``max_bond_dim``, ``cutoff``, ``c_dtype``,
        ``readout``, ``ordering``, ``min_fidelity``, ``on_low_fidelity``, ``threads``, ``seed``,
        ``memory_limit``, ``gradient``, ``truncation``.

    Raises
    ------
    TypeError
        If a setting is unknown; the message names the closest known one.
    InputError
        If a setting has a value that makes no sense.

    Notes
    -----
    Cost per circuit: O(gates · max_bond_dim³) in the worst case. Results are float64 or
    complex128 in both precisions. The device keeps its settings, the number of its calls with
    shots and the account of its last call, nothing else; it can be copied and pickled. Its
    settings are fixed: make another device for others.

    Examples
    --------
    >>> import pennylane as qml
    >>> dev = qml.device("bondline.mps", wires=2, max_bond_dim=16)
    >>> @qml.qnode(dev)
    ... def bell():
    ...     qml.Hadamard(0)
    ...     qml.CNOT([0, 1])
    ...     return qml.expval(qml.Z(0) @ qml.Z(1))
    >>> print(round(float(bell()), 12))
    1.0
    """

    pennylane_requires: ClassVar[str] = ">=0.45"
    short_name: ClassVar[str] = NAME
    author: ClassVar[str] = "The bondline authors"
    config_filepath: ClassVar[str] = str(Path(__file__).with_name("mps.toml"))

    @debug_logger_init  # type: ignore[untyped-decorator]  # PennyLane is not typed
    def __init__(
        self,
        wires: Any = None,
        shots: Any = None,
        *,
        initial_state: InitialState | None = None,
        **settings: Unpack[MpsSettings],
    ) -> None:
        self._config = MpsConfig.from_keywords(NAME, settings, also=("initial_state",))
        # Frozen once, so that a configuration that carries our settings is known by identity.
        self._options = ExecutionConfig(device_options=self._config.keywords()).device_options
        self._seeds = Seeds(self._config.seed)
        self._initial_state = initial_state
        self._evidence: Evidence | None = None
        self._given = GivenOnce()
        self._debugger: Any = None  # set by qml.snapshots while it runs
        super().__init__(wires=wires, shots=shots)
        if self.wires:
            require_ordering(self._config.ordering, len(self.wires), "the device")
        if initial_state is not None:
            require_state(initial_state, self.wires)

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse to change a setting: circuits may have been compiled for it."""
        if name in MpsSettings.__annotations__ or name == "initial_state":
            raise AttributeError(
                f"The settings of {NAME} are fixed. For another {name} make another device: "
                f'qml.device("{NAME}", {name}=…).'
            )
        super().__setattr__(name, value)

    @property
    def name(self) -> str:
        """Name under which ``qml.device`` knows the device."""
        return NAME

    @property
    def config(self) -> MpsConfig:
        """Settings of the device."""
        return self._config

    def with_settings(self, **settings: Unpack[MpsSettings]) -> BondlineMPS:
        """Return another device on the same wires, with some settings in place of its own.

        Parameters
        ----------
        **settings
            Fields of :class:`bondline.MpsConfig`.

        Returns
        -------
        BondlineMPS

        Examples
        --------
        >>> BondlineMPS(wires=2, cutoff=0.0).with_settings(max_bond_dim=8).config.cutoff
        0.0
        """
        kept = {**self._config.keywords(), **settings}
        other: BondlineMPS = BondlineMPS(self.wires, initial_state=self._initial_state, **kept)
        return other

    @property
    def c_dtype(self) -> np.dtype[Any]:
        """Working precision, complex128 or complex64."""
        return np.dtype(self._config.c_dtype)

    @property
    def reports(self) -> tuple[Report, ...]:
        """Reports of the last call, one for each circuit or row of a batched circuit.

        At most the last 1024; empty before the first call and after copying.

        Examples
        --------
        >>> import pennylane as qml
        >>> dev = BondlineMPS(wires=2)
        >>> tape = qml.tape.QuantumScript([qml.CNOT([0, 1])], [qml.expval(qml.Z(1))])
        >>> value = dev.execute(tape)
        >>> dev.reports[0].largest_bond
        1
        """
        return () if self._evidence is None else tuple(self._evidence.reports())

    def __getstate__(self) -> dict[str, Any]:
        """Leave the account of the last call out of copies."""
        return {**self.__dict__, "_evidence": None, "_given": GivenOnce(), "_debugger": None}

    # What PennyLane asks before a circuit runs

    @debug_logger  # type: ignore[untyped-decorator]
    def setup_execution_config(self, config: Any = None, circuit: Any = None) -> Any:
        """Resolve what a configuration leaves open; a resolved one comes back equal.

        Parameters
        ----------
        config : pennylane.devices.ExecutionConfig, optional
        circuit : pennylane.tape.QuantumScript, optional

        Returns
        -------
        pennylane.devices.ExecutionConfig
            With the settings of the device in ``device_options``, where given ones win.

        Raises
        ------
        pennylane.exceptions.QuantumFunctionError
            If derivatives of the device are asked for by name and the circuit has none.
        pennylane.exceptions.DeviceError
            If mid-circuit measurements are to be handled in a way that is not offered.

        Examples
        --------
        >>> BondlineMPS().setup_execution_config().mcm_config.mcm_method == "device"
        True
        """
        config = ExecutionConfig() if config is None else config
        changes = self._gradient(config, circuit)
        mid_circuit.require_jit_shapes(circuit, config.interface)
        adjoint = changes.get("gradient_method", config.gradient_method) == "adjoint"
        measuring = mid_circuit.resolve(
            config.mcm_config, circuit, self.wires, differentiated=adjoint
        )
        if measuring is not config.mcm_config:
            changes["mcm_config"] = measuring
        given = config.device_options
        if not given:
            changes["device_options"] = self._options
        elif given is not self._options:
            changes["device_options"] = self._config_with(given).keywords()
            return replace(config, **changes)
        return changed(config, **changes) if changes else config

    def _gradient(self, config: Any, circuit: Any) -> dict[str, Any]:
        """Return what a configuration leaves open about derivatives."""
        method = config.gradient_method
        if method == "backprop":
            raise QuantumFunctionError(
                f'{NAME} does not offer diff_method="backprop": no framework sees inside the '
                'engine. Use diff_method="adjoint", which "best" chooses.'
            )
        if method in METHODS:
            found = self._obstacle(config, circuit)
            if found is None:
                watched = self._debugger is not None and self._debugger.active
                return differentiated_by_device(config, circuit, self.wires, watched=watched)
            if method != "best":
                raise QuantumFunctionError(refusal(found, method))
            method = "parameter-shift"
        rule = rule_of(circuit, method)
        return {} if rule is config.gradient_method else {"gradient_method": rule}

    @debug_logger  # type: ignore[untyped-decorator]
    def preprocess_transforms(self, execution_config: Any = None) -> Any:
        """Return the transforms that bring a circuit to native gates.

        Parameters
        ----------
        execution_config : pennylane.devices.ExecutionConfig, optional
            Says how mid-circuit measurements are handled, and whether the device differentiates;
            without it, by the device, and no.

        Returns
        -------
        pennylane.CompilePipeline
        """
        initial = self._initial_state is not None
        return pipeline(self.wires, execution_config, initial=initial)

    # Running

    @debug_logger  # type: ignore[untyped-decorator]
    def execute(self, circuits: Any, execution_config: Any = None) -> Any:
        """Run circuits; those of one structure run as one batch.

        Parameters
        ----------
        circuits : pennylane.tape.QuantumScript or sequence of them
            Of native gates, as the pipeline of the device makes them.
        execution_config : pennylane.devices.ExecutionConfig, optional

        Returns
        -------
        value, or tuple of values
            One entry per circuit: a value, or a tuple of values for several measurements. Values
            are float64 or complex128 with the batch axis first.

        Raises
        ------
        BondlineError, pennylane.exceptions.DeviceError, pennylane.exceptions.WireError
            Before any work, if a circuit or a setting makes no sense or is not offered.
        NumericalError
            If a factorization fails.
        LowFidelityError
            If too much was discarded and the setting is "raise".

        Notes
        -----
        O(gates · max_bond_dim³) per circuit in the engine; about 1 µs a gate and 3 µs a Pauli
        term around it. With the gradient method "adjoint" the state is never re-canonicalised on
        the way, so that values and their derivatives belong to one program.
        """
        if self._debugger is not None and self._debugger.active:
            self._take_snapshots(circuits, execution_config)
        return self.run_lowered(self.lowered(circuits, execution_config), execution_config)

    def read_states(
        self,
        circuits: Sequence[Any],
        ask: Callable[[tuple[Any, ...]], Requests],
        execution_config: Any = None,
    ) -> tuple[list[Circuit], list[GroupResult]]:
        """Run circuits and read from their states what no measurement of PennyLane asks for.

        Parameters
        ----------
        circuits : sequence of pennylane.tape.QuantumScript
            Of native gates; their measurements only name wires.
        ask : callable
            From the labels of the wires, in the order of their indices, to the request.
        execution_config : pennylane.devices.ExecutionConfig, optional

        Returns
        -------
        circuits : list of Circuit
        results : list of GroupResult
            The group of each circuit.

        Raises
        ------
        LowFidelityError
            If too much was discarded and the setting is "raise".
        """
        config = self._config_of(execution_config)
        lowered = self.lowered(circuits, execution_config).asking(ask)
        outputs = run(lowered, config.engine_settings(), self.wires)
        self._keep(lowered, outputs, config, execution_config).judge(lowered.groups, self._given)
        return list(lowered.circuits), [outputs[circuit.group] for circuit in lowered.circuits]

    def _keep(
        self,
        lowered: Lowered,
        outputs: list[GroupResult],
        config: MpsConfig,
        execution: Any,
        gradients: Sequence[GroupGradient | None] = (),
    ) -> Evidence:
        method = None if execution is None else execution.gradient_method
        if gradients and method is None:
            method = "adjoint"
        accounts = [Account.of(output) for output in outputs]
        told = [None if found is None else GradientAccount.of(found) for found in gradients]
        self._evidence = Evidence(lowered.circuits, accounts, config, method, told)
        return self._evidence

    def _config_of(self, execution_config: Any) -> MpsConfig:
        options = None if execution_config is None else execution_config.device_options
        return self._config_with(options)

    def _config_with(self, options: Any) -> MpsConfig:
        """Return the settings of the device, with given options in their place."""
        if not options or options is self._options:
            return self._config
        return MpsConfig.from_keywords(f"device_options of {NAME}", {**self._options, **options})

    def _take_snapshots(self, circuits: Sequence[Any], execution_config: Any) -> None:
        config = self._config_of(execution_config)
        for tape in circuits:
            for tag, circuit in snapshot_circuits(tape):
                lowered = self.lowered([circuit], execution_config, tape.wires)
                (value,) = values_of(lowered, run(lowered, config.engine_settings(), self.wires))
                store_snapshot(self._debugger.snapshots, tag, value)
