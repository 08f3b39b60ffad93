"""Training curves show every whole line that was logged, and dashed where the game would rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gankit import figures
from gankit.config import Config
from gankit.errors import ConfigError
from gankit.figures.training_curves import apart, logged, running_mean
from gankit.runs.folder import Run


def run_of(folder: Path, lines: list[dict[str, Any]], tail: str = "", **settings: Any) -> Path:
    Run(folder).begin(Config().with_settings(settings))
    Run(folder).metrics_file.write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)
    return folder


def line(step: int, **terms: Any) -> dict[str, Any]:
    return {"step": step, "d_loss": 1.0, "g_loss": 2.0, "D(x)": 0.6, "D(G(z))": 0.3, **terms}


def dashed(axes: Any) -> list[float]:
    return [line.get_ydata()[0] for line in axes.get_lines() if line.is_dashed()]


def test_what_was_not_finite_is_a_gap_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    folder = run_of(tmp_path, [line(10), line(20, d_loss=None), line(30, r1=0.5)], tail='{"step": 40, "d_l')
    terms = logged(Run(folder))
    assert terms["step"].tolist() == [10, 20, 30]
    np.testing.assert_array_equal(terms["d_loss"], [1.0, np.nan, 1.0])
    np.testing.assert_array_equal(terms["r1"], [np.nan, np.nan, 0.5])


@pytest.mark.parametrize(("d_weight", "height"), [(1.0, log(4)), (0.5, log(2))])
def test_dashed_lines_are_at_the_equilibrium(
    tmp_path: Path, painted: Callable[[], list[Any]], d_weight: float, height: float
) -> None:
    figures.curves(run_of(tmp_path, [line(10), line(20)], loss={"name": "non-saturating", "d_weight": d_weight}))
    (figure,) = painted()
    above, below = figure.axes
    assert dashed(above) == [pytest.approx(height)] and dashed(below) == [0.5]
    assert f"{height:.3f}" in above.get_title(loc="left")
    assert above.get_ylim()[0] < height < above.get_ylim()[1]


def test_no_line_is_drawn_where_theory_has_none(tmp_path: Path, painted: Callable[[], list[Any]]) -> None:
    loss = {"name": "conditional", "base": "minimax", "mismatched": True}
    figures.curves(run_of(tmp_path, [line(10), line(20)], loss=loss))
    (figure,) = painted()
    assert [dashed(axes) for axes in figure.axes] == [[], []]
    assert "sigmoid of D's score" in figure.axes[1].get_title(loc="left")


def test_the_curves_are_the_logged_numbers(tmp_path: Path, painted: Callable[[], list[Any]]) -> None:
    lines = [line(10 * i, d_loss=float(i**2), g_loss=float(-i)) for i in range(1, 8)]
    figures.curves(run_of(tmp_path, lines))
    drawn = [curve.get_xydata().tolist() for curve in painted()[0].axes[0].get_lines()]
    assert [[10.0 * i, float(i**2)] for i in range(1, 8)] in drawn
    assert [[10.0 * i, float(-i)] for i in range(1, 8)] in drawn


def test_a_running_mean_is_the_mean_of_the_neighbours_that_are_numbers() -> None:
    values, steps = np.array([1.0, 5.0, np.nan, 2.0, 8.0, 0.0]), np.arange(10.0, 70.0, 10.0)
    np.testing.assert_allclose(running_mean(steps, values, 20), [1.0, 3.0, np.nan, 5.0, 10 / 3, 4.0])


def test_a_running_mean_is_of_steps_however_often_they_are_logged() -> None:
    steps = np.concatenate([np.arange(0.0, 1000.0, 100.0), np.arange(1000.0, 2001.0, 10.0)])
    smooth = running_mean(steps, 3.0 - steps / 1000, 300.0)  # a line is its own mean where the window is in the middle
    np.testing.assert_allclose(smooth, 3.0 - steps / 1000, atol=0.1)  # less than half of 300 steps at the seam
    np.testing.assert_allclose(smooth[:8], 3.0 - steps[:8] / 1000)


def test_a_loss_that_once_ran_away_leaves_the_rest_of_the_curve_as_it_is() -> None:
    values = np.array([1.0, 2.0, 1e30, 2.0, 4.0, 3.0, 5.0])
    assert running_mean(np.arange(7.0), values, 2).tolist()[4:] == [3.0, 4.0, 4.0]


def test_names_at_the_ends_do_not_cover_each_other() -> None:
    assert apart([0.50, 0.52], 0.1) == pytest.approx([0.46, 0.56])
    assert apart([0.52, 0.50], 0.1) == pytest.approx([0.56, 0.46])
    assert apart([0.2, 0.9], 0.1) == [0.2, 0.9]
    assert apart([0.3], 0.1) == [0.3] and apart([], 0.1) == []


@pytest.mark.parametrize("lines", [[line(1)], [line(1, d_loss=None), line(2, d_loss=None)], [{"step": 3}]])
def test_few_lines_and_missing_terms_are_drawn_all_the_same(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    pytest.importorskip("matplotlib")
    assert figures.curves(run_of(tmp_path, lines)).shape[1] == 1600


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folder = run_of(tmp_path, [line(i, d_loss=1 + np.sin(i)) for i in range(200)])
    assert figures.curves(folder)._repr_png_() == figures.curves(folder)._repr_png_()


def test_a_folder_without_a_run_and_a_run_without_a_log_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a run folder: it has no config.toml"):
        figures.curves(tmp_path)
    with pytest.raises(ConfigError, match="Nothing is logged"):
        figures.curves(run_of(tmp_path, []))
