"""A process that decodes pictures: threads of one Python hold each other up, the more so on a busy machine."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from queue import Queue
from typing import Any

from gankit.data.broken import UnreadableError
from gankit.data.listing import Listing
from gankit.data.picture import Encoded
from gankit.data.rows import Found, Portion, RowOf, portion

READY = b"\1"
OVER = (EOFError, OSError, pickle.UnpicklingError)
"""What it is like where the other one is gone, maybe in the middle of a word."""
PATIENCE = 5.0
"""Seconds for a process to end by itself."""


class Decoder:
    """Decodes in a process of its own, once that has started; on the thread that calls until then, and where it died.

    To be used in a `with` block, by one thread.
    """

    ahead = 2
    """Portions at a time: while one is handed over, the other is decoded."""

    def __init__(self, listings: Sequence[Listing], row_of: RowOf) -> None:
        self._listings, self._row_of, self._ready = listings, row_of, threading.Event()
        self._begun: deque[tuple[Portion, bool]] = deque()
        self._process: subprocess.Popen[bytes] | None = None
        self._greeter: threading.Thread | None = None

    def __enter__(self) -> Decoder:
        command = [sys.executable, "-c", "from gankit.data.decoder import serve; serve()"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each or os.curdir for each in sys.path)}
        with contextlib.suppress(OSError, TypeError):  # no interpreter to be found: this one does it all
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment | {"OMP_NUM_THREADS": "1"}
            )
            self._greeter = threading.Thread(target=self._greet, args=(self._process,), daemon=True)
            self._greeter.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is None or self._greeter is None:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._greeter.join()
        self._process.stdout.close()  # type: ignore[union-attr]

    def begin(self, rows: Sequence[int]) -> None:
        """Take on rows, up to `ahead` portions at a time."""
        pictures: Portion = list(portion(self._listings, rows))
        elsewhere = self._ready.is_set()
        if elsewhere:
            assert self._process is not None
            try:
                _send(self._process.stdin, [rest for _, *rest in pictures if len(rest) == 2])
            except OSError:
                self._ready.clear()  # a look at its answers tells that there are none
        self._begun.append((pictures, elsewhere))

    def finish(self) -> Iterator[tuple[int, Found]]:
        """What was begun first, row by row; raises what goes wrong beside pictures that cannot be read."""
        pictures, elsewhere = self._begun.popleft()
        found = self._answer() if elsewhere else None
        whole = (rest for _, *rest in pictures if len(rest) == 2)
        answers = (self._row_of(*each) for each in whole) if found is None else iter(found)
        for row, *rest in pictures:
            one: Any = rest[0] if len(rest) == 1 else next(answers)
            if isinstance(one, Exception) and not isinstance(one, UnreadableError):
                raise one
            yield row, one

    def _greet(self, process: subprocess.Popen[bytes]) -> None:
        from PIL import Image

        with contextlib.suppress(OSError, ValueError):
            _send(process.stdin, (self._row_of, Image.MAX_IMAGE_PIXELS))
            if process.stdout.read(1) == READY:  # type: ignore[union-attr]
                self._ready.set()

    def _answer(self) -> list[Any] | None:
        """What the process found; None where it is gone."""
        assert self._process is not None and self._process.stdout is not None
        try:
            found: list[Any] = pickle.load(self._process.stdout)
            return found
        except OVER:
            self._ready.clear()
            return None


class OnThisThread:
    """The same on the thread that calls."""

    ahead = 1

    def __init__(self, listings: Sequence[Listing], row_of: RowOf) -> None:
        self._listings, self._row_of, self._rows = listings, row_of, deque[Sequence[int]]()

    def __enter__(self) -> OnThisThread:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def begin(self, rows: Sequence[int]) -> None:
        self._rows.append(rows)

    def finish(self) -> Iterator[tuple[int, Found]]:
        for row, *rest in portion(self._listings, self._rows.popleft()):
            yield row, rest[0] if len(rest) == 1 else self._row_of(*rest)


def serve() -> None:
    """Decode what comes by stdin until that ends: the process itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who reads; this ends with it
    into, out = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints, prints no answer
    from PIL import Image

    asked: Queue[list[Any] | None] = Queue()

    def listen() -> None:
        """Always ready to hear: two who both wait until they are heard would wait for ever."""
        with contextlib.suppress(*OVER):
            while True:
                asked.put(pickle.load(into))
        asked.put(None)

    with contextlib.suppress(*OVER):
        row_of, Image.MAX_IMAGE_PIXELS = pickle.load(into)
        out.write(READY)
        out.flush()
        threading.Thread(target=listen, daemon=True).start()
        while (pictures := asked.get()) is not None:
            _send(out, [_attempt(row_of, *each) for each in pictures])
    os._exit(0)  # what is left to be written, nobody reads


def _attempt(row_of: RowOf, names: list[str], encoded: list[Encoded]) -> Any:
    try:
        return row_of(names, encoded)
    except Exception as error:  # raised again by the one who reads
        return error


def _send(out: Any, what: Any) -> None:
    pickle.dump(what, out, protocol=5)
    out.flush()
