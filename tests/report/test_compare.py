"""Runs side by side: what differs is told, what is alike is not, and the page is one file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gankit.errors import ConfigError
from gankit.report.compare import charts, compare, write
from tests.cli_runner import Cli
from tests.report.folders import HOSTILE, MEASURED, Page, begin, write_lines


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two runs of 300 steps: the second at another rate, longer, unmeasured, and with a collapse."""
    first, second = begin(tmp_path / "first"), begin(tmp_path / "second", generator_optimizer={"lr": 0.5})
    write_lines(first.metrics_file, *({"step": s, "d_loss": 1.0, "g_loss": 0.7, "r1": 0.1} for s in (100, 200, 300)))
    write_lines(second.metrics_file, *({"step": s, "d_loss": s / 100, "g_loss": 0.7} for s in (100, 200, 300, 400)))
    write_lines(second.alarms_file, {"step": 100, "alarm": "collapse", "what": "x", "try": []})
    write_lines(
        first.evaluations_file, *({"step": s, "metric": "m", "label": "m[n=5]", "value": s} for s in (100, 200))
    )
    (first.folder / "metrics.json").write_text(json.dumps(MEASURED))
    return [first.folder, second.folder]


def test_settings_that_differ_are_told_and_others_are_not(folders: list[Path]) -> None:
    found = compare(folders)
    assert found.names == ("first", "second")
    assert found.differing == (("generator_optimizer.lr", ("\N{EN DASH}", "0.5")),)
    facts = dict(found.facts)
    assert facts["steps"] == ("300", "400") and facts["alarms"] == ("none", "collapse")
    assert facts["last d_loss"] == ("1", "4")


def test_curves_lie_over_each_other_on_one_pair_of_axes(folders: list[Path]) -> None:
    drawn = {each.title: each for each in charts(compare(folders))}
    assert list(drawn) == ["Loss of D", "Loss of G", "r1", "m"]
    assert [curve.name for curve in drawn["Loss of D"].curves] == ["first", "second"]
    assert [curve.name for curve in drawn["r1"].curves] == ["first"]
    ends = [re.findall(r"[ML]([\d.]+) ", curve.line)[-1] for curve in drawn["Loss of D"].curves]
    assert float(ends[0]) < float(ends[1]) == drawn["Loss of D"].right


def test_numbers_are_of_the_last_average_and_keep_their_protocol(folders: list[Path]) -> None:
    table = compare(folders).numbers
    assert table is not None
    assert [head for head, _ in table.heads] == ["first, ema"]
    assert table.rows[0].metric == "parzen" and "sigma=0.17" in table.rows[0].protocol


def test_the_page_is_one_file_and_escapes_what_it_is_told(folders: list[Path], tmp_path: Path) -> None:
    begin(tmp_path / "third", data=HOSTILE.replace("\n", ""), generator={"name": "mlp", "<b>": HOSTILE})
    write(compare([*folders, tmp_path / "third"]), tmp_path / "compare.html")
    page = Page(tmp_path / "compare.html")
    assert "generator_optimizer.lr" in page.words and "225.1 ± 2.2" in page.words and "collapse" in page.words
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    assert "<script>" not in (tmp_path / "compare.html").read_text("utf-8")
    assert not any("href" in attributes for _, attributes in page.tags)


def test_names_are_as_long_as_they_must_be(tmp_path: Path) -> None:
    folders = [begin(tmp_path / side / "run").folder for side in ("a", "b")]
    assert compare(folders).names == ("a/run", "b/run")


def test_what_cannot_be_compared_is_refused_before_anything_is_written(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for chosen, said in (
        (folders[:1], "name 2 to 8 run folders"),
        ([folders[0], folders[0]], "named twice"),
        ([folders[0], tmp_path / "nix"], "nix is not a run folder"),
    ):
        with pytest.raises(ConfigError, match=said):
            compare(chosen)
    monkeypatch.chdir(tmp_path)
    outcome = Cli(monkeypatch, capsys)("compare", "first", "nix")
    assert outcome.code == 2 and not (tmp_path / "compare.html").exists()


def test_the_command_prints_what_differs_and_names_its_page(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    outcome = Cli(monkeypatch, capsys)("compare", "first", "second", "--out", "both.html")
    assert outcome.code == 0 and "both.html has the curves" in outcome.out and (tmp_path / "both.html").is_file()
    assert re.search(r"generator_optimizer.lr +– +0.5", outcome.out) and "225.1 ± 2.2" in outcome.out  # noqa: RUF001
