"""Plain lines where stdout is no terminal; the bar's text holds the same numbers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gankit.runs import progress
from gankit.runs.progress import Bar, Lines

TERMS = {"d_loss": 1.386, "g_loss": 0.693, "D(x)": 0.5, "D(G(z))": 0.25, "r1": 0.1}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("gankit.runs.progress.time.monotonic", lambda: now[0])
    return now


def play(callback: progress.Progress, clock: list[float], steps: range, seconds: float, trainer: object = None) -> None:
    with callback:
        for step in steps:
            clock[0] += seconds
            callback(trainer, step, TERMS)


def test_lines_come_first_last_and_every_few_seconds(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    play(Lines(100), clock, range(1, 101), seconds=0.25)
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[1].split("/")[0]) for line in lines] == [1, 21, 41, 61, 81, 100]
    assert lines[0] == "step   1/100  loss D 1.386 G 0.693 D(x) 0.500 D(G(z)) 0.250"
    assert lines[1].endswith("4.0 it/s 0:20 left") and lines[-1].endswith("4.0 it/s")


@pytest.mark.parametrize("shares, speed", [(2, "1,024 examples/s"), (1, "4.0 it/s")])
def test_several_workers_are_counted_together(
    shares: int, speed: str, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    ops = SimpleNamespace(workers=SimpleNamespace(shares=shares))
    trainer = SimpleNamespace(backend=SimpleNamespace(ops=ops), config=SimpleNamespace(batch_size=256))
    play(Lines(100), clock, range(1, 101), seconds=0.25, trainer=trainer)
    assert capsys.readouterr().out.splitlines()[1].endswith(f"{speed} 0:20 left")


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


class Everywhere:
    """A `fit` of a second and a half in steps of a quarter, after which it shows something or nothing."""

    def __init__(self, clock: list[float]) -> None:
        self.clock = clock

    def __call__(self, asked: bool | None) -> None:
        with progress.shown(asked, 6, 0) as bars:
            for step in range(1, 7):
                self.clock[0] += 0.25
                for bar in bars:
                    bar(None, step, TERMS)


def test_fit_shows_nothing_where_nobody_looks(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    Everywhere(clock)(None)
    assert capsys.readouterr().out == ""
    Everywhere(clock)(True)
    assert "step 6/6" in capsys.readouterr().out


def test_fit_shows_a_bar_on_a_terminal(clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    Everywhere(clock)(None)
    assert "6/6" in capsys.readouterr().out
    Everywhere(clock)(False)
    assert capsys.readouterr().out == ""
    with progress.hushed():
        Everywhere(clock)(None)
    assert capsys.readouterr().out == ""


def test_a_fit_that_is_over_at_once_shows_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown(True, 2, 0) as bars:
        for step in (1, 2):
            bars[0](None, step, TERMS)
    assert capsys.readouterr().out == ""


def test_a_notebook_gets_one_line_that_is_written_over(clock: list[float], monkeypatch, capsys) -> None:
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    Everywhere(clock)(None)
    out = capsys.readouterr().out
    assert out.startswith("\rstep ") and out.endswith("\n") and out.count("\n") == 1 and "step 6/6" in out


def test_a_bar_inside_somebody_else_s_display_is_no_error(clock: list[float], monkeypatch) -> None:
    from rich.progress import Progress

    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with Progress():
        Everywhere(clock)(None)
