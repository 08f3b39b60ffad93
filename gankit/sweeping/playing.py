"""The runs of a sweep, each in a process of its own, some of them at once."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gankit.sweeping.checks import is_finished
from gankit.sweeping.spec import Planned

LOOK = 0.05
"""Seconds between two looks at the processes."""
TAIL = 8192
"""Bytes at the end of a run's output in which its last words are looked for."""


class Show(Protocol):
    """Whoever is told how it goes."""

    def began(self, run: Planned) -> None: ...
    def ended(self, run: Planned, failed: str | None) -> None: ...
    def look(self, playing: Sequence[Planned], stopping: bool) -> None: ...


@dataclass
class Child:
    """A run that is played: its process, and the file that it speaks into."""

    run: Planned
    log: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Ask it to save and to end."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    @property
    def failure(self) -> str | None:
        """Why it did not come to its end, in its own last words; None where it did, or is not over."""
        code = self.process.returncode
        return None if code in (None, 0) else last_words(self.log) or _ended_by(code)


def play(runs: Sequence[Planned], jobs: int, logs: Path, show: Show, asked: Callable[[], bool]) -> dict[str, str]:
    """Play the runs, `jobs` at a time, until all are over or `asked` says to stop; why some failed, by name.

    A run that fails is told of, and the others go on. Where it is asked to stop, those that play save and end first.
    """
    waiting, playing, failed = list(reversed(runs)), list[Child](), dict[str, str]()
    logs.mkdir(parents=True, exist_ok=True)
    stopping = False
    try:
        while playing or (waiting and not stopping):
            while waiting and len(playing) < jobs and not asked():
                playing.append(_started(waiting.pop(), logs, jobs))
                show.began(playing[-1].run)
            if asked() and not stopping:
                stopping = True
                for child in playing:
                    child.stop()
            for child in _over(playing):
                playing.remove(child)
                if stopping and not is_finished(child.run):
                    continue
                if child.failure is not None:
                    failed[child.run.name] = child.failure
                show.ended(child.run, child.failure)
            show.look([child.run for child in playing], stopping)
            time.sleep(LOOK)
    finally:  # whatever happens here, nobody is left behind
        for child in playing:
            child.stop()
        for child in playing:
            child.process.wait()
    return failed


def _started(run: Planned, logs: Path, jobs: int) -> Child:
    log = logs / f"{run.name}.txt"
    environment = dict(os.environ)
    if jobs > 1:  # each its share of the cores: threads of several runs would starve each other
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command(run),
            stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, env=environment,
            start_new_session=True,  # a terminal's Ctrl-C is for the sweep, which tells its runs once
        )  # fmt: skip
    return Child(run, log, process)


def command(run: Planned) -> list[str]:
    """What a run is played by."""
    return [sys.executable, "-m", "gankit.sweeping.child", *shlex.split(run.options.command())[1:]]


def _over(playing: Sequence[Child]) -> Iterator[Child]:
    for child in list(playing):
        if child.process.poll() is not None:
            child.stop()  # closes the pipe
            yield child


def last_words(log: Path) -> str:
    """The error that a run's output ends with, else its last line; "" where it said nothing."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or [""])[-1]


def _ended_by(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"ended by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")
