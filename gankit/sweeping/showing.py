"""How a sweep goes, for a person: a line for each run that is over, and on a terminal a bar of all steps below them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import typer

from gankit.cli.duration import spoken
from gankit.runs.folder import Run
from gankit.runs.lines import parsed
from gankit.sweeping.checks import steps_done
from gankit.sweeping.spec import Planned

GLANCE = 0.5
"""Seconds between two looks at how far the runs are."""
TAIL = 4096
"""Bytes in which the last line of a log is looked for."""


class Lines:
    """A line for each run, where nobody sees a bar."""

    def __init__(self, total: int) -> None:
        self._total, self._over, self._stopping = total, 0, False
        self._since: dict[str, float] = {}

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def began(self, run: Planned) -> None:
        self._since[run.name] = time.monotonic()

    def ended(self, run: Planned, failed: str | None) -> None:
        self._over += 1
        took = spoken(time.monotonic() - self._since[run.name])
        how = f"done in {took}" if failed is None else f"failed after {took}: {failed}"
        self._print(f"{self._over}/{self._total} {run.name}: {how}", failed is not None)

    def look(self, playing: Sequence[Planned], stopping: bool) -> None:
        if stopping and not self._stopping and playing:
            self._stopping = True
            runs = "1 run saves and ends" if len(playing) == 1 else f"{len(playing)} runs save and end"
            self._print(f"Stopping: {runs}. Ctrl-C again does not wait for that.", True)

    def _print(self, text: str, warning: bool) -> None:
        typer.secho(text, fg="yellow" if warning else None, err=warning)


class Bar(Lines):
    """The same, and a bar of all runs' steps with the time left."""

    def __init__(self, left: Sequence[Planned]) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        super().__init__(len(left))
        columns = (BarColumn(bar_width=10), TextColumn("{task.fields[text]}", markup=False), TimeRemainingColumn())
        self._rich = RichProgress(*columns, refresh_per_second=4)
        self._done = {run.name: steps_done(run) for run in left}
        steps = sum(run.options.steps for run in left)
        self._task = self._rich.add_task("", total=steps, completed=sum(self._done.values()), text="starting")
        self._due = 0.0

    def __enter__(self) -> Bar:
        self._rich.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._rich.stop()

    def ended(self, run: Planned, failed: str | None) -> None:
        self._done[run.name] = run.options.steps  # of one that failed too: nothing of it is left
        super().ended(run, failed)

    def look(self, playing: Sequence[Planned], stopping: bool) -> None:
        super().look(playing, stopping)
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + GLANCE
        for run in playing:
            self._done[run.name] = max(self._done[run.name], step_of(run))
        now = f"{len(playing)} playing" if len(playing) != 1 else f"step {self._done[playing[0].name]:,}"
        text = f"{self._over} of {self._total} runs, {now}"
        self._rich.update(self._task, completed=sum(self._done.values()), text=text)

    def _print(self, text: str, warning: bool) -> None:
        self._rich.console.print(text, style="yellow" if warning else "", markup=False, highlight=False)


def show(left: Sequence[Planned]) -> Any:
    """A bar where stdout is a terminal, plain lines where it is a file or a pipe."""
    return Bar(left) if sys.stdout.isatty() else Lines(len(left))


def step_of(run: Planned) -> int:
    """Where a run is that another process plays: the last step in its log."""
    try:
        with open(Run(run.folder).metrics_file, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            found = [line for text in file.read().splitlines(keepends=True) if (line := parsed(text)) is not None]
    except OSError:
        return 0
    return int(found[-1]["step"]) if found else 0
