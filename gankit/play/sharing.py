"""Sampling and looking at samples, shared out among workers, where all of them ask for the same.

What is asked for is cut into parts, which are those that one worker would have. Each worker computes some of them, on
each of its devices, and all get the whole. So the numbers are one worker's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.interfaces import Ops, Workers
from gankit.parts.together import workers_of

_SHARED: ContextVar[bool] = ContextVar("shared", default=False)
_LANE: ContextVar[int | None] = ContextVar("lane", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Inside, all workers ask for the same samples, scores and features, in the same order."""
    token = _SHARED.set(True)
    try:
        yield
    finally:
        _SHARED.reset(token)


def lane() -> int | None:
    """Which of this process's devices is to compute by itself; None where nobody says."""
    return _LANE.get()


@contextmanager
def on_lane(i: int) -> Iterator[None]:
    """Inside, that device of this process computes."""
    token = _LANE.set(i)
    try:
        yield
    finally:
        _LANE.reset(token)


def shares(ops: Ops) -> Shares | None:
    """How parts are shared out; None where nobody shares."""
    workers = workers_of(ops)
    return Shares(workers) if workers is not None and _SHARED.get() else None


class Shares:
    """Parts dealt out in turn, to each device of each worker. count: of these devices."""

    def __init__(self, workers: Workers) -> None:
        self._workers, self._lanes = workers, workers.lanes
        self.count = workers.count * workers.lanes

    def owner(self, i: int) -> int:
        """The worker that computes the i-th part."""
        return i % self.count // self._lanes

    def own(self, i: int) -> bool:
        """Whether this worker does."""
        return self.owner(i) == self._workers.rank

    def lane(self, i: int) -> int:
        """Which of its devices does."""
        return i % self._lanes

    def each(self, f: Callable[[Any], Array], parts: Iterable[Any]) -> list[Array]:
        """f of this worker's own of some parts, on all of its devices at once."""

        def one(given: tuple[int, Any]) -> Array:
            with on_lane(self.lane(given[0])):
                return f(given[1])

        mine = [(i, part) for i, part in enumerate(parts) if self.own(i)]
        if self._lanes == 1:
            return list(map(one, mine))
        with ThreadPoolExecutor(self._lanes) as threads:
            return list(threads.map(one, mine))

    def whole(self, own: Array, lengths: Sequence[int]) -> Array:
        """The rows of all parts in their order, of which there are so many each; own: those of this worker's parts."""
        every = self._workers.collected(own)
        if len(every) == 1:
            return own
        like = next(rows for rows in every if len(rows))
        out = np.empty((sum(lengths), *like.shape[1:]), like.dtype)
        taken, start = [0] * len(every), 0
        for i, n in enumerate(lengths):
            owner = self.owner(i)
            out[start : start + n] = every[owner][taken[owner] : taken[owner] + n]
            taken[owner] += n
            start += n
        return out
