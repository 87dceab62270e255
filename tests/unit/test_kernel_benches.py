"""The pure parts of the kernels' benchmarks: products, medians, which processes run."""

import argparse
import sys
from functools import reduce
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benches import kernels, small_products


def test_small_products_are_overlaps_of_normalised_states():
    states = small_products.random_states(3, 5, 4)
    assert [site.shape[3] for site in states] == [2, 4, 4, 2, 1]

    def dense(point):
        tensors = [site[point] for site in states]
        return reduce(lambda left, right: np.tensordot(left, right, 1), tensors).ravel()

    bra, ket = np.array([0, 0, 2]), np.array([0, 1, 1])
    expected = [np.vdot(dense(one), dense(other)) for one, other in zip(bra, ket, strict=True)]
    np.testing.assert_allclose(small_products.overlaps(states, bra, ket), expected, atol=1e-14)
    assert abs(expected[0] - 1) < 1e-14


def test_states_of_unequal_bonds_are_padded():
    wide = [site[0] for site in small_products.random_states(1, 4, 4)]
    narrow = [site[0] for site in small_products.random_states(1, 4, 2)]
    packed = small_products.pack([wide, narrow])
    every = np.arange(2)
    np.testing.assert_allclose(small_products.overlaps(packed, every, every), 1, atol=1e-14)


def record(call, cpu, **more):
    return {
        **{"workload": "zz-60", "chi": 64, "simulator": "us", "threads": 1, "scaled_by": 1.0},
        **{"call": call, "cpu_s": cpu, "wall_s": cpu, "peak_rss_mib": 1.0, "value": 0.5},
        **{"settings": {"points": 50}, **more},
    }


def test_medians_multiply_up_and_leave_warm_ups_out_unless_there_is_nothing_else():
    summary = kernels.medians(
        [
            *(record(call, cpu) for call, cpu in ((0, 9.0), (1, 1.0), (2, 2.0), (3, 5.0))),
            record(0, 7.0, simulator="cold"),
            record(1, 2.0, simulator="some", scaled_by=100.0),
        ]
    )
    found = {key[2]: (row["cpu_s"], row["cold"], row["calls"]) for key, row in summary.items()}
    assert found == {"us": (2.0, False, 3), "cold": (7.0, True, 1), "some": (200.0, False, 1)}
    assert kernels.disagreement(summary) == 0.0


def test_the_long_matrix_runs_when_it_is_asked_for(tmp_path):
    def names(*arguments):
        options = kernels.parse(["--peers-python", str(tmp_path / "none"), *arguments])
        assert isinstance(options, argparse.Namespace)
        return {workload: own.calls for _, workload, _, own in kernels.turns(options)}

    assert names() == {"zz-60": 3, "ladder-784": 0, "pairs-60": 3}
    assert names("--long", "--only", "chain-165") == {"chain-165": 0}
