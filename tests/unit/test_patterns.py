"""Circuits that are recognised by their structure are lowered as those that are walked over."""

import numpy as np
import pennylane as qml
import pytest

from bondline import InputError
from bondline.circuits import lowering
from bondline.circuits.lowering import lower
from bondline.measurements.seeds import Seeds

WIRES = qml.wires.Wires(range(4))


def layers(seed, *, last=qml.RX, wire=0, observable=None, shots=None):
    angles = np.random.default_rng(seed).normal(size=(3, 4))
    operations = []
    for layer in angles:
        operations += [qml.RY(float(angle), w) for w, angle in enumerate(layer)]
        operations += [qml.CNOT([w, w + 1]) for w in range(3)]
        operations.append(qml.CRX(float(layer[0]), [0, 2]))
    operations.append(last(0.3 * seed, wire))
    measured = qml.Z(1) if observable is None else observable
    return qml.tape.QuantumScript(operations, [qml.expval(measured), qml.probs([2])], shots=shots)


def shifted(tape, place, angle):
    operations = list(tape.operations)
    operations[place] = qml.RY(angle, operations[place].wires)
    return qml.tape.QuantumScript(operations, tape.measurements)


def families():
    base = layers(0)
    yield "own objects", [layers(seed) for seed in range(5)]
    yield "shared objects", [base, *(shifted(base, place, 0.7) for place in range(3)), base]
    yield "another gate", [base, layers(1, last=qml.RZ), layers(2), layers(3, last=qml.RZ)]
    yield "another wire", [base, layers(1, wire=2), layers(2), layers(3, wire=2)]
    yield "another wire of a shared circuit", [base, shifted(base, 0, 0.1), swapped(base)]
    yield "another observable", [base, layers(1, observable=qml.X(1)), layers(2)]
    yield "sums", [layers(seed, observable=2 * qml.Z(0) + qml.X(1)) for seed in range(3)]
    yield "batches", [base, shifted(base, 1, np.array([0.1, 0.2])), layers(2)]
    yield "frameworks", [base, shifted(base, 1, qml.numpy.array(0.4)), layers(2)]
    yield "shots", [layers(seed, shots=(7, 9)) for seed in range(3)]
    yield "other shots", [layers(0, shots=7), layers(0, shots=9), layers(1, shots=7)]


def swapped(tape):
    operations = list(tape.operations)
    operations[1] = qml.RY(0.2, 3)
    return qml.tape.QuantumScript(operations, tape.measurements)


def assert_same(found, expected):
    assert len(found.groups) == len(expected.groups)
    for group, other in zip(found.groups, expected.groups, strict=True):
        assert group.structure() == other.structure()
        np.testing.assert_array_equal(group.parameters, other.parameters)
        np.testing.assert_array_equal(group.requests.seeds, other.requests.seeds)
    for circuit, other in zip(found.circuits, expected.circuits, strict=True):
        for name in ("group", "rows", "batch", "wires", "bins", "partitioned"):
            assert getattr(circuit, name) == getattr(other, name)
        if other.trained is not None:
            assert circuit.trained.count == other.trained.count
            np.testing.assert_array_equal(circuit.trained.slots, other.trained.slots)
            assert circuit.trained.data == other.trained.data


@pytest.mark.parametrize(("name", "tapes"), list(families()))
@pytest.mark.parametrize("wires", [WIRES, None])
@pytest.mark.parametrize("differentiated", [False, True])
def test_a_known_structure_is_lowered_alike(name, tapes, wires, differentiated, monkeypatch):
    if differentiated and tapes[0].shots:
        pytest.skip("no derivatives with shots")

    def lowered():
        seed = Seeds(7).next_call()
        return lower(tapes, wires, seed, differentiated=differentiated)

    found = lowered()
    monkeypatch.setattr(lowering, "pattern_of", lambda *_: None)
    assert_same(found, lowered())


def test_circuits_of_a_known_structure_are_not_walked(monkeypatch):
    walks = []
    program_of = lowering.program_of
    monkeypatch.setattr(
        lowering,
        "program_of",
        lambda *args, **kwargs: walks.append(1) or program_of(*args, **kwargs),
    )
    lower([layers(seed) for seed in range(6)], WIRES)
    assert len(walks) == 1


def test_other_trainable_parameters_are_found():
    tapes = [layers(seed) for seed in range(2)]
    tapes[0].trainable_params = [0, 1]
    tapes[1].trainable_params = [2]
    first, second = lower(tapes, WIRES, differentiated=True).circuits
    assert first.trained.slots.tolist() == [0, 1]
    assert second.trained.slots.tolist() == [2]


def test_a_number_that_is_not_finite_is_named():
    base = layers(0)
    with pytest.raises(InputError, match=r"Operation 2, RY\(nan, wires=\[2\]\), of circuit 1"):
        lower([base, shifted(base, 2, np.nan)], WIRES)
