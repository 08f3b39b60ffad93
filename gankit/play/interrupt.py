"""Ends that wait for a safe place: a step that is half done has already consumed the state it began with."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar


class StoppedAtOnce(KeyboardInterrupt):
    """A second Ctrl-C: the step it fell into may be half done, so the state must not be saved or used."""


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C only sets a flag, which the yielded function tells; the second interrupts at once.

    Does nothing outside the main thread, or where the program has a handler of its own.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread() or (
        signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield pressed.is_set
        return

    def handle(number: int, frame: Any) -> None:
        if pressed.is_set():
            raise StoppedAtOnce
        pressed.set()

    signal.signal(signal.SIGINT, handle)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
