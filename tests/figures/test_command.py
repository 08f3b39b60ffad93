"""`gankit figure` where no framework is needed: the list, the errors, and curves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gankit.config import Config
from gankit.figures.kinds import names, summaries
from gankit.runs.folder import Run
from tests.cli_runner import Cli


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


def begun(folder: Path) -> None:
    Run(folder).begin(Config())
    terms = {"step": 10, "d_loss": 1.2, "g_loss": 0.8, "D(x)": 0.6, "D(G(z))": 0.4}
    Run(folder).metrics_file.write_text(json.dumps(terms) + "\n")


def test_every_figure_is_listed_with_what_it_shows(cli: Cli) -> None:
    out = cli("figure", "--list").out
    assert [line.split()[0] for line in out.splitlines()] == list(names())
    assert all(summary in out for summary in summaries().values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Which figure? Type gankit figure NAME RUN"),
        (["curves"], "Which run? Type gankit figure curves RUN"),
        (["curve", "run"], "No 'curve' among the figures. Did you mean 'curves'?"),
        (["curves", "run", "--out", "curves.jpg"], "--out curves.jpg: figures are written as .png."),
        (["curves", "run", "--seed", "1"], "'curves' takes no --seed. It takes: --out."),
        (["curves", "run", "--step", "100"], "'curves' takes no --step."),
        (["samples", "run", "--path", "linear"], "'samples' takes no --path. It takes: --out, --backend, --device"),
        (["samples", "run"], "There is no checkpoint at run"),
        (["curves", "run"], "run is not a run folder"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_with_what_to_type(cli: Cli, arguments: list[str], message: str) -> None:
    outcome = cli("figure", *arguments)
    assert outcome.code == 2 and message in outcome.err and "Traceback" not in outcome.err


def test_curves_lie_in_the_runs_own_folder_or_where_they_are_told(cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    begun(tmp_path / "run")
    outcome = cli("figure", "curves", "run")
    assert outcome == (0, f"{Path('run') / 'figures' / 'curves.png'}\n", "")
    assert cli("figure", "curves", "run", "--out", "new/mine.png").code == 0
    assert (tmp_path / "new" / "mine.png").read_bytes() == (tmp_path / "run" / "figures" / "curves.png").read_bytes()
