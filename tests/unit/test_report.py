"""Reports say what was discarded; the judgement follows the settings."""

import warnings

import numpy as np
import pennylane as qml
import pytest

from bondline import LowFidelityError, LowFidelityWarning, MpsConfig
from bondline.lowering import lower
from bondline.report import REPORT_LIMIT, Account, Evidence

WIRES = 4


def evidence(config, measurements, *, rows=1, norm=1.0, cone=0.0, saturated=()):
    """Evidence of one circuit of which the engine would tell these numbers."""
    angles = np.linspace(0, 1, rows) if rows > 1 else 0.5
    tape = qml.tape.QuantumScript([qml.RX(angles, 0)], measurements)
    lowered = lower([tape], wires=range(WIRES))
    requests = lowered.groups[0].requests
    bonds = np.zeros((rows, WIRES - 1), dtype=bool)
    bonds[:, list(saturated)] = True
    account = Account(
        norm=np.full(rows, norm),
        discarded=np.full((rows, WIRES - 1), 0.01 if norm < 1 or cone else 0.0),
        bonds=np.full((rows, WIRES - 1), 2, dtype=np.uint32),
        largest_bond=np.full(rows, 8, dtype=np.uint32),
        saturated=bonds,
        cone_words=np.full((rows, len(requests.word_counts)), cone),
        cone_variances=np.full((rows, len(requests.variance_counts)), cone),
        cone_probabilities=np.full((rows, len(requests.probabilities)), cone),
        cone_densities=np.full((rows, len(requests.densities)), cone),
        methods={"gram": 5, "fallback": 1},
        sweeps=np.ones(rows, dtype=np.uint32),
        seconds=np.full(rows, 0.25),
        n_steps=9,
        wire_of_site=np.arange(WIRES, dtype=np.uint32)[::-1],
    )
    return Evidence(lowered.circuits, [account], config, "parameter-shift")


LOCAL = [
    [qml.expval(qml.Z(0))],
    [qml.var(qml.Z(0) + qml.X(1))],
    [qml.probs(wires=[0, 1])],
    [qml.purity(wires=[0])],
]
GLOBAL = [[qml.state()]]


@pytest.mark.parametrize("measurements", LOCAL)
def test_local_values_are_judged_by_their_light_cone(measurements):
    evidence(MpsConfig(), measurements, norm=0.2, cone=0.005).judge()  # the norm does not matter
    with pytest.warns(LowFidelityWarning, match=r"discarded in its light cone add up to 0\.03"):
        evidence(MpsConfig(), measurements, norm=0.9, cone=0.03, saturated=[1, 2]).judge()


@pytest.mark.parametrize("measurements", GLOBAL)
def test_the_state_is_judged_by_its_norm(measurements):
    evidence(MpsConfig(), measurements, norm=0.995).judge()
    with pytest.warns(
        LowFidelityWarning, match="estimate that can be too high for smooth circuits"
    ):
        evidence(MpsConfig(), measurements, norm=0.8).judge()


@pytest.mark.parametrize("measurements", LOCAL)
def test_readout_state_judges_everything_by_the_norm(measurements):
    config = MpsConfig(readout="state")
    evidence(config, measurements, norm=0.999, cone=0.5).judge()
    with pytest.warns(LowFidelityWarning, match="estimated fidelity 0.8"):
        evidence(config, measurements, norm=0.8).judge()


def test_the_message_names_bonds_and_the_way_out():
    found = evidence(MpsConfig(max_bond_dim=32), LOCAL[0] * 3, cone=0.5, saturated=[0, 2], rows=2)
    with pytest.warns(LowFidelityWarning) as caught:
        found.judge()
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "Bonds 0, 2 were cut by max_bond_dim=32; try max_bond_dim=64" in text
    assert "Circuit 0, measurement 0, row 0 of its batch" in text
    assert "3 values of this call are affected" in text
    with pytest.warns(LowFidelityWarning, match="lower cutoff"):
        evidence(MpsConfig(), LOCAL[0], cone=0.5).judge()


def test_raise_and_ignore():
    with pytest.raises(LowFidelityError, match="light cone"):
        evidence(MpsConfig(on_low_fidelity="raise"), LOCAL[0], cone=0.5).judge()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evidence(MpsConfig(on_low_fidelity="ignore"), LOCAL[0], cone=0.5).judge()
        evidence(MpsConfig(min_fidelity=0.4), LOCAL[0], cone=0.5).judge()


def test_reports_carry_the_numbers_of_their_row():
    found = evidence(
        MpsConfig(), [qml.expval(qml.Z(0)), qml.state()], rows=3, cone=0.02, norm=0.9, saturated=[1]
    )
    reports = found.reports()
    assert len(reports) == 3
    report = reports[0]
    assert report.light_cone == (0.02, None)
    assert report.total_discarded == pytest.approx(0.03)
    assert report.saturated_bonds == (1,)
    assert report.fallbacks == 1
    assert report.wires == (3, 2, 1, 0)
    text = str(report)
    assert "estimate of the fidelity" in text
    assert "Measurement 0: 0.02 discarded in its light cone" in text
    assert "Bonds 1 were cut" in text


def test_a_clean_run_says_so():
    (report,) = evidence(MpsConfig(), [qml.expval(qml.Z(0))]).reports()
    assert "Nothing was discarded" in str(report)


def test_the_number_of_reports_is_bounded():
    assert len(evidence(MpsConfig(), LOCAL[0], rows=REPORT_LIMIT + 50).reports()) == REPORT_LIMIT
