"""Centroids of k-means: what games a Parzen window, so what its scores are calibrated by.

Lloyd 1982, "Least squares quantization in PCM".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gankit.arrays import Array
from gankit.interfaces import Backend
from gankit.metrics.distances import Nearest, scan, spans
from gankit.metrics.points import Points, drawn_without_replacement

STEPS = 5
ROWS = 4096
"""Examples that are held as float64 at a time."""


class Centroids(NamedTuple):
    """Where they are, and how they were found, in a word."""

    points: Points
    protocol: str


def centroids(backend: Backend, examples: Points, n: int, *, steps: int = STEPS, seed: int = 0) -> Centroids:
    """n centroids after so many steps from n different examples, drawn at random. One that no example is closest to
    stays where it is."""
    found = Points(examples[drawn_without_replacement(len(examples), n, seed)])
    for _ in range(steps):
        (_, index), _ = scan(backend, examples, found, Nearest())
        found = Points(means(examples, index, found[:]))
    return Centroids(found, f"{steps} steps of k-means")


def means(examples: Points, index: Array, before: Array) -> Array:
    """(n, dim) float64: the mean of the examples that have each index, or what was there before."""
    sums, counts = np.zeros_like(before), np.bincount(index, minlength=len(before))
    order = np.argsort(index, kind="stable")  # so that examples of one centroid lie side by side
    for rows in spans(len(order), ROWS):
        groups, starts = np.unique(index[order[rows]], return_index=True)
        sums[groups] += np.add.reduceat(examples[order[rows]], starts, axis=0)
    taken = counts > 0
    out = before.copy()
    out[taken] = sums[taken] / counts[taken, None]
    return out
