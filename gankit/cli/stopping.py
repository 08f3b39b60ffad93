"""Signals on the command line: whatever the main thread is busy with, a compiler for example, the process ends."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gankit.play.interrupt import ENDS, ONE_WISH, Asked

IN_ORDER = 5.0
"""Seconds for the main thread to leave by itself, where it was asked once and has nothing to keep."""
CURSOR = b"\x1b[?25h"
"""Shows the cursor again, which progress bars hide."""


@contextmanager
def stoppable() -> Iterator[Asked]:
    """Inside, SIGINT, SIGTERM and SIGHUP raise Stopped, or wait where that is deferred.

    A handler of Python's runs when the main thread comes back to Python, and what it raises may be lost in a callback
    from foreign code. So a thread beside it counts the signals, and ends the process when that takes too long.
    """
    asked = Asked(leaves=True)
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "set_wakeup_fd"):
        asked.leaves = False
        yield asked
        return
    ear, mouth = os.pipe()
    os.set_blocking(mouth, False)
    over = threading.Event()
    thread = threading.Thread(target=_listen, args=(ear, asked, over), name="gankit-signals", daemon=True)
    with asked.taken(ENDS):
        before = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)
        thread.start()
        try:
            yield asked
        finally:
            over.set()
            signal.set_wakeup_fd(before)
            os.close(mouth)  # the thread reads the end, and closes its own
            thread.join(1)
            if asked():
                _cancel_timers()


def _listen(ear: int, asked: Asked, over: threading.Event) -> None:
    first: float | None = None
    try:
        while number := os.read(ear, 1):
            if number[0] not in ENDS:
                continue
            again = first is not None and time.monotonic() - first > ONE_WISH
            first = first or time.monotonic()
            if again or not asked.deferred:
                wait = 0.0 if again else IN_ORDER
                words = asked.last_words if again else ""
                threading.Thread(target=_leave, args=(number[0], wait, words, over), daemon=True).start()
    finally:
        os.close(ear)


def _cancel_timers() -> None:
    """Python waits for them before it ends: JAX starts one of a minute while it looks for devices."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def _leave(number: int, wait: float, words: str, over: threading.Event) -> None:
    """End the process, unless it has come to its end by then. What is on the disk is whole at any moment."""
    if not over.wait(wait):
        with contextlib.suppress(OSError):
            os.write(2, (CURSOR if os.isatty(2) else b"") + words.encode())
        os._exit(128 + number)
