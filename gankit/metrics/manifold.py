"""Whether samples lie where real examples do, and real examples where samples do: quality and variety apart.

Where examples lie is known by balls about them, each of the radius of the example's k-th nearest neighbour among its
own kind: `PrecisionRecall` as Kynkäänniemi et al. 2019 ("Improved precision and recall metric"), `DensityCoverage` as
Naeem et al. 2020 ("Reliable fidelity and diversity metrics"). All in float64, in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gankit.errors import ConfigError
from gankit.metrics.base import Evidence, Measurement, Setting
from gankit.metrics.distances import spans
from gankit.metrics.features import Features, calibration, features

Array = np.ndarray[Any, Any]

ROWS = 1024
"""Examples whose distances to all others are in memory at a time."""
MOST = 10_000
"""Examples of each kind by default: the time grows with their square."""


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision: the share of samples inside a ball about a real example. Recall: of real examples inside a ball about
    a sample. A single outlier among the real ones has a large ball, which counts for all samples within.

    n: samples, and real examples, at most. k: which neighbour makes a ball. split, train_split, calibrate: as for
    `frechet`.
    """

    n: int = MOST
    k: int = 3
    split: str = "test"
    train_split: str = "train"
    calibrate: bool = False
    name: ClassVar[str] = "precision-recall"

    def __post_init__(self) -> None:
        _check(self.name, self.n, self.k)

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        for suffix, found in _asked(evidence, self):
            inside = balls(found.real, found.fake, self.k)
            outside = balls(found.fake, found.real, self.k)
            yield _share(f"precision{suffix}", inside.any_ball, found.protocol, self.k)
            yield _share(f"recall{suffix}", outside.any_ball, found.protocol, self.k)


@dataclass(frozen=True)
class DensityCoverage:
    """Density: how many balls about real examples a sample lies in, over k: 1 where the two are alike, more where
    samples crowd together. Coverage: the share of balls about real examples that hold a sample.

    n: samples, and real examples, at most. k: which neighbour makes a ball. split, train_split, calibrate: as for
    `frechet`.
    """

    n: int = MOST
    k: int = 5
    split: str = "test"
    train_split: str = "train"
    calibrate: bool = False
    name: ClassVar[str] = "density-coverage"

    def __post_init__(self) -> None:
        _check(self.name, self.n, self.k)

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        for suffix, found in _asked(evidence, self):
            inside = balls(found.real, found.fake, self.k)
            density = inside.count / self.k
            error = float(density.std() / np.sqrt(len(density)))
            protocol = {**found.protocol, "k": self.k}
            # Neither more nor less is better: it exceeds 1 where samples keep to the middle of the data.
            yield Measurement(f"density{suffix}", float(density.mean()), protocol, error)
            yield _share(f"coverage{suffix}", inside.occupied, found.protocol, self.k)


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


def _asked(evidence: Evidence, metric: PrecisionRecall | DensityCoverage) -> Iterator[tuple[str, Features]]:
    """("", features of samples), and ("-of-data", those of training examples) where it is to be calibrated."""
    least = metric.k + 1
    found = features(evidence, metric.n, metric.split, least)
    yield "", found
    if metric.calibrate:
        yield "-of-data", calibration(evidence, found, metric.split, metric.train_split, least)


def _share(name: str, which: Array, protocol: dict[str, Setting], k: int) -> Measurement:
    share = float(which.mean())
    # Of the draw of queries alone: the balls are a draw as well.
    error = float(np.sqrt(share * (1 - share) / len(which)))
    better: Any = None if name.endswith("-of-data") else "higher"
    return Measurement(name, share, {**protocol, "k": k}, error, better)


def _check(name: str, n: int, k: int) -> None:
    if not 1 <= k < n:
        raise ConfigError(f"{name}: k={k}, n={n}; a ball reaches to the k-th other example, so k is from 1 to n - 1.")
