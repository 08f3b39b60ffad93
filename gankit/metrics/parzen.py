"""The number of the paper: the likelihood of test data under a Parzen window of samples (Goodfellow et al. 2014, table
1).

As in Breuleux et al. 2011 and the script released with the paper, n samples are the centres of round Gaussians. Their
standard deviation sigma is chosen from a grid by validation data.

A bad model can score well: k-means centroids score far above real images (Theis et al. 2015, "A note on the evaluation
of generative models", section 3.3). The calibrations show this.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gankit.errors import ConfigError
from gankit.interfaces import Backend, Ops
from gankit.metrics.base import Evidence, Measurement, NotMeasurable
from gankit.metrics.distances import BLOCK, scan
from gankit.metrics.kmeans import centroids
from gankit.metrics.points import Points, drawn_without_replacement, real, sampled

Array = Any
NumPy = np.ndarray[Any, Any]

GRID = tuple(float(sigma) for sigma in np.logspace(-1, 0, 10))
"""Of the released script. The best sigma may lie between two of them, and score some nats more: see docs/metrics.md."""
LEAST_EXPONENT = -80.0
"""In nats, below the greatest. Less than this adds nothing to a sum of at least 1, in float64 either; and torch takes
ten times as long over an exponential that underflows, as nearly all here would."""


@dataclass(frozen=True)
class Parzen:
    """Mean log-likelihood in nats of the test examples, with the standard error over them.

    Examples are scaled to [0, 1] if the range of the data is known. Higher is better only up to the score of real
    examples.

    n: at most so many samples as centres.
    sigmas: the grid.
    validation: the first so many validation examples choose sigma. test: the first so many are scored; None: all.
    train_split, validation_split, split: splits of the data; `split` is scored.
    calibrate: also score as many training examples, and as many centroids of the training data, by the same protocol.
    """

    n: int = 10_000
    sigmas: tuple[float, ...] = GRID
    validation: int = 1000
    test: int | None = 10_000
    train_split: str = "train"
    validation_split: str = "validation"
    split: str = "test"
    calibrate: bool = False
    name: ClassVar[str] = "parzen"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigmas", tuple(float(sigma) for sigma in self.sigmas))
        if not self.sigmas or not all(0 < sigma < math.inf for sigma in self.sigmas):
            raise ConfigError(f"parzen: sigmas={self.sigmas}; expected one or more positive numbers.")
        least = min(self.n, self.validation, 2 if self.test is None else self.test)
        if least < 1:
            counts = f"n={self.n}, validation={self.validation}, test={self.test}"
            raise ConfigError(f"parzen: {counts}; each must be at least 1.")

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        centres = sampled(evidence, self.n)
        yield self._measure(evidence, self.name, centres, "samples", better="higher")
        if not self.calibrate:
            return
        train = real(evidence, self.train_split)
        n = min(len(centres), len(train))
        drawn = Points(train.x[drawn_without_replacement(len(train), n)], train.value_range)
        yield self._measure(evidence, "parzen-of-data", drawn, f"drawn from {self.train_split}")
        found = centroids(evidence.backend, train, n)
        yield self._measure(evidence, "parzen-of-centroids", found.points, f"{found.protocol} on {self.train_split}")

    def _measure(self, evidence: Evidence, name: str, centres: Points, what: str, better: Any = None) -> Measurement:
        validation = real(evidence, self.validation_split, self.validation)
        test = real(evidence, self.split, self.test)
        if len(test) < 2:
            raise NotMeasurable(f"The standard error needs 2 test examples; {self.split!r} has {len(test)}.")
        on_validation = log_likelihoods(evidence.backend, validation, centres, self.sigmas).mean(axis=0)
        best = int(on_validation.argmax())
        scores = log_likelihoods(evidence.backend, test, centres, self.sigmas[best : best + 1])[:, 0]
        return Measurement(
            metric=name,
            value=float(scores.mean()),
            protocol={
                "centres": what,
                "n": len(centres),
                "sigma": round(self.sigmas[best], 4),
                "grid": f"{len(self.sigmas)} from {min(self.sigmas):.4g} to {max(self.sigmas):.4g}",
                "chosen-by": f"{self.validation_split}[:{len(validation)}]",
                "split": f"{self.split}[:{len(test)}]",
            },
            error=float(scores.std() / math.sqrt(len(scores))),
            better=better,
            details={
                "sigmas": list(self.sigmas),
                "on_validation": on_validation.tolist(),
                # The best there is may lie beyond.
                "sigma_at_the_end_of_the_grid": best in (0, len(self.sigmas) - 1) and len(self.sigmas) > 1,
            },
        )


def log_likelihoods(
    backend: Backend, queries: Points, centres: Points, sigmas: tuple[float, ...], *, block: int = BLOCK
) -> NumPy:
    """log p(x) in nats of each query under equally likely round Gaussians at the centres: (n, len(sigmas)) float64.

    One pass over the distances serves every sigma. Memory does not grow with the product of the two sizes.
    """
    precisions = tuple(1 / float(sigma) ** 2 for sigma in sigmas)
    (greatest, sums), half_square = scan(backend, queries, centres, Sums(precisions), block=block)
    nearest = greatest.astype(np.float64) - half_square  # -|x - c|^2 / 2 of the nearest centre
    normaliser = queries.dim * np.log(np.array(sigmas) * math.sqrt(2 * math.pi)) + math.log(len(centres))
    return np.asarray(nearest[:, None] * np.array(precisions) + np.log(sums.astype(np.float64)) - normaliser)


@dataclass(frozen=True)
class Sums:
    """Of each query the greatest nearness, and for each sigma the sum of exponentials relative to it.

    The nearest centre is the greatest exponent for every sigma, so one maximum serves them all.
    """

    precisions: tuple[float, ...]

    def start(self) -> tuple[NumPy, ...]:
        return np.asarray(-math.inf), np.zeros(len(self.precisions))

    def __call__(self, ops: Ops, kept: tuple[Array, ...], nearness: Array, first: Any) -> tuple[Array, ...]:
        xp, (before, sums) = ops.xp, kept
        greatest = xp.maximum(before, xp.max(nearness, axis=1))
        below, fallen = nearness - greatest[:, None], before - greatest
        exponential = _exponential(ops)
        return greatest, xp.stack(
            [
                sums[:, k] * exponential(fallen, rate) + xp.sum(exponential(below, rate), axis=1)
                for k, rate in enumerate(self.precisions)
            ],
            axis=1,
        )


def _exponential(ops: Ops) -> Any:
    """(x, rate) -> exp(rate * x), clamped from below, for x that is nowhere positive.

    Through powers of 2 where the namespace has them (the array standard does not): half the time of exp on torch.
    """
    exp2 = getattr(ops.xp, "exp2", None)
    unit = 1.0 if exp2 is None else math.log(2)
    least = ops.asarray(np.asarray(LEAST_EXPONENT / unit))

    def exponential(x: Array, rate: float) -> Array:
        return (exp2 or ops.xp.exp)(ops.xp.maximum(x * (rate / unit), least))

    return exponential
