"""A captured circuit at given numbers: its values, and the way back of a derivative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pennylane.pytrees import unflatten

from bondline.circuits.lowered import Circuit, Lowered
from bondline.circuits.program import closed_register
from bondline.circuits.rows import require_finite
from bondline.compiling.capture import Captured
from bondline.compiling.elementary import Real
from bondline.devices.derivative_shapes import pull_of
from bondline.devices.execution import track, track_derivatives, values_of
from bondline.devices.mps import BondlineMPS
from bondline.devices.pulls import shapes_of, whole_jacobians
from bondline.measurements.seeds import CallSeed


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """A captured circuit on its device.

    Attributes
    ----------
    captured : Captured
    device : BondlineMPS
        Its own, or one with other seeds.
    """

    captured: Captured
    device: BondlineMPS

    @property
    def circuit(self) -> Circuit:
        """The circuit, with the numbers of the call that it was captured in."""
        return self.captured.lowered.circuits[0]

    def lowered(self, inputs: Real, seed: CallSeed | None = None) -> Lowered:
        """Return the circuit with numbers that follow from some inputs.

        Parameters
        ----------
        inputs : ndarray of float64, shape (inputs,)
        seed : CallSeed, optional
            That of the next call of the device by default, if there are shots.

        Returns
        -------
        Lowered

        Raises
        ------
        InputError
            If a number is not finite.
        """
        known = self.captured.lowered
        (circuit,), (group,) = known.circuits, known.groups
        parameters = self.captured.formula(inputs)
        require_finite(0, known.tapes[0], closed_register(circuit.wires), parameters)
        requests, seeds = group.requests, circuit.seeds
        if seeds is not None:
            call = self.device.next_seed() if seed is None else seed
            seeds = call.rows(0, len(parameters))
            requests = replace(requests, seeds=seeds)
            circuit = replace(circuit, seeds=seeds)
        group = replace(group, parameters=parameters, requests=requests)
        return Lowered(known.tapes, (circuit,), (group,))

    def results(self, inputs: Real, seed: CallSeed | None = None) -> Any:
        """Run the circuit.

        Parameters
        ----------
        inputs : ndarray of float64, shape (inputs,)
        seed : CallSeed, optional

        Returns
        -------
        value or tuple of values
            As the device returns them.
        """
        (found,) = self.device.run_lowered(self.lowered(inputs, seed), self.captured.config)
        return found

    def in_structure(self, results: Any) -> Any:
        """Put values into the containers that the quantum function returns.

        Parameters
        ----------
        results : value or tuple of values
            As the device returns them, in any framework.

        Returns
        -------
        object
        """
        if self.circuit.partitioned:
            return tuple(self._in_structure(entry) for entry in results)
        return self._in_structure(results)

    def _in_structure(self, results: Any) -> Any:
        single = len(self.circuit.readings) == 1
        return unflatten((results,) if single else results, self.captured.structure)

    # Derivatives; what is differentiated are all values behind one another

    def shapes(self) -> list[tuple[int, ...]]:
        """Return the shape of each value, with the batch in front."""
        batch = () if self.circuit.batch is None else (self.circuit.batch,)
        return [(*batch, *shape) for shape in shapes_of(self.captured.lowered, 0)]

    def flat(self, results: Any) -> Real:
        """Return values behind one another."""
        values = (results,) if len(self.circuit.readings) == 1 else results
        return np.concatenate([np.ravel(value) for value in values]).astype(np.float64)

    def apart(self, flat: Any) -> list[Any]:
        """Take values apart that stand behind one another: :meth:`flat` backwards."""
        found = []
        start = 0
        for shape in self.shapes():
            size = int(np.prod(shape, dtype=int))
            found.append(flat[start : start + size].reshape(shape))
            start += size
        return found

    def with_jacobian(self, inputs: Real) -> tuple[Real, Real]:
        """Run the circuit and differentiate every value by the parameters of the engine.

        Parameters
        ----------
        inputs : ndarray of float64, shape (inputs,)

        Returns
        -------
        values : ndarray of float64, shape (values,)
        jacobian : ndarray of float64, shape (rows, values of a row, parameters that vary)
        """
        lowered = self.lowered(inputs)
        pulls = whole_jacobians(lowered)
        found, evidence = self.device.differentiate_lowered(lowered, pulls, self.captured.config)
        values = values_of(lowered, found.results)
        if self.device.tracker.active:
            counts = {"execute_and_derivative_batches": 1, "derivatives": 1}
            track(self.device.tracker, lowered.tapes, evidence, values, **counts)
        return self.flat(values[0]), found.jacobians[0]

    def pull(self, inputs: Real, jacobian: Real, cotangents: Real) -> list[Real]:
        """Return the derivative of a weighted sum of the values by each argument.

        Parameters
        ----------
        inputs : ndarray of float64, shape (inputs,)
        jacobian : ndarray of float64, shape (rows, values of a row, parameters that vary)
        cotangents : ndarray of float64, shape (values,)

        Returns
        -------
        list of ndarray
        """
        rows = len(jacobian)
        weights = np.concatenate(
            [part.reshape(rows, -1) for part in self.apart(np.asarray(cotangents, np.float64))],
            axis=1,
        )
        # g[b, p] = sum_k w[b, k] J[b, k, p]
        return self._to_arguments(inputs, np.einsum("bk,bkp->bp", weights, jacobian))

    def product(self, inputs: Real, cotangents: Real) -> list[Real]:
        """Return what :meth:`pull` returns, from a run that differentiates the weighted sum."""
        lowered = self.lowered(inputs)
        parts = self.apart(np.asarray(cotangents, dtype=np.float64))
        given: Any = parts[0] if len(parts) == 1 else tuple(parts)
        pull, _ = pull_of(given, shapes_of(lowered, 0), self.circuit.batch, 0)
        found, _ = self.device.differentiate_lowered(lowered, [pull], self.captured.config)
        if self.device.tracker.active:
            track_derivatives(self.device.tracker, vjp_batches=1, vjps=1)
        return self._to_arguments(inputs, found.jacobians[0][:, 0])

    def _to_arguments(self, inputs: Real, by_parameters: Real) -> list[Real]:
        formula = self.captured.formula
        full = np.zeros(formula.results.shape)
        trained = self.circuit.trained
        if trained is not None:
            full[:, trained.slots] = by_parameters
        return _split(formula.pull(inputs, full), self.captured.shapes)


def _split(flat: Real, shapes: Sequence[tuple[int, ...]]) -> list[NDArray[np.float64]]:
    found = []
    start = 0
    for shape in shapes:
        size = int(np.prod(shape, dtype=int))
        found.append(flat[start : start + size].reshape(shape))
        start += size
    return found
