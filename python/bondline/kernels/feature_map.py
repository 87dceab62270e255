"""A feature map as a circuit of one row: what it may do, and what it may not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import NDArray
from pennylane.operation import Channel, Operator
from pennylane.queuing import AnnotatedQueue
from pennylane.tape import QuantumScript

from bondline.circuits.lowered import Lowered
from bondline.devices.mps import BondlineMPS
from bondline.errors import InputError
from bondline.operators.gate_set import PREPARATIONS, describe


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMap:
    """A function that queues the gates of one row, and the wires it has.

    Attributes
    ----------
    function : callable
        Of one row of features, and of trainable parameters.
    device : BondlineMPS
        With the wires and the settings.
    entanglers : bool
        False leaves gates on two and more wires out.
    """

    function: Callable[..., Any]
    device: BondlineMPS
    entanglers: bool = True

    def circuit(self, row: Any, *params: Any) -> QuantumScript:
        """Return the circuit of one row, with a measurement that PennyLane wants in a circuit."""
        measurement = qml.expval(qml.Z(self.device.wires[0]))
        return QuantumScript(self._operations(row, params), [measurement])

    def native(self, row: NDArray[np.float64], params: Sequence[Any]) -> tuple[Any, Any]:
        """Return the circuit of one row in native gates, as PennyLane makes it.

        Raises
        ------
        InputError
            If the function fails, or does what a feature map does not do.
        """
        try:
            tape = self.circuit(row, *params)
        except InputError:
            raise
        except Exception as error:
            text = (str(error).splitlines() or [""])[0]
            raise InputError(
                f"The feature map raises {type(error).__name__} ({text}) at a row of {len(row)} "
                "features. It is called with one row, an array of one axis."
            ) from error
        execution = self.device.setup_execution_config(circuit=tape)
        (found,), _ = self.device.preprocess_transforms(execution)([tape])
        return found, execution

    def lowered(self, rows: NDArray[np.float64], params: Sequence[Any]) -> Lowered:
        """Lower the circuits of some rows, each made by PennyLane."""
        found = [self.native(row, params) for row in rows]
        lowered = self.device.lowered([tape for tape, _ in found], found[0][1])
        if any(circuit.batch is not None for circuit in lowered.circuits):
            raise InputError(
                "The feature map makes a batch of circuits of one row: one of its gates has an "
                "array where it takes a number."
            )
        return lowered

    def _operations(self, row: Any, params: Sequence[Any]) -> list[Any]:
        with AnnotatedQueue() as queue:
            output = self.function(row, *params)
        tape = QuantumScript.from_queue(queue)
        self._require(tape, output)
        if self.entanglers:
            return list(tape.operations)
        wide = [op for op in tape.operations if isinstance(op, PREPARATIONS) and len(op.wires) > 1]
        if wide:
            raise InputError(
                f"{describe(wide[0])} entangles what it loads: a map with it has no twin without "
                "entanglers."
            )
        (native,), _ = self.device.preprocess_transforms(
            self.device.setup_execution_config(circuit=tape)
        )([tape])
        basis = (qml.BasisState, qml.BasisEmbedding)
        return [op for op in native.operations if len(op.wires) < 2 or isinstance(op, basis)]

    def _require(self, tape: Any, output: Any) -> None:
        measured = list(tape.measurements)
        if measured:
            raise InputError(
                f"The feature map measures ({measured[0]!r}). A feature map only queues gates: "
                "leave the measurement out; the kernel compares states."
            )
        parts = output if isinstance(output, tuple | list) else [output]
        for part in parts:
            if part is not None and not isinstance(part, Operator):
                raise InputError(
                    f"The feature map returns a {type(part).__name__}. A feature map only queues "
                    "gates and returns nothing."
                )
        # Each class is looked at once: isinstance costs a microsecond for PennyLane's classes.
        kinds = set(map(type, tape.operations))
        if any(issubclass(kind, qml.ops.MidMeasure | qml.ops.Conditional) for kind in kinds):
            raise InputError(
                "The feature map measures in its middle. The state of a row must be pure: "
                "leave mid-circuit measurements out."
            )
        if any(issubclass(kind, Channel) for kind in kinds):
            noise = next(op for op in tape.operations if isinstance(op, Channel))
            raise InputError(
                f"The feature map has the noise channel {describe(noise)}. The state of a "
                "row must be pure: leave channels out."
            )
        known = set(self.device.wires)
        for operator in tape.operations:
            labels = operator.wires.labels
            if not known.issuperset(labels):
                wire = next(label for label in labels if label not in known)
                raise InputError(
                    f"The feature map acts on the wire {wire!r} ({operator.name}), and the "
                    f"kernel has the wires {list(self.device.wires)[:20]}."
                )
