"""Exact search for the nearest example."""

from __future__ import annotations

import numpy as np

from gankit.arrays import Array
from gankit.data.dataset import blocks


def nearest(queries: Array, examples: Array) -> Array:
    """(q,) indices of the examples nearest to each query in L2 over pixels; the first of several equally near.

    queries (q, ...), examples (n, ...): of one shape and unit. Every example is looked at, a block at a time, so that
    memory-mapped data stays on disk. Exact for bytes; for floats in float64, from a point amid the examples, so that
    data far from 0 loses no digits.
    """
    centre = np.zeros(examples[0].size) if examples.dtype == np.uint8 else _flat(examples[:1])[0]
    wanted = _flat(queries) - centre
    least, index, start = np.full(len(queries), np.inf), np.zeros(len(queries), np.intp), 0
    for block in blocks(examples):
        x = _flat(block) - centre
        # |x - q|² less |q|², which no choice of x changes
        distances = np.square(x).sum(axis=1)[:, None] - 2.0 * (x @ wanted.T)
        best = distances.argmin(axis=0)
        found = distances[best, np.arange(len(queries))]
        closer = found < least
        least[closer], index[closer] = found[closer], start + best[closer]
        start += len(block)
    return index


def _flat(x: Array) -> Array:
    return np.asarray(x.reshape(len(x), -1), np.float64)
