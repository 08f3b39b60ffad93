"""`gankit report`, and the report that training ends in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gankit.runs.folder import Run
from tests.cli_runner import Cli
from tests.playing import Playing, begun
from tests.report.folders import Page


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


def test_the_command_names_what_it_wrote(cli: Cli, run: Run) -> None:
    outcome = cli("report", "run")
    assert outcome.code == 0 and outcome.out.split() == [str(Path("run", "report.html")), str(Path("run", "README.md"))]


def test_the_command_says_what_is_no_run(cli: Cli) -> None:
    outcome = cli("report", "nowhere")
    assert outcome.code == 2 and "nowhere is not a run folder" in outcome.err


@pytest.mark.parametrize(("interrupted_at", "code"), [(None, 0), (150, 130)])
def test_training_ends_in_a_report(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, interrupted_at: int | None, code: int
) -> None:
    from gankit.cli import train

    monkeypatch.setattr(train, "_opened", lambda *told: (begun(tmp_path / "run"), Playing(interrupted_at)))
    assert cli("train", "--steps", "200", "--log-every", "50", "--out", "run").code == code
    assert "Losses" in Page(tmp_path / "run" / "report.html").words and (tmp_path / "run" / "README.md").is_file()


def test_a_run_does_not_fail_for_want_of_a_report(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from gankit.cli import train

    monkeypatch.setattr(train, "_opened", lambda *told: (begun(tmp_path / "run"), Playing()))
    monkeypatch.setattr("gankit.report.write", lambda folder: 1 / 0)
    outcome = cli("train", "--steps", "50", "--out", "run")
    assert outcome.code == 0 and outcome.err.count("report") == 2
    assert "could not be written (ZeroDivisionError" in outcome.err and "gankit report" in outcome.err


def test_a_report_imports_no_framework(run: Run) -> None:
    code = (
        "import sys; from pathlib import Path; from gankit.report import write; "
        f"write(Path({str(run.folder)!r})); print(*sys.modules)"
    )
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "jax", "flax", "optax", "matplotlib"} & set(modules)
