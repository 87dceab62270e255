"""Laws of states and values, on random circuits with every kind of native gate."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pennylane as qml
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pennylane.measurements import MeasurementProcess
from pennylane.operation import Operator

from oracle.circuits import haar
from oracle.devices import assert_values_agree, bondline, run_batch, run_on, same_bits
from oracle.measurements import LETTERS, measurements, random_sum
from oracle.statevector import light_cone

Build = Callable[[list[float], list[int]], Operator]

# (wires, parameters, how to build it)
KINDS: list[tuple[int, int, Build]] = [
    (1, 0, lambda _, w: qml.Hadamard(w)),
    (1, 0, lambda _, w: qml.SX(w)),
    (1, 1, lambda p, w: qml.RX(*p, w)),
    (1, 1, lambda p, w: qml.RZ(*p, w)),
    (1, 3, lambda p, w: qml.Rot(*p, w)),
    (2, 0, lambda _, w: qml.CNOT(w)),
    (2, 0, lambda _, w: qml.SWAP(w)),
    (2, 0, lambda _, w: qml.ISWAP(w)),
    (2, 1, lambda p, w: qml.CRY(*p, w)),
    (2, 1, lambda p, w: qml.IsingXX(*p, w)),
    (2, 1, lambda p, w: qml.SingleExcitation(*p, w)),
    (2, 3, lambda p, w: qml.CRot(*p, w)),
    (3, 1, lambda p, w: qml.PauliRot(*p, "XIY", w)),
    (3, 1, lambda p, w: qml.MultiRZ(*p, w)),
]

# Generic angles, and those where ranks change.
ANGLES = st.one_of(
    st.sampled_from([0.0, np.pi / 2, np.pi, -np.pi, 1e-9]),
    st.floats(-6.3, 6.3, allow_subnormal=False),
)


@st.composite
def gates(draw: st.DrawFn, n: int) -> Operator:
    """Draw one gate on random wires."""
    arity, count, build = draw(st.sampled_from([kind for kind in KINDS if kind[0] <= n]))
    wires = draw(st.permutations(range(n)))[:arity]
    return build([draw(ANGLES) for _ in range(count)], list(wires))


@st.composite
def circuits(draw: st.DrawFn, least: int = 1, most: int = 6) -> tuple[int, list[Operator]]:
    """Draw a number of wires and a circuit on them."""
    n = draw(st.integers(least, most))
    # Start away from the axes: zeros of |0...0> would hide half of the mistakes.
    start = [qml.Rot(0.4 + wire, 1.1 - 0.2 * wire, 0.3, wires=wire) for wire in range(n)]
    return n, start + draw(st.lists(gates(n), max_size=14))


@st.composite
def settings_of(draw: st.DrawFn, /, n: int, **fixed: Any) -> dict[str, Any]:
    """Draw settings that do not truncate."""
    drawn = {
        "readout": draw(st.sampled_from(["local", "state"])),
        "truncation": draw(st.sampled_from(["auto", "svd"])),
        "ordering": draw(st.one_of(st.sampled_from(["auto", "given"]), st.permutations(range(n)))),
        "threads": draw(st.sampled_from([1, 2])),
    }
    return {**drawn, **fixed}


def mapped(operations: Sequence[Any], images: Sequence[int]) -> list[Any]:
    return [operation.map_wires(dict(enumerate(images))) for operation in operations]


def tables_agree(first: list[Any], second: list[Any], names: Sequence[str]) -> None:
    assert_values_agree(first, second, names, 1e-9)


@given(st.data())
def test_probabilities_sum_to_one_and_the_norm_is_kept(data: st.DataObject) -> None:
    n, operations = data.draw(circuits())
    limit = data.draw(st.sampled_from([1, 2, 3, 128]))
    settings = data.draw(settings_of(n, max_bond_dim=limit, on_low_fidelity="ignore"))
    some = data.draw(st.permutations(range(n)))[: max(1, n - 1)]
    asked = [qml.probs(wires=some), qml.probs(), qml.state(), qml.expval(qml.Identity(some[0]))]
    device = bondline(n, **settings)
    marginal, distribution, state, one = run_on(device, operations, asked)
    assert marginal.min() >= -1e-12
    assert marginal.sum() == pytest.approx(1, abs=1e-11)
    assert distribution.sum() == pytest.approx(1, abs=1e-11)
    assert np.linalg.norm(state) == pytest.approx(1, abs=1e-11)
    assert one == 1.0
    if limit == 128:
        assert device.reports[-1].norm == pytest.approx(1, abs=1e-11)


@given(st.data())
def test_naming_the_wires_otherwise_only_permutes_the_results(data: st.DataObject) -> None:
    n, operations = data.draw(circuits(least=2))
    images = data.draw(st.permutations(range(n)))
    settings = data.draw(settings_of(n))
    table = measurements(n)
    del table["state"], table["probs"]  # these follow the order of the device
    asked = list(table.values())
    plain = run_on(bondline(n, **settings), operations, [*asked, qml.state()])
    renamed = run_on(
        bondline(n, **settings), mapped(operations, images), [*mapped(asked, images), qml.state()]
    )
    tables_agree(renamed[:-1], plain[:-1], [*table])
    permuted = plain[-1].reshape((2,) * n).transpose(np.argsort(images)).reshape(-1)
    tables_agree([renamed[-1]], [permuted], ["state"])


@given(st.data())
def test_the_order_of_the_sites_changes_nothing(data: st.DataObject) -> None:
    n, operations = data.draw(circuits(least=2))
    table = measurements(n)
    one, other = data.draw(settings_of(n)), data.draw(settings_of(n))
    first = run_on(bondline(n, **one), operations, list(table.values()))
    second = run_on(bondline(n, **other), operations, list(table.values()))
    tables_agree(first, second, [*table])


@given(st.data())
def test_the_inverse_circuit_returns_to_zero(data: st.DataObject) -> None:
    n, operations = data.draw(circuits())
    inverse = [qml.adjoint(operation, lazy=data.draw(st.booleans())) for operation in operations]
    asked = [qml.state(), *(qml.expval(qml.Z(wire)) for wire in range(n))]
    settings = data.draw(settings_of(n))
    values = run_on(bondline(n, **settings), operations + inverse[::-1], asked)
    expected: list[Any] = [np.eye(2**n)[0], *[1.0] * n]
    tables_agree(values, expected, ["state", *(f"<Z{wire}>" for wire in range(n))])


@given(st.data())
def test_a_gate_outside_the_light_cone_changes_nothing(data: st.DataObject) -> None:
    n, operations = data.draw(circuits(least=3))
    wires = data.draw(st.permutations(range(n)))[:2]
    inside = set(wires).union(*(gate.wires for gate in light_cone(operations, wires)))
    # Late gates on the other wires, and gates anywhere after which nothing reaches the two.
    others = [wire for wire in range(n) if wire not in wires]
    late = mapped(data.draw(st.lists(gates(len(others)), min_size=1, max_size=4)), others)
    never = [wire for wire in range(n) if wire not in inside]
    early = [qml.RY(0.9, wires=wire) for wire in never]
    word = qml.prod(*(data.draw(st.sampled_from([*LETTERS.values()]))(wire) for wire in wires))
    asked = [qml.expval(word), qml.var(word), qml.probs(wires=wires), qml.density_matrix(wires)]
    device = bondline(n, **data.draw(settings_of(n)))
    plain, longer = run_batch(device, [(operations, asked), (early + operations + late, asked)])
    tables_agree(longer, plain, ["expval", "var", "probs", "density"])


@given(st.integers(2, 9), st.integers(1, 4), st.integers(0, 100))
def test_local_values_do_not_see_truncations_outside_their_light_cone(
    n: int, max_bond_dim: int, seed: int
) -> None:
    # Stronger than the law above: the circuit truncates, and the late gates truncate it further.
    rng = np.random.default_rng(seed)
    n += 4
    wall = [
        qml.QubitUnitary(haar(4, rng), wires=[wire, wire + 1])
        for layer in range(6)
        for wire in range(layer % 2, n - 1, 2)
    ]
    first = int(rng.integers(n - 1))
    wires = [first, first + 1]
    late = [
        qml.QubitUnitary(haar(4, rng), wires=[wire, wire + 1])
        for wire in [*range(first - 1), *range(first + 2, n - 1)]
    ]
    asked = [qml.density_matrix(wires), qml.expval(qml.Z(first) @ qml.X(first + 1))]
    device = bondline(
        n, max_bond_dim=max_bond_dim, ordering="given", readout="local", on_low_fidelity="ignore"
    )
    everywhere = [qml.expval(qml.Z(wire)) for wire in range(n)]
    plain = run_on(device, wall, asked)
    longer = run_on(device, wall + late, [*asked, *everywhere])  # nothing may be left out
    assert_values_agree(longer[: len(asked)], plain, ["density", "<ZX>"], 1e-10)


@given(st.data())
def test_swapping_two_wires_is_reading_them_exchanged(data: st.DataObject) -> None:
    n, operations = data.draw(circuits(least=2))
    split = data.draw(st.integers(0, len(operations)))
    one, other = data.draw(st.permutations(range(n)))[:2]
    images = list(range(n))
    images[one], images[other] = other, one
    table = measurements(n)
    del table["state"], table["probs"]
    asked = list(table.values())
    device = bondline(n, **data.draw(settings_of(n)))
    swapped = [*operations[:split], qml.SWAP([one, other]), *operations[split:]]
    renamed = operations[:split] + mapped(operations[split:], images)
    first, second = run_batch(device, [(swapped, asked), (renamed, mapped(asked, images))])
    tables_agree(first, second, [*table])


@given(st.data())
def test_expectations_are_linear_in_the_observable(data: st.DataObject) -> None:
    n, operations = data.draw(circuits())
    limit = data.draw(st.sampled_from([1, 2, 128]))
    settings = data.draw(settings_of(n, max_bond_dim=limit, on_low_fidelity="ignore"))
    first, second = (random_sum(n, data.draw(st.integers(0, 99))) for _ in range(2))
    a, b = data.draw(st.floats(-3, 3)), data.draw(st.floats(-3, 3))
    terms = [
        (factor * coefficient, term)
        for factor, observable in ((a, first), (b, second))
        for coefficient, term in zip(*observable.terms(), strict=True)
    ]
    combined = qml.ops.LinearCombination([c for c, _ in terms], [term for _, term in terms])
    asked = [qml.expval(o) for o in (first, second, combined, a * first + b * second)]
    asked += [qml.expval(term) for _, term in terms]
    values = np.array(run_on(bondline(n, **settings), operations, asked), float)
    assert values[2] == pytest.approx(a * values[0] + b * values[1], abs=1e-10)
    assert values[3] == pytest.approx(values[2], abs=1e-10)
    assert values[2] == pytest.approx(values[4:] @ [c for c, _ in terms], abs=1e-10)


@given(st.data())
def test_a_value_never_depends_on_what_else_is_returned(data: st.DataObject) -> None:
    n, operations = data.draw(circuits())
    limit = data.draw(st.sampled_from([2, 128]))
    settings = data.draw(settings_of(n, max_bond_dim=limit, on_low_fidelity="ignore"))
    table = measurements(n)
    device = bondline(n, **settings)
    together = run_on(device, operations, list(table.values()))
    chosen = data.draw(st.lists(st.sampled_from(range(len(table))), min_size=1, max_size=4))
    for position in chosen:
        alone = run_on(device, operations, [[*table.values()][position]])
        assert same_bits(alone, [together[position]]), [*table][position]


@given(st.data())
def test_a_broadcast_circuit_gives_what_a_loop_gives(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 5))
    rows = data.draw(st.integers(1, 4))
    limit = data.draw(st.sampled_from([1, 128]))
    settings = data.draw(settings_of(n, max_bond_dim=limit, on_low_fidelity="ignore"))
    kinds = st.sampled_from([kind for kind in KINDS if kind[0] <= n])
    drawn = [
        (build, list(data.draw(st.permutations(range(n)))[:arity]), count, data.draw(st.booleans()))
        for arity, count, build in data.draw(st.lists(kinds, min_size=1, max_size=10))
    ]
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    angles = [rng.uniform(-4, 4, size=(count, rows)) for _, _, count, _ in drawn]

    def circuit(row: int | slice) -> list[Operator]:
        built = [qml.RY(np.linspace(0.2, 1.4, rows)[row], wires=0)]
        for (build, wires, _, fixed), values in zip(drawn, angles, strict=True):
            built.append(build([*values[:, 0 if fixed else row]], wires))
        return built

    def readings() -> list[MeasurementProcess]:
        table = measurements(n)
        return [table[name] for name in table if "matrix" not in name]

    device = bondline(n, **settings)
    broadcast = run_on(device, circuit(slice(None)), readings())
    for row in range(rows):
        single = run_on(device, circuit(row), readings())
        assert same_bits([value[row] for value in broadcast], single)
