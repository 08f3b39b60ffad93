"""Results as a table, two results side by side, and whether contenders played the same game."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.contenders import CONTENDERS

Records = Mapping[str, Mapping[str, Any]]
SAME_SIZE = 0.01  # of parameters: biases in front of batch norm, which some leave out
SAME_ORDER = 10.0  # of losses: games diverge, but not by this after equally many steps
SAME_DENSITY = 0.1  # nats, of a log-likelihood: an error of float32 is a twentieth of it


def ratios(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[float]:
    """a's speed in terms of b's, round by round."""
    return [x / y for x, y in zip(a["it_per_s"], b["it_per_s"], strict=True)]


def fastest(records: Records, kind: str, framework: str | None = None) -> str | None:
    """The contender of a kind with the best median; of one framework, or of any."""
    names = [
        name
        for name in records
        if CONTENDERS[name].kind == kind
        and framework in (None, CONTENDERS[name].framework)
        and "error" not in records[name]
    ]
    return max(names, key=lambda name: median(records[name]["it_per_s"]), default=None)


def doubts(records: Records) -> list[str]:
    """Signs that contenders did not do the same: other sizes or densities, losses not finite or of another order."""
    wrong = {name: r["losses"]["off_nats"] for name, r in records.items() if "off_nats" in r.get("losses", {})}
    if wrong:
        return [f"{name} is off by up to {nats:.3g} nats" for name, nats in wrong.items() if nats > SAME_DENSITY]
    playing = {name: r for name, r in records.items() if r.get("parameters")}
    if not playing:
        return []
    reference = next(iter(playing))
    out = []
    for name, record in playing.items():
        for ours, theirs in zip(record["parameters"], playing[reference]["parameters"], strict=True):
            if abs(ours - theirs) > SAME_SIZE * theirs:
                sizes = record["parameters"], playing[reference]["parameters"]
                out.append(f"{name} has {sizes[0]} parameters, {reference} {sizes[1]}")
                break
        for loss, value in record["losses"].items():
            if not math.isfinite(value):
                out.append(f"{name}: {loss} is {value}")
    for loss in ("d_loss", "g_loss"):
        values = {name: r["start"][loss] for name, r in playing.items() if loss in r.get("start", {})}
        for name, value in values.items():
            if not 1 / SAME_ORDER < abs(value / median(values.values())) < SAME_ORDER:
                out.append(f"{name}: the first {loss} is {value:.3g}, that of most {median(values.values()):.3g}")
    return out


def table(workload: str, result: Mapping[str, Any]) -> str:
    """One workload: speed, its spread, ratio to the framework's best hand-written loop, share of the replay, costs."""
    records: Records = result["contenders"]
    replay = fastest(records, "replay")
    rows = [("", "it/s", "least..most", "of best hand", "of replay", "import s", "first step s", "peak MB")]
    for name, record in records.items():
        if "error" in record:
            rows.append((name, "does not run", record["error"], *[""] * 5))
            continue
        speeds = record["it_per_s"]
        hand = fastest(records, "hand", CONTENDERS[name].framework)
        rows.append(
            (
                name,
                number(median(speeds)),
                f"{number(min(speeds))}..{number(max(speeds))}",
                "" if hand is None or CONTENDERS[name].kind == "replay" else share(ratios(record, records[hand])),
                "" if replay is None else f"{median(ratios(record, records[replay])):.2f}",
                f"{record['import']:.1f}",
                f"{record['build'] + record['first']:.1f}",
                f"{record['peak_mb']:.0f}",
            )
        )
    load = " to ".join(f"{value:.1f}" for value in result["load"])
    lines = [f"{workload} (load {load})", *aligned(rows), *(f"DOUBT: {doubt}" for doubt in doubts(records))]
    return "\n".join(lines) + "\n"


def share(values: Sequence[float]) -> str:
    """The median of ratios, with the least and the greatest."""
    return f"{median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


def comparison(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Two results: each contender's speed as a share of the replay's, or of the best hand-written loop's, then and now.

    Speeds themselves are not compared: the machine was another, or in another mood.
    """
    commits = [result["environment"]["commit"] or "?" for result in (before, after)]
    rows = [("", *commits, "change")]
    for workload in before["workloads"]:
        if workload not in after["workloads"]:
            continue
        then, now = (result["workloads"][workload]["contenders"] for result in (before, after))
        for name in then:
            pair = [against_hand(records, name) for records in (then, now)]
            if None not in pair:
                rows.append((f"{workload} {name}", *(f"{p:.2f}" for p in pair), f"{pair[1] / pair[0]:.2f}x"))
    return "\n".join(["speed as a share of the framework's best hand-written loop", *aligned(rows)])


def against_hand(records: Records, name: str) -> float | None:
    """The median ratio to the framework's best hand-written loop, or to the replay where there is none."""
    record = records.get(name, {"error": "absent"})
    if "error" in record or CONTENDERS[name].kind in ("replay", "hand"):
        return None
    yardstick = fastest(records, "hand", CONTENDERS[name].framework)
    return None if yardstick is None else median(ratios(record, records[yardstick]))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows if row[1] != "does not run") for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def number(x: float) -> str:
    """Three digits."""
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"
