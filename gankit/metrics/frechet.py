"""The distance of two Gaussians with the means and covariances of features (Heusel et al. 2017, section 4).

"FID" is this distance for 2,048 features of one Inception network. Other features give another number, and the number
shrinks as n grows. So compare only numbers with the same extractor and the same n.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from gankit.arrays import Array
from gankit.data.dataset import blocks
from gankit.errors import ConfigError
from gankit.metrics.base import Evidence, Measurement
from gankit.metrics.features import Features, calibration, features


@dataclass(frozen=True)
class Frechet:
    """|mean - mean'|^2 + tr(S + S' - 2 (S S')^1/2) of features of samples and of real examples: 0 at best.

    n: at most so many samples and real examples; None: all. split: the data to compare with.
    calibrate: also measure training examples in the place of samples, as "frechet-of-data".
    """

    n: int | None = None
    split: str = "test"
    train_split: str = "train"
    calibrate: bool = False
    name: ClassVar[str] = "frechet"

    def __post_init__(self) -> None:
        if self.n is not None and self.n < 2:
            raise ConfigError(f"frechet: n={self.n}; a covariance needs at least 2 examples.")

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        found = features(evidence, self.n, self.split, least=2)
        yield Measurement(self.name, _between(found), found.protocol, better="lower")
        if self.calibrate:
            found = calibration(evidence, found, self.split, self.train_split, least=2)
            yield Measurement("frechet-of-data", _between(found), found.protocol)


class Moments(NamedTuple):
    """mean (d,) and covariance (d, d), divisor n - 1, float64."""

    mean: Array
    covariance: Array


def moments(x: Array) -> Moments:
    """Of rows (n, d) of any dtype, some megabytes at a time. Two passes: E[xx'] - E[x]E[x]' loses digits."""
    mean = np.asarray(sum(block.sum(axis=0, dtype=np.float64) for block in blocks(x)) / len(x))
    scatter = sum((block - mean).T @ (block - mean) for block in blocks(x))
    return Moments(mean, np.asarray(scatter / (len(x) - 1)))


def frechet_distance(a: Moments, b: Moments) -> float:
    """The squared 2-Wasserstein distance of the two Gaussians (Dowson and Landau 1982).

    (S S')^1/2 has the trace of (S^1/2 S' S^1/2)^1/2, which is symmetric: its eigenvalues are real and not negative, and
    what is less is rounding.
    """
    root = _square_root(a.covariance)
    eigenvalues = np.linalg.eigvalsh(root @ b.covariance @ root)
    shared = np.sqrt(np.maximum(eigenvalues, 0)).sum()
    apart = np.square(a.mean - b.mean).sum()
    return float(apart + np.trace(a.covariance) + np.trace(b.covariance) - 2 * shared)


def _between(found: Features) -> float:
    return frechet_distance(moments(found.fake), moments(found.real))


def _square_root(symmetric: Array) -> Array:
    values, vectors = np.linalg.eigh(symmetric)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)
