"""What Goodfellow et al. 2014 prove, measured where the data's density is known: D is near D* = p_data / (p_data + p_g)
(proposition 1), and V is near -log 4 + 2 JSD(p_data || p_g) (theorem 1).

The density of samples is not known. It is estimated from half of them, and looked at where the other half lies: at its
own centres it would be too high. Where samples lie as close as in a mode, by Gaussian kernels. These blur; so p_data is
blurred by the same, which a mixture of Gaussians is without error, and what is alike stays alike. Where samples lie too
far apart for kernels of that width, as those of a G that has learned little do, kernels see nothing between them; there
the density is had from how far the tenth nearest sample is (Loftsgaarden & Quesenberry 1965), and p_data is as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gankit.arrays import Array
from gankit.data.toys import Mixture
from gankit.errors import ConfigError
from gankit.metrics.base import Evidence, Measurement, NotMeasurable, Setting
from gankit.metrics.distances import spans
from gankit.metrics.manifold import ROWS, squared_distances
from gankit.metrics.parzen import log_likelihoods
from gankit.metrics.points import Points, real
from gankit.metrics.toys import law_of

LEAST = 100
"""Samples that an estimate of a density takes."""
NEIGHBOURS, REACH = 10, 2.0
"""Kernels are believed where so many lie within so many of their widths."""


@dataclass(frozen=True)
class Theory:
    """For minimax and non-saturating games on toy data. Other losses have another optimal D, or none.

    Three numbers: "d-from-optimal", the mean of |D - D*| over real examples and samples; "value", V(D, G), with its
    standard error; "value-from-theory", V minus (-log 4 + 2 JSD): below 0 if D is not yet the best for this G.

    n: samples, and real examples, at most. bandwidth: of the kernel, in deviations of a mode; None: by Scott's rule.
    """

    n: int = 10_000
    bandwidth: float | None = None
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
        densities = Densities(evidence, law, kernels, width)
        protocol: dict[str, Setting] = {
            "n": len(fake),
            "reals": len(data),
            "split": self.split,
            "density": f"{len(kernels)} kernels of {width / law.std:.3g} std or {NEIGHBOURS} neighbours",
        }
        of_data, of_fake = (np.asarray(evidence.score(x), np.float64) for x in (data, fake))
        best_of_data, best_of_fake = densities.log_ratio(data), densities.log_ratio(fake)
        pairs = ((of_data, best_of_data), (of_fake, best_of_fake))
        gaps = [np.abs(sigmoid(logits) - sigmoid(best)) for logits, best in pairs]
        error = math.sqrt(sum(gap.var() / len(gap) for gap in gaps)) / 2
        yield Measurement("d-from-optimal", float(sum(g.mean() for g in gaps) / 2), protocol, error, "lower")

        terms = -softplus(-of_data), -softplus(of_fake)
        value = float(sum(term.mean() for term in terms))
        error = math.sqrt(sum(term.var() / len(term) for term in terms))
        yield Measurement("value", value, {key: protocol[key] for key in ("n", "reals", "split")}, error)

        # (E log 2 D* + E log 2 (1 - D*)) / 2
        jsd = float(math.log(2) - (softplus(-best_of_data).mean() + softplus(best_of_fake).mean()) / 2)
        optimum = -math.log(4) + 2 * jsd
        yield Measurement(
            "value-from-theory", value - optimum, protocol, error, details={"jsd": jsd, "optimum": optimum}
        )


class Densities:
    """p_data, and p_g as far as its samples tell."""

    def __init__(self, evidence: Evidence, law: Mixture, kernels: Array, width: float) -> None:
        self._backend, self._law, self._kernels, self._width = evidence.backend, law, kernels, width
        self._blurred = replace(law, std=math.hypot(law.std, width))

    def log_ratio(self, x: Array) -> Array:
        """log p_data - log p_g at points (n, d): the logit of D*."""
        reach = self._reach(x)
        x64 = np.asarray(x, np.float64)
        by_kernels = log_likelihoods(self._backend, Points(x), Points(self._kernels), (self._width,))[:, 0]
        by_neighbours = log_density_of_neighbours(reach, len(self._kernels), x64.shape[1])
        return np.where(
            reach <= REACH * self._width,
            self._blurred.log_density(x64) - by_kernels,
            self._law.log_density(x64) - by_neighbours,
        )

    def _reach(self, x: Array) -> Array:
        """(n,) how far the kernel is that has NEIGHBOURS - 1 nearer ones."""
        shift = np.asarray(self._kernels, np.float64).mean(axis=0)
        x, kernels = x - shift, self._kernels - shift
        rows = (squared_distances(x[each], kernels) for each in spans(len(x), ROWS))
        return np.asarray(np.sqrt(np.concatenate([np.partition(r, NEIGHBOURS - 1)[:, NEIGHBOURS - 1] for r in rows])))


def log_density_of_neighbours(reach: Array, n: int, d: int) -> Array:
    """log (k - 1/2) / (n V) of balls of volume V that reach to the k-th of n: the mean of its logarithm is right."""
    ball = math.log(math.pi) * d / 2 - math.lgamma(d / 2 + 1)
    with np.errstate(divide="ignore"):  # no volume where k samples are one and the same
        return np.asarray(math.log((NEIGHBOURS - 0.5) / n) - ball - d * np.log(reach))


def scott(n: float, d: int) -> float:
    """The width, in deviations, that suits n examples of one Gaussian in d dimensions (Scott 1992)."""
    return float(n ** (-1 / (d + 4)))


def softplus(x: Array | float) -> Array:
    return np.logaddexp(0, x)


def sigmoid(x: Array | float) -> Array:
    """D(x) of the paper, from a logit; neither end overflows."""
    return np.asarray(np.exp(-softplus(-x)))
