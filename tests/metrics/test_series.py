"""Spectra and autocorrelations against closed forms, and what the two distances see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gankit.errors import ConfigError
from gankit.metrics.base import NotMeasurable
from gankit.metrics.series import AutocorrelationDistance, SpectralDistance, autocorrelation, spectrum
from tests.metrics import stand_in

STEPS = 64
TIME = 2 * np.pi * np.arange(STEPS) / STEPS


def waves(*frequencies: int, n: int = 200, seed: int = 0) -> np.ndarray:
    """(n, 64, 1): sums of such waves with phases at random, and a mean that is not 0."""
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, (n, len(frequencies), 1))
    return (3.0 + np.cos(TIME * np.array(frequencies)[:, None] + phases).sum(axis=1))[..., None]


def evidence(fake: np.ndarray, real: np.ndarray) -> Any:
    both = dict.fromkeys(("train", "test"), real.astype(np.float32))
    return stand_in.evidence(fake.astype(np.float32), both)


def test_the_spectrum_of_two_waves_is_two_halves() -> None:
    found = spectrum(waves(3, 10))[:, 0]
    np.testing.assert_allclose(found[[2, 9]], 0.5, atol=1e-12)
    np.testing.assert_allclose(np.delete(found, [2, 9]), 0.0, atol=1e-12)


def test_the_autocorrelation_of_noise_that_remembers_is_a_power() -> None:
    """x_t = a x_{t-1} + noise has autocorrelation a^lag, but for the mean that each short series takes away."""
    rng, a = np.random.default_rng(0), 0.8
    x = np.zeros((400, 4096))
    for t in range(1, x.shape[1]):
        x[:, t] = a * x[:, t - 1] + rng.normal(size=400)
    np.testing.assert_allclose(autocorrelation(x[..., None], 8)[:, 0], a ** np.arange(1, 9), atol=0.01)


def test_distances_are_0_of_one_law_and_great_of_another() -> None:
    real = waves(3, 10)
    for metric in (SpectralDistance(), AutocorrelationDistance()):
        (same,) = metric(evidence(waves(3, 10, seed=1), real))
        (other,) = metric(evidence(waves(5, 20), real))
        assert same.value < 0.01 and other.value > 0.4
    (half,) = SpectralDistance()(evidence(waves(3, 20), real))
    assert half.value == pytest.approx(0.5, abs=1e-6)


def test_real_examples_are_measured_beside_them() -> None:
    found = list(SpectralDistance(calibrate=True)(evidence(waves(5), waves(3))))
    assert [each.metric for each in found] == ["spectral-distance", "spectral-distance-of-data"]
    assert found[0].value == pytest.approx(1.0, abs=1e-6) and found[1].value == pytest.approx(0.0, abs=1e-6)
    assert found[0].label == "spectral-distance[n=200, reals=200, split=test]"


def test_what_is_no_series_is_not_measured() -> None:
    for metric in (SpectralDistance(), AutocorrelationDistance()):
        with pytest.raises(NotMeasurable, match="series"):
            list(metric(evidence(np.zeros((4, 8)), np.zeros((4, 8)))))
    with pytest.raises(ConfigError, match="lags=0"):
        AutocorrelationDistance(lags=0)


def test_a_sine_is_like_itself_after_each_period() -> None:
    """Each lag is a mean over the pairs that there are: of whole periods it is the cosine, whatever the lag."""
    period, t = 8, np.arange(64)
    x = np.stack([np.sin(2 * np.pi * (t + shift) / period) for shift in range(period)])[..., None]
    found = autocorrelation(x, 32)[:, 0]
    np.testing.assert_allclose(found, np.cos(2 * np.pi * np.arange(1, 33) / period), atol=1e-12)
