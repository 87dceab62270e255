"""Inputs where simulators go wrong: special angles, degenerate spectra, extreme sizes."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import pennylane as qml
import pytest
from pennylane.measurements import MeasurementProcess

from oracle.circuits import haar, operations_of
from oracle.devices import EXACT, assert_values_agree, bondline, run_on
from oracle.measurements import measurements
from oracle.statevector import light_cone_value, simulate

SINGLE = np.complex64


def assert_right(
    n: int, circuit: Callable[[], Any], tolerance: float = 1e-9, **settings: Any
) -> None:
    """Run the whole table of measurements on a circuit and compare with the dense oracle."""
    table = measurements(n)
    operations = operations_of(circuit)
    expected = simulate(qml.tape.QuantumScript(operations, list(table.values())), range(n))
    values = run_on(bondline(n, **settings), operations, list(table.values()))
    assert_values_agree(values, expected, [*table], tolerance)


def rotations_everywhere(n: int, angle: float) -> None:
    """Queue every parametrized gate at one angle, between gates that make the state generic."""
    rng = np.random.default_rng(n)
    for wire in range(n):
        qml.QubitUnitary(haar(2, rng), wires=wire)
    for rotation in (qml.RX, qml.RY, qml.RZ, qml.PhaseShift):
        for wire in range(n):
            rotation(angle, wires=wire)
    for wire in range(n):
        qml.Rot(angle, angle, angle, wires=wire)
    far = [n - 1, 0]
    couplings = (qml.CRX, qml.CRZ, qml.ControlledPhaseShift, qml.IsingXX, qml.IsingXY)
    for coupling in (*couplings, qml.SingleExcitation):
        for pair in (*([wire, wire + 1] for wire in range(n - 1)), far):
            coupling(angle, wires=pair)
    qml.MultiRZ(angle, wires=range(n))
    qml.PauliRot(angle, "XYZ"[:n] + "I" * (n - 3), wires=range(n))


@pytest.mark.parametrize("settings", [{}, EXACT], ids=["defaults", "exact"])
@pytest.mark.parametrize(
    "angle", [0.0, -0.0, np.pi / 2, -np.pi / 2, np.pi, 2 * np.pi, 3 * np.pi, 4 * np.pi]
)
def test_special_angles_are_right(angle: float, settings: dict[str, Any]) -> None:
    assert_right(5, lambda: rotations_everywhere(5, angle), **settings)


@pytest.mark.parametrize("angle", [1e-9, -1e-9, 1e-12, 1e-160, 1e-310, 5e-324, 1e8, -1e8 - 0.3])
def test_tiny_denormal_and_huge_angles_are_right(angle: float) -> None:
    assert_right(5, lambda: rotations_everywhere(5, angle))


@pytest.mark.parametrize("angle", [1e-9, 1e-40, 1e-310, 1e8 + 0.3])
def test_angles_beyond_single_precision_are_right_in_complex64(angle: float) -> None:
    # 1e8 + 0.3 rounded to single precision would be another angle altogether.
    assert_right(5, lambda: rotations_everywhere(5, angle), 1e-4, c_dtype=SINGLE)


def test_tiny_angles_are_not_lost() -> None:
    # <Y> of RX(t)|0> is -sin t: resolved far below the rounding error of the state's norm.
    for angle in (1e-9, 1e-12, 1e-100):
        operations = [qml.RX(angle, wires=1), qml.CZ([0, 1])]
        (value,) = run_on(bondline(3), operations, [qml.expval(qml.Y(1))])
        assert value == pytest.approx(-angle, rel=1e-9)


@pytest.mark.parametrize("c_dtype", [np.complex128, SINGLE])
@pytest.mark.parametrize("shape", ["chain", "star", "far"])
@pytest.mark.parametrize("readout", ["local", "state"])
def test_ghz_on_50_wires_is_perfectly_correlated(readout: str, shape: str, c_dtype: type) -> None:
    n, tolerance = 50, 1e-12 if c_dtype is np.complex128 else 1e-5

    def circuit() -> None:
        qml.Hadamard(wires=n - 1 if shape == "far" else 0)
        if shape == "far":
            qml.CNOT(wires=[n - 1, 0])
        for wire in range(n - 1 if shape != "far" else n - 2):
            qml.CNOT(wires=[0 if shape == "star" else wire, wire + 1])

    pairs = [(0, n - 1), (0, 1), (24, 25), (3, 40)]
    asked: dict[str, tuple[MeasurementProcess, Any]]
    asked = {f"<Z{a} Z{b}>": (qml.expval(qml.Z(a) @ qml.Z(b)), 1.0) for a, b in pairs}
    asked |= {f"<Z{wire}>": (qml.expval(qml.Z(wire)), 0.0) for wire in range(n)}
    everywhere = range(n)
    parity = qml.prod(*(qml.Z(wire) for wire in everywhere))
    flip = qml.prod(*(qml.X(wire) for wire in everywhere))
    magnetization = qml.sum(*(qml.Z(wire) for wire in everywhere))
    asked["<parity>"] = (qml.expval(parity), 1.0)
    asked["<flip>"] = (qml.expval(flip), 1.0)
    asked["var(flip)"] = (qml.var(flip), 0.0)
    asked["var(Z7)"] = (qml.var(qml.Z(7)), 1.0)
    halves = np.array([0.5, 0, 0, 0, 0, 0, 0, 0.5])
    asked["probs"] = (qml.probs(wires=[0]), np.array([0.5, 0.5]))
    asked["probs far"] = (qml.probs(wires=[49, 0, 25]), halves)
    asked["density"] = (qml.density_matrix([20, 48, 0]), np.diag(halves))
    device = bondline(n, readout=readout, c_dtype=c_dtype)
    values = run_on(
        device, operations_of(circuit), [measurement for measurement, _ in asked.values()]
    )
    assert_values_agree(values, [value for _, value in asked.values()], [*asked], tolerance)
    (spread,) = run_on(device, operations_of(circuit), [qml.var(magnetization)])
    assert spread == pytest.approx(n**2, rel=tolerance)


@pytest.mark.parametrize("c_dtype", [np.complex128, SINGLE])
@pytest.mark.parametrize(
    ("n", "max_bond_dim"), [(1, 1), (1, None), (2, 2), (2, None), (3, 2), (3, None)]
)
def test_one_two_and_three_wires(n: int, max_bond_dim: int | None, c_dtype: type) -> None:
    tolerance = 1e-8 if c_dtype is np.complex128 else 1e-4

    def circuit() -> None:
        rng = np.random.default_rng(n)
        for _ in range(4):
            for wire in range(n):
                qml.Rot(*rng.normal(size=3), wires=wire)
            for wire in range(n - 1):
                qml.CRY(rng.normal(), wires=[wire, wire + 1])
        if n == 3:
            qml.IsingXX(0.4, wires=[2, 0])

    settings = {"max_bond_dim": max_bond_dim, "c_dtype": c_dtype}
    assert_right(n, circuit, tolerance, **settings)


@pytest.mark.parametrize("max_bond_dim", [1, 128])
def test_product_states_need_no_bond(max_bond_dim: int) -> None:
    def circuit() -> None:
        for wire in range(1, 6):
            qml.Rot(0.3 * wire, 1.1, -0.7 * wire, wires=wire)
        qml.IsingZZ(0.0, wires=[2, 3])
        qml.SWAP(wires=[1, 2])
        qml.CNOT(wires=[0, 5])  # wire 0 is still in |0>

    assert_right(6, circuit, max_bond_dim=max_bond_dim)


@pytest.mark.parametrize("pair", [[3, 4], [4, 3], [0, 1], [1, 0]])
def test_a_gate_on_the_first_or_last_bond_only(pair: list[int]) -> None:
    def circuit() -> None:
        qml.RY(0.9, wires=pair[0])
        qml.CRX(1.3, wires=pair)
        qml.RZ(0.4, wires=pair[1])
        qml.IsingXY(0.6, wires=pair)

    assert_right(5, circuit)


@pytest.mark.parametrize("n", [1, 2, 40, 1000])
def test_an_empty_circuit_leaves_every_wire_in_zero(n: int) -> None:
    asked = [qml.expval(qml.Z(wire)) for wire in {0, n // 2, n - 1}]
    asked += [qml.expval(qml.X(n - 1)), qml.probs(wires=[n - 1]), qml.density_matrix([0])]
    values = run_on(bondline(n), [], asked)
    ones = [1.0] * len({0, n // 2, n - 1})
    expected = [*ones, 0.0, np.array([1, 0]), np.diag([1, 0])]
    assert_values_agree(values, expected, [str(m) for m in asked], 1e-15)


def test_untouched_wires_stay_in_zero_and_apart() -> None:
    operations = operations_of(lambda: [qml.RY(0.8, wires=11), qml.CNOT(wires=[11, 37])])
    asked = {
        "<Z0>": (qml.expval(qml.Z(0)), 1.0),
        "<Z20>": (qml.expval(qml.Z(20)), 1.0),
        "<Z20 X20>": (qml.expval(qml.X(20)), 0.0),
        "<Z11 Z20 Z37>": (qml.expval(qml.Z(11) @ qml.Z(20) @ qml.Z(37)), 1.0),
        "<Z37>": (qml.expval(qml.Z(37)), np.cos(0.8)),
        "<X11 X37>": (qml.expval(qml.X(11) @ qml.X(37)), np.sin(0.8)),
        "probs": (qml.probs(wires=[20, 37]), np.array([np.cos(0.4), np.sin(0.4), 0, 0]) ** 2),
    }
    values = run_on(bondline(40), operations, [measurement for measurement, _ in asked.values()])
    assert_values_agree(values, [value for _, value in asked.values()], [*asked], 1e-12)


@pytest.mark.parametrize("n", [1000, 2000])
def test_thousands_of_wires_in_a_product_state(n: int) -> None:
    angles = np.random.default_rng(n).uniform(0, np.pi, size=n)
    operations = [qml.RY(angle, wires=wire) for wire, angle in enumerate(angles)]
    total = qml.ops.LinearCombination(np.ones(n), [qml.Z(wire) for wire in range(n)])
    asked = [qml.expval(qml.Z(wire)) for wire in range(n)] + [qml.expval(total)]
    *values, sum_value = run_on(bondline(n, max_bond_dim=4), operations, asked)
    np.testing.assert_allclose(values, np.cos(angles), rtol=0, atol=1e-13)
    assert sum_value == pytest.approx(np.cos(angles).sum(), abs=1e-9)


@pytest.mark.parametrize(("n", "c_dtype"), [(1000, np.complex128), (2000, SINGLE)])
def test_thousands_of_wires_agree_with_their_light_cones(n: int, c_dtype: type) -> None:
    rng = np.random.default_rng(n)

    def circuit() -> None:
        for wire in range(n):
            qml.RY(rng.uniform(0, np.pi), wires=wire)
        for left in (0, 1, 0):
            for wire in range(left, n - 1, 2):
                qml.IsingXX(rng.uniform(0, np.pi), wires=[wire, wire + 1])
                qml.CRZ(rng.uniform(0, np.pi), wires=[wire + 1, wire])
                qml.RX(rng.uniform(0, np.pi), wires=wire)

    operations = operations_of(circuit)
    places = [0, 1, 2, n // 3, n // 2, n - 3]
    asked: list[MeasurementProcess] = [qml.expval(qml.Z(place)) for place in places]
    asked += [qml.expval(qml.X(place) @ qml.Y(place + 1)) for place in places]
    asked += [qml.expval(qml.Z(0) @ qml.Z(n - 1)), qml.var(qml.Y(n // 2) @ qml.Z(n // 2 + 2))]
    asked += [qml.probs(wires=[n // 2 + 1, n // 2]), qml.density_matrix([n - 1, n - 2])]
    expected = [light_cone_value(operations, measurement, range(n)) for measurement in asked]
    everywhere = [qml.expval(qml.Z(wire)) for wire in range(n)]
    device = bondline(n, max_bond_dim=16, c_dtype=c_dtype)
    values = run_on(device, operations, [*asked, *everywhere])
    tolerance = 1e-9 if c_dtype is np.complex128 else 1e-4
    names = [str(measurement) for measurement in asked]
    assert_values_agree(values[: len(asked)], expected, names, tolerance)
    again = [values[len(asked) + place] for place in places]
    assert_values_agree(again, expected[: len(places)], names[: len(places)], tolerance)
    # Asked alone, only the light cone of the value is evolved.
    (alone,) = run_on(device, operations, [asked[4]])
    assert alone == pytest.approx(expected[4], abs=tolerance)


@pytest.mark.parametrize("cutoff", [0.0, 1e-30, 1e-20])
def test_a_cutoff_below_the_precision_of_complex64_does_no_harm(cutoff: float) -> None:
    def circuit() -> None:
        rng = np.random.default_rng(3)
        for _ in range(6):
            for wire in range(6):
                qml.Rot(*(1e-3 * rng.normal(size=3)), wires=wire)
                qml.CNOT(wires=[wire, (wire + 1) % 6])

    assert_right(6, circuit, 1e-4, c_dtype=SINGLE, cutoff=cutoff, max_bond_dim=None)


@pytest.mark.parametrize("truncation", ["auto", "gram", "svd"])
def test_spectra_graded_over_300_decades_are_right(truncation: str) -> None:
    def circuit() -> None:
        for exponent, wire in zip((0, 3, 7, 12, 20, 80, 160), range(7), strict=True):
            qml.IsingXX(10.0**-exponent, wires=[wire, wire + 1])
        for wire in range(7):
            qml.CRY(0.7, wires=[wire + 1, wire])
            qml.SWAP(wires=[wire, wire + 1])

    tolerance = 1e-7 if truncation == "gram" else 1e-9
    assert_right(8, circuit, tolerance, truncation=truncation, cutoff=0.0, max_bond_dim=None)


@pytest.mark.parametrize("truncation", ["auto", "gram", "svd"])
def test_degenerate_spectra_are_right(truncation: str) -> None:
    def circuit() -> None:
        for wire in range(4):  # four Bell pairs across the middle bond: 16 equal Schmidt values
            qml.Hadamard(wires=wire)
            qml.CNOT(wires=[wire, 7 - wire])
        for wire in range(7):
            qml.CZ(wires=[wire, wire + 1])
            qml.CRX(np.pi / 2, wires=[wire, wire + 1])

    assert_right(8, circuit, 1e-8, truncation=truncation)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("RX", lambda value: qml.RX(value, wires=1)),
        ("CRot", lambda value: qml.CRot(0.1, value, 0.2, wires=[2, 0])),
        ("MultiRZ", lambda value: qml.MultiRZ(value, wires=[0, 1, 2])),
        ("GlobalPhase", lambda value: qml.GlobalPhase(value)),
        ("QubitUnitary", lambda value: qml.QubitUnitary(np.diag([1, value]), wires=1)),
    ],
)
def test_parameters_that_are_not_finite_are_refused_by_position_and_name(
    name: str, build: Callable[[float], Any], value: float
) -> None:
    position = 7

    def circuit() -> None:
        for wire in range(position):
            qml.RY(0.1, wires=wire % 3)
        build(value)
        qml.CNOT(wires=[0, 1])

    operations = operations_of(circuit)
    with pytest.raises(ValueError, match=rf"(?s)(\b{position}\b.*{name}|{name}.*\b{position}\b)"):
        run_on(bondline(3), operations, [qml.expval(qml.Z(0))])


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_memory_is_linear_in_the_number_of_wires() -> None:
    # Peaks of one process, which only grow: the second doubling may cost twice the first.
    program = textwrap.dedent("""
        import numpy as np
        import pennylane as qml

        def peak():  # getrusage would begin at the peak of the parent
            with open("/proc/self/status") as status:
                return next(line.split()[1] for line in status if line.startswith("VmHWM"))

        def run(n):
            device = qml.device("bondline.mps", wires=n, max_bond_dim=16, threads=1)
            rng = np.random.default_rng(n)
            operations = [qml.RY(rng.normal(), wires=wire) for wire in range(n)]
            for left in (0, 1, 0, 1):
                for wire in range(left, n - 1, 2):
                    operations.append(qml.IsingXX(rng.normal(), wires=[wire, wire + 1]))
                    operations.append(qml.CRZ(rng.normal(), wires=[wire, wire + 1]))
            asked = [qml.expval(qml.Z(wire)) for wire in range(n)]
            tape = qml.tape.QuantumScript(operations, asked)
            qml.execute([tape], device, diff_method=None)
            return peak()

        run(20)
        print(*(run(n) for n in (1000, 2000, 4000)))
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    small, middle, large = (int(peak) / 2**10 for peak in done.stdout.split())  # MiB
    assert large - middle <= 2.5 * (middle - small) + 8, f"{small}, {middle}, {large} MiB"
