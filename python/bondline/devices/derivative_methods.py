"""What PennyLane calls for derivatives: methods of the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pennylane.exceptions import QuantumFunctionError
from pennylane.logging import debug_logger

from bondline.circuits.lowered import Lowered
from bondline.config import MpsConfig
from bondline.devices.derivative_shapes import (
    empty_jacobian,
    jacobian_in_shape,
    pull_of,
    vjp_in_shape,
)
from bondline.devices.differentiability import METHODS, obstacle, refusal, warn_of_shifts
from bondline.devices.execution import track, track_derivatives, values_of
from bondline.devices.gradients import Derivatives, differentiate
from bondline.devices.lowered_methods import LoweredMethods
from bondline.devices.pulls import (
    NOTHING,
    Asked,
    is_trained,
    shapes_of,
    whole_jacobians,
)
from bondline.reports.evidence import Evidence


class DerivativeMethods(LoweredMethods):
    """Derivatives of the values of circuits, by the engine.

    Notes
    -----
    One call of the engine for all circuits of a call, about two forward runs for all parameters
    together. Value and derivative belong to one program, whose state is never re-canonicalised on
    the way: with the gradient method "adjoint", :meth:`execute` runs that program, too.
    """

    # What the device itself has.

    def _config_with(self, options: Any) -> MpsConfig:
        raise NotImplementedError

    def _keep(
        self,
        lowered: Lowered,
        outputs: list[Any],
        config: MpsConfig,
        execution: Any,
        gradients: Any = None,
    ) -> Evidence:
        raise NotImplementedError

    # What PennyLane asks before a circuit runs

    @debug_logger  # type: ignore[untyped-decorator]  # PennyLane is not typed
    def supports_derivatives(self, execution_config: Any = None, circuit: Any = None) -> bool:
        """Return whether the device differentiates a circuit, or circuits in general.

        Parameters
        ----------
        execution_config : pennylane.devices.ExecutionConfig, optional
        circuit : pennylane.tape.QuantumScript, optional
            Without one, the answer is about circuits in general.

        Returns
        -------
        bool
            False for circuits with shots, with mid-circuit measurements, or with a measurement
            that is no expval, var or probs on few wires.

        Raises
        ------
        pennylane.exceptions.QuantumFunctionError
            If the method is asked for by its name and this circuit has no derivative: PennyLane
            would raise the same error without the reason.

        Examples
        --------
        >>> import pennylane as qml
        >>> qml.device("bondline.mps").supports_derivatives()
        True
        """
        method = "best" if execution_config is None else execution_config.gradient_method
        if method not in METHODS:
            return False
        found = self._obstacle(execution_config, circuit)
        if found is None:
            return True
        if circuit is not None:
            if method != "best":
                raise QuantumFunctionError(refusal(found, method))
            warn_of_shifts(found, circuit, self._given)
        return False

    @debug_logger  # type: ignore[untyped-decorator]
    def supports_vjp(self, execution_config: Any = None, circuit: Any = None) -> bool:
        """Return the answer of :meth:`supports_derivatives`.

        Parameters
        ----------
        execution_config : pennylane.devices.ExecutionConfig, optional
        circuit : pennylane.tape.QuantumScript, optional

        Returns
        -------
        bool
        """
        return bool(self.supports_derivatives(execution_config, circuit))

    @debug_logger  # type: ignore[untyped-decorator]
    def supports_jvp(self, execution_config: Any = None, circuit: Any = None) -> bool:
        """Return False: PennyLane forms such products from the Jacobian.

        Parameters
        ----------
        execution_config : pennylane.devices.ExecutionConfig, optional
        circuit : pennylane.tape.QuantumScript, optional

        Returns
        -------
        bool
        """
        return False

    def _obstacle(self, execution_config: Any, circuit: Any) -> Any:
        options = None if execution_config is None else execution_config.device_options
        setting = self._config_with(options).gradient
        return obstacle(circuit, execution_config, self.wires, setting=setting)

    # Running

    @debug_logger  # type: ignore[untyped-decorator]
    def compute_derivatives(self, circuits: Any, execution_config: Any = None) -> Any:
        """Return Jacobians of circuits by their trainable parameters.

        Parameters
        ----------
        circuits : pennylane.tape.QuantumScript or sequence of them
            Of native gates, as the pipeline of the device makes them.
        execution_config : pennylane.devices.ExecutionConfig, optional

        Returns
        -------
        Jacobian, or tuple of Jacobians
            For each circuit an array, or a tuple over the parameters, or a tuple over the
            measurements of these; of a batch, the batch axis is first in each array.

        Raises
        ------
        BondlineError, pennylane.exceptions.QuantumFunctionError
            Before any work, if there is no derivative.

        Notes
        -----
        One pass for all outputs; see :meth:`compute_vjp` for a weighted sum of many.

        Examples
        --------
        >>> import pennylane as qml
        >>> tape = qml.tape.QuantumScript([qml.RX(0.5, 0)], [qml.expval(qml.Z(0))])
        >>> print(qml.device("bondline.mps").compute_derivatives(tape).round(6))
        -0.479426
        """
        if self.tracker.active:
            track_derivatives(self.tracker, derivative_batches=1, derivatives=len(circuits))
        return self._jacobians(circuits, execution_config)[1]

    @debug_logger  # type: ignore[untyped-decorator]
    def execute_and_compute_derivatives(self, circuits: Any, execution_config: Any = None) -> Any:
        """Return values of circuits and their Jacobians, from one run.

        Parameters
        ----------
        circuits : pennylane.tape.QuantumScript or sequence of them
        execution_config : pennylane.devices.ExecutionConfig, optional

        Returns
        -------
        values, Jacobians
            As :meth:`execute` and :meth:`compute_derivatives` return them.
        """
        values, jacobians, evidence = self._jacobians(circuits, execution_config)
        if self.tracker.active:
            counts = {"execute_and_derivative_batches": 1, "derivatives": len(circuits)}
            track(self.tracker, circuits, evidence, values, **counts)
        return values, jacobians

    @debug_logger  # type: ignore[untyped-decorator]
    def compute_vjp(self, circuits: Any, cotangents: Any, execution_config: Any = None) -> Any:
        """Return products of vectors with the Jacobians of circuits.

        Parameters
        ----------
        circuits : pennylane.tape.QuantumScript or sequence of them
        cotangents : sequence
            For each circuit an array for each measurement, or one array for a single one: of the
            shape of its value, or with one axis more in front, for several vectors at once.
        execution_config : pennylane.devices.ExecutionConfig, optional

        Returns
        -------
        tuple, or tuple of tuples
            For each circuit an array for each trainable parameter, of the shape () or (vectors,).

        Notes
        -----
        However many values a circuit has, their weighted sum is differentiated as one.

        Examples
        --------
        >>> import pennylane as qml
        >>> measurements = [qml.expval(qml.Z(0)), qml.probs(wires=[0])]
        >>> tape = qml.tape.QuantumScript([qml.RX(0.5, 0)], measurements)
        >>> dev = qml.device("bondline.mps")
        >>> print(dev.compute_vjp(tape, (1.0, [2.0, 0.0]))[0].round(6))
        -0.958851
        """
        if self.tracker.active:
            track_derivatives(self.tracker, vjp_batches=1, vjps=len(circuits))
        return self._products(circuits, cotangents, execution_config)[1]

    @debug_logger  # type: ignore[untyped-decorator]
    def execute_and_compute_vjp(
        self, circuits: Any, cotangents: Any, execution_config: Any = None
    ) -> Any:
        """Return values of circuits, and products of vectors with their Jacobians.

        Parameters
        ----------
        circuits : pennylane.tape.QuantumScript or sequence of them
        cotangents : sequence
        execution_config : pennylane.devices.ExecutionConfig, optional

        Returns
        -------
        values, products
            As :meth:`execute` and :meth:`compute_vjp` return them.
        """
        values, products, evidence = self._products(circuits, cotangents, execution_config)
        if self.tracker.active:
            counts = {"execute_and_vjp_batches": 1, "vjps": len(circuits)}
            track(self.tracker, circuits, evidence, values, **counts)
        return values, products

    def _jacobians(
        self, circuits: Sequence[Any], execution_config: Any
    ) -> tuple[tuple[Any, ...], tuple[Any, ...], Evidence]:
        lowered, found, evidence = self._differentiate(circuits, execution_config, whole_jacobians)
        jacobians = []
        for position, circuit in enumerate(lowered.circuits):
            if is_trained(circuit):
                shapes = shapes_of(lowered, position)
                jacobian = jacobian_in_shape(found.jacobians[position], shapes, circuit.batch)
            else:
                jacobian = empty_jacobian(len(circuit.readings))
            jacobians.append(jacobian)
        return values_of(lowered, found.results), tuple(jacobians), evidence

    def _products(
        self, circuits: Sequence[Any], cotangents: Sequence[Any], execution_config: Any
    ) -> tuple[tuple[Any, ...], tuple[Any, ...], Evidence]:
        several: list[bool] = []

        def pulls(lowered: Lowered) -> list[Asked]:
            found: list[Asked] = []
            for position, circuit in enumerate(lowered.circuits):
                pull, many = NOTHING, False
                if is_trained(circuit):
                    shapes = shapes_of(lowered, position)
                    pull, many = pull_of(cotangents[position], shapes, circuit.batch, position)
                found.append(pull)
                several.append(many)
            return found

        lowered, found, evidence = self._differentiate(circuits, execution_config, pulls)
        products = tuple(
            vjp_in_shape(jacobian, many) if jacobian.size else ()
            for jacobian, many in zip(found.jacobians, several, strict=True)
        )
        return values_of(lowered, found.results), products, evidence

    def _differentiate(
        self,
        circuits: Sequence[Any],
        execution_config: Any,
        pulls: Callable[[Lowered], list[Asked]],
    ) -> tuple[Lowered, Derivatives, Evidence]:
        for circuit in circuits:
            hindrance = obstacle(circuit, execution_config, self.wires)
            if hindrance is not None and circuit.trainable_params:
                raise QuantumFunctionError(refusal(hindrance, "adjoint"))
        lowered = self.lowered(circuits, execution_config, differentiated=True)
        found, evidence = self.differentiate_lowered(lowered, pulls(lowered), execution_config)
        return lowered, found, evidence

    def differentiate_lowered(
        self, lowered: Lowered, pulls: Sequence[Asked], execution_config: Any
    ) -> tuple[Derivatives, Evidence]:
        """Differentiate circuits that are lowered already, as :func:`differentiate` does."""
        options = None if execution_config is None else execution_config.device_options
        config = self._config_with(options)
        derivatives = differentiate(
            lowered,
            pulls,
            config.engine_settings(differentiable=True, derivatives=True),
            "two-state" if config.gradient == "two-state" else "adjoint",
            self.wires,
        )
        evidence = self._keep(
            lowered, derivatives.results, config, execution_config, derivatives.gradients
        )
        evidence.judge(lowered.groups, self._given)
        evidence.judge_gradients(lowered.groups, derivatives.excess, self._given)
        return derivatives, evidence
