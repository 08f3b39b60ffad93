"""Numbers, sizes and levels are worded short, and with the digits that they have."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from gankit.metrics.base import Measurement
from gankit.report.charts import number, steps_text
from gankit.report.numbers import published, table, value
from gankit.report.page import caption, constant, sizes_text, spread_out
from tests.report.folders import MEASURED


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (0, "0"),
        (0.0123456, "0.01235"),
        (1.5, "1.5"),
        (1234.5, "1,234"),
        (-2.0, "\N{MINUS SIGN}2"),
        (2.5e-7, "2.5e\N{MINUS SIGN}7"),
    ],
)
def test_numbers_are_written_short(given: float, text: str) -> None:
    assert number(given) == text


def test_steps_are_written_short() -> None:
    assert [steps_text(step) for step in (0, 1500, 20_000, 3e6, 2.5e6)] == ["0", "1,500", "20k", "3M", "2.5M"]


@pytest.mark.parametrize(
    ("score", "error", "text"),
    [
        (225.134, 2.17, "225.1 ± 2.2"), (0.036441, 0.001293, "0.0364 ± 0.0013"), (12345.6, 123.4, "12,346 ± 123"),
        (0.5, None, "0.5"), (None, 1.0, "\N{EN DASH}"), (0.5, 0.0, "0.5"),
    ],
)  # fmt: skip
def test_a_number_has_the_digits_that_its_error_leaves(score: Any, error: Any, text: str) -> None:
    assert value(Measurement("m", math.nan if score is None else score, error=error)) == text


def test_what_of_a_protocol_is_alike_stands_once() -> None:
    found = table(MEASURED)
    assert found is not None
    (row,) = found.rows
    assert (row.protocol, [cell.own for cell in row.cells if cell]) == ("n=1000", ["sigma=0.2", "sigma=0.17"])
    assert found.heads == (("last, raw", "step 300"), ("last, ema", "step 300"))
    assert table({}) is None and table({"rows": []}) is None


def test_metrics_that_share_a_reason_are_told_of_together() -> None:
    state: dict[str, Any] = dict(MEASURED["rows"][0])
    state["skipped"] = [
        {"metric": metric, "reason": reason} for metric, reason in (("a", "no"), ("b", "never"), ("c", "no"))
    ]
    found = table({**MEASURED, "rows": [state]})
    assert found is not None
    assert (found.skipped, found.not_measured) == (((("a", "c"), "no"), (("b",), "never")), 3)


def test_what_others_published_stands_beside_what_this_run_has_of_it() -> None:
    rows = published([{"metric": "parzen", "what": "a paper", "value": 225, "error": 2}], MEASURED)
    assert [(row.what, row.value, row.own) for row in rows] == [
        ("a paper", "225.0 ± 2.0", False),
        ("this run, last, raw, step 300", "201.3 ± 2.2", True),
        ("this run, last, ema, step 300", "225.1 ± 2.2", True),
    ]
    assert published([], MEASURED) == []


def test_a_figure_says_what_it_shows() -> None:
    assert caption("samples") == "samples: random samples beside the nearest training images"
    assert caption("my-own") == "my own"


def test_pictures_are_chosen_evenly_with_the_first_and_the_last() -> None:
    assert spread_out(range(3), 8) == [0, 1, 2]
    chosen = spread_out(range(100), 8)
    assert len(chosen) == 8 and (chosen[0], chosen[-1]) == (0, 99)
    assert {b - a for a, b in pairwise(chosen)} <= {14, 15}


def test_examples_are_told_by_their_size() -> None:
    assert [sizes_text(shape) for shape in ((28, 28, 1), (2,), (1,))] == [
        "28 x 28 x 1",
        "2 numbers an example",
        "1 number an example",
    ]


def test_levels_have_the_names_of_their_numbers() -> None:
    assert [constant(x) for x in (math.log(4), math.log(2), 0.5, 2.0)] == ["log 4", "log 2", "1/2", "2"]
