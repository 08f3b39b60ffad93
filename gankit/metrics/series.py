"""Metrics for series (steps, channels): their spectrum and their autocorrelation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError
from gankit.metrics.base import Evidence, Measurement, NotMeasurable, Setting
from gankit.metrics.points import drawn_without_replacement, real_examples


@dataclass(frozen=True)
class OfSeries(ABC):
    """What the two have in common.

    n: samples, and real examples, at most. calibrate: the same number of training examples, as "...-of-data".
    """

    n: int = 10_000
    split: str = "test"
    train_split: str = "train"
    calibrate: bool = False
    name: ClassVar[str]
    counts: ClassVar[tuple[str, ...]] = ("n",)

    def __post_init__(self) -> None:
        for setting in self.counts:
            if (value := getattr(self, setting)) < 1:
                raise ConfigError(f"{self.name}: {setting}={value}; it must be 1 at least.")

    def protocol(self, steps: int) -> dict[str, Setting]:
        """What the distance depends on, of series of so many steps."""
        return {}

    @abstractmethod
    def distance(self, fake: Array, real: Array) -> float:
        """Of (n, steps, channels) float64 each."""

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        shape = evidence.spec.shape
        if len(shape) != 2 or shape[0] < 4:
            raise NotMeasurable(f"It needs series (steps, channels) of 4 or more steps; these have shape {shape}.")
        real = np.asarray(real_examples(evidence, self.split)[: self.n], np.float64)
        fake = np.asarray(evidence.samples[: self.n], np.float64)
        own = {"n": len(fake), "reals": len(real), **self.protocol(shape[0]), "split": self.split}
        yield Measurement(self.name, self.distance(fake, real), own, better="lower")
        if self.calibrate:
            train = real_examples(evidence, self.train_split)
            drawn = np.asarray(train[drawn_without_replacement(len(train), len(fake))], np.float64)
            own = {"of": self.train_split, **own, "n": len(drawn)}
            yield Measurement(f"{self.name}-of-data", self.distance(drawn, real), own)


@dataclass(frozen=True)
class SpectralDistance(OfSeries):
    """Half the absolute difference between the mean power spectra of samples and of real series, each summing to 1.

    It is 0 if both have the same power at each frequency, and 1 if they share none; the mean over channels. The mean
    of a channel over time is subtracted first. It does not see phases, nor whether all samples are the same series.
    """

    name: ClassVar[str] = "spectral-distance"

    def distance(self, fake: Array, real: Array) -> float:
        return float(0.5 * np.abs(spectrum(fake) - spectrum(real)).sum(axis=0).mean())


@dataclass(frozen=True)
class AutocorrelationDistance(OfSeries):
    """The root mean square difference of the mean autocorrelations of samples and of real series, over lags.

    The autocorrelation at a lag is the mean product of a series, without its mean and divided by its deviation, with
    itself so many steps later. The mean is over channels.

    lags: from 1 to so many, or as many as half of the series.
    """

    lags: int = 32
    name: ClassVar[str] = "autocorrelation-distance"
    counts: ClassVar[tuple[str, ...]] = ("n", "lags")

    def protocol(self, steps: int) -> dict[str, Setting]:
        return {"lags": min(self.lags, steps // 2)}

    def distance(self, fake: Array, real: Array) -> float:
        lags = min(self.lags, real.shape[1] // 2)
        return float(np.sqrt(np.square(autocorrelation(fake, lags) - autocorrelation(real, lags)).mean()))


def spectrum(x: Array) -> Array:
    """(n, steps, channels) to (frequencies, channels): the shares of power, without that of the mean."""
    centred = x - x.mean(axis=1, keepdims=True)
    power = np.square(np.abs(np.fft.rfft(centred, axis=1)))[:, 1:].mean(axis=0)
    return np.asarray(power / np.maximum(power.sum(axis=0), np.finfo(np.float64).tiny))


def autocorrelation(x: Array, lags: int) -> Array:
    """(n, steps, channels) to (lags, channels): the mean over series, of lags 1 to `lags`."""
    centred = x - x.mean(axis=1, keepdims=True)
    variance = np.maximum(np.square(centred).mean(axis=1), np.finfo(np.float64).tiny)
    found = [(centred[:, lag:] * centred[:, :-lag]).mean(axis=1) / variance for lag in range(1, lags + 1)]
    return np.asarray(np.stack(found).mean(axis=1))
