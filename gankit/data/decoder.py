"""A process that decodes pictures: threads of one Python hold each other up, the more so on a busy machine."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

from gankit.data.broken import UnreadableError
from gankit.data.picture import Encoded
from gankit.data.rows import Found, Portion, RowOf

READY = b"\1"
PATIENCE = 5.0
"""Seconds for a process to end by itself."""


class Decoder:
    """Decodes in a process of its own, once that has started; on the thread that calls until then, and where it died.

    To be used in a `with` block, by one thread.
    """

    def __init__(self, row_of: RowOf) -> None:
        self._row_of, self._ready = row_of, threading.Event()
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

    def __call__(self, portion: Portion) -> Iterator[tuple[int, Found]]:
        """Row by row; raises what goes wrong beside pictures that cannot be read."""
        whole = [rest for _, *rest in portion if len(rest) == 2]
        found = self._elsewhere(whole) if self._ready.is_set() else None
        answers = (self._row_of(*each) for each in whole) if found is None else iter(found)
        for row, *rest in portion:
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

    def _elsewhere(self, pictures: list[Any]) -> list[Any] | None:
        """What the process finds; None where it is gone."""
        assert self._process is not None
        try:
            _send(self._process.stdin, pictures)
            found: list[Any] = pickle.load(self._process.stdout)  # type: ignore[arg-type]
            return found
        except (OSError, EOFError, pickle.UnpicklingError):
            self._ready.clear()
            return None


def serve() -> None:
    """Decode what comes by stdin until that ends: the process itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who reads; this ends with it
    into, out = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints, prints no answer
    from PIL import Image

    with contextlib.suppress(EOFError, BrokenPipeError):
        row_of, Image.MAX_IMAGE_PIXELS = pickle.load(into)
        out.write(READY)
        out.flush()
        while True:
            _send(out, [_attempt(row_of, *each) for each in pickle.load(into)])


def _attempt(row_of: RowOf, names: list[str], encoded: list[Encoded]) -> Any:
    try:
        return row_of(names, encoded)
    except Exception as error:  # raised again by the one who reads
        return error


def _send(out: Any, what: Any) -> None:
    pickle.dump(what, out, protocol=5)
    out.flush()
