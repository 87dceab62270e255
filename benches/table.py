"""One Markdown table of medians from the JSON lines of ``benches.run``, and the README's of it."""

from __future__ import annotations

import json
import os
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benches.cases import order_of
from benches.workloads import W2_REFERENCE_VALUE

BASELINE = ("bondline (engine)", 1)
README_CIRCUITS = {
    "w1": "Haar brickwall, 40 wires, depth 20, every ⟨Z⟩",
    "w2": "100 wires, 8 layers, CX chain, 199 terms",
}
README_BONDS = (32, 64, 128)
README_PEERS = {"qiskit-aer": "Qiskit Aer", "qoro-maestro": "qoro-maestro"}
README_MARKS = ("<!-- times: make bench-readme -->", "<!-- end of times -->")


Key = tuple[str, int, str, int]


def medians(records: Iterable[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    """Reduce to medians by workload, chi, simulator and threads; warm-up calls are left out."""
    groups: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        if record["call"] > 0:
            key = (record["workload"], record["chi"], record["simulator"], record["threads"])
            groups[key].append(record)
    return {
        key: {
            **rows[-1],
            "cpu_s": statistics.median(row["cpu_s"] for row in rows),
            "wall_s": statistics.median(row["wall_s"] for row in rows),
            "wall_min": min(row["wall_s"] for row in rows),
            "wall_max": max(row["wall_s"] for row in rows),
            "calls": len(rows),
        }
        for key, rows in groups.items()
    }


def figure(record: dict[str, Any], summary: dict[Key, dict[str, Any]]) -> str:
    """Say what state or value is worth: true fidelity, or distance from the reference value."""
    if record["workload"] == "w2":
        error = abs(record["value"] - W2_REFERENCE_VALUE)
        return f"<H> = {record['value']:.4f} (error {error:.4f})"
    if record["workload"].startswith(("layers", "small")):
        return f"<H> = {record['value']:.6f}"
    twin_name = f"{record['workload']}-20"
    twin = summary.get((twin_name, record["chi"], record["simulator"], record["threads"]))
    if twin and twin["fidelity"] is not None:
        return f"F = {twin['fidelity']:.4f} on 20 wires"
    return f"F = {record['fidelity']:.4f}" if record["fidelity"] is not None else ""


def read(results: Path) -> tuple[list[dict[str, Any]], float | None]:
    """Read the calls and the ceiling of matrix products from the lines of a run."""
    with results.open() as file:
        lines = [json.loads(line) for line in file]
    ceilings = [line["ceiling_flops"] for line in lines if "ceiling_flops" in line]
    return [line for line in lines if "simulator" in line], max(ceilings, default=None)


def second_core(key: Key, summary: Mapping[Key, Mapping[str, Any]]) -> str:
    """Say how much less a caller waits on two threads: wall time of one over that of two."""
    two = summary.get((*key[:3], 2))
    return f"{summary[key]['wall_s'] / two['wall_s']:.2f}" if key[3] == 1 and two else ""


def products_share(row: Mapping[str, Any], ceiling: float | None) -> str:
    """Say which share of the CPU time ideal matrix products would take."""
    flops = row.get("product_flops")
    return f"{flops / ceiling / row['cpu_s']:.0%}" if flops and ceiling else ""


def table(results: Path) -> str:
    """Write the medians of ``results`` as Markdown, with the figures of merit beside them."""
    records, ceiling = read(results)
    summary = medians(records)
    lines = [
        "| workload | chi | simulator | threads | CPU s | CPU / ours | wall s (min-max) "
        "| second core | products | calls | fidelity or value | own estimate | MiB |",
        "|---" * 13 + "|",
    ]
    for key in sorted(summary, key=lambda k: (order_of(k[0]), *k[1:])):
        workload, chi, simulator, threads = key
        row = summary[key]
        ours = summary.get((workload, chi, *BASELINE))
        ratio = f"{row['cpu_s'] / ours['cpu_s']:.2f}" if ours else ""
        estimate = row["fidelity_estimate"]
        lines.append(
            f"| {workload} | {chi} | {simulator} | {threads} | {row['cpu_s']:.4g} | {ratio} "
            f"| {row['wall_s']:.4g} ({row['wall_min']:.4g}-{row['wall_max']:.4g}) "
            f"| {second_core(key, summary)} | {products_share(row, ceiling)} "
            f"| {row['calls']} | {figure(row, summary)} "
            f"| {'' if estimate is None else format(estimate, '.4f')} | {row['peak_rss_mib']:.0f} |"
        )
    versions = {
        name: version for row in summary.values() for name, version in row["versions"].items()
    }
    cpus = sorted({record["cpu_model"] for record in records})
    notes = [
        "",
        f"Machine: {', '.join(cpus)}; {os.cpu_count()} cores. complex128; one process per "
        "simulator and turn, one warm-up each.",
        "Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
        "",
        "w1: Haar brickwall, 40 wires, depth 20, and every <Z>; w1-20: the same on 20 wires, where "
        "the exact state gives the true fidelity F. w2: 100 wires, 8 layers of RX RY RZ and a CX "
        f"chain, sum ZZ + sum X; {W2_REFERENCE_VALUE} exactly, at chi 256. "
        "w4: 50 wires, 3 layers of RZ RY "
        "RZ and rings of CX of range 1, 2, 3, every <Z>. w5: Fourier transform without reversal of "
        "a random product state of 60 wires, every <X>. Every simulator applies the 4x4 matrices "
        'of w1 as they are. CPU seconds are user + system of all threads. "Own estimate" '
        "is the norm of the state that was never renormalised, where a simulator keeps it; peak "
        "memory is that of the whole process, libraries included. Second core: wall time on one "
        "thread over that on two. w1 of the canonical engine reads one swept state, as quimb does; "
        "qevedo draws one shot of it and reads nothing. layers-N: N wires, 2 layers of w2; "
        "small-N: 4 layers through a QNode; batch-N: N circuits of 60 wires and 4 layers.",
    ]
    if ceiling is not None:
        notes.insert(
            -2,
            "Products: share of the CPU time that three ideal complex128 products a step would "
            f"take at {ceiling / 1e9:.0f} GF/s, NumPy's on one thread in this run "
            "(benches/roofline.py); empty where wires are reordered or steps merged.",
        )
    return "\n".join(lines + notes) + "\n"


def readme_table(results: Path) -> str:
    """Write the short table of the README: times of one thread, ratios, two threads."""
    records, _ = read(results)
    summary = medians(records)
    versions = {
        name: version for row in summary.values() for name, version in row["versions"].items()
    }
    peers = [f"{name} {versions.get(key, '')}".strip() for key, name in README_PEERS.items()]
    lines = [
        f"| | bond | bondline | {' | '.join(peers)} | bondline, two threads (wall) |",
        "|---" * (4 + len(peers)) + "|",
    ]
    for workload, circuit in README_CIRCUITS.items():
        name = circuit
        for chi in README_BONDS:
            ours = summary.get((workload, chi, *BASELINE))
            if ours is None:
                continue
            cells = []
            for peer in README_PEERS:
                row = summary.get((workload, chi, peer, 1))
                cells.append(
                    f"{row['cpu_s']:.2f} ({row['cpu_s'] / ours['cpu_s']:.1f}×)" if row else ""
                )
            two = summary.get((workload, chi, BASELINE[0], 2))
            cells.append(f"{two['wall_s']:.2f}" if two else "")
            lines.append(f"| {name} | {chi} | {ours['cpu_s']:.2f} | {' | '.join(cells)} |")
            name = ""
    cpus = ", ".join(sorted({record["cpu_model"] for record in records}))
    calls = max(row["calls"] for row in summary.values())
    note = f"Medians of up to {calls} calls in turn on {cpus}; bondline {versions['bondline']}."
    return "\n".join([*lines, "", note]) + "\n"


def put_into(page: str, text: str) -> str:
    """Replace what stands between the marks of a page."""
    first, last = README_MARKS
    before, found, rest = page.partition(first)
    _, ended, after = rest.partition(last)
    if not found or not ended:
        raise ValueError(f"the page has no '{first}' with '{last}' after it.")
    return f"{before}{first}\n{text}\n{last}{after}"
