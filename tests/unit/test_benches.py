"""The pure parts of the benchmarks: the table, the count of operations, the curves."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benches import growth, roofline, table, workloads


def line(simulator, threads, call, cpu, wall, **more):
    return {
        **{"simulator": simulator, "threads": threads, "call": call, "cpu_s": cpu, "wall_s": wall},
        **{"workload": "w2", "chi": 64, "value": 1.5, "fidelity": None, "fidelity_estimate": None},
        **{"versions": {"bondline": "0"}, "peak_rss_mib": 1.0, "cpu_model": "a CPU", **more},
    }


@pytest.fixture
def results(tmp_path):
    ours = "bondline (engine)"
    lines = [
        {"ceiling_flops": 1e9},
        line(ours, 1, 0, 99.0, 99.0, product_flops=5e8),
        *(
            line(ours, 1, call, cpu, 3.0, product_flops=5e8)
            for call, cpu in ((1, 1), (2, 2), (3, 9))
        ),
        line(ours, 2, 1, 2.0, 1.5),
        line("qoro-maestro", 1, 1, 5.0, 5.0),
    ]
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return path


def test_the_table_has_medians_ratios_the_second_core_and_products(results):
    rows = [row.split(" | ") for row in table.table(results).splitlines() if "w2 | 64" in row]
    by_name = {(row[2], row[3]): row for row in rows}
    ours = by_name["bondline (engine)", "1"]
    assert ours[4:6] == ["2", "1.00"]
    assert ours[7:9] == ["2.00", "25%"]
    assert "error 0.1215" in ours[10]
    assert by_name["qoro-maestro", "1"][5] == "2.50"


def test_the_readme_gets_the_short_table_between_its_marks(results):
    first, last = table.README_MARKS
    page = table.put_into(f"a\n{first}\nold\n{last}\nb", table.readme_table(results))
    assert "| 64 | 2.00 |  | 5.00 (2.5×) | 1.50 |" in page
    assert "old" not in page
    assert page.startswith("a\n")
    assert page.endswith("\nb")
    with pytest.raises(ValueError, match="has no"):
        table.put_into("a page", "text")


def test_operations_of_two_gates_by_hand():
    gates = [workloads.Gate("cx", (0, 1)), workloads.Gate("cx", (1, 2))]
    circuit = workloads.Workload("by hand", 3, gates)
    # bonds 1, 1, 1 keep 2; then 2, 1, 1 keep 2: 8 (2l m 2r + 2 (2l 2r k)).
    count = 8 * (4 + 2 * 4 * 2) + 8 * (8 + 2 * 8 * 2)
    assert roofline.product_flops(circuit, 16, np.array([[2, 2]], np.uint32), 2) == count
    assert roofline.product_flops(circuit, 16, np.array([[2, 2]], np.uint32), 3) is None


def test_a_curve_has_medians_in_order_of_size():
    curve = growth.CURVES[1]
    common = {"curve": curve.title, "workload": "layers-50", "chi": 16}
    records = [line("us", 1, call, cpu, 0.0, **common) for call, cpu in ((0, 9), (1, 3), (2, 5))]
    records.append(line("us", 1, 1, 2.0, 0.0, **{**common, "workload": "layers-20"}))
    assert growth.series(curve, records) == {("us", 1): [(20, 2.0), (50, 4.0)]}
