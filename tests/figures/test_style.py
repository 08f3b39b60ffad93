"""Figures with axes need matplotlib and nothing of the user's: no window, no pyplot, no settings."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from gankit import figures
from gankit.errors import GankitError
from gankit.figures.fitness import UNFIT
from gankit.figures.style import painted


def test_without_matplotlib_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(GankitError, match=r"need matplotlib .*: pip install 'gankit\[figures\]'"):
        painted(lambda figure: None)


def test_figures_are_found_without_a_framework_or_matplotlib() -> None:
    code = "import sys, gankit; print(len(gankit.figures.names())); print(*sys.modules)"
    count, modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert int(count) == len(figures.names()) == 10
    assert not {"torch", "jax", "matplotlib", "PIL"} & set(modules.split())


def test_of_every_figure_it_is_known_which_games_it_fits() -> None:
    assert {*UNFIT, "curves"} == set(figures.names())


def test_neither_pyplot_nor_the_users_settings_are_touched() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    with matplotlib.rc_context({"lines.linewidth": 17.0, "axes.facecolor": "red", "font.size": 40}):
        before = dict(matplotlib.rcParams)
        mine = painted(lambda figure: figure.add_subplot().plot([0, 1]), 2, 2)
        assert dict(matplotlib.rcParams) == before
    np.testing.assert_array_equal(mine, painted(lambda figure: figure.add_subplot().plot([0, 1]), 2, 2))
    code = (
        "import sys; from gankit.figures.style import painted; painted(lambda f: f.add_subplot()); print(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "matplotlib.pyplot" not in modules.split()


def test_an_error_while_painting_leaves_the_settings_as_they_were() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    before = dict(matplotlib.rcParams)
    with pytest.raises(ZeroDivisionError):
        painted(lambda figure: 1 / 0)
    assert dict(matplotlib.rcParams) == before
