"""What Goodfellow et al. 2014 prove, measured where the data's density is known: D is near D* = p_data / (p_data + p_g)
(proposition 1), and V is near -log 4 + 2 JSD(p_data || p_g) (theorem 1).

The density of samples is not known. It is estimated by Gaussian kernels on half of them, and looked at where the other
half lies: at its own centres it would be too high. Kernels blur; so p_data is blurred by the same, which a mixture of
Gaussians is without error, and what is alike stays alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from gankit.errors import ConfigError
from gankit.metrics.base import Evidence, Measurement, NotMeasurable, Setting
from gankit.metrics.parzen import log_likelihoods
from gankit.metrics.points import Points, real
from gankit.metrics.toys import law_of
from gankit.streams import Streams

Array = np.ndarray[Any, Any]

LEAST = 100
"""Samples that an estimate of a density takes."""


@dataclass(frozen=True)
class Theory:
    """Of minimax and non-saturating games on toys: other losses have another optimal D, or none.

    Three numbers: "d-from-optimal", the mean of |D - D*| over real examples and samples; "value", V(D, G), with its
    standard error; "value-from-theory", V less -log 4 + 2 JSD: below 0 where D is not yet the best for this G.

    n: samples, and real examples, at most. bandwidth: of the kernel, in deviations of a mode; None: by Scott's rule.
    seed: of the blur of examples that the JSD is estimated from.
    """

    n: int = 10_000
    bandwidth: float | None = None
    seed: int = 0
    split: str = "test"
    name: ClassVar[str] = "theory"

    def __post_init__(self) -> None:
        if self.n < LEAST or (self.bandwidth is not None and not self.bandwidth > 0):
            raise ConfigError(
                f"theory: n={self.n}, bandwidth={self.bandwidth}; n is {LEAST} or more, bandwidth above 0."
            )

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        law = law_of(evidence, self.split)
        if evidence.score is None:
            raise NotMeasurable("There is no D to ask: the samples are not of a game at hand, or it is conditional.")
        # Half of the samples make the density, so twice as many are looked at as real examples.
        samples = evidence.samples[: 2 * self.n]
        kernels, fake = samples[::2], samples[1::2]
        data = real(evidence, self.split, self.n).x
        if min(len(fake), len(data)) < LEAST:
            raise NotMeasurable(f"A density takes {2 * LEAST} samples and {LEAST} real examples.")
        width = law.std * (self.bandwidth or scott(len(kernels) / len(law.centres), law.centres.shape[1]))
        densities = Densities(evidence, replace(law, std=math.hypot(law.std, width)), kernels, width)
        protocol: dict[str, Setting] = {
            "n": len(fake),
            "reals": len(data),
            "split": self.split,
            "density": f"{len(kernels)} kernels of {width / law.std:.3g} std",
        }
        of_data, of_fake = (np.asarray(evidence.score(x), np.float64) for x in (data, fake))
        gaps = [
            np.abs(sigmoid(logits) - sigmoid(densities.log_ratio(x)))
            for logits, x in ((of_data, data), (of_fake, fake))
        ]
        error = math.sqrt(sum(gap.var() / len(gap) for gap in gaps)) / 2
        yield Measurement("d-from-optimal", float(sum(g.mean() for g in gaps) / 2), protocol, error, "lower")

        terms = -softplus(-of_data), -softplus(of_fake)
        value = float(sum(term.mean() for term in terms))
        error = math.sqrt(sum(term.var() / len(term) for term in terms))
        yield Measurement("value", value, {key: protocol[key] for key in ("n", "reals", "split")}, error)

        jsd = densities.jensen_shannon(data, fake, self.seed)
        optimum = -math.log(4) + 2 * jsd
        yield Measurement(
            "value-from-theory", value - optimum, protocol, error, details={"jsd": jsd, "optimum": optimum}
        )


class Densities:
    """p_data and p_g, both blurred by Gaussians of one width."""

    def __init__(self, evidence: Evidence, law: Any, kernels: Array, width: float) -> None:
        self._backend, self._law, self._kernels, self._width = evidence.backend, law, Points(kernels), width

    def log_ratio(self, x: Array) -> Array:
        """log p_data - log p_g at points (n, d): the logit of D*."""
        of_samples = log_likelihoods(self._backend, Points(x), self._kernels, (self._width,))[:, 0]
        return np.asarray(self._law.log_density(np.asarray(x, np.float64)) - of_samples)

    def jensen_shannon(self, data: Array, fake: Array, seed: int) -> float:
        """By the mean over examples of both, blurred as the densities are: (E log 2 D* + E log 2 (1 - D*)) / 2."""
        rng = Streams(seed).generator("theory")
        data, fake = (x + self._width * rng.standard_normal(x.shape) for x in (data, fake))
        means = -softplus(-self.log_ratio(data)).mean() - softplus(self.log_ratio(fake)).mean()
        return float(math.log(2) + means / 2)


def scott(n: float, d: int) -> float:
    """The width, in deviations, that suits n examples of one Gaussian in d dimensions (Scott 1992)."""
    return float(n ** (-1 / (d + 4)))


def softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


def sigmoid(x: Array) -> Array:
    return np.asarray(np.exp(-softplus(-x)))
