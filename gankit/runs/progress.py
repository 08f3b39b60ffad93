"""How training goes, for a person: a bar on a terminal, one line in a notebook, plain lines anywhere else."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Protocol

SECONDS, GLANCE = 5.0, 0.5
"""Between two plain lines, and between two that are written over each other."""
WINDOW = 20
"""The speed shown is that between so many last calls; the first comes after compilation, which is not counted."""

COLUMNS = (("d_loss", "loss D"), ("g_loss", "G"), ("D(x)", "D(x)"), ("D(G(z))", "D(G(z))"))


class Progress(Protocol):
    """A callback of `Trainer.fit`, used in a `with` block around it."""

    every: int

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None: ...
    def __enter__(self) -> Progress: ...
    def __exit__(self, kind: Any, error: Any, trace: Any) -> None: ...


HUSHED: ContextVar[bool] = ContextVar("hushed", default=False)
"""Whether somebody else shows how it goes, so that `fit` shows nothing by itself."""
PATIENCE = 1.0
"""Seconds that `fit` plays before it shows anything: whoever plays a step at a time wants no bar for each."""


@contextmanager
def hushed() -> Iterator[None]:
    """Inside, `fit` shows nothing by itself."""
    token = HUSHED.set(True)
    try:
        yield
    finally:
        HUSHED.reset(token)


@contextmanager
def shown(asked: bool | None, total: int, start: int) -> Iterator[list[Progress]]:
    """The callbacks that show how a `fit` goes, if any: asked for, or by default where somebody is looking."""
    if asked is None:
        asked = not HUSHED.get() and (in_notebook() or sys.stdout.isatty())
    if not asked:
        yield []
        return
    with Patient(total, start) as patient:
        yield [patient]


def in_notebook() -> bool:
    """Whether this runs in a kernel of Jupyter, whose output is no terminal."""
    shell = sys.modules.get("IPython")
    found = None if shell is None else shell.get_ipython()
    return found is not None and hasattr(found, "kernel")


def progress(total: int, start: int = 0) -> Progress:
    """A bar where stdout is a terminal, plain lines where it is a file or a pipe."""
    return Bar(total, start) if sys.stdout.isatty() else Lines(total)


class Patient:
    """Shows nothing of what is over within a second."""

    every = 0

    def __init__(self, total: int, start: int) -> None:
        self._total, self._start, self._due = total, start, time.monotonic() + PATIENCE
        self._shown: Progress | None = None
        self._stack = ExitStack()

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        if self._shown is None:
            if time.monotonic() < self._due:
                return
            make = OneLine(self._total) if in_notebook() else progress(self._total, self._start)
            self._shown = self._stack.enter_context(make)
        self._shown(trainer, step, terms)

    def __enter__(self) -> Patient:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._stack.close()


class Pace:
    """Steps a second, and the time left; where several workers play, examples of the whole minibatch a second."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._seen: deque[tuple[float, int]] = deque(maxlen=WINDOW)
        self._shared = 0

    def seen(self, trainer: Any, step: int) -> None:
        self._seen.append((time.monotonic(), step))
        self._shared = shared(trainer)

    @property
    def speed(self) -> float:
        (t0, first), (t1, last) = self._seen[0], self._seen[-1]
        return (last - first) / (t1 - t0) if t1 > t0 else 0.0

    def __str__(self) -> str:
        if not self.speed:
            return ""
        left = self.total - self._seen[-1][1]
        speed = f"{self.speed:.0f} it/s" if self.speed >= 10 else f"{self.speed:.1f} it/s"
        if self._shared:
            speed = f"{self.speed * self._shared:,.0f} examples/s"
        return speed + (f" {_clock(left / self.speed)} left" if left else "")


def shared(trainer: Any) -> int:
    """The rows of a minibatch that several workers share; 0 where one plays alone."""
    from gankit.parts.together import workers_of  # and NumPy, which `gankit --help` can do without

    workers = None if trainer is None else workers_of(trainer.backend.ops)
    return 0 if workers is None or workers.shares == 1 else int(trainer.config.batch_size)


class Lines:
    """A line for the first call, for the last step, and every few seconds between."""

    every = 0

    def __init__(self, total: int) -> None:
        self._pace, self._due, self._total = Pace(total), 0.0, total
        self._last: tuple[int, str] | None = None
        self._printed = -1

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        self._pace.seen(trainer, step)
        width = len(str(self._total))
        self._last = (step, f"step {step:>{width}}/{self._total}  {losses(terms)}  {self._pace}".rstrip())
        if time.monotonic() >= self._due or step >= self._total:
            self._print()

    def _print(self) -> None:
        if self._last is not None and self._printed != self._last[0]:
            print(self._last[1], flush=True)
            self._printed, self._due = self._last[0], time.monotonic() + SECONDS

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._print()


class OneLine(Lines):
    """A line that is written over: a notebook shows no bar of a terminal."""

    def _print(self) -> None:
        if self._last is not None and self._printed != self._last[0]:
            print(f"\r{self._last[1]:<79}", end="", flush=True)
            self._printed, self._due = self._last[0], time.monotonic() + GLANCE

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        super().__exit__(kind, error, trace)
        print(flush=True)


class Bar:
    """rich's progress bar with the game's terms beside it."""

    every = 0

    def __init__(self, total: int, start: int = 0) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        # Narrow, so that all of it fits into the 80 columns of a small terminal.
        columns = (BarColumn(bar_width=6), MofNCompleteColumn(), TextColumn("{task.fields[terms]}", markup=False))
        self._pace, self._rich = Pace(total), RichProgress(*columns, refresh_per_second=4)
        self._task = self._rich.add_task("", total=total, completed=start, terms="starting")

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        self._pace.seen(trainer, step)
        self._rich.update(self._task, completed=step, terms=f"{losses(terms, 2)} {self._pace}")

    def __enter__(self) -> Bar:
        from rich.errors import LiveError

        with suppress(LiveError):  # a display of somebody else's is there, and shows what it will
            self._rich.start()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._rich.stop()


def losses(terms: Mapping[str, float], digits: int = 3) -> str:
    """Both losses and D's mean verdicts: `loss D 1.386 G 0.693 D(x) 0.500 D(G(z)) 0.500`; else all terms."""
    shown = [(title, terms[name]) for name, title in COLUMNS if name in terms] or list(terms.items())
    return " ".join(f"{title} {value:.{digits}f}" for title, value in shown)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
