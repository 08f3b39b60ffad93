"""The loop of training: chunks of steps on the device, and between two of them whoever wants to look."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from gankit import switches
from gankit.errors import ConfigError
from gankit.interfaces import Callback, Ops, State, Terms
from gankit.play.feed import Feed, StreamFeed
from gankit.play.interrupt import deferred_interrupt
from gankit.play.streams import BLOCK
from gankit.play.workers import Accord, check_alike

BREATH = 1.0
"""Seconds between looks at the clock, Ctrl-C and the callbacks: steps are run in chunks of about this long."""
GLANCE = 0.2
"""Seconds between calls of a callback that wants to be called now and then."""
TERMS = ("d_loss", "g_loss", "D(x)", "D(G(z))")
"""In this order in every log, on every backend; terms follow."""


@dataclass
class Pace:
    """How many steps make a chunk: doubled while chunks are short, halved when they get long."""

    limit: int = 4
    since: float = 0.0

    def start(self) -> None:
        self.since = time.perf_counter()

    def took(self, steps: int) -> None:
        seconds = time.perf_counter() - self.since
        if seconds > 2 * BREATH:
            self.limit = max(1, self.limit // 2)
        elif seconds < BREATH and steps >= self.limit:
            self.limit = min(BLOCK, 2 * self.limit)


class Loop:
    """Plays the steps of one game.

    state: of the game, after so many steps as `done` says.
    """

    def __init__(self, step: Any, units: Mapping[str, Any], ops: Ops, state: State) -> None:
        self._step, self._units, self._ops = step, units, ops
        self.state, self.done = state, 0
        self._pace, self._looked, self._looks_ahead = Pace(), 0.0, switches.on("ahead")

    def once(self, batch: Any) -> dict[str, float]:
        """One step on a batch in the user's units; its terms."""
        self.state, terms = self._ops.run(self._step, self.state, batch, self._units, capacity=1)
        self.done += 1
        return self._floats(terms)

    def play(self, trainer: Any, feed: Feed | StreamFeed, steps: int, callbacks: list[Callback]) -> None:
        """So many steps more. trainer: whom the callbacks are shown."""
        if steps < 0:
            raise ConfigError(f"fit(steps={steps}): steps is the number of further iterations, 0 or more.")
        check_alike(trainer)
        stop = self.done + steps
        until = following = self._until(self.done, stop, feed, callbacks)
        accord = Accord(self._ops)
        with deferred_interrupt() as asked, ThreadPoolExecutor(1, "gankit-feed") as thread:
            ahead: Future[None] | None = None
            running: Terms | None = None
            while self.done < stop:
                self._pace.start()
                started = self.done
                with accord.noting():
                    if ahead is not None:
                        ahead.result()
                    until = feed.available(started, min(until, self._until(started, stop, feed, callbacks)))
                    following = self._until(until, stop, feed, callbacks)
                until, following = accord.settled(until, following)
                with accord.noting():
                    batches = feed.chunk(started, until)
                accord.settled()
                if running is not None:
                    self._ops.to_numpy(next(iter(running.values())))  # waits
                # While the device plays this chunk, the next one is made ready.
                makes_ready = partial(thread.submit, feed.prepare, until, following)
                looks_ahead = until < stop and self._looks_ahead
                if looks_ahead and not feed.returns_early:
                    ahead = makes_ready()
                self.state, running = self._ops.run(
                    self._step, self.state, batches, self._units, *feed.shared, capacity=feed.capacity
                )
                if looks_ahead and feed.returns_early:
                    ahead = makes_ready()
                self.done = until
                with accord.noting():
                    self._call(trainer, callbacks, running, last=until == stop)
                    asked.check()
                self._pace.took(until - started)
                until = following
            accord.settled()

    def _until(self, start: int, stop: int, feed: Feed | StreamFeed, callbacks: list[Callback]) -> int:
        """Where a chunk that begins after `start` steps should end: at the latest where some callback is due."""
        due = min(((start // c.every + 1) * c.every for c in callbacks if c.every), default=stop)
        return min(due, stop, start + min(self._pace.limit, feed.capacity))

    def _call(self, trainer: Any, callbacks: list[Callback], terms: Terms, last: bool) -> None:
        glance = last or time.perf_counter() - self._looked >= GLANCE  # to look is to wait for the device
        due = [c for c in callbacks if (self.done % c.every == 0 if c.every else glance)]
        if due:
            values = self._floats(terms)
            for callback in due:
                callback(trainer, self.done, values)
        if glance:
            self._looked = time.perf_counter()

    def _floats(self, terms: Terms) -> dict[str, float]:
        names = sorted(terms, key=lambda name: (TERMS.index(name) if name in TERMS else len(TERMS), name))
        return {name: float(self._ops.to_numpy(terms[name])) for name in names}
