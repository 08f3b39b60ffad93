"""What `gankit evaluate` found, as one table: a bare number compares nothing, so each keeps its protocol."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gankit.metrics.rows import grouped
from gankit.report.charts import MINUS, number

ARROWS = {"higher": "\N{UPWARDS ARROW}", "lower": "\N{DOWNWARDS ARROW}"}


@dataclass(frozen=True)
class Cell:
    """A number with its standard error, and what of its protocol is its own, such as the width that was chosen."""

    value: str
    own: str = ""


@dataclass(frozen=True)
class Row:
    metric: str
    protocol: str
    arrow: str
    better: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Table:
    """heads: (state of G, its step) of each column. skipped: (metrics, the reason that they share)."""

    heads: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
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
    columns = [_numbered(state) for state in states]
    kinds = list(dict.fromkeys(kind for column in columns for kind in column))
    heads = tuple((f"{state.get('checkpoint', '')}, {state.get('weights', '')}", _step(state)) for state in states)
    reasons = {
        str(entry.get("metric")): str(entry.get("reason")) for state in states for entry in _dicts(state.get("skipped"))
    }
    known = [f"{name} {measured[name]}" for name in ("n", "seed", "split", "backend") if name in measured]
    return Table(
        heads,
        tuple(_row(kind[0], [c.get(kind) for c in columns]) for kind in kinds),
        tuple((tuple(names), reason) for reason, names in grouped(reasons).items()),
        ", ".join(known),
    )


def value(measurement: Mapping[str, Any]) -> str:
    """`225.1 ± 2.2`: as many digits as its standard error leaves it; a dash for what is not finite."""
    number_, error = measurement.get("value"), measurement.get("error")
    if not isinstance(number_, int | float):
        return "\N{EN DASH}"
    if not isinstance(error, int | float) or not 1e-6 < error < 1e6:
        return number(number_)
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{number_:,.{digits}f} ± {error:,.{digits}f}".replace("-", MINUS)


def published(rows: Iterable[Mapping[str, Any]], measured: Mapping[str, Any]) -> list[Compared]:
    """What others published, and below it what this run has of the same metrics."""
    theirs = [Compared(str(row.get("metric", "")), str(row.get("what", "")), value(row)) for row in rows]
    metrics = {row.metric for row in theirs}
    ours = [
        Compared(
            str(m["metric"]),
            f"this run, {state.get('checkpoint')}, {state.get('weights')}, {_step(state)}",
            value(m),
            True,
        )
        for state in _dicts(measured.get("rows"))
        for m in _dicts(state.get("measurements"))
        if m.get("metric") in metrics
    ]
    return theirs + ours


def _numbered(state: Mapping[str, Any]) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Measurements by metric, and by which of that metric's it is."""
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for measurement in _dicts(state.get("measurements")):
        name = str(measurement.get("metric", ""))
        found[name, sum(known == name for known, _ in found)] = measurement
    return found


def _row(metric: str, measurements: list[Mapping[str, Any] | None]) -> Row:
    """One kind of number in all states of G; what of the protocol is alike stands beside its name."""
    protocols = [dict(m.get("protocol") or {}) for m in measurements if m is not None]
    alike = {key: item for key, item in protocols[0].items() if all(p.get(key) == item for p in protocols)}
    cells = tuple(
        None
        if m is None
        else Cell(value(m), _said({k: v for k, v in (m.get("protocol") or {}).items() if k not in alike}))
        for m in measurements
    )
    better = next((str(m.get("better") or "") for m in measurements if m is not None), "")
    return Row(metric, _said(alike), ARROWS.get(better, ""), better, cells)


def _said(protocol: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={item}" for key, item in protocol.items())


def _step(state: Mapping[str, Any]) -> str:
    step = state.get("step")
    return f"step {step:,}" if isinstance(step, int) else ""


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
