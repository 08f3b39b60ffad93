"""Signals on the command line: whatever the main thread is busy with, a compiler for example, the process ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gankit.play.interrupt import ENDS, ONE_WISH, Asked

AT_ONCE, IN_ORDER = 1.0, 5.0
"""Seconds for the main thread to leave, when it was asked twice, and when it was asked once and keeps nothing."""
CURSOR = b"\x1b[?25h"
"""Shows the cursor again, which progress bars hide."""


@contextmanager
def stoppable() -> Iterator[Asked]:
    """Inside, SIGINT, SIGTERM and SIGHUP raise Stopped, or wait where that is deferred.

    A handler of Python's runs when the main thread comes back to Python, and what it raises may be lost in a callback
    from foreign code. So a thread beside it counts the signals, and ends the process when that takes too long.
    """
    asked = Asked()
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "set_wakeup_fd"):
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


def _listen(ear: int, asked: Asked, over: threading.Event) -> None:
    first: float | None = None
    try:
        while number := os.read(ear, 1):
            if number[0] not in ENDS:
                continue
            again = first is not None and time.monotonic() - first > ONE_WISH
            first = first or time.monotonic()
            if again or not asked.deferred:
                wait = AT_ONCE if again else IN_ORDER
                threading.Thread(target=_leave, args=(number[0], wait, over), daemon=True).start()
    finally:
        os.close(ear)


def _leave(number: int, wait: float, over: threading.Event) -> None:
    """End the process, unless it has come to its end by then. What is on the disk is whole at any moment."""
    if not over.wait(wait):
        if os.isatty(2):
            os.write(2, CURSOR)
        os._exit(128 + number)
