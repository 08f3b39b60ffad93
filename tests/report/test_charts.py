"""Curves are drawn to scale, with what is missing left out and what matters within the axes."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from gankit.config import Config
from gankit.report import write
from gankit.report.charts import chart


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](\S+?) ([^MLZh]+)", path)]


def test_a_curve_is_drawn_to_scale() -> None:
    lines = [{"step": s, "a": v} for s, v in ((0, 0.0), (50, 0.5), (100, 1.0))]
    drawn = chart("t", lines, {"a": ("A", "d")}, within=(-1.0, 2.0))
    assert drawn is not None and not drawn.curves[0].band
    (x0, y0), (x1, y1), (x2, y2) = points(drawn.curves[0].line)
    assert (x0, x2) == (drawn.left, drawn.right) and x1 == pytest.approx((x0 + x2) / 2)
    height = drawn.bottom - drawn.top  # from -1 to 2
    assert [drawn.bottom - y for y in (y0, y1, y2)] == pytest.approx([height / 3, height / 2, height * 2 / 3], abs=0.06)
    assert [tick.text for tick in drawn.x_ticks] == ["0", "20", "40", "60", "80", "100"]


def test_a_gap_is_left_where_a_term_was_not_finite() -> None:
    lines = [{"step": s, "a": None if s == 2 else 1.0} for s in range(1, 6)]
    drawn = chart("t", lines, {"a": ("A", "d")})
    assert drawn is not None and drawn.curves[0].line.count("M") == 2 and "h0" in drawn.curves[0].line


def test_many_points_become_a_mean_in_a_band() -> None:
    lines = [{"step": s, "a": float(s % 2)} for s in range(1, 10_001)]
    drawn = chart("t", lines, {"a": ("A", "d")}, within=(0.0, 1.0))
    assert drawn is not None and len(drawn.curves[0].line) < 10_000
    middle = (drawn.top + drawn.bottom) / 2
    assert all(abs(y - middle) < 3 for _, y in points(drawn.curves[0].line))
    band = [y for _, y in points(drawn.curves[0].band)]
    assert (min(band), max(band)) == (drawn.top, drawn.bottom)


def test_a_spike_does_not_flatten_the_rest() -> None:
    lines = [{"step": s, "a": 1e9 if s == 500 else math.sin(s)} for s in range(1, 1001)]
    drawn = chart("t", lines, {"a": ("A", "d")})
    assert drawn is not None
    ys = [y for _, y in points(drawn.curves[0].line)]
    assert max(ys) - min(ys) > (drawn.bottom - drawn.top) / 2 and sorted(ys)[3] >= drawn.top


def test_a_curve_leaves_the_axes_rather_than_lie_along_their_edge() -> None:
    lines = [{"step": s, "a": 50.0 - 5 * s if s < 8 else 1.0 + s % 2} for s in range(1, 1001)]
    drawn = chart("t", lines, {"a": ("A", "d")}, within=(0.0,))
    assert drawn is not None
    ys = [y for _, y in points(drawn.curves[0].line)]
    assert ys[0] < drawn.top - (drawn.bottom - drawn.top) and max(ys) <= drawn.bottom  # the page cuts it off


def test_axes_reach_over_what_is_logged_seldom_as_over_what_is_logged_often() -> None:
    seldom = [{"step": s, "a": 5.0} for s in range(1, 10_001, 500)]
    often = [{"step": s, "a": 1.0} for s in range(10_001, 20_001, 2)]
    drawn = chart("t", seldom + often, {"a": ("A", "d")}, within=(0.0,))
    assert drawn is not None
    assert points(drawn.curves[0].line)[0][1] > drawn.top


def test_a_level_is_within_the_axes_however_far_the_curve_is_from_it() -> None:
    drawn = chart(
        "t", [{"step": s, "a": 0.5} for s in range(1, 500)], {"a": ("A", "d")}, levels={"one": 1.0}, within=(0.0,)
    )
    assert drawn is not None
    (level,) = drawn.levels
    assert level.at == pytest.approx(drawn.bottom - (drawn.bottom - drawn.top) / 1.06)


def test_nothing_to_draw_is_no_chart() -> None:
    assert chart("t", [], {"a": ("A", "d")}) is None
    assert chart("t", [{"step": 1, "a": 1.0}], {"a": ("A", "d")}) is None
    assert chart("t", [{"step": s, "a": None} for s in (1, 2, 3)], {"a": ("A", "d")}) is None
    assert chart("t", [{"step": s, "b": 1.0} for s in (1, 2, 3)], {"a": ("A", "d")}) is None


@pytest.mark.parametrize("value", [0.0, 2.0, -3.0])
def test_a_flat_curve_has_axes_too(value: float) -> None:
    lines = [{"step": step, "r1": value} for step in (100, 200, 300)]
    for within in ((), (value,)):
        drawn = chart("Penalties", lines, {"r1": ("r1", "p0")}, within=within)
        assert drawn is not None
        heights = {y for _, y in points(drawn.curves[0].line)}
        assert len(heights) == 1
        assert drawn.top < heights.pop() < drawn.bottom


def test_a_penalty_that_was_0_all_along_is_no_curve(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(Config().to_toml())
    lines = [
        {"step": step, "d_loss": 1.0, "g_loss": 1.0, "D(x)": 0.5, "D(G(z))": 0.5, "r1": 0.0} for step in (100, 200)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = write(tmp_path)[0].read_text("utf-8")
    assert "Losses" in page and "Penalties" not in page
