"""All distances between two sets of points, in blocks on the device, never all in memory at once.

A block of centres passes by all queries, and a `Fold` keeps what it wants of each query. What it is shown is not the
distance but the *nearness*, which orders centres just as well and costs one matrix product:

    nearness(x, c) = x.c - |c|^2 / 2 = (|x|^2 - |x - c|^2) / 2
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from gankit.interfaces import Backend, Ops
from gankit.layers import Dense, place
from gankit.metrics.points import Points

Array = Any
NumPy = np.ndarray[Any, Any]

BLOCK = 1024
"""Queries, and centres, in a block at most: 4 MB of float32 nearnesses, which a processor's cache has room for."""
FEW = 8
"""Dimensions up to which differences are squared one by one: no dearer, and exact where points lie close together."""
FARTHEST = -1e30
"""The nearness of what fills up the last block; finite, and greater than float32's least number."""


class Fold(Protocol):
    """What is kept of queries while blocks of centres pass by. Two that are equal do the same."""

    def start(self) -> tuple[float, ...] | tuple[NumPy, ...]:
        """What a query starts from: each a number, or an array (k,)."""

    def __call__(self, ops: Ops, kept: tuple[Array, ...], nearness: Array, first: Any) -> tuple[Array, ...]:
        """What is kept, each (q, ...), after one more block, nearness (q, c); `first` is the index of its first."""


def scan(
    backend: Backend, queries: Points, centres: Points, fold: Fold, *, block: int = BLOCK
) -> tuple[tuple[NumPy, ...], NumPy]:
    """(what the fold kept of each query, each (n, ...)), and (n,) float64: what |x|^2 / 2 is in the nearnesses.

    Memory: the queries, a block of centres, and a few times block * block nearnesses. Both sets are moved together
    so that the queries' mean is 0, without which float32 would lose in |x|^2 what makes the difference. The backend
    must compute in full precision: TF32 and bfloat16 have too few digits for a difference of large numbers.
    """
    ops, shift = backend.ops, queries.mean()
    query_rows, centre_rows = (even(len(points), block) for points in (queries, centres))
    nearness, compiled = _program(backend, queries.dim, centre_rows, fold)  # type: ignore[arg-type]  # they have a hash
    start = [np.asarray(value) for value in fold.start()]
    at, halves, kept = [], [], []
    for rows in spans(len(queries), query_rows):
        moved = queries[rows] - shift
        halves.append(nearness.half_square(moved))
        at.append(ops.asarray(filled(moved, query_rows, 0.0)))
        kept.append(tuple(ops.asarray(np.broadcast_to(s, (query_rows, *s.shape))) for s in start))
    for rows in spans(len(centres), centre_rows):
        centre_block = nearness.block(centres[rows] - shift)
        kept = [compiled(centre_block, x, rows.start, old) for x, old in zip(at, kept, strict=True)]
    out = [np.concatenate([ops.to_numpy(part) for part in parts])[: len(queries)] for parts in zip(*kept, strict=True)]
    return tuple(out), np.concatenate(halves)


@lru_cache(maxsize=16)
def _program(backend: Backend, dim: int, rows: int, fold: Fold) -> tuple[Nearness, Any]:
    """(the way to nearnesses, one step of the fold); kept, since an evaluation now and then asks for the same again."""
    way: type[ByDifferences] | type[ByProduct] = ByDifferences if dim <= FEW else ByProduct
    nearness = way(backend, dim, rows)

    def step(centre_block: Any, x: Array, first: Any, kept: tuple[Array, ...]) -> Any:
        return fold(backend.ops, kept, nearness.of(centre_block, x), first)

    return nearness, backend.ops.compile(step)


class Nearness(Protocol):
    """A way to compute nearnesses."""

    def block(self, centres: NumPy) -> Any:
        """(c, dim) float64 onto the device, in the form that `of` wants."""

    def of(self, block: Any, x: Array) -> Array:
        """Queries (q, dim) to (q, c)."""

    def half_square(self, x: NumPy) -> NumPy:
        """Queries (q, dim) float64 to (q,): half the squared distance of a centre, plus its nearness."""


class ByProduct:
    """By a matrix product. Centres are the weights of a dense layer, -|c|^2 / 2 its biases, so it is the backend's own
    fastest product that serves: on torch's CPU, twice as fast as `xp.matmul`."""

    def __init__(self, backend: Backend, dim: int, rows: int) -> None:
        self._network, self._rows = backend.network(place([Dense(rows)], (dim,))), rows

    def block(self, centres: NumPy) -> Any:
        kernel = filled(centres, self._rows, 0.0).T
        bias = filled(-np.square(centres).sum(axis=1) / 2, self._rows, FARTHEST)
        return self._network.init({"dense0/kernel": kernel, "dense0/bias": bias})

    def of(self, block: Any, x: Array) -> Array:
        params, buffers = block
        return self._network.apply(params, buffers, x, {}, train=False, key=None)[0]

    def half_square(self, x: NumPy) -> NumPy:
        return np.asarray(np.square(x).sum(axis=1) / 2)


class ByDifferences:
    """-|x - c|^2 / 2, dimension after dimension."""

    def __init__(self, backend: Backend, dim: int, rows: int) -> None:
        self._ops, self._dim, self._rows = backend.ops, dim, rows

    def block(self, centres: NumPy) -> Any:
        filler = filled(np.zeros(len(centres)), self._rows, FARTHEST)
        return self._ops.asarray(filled(centres, self._rows, 0.0).T), self._ops.asarray(filler)

    def of(self, block: Any, x: Array) -> Array:
        centres, out = block
        for i in range(self._dim):
            difference = x[:, i, None] - centres[i, None, :]
            out = out - 0.5 * difference * difference
        return out

    def half_square(self, x: NumPy) -> NumPy:
        return np.zeros(len(x))


def even(n: int, most: int) -> int:
    """The size of blocks, at most so large, that leaves the least to fill up in the last one."""
    return math.ceil(n / math.ceil(n / most))


def spans(n: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most `size` that cover 0..n-1."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def filled(x: NumPy, rows: int, value: float) -> NumPy:
    """x with rows of a value behind, so that all blocks have one shape and are compiled once."""
    if len(x) == rows:
        return x
    return np.concatenate([x, np.full((rows - len(x), *x.shape[1:]), value)])


@dataclass(frozen=True)
class Nearest:
    """Each query's greatest nearness, and the index of the centre that has it."""

    def start(self) -> tuple[NumPy, ...]:
        return np.asarray(-math.inf), np.asarray(0, np.int32)

    def __call__(self, ops: Ops, kept: tuple[Array, ...], nearness: Array, first: Any) -> tuple[Array, ...]:
        xp, (greatest, index) = ops.xp, kept
        here, where = xp.max(nearness, axis=1), xp.argmax(nearness, axis=1)
        closer = here > greatest
        return xp.where(closer, here, greatest), xp.where(closer, where + first, index)


def nearest(backend: Backend, queries: Points, centres: Points, *, block: int = BLOCK) -> tuple[NumPy, NumPy]:
    """Of each query its nearest centre: distance (n,) float64 and index (n,) int64.

    The centre is found in the backend's dtype; how far it is, is then computed from the difference in float64.
    """
    (_, index), _ = scan(backend, queries, centres, Nearest(), block=block)
    index = index.astype(np.int64)
    parts = [
        np.sqrt(np.square(queries[rows] - centres[index[rows]]).sum(axis=1)) for rows in spans(len(queries), block)
    ]
    return np.concatenate(parts), index


__all__ = ["Fold", "Nearest", "nearest", "scan"]
