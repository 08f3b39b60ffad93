"""The measurements of one state of G, as a row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gankit import __version__
from gankit.errors import UnknownNameError, one_of
from gankit.metrics.base import Measurement

Weights = Literal["raw", "ema"]

FORMAT = 1
"""Of metrics.json."""


@dataclass(frozen=True)
class Row:
    """The measurements of one state of G.

    checkpoint: "last", "best", "step-001000", or "now" for a trainer. weights: "raw", or "ema" for the moving average.
    skipped: (metric, reason) of metrics that do not apply. failed: (metric, error) of metrics that failed.
    """

    checkpoint: str
    step: int
    weights: Weights
    measurements: tuple[Measurement, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    failed: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, metric: str) -> Measurement:
        """The first measurement of that kind: `row["frechet"].value`."""
        for measurement in self.measurements:
            if metric in (measurement.metric, measurement.label):
                return measurement
        why = [reason for name, reason in (*self.skipped, *self.failed) if name == metric]
        there = one_of({measurement.metric for measurement in self.measurements})
        raise UnknownNameError(f"{metric!r} was not measured{': ' + why[0] if why else ''}. Measured: {there}.")

    def to_plain(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "checkpoint": self.checkpoint,
            "step": self.step,
            "weights": self.weights,
            "measurements": [{**plain_measurement(m), "details": plain(m.details)} for m in self.measurements],
            "skipped": [{"metric": name, "reason": reason} for name, reason in self.skipped],
            "failed": [{"metric": name, "reason": reason} for name, reason in self.failed],
        }


def plain_measurement(measurement: Measurement) -> dict[str, Any]:
    """Ready for JSON, without its details."""
    return {
        "metric": measurement.metric,
        "label": measurement.label,
        "value": plain(measurement.value),
        "error": plain(measurement.error),
        "better": measurement.better,
        "protocol": plain(measurement.protocol),
    }


def plain(value: Any) -> Any:
    """Only what JSON has; NaN and infinity are None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


@dataclass(frozen=True)
class Evaluation:
    """The rows, and what they have in common. You can loop over it. `gankit.evaluate` returns one.

    data: the name of the data. backend: where samples and metrics were computed. split: the data to compare with.
    """

    data: str
    backend: str
    n: int
    seed: int
    split: str
    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]

    @property
    def skipped(self) -> dict[str, str]:
        """Why, for each metric that does not apply."""
        return {name: reason for row in self.rows for name, reason in row.skipped}

    @property
    def failed(self) -> dict[str, str]:
        """The error, for each metric that broke."""
        return {name: reason for row in self.rows for name, reason in row.failed}

    def to_plain(self) -> dict[str, Any]:
        """Ready for JSON: what `gankit evaluate` writes to metrics.json."""
        common = {name: getattr(self, name) for name in ("data", "backend", "n", "seed", "split")}
        return {"format": FORMAT, "gankit": __version__, **common, "rows": [row.to_plain() for row in self.rows]}

    def table(self) -> list[Line]:
        """A line for each kind of number, with a cell for each row."""
        return lines([row.measurements for row in self.rows])

    def __repr__(self) -> str:
        heads = [f"{row.checkpoint}, step {row.step:,}, {row.weights}" for row in self.rows]
        lines = [f"{self.data} on {self.backend}: {'; '.join(heads)}"]
        lines += [f"  {line.label} = {'; '.join(cell or '-' for cell in line.cells)}" for line in self.table()]
        lines += [f"  skipped: {', '.join(names)}: {reason}" for reason, names in grouped(self.skipped).items()]
        return "\n".join(lines + [f"  failed: {name}: {reason}" for name, reason in self.failed.items()])


@dataclass(frozen=True)
class Line:
    """One kind of number in several states of G.

    protocol: what of it is alike in all of them; own: what is not, state by state. measured: None where it is not.
    """

    metric: str
    protocol: str
    better: str | None
    measured: tuple[Measurement | None, ...]
    own: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.metric}[{self.protocol}]"

    @property
    def cells(self) -> tuple[str, ...]:
        """`225.1 ± 2.2 (sigma=0.2)`, or nothing."""
        pairs = zip(self.measured, self.own, strict=True)
        return tuple("" if m is None else number(m) + (f" ({own})" if own else "") for m, own in pairs)


def lines(states: Sequence[Iterable[Measurement]]) -> list[Line]:
    """The table of several states' measurements: each kind of number once, in the order in which they come."""
    columns = [_numbered(state) for state in states]
    kinds = dict.fromkeys(kind for column in columns for kind in column)
    return [_line([column.get(kind) for column in columns]) for kind in kinds]


def grouped(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """The metrics of each reason, for one may hold for many."""
    found: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        found.setdefault(reason, []).append(name)
    return found


def _numbered(measurements: Iterable[Measurement]) -> dict[tuple[str, int], Measurement]:
    """By name, and by place among those of one name."""
    found: dict[tuple[str, int], Measurement] = {}
    for measurement in measurements:
        place = sum(name == measurement.metric for name, _ in found)
        found[measurement.metric, place] = measurement
    return found


def _line(measured: Sequence[Measurement | None]) -> Line:
    there = [m for m in measured if m is not None]
    alike = {k: v for k, v in there[0].protocol.items() if all(k in m.protocol and m.protocol[k] == v for m in there)}
    own = [{} if m is None else {k: v for k, v in m.protocol.items() if k not in alike} for m in measured]
    return Line(
        there[0].metric, _settings(alike), there[0].better, tuple(measured), tuple(_settings(each) for each in own)
    )


def number(measurement: Measurement) -> str:
    """`225.1 ± 2.2`: the value with as many digits as say something."""
    text = f"{measurement.value:.4g}"
    return text if measurement.error is None else f"{text} ± {measurement.error:.2g}"


def _settings(protocol: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in protocol.items())
