"""Lines over steps as SVG paths: what the template draws, computed so that it has nothing to compute."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from gankit.arrays import Array

WIDTH, HEIGHT = 440.0, 210.0
"""About the pixels that a chart gets, on a telephone too: text inside it keeps its size."""
LEFT, RIGHT, TOP, BOTTOM = 44.0, 10.0, 10.0, 24.0
"""Room for the labels of the axes."""
BINS = 320
"""Of a line: more points than this are drawn as a mean in a band from the least to the greatest."""
SHOWN = (1.0, 99.0)
"""Percentiles that an axis reaches to at least: one spike in a thousand lines must not flatten all others."""
BEYOND = 3.0
"""Heights of the axes up to which a line is followed that leaves them; the page cuts it off at their edge."""


MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Curve:
    """One line. mark: the CSS class that colours it. line, band: SVG paths; no band where every point is drawn."""

    name: str
    mark: str
    line: str
    band: str
    last: str


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Level:
    """A line across: where the game would be at rest."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """One pair of axes. alarms: where one was raised, along x."""

    title: str
    about: str
    curves: tuple[Curve, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    levels: tuple[Level, ...]
    alarms: tuple[Tick, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def chart(
    title: str,
    lines: Sequence[Mapping[str, Any]],
    series: Mapping[str, tuple[str, str]],
    *,
    about: str = "",
    levels: Mapping[str, float] | None = None,
    within: Sequence[float] = (),
    alarms: Iterable[Mapping[str, Any]] = (),
    until: int = 0,
) -> Chart | None:
    """A chart of some keys of a log; None where fewer than two lines have any of them.

    series: key of the log to (name, CSS class). levels: text to value. within: what the y axis reaches to at least.
    until: the step where the x axis ends, at the least.
    """
    found = {key: _points(lines, key) for key in series}
    found = {key: points for key, points in found.items() if np.isfinite(points[:, 1]).sum() > 1}
    if not found:
        return None
    levels = levels or {}
    steps = np.concatenate([points[:, 0] for points in found.values()])
    first, last = 0.0, float(max(steps.max(), until, 1))
    binned = {key: _binned(points, last) for key, points in found.items()}
    values = np.concatenate([means[:, 1] for means in binned.values()])  # alike in weight wherever they are logged
    low, high = _limits(values[np.isfinite(values)], list(levels.values()), within)

    def x(step: Any) -> Any:
        return LEFT + (WIDTH - RIGHT - LEFT) * (np.asarray(step) - first) / (last - first)

    def y(value: Any) -> Any:
        up = np.clip((np.asarray(value, np.float64) - low) / (high - low), 1.0 - BEYOND, BEYOND)
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * up

    def curve(key: str, points: Array) -> Curve:
        means = binned[key]
        finite = points[np.isfinite(points[:, 1]), 1]
        line = _line(x(means[:, 0]), y(means[:, 1]))
        band = _band(x(means[:, 0]), y(means[:, 2]), y(means[:, 3])) if len(points) > BINS else ""
        return Curve(*series[key], line, band, number(float(finite[-1])))

    return Chart(
        title,
        about,
        tuple(curve(key, points) for key, points in found.items()),
        tuple(Tick(float(x(step)), steps_text(step)) for step in _ticks(first, last, 6)),
        tuple(Tick(float(y(value)), number(value)) for value in _ticks(low, high, 5)),
        tuple(Level(float(y(value)), text) for text, value in levels.items()),
        tuple(Tick(float(x(alarm["step"])), str(alarm.get("alarm", ""))) for alarm in alarms if alarm["step"] <= last),
    )


def number(value: float) -> str:
    """Four digits at most, as a reader writes them."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        text = f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.4g}"
    else:
        mantissa, exponent = f"{value:.1e}".split("e")
        text = f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return text.replace("-", MINUS)


def steps_text(step: float) -> str:
    """1,500 as it is, 20,000 as 20k."""
    for unit, size in (("M", 1e6), ("k", 1e4)):
        if abs(step) >= size:
            return f"{step / (1e6 if unit == 'M' else 1e3):g}{unit}"
    return f"{step:,.0f}"


def _points(lines: Sequence[Mapping[str, Any]], key: str) -> Array:
    """(n, 2): steps and values; NaN where the log has null."""
    pairs = [(line["step"], math.nan if line[key] is None else line[key]) for line in lines if key in line]
    numbers = [pair for pair in pairs if isinstance(pair[1], int | float)]
    return np.array(numbers, np.float64).reshape(-1, 2)


def _binned(points: Array, last: float) -> Array:
    """(bins, 4): step, mean, least and greatest of neighbouring points; of few points each is its own."""
    if len(points) <= BINS:
        return points[:, [0, 1, 1, 1]]
    where = np.minimum((points[:, 0] / last * BINS).astype(int), BINS - 1)
    rows = []
    for i in np.unique(where):
        steps, values = points[where == i].T
        finite = values[np.isfinite(values)]
        of_bin = (finite.mean(), finite.min(), finite.max()) if len(finite) else (math.nan,) * 3
        rows.append((steps.mean(), *of_bin))
    return np.array(rows)


def _limits(values: Array, levels: Sequence[float], within: Sequence[float]) -> tuple[float, float]:
    """Where the y axis begins and ends: at what it was asked to reach to, or with some room beyond what it shows."""
    low, high = (float(value) for value in np.percentile(values, SHOWN))
    least, greatest = min([low, *levels, *within]), max([high, *levels, *within])
    if least == greatest:  # a flat line, in the middle
        return least - (0.5 * abs(least) or 1.0), greatest + (0.5 * abs(greatest) or 1.0)
    room = 0.06 * (greatest - least)
    return (least if least in within else least - room), (greatest if greatest in within else greatest + room)


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from low to high, some `about` of them."""
    rough = (high - low) / about
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    ticks = [(first + i) * step for i in range(2 * about + 2)]
    return [float(f"{tick:.10g}") for tick in ticks if tick <= high + 1e-9 * step]


def _line(xs: Array, ys: Array) -> str:
    """A path that is broken where a value is none."""
    parts: list[str] = []
    pen_down = False
    for x, y in zip(xs, ys, strict=True):
        if math.isfinite(y):
            parts.append(f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}")
        pen_down = math.isfinite(y)
    lonely = [i for i, (part, after) in enumerate(pairwise([*parts, "M"])) if part[0] == after[0] == "M"]
    for i in lonely:  # a point between two gaps: a line of no length, which a round cap makes visible
        parts[i] += "h0"
    return "".join(parts)


def _band(xs: Array, lows: Array, highs: Array) -> str:
    finite = np.isfinite(lows) & np.isfinite(highs)
    there = [f"{x:.1f} {y:.1f}" for x, y in zip(xs[finite], highs[finite], strict=True)]
    back = [f"{x:.1f} {y:.1f}" for x, y in zip(xs[finite][::-1], lows[finite][::-1], strict=True)]
    return f"M{'L'.join([*there, *back])}Z"
