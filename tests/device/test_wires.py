"""Sites follow the wires of the device, whatever their labels."""

import numpy as np
import pennylane as qml
import pytest
from pennylane.exceptions import WireError

LABELS = [[0, 1, 2], ["b", "a", "c"], [-3, "x", 7], [2.5, 5, "q"], [2, 0, 1]]


def circuit_on(wires, measure):
    first, second, third = wires

    def circuit():
        qml.RX(0.4, third)
        qml.CRY(0.9, [third, first])
        qml.IsingXX(0.3, [second, first])
        return measure()

    return circuit


@pytest.mark.parametrize("labels", LABELS, ids=repr)
@pytest.mark.parametrize(
    "measure",
    [
        lambda labels: qml.state(),
        lambda labels: qml.probs(),
        lambda labels: qml.probs(wires=[labels[2], labels[0]]),
        lambda labels: qml.density_matrix([labels[2], labels[0]]),
        lambda labels: qml.expval(qml.Z(labels[2]) @ qml.Y(labels[0])),
    ],
)
@pytest.mark.parametrize("used", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_device_order(labels, measure, used):
    wires = [labels[position] for position in used]
    circuit = circuit_on(wires, lambda: measure(labels))
    found = qml.QNode(circuit, qml.device("bondline.mps", wires=labels))()
    expected = qml.QNode(circuit, qml.device("default.qubit", wires=labels))()
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("labels", LABELS, ids=repr)
@pytest.mark.parametrize("measure", [qml.state, qml.probs, lambda: qml.expval(qml.Z("extra"))])
def test_first_use_without_device_wires(labels, measure):
    circuit = circuit_on(labels, measure)
    found = qml.QNode(circuit, qml.device("bondline.mps"))()
    expected = qml.QNode(circuit, qml.device("default.qubit"))()
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_measured_wires_that_no_gate_touches():
    def circuit():
        qml.X("a")
        return qml.probs(wires=["b", "a"]), qml.state()

    found = qml.QNode(circuit, qml.device("bondline.mps"))()
    expected = qml.QNode(circuit, qml.device("default.qubit"))()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_an_explicit_ordering_changes_nothing():
    circuit = circuit_on([0, 1, 2], qml.state)
    expected = qml.QNode(circuit, qml.device("default.qubit", wires=3))()
    for ordering in ("given", "auto", [2, 0, 1]):
        dev = qml.device("bondline.mps", wires=3, ordering=ordering)
        np.testing.assert_allclose(qml.QNode(circuit, dev)(), expected, atol=1e-9)


def test_one_wire_and_unused_wires():
    dev = qml.device("bondline.mps", wires=1)
    assert qml.QNode(lambda: qml.expval(qml.Z(0)), dev)() == pytest.approx(1.0)
    dev = qml.device("bondline.mps", wires=12)

    @qml.qnode(dev)
    def circuit():
        qml.X(11)
        return qml.expval(qml.Z(11)), qml.expval(qml.Z(3))

    assert circuit() == pytest.approx((-1.0, 1.0))


def test_unknown_wires_are_refused():
    dev = qml.device("bondline.mps", wires=2)
    with pytest.raises(WireError, match="not found on the device"):
        qml.QNode(lambda: qml.expval(qml.Z("nowhere")), dev)()
    tape = qml.tape.QuantumScript([qml.H("nowhere")], [qml.expval(qml.Z(0))])
    with pytest.raises(WireError, match="'nowhere' is not on the device"):
        dev.execute(tape)
