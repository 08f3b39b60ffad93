"""Spans of time as people type them, and the callback that keeps to one."""

from __future__ import annotations

import pytest

from gankit import ConfigError
from gankit.cli.duration import seconds, spoken
from gankit.play.interrupt import Deadline, TimeIsUp


@pytest.mark.parametrize(
    ("text", "span"),
    [("90s", 90), ("30min", 1800), ("2h", 7200), ("1h30min", 5400), ("1h 30m", 5400), ("1.5h", 5400), ("0.5s", 0.5)],
)
def test_a_span_is_read(text, span):
    assert seconds(text) == span


@pytest.mark.parametrize("text", ["", "30", "min", "30 apples", "-5s", "0s", "5x", "1h-2min"])
def test_what_is_no_span_is_told_how_to_write_one(text):
    with pytest.raises(ConfigError, match="no span of time: write it as 90s, 30min|nothing that can be done"):
        seconds(text)


@pytest.mark.parametrize(
    ("span", "text"),
    [(5400, "1 h 30 min"), (7200, "2 h"), (1800, "30 min"), (290, "4 min 50 s"), (8, "8 s"), (0.5, "0.5 s")],
)
def test_a_span_is_said(span, text):
    assert spoken(span) == text


def test_a_deadline_ends_the_game_when_the_time_is_up_and_not_before():
    late, early = Deadline(0.0), Deadline(3600.0)
    assert late.every == early.every == 0, "called now and then, however long a step takes"
    early(None, 1, {})
    with pytest.raises(TimeIsUp):
        late(None, 1, {})
