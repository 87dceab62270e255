"""Reports say what was discarded; the judgement follows the settings."""

import json
import math
import pickle
import warnings

import numpy as np
import pennylane as qml
import pytest

from bondline import LowFidelityError, LowFidelityWarning, MpsConfig
from bondline.circuits.lowering import lower
from bondline.measurements.seeds import Seeds
from bondline.reports.account import Account
from bondline.reports.evidence import REPORT_LIMIT, Evidence
from bondline.reports.warnings_once import KEY_LIMIT, GivenOnce, user_stacklevel

WIRES = 4


class Told:
    """Evidence of one circuit of which the engine would tell these numbers."""

    def __init__(
        self,
        config,
        measurements,
        *,
        rows=1,
        log_norm=0.0,
        coherence=math.nan,
        cone=0.0,
        saturated=(),
        angle=0.5,
        gradient_method="parameter-shift",
        shots=None,
        left_out=0,
    ):
        angles = np.linspace(0, 1, rows) if rows > 1 else angle
        tape = qml.tape.QuantumScript([qml.RX(angles, 0)], measurements, shots=shots)
        self.lowered = lower([tape], range(WIRES), Seeds(7).next_call())
        requests = self.lowered.groups[0].requests
        bonds = np.zeros((rows, WIRES - 1), dtype=bool)
        bonds[:, list(saturated)] = True
        discarded = np.array([0.001, 0.03, 0.002]) if log_norm < 0 or cone else np.zeros(3)
        account = Account(
            norm=np.full(rows, math.exp(log_norm)),
            log_norm=np.full(rows, log_norm),
            coherence=np.full(rows, coherence),
            branches=np.ones(rows, dtype=np.uint32),
            dropped_branches=np.zeros(rows),
            peak_bytes=np.full(rows, 3 * 2**20, dtype=np.uint64),
            discarded=np.tile(discarded, (rows, 1)),
            bonds=np.full((rows, WIRES - 1), 2, dtype=np.uint32),
            largest_bond=np.full(rows, 8, dtype=np.uint32),
            saturated=bonds,
            cone_words=np.full((rows, len(requests.word_counts)), cone),
            cone_variances=np.full((rows, len(requests.variance_counts)), cone),
            cone_probabilities=np.full((rows, len(requests.probabilities)), cone),
            cone_densities=np.full((rows, len(requests.densities)), cone),
            cone_spectra=np.full((rows, len(requests.spectra)), cone),
            methods={"gram": 5, "fallback": 1},
            sweeps=np.ones(rows, dtype=np.uint32),
            seconds=np.full(rows, 0.25),
            n_steps=9,
            n_steps_left_out=left_out,
            wire_of_site=np.arange(WIRES, dtype=np.uint32)[::-1],
            smallest_gap=np.ones(rows),
            shifted_cuts=np.zeros(rows, dtype=np.uint32),
        )
        self.evidence = Evidence(self.lowered.circuits, [account], config, gradient_method)

    def judge(self, given=None):
        given = GivenOnce() if given is None else given
        self.evidence.judge(self.lowered.groups, given)

    def reports(self):
        return self.evidence.reports()


LOCAL = [
    [qml.expval(qml.Z(0))],
    [qml.var(qml.Z(0) + qml.X(1))],
    [qml.probs(wires=[0, 1])],
    [qml.purity(wires=[0])],
]
GLOBAL = [[qml.state()]]


@pytest.mark.parametrize("measurements", LOCAL)
def test_local_values_are_judged_by_their_light_cone(measurements):
    Told(MpsConfig(), measurements, log_norm=-5.0, cone=0.005).judge()  # the norm does not matter
    with pytest.warns(LowFidelityWarning, match=r"discarded in its light cone add up to 0\.03"):
        Told(MpsConfig(), measurements, log_norm=-0.1, cone=0.03, saturated=[1, 2]).judge()


def test_a_thousand_wires_do_not_warn_by_their_number():
    Told(MpsConfig(), LOCAL[0], log_norm=-2000.0, coherence=1.1, cone=0.005).judge()


@pytest.mark.parametrize("measurements", GLOBAL)
def test_the_state_is_judged_by_its_norm(measurements):
    Told(MpsConfig(), measurements, log_norm=math.log(0.995)).judge()
    with pytest.warns(
        LowFidelityWarning, match="estimate that can be too high for smooth circuits"
    ):
        Told(MpsConfig(), measurements, log_norm=math.log(0.8)).judge()


@pytest.mark.parametrize("measurements", LOCAL)
def test_readout_state_judges_everything_by_the_norm(measurements):
    config = MpsConfig(readout="state")
    Told(config, measurements, log_norm=math.log(0.999), cone=0.5).judge()
    with pytest.warns(LowFidelityWarning, match=r"estimated fidelity 0\.8"):
        Told(config, measurements, log_norm=math.log(0.8)).judge()


# The smooth circuits on which the norm is far too high: norm, coherence, corrected fidelity.
TROTTER = [(0.991, 6.4, 0.944), (0.996, 15.2, 0.941), (0.879, 3.83, 0.610), (0.691, 2.56, 0.388)]


@pytest.mark.parametrize(("norm", "coherence", "corrected"), TROTTER)
def test_coherence_corrects_the_norm_and_the_warning_comes(norm, coherence, corrected):
    told = Told(MpsConfig(), GLOBAL[0], log_norm=math.log(norm), coherence=coherence)
    (report,) = told.reports()
    assert report.fidelity_estimate == pytest.approx(corrected, abs=2e-3)
    assert report.fidelity_method == "coherence-corrected"
    assert report.norm == pytest.approx(norm)
    with pytest.warns(LowFidelityWarning, match=f"to the power {coherence:.3g}"):
        told.judge()


@pytest.mark.parametrize(("norm", "coherence", "corrected"), TROTTER)
def test_coherence_counts_in_light_cones_too(norm, coherence, corrected):
    told = Told(
        MpsConfig(), LOCAL[0], log_norm=math.log(norm), coherence=coherence, cone=-math.log(norm)
    )
    (report,) = told.reports()
    assert report.value_fidelities[0] == pytest.approx(corrected, abs=2e-3)
    with pytest.warns(LowFidelityWarning, match="because errors add up coherently"):
        told.judge()


def test_coherence_below_one_never_improves_an_estimate():
    (report,) = Told(MpsConfig(), GLOBAL[0], log_norm=-0.2, coherence=0.5).reports()
    assert report.fidelity_estimate == pytest.approx(math.exp(-0.2))


def test_a_norm_that_drifts_above_one_is_a_fidelity_of_one():
    (report,) = Told(MpsConfig(), GLOBAL[0], log_norm=1e-6, coherence=8.0, cone=1e-12).reports()
    assert report.norm > 1.0
    assert report.fidelity_estimate == 1.0


def test_the_message_names_bonds_and_the_way_out():
    found = Told(MpsConfig(max_bond_dim=32), LOCAL[0] * 3, cone=0.5, saturated=[0, 2], rows=2)
    with pytest.warns(LowFidelityWarning) as caught:
        found.judge()
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "estimated fidelity 0.607 is below min_fidelity 0.99" in text
    assert "Most was discarded at the bonds 1 (0.03), 2 (0.002), 0 (0.001)." in text
    assert "Bonds 0, 2 were cut by max_bond_dim=32; try max_bond_dim=64" in text
    assert "Circuit 0, measurement 0, row 0 of its batch" in text
    assert "3 values of this call are affected" in text
    with pytest.warns(LowFidelityWarning, match="lower cutoff"):
        Told(MpsConfig(), LOCAL[0], cone=0.5).judge()


def test_raise_and_ignore():
    given = GivenOnce()
    strict = Told(MpsConfig(on_low_fidelity="raise"), LOCAL[0], cone=0.5)
    for _ in range(2):  # an error is never given once only
        with pytest.raises(LowFidelityError, match="light cone"):
            strict.judge(given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Told(MpsConfig(on_low_fidelity="ignore"), LOCAL[0], cone=0.5).judge()
        Told(MpsConfig(min_fidelity=0.4), LOCAL[0], cone=0.5).judge()


def test_one_warning_for_each_structure_and_setting():
    given = GivenOnce()

    def warned(*arguments, **numbers):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Told(*arguments, **numbers).judge(given)
        return len(caught)

    assert warned(MpsConfig(), LOCAL[0], cone=0.5) == 1
    # The same QNode again: other parameters, another loss, a batch.
    assert warned(MpsConfig(), LOCAL[0], cone=0.4, angle=0.7) == 0
    assert warned(MpsConfig(), LOCAL[0], cone=0.4, rows=3) == 0
    assert warned(MpsConfig(), LOCAL[2], cone=0.5) == 1
    assert warned(MpsConfig(max_bond_dim=16), LOCAL[0], cone=0.5) == 1


def test_the_memory_of_warnings_is_bounded():
    given = GivenOnce()
    assert given.first("a")
    assert not given.first("a")
    assert all(given.first(number) for number in range(KEY_LIMIT))
    assert given.first("a")


def test_the_warning_points_at_the_user():
    # Frames of the libraries between the user's line and the warning.
    names = {"__name__": "bondline.made_up", "user_stacklevel": user_stacklevel}
    exec("def inner(warn): warn('low', stacklevel=user_stacklevel())", names)
    outer = {"__name__": "pennylane.workflow.made_up", "inner": names["inner"]}
    exec("def call(warn): inner(warn)", outer)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outer["call"](warnings.warn)
    assert caught[0].filename == __file__


def test_reports_carry_the_numbers_of_their_row():
    found = Told(
        MpsConfig(),
        [qml.expval(qml.Z(0)), qml.state()],
        rows=3,
        cone=0.02,
        log_norm=math.log(0.9),
        saturated=[1],
    )
    reports = found.reports()
    assert len(reports) == 3
    report = reports[0]
    assert report.light_cone == (0.02, None)
    assert report.value_fidelities == pytest.approx((math.exp(-0.02), 0.9))
    assert report.total_discarded == pytest.approx(0.033)
    assert report.saturated_bonds == (1,)
    assert report.fallbacks == 1
    assert report.wires == (3, 2, 1, 0)
    assert report.peak_bytes == 3 * 2**20
    assert report.seed is None
    text = str(report)
    assert "3 MiB" in text
    assert "estimate of the fidelity" in text
    assert "Measurement 0: 0.02 discarded in its light cone" in text
    assert "Bonds 1 were cut" in text


def test_reports_say_whose_figures_they_are_where_steps_were_left_out():
    log_norm = math.log(0.9)
    (report,) = Told(MpsConfig(), LOCAL[0], log_norm=log_norm, left_out=7).reports()
    assert report.steps_left_out == 7
    assert "7 more steps outside the light cones of the values were not run" in str(report)
    assert "fidelity of the state inside the light cones" in str(report)
    assert "whole state" not in str(report)
    (report,) = Told(MpsConfig(), LOCAL[0], log_norm=log_norm).reports()
    assert "light cones" not in str(report)
    assert "whole state" in str(report)


def test_reports_name_both_figures_where_coherence_was_measured():
    (report,) = Told(MpsConfig(), GLOBAL[0], log_norm=math.log(0.991), coherence=6.4).reports()
    assert "fidelity of the whole state 0.943" in str(report)
    assert "from the norm 0.991 and the coherence 6.4" in str(report)


def test_reports_name_the_gradient_method_as_a_text_and_pickle():
    told = Told(MpsConfig(), LOCAL[0], gradient_method=qml.gradients.param_shift)
    (report,) = told.reports()
    assert report.gradient_method == "param_shift"
    assert pickle.loads(pickle.dumps(report)).gradient_method == "param_shift"
    (report,) = Told(MpsConfig(), LOCAL[0], gradient_method=None).reports()
    assert report.gradient_method is None


def test_reports_of_shots_name_their_seed():
    told = Told(MpsConfig(), [qml.sample(wires=[0])], shots=10)
    (report,) = told.reports()
    (expected,) = told.lowered.groups[0].requests.seeds.tolist()
    assert report.seed == tuple(expected)


def test_a_report_is_a_dict_that_json_takes():
    (report,) = Told(MpsConfig(), GLOBAL[0], log_norm=-0.5).reports()
    found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert found["coherence"] is None
    assert found["discarded"] == [0.001, 0.03, 0.002]
    assert found["light_cone"] == [None]
    assert found["fidelity_estimate"] == pytest.approx(math.exp(-0.5))
    assert found["total_discarded"] == pytest.approx(0.033)


def test_a_clean_run_says_so():
    (report,) = Told(MpsConfig(), [qml.expval(qml.Z(0))]).reports()
    assert "Nothing was discarded" in str(report)


def test_the_number_of_reports_is_bounded():
    told = Told(MpsConfig(), LOCAL[0], rows=REPORT_LIMIT + 50)
    assert len(told.reports()) == REPORT_LIMIT


def test_the_short_text_stands_in_a_list_of_reports():
    report = Told(MpsConfig(), [qml.expval(qml.Z(0))], log_norm=-0.1, cone=0.1).reports()[0]
    assert str(report) in repr([report])
    assert len(repr(report)) < 600
