"""Rows of bytes that threads fill ahead of whoever reads them: pictures, decoded once, in a file or in memory."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from gankit.arrays import Array
from gankit.data.broken import NAMED, UnreadableError
from gankit.data.kept import DONE, InMemory, Rows
from gankit.data.rows import Found
from gankit.errors import DataError

TO_DO, BROKEN = 0, 2
BETWEEN = 2.0
"""Seconds between two times that a file is flushed to the disk, with the note of what is in it."""
MOST_THREADS = 8


class Decodes(Protocol):
    """Rows to their bytes, or to what is wrong with them.

    ahead: how many portions may be begun before the first is finished.
    """

    ahead: int

    def begin(self, rows: Sequence[int]) -> None: ...

    def finish(self) -> Iterator[tuple[int, Found]]: ...


class Store:
    """Rows that threads decode once, behind the scenes: first those that are asked for, then the rest in their order.

    rows: where they are kept. done: (n,) bool, those that are there already.
    decoder: opens what decodes, for each thread.
    units: rows to portions of them that suit a thread.
    refuse: raises DataError for what is broken, the reason by row; None where broken rows are replaced.
    groups: (n,) int; a broken row is replaced by the next one of its group that is whole, so that the number of
        examples, and with it their order, does not hang on what is found when.
    """

    def __init__(
        self,
        rows: Rows,
        done: Array,
        decoder: Callable[[], AbstractContextManager[Decodes]],
        units: Callable[[Iterable[int]], list[list[int]]],
        refuse: Callable[[dict[int, str]], None] | None,
        groups: Array | None = None,
        threads: int | None = None,
    ) -> None:
        self._rows, self._decoder, self._units, self._refuse, self._groups = rows, decoder, units, refuse, groups
        self._state = np.where(done, DONE, TO_DO).astype(np.uint8)
        self._taken = np.array(done, bool)  # by a thread, now or before
        self._left = int(len(done) - done.sum())
        self.broken: dict[int, str] = {}
        self._urgent: deque[list[int]] = deque()
        self._later: deque[list[int]] | None = None
        self._changed, self._noting = threading.Condition(), threading.Lock()
        self._failed: dict[int, Exception] = {}
        self._stopped, self._idle = False, threading.Event()
        self._threads = threads or min(MOST_THREADS, usable_cores())
        self._started, self._finished, self._running = False, False, 0

    def __len__(self) -> int:
        return len(self._state)

    def start(self) -> None:
        """Begin to decode, if that is not begun."""
        with self._changed:
            if self._started or self._stopped or not self._left:
                return
            jobs: list[Callable[[], None]] = [self._decode_on] * self._threads
            jobs += [self._note] * self._rows.lasting  # by itself, as a disk may keep it waiting
            self._started, self._running = True, len(jobs)
        for i, job in enumerate(jobs):
            # A daemon: the end of a program does not wait for pictures that nobody asked for.
            threading.Thread(target=self._work, args=(job,), name=f"gankit-pictures-{i}", daemon=True).start()

    def stop(self) -> None:
        """Decode no more, note what is there, and let go of the files."""
        with self._changed:
            if self._stopped:
                return
            self._stopped = True
            self._changed.notify_all()
        self._idle.set()
        if self._started:
            with self._noting:
                self._rows.settled(self._state == DONE)
        with self._changed:
            self._finished, close = True, not self._running
        if close:  # else the last thread does: what one of them writes to must not be closed
            self._rows.close()

    def read(self, rows: Sequence[int] | Array) -> Array:
        """(len(rows), width) uint8, once they are decoded. Raises DataError where one, or any before it, is broken."""
        return self._rows.read(self.whole_rows(np.asarray(rows, np.int64)))

    def kept(self, rows: Array) -> Array:
        """(len(rows), width) uint8 of rows that are decoded; not copied where they are all, and in memory."""
        everything = len(rows) == len(self) and isinstance(self._rows, InMemory)
        return self._rows.whole() if everything else self._rows.read(rows)

    def view(self, start: int, stop: int) -> Array | None:
        """(stop - start, width), not copied, once they are decoded; None where one of them is replaced."""
        rows = np.arange(start, stop)
        whole = self.whole_rows(rows)
        return self._rows.whole()[start:stop] if (whole == rows).all() else None

    def whole_rows(self, rows: Array) -> Array:
        """(n,) the rows in whose place these are read: themselves, but for broken ones; all of them decoded."""
        self.ensure(rows)
        if not (self.broken and (self._state[rows] == BROKEN).any()):
            return rows
        return np.array([self._instead(int(row)) if self._state[row] == BROKEN else row for row in rows], np.int64)

    def ensure(self, rows: Iterable[int] | Array, *, all_at_once: bool = False) -> None:
        """Wait until these rows are decoded, or found broken; before all others. Raises DataError as `read` does.

        all_at_once: nothing is read before all is known, so that broken rows are named together.
        """
        if not (self._left or self._failed or (self.broken and self._refuse)):
            return
        wanted = np.unique(np.asarray(rows, np.int64))
        missing = wanted[self._state[wanted] == TO_DO]
        if missing.size:
            with self._changed:
                self._urgent.extend(self._units(missing.tolist()))
                self._changed.notify_all()
            self.start()
        with self._changed:
            while (self._state[missing] == TO_DO).any() and not self._failed:
                if self._refuse is not None and len(self.broken) >= (NAMED if all_at_once else 1):
                    break
                if self._stopped:
                    raise DataError("These pictures were closed.")
                self._changed.wait(0.5)  # not for ever: Ctrl-C is heard in between
            failed, broken = dict(self._failed), dict(sorted(self.broken.items()))
        if failed:
            raise failed[min(failed)]
        if broken and self._refuse is not None:
            self._refuse(broken)

    # ---- what threads do

    def _work(self, job: Callable[[], None]) -> None:
        try:
            job()
        finally:
            with self._changed:
                self._running -= 1
                close = self._finished and not self._running
            if close:
                self._rows.close()

    def _decode_on(self) -> None:
        with self._decoder() as decoder:
            under_way: deque[list[int]] = deque()
            while not self._stopped:
                while len(under_way) < decoder.ahead and (unit := self._next(wait=not under_way)) is not None:
                    decoder.begin(unit)
                    under_way.append(unit)
                if not under_way:
                    return
                self._take(under_way.popleft(), decoder.finish())

    def _take(self, unit: list[int], decoded: Iterator[tuple[int, Found]]) -> None:
        try:
            for row, found in decoded:
                if self._stopped:
                    return
                if isinstance(found, UnreadableError):
                    self._settle(row, BROKEN, str(found))
                else:
                    self._rows.write(row, found)
                    self._settle(row, DONE)
        except Exception as error:  # shown to whoever waits
            with self._changed:
                self._failed[unit[0]] = error
        with self._changed:  # once for all: whoever waits takes the interpreter from those who decode
            self._changed.notify_all()

    def _next(self, wait: bool) -> list[int] | None:
        """The portion to be decoded next; None where there is nothing left, or would have to be waited for."""
        with self._changed:
            if self._later is None:
                self._later = deque(self._units(np.flatnonzero(self._state == TO_DO).tolist()))
            while not self._stopped and self._left and not self._failed:
                for waiting in (self._urgent, self._later):
                    while waiting:
                        unit = [row for row in waiting.popleft() if not self._taken[row]]
                        if unit:
                            self._taken[unit] = True
                            return unit
                if not wait:
                    return None
                self._changed.wait(0.5)  # others are at the last ones
        return None

    def _settle(self, row: int, state: int, why: str = "") -> None:
        with self._changed:
            if state == BROKEN:
                self.broken[row] = why
            self._state[row] = state
            self._left -= 1
            if not self._left:
                self._idle.set()

    def _note(self) -> None:
        """Every few seconds, and when all is decoded."""
        while not self._stopped:
            self._idle.wait(BETWEEN)
            with self._noting:
                if not self._stopped:
                    self._rows.settled(self._state == DONE)
            if not self._left or self._failed:
                return

    def _instead(self, row: int) -> int:
        """The next row of the same group that is whole, from the first again after the last."""
        same = np.arange(len(self)) if self._groups is None else np.flatnonzero(self._groups == self._groups[row])
        at = int(np.searchsorted(same, row))
        for other in (*same[at + 1 :].tolist(), *same[:at].tolist()):
            self.ensure([other])
            if self._state[other] == DONE:
                return int(other)
        raise DataError(
            f"No image can replace a broken one: all {len(same):,} images of its class are broken. {self.broken[row]}"
        )


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
