"""From any circuit to one that lowering accepts: PennyLane's transforms and a few refusals."""

from typing import Any, Final

import pennylane as qml
from pennylane.devices.preprocess import (
    decompose,
    device_resolve_dynamic_wires,
    validate_device_wires,
)
from pennylane.transforms import defer_measurements

from bondline import gate_set
from bondline.observables import require_offered
from bondline.sampling import require_sampled

NAME: Final = "bondline.mps"


def pipeline(wires: Any) -> Any:
    """Return the transforms that a circuit goes through before it is lowered.

    Parameters
    ----------
    wires : pennylane.wires.Wires or None
        Wires of the device.

    Returns
    -------
    pennylane.CompilePipeline
        Batches of parameters are kept: the engine runs them as rows.

    Examples
    --------
    >>> tape = qml.tape.QuantumScript([qml.Toffoli([0, 1, 2])], [qml.expval(qml.Z(2))])
    >>> (ready,), _ = pipeline(None)([tape])
    >>> {operator.name for operator in ready.operations} <= gate_set.NAMES | {"Adjoint(T)"}
    True
    """
    program = qml.CompilePipeline()
    program.add_transform(refuse_early)
    program.add_transform(defer_measurements, allow_postselect=False)
    program.add_transform(
        decompose,
        stopping_condition=gate_set.is_native,
        skip_initial_state_prep=False,
        decomposer=gate_set.decomposition,
        # Borrowed work wires would become long-range gates on a chain: offer none.
        num_work_wires=0,
        target_gates=set(gate_set.NAMES),
        strict=False,
        name=NAME,
    )
    program.add_transform(device_resolve_dynamic_wires, wires=wires, allow_resets=False)
    program.add_transform(validate_device_wires, wires, name=NAME)
    return program


@qml.transform  # type: ignore[untyped-decorator]  # PennyLane is not typed
def refuse_early(tape: Any) -> tuple[tuple[Any], Any]:
    """Refuse measurements that this device does not offer, before any work.

    Parameters
    ----------
    tape : pennylane.tape.QuantumScript

    Returns
    -------
    tuple of the unchanged circuit, and the identity as post-processing

    Raises
    ------
    pennylane.exceptions.DeviceError
    """
    require = require_sampled if tape.shots else require_offered
    for measurement in tape.measurements:
        require(measurement)
    return (tape,), _first


def _first(results: Any) -> Any:
    return results[0]
