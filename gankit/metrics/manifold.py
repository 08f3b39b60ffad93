"""Whether samples lie near real examples (quality), and real examples near samples (variety).

"Near" means inside a ball around an example. Its radius is the distance to the k-th nearest neighbour of the same kind.
`PrecisionRecall` is as in Kynkäänniemi et al. 2019 ("Improved precision and recall metric"), `DensityCoverage` as in
Naeem et al. 2020 ("Reliable fidelity and diversity metrics"). Everything is computed in float64, in blocks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError
from gankit.metrics.base import Evidence, Measurement, Setting
from gankit.metrics.distances import spans
from gankit.metrics.features import Features, calibration, features

ROWS = 1024
"""Examples whose distances to all others are in memory at a time."""
MOST = 10_000
"""Examples of each kind by default: the time grows with their square."""


@dataclass(frozen=True)
class ByBalls(ABC):
    """What is had from balls about examples: `compared` of samples and real examples, and again of training examples in
    the place of samples where it is to be calibrated, under names that end in "-of-data".

    n: samples, and real examples, at most. k: which neighbour makes a ball. split, train_split, calibrate: as for
    `frechet`.
    """

    n: int = MOST
    k: int = 3
    split: str = "test"
    train_split: str = "train"
    calibrate: bool = False
    name: ClassVar[str]

    def __post_init__(self) -> None:
        if not 1 <= self.k < self.n:
            raise ConfigError(
                f"{self.name}: k={self.k}, n={self.n}; a ball reaches to the k-th other example, "
                "so k is from 1 to n - 1."
            )

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        found = features(evidence, self.n, self.split, self.k + 1)
        yield from self.compared(found)
        if self.calibrate:
            for each in self.compared(calibration(evidence, found, self.split, self.train_split, self.k + 1)):
                yield replace(each, metric=f"{each.metric}-of-data", better=None)

    @abstractmethod
    def compared(self, found: Features) -> Iterator[Measurement]:
        """What the balls say of `found.fake` beside `found.real`."""


@final
@dataclass(frozen=True)
class PrecisionRecall(ByBalls):
    """Precision: the share of samples inside a ball of a real example. Recall: the share of real examples inside a ball
    of a sample. A single outlier among the real examples has a large ball, and all samples inside it count.
    """

    name: ClassVar[str] = "precision-recall"

    def compared(self, found: Features) -> Iterator[Measurement]:
        yield _share("precision", balls(found.real, found.fake, self.k).any_ball, found.protocol, self.k)
        yield _share("recall", balls(found.fake, found.real, self.k).any_ball, found.protocol, self.k)


@final
@dataclass(frozen=True)
class DensityCoverage(ByBalls):
    """Density: in how many balls of real examples a sample lies, divided by k: 1 if the two sets are alike, more if
    samples crowd together. Coverage: the share of balls of real examples that contain a sample.
    """

    k: int = 5
    name: ClassVar[str] = "density-coverage"

    def compared(self, found: Features) -> Iterator[Measurement]:
        inside = balls(found.real, found.fake, self.k)
        density = inside.count / self.k
        error = float(density.std() / np.sqrt(len(density)))
        # Neither more nor less is better: it exceeds 1 where samples keep to the middle of the data.
        yield Measurement("density", float(density.mean()), {**found.protocol, "k": self.k}, error)
        yield _share("coverage", inside.occupied, found.protocol, self.k)


@dataclass(frozen=True, eq=False)
class Balls:
    """Queries among balls. any_ball: (queries,) bool, inside one or more. count: (queries,) of how many. occupied:
    (balls,) bool, holds a query."""

    any_ball: Array
    count: Array
    occupied: Array


def balls(centres: Array, queries: Array, k: int) -> Balls:
    """Balls about centres (n, d) that reach to the k-th nearest other centre, and queries (m, d) among them."""
    shift = np.asarray(centres, np.float64).mean(axis=0)
    centres, queries = centres - shift, queries - shift
    counts, occupied = np.zeros(len(queries), np.int64), []
    for rows in spans(len(centres), ROWS):
        own = squared_distances(centres[rows], centres)
        own[np.arange(len(own)), np.arange(rows.start, rows.stop)] = 0.0  # itself, the first, whatever rounding says
        radius = np.partition(own, k, axis=1)[:, k, None]
        within = squared_distances(centres[rows], queries) <= radius
        counts += within.sum(axis=0)
        occupied.append(within.any(axis=1))
    return Balls(counts > 0, counts, np.concatenate(occupied))


def squared_distances(x: Array, y: Array) -> Array:
    """(n, d) and (m, d) float64 to (n, m); none less than 0."""
    out = x @ y.T
    out *= -2
    out += np.square(x).sum(axis=1)[:, None]
    out += np.square(y).sum(axis=1)
    return np.asarray(np.maximum(out, 0, out=out))


def _share(name: str, which: Array, protocol: dict[str, Setting], k: int) -> Measurement:
    share = float(which.mean())
    # Of the draw of queries alone: the balls are a draw as well.
    error = float(np.sqrt(share * (1 - share) / len(which)))
    return Measurement(name, share, {**protocol, "k": k}, error, better="higher")
