"""Several workers that play one game: each holds its rows of every minibatch, and all stop at one step.

What is drawn is drawn for the whole minibatch, so N workers compute what one would. A worker's rows are taken from each
of the parts that a minibatch is accumulated over, so that every part is the one that one worker would have.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from gankit.config import Config
from gankit.errors import ConfigError, WorkersError
from gankit.interfaces import Draw, Key, Ops, State, Workers
from gankit.parts.together import workers_of
from gankit.play.interrupt import Stopped, StoppedAtOnce, TimeIsUp

Taken = Callable[[State, Draw, Mapping[str, Any], Key], Any]
"""A gradient, and what comes with it."""
TIME_IS_UP, ERROR = 1_000, 2_000
"""Why a worker wants to stop, beside the numbers of signals; to an error the worker's rank is added."""


def several(ops: Ops) -> Workers | None:
    """The workers of a backend, where they are more than one process."""
    workers = workers_of(ops)
    return None if workers is None or workers.count == 1 else workers


def writes(ops: Ops) -> bool:
    """Whether this process is the one that writes to the disk."""
    workers = workers_of(ops)
    return workers is None or workers.rank == 0


def shares(ops: Ops) -> int:
    """How many workers share each minibatch."""
    workers = workers_of(ops)
    return 1 if workers is None else workers.shares


def hosts(ops: Ops) -> int:
    """How many hosts they are on."""
    workers = workers_of(ops)
    return 1 if workers is None else workers.hosts


def among(workers: int, on: int) -> str:
    """How many workers play and on how many hosts, in words that follow others; "" where one plays alone."""
    return (f", {workers} workers" if workers > 1 else "") + (f" on {on} hosts" if on > 1 else "")


def check_divisible(config: Config, workers: Workers | None) -> None:
    """Raise ConfigError unless every worker gets as many rows of each part of a minibatch."""
    if workers is None:
        return
    parts = workers.shares * config.accumulate
    if config.batch_size % parts:
        by = f"{workers.shares} workers"
        if config.accumulate > 1:
            by += f" in {config.accumulate} parts (accumulate)"
        lower = config.batch_size // parts * parts
        near = f"{lower} or {lower + parts}" if lower else f"{parts}"
        raise ConfigError(
            f"batch_size={config.batch_size} cannot be shared by {by}: choose a multiple of {parts}, such as {near}."
        )


def check_alike(trainer: Any) -> None:
    """Raise ConfigError, on every worker, unless all play the same game with the same packages."""
    from gankit import __version__

    backend = trainer.backend
    workers = several(backend.ops)
    if workers is None:
        return
    mine = {"gankit": __version__, "backend": backend.name, **backend.versions, **trainer.config.to_plain()}
    first, *others = (json.loads(text) for text in workers.everybody(json.dumps(mine)))
    for rank, other in enumerate(others, 1):
        changes = [
            f"{name}: {first.get(name)!r} → {other.get(name)!r}"
            for name in {**first, **other}
            if first.get(name) != other.get(name)
        ]
        if changes:
            raise ConfigError(
                f"Worker {rank} trains another game than worker 0:\n  " + "\n  ".join(changes) + "\n"
                "Start all of them with the same command and the same packages."
            )


def packed(x: np.ndarray[Any, Any]) -> bytes:
    """A host array as bytes that say what it is, to be sent; `unpacked` is the inverse."""
    out = io.BytesIO()
    np.save(out, x, allow_pickle=False)
    return out.getvalue()


def unpacked(said: bytes) -> np.ndarray[Any, Any]:
    x: np.ndarray[Any, Any] = np.load(io.BytesIO(said), allow_pickle=False)
    return x


def part_major(x: np.ndarray[Any, Any], axis: int, parts: int, rank: int, count: int) -> np.ndarray[Any, Any]:
    """The rows of one of several workers, along an axis: its share of each part, one part after the other."""
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    if n % (parts * count):
        raise ConfigError(f"{n} examples cannot be shared by {count} workers in {parts} parts.")
    cut = x.reshape(*before, parts, count, n // (parts * count), *after)
    own: np.ndarray[Any, Any] = cut.take(rank, axis=axis + 1).reshape(*before, n // count, *after)
    return own


def dealt(ops: Ops, gradient: Taken) -> Taken:
    """A gradient that is taken on one part of a minibatch, of which this worker has its rows."""
    workers = workers_of(ops)
    if workers is None:
        return gradient

    def on_own_rows(state: State, draw: Draw, numbers: Mapping[str, Any], key: Key) -> Any:
        with workers.dealing(draw.z.shape[0]):
            return gradient(state, draw, numbers, key)

    return on_own_rows


def averaged(ops: Ops, gradient: Taken) -> Taken:
    """The mean of a gradient, of what else moves and of its terms over the workers, in one message."""
    workers = several(ops)
    if workers is None:
        return gradient
    return lambda state, draw, numbers, key: workers.averaged(gradient(state, draw, numbers, key))


class Accord:
    """All workers stop between the same two steps, whatever it is that stops one of them.

    What is raised while `noting` waits until all have come to the same place, `settled`.
    """

    def __init__(self, ops: Ops) -> None:
        self._workers = several(ops)
        self._error: BaseException | None = None

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Inside, what is raised waits for `settled`."""
        try:
            yield
        except (StoppedAtOnce, WorkersError):
            raise
        except BaseException as error:
            if self._workers is None:
                raise
            self._error = self._error or error

    def settled(self, *steps: int) -> tuple[int, ...]:
        """The lowest of each of these that a worker has; raises, on all workers, where one has to stop."""
        if self._workers is None:
            return steps
        reason, *lowest = self._workers.highest([_reason(self._error, self._workers.rank), *(-s for s in steps)])
        if self._error is not None:
            raise self._error
        if reason >= ERROR:
            raise WorkersError(f"Worker {reason - ERROR} has stopped with an error, so all stop. See its message.")
        if reason == TIME_IS_UP:
            raise TimeIsUp
        if reason:
            raise Stopped(reason)
        return tuple(-s for s in lowest)


def _reason(error: BaseException | None, rank: int) -> int:
    if error is None:
        return 0
    if isinstance(error, TimeIsUp):
        return TIME_IS_UP
    if isinstance(error, KeyboardInterrupt):
        return error.number if isinstance(error, Stopped) else 2
    return ERROR + rank
