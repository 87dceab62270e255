"""bondline's gradients: ``python -m benches.our_gradients w2 64 --via engine`` (or autograd, jax).

``engine`` calls ``_core.differentiate`` and ``_core.run`` in turn, on arrays built beforehand: the
plain value by Gram matrices alone and with the default truncation, value and gradient on one
thread, and both on two. ``autograd`` and ``jax`` call a QNode, alone and under ``qml.grad`` or
``jax.jit(jax.value_and_grad)``. The gradient always comes with its value.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benches import measure, workloads
from benches.engine_clock import EngineClock
from benches.ours import Settings, lower
from bondline import _core


@dataclass(frozen=True)
class Cotangents:
    """The sum of all words as the one output, by every parameter."""

    words: NDArray[np.float64]
    variances: NDArray[np.float64]
    probabilities: tuple[()]
    densities: tuple[()]
    differentiated: NDArray[np.bool_]


def through_engine(workload: workloads.Workload, chi: int) -> list[measure.Task]:
    """Prepare values and gradients of the engine on arrays."""
    group = lower(workload)
    count = group.parameters.shape[1]
    cotangents = Cotangents(
        words=np.ones((1, 1, len(workload.words))),
        variances=np.zeros((1, 1, 0)),
        probabilities=(),
        densities=(),
        differentiated=np.ones(count, np.bool_),
    )
    kept = measure.some_of(count)
    default = Settings(max_bond_dim=chi, threads=1)

    def value(settings: Settings) -> Callable[[], measure.Outcome]:
        def call() -> measure.Outcome:
            result = _core.run([group], settings)[0]
            return measure.Outcome(float(result.words.sum()), int(result.largest_bond[0]))

        return call

    def gradient(settings: Settings) -> Callable[[], measure.Outcome]:
        settings = replace(settings, sweeps=False)

        def call() -> measure.Outcome:
            found = _core.differentiate([group], [cotangents], settings, "adjoint")[0]
            return measure.Outcome(
                float(found.result.words.sum()),
                int(found.result.largest_bond[0]),
                parameters=count,
                derivatives=tuple(found.gradients[0, 0, kept].tolist()),
                guarded=bool(found.guarded[0]),
            )

        return call

    def task(kind: str, truncation: Literal["auto", "gram"], threads: int) -> measure.Task:
        settings = replace(default, truncation=truncation, threads=threads)
        prepare = value if kind == "value" else gradient
        name = "bondline (engine)" if truncation == "auto" else "bondline (engine, gram)"
        return measure.Task(name, kind, prepare(settings), threads)

    return [
        task("value", "gram", 1),
        task("value", "auto", 1),
        task("gradient", "auto", 1),
        task("value", "auto", 2),
        task("gradient", "auto", 2),
    ]


def through_qnode(workload: workloads.Workload, chi: int, interface: str) -> list[measure.Task]:
    """Prepare a QNode and its derivative; PennyLane's own work is part of their time."""
    import pennylane as qml

    from benches.qnodes import energy

    device = qml.device(
        "bondline.mps",
        wires=workload.n_wires,
        max_bond_dim=chi,
        threads=1,
        on_low_fidelity="ignore",
    )
    prepare = {"autograd": by_autograd, "jax": by_jax}[interface]
    plain, both = prepare(energy(workload, device), workloads.angles_of(workload))
    clock = EngineClock(time.process_time)  # beside CPU seconds of the whole

    def value() -> measure.Outcome:
        with clock:
            found = plain()
        report = device.reports[-1]
        return measure.Outcome(
            found, report.largest_bond, report.norm, engine_s=round(clock.seconds, 6)
        )

    def gradient() -> measure.Outcome:
        with clock:
            found, derivatives = both()
        kept = tuple(float(derivatives[place]) for place in measure.some_of(len(derivatives)))
        return measure.Outcome(
            found,
            parameters=len(derivatives),
            derivatives=kept,
            engine_s=round(clock.seconds, 6),
        )

    name = f"bondline (QNode, {interface})"
    return [
        measure.Task(name, "value", value),
        measure.Task(name, "gradient", gradient),
    ]


Prepared = tuple[Callable[[], float], Callable[[], tuple[float, Any]]]


def by_autograd(node: Any, angles: list[float]) -> Prepared:
    """Prepare a value, and value and gradient, for arrays of autograd."""
    import pennylane as qml
    from pennylane import numpy as pnp

    array = pnp.array(angles, requires_grad=True)
    gradient = qml.grad(node)

    def both() -> tuple[float, Any]:
        derivatives = gradient(array)
        return float(gradient.forward), derivatives

    return lambda: float(node(angles)), both


def by_jax(node: Any, angles: list[float]) -> Prepared:
    """Prepare a value, and value and gradient, compiled by jax: one scalar for each angle."""
    import jax

    jax.config.update("jax_enable_x64", True)
    value = jax.jit(node)
    value_and_gradient = jax.jit(jax.value_and_grad(node))

    def both() -> tuple[float, Any]:
        found, derivatives = value_and_gradient(angles)
        return float(found), jax.device_get(derivatives)

    return lambda: float(value(angles)), both


def main() -> None:
    """Measure one workload."""
    parser = measure.parser(__doc__ or "")
    parser.add_argument("--via", choices=("engine", "autograd", "jax"), default="engine")
    options = parser.parse_args()
    workload = workloads.load(options.workload)
    if options.via == "engine":
        tasks = through_engine(workload, options.chi)
    else:
        tasks = through_qnode(workload, options.chi, options.via)
    packages = {"engine": (), "autograd": ("pennylane", "autograd"), "jax": ("pennylane", "jax")}
    defaults = Settings(max_bond_dim=options.chi, threads=1)
    measure.interleave(
        tasks,
        options,
        versions=measure.versions("bondline", "numpy", *packages[options.via]),
        settings={"cutoff": defaults.cutoff, "readout": defaults.readout, "gradient": "adjoint"},
        least_seconds=measure.SHORTEST,
    )


if __name__ == "__main__":
    main()
