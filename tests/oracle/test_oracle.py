"""Every circuit family, every measurement, every setting, against two dense simulators."""

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pennylane as qml
import pytest

from oracle.circuits import FAMILIES, GATES, Family, Gate, gate_on_entangled_wires, operations_of
from oracle.devices import EXACT, assert_values_agree, bondline, run_on
from oracle.measurements import measurements
from oracle.statevector import simulate


@dataclass(frozen=True)
class Setting:
    """Keywords of the device and the error that they leave."""

    name: str
    tolerance: float
    keywords: dict[str, Any] = field(default_factory=dict)
    shuffled: bool = False  # sites in a fixed random order of the wires

    def of_width(self, n: int) -> dict[str, Any]:
        """Return the keywords for a circuit on ``n`` wires."""
        if not self.shuffled:
            return self.keywords
        order = np.random.default_rng(n).permutation(n).tolist()
        return {**self.keywords, "ordering": order}


SINGLE = {"c_dtype": np.complex64}

SETTINGS = [
    Setting("defaults", 1e-8),
    Setting("exact", 1e-9, EXACT),
    Setting("exact-given-order", 1e-9, {**EXACT, "ordering": "given"}),
    Setting("exact-shuffled", 1e-9, EXACT, shuffled=True),
    Setting("exact-state-readout", 1e-9, {**EXACT, "readout": "state"}),
    Setting("exact-state-shuffled", 1e-9, {**EXACT, "readout": "state"}, shuffled=True),
    Setting("exact-svd", 1e-9, {**EXACT, "truncation": "svd"}),
    # A Gram matrix resolves weights of 1e-14, so amplitudes to 1e-7; sums multiply that.
    Setting("exact-gram", 1e-6, {**EXACT, "truncation": "gram"}),
    Setting("single", 1e-4, SINGLE),
    Setting("single-exact", 1e-4, {**SINGLE, **EXACT}),
    Setting("single-state-shuffled", 1e-4, {**SINGLE, "readout": "state"}, shuffled=True),
    Setting("single-svd", 1e-4, {**SINGLE, "truncation": "svd", "ordering": "given"}),
]


def by_name(row: Any) -> str:
    """Name the row of a table."""
    return str(row.name)


@functools.cache
def oracle_values(family: Family) -> list[Any]:
    tape = qml.tape.QuantumScript(family.operations(), list(measurements(family.n_wires).values()))
    return simulate(tape, range(family.n_wires))


@functools.cache
def reference_values(family: Family) -> dict[str, Any]:
    table = measurements(family.n_wires)
    if family.n_wires > 7:
        del table["var(sum)"]  # default.qubit diagonalizes the whole sum for it
    device = qml.device("default.qubit", wires=family.n_wires)
    values = run_on(device, family.operations(), list(table.values()))
    return dict(zip(table, values, strict=True))


@pytest.mark.parametrize("family", FAMILIES, ids=by_name)
def test_the_oracle_agrees_with_another_simulator(family: Family) -> None:
    reference = reference_values(family)
    values = dict(zip(measurements(family.n_wires), oracle_values(family), strict=True))
    assert_values_agree(
        [values[name] for name in reference], [*reference.values()], [*reference], 1e-11
    )


@pytest.mark.parametrize("family", FAMILIES, ids=by_name)
@pytest.mark.parametrize("setting", SETTINGS, ids=by_name)
def test_every_family_is_read_right_with_every_setting(setting: Setting, family: Family) -> None:
    table = measurements(family.n_wires)
    device = bondline(family.n_wires, **setting.of_width(family.n_wires))
    values = run_on(device, family.operations(), list(table.values()))
    assert_values_agree(values, oracle_values(family), [*table], setting.tolerance)


@pytest.mark.parametrize("family", FAMILIES, ids=by_name)
def test_the_device_agrees_with_default_qubit_in_value_and_shape(family: Family) -> None:
    reference = reference_values(family)
    table = measurements(family.n_wires)
    asked = [table[name] for name in reference]
    values = run_on(bondline(family.n_wires), family.operations(), asked)
    assert_values_agree(values, [*reference.values()], [*reference], 1e-8)


@pytest.mark.parametrize("gate", GATES, ids=by_name)
def test_every_gate_acts_as_its_matrix(gate: Gate) -> None:
    operations = operations_of(lambda: gate_on_entangled_wires(gate))
    tape = qml.tape.QuantumScript(operations, [qml.state()])
    expected = simulate(tape, range(7))
    double = run_on(bondline(7, **EXACT), operations, [qml.state()])
    assert_values_agree(double, expected, ["double"], 1e-9)
    single = run_on(bondline(7, **SINGLE), operations, [qml.state()])
    assert_values_agree(single, expected, ["single"], 1e-4)


@pytest.mark.parametrize("readout", ["local", "state"])
@pytest.mark.parametrize("family", [f for f in FAMILIES if f.n_wires == 7], ids=by_name)
def test_each_measurement_alone_gives_what_it_gives_in_company(
    family: Family, readout: str
) -> None:
    # Alone, a local value is computed from its light cone only.
    table = measurements(family.n_wires)
    device = bondline(family.n_wires, readout=readout)
    for name in ("<X0>", "<Z0 Z1>", "<Ylast X0>", "var(sum)", "density(ends reversed)"):
        position = [*table].index(name)
        value = run_on(device, family.operations(), [table[name]])
        assert_values_agree(value, [oracle_values(family)[position]], [name], 1e-8)


def test_wires_keep_the_order_and_the_labels_of_the_device() -> None:
    labels = ["c", 7, "a", 0, (1, 2)]

    def circuit() -> None:
        qml.RY(0.7, wires="a")  # first used is not first on the device
        qml.CRX(1.1, wires=["a", "c"])
        qml.IsingXY(0.4, wires=[0, 7])
        qml.RZ(0.9, wires=(7,))
        qml.CRY(-0.8, wires=["c", (1, 2)])

    table = {
        "state": qml.state(),
        "probs": qml.probs(),
        "probs(0, c)": qml.probs(wires=[0, "c"]),
        "density": qml.density_matrix(wires=[(1, 2), "c"]),
        "<Z>": qml.expval(qml.Z("c") @ qml.Y(7)),
    }
    operations = operations_of(circuit)
    expected = simulate(qml.tape.QuantumScript(operations, list(table.values())), labels)
    values = run_on(bondline(labels, **EXACT), operations, list(table.values()))
    assert_values_agree(values, expected, [*table], 1e-9)
