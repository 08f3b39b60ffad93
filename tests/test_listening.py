"""The history of a game, and what may be a callback."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from gankit.errors import ConfigError
from gankit.runs.listening import Called, History, heard


def rows(*steps: int) -> History:
    history = History()
    for step in steps:
        history(None, step, {"d_loss": step / 100, "g_loss": 1.0})
    return history


def test_rows_are_columns_too() -> None:
    history = rows(10, 100, 200)
    assert history[1] == {"step": 100, "d_loss": 1.0, "g_loss": 1.0} and history[-1]["step"] == 200
    np.testing.assert_array_equal(history["d_loss"], [0.1, 1.0, 2.0])
    assert history.columns == ["step", "d_loss", "g_loss"]
    history(None, 300, {"r1": 0.5})
    assert math.isnan(history["r1"][0]) and history["r1"][-1] == 0.5
    with pytest.raises(KeyError, match="this history has step, d_loss, g_loss, r1"):
        history["D_loss"]


def test_a_row_for_every_tenth_step_at_first_and_every_hundredth_later() -> None:
    history, step = History(), 0
    while step < 400:
        step = (step // history.every + 1) * history.every
        history(None, step, {})
    assert [row["step"] for row in history] == [*range(10, 101, 10), 200, 300, 400]


def test_what_is_taken_up_again_forgets_what_came_after(tmp_path: Path) -> None:
    history = rows(50, 100, 200, 300)
    history.rewind(200)
    assert [row["step"] for row in history] == [50, 100, 200] and history.every == 100
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 100, "d_loss": 0.5}\nnonsense\n{"step": 200, "d_loss": null}\n{"step": 300, "d_loss": 1}\n'
    )
    history.take_up(tmp_path / "metrics.jsonl", 200)
    assert [row["step"] for row in history] == [100, 200]
    np.testing.assert_array_equal(history["d_loss"], [0.5, math.nan])


def test_a_notebook_shows_the_last_rows_of_it() -> None:
    html = rows(*range(100, 2001, 100))._repr_html_()
    assert "the last 10 of 20 rows" in html and html.count("<tr>") == 11 and "<td>2000</td>" in html


def test_a_plain_function_is_called_every_hundredth_step_or_as_it_says() -> None:
    seen: list[int] = []

    def tell(trainer: object, step: int, terms: object) -> None:
        seen.append(step)

    (one,) = heard(tell)
    assert isinstance(one, Called) and one.every == 100
    one(None, 7, {})
    assert seen == [7]
    tell.every = 5  # type: ignore[attr-defined]
    assert heard([tell]) == [tell] and heard(()) == []


@pytest.mark.parametrize(
    ("callbacks", "said"),
    [(3, "3 is not a function"), (["x"], "'x' is not a function"), ([History], "Pass an instance")],
)
def test_what_cannot_be_called_is_refused(callbacks: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        heard(callbacks)
