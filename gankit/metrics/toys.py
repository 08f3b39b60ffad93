"""How well samples cover the modes of toy data if these are known, and a histogram for other data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from gankit.arrays import Array
from gankit.data.toys import Drawn, Mixture
from gankit.errors import ConfigError, DataError
from gankit.metrics.base import Evidence, Measurement, NotMeasurable, Setting
from gankit.metrics.distances import nearest
from gankit.metrics.points import Points, real


@dataclass(frozen=True)
class Modes:
    """For known mixtures. A sample has high quality if it is within `within` standard deviations of its nearest centre.

    Three numbers: "modes-covered", how many modes have at least `least` of their fair share of high-quality samples,
    and at least one; "high-quality", the share of such samples; "modes-jsd", the Jensen-Shannon divergence in nats
    between samples and data over modes, with one more class for samples of no mode: 0 at best, log 2 at worst.

    Srivastava et al. 2017 ("VEEGAN", section 4.1) and Lin et al. 2018 ("PacGAN", section 4.1) use 3 standard
    deviations, and count a mode as covered by one sample: `least=0`.
    """

    within: float = 3.0
    least: float = 0.1
    split: str = "test"
    name: ClassVar[str] = "modes"

    def __post_init__(self) -> None:
        if not (self.within > 0 and 0 <= self.least <= 1):
            raise ConfigError(
                f"modes: within={self.within}, least={self.least}; deviations are more than 0, a share is from 0 to 1."
            )

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        law = law_of(evidence, self.split)
        n = len(evidence.samples)
        protocol: dict[str, Setting] = {"n": n, "within": f"{self.within:g} std"}
        of_samples = sorted_into(law, evidence.samples, self.within, evidence)
        modes = len(law.centres)
        enough = max(1.0, self.least * n / modes)
        details = {"modes": modes, "each": of_samples.each.tolist()}
        covered = float(np.count_nonzero(of_samples.each >= enough))
        yield Measurement("modes-covered", covered, {**protocol, "least": self.least}, None, "higher", details)

        data = evidence.split(self.split)
        of_data = sorted_into(law, data.x, self.within, evidence)
        share = of_samples.share
        error = float(np.sqrt(share * (1 - share) / n))
        yield Measurement("high-quality", share, protocol, error, "higher", {"of_data": of_data.share})
        apart = jensen_shannon(of_samples.with_none, of_data.with_none)
        yield Measurement("modes-jsd", apart, {**protocol, "split": self.split}, better="lower")


@dataclass(frozen=True)
class HistogramJsd:
    """Jensen-Shannon divergence in nats between the histograms of samples and data of one or two numbers: 0 at best,
    log 2 at worst.

    Bins divide the range of the data; samples outside have a bin of their own. Two draws of one distribution differ
    too, by less if there are more examples in each bin: "of_data" in the details is the score of training examples.

    bins: the number of bins in each dimension.
    """

    bins: int = 50
    split: str = "test"
    train_split: str = "train"
    name: ClassVar[str] = "histogram-jsd"

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise ConfigError(f"histogram-jsd: bins={self.bins}; a histogram has 2 at least.")

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        data = real(evidence, self.split)
        if data.dim > 2:
            raise NotMeasurable(f"A histogram takes examples of one or two numbers; these have {data.dim}.")
        edges = [
            np.linspace(low, high, self.bins + 1) for low, high in zip(data[:].min(0), data[:].max(0), strict=True)
        ]
        if any(not np.all(np.diff(each) > 0) for each in edges):
            raise NotMeasurable("One of the two numbers is the same in all the data.")
        counts = histogram(data[:], edges)
        fake = Points(evidence.samples, data.value_range)[:]
        same = real(evidence, self.train_split, len(fake))
        yield Measurement(
            self.name,
            jensen_shannon(histogram(fake, edges), counts),
            {"n": len(fake), "reals": len(data), "split": self.split, "bins": self.bins},
            better="lower",
            details={"of_data": jensen_shannon(histogram(same[:], edges), counts)},
        )


class Sorted(NamedTuple):
    """Examples by mode. each: (modes,) of high quality. none: how many are of no mode."""

    each: Array
    none: int

    @property
    def share(self) -> float:
        """Of high quality."""
        return float(self.each.sum() / (self.each.sum() + self.none))

    @property
    def with_none(self) -> Array:
        return np.append(self.each, self.none)


def law_of(evidence: Evidence, split: str) -> Mixture:
    """The mixture that a toy's examples are drawn from; raises NotMeasurable where none is known."""
    try:
        data = evidence.split(split)
    except DataError as error:
        raise NotMeasurable(f"The data offers no split {split!r}: {error}") from error
    if not isinstance(data, Drawn):
        raise NotMeasurable(
            f"It is not known what {data.name} is drawn from, as it is of 'ring', 'grid', 'gaussian-1d'."
        )
    if not data.law.std > 0:
        raise NotMeasurable(f"{data.name} is drawn with std={data.law.std}: it has no density.")
    return data.law


def sorted_into(law: Mixture, x: Array, within: float, evidence: Evidence) -> Sorted:
    """Examples (n, d) by the mode that each is nearest to, where near enough."""
    distance, index = nearest(evidence.backend, Points(x), Points(law.centres))
    good = distance <= within * law.std
    return Sorted(np.bincount(index[good], minlength=len(law.centres)), int(np.count_nonzero(~good)))


def histogram(x: Array, edges: list[Array]) -> Array:
    """Counts in each bin, flat, and of what lies outside, behind."""
    inside, _ = np.histogramdd(x, edges)
    return np.append(inside, len(x) - inside.sum())


def jensen_shannon(a: Array, b: Array) -> float:
    """Of two distributions over the same bins, given as counts, in nats (Lin 1991)."""
    p, q = a / a.sum(), b / b.sum()
    m = (p + q) / 2
    return float(sum(np.sum(each[each > 0] * np.log(each[each > 0] / m[each > 0])) for each in (p, q)) / 2)
