"""The squared maximum mean discrepancy of features under a polynomial kernel (Binkowski et al. 2018, section 4).

"KID" is this for 2,048 features of one Inception network. Unlike the Fréchet distance it has no bias that shrinks with
n, so it may be below 0 if two distributions are alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError
from gankit.metrics.base import Evidence, Measurement
from gankit.metrics.features import Features, calibration, features
from gankit.metrics.points import shuffled


@dataclass(frozen=True)
class KernelDistance:
    """The mean over disjoint subsets of samples and of real examples, with the standard error of that mean.

    The subsets are disjoint, unlike the 100 overlapping ones of the paper, so the error is a true one. Overlapping
    subsets agree with each other, however many are drawn.

    n: samples, and real examples, at most; None: all. size: of a subset, at most.
    degree: of the kernel (x.y / d + 1)^degree. seed: of the draw of subsets.
    split, train_split, calibrate: as for `frechet`.
    """

    n: int | None = None
    size: int = 1000
    degree: int = 3
    seed: int = 0
    split: str = "test"
    train_split: str = "train"
    calibrate: bool = False
    name: ClassVar[str] = "kernel-distance"

    def __post_init__(self) -> None:
        if min(self.size, 2 if self.n is None else self.n) < 2 or self.degree < 1:
            raise ConfigError(
                f"kernel-distance: n={self.n}, size={self.size}, degree={self.degree}; n and size must be at least 2, "
                "the degree at least 1."
            )

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        found = features(evidence, self.n, self.split, least=2)
        yield self._measure(self.name, found, "lower")
        if self.calibrate:
            found = calibration(evidence, found, self.split, self.train_split, least=2)
            yield self._measure("kernel-distance-of-data", found)

    def _measure(self, name: str, found: Features, better: Any = None) -> Measurement:
        each = [
            squared_discrepancy(found.fake[fake], found.real[real], self.degree)
            for fake, real in subsets(len(found.fake), len(found.real), self.size, self.seed)
        ]
        error = float(np.std(each, ddof=1) / np.sqrt(len(each))) if len(each) > 1 else None
        size = min(self.size, len(found.fake), len(found.real))
        protocol = {**found.protocol, "kernel": f"polynomial-{self.degree}", "subsets": len(each), "size": size}
        return Measurement(name, float(np.mean(each)), protocol, error, better, {"each": each})


def subsets(n: int, m: int, size: int, seed: int) -> list[tuple[Array, Array]]:
    """Pairs of (indices of samples, indices of real examples), as many as fit; no index comes twice."""
    size = min(size, n, m)
    fake, real = shuffled(n, seed), shuffled(m, seed + 1)
    return [(fake[start : start + size], real[start : start + size]) for start in range(0, min(n, m) - size + 1, size)]


def squared_discrepancy(x: Array, y: Array, degree: int = 3) -> float:
    """The unbiased estimate of MMD^2 from rows x (n, d) and y (m, d), in float64 (Gretton et al. 2012, eq. 3).

    An example is not paired with itself: that pair says nothing of the distribution, and is what biases the other
    estimate.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    within = sum(_mean_off_diagonal(_kernel(z, z, degree)) for z in (x, y))
    return float(within - 2 * _kernel(x, y, degree).mean())


def _kernel(x: Array, y: Array, degree: int) -> Array:
    return np.asarray((x @ y.T / x.shape[1] + 1) ** degree)


def _mean_off_diagonal(k: Array) -> float:
    n = len(k)
    return float((k.sum() - np.trace(k)) / (n * (n - 1)))
