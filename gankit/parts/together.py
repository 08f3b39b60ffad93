"""Functions over all examples of a minibatch, for several workers that each hold a part: means, deviations, other rows.

If a mean over examples is the final objective, you do not need these. You need them if you do something with the mean
first: a square, a difference, a root. With one worker they are the functions of the array namespace.
"""

from __future__ import annotations

from typing import Any

from gankit.interfaces import Array, Ops, Workers


def workers_of(ops: Ops) -> Workers | None:
    """Who else holds a part of each minibatch; None where nobody does."""
    workers: Workers | None = getattr(ops, "workers", None)
    return workers


def batch_size(ops: Ops, x: Array) -> int:
    """The number of rows of the whole minibatch; x are this worker's rows."""
    workers, own = workers_of(ops), int(x.shape[0])
    return own if workers is None else own * workers.cut


def batch_mean(ops: Ops, x: Array, axis: int | None = None) -> Array:
    """The mean over the rows of the whole minibatch, or over all numbers of it.

    x: (n, ...) this worker's rows. axis: 0, or None for everything. Returns (...), or 0-d.
    """
    own, workers = ops.xp.mean(x, axis=axis), workers_of(ops)
    return own if workers is None else workers.mean(own)


def batch_std(ops: Ops, x: Array) -> Array:
    """The standard deviation of all numbers of the whole minibatch, with divisor n, 0-d."""
    if workers_of(ops) is None:
        return ops.xp.std(x)
    apart = x - batch_mean(ops, x)
    return ops.xp.sqrt(batch_mean(ops, apart * apart))


def batch_rows(ops: Ops, x: Array) -> Array:
    """Takes this worker's rows (n, ...) and returns those of the whole minibatch, (workers * n, ...)."""
    workers = workers_of(ops)
    return x if workers is None else workers.gathered(x)


def own_rows(ops: Ops, x: Array) -> Array:
    """The inverse of `batch_rows`."""
    workers = workers_of(ops)
    return x if workers is None else workers.own(x)


def next_rows(ops: Ops, x: Array) -> Array:
    """For each row, the next row of the whole minibatch; for the last row, the first."""
    every: Any = batch_rows(ops, x)
    return own_rows(ops, ops.xp.concat([every[1:], every[:1]]))
