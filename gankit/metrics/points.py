"""Examples as rows of numbers, in units that every metric shares, taken a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gankit.arrays import Array
from gankit.data.dataset import blocks
from gankit.data.spec import DataSpec
from gankit.errors import DataError
from gankit.metrics.base import Evidence, NotMeasurable
from gankit.play.streams import Streams


@dataclass(frozen=True, eq=False)
class Points:
    """Examples seen as rows of float64: [0, 1] where their range is known, else in the data's own units.

    The range is the data's, which every batch shares: by least and greatest value of a batch, a washed-out batch would
    score as a crisp one.

    x: (n, *shape), of any dtype, memory-mapped or not. value_range: what becomes 0 and what becomes 1.
    """

    x: Array
    value_range: tuple[float, float] | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def dim(self) -> int:
        """How many numbers an example has."""
        return int(np.prod(self.x.shape[1:]))

    def __getitem__(self, rows: slice | Array) -> Array:
        """(m, dim) float64 of these examples."""
        return self.images(rows).reshape(-1, self.dim)

    def images(self, rows: slice | Array) -> Array:
        """(m, *shape) float64 of these examples."""
        chosen = np.asarray(self.x[rows], np.float64)
        if self.value_range is None:
            return chosen
        low, high = self.value_range
        return (chosen - low) / (high - low)

    def blocks(self) -> Iterator[Array]:
        """All rows, some megabytes at a time."""
        return (Points(block, self.value_range)[:] for block in blocks(self.x))

    def mean(self) -> Array:
        """(dim,) float64."""
        return np.asarray(sum(block.sum(axis=0) for block in self.blocks()) / len(self))


def points(spec: DataSpec, x: Array, n: int | None = None) -> Points:
    """The first n examples (or all) as points."""
    return Points(x[:n], spec.value_range)


def sampled(evidence: Evidence, n: int | None = None) -> Points:
    """The first n samples, or all."""
    return points(evidence.spec, evidence.samples, n)


def real(evidence: Evidence, split: str, n: int | None = None) -> Points:
    """The first n examples of a split, or all; raises NotMeasurable where the data has no such split."""
    return points(evidence.spec, real_examples(evidence, split), n)


def real_examples(evidence: Evidence, split: str) -> Array:
    """The examples of a split in the data's own units; raises NotMeasurable where the data has no such split."""
    try:
        return evidence.split(split).x
    except DataError as error:
        raise NotMeasurable(f"The data offers no split {split!r} to compare with: {error}") from error


def shuffled(n: int, seed: int = 0) -> Array:
    """0..n-1 in an order that is the same every time."""
    return Streams(seed).generator("metrics").permutation(n)


def drawn_without_replacement(examples: int, n: int, seed: int = 0) -> Array:
    """The indices of n different examples (or of all), in rising order; the same ones every time."""
    return np.sort(shuffled(examples, seed)[:n])
