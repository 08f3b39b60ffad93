"""Ctrl-C that waits for a safe place: a step that is half done has already consumed the state it began with."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


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
