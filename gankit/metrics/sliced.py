"""How far samples must be moved to become the data, along random directions (Bonneel et al. 2015)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError
from gankit.metrics.base import Evidence, Measurement
from gankit.metrics.points import Points, real, sampled
from gankit.play.streams import Streams


@dataclass(frozen=True)
class SlicedWasserstein:
    """The mean over directions of the 1-Wasserstein distance of the two projections, on the examples' own numbers.

    Examples are scaled to [0, 1] if the range of the data is known. Two draws of one distribution do not have distance
    0: "of_data" in the details is the score of as many training examples. The error is over directions, for the same
    examples.

    n: at most so many samples and real examples; the same number of both.
    projections: how many directions, drawn by `seed`.
    """

    n: int = 10_000
    projections: int = 256
    seed: int = 0
    split: str = "test"
    train_split: str = "train"
    name: ClassVar[str] = "sliced-wasserstein"

    def __post_init__(self) -> None:
        if min(self.n, self.projections) < 1:
            raise ConfigError(f"sliced-wasserstein: n={self.n}, projections={self.projections}; both are 1 at least.")

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        data, fake, train = real(evidence, self.split), sampled(evidence), real(evidence, self.train_split)
        n = min(self.n, len(data), len(fake))
        along = directions(data.dim, self.projections if data.dim > 1 else 1, self.seed)  # a line has but one
        each = wasserstein(projected(fake, n, along), projected(data, n, along))
        fewer = min(n, len(train))
        of_data = wasserstein(projected(train, fewer, along), projected(data, fewer, along))
        error = float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else None
        yield Measurement(
            self.name,
            float(each.mean()),
            {"n": n, "split": f"{self.split}[:{n}]", "projections": along.shape[1], "seed": self.seed},
            error,
            "lower",
            {"of_data": float(of_data.mean())},
        )


def directions(dim: int, count: int, seed: int) -> Array:
    """(dim, count) float64 unit vectors, uniform on the sphere; a larger count begins with the fewer."""
    drawn = Streams(seed).generator("directions").standard_normal((count, dim)).T
    return np.asarray(drawn / np.linalg.norm(drawn, axis=0))


def projected(points: Points, n: int, along: Array) -> Array:
    """(n, directions) of the first n points."""
    return np.concatenate([block @ along for block in Points(points.x[:n], points.value_range).blocks()])


def wasserstein(a: Array, b: Array) -> Array:
    """(n, k) and (n, k) to (k,): on a line, the best plan moves the i-th least to the i-th least."""
    return np.asarray(np.abs(np.sort(a, axis=0) - np.sort(b, axis=0)).mean(axis=0))
