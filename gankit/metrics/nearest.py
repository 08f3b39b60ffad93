"""Whether G has memorised training examples: how near samples come to them, compared with unseen real examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError
from gankit.metrics.base import Evidence, Measurement, NotMeasurable, Setting
from gankit.metrics.distances import nearest
from gankit.metrics.points import Points, real, sampled

MOST = 2000
"""Queries of each kind by default. The time grows with them, the training examples are always all."""
LEAST = 20
"""Of each kind, for a twentieth to be one."""


@dataclass(frozen=True)
class NearestTraining:
    """The Euclidean distance of samples to the nearest training example, divided by that of unseen real examples.

    Two ratios: of the medians, and of the 5th percentiles. 1 is right. Near 0, samples are copies. Above 1, they are
    further from the data than the data is from itself. An image shifted by one pixel is far away in this distance, so a
    ratio of 1 does not prove that nothing was copied.

    n: samples, and unseen examples, at most. split: the unseen ones. train_split: those it may have learned.
    """

    n: int = MOST
    split: str = "test"
    train_split: str = "train"
    name: ClassVar[str] = "nearest-training"

    def __post_init__(self) -> None:
        if self.n < LEAST:
            raise ConfigError(f"nearest-training: n={self.n}; it must be at least {LEAST}.")

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        if self.split == self.train_split:
            raise NotMeasurable(f"No real examples but those of {self.split!r}, which the game was trained on.")
        train = real(evidence, self.train_split)
        of_samples, of_unseen = (
            distances(evidence, points, train, what)
            for points, what in (
                (sampled(evidence, self.n), "samples"),
                (real(evidence, self.split, self.n), f"examples of {self.split!r}"),
            )
        )
        protocol: dict[str, Setting] = {
            "distance": "euclidean",
            "n": len(of_samples),
            "split": f"{self.split}[:{len(of_unseen)}]",
            "train": f"{self.train_split}[:{len(train)}]",
        }
        if np.quantile(of_unseen, 0.05) == 0:
            raise NotMeasurable(f"A twentieth of the examples of {self.split!r} are training examples as well.")
        for share, name in ((0.5, self.name), (0.05, f"{self.name}-5%")):
            samples, unseen = (float(np.quantile(found, share)) for found in (of_samples, of_unseen))
            yield Measurement(name, samples / unseen, protocol, details={"samples": samples, "unseen": unseen})


def distances(evidence: Evidence, points: Points, train: Points, what: str) -> Array:
    """Of each of these points, (n,) float64."""
    if len(points) < LEAST:
        raise NotMeasurable(f"This needs {LEAST} {what} at least; there are {len(points)}.")
    return nearest(evidence.backend, points, train)[0]
