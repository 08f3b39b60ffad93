"""What `gankit evaluate` found, as one table: a bare number compares nothing, so each keeps its protocol."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from gankit.metrics.base import Measurement
from gankit.metrics.rows import Line, grouped, lines
from gankit.report.charts import MINUS, number

ARROWS = {"higher": "\N{UPWARDS ARROW}", "lower": "\N{DOWNWARDS ARROW}"}


@dataclass(frozen=True)
class Cell:
    """A number with its standard error, and what of its protocol is its own, such as the width that was chosen."""

    value: str
    own: str = ""


@dataclass(frozen=True)
class Kind:
    """One kind of number, with a cell for each state of G."""

    metric: str
    protocol: str
    arrow: str
    better: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Table:
    """heads: (state of G, its step) of each column. skipped: (metrics, the reason that they share)."""

    heads: tuple[tuple[str, str], ...]
    rows: tuple[Kind, ...]
    skipped: tuple[tuple[tuple[str, ...], str], ...]
    about: str

    @property
    def not_measured(self) -> int:
        """How many metrics were skipped."""
        return sum(len(names) for names, _ in self.skipped)


@dataclass(frozen=True)
class Compared:
    """One number beside others of its metric. what: of which model, and where it is printed. own: of this run."""

    metric: str
    what: str
    value: str
    own: bool = False


def table(measured: Mapping[str, Any]) -> Table | None:
    """The table of a `metrics.json`; None where it has no number."""
    states = [state for state in _dicts(measured.get("rows")) if _dicts(state.get("measurements"))]
    if not states:
        return None
    heads = tuple((f"{state.get('checkpoint', '')}, {state.get('weights', '')}", _step(state)) for state in states)
    reasons = {
        str(entry.get("metric")): str(entry.get("reason")) for state in states for entry in _dicts(state.get("skipped"))
    }
    known = [f"{name} {measured[name]}" for name in ("n", "seed", "split", "backend") if name in measured]
    return Table(
        heads,
        tuple(_kind(line) for line in lines([[_measurement(m) for m in _dicts(s["measurements"])] for s in states])),
        tuple((tuple(names), reason) for reason, names in grouped(reasons).items()),
        ", ".join(known),
    )


def value(measurement: Measurement) -> str:
    """`225.1 ± 2.2`: as many digits as its standard error leaves it; a dash for what is not finite."""
    error = measurement.error
    if not math.isfinite(measurement.value):
        return "\N{EN DASH}"
    if error is None or not 1e-6 < error < 1e6:
        return number(measurement.value)
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{measurement.value:,.{digits}f} ± {error:,.{digits}f}".replace("-", MINUS)


def published(rows: Iterable[Mapping[str, Any]], measured: Mapping[str, Any]) -> list[Compared]:
    """What others published, and below it what this run has of the same metrics."""
    theirs = [Compared(str(row.get("metric", "")), str(row.get("what", "")), value(_measurement(row))) for row in rows]
    metrics = {row.metric for row in theirs}
    ours = [
        Compared(
            str(m["metric"]),
            f"this run, {state.get('checkpoint')}, {state.get('weights')}, {_step(state)}",
            value(_measurement(m)),
            True,
        )
        for state in _dicts(measured.get("rows"))
        for m in _dicts(state.get("measurements"))
        if m.get("metric") in metrics
    ]
    return theirs + ours


def _kind(line: Line) -> Kind:
    pairs = zip(line.measured, line.own, strict=True)
    cells = tuple(None if m is None else Cell(value(m), own) for m, own in pairs)
    better = line.better or ""
    return Kind(line.metric, line.protocol, ARROWS.get(better, ""), better, cells)


def _measurement(written: Mapping[str, Any]) -> Measurement:
    """From a file that anybody may have written: what is no number is NaN."""
    number_, error, protocol = (written.get(name) for name in ("value", "error", "protocol"))
    return Measurement(
        str(written.get("metric", "")),
        math.nan if (known := _float(number_)) is None else known,
        dict(protocol) if isinstance(protocol, Mapping) else {},
        _float(error),
        cast(Any, str(written.get("better") or "")),
    )


def _float(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:  # an integer of hundreds of digits
        return math.nan


def _step(state: Mapping[str, Any]) -> str:
    step = state.get("step")
    return f"step {step:,}" if isinstance(step, int) else ""


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
