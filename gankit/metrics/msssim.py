"""Whether samples look alike: MS-SSIM (Wang et al. 2003) of pairs, as Odena et al. 2017 (section 4.2) measure variety.

In a conditional game both images of a pair have the same class; otherwise the variety of other classes would hide a
collapsed one. The metric sees that images differ, but not that they are good: noise differs most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError
from gankit.metrics.base import Evidence, Measurement, NotMeasurable, Setting
from gankit.metrics.distances import spans
from gankit.metrics.points import Points, real, sampled
from gankit.play.streams import Streams

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, the finest first (Wang et al. 2003, section 3.2); of fewer scales the first, made to sum to 1."""
WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
PAIRS_AT_ONCE = 256


@dataclass(frozen=True)
class MsSsim:
    """The mean over random pairs of samples, and over pairs of real examples. A value near that of the data is good, a
    value far above it means collapse.

    "ms-ssim" and "ms-ssim-of-data" go from 0 to 1; 1 means that all images are the same. The number of scales depends
    on the window of 11 pixels: 5 scales need 176 pixels, and 28 pixels have room for 2.

    pairs: how many. seed: of their draw.
    """

    pairs: int = 1000
    seed: int = 0
    split: str = "test"
    name: ClassVar[str] = "ms-ssim"

    def __post_init__(self) -> None:
        if self.pairs < 2:
            raise ConfigError(f"ms-ssim: pairs={self.pairs}; it must be at least 2.")

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        shape = evidence.spec.shape
        if len(shape) != 3 or evidence.spec.value_range is None:
            raise NotMeasurable(f"This compares images of a known range; examples here have shape {shape}.")
        fake, data = sampled(evidence), real(evidence, self.split)
        classes = None if evidence.labels is None else evidence.split(self.split).labels
        yield self._measure(self.name, fake, evidence.labels, {"n": len(fake)})
        yield self._measure("ms-ssim-of-data", data, classes, {"n": len(data), "split": self.split})

    def _measure(self, name: str, points: Points, classes: Array | None, what: dict[str, Setting]) -> Measurement:
        scales = scales_of(points.x.shape[1:])
        first, second = pairs_of(len(points), classes, self.pairs, self.seed)
        each = np.concatenate(
            [
                ms_ssim(points.images(first[rows]), points.images(second[rows]), scales)
                for rows in spans(len(first), PAIRS_AT_ONCE)
            ]
        )
        among = "any two" if classes is None else "one class"
        protocol = {**what, "pairs": len(each), "of": among, "scales": scales}
        return Measurement(name, float(each.mean()), protocol, float(each.std(ddof=1) / np.sqrt(len(each))))


def pairs_of(n: int, classes: Array | None, pairs: int, seed: int) -> tuple[Array, Array]:
    """Two (pairs,) of indices, never one with itself; of one class each, where there are classes."""
    rng = Streams(seed).generator("pairs")
    classes = np.zeros(n, np.int64) if classes is None else classes
    counts = np.bincount(classes)
    usable = np.flatnonzero(counts[classes] >= 2)
    if len(usable) == 0:
        raise NotMeasurable("A pair needs two images, of the same class in a conditional game.")
    first = usable[rng.integers(len(usable), size=pairs)]
    order = np.argsort(classes, kind="stable")
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    start, count = (np.cumsum(counts) - counts)[classes[first]], counts[classes[first]]
    # One of the others of its class: so many places further on, and round.
    step = 1 + (rng.random(pairs) * (count - 1)).astype(np.int64)
    return first, order[start + (place[first] - start + step) % count]


def scales_of(shape: tuple[int, ...]) -> int:
    """How many scales leave the window room; raises NotMeasurable where not even one does."""
    side, scales = min(shape[:2]), 0
    while side >= WINDOW and scales < len(WEIGHTS):
        side, scales = side // 2, scales + 1
    if scales == 0:
        raise NotMeasurable(f"The window of {WINDOW} pixels has no room in images of shape {shape}.")
    return scales


def ms_ssim(a: Array, b: Array, scales: int) -> Array:
    """Images (n, height, width, channels) float64 in [0, 1], pair by pair: (n,).

    Contrast and structure at every scale, luminance at the coarsest alone; a negative one counts as 0. Channels are
    compared each by itself, and averaged.
    """
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    out = np.ones((len(a), a.shape[3]))
    for scale, weight in enumerate(weights.tolist()):
        if scale:
            a, b = halved(a), halved(b)
        luminance, structure = similarities(a, b)
        last = scale == scales - 1
        # Over positions, then the power: with luminance multiplied in before the mean, where there is one (SSIM).
        local = (luminance * structure if last else structure).mean(axis=(1, 2))
        out *= np.maximum(local, 0) ** weight
    return np.asarray(out.mean(axis=1))


def similarities(a: Array, b: Array) -> tuple[Array, Array]:
    """Luminance, and contrast times structure, at each place of the window (Wang et al. 2004, eq. 13)."""
    mean_a, mean_b = blurred(a), blurred(b)
    variance_a, variance_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return luminance, (2 * covariance + C2) / (variance_a + variance_b + C2)


def blurred(x: Array) -> Array:
    """Means under a Gaussian window, where it fits wholly: (n, h, w, c) to (n, h - 10, w - 10, c)."""
    at = np.arange(WINDOW) - WINDOW // 2
    window = np.exp(-(at**2) / (2 * SIGMA**2))
    window /= window.sum()
    for axis in (1, 2):
        places = x.shape[axis] - WINDOW + 1
        parts = (w * np.take(x, range(i, i + places), axis=axis) for i, w in enumerate(window.tolist()))
        x = np.asarray(sum(parts))
    return x


def halved(x: Array) -> Array:
    """Means of 2 x 2; an odd last row or column is left out."""
    n, h, w, c = x.shape
    return np.asarray(x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4)))
