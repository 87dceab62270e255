"""The PennyLane device ``bondline.mps``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final, Unpack

import numpy as np
from pennylane.devices import Device, ExecutionConfig
from pennylane.devices.modifiers import single_tape_support
from pennylane.exceptions import DeviceError, QuantumFunctionError

from bondline import _core
from bondline.account import Account
from bondline.config import EngineSettings, MpsConfig, MpsSettings
from bondline.devices.preprocess import NAME, pipeline
from bondline.devices.snapshots import snapshot_circuits, store_snapshot
from bondline.errors import InputError
from bondline.lowering import Circuit, Lowered, lower
from bondline.report import Evidence, Report
from bondline.results import in_shape
from bondline.seeds import Seeds
from bondline.shots import Window
from bondline.warnings_once import GivenOnce

# Fidelities and bonds are no sums: they stand in a tracker's history alone.
_NO_TOTALS: Final = ("fidelity_estimate", "max_bond", "discarded_weight")


@single_tape_support
class BondlineMPS(Device):  # type: ignore[misc]  # PennyLane is not typed
    """Simulate circuits as matrix product states.

    Parameters
    ----------
    wires : int or sequence of hashable, optional
        Number or labels of the wires; their order is the order of the chain that ``state()`` and
        ``ordering="given"`` use. Without wires each circuit brings its own, in the order of first
        use, or in that of their labels if those are 0 … n-1.
    shots : None
        Give shots to the QNode: ``qml.set_shots(qnode, 1000)``.
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
    complex128 in both precisions. The device keeps its settings and the account of its last call,
    nothing else; it can be copied and pickled.

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

    def __init__(
        self, wires: Any = None, shots: Any = None, **settings: Unpack[MpsSettings]
    ) -> None:
        self._config = MpsConfig.from_keywords(NAME, settings)
        # Frozen once, so that a configuration that carries our settings is known by identity.
        self._options = ExecutionConfig(device_options=self._config.keywords()).device_options
        self._seeds = Seeds(self._config.seed)
        self._evidence: Evidence | None = None
        self._given = GivenOnce()
        self._debugger: Any = None  # set by qml.snapshots while it runs
        super().__init__(wires=wires, shots=shots)
        ordering = self._config.ordering
        if self.wires and not isinstance(ordering, str) and len(ordering) != len(self.wires):
            raise InputError(
                f"ordering lists {len(ordering)} sites, and the device has {len(self.wires)} "
                "wires. Give one entry per wire."
            )

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse to change a setting: it would do nothing."""
        if name in MpsSettings.__annotations__:
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
            If the gradient method needs derivatives of the device.
        pennylane.exceptions.DeviceError
            If mid-circuit measurements are to be handled in another way than "deferred".

        Examples
        --------
        >>> BondlineMPS().setup_execution_config().mcm_config.mcm_method == "deferred"
        True
        """
        config = ExecutionConfig() if config is None else config
        changes: dict[str, Any] = {}
        if config.gradient_method in ("device", "adjoint", "backprop"):
            raise QuantumFunctionError(
                f'{NAME} does not offer diff_method="{config.gradient_method}" in this version. '
                'Use diff_method="parameter-shift", which "best" chooses.'
            )
        if config.gradient_method == "best":
            changes["gradient_method"] = "parameter-shift"
        method = config.mcm_config.mcm_method
        if method is None:
            changes["mcm_config"] = replace(config.mcm_config, mcm_method="deferred")
        elif method != "deferred":
            raise DeviceError(
                f'{NAME} does not offer mcm_method="{method}" in this version. '
                'Use mcm_method="deferred", the default.'
            )
        given = config.device_options
        if not given:
            changes["device_options"] = self._options
        elif given is not self._options:
            changes["device_options"] = self._config_with(given).keywords()
        return replace(config, **changes) if changes else config

    def preprocess_transforms(self, execution_config: Any = None) -> Any:
        """Return the transforms that bring a circuit to native gates.

        Parameters
        ----------
        execution_config : pennylane.devices.ExecutionConfig, optional
            Not needed: the pipeline is the same for all.

        Returns
        -------
        pennylane.CompilePipeline
        """
        return pipeline(self.wires)

    def supports_derivatives(self, execution_config: Any = None, circuit: Any = None) -> bool:
        """Return False: PennyLane's parameter-shift rule differentiates in this version.

        Parameters
        ----------
        execution_config : pennylane.devices.ExecutionConfig, optional
        circuit : pennylane.tape.QuantumScript, optional

        Returns
        -------
        bool
        """
        return False

    # Running

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
        term around it.
        """
        config = self._config
        if execution_config is not None:
            config = self._config_with(execution_config.device_options)
        settings = config.engine_settings()
        if self._debugger is not None and self._debugger.active:
            self._take_snapshots(circuits, settings)
        seed = self._seeds.next_call() if any(tape.shots for tape in circuits) else None
        lowered = lower(circuits, self.wires, seed)
        outputs = _run(lowered, settings)
        values = _values(lowered, outputs)
        gradient = None if execution_config is None else execution_config.gradient_method
        self._evidence = Evidence(
            lowered.circuits, [Account.of(output) for output in outputs], config, gradient
        )
        if self.tracker.active:
            self._track(values)
        self._evidence.judge(lowered.groups, self._given)
        return values

    def _config_with(self, options: Any) -> MpsConfig:
        """Return the settings of the device, with given options in their place."""
        if not options or options is self._options:
            return self._config
        return MpsConfig.from_keywords(f"device_options of {NAME}", {**self._options, **options})

    def _take_snapshots(self, circuits: Sequence[Any], settings: EngineSettings) -> None:
        for tape in circuits:
            for tag, circuit in snapshot_circuits(tape):
                seed = self._seeds.next_call() if circuit.shots else None
                lowered = lower([circuit], self.wires or tape.wires, seed)
                (value,) = _values(lowered, _run(lowered, settings))
                store_snapshot(self._debugger.snapshots, tag, value)

    def _track(self, values: tuple[Any, ...]) -> None:
        """Update the tracker with PennyLane's keys and our own; cheap whatever the observables."""
        assert self._evidence is not None
        self.tracker.update(batches=1)
        self.tracker.record()
        for circuit, value in zip(self._evidence.circuits, values, strict=True):
            account = self._evidence.accounts[circuit.group]
            rows = circuit.rows
            self.tracker.update(
                simulations=1,
                executions=rows.stop - rows.start,
                **(
                    {"shots": circuit.bins[-1].stop * (rows.stop - rows.start)}
                    if circuit.bins
                    else {}
                ),
                results=value,
                fidelity_estimate=float(account.fidelity(rows).min()),
                max_bond=int(account.largest_bond[rows].max()),
                discarded_weight=float(account.discarded[rows].sum(axis=1).max()),
            )
            for name in _NO_TOTALS:
                self.tracker.totals.pop(name, None)
            self.tracker.record()


def _run(lowered: Lowered, settings: EngineSettings) -> list[_core.GroupResult]:
    if not isinstance(settings.ordering, str):
        for position, circuit in enumerate(lowered.circuits):
            if len(circuit.wires) != len(settings.ordering):
                raise InputError(
                    f"ordering lists {len(settings.ordering)} sites, and circuit {position} has "
                    f"{len(circuit.wires)} wires. Give one entry per wire of the device."
                )
    try:
        return _core.run(lowered.groups, settings)
    except InputError as error:
        found = lowered.locate(error)
        if found is error:
            raise
        raise found from None


def _values(lowered: Lowered, outputs: list[_core.GroupResult]) -> tuple[Any, ...]:
    """Values of each circuit in PennyLane's shapes; one measurement is not wrapped."""
    values = []
    for circuit in lowered.circuits:
        output = outputs[circuit.group]
        if circuit.seeds is None:
            found = [reading.values(output, circuit.rows) for reading in circuit.readings]
            values.append(_unwrapped(found, circuit))
            continue
        entries = []
        for shots in circuit.bins:
            window = Window(circuit.rows, shots, circuit.seeds)
            found = [reading.values(output, window) for reading in circuit.readings]
            entries.append(_unwrapped(found, circuit))
        values.append(tuple(entries) if circuit.partitioned else entries[0])
    return tuple(values)


def _unwrapped(values: list[Any], circuit: Circuit) -> Any:
    found = tuple(in_shape(value, circuit.batch) for value in values)
    return found[0] if len(found) == 1 else found
