"""Ends that wait for a safe place: a step that is half done has already consumed the state it began with."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

ENDS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that ask a program to end: Ctrl-C, a scheduler or `kill`, a terminal that closes."""
ONE_WISH = 0.25
"""Seconds in which further signals say the same: a terminal and a wrapper around the command may both send one."""
IMPORT_POLL = 0.02
"""Seconds between two looks at whether an import has ended: it must not be broken off."""


class Stopped(KeyboardInterrupt):
    """Asked to end by a signal, of that number, and now in a place where nothing is half done."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.number = int(number)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows instead of a traceback."""
        return ["Interrupted between two steps: the game is kept. To go on, call fit again."]


class StoppedAtOnce(Stopped):
    """Asked again: the step it fell into may be half done, so the state must not be saved or used."""

    def _render_traceback_(self) -> list[str]:
        return ["Interrupted in the middle of a step: this game cannot go on. Build it anew, or load a checkpoint."]


class Asked:
    """What signals have asked for so far. Where that is deferred, the first only sets `number`; the second raises.

    leaves: whether somebody else ends the process at the second; what a handler raises can be lost in foreign code.
    last_words: what is said then.
    """

    def __init__(self, leaves: bool = False) -> None:
        self.number: int | None = None
        self.leaves, self.last_words = leaves, ""
        self._since = 0.0
        self._deferred = 0
        self._alarm: Any = None

    def __call__(self) -> bool:
        """Whether to end."""
        return self.number is not None

    def check(self) -> None:
        """Raise Stopped where an end was asked for: to be called where nothing is half done."""
        if self.number is not None:
            raise Stopped(self.number)

    @property
    def deferred(self) -> bool:
        return self._deferred > 0

    def handle(self, number: int, frame: Any) -> None:
        """The handler of a signal."""
        if self.number is None:
            self.number, self._since = number, time.monotonic()
            self._end(number, frame)
        elif not self.leaves and time.monotonic() - self._since > ONE_WISH:
            raise StoppedAtOnce(number)

    def _end(self, number: int, frame: Any) -> None:
        """Raise Stopped, unless that is deferred; after an import, where the signal fell into one.

        Compiled modules call Python while they are imported, and crash where that raises: seen in jaxlib.
        """
        if self._deferred or self.number is None:
            return
        if not (_imports(frame) and hasattr(signal, "setitimer")):
            raise Stopped(self.number)
        if number != signal.SIGALRM:
            self._alarm = signal.signal(signal.SIGALRM, self._end)
        signal.setitimer(signal.ITIMER_REAL, IMPORT_POLL)

    @contextmanager
    def deferring(self) -> Iterator[Asked]:
        """Inside, the first signal waits for `check`."""
        self._deferred += 1
        try:
            yield self
        finally:
            self._deferred -= 1

    @contextmanager
    def taken(self, numbers: Sequence[int]) -> Iterator[Asked]:
        """Inside, these signals are handled here; those that the program ignores, or handles itself, stay as they are.

        Does nothing outside the main thread. Afterwards every handler is what it was; where the process ends by one of
        them, a further one ends it at once.
        """
        before: dict[int, Any] = {}
        unraisable = sys.unraisablehook
        if threading.current_thread() is threading.main_thread():
            usual = {signal.SIGINT: signal.default_int_handler}
            for number in numbers:
                if signal.getsignal(number) is usual.get(number, signal.SIG_DFL):  # type: ignore[call-overload]
                    before[number] = signal.signal(number, self.handle)
        if before:  # what is raised in a weak reference's callback is lost; `number` is there, and the next check hears
            sys.unraisablehook = lambda lost: None if isinstance(lost.exc_value, Stopped) else unraisable(lost)
        try:
            yield self
        finally:
            sys.unraisablehook = unraisable
            if self._alarm is not None:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, self._alarm)
            ending = self.leaves and self.number is not None
            for number, handler in before.items():
                signal.signal(number, _leave if ending else handler)


def _imports(frame: Any) -> bool:
    """Whether a module is being imported where the main thread is."""
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _leave(number: int, frame: Any) -> None:
    os._exit(128 + number)


def current() -> Asked | None:
    """What the signals of this process are handled by, where that is an `Asked`."""
    for number in ENDS:
        handler = getattr(signal.getsignal(number), "__self__", None)
        if isinstance(handler, Asked):
            return handler
    return None


@contextmanager
def deferred_interrupt(numbers: Sequence[int] = (signal.SIGINT,)) -> Iterator[Asked]:
    """Inside, the first of these signals waits for `check` of what is yielded; the second raises StoppedAtOnce.

    Does nothing outside the main thread, or where the program has a handler of its own. What is taken already, by the
    command line, is deferred with all its signals.
    """
    asked = current()
    if asked is not None:
        with asked.deferring():
            yield asked
        return
    asked = Asked()
    with asked.deferring(), asked.taken(numbers):
        yield asked


def check() -> None:
    """Raise Stopped where this process was asked to end: for long work between two steps, which may be done again."""
    if (asked := current()) is not None and threading.current_thread() is threading.main_thread():
        asked.check()


class TimeIsUp(Exception):
    """The time that was given is used up, between two steps."""


@dataclass
class Deadline:
    """A callback of `Trainer.fit` that raises TimeIsUp between two steps, some seconds after it was made."""

    seconds: float
    every: ClassVar[int] = 0
    _begun: float = field(default_factory=time.monotonic)

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        if time.monotonic() - self._begun >= self.seconds:
            raise TimeIsUp
