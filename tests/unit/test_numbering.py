"""PennyLane counts all numbers of a circuit; the engine counts the parameters of its gates."""

import numpy as np
import pennylane as qml
import pytest

from bondline import UnsupportedError
from bondline.circuits.lowering import lower
from bondline.circuits.numbering import Datum, trained
from bondline.circuits.program import Register, program_of

OPERATIONS = [
    qml.StatePrep(np.array([1.0, 0.0]), 0),  # 0
    qml.RX(0.1, 0),  # 1
    qml.Rot(0.2, 0.3, 0.4, 1),  # 2 3 4
    qml.QubitUnitary(np.eye(2), 1),  # 5
    qml.CNOT([0, 1]),
    qml.ctrl(qml.RY(0.5, 0), [1, 2]),  # 6
    qml.GlobalPhase(0.6),  # 7
    qml.BasisState([0, 1], [3, 4]),  # 8
    qml.DiagonalQubitUnitary([1.0, 1.0j], 0),  # 9
    qml.adjoint(qml.PauliRot(0.7, "XY", [0, 1])),  # 10
]
MEASUREMENTS = [
    qml.expval(qml.Z(0)),
    qml.expval(qml.dot([0.8, 0.9], [qml.X(0), qml.Y(1)])),  # 11 12
    qml.probs(wires=[0]),
    qml.var(2.0 * qml.Z(1)),  # 13
]
PARAMETERS = {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4, 6: 0.5, 7: 0.6, 10: 0.7}


def tape_of(trainable):
    return qml.tape.QuantumScript(OPERATIONS, MEASUREMENTS, trainable_params=trainable)


def find(trainable):
    tape = tape_of(trainable)
    return trained(0, tape, program_of(tape, Register()))


def test_each_trainable_angle_is_found_among_the_parameters():
    (group,) = lower([tape_of([1])], differentiated=True).groups
    for place, value in PARAMETERS.items():
        found = find([place])
        assert group.parameters[0, found.slots].tolist() == [value]
        assert tape_of([place]).get_parameters() == [value]


def test_all_of_them_at_once_and_in_any_order():
    found = find([12, 10, 1, 13, 6])
    assert found.count == 5
    assert found.columns.tolist() == [1, 2, 4]
    (group,) = lower([tape_of([1])], differentiated=True).groups
    assert group.parameters[0, found.slots].tolist() == [0.7, 0.1, 0.5]
    assert found.data == (Datum(0, 1, 1), Datum(3, 3, 0))


@pytest.mark.parametrize(
    ("place", "name"),
    [(0, "StatePrep"), (5, "QubitUnitary"), (8, "BasisState"), (9, "DiagonalQubitUnitary")],
)
def test_what_is_no_angle_is_refused_by_name(place, name):
    with pytest.raises(UnsupportedError, match=f"{name} on wires .* requires_grad=False"):
        find([1, place])


def test_nothing_is_looked_for_without_being_asked():
    (circuit,) = lower([tape_of([0])]).circuits
    assert circuit.trained is None
