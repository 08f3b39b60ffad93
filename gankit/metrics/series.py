"""What tells series (steps, channels) apart that look alike: their spectrum, and how they go on from themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gankit.errors import ConfigError
from gankit.metrics.base import Evidence, Measurement, NotMeasurable
from gankit.metrics.points import drawn_without_replacement, real_examples

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SpectralDistance:
    """Half the absolute difference between the mean power spectra of samples and of real series, each summing to 1.

    0 where both have the same power at each frequency, 1 where they share none; the mean over channels. A channel's
    mean over time is taken away first. It does not see phases, nor whether all samples are one series.

    n: samples, and real examples, at most. calibrate: as "spectral-distance-of-data", of training examples.
    """

    n: int = 10_000
    split: str = "test"
    train_split: str = "train"
    calibrate: bool = False
    name: ClassVar[str] = "spectral-distance"

    def __post_init__(self) -> None:
        _at_least_one(self.name, n=self.n)

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        def distance(fake: Array, real: Array) -> float:
            return float(0.5 * np.abs(spectrum(fake) - spectrum(real)).sum(axis=0).mean())

        yield from _measured(self, evidence, distance, {})


@dataclass(frozen=True)
class AutocorrelationDistance:
    """The root mean square difference of the mean autocorrelations of samples and of real series, over lags.

    The autocorrelation at a lag is the mean product of a series, without its mean and divided by its deviation, with
    itself so many steps later. The mean is over channels.

    n: samples, and real examples, at most. lags: from 1 to so many, or as many as half of the series.
    """

    n: int = 10_000
    lags: int = 32
    split: str = "test"
    train_split: str = "train"
    calibrate: bool = False
    name: ClassVar[str] = "autocorrelation-distance"

    def __post_init__(self) -> None:
        _at_least_one(self.name, n=self.n, lags=self.lags)

    def __call__(self, evidence: Evidence) -> Iterator[Measurement]:
        lags = min(self.lags, evidence.spec.shape[0] // 2) if len(evidence.spec.shape) == 2 else self.lags

        def distance(fake: Array, real: Array) -> float:
            return float(np.sqrt(np.square(autocorrelation(fake, lags) - autocorrelation(real, lags)).mean()))

        yield from _measured(self, evidence, distance, {"lags": lags})


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


def _measured(
    metric: SpectralDistance | AutocorrelationDistance,
    evidence: Evidence,
    distance: Callable[[Array, Array], float],
    protocol: dict[str, Any],
) -> Iterator[Measurement]:
    shape = evidence.spec.shape
    if len(shape) != 2 or shape[0] < 4:
        raise NotMeasurable(f"It is of series (steps, channels) of 4 steps or more; these have shape {shape}.")
    real = np.asarray(real_examples(evidence, metric.split)[: metric.n], np.float64)
    fake = np.asarray(evidence.samples[: metric.n], np.float64)
    protocol = {"n": len(fake), "reals": len(real), **protocol, "split": metric.split}
    yield Measurement(metric.name, distance(fake, real), protocol, better="lower")
    if metric.calibrate:
        train = real_examples(evidence, metric.train_split)
        drawn = np.asarray(train[drawn_without_replacement(len(train), len(fake))], np.float64)
        protocol = {"of": metric.train_split, **protocol, "n": len(drawn)}
        yield Measurement(f"{metric.name}-of-data", distance(drawn, real), protocol)


def _at_least_one(name: str, **numbers: int) -> None:
    for setting, value in numbers.items():
        if value < 1:
            raise ConfigError(f"{name}: {setting}={value}; it must be 1 at least.")
