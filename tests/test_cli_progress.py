"""Plain lines where stdout is no terminal; the bar's text holds the same numbers."""

from __future__ import annotations

import pytest

from gankit.runs import progress
from gankit.runs.progress import Bar, Lines

TERMS = {"d_loss": 1.386, "g_loss": 0.693, "D(x)": 0.5, "D(G(z))": 0.25, "r1": 0.1}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("gankit.runs.progress.time.monotonic", lambda: now[0])
    return now


def play(callback: progress.Progress, clock: list[float], steps: range, seconds: float) -> None:
    with callback:
        for step in steps:
            clock[0] += seconds
            callback(None, step, TERMS)


def test_lines_come_first_last_and_every_few_seconds(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    play(Lines(100), clock, range(1, 101), seconds=0.25)
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[1].split("/")[0]) for line in lines] == [1, 21, 41, 61, 81, 100]
    assert lines[0] == "step   1/100  loss D 1.386 G 0.693 D(x) 0.500 D(G(z)) 0.250"
    assert lines[1].endswith("4.0 it/s 0:20 left") and lines[-1].endswith("4.0 it/s")


def test_an_interrupted_run_shows_its_last_step(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), Lines(100) as lines:
        for step in (1, 2, 3):
            lines(None, step, TERMS)
        raise KeyboardInterrupt
    assert [line[:12] for line in capsys.readouterr().out.splitlines()] == ["step   1/100", "step   3/100"]


def test_output_that_is_no_terminal_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(progress.progress(10), Lines)


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    bar = progress.progress(10, 2)
    assert isinstance(bar, Bar)
    with bar:
        bar(None, 10, TERMS)
    out = capsys.readouterr().out
    assert "10/10" in out and "loss D 1.39" in out
