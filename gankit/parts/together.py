"""What mixes the examples of a minibatch, where several workers hold its parts: means, deviations, other rows.

A mean over examples that ends up in a mean of the objective needs nothing of this. What is done with a mean before that
does: a square, a difference, a root. With one worker these are the array namespace's own functions.
"""

from __future__ import annotations

from typing import Any

from gankit.interfaces import Array, Ops, Workers


def workers_of(ops: Ops) -> Workers | None:
    """Who else holds a part of each minibatch; None where nobody does."""
    workers: Workers | None = getattr(ops, "workers", None)
    return workers


def batch_size(ops: Ops, x: Array) -> int:
    """How many rows the whole minibatch has, of which x are this worker's."""
    workers, own = workers_of(ops), int(x.shape[0])
    return own if workers is None else own * workers.cut


def batch_mean(ops: Ops, x: Array, axis: int | None = None) -> Array:
    """The mean over the rows of the whole minibatch, or over all numbers of it.

    x: (n, ...) this worker's rows. axis: 0, or None for everything. Returns (...), or 0-d.
    """
    own, workers = ops.xp.mean(x, axis=axis), workers_of(ops)
    return own if workers is None else workers.mean(own)


def batch_std(ops: Ops, x: Array) -> Array:
    """The deviation of all numbers of the whole minibatch, with the divisor n, 0-d."""
    if workers_of(ops) is None:
        return ops.xp.std(x)
    apart = x - batch_mean(ops, x)
    return ops.xp.sqrt(batch_mean(ops, apart * apart))


def batch_rows(ops: Ops, x: Array) -> Array:
    """(n, ...) this worker's rows to those of the whole minibatch, (workers * n, ...)."""
    workers = workers_of(ops)
    return x if workers is None else workers.gathered(x)


def own_rows(ops: Ops, x: Array) -> Array:
    """The inverse of `batch_rows`."""
    workers = workers_of(ops)
    return x if workers is None else workers.own(x)


def next_rows(ops: Ops, x: Array) -> Array:
    """For each row the one after it in the whole minibatch; the first for the last."""
    every: Any = batch_rows(ops, x)
    return own_rows(ops, ops.xp.concat([every[1:], every[:1]]))
