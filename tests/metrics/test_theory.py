"""Theory's numbers, where both densities are known: the optimal D, and -log 4 + 2 JSD by integration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.data.toys import gaussian, moons, ring
from gankit.errors import ConfigError
from gankit.metrics import Measurement, NotMeasurable
from gankit.metrics.theory import Theory

from .stand_in import evidence

N = 2000
DATA = gaussian("test", n=N)


def log_normal(x: Array, mean: float, std: float) -> Array:
    return -((x - mean) ** 2) / (2 * std**2) - np.log(std * np.sqrt(2 * np.pi))


def optimal(mean: float, std: float) -> Any:
    """The logit of D* against G's Gaussian."""
    return lambda x: log_normal(x[:, 0], 4.0, 0.5) - log_normal(x[:, 0], mean, std)


def divergence(mean: float, std: float) -> float:
    """JSD of the data and G's Gaussian, by the trapezoid rule."""
    x = np.linspace(-10, 20, 300_001)
    p, q = np.exp(log_normal(x, 4.0, 0.5)), np.exp(log_normal(x, mean, std))
    m = np.maximum((p + q) / 2, 1e-300)
    parts = [np.where(each > 0, each * np.log(np.maximum(each, 1e-300) / m), 0) for each in (p, q)]
    return float(sum(parts).sum() * (x[1] - x[0]) / 2)


def measured(score: Any, mean: float = 4.0, std: float = 0.5, **settings: Any) -> dict[str, Measurement]:
    samples = mean + std * np.random.default_rng(7).standard_normal((2 * N, 1))
    return {m.metric: m for m in Theory(**settings)(evidence(samples, {"test": DATA}, score=score))}


@pytest.mark.parametrize(("mean", "std"), [(4.0, 0.5), (4.5, 0.5), (3.0, 1.0)])
def test_the_optimal_d_is_at_its_optimum(mean: float, std: float) -> None:
    got = measured(optimal(mean, std), mean, std)
    assert got["d-from-optimal"].value < 0.025
    expected = -np.log(4) + 2 * divergence(mean, std)
    assert abs(got["value"].value - expected) < 4 * got["value"].error + 1e-3
    np.testing.assert_allclose(got["value-from-theory"].details["optimum"], expected, atol=0.04)
    assert abs(got["value-from-theory"].value) < 0.04


def test_at_the_end_d_is_one_half_and_v_is_minus_log_4() -> None:
    got = measured(lambda x: np.zeros(len(x)))
    assert got["d-from-optimal"].value < 0.025
    np.testing.assert_allclose(got["value"].value, -np.log(4), rtol=1e-12)


def test_a_d_that_takes_one_for_the_other_is_far_from_optimal() -> None:
    right = optimal(5.0, 0.5)
    wrong = measured(lambda x: -right(x), 5.0)
    assert wrong["d-from-optimal"].value > 0.5 and wrong["value-from-theory"].value < -1


def test_an_undecided_d_is_as_far_off_as_the_optimal_one_is_decided() -> None:
    got = measured(lambda x: np.zeros(len(x)), 5.0)
    x = np.linspace(-2, 12, 140_001)[:, None]
    p, q = np.exp(log_normal(x[:, 0], 4.0, 0.5)), np.exp(log_normal(x[:, 0], 5.0, 0.5))
    expected = np.sum((p + q) / 2 * np.abs(p / (p + q) - 0.5)) * 1e-4
    np.testing.assert_allclose(got["d-from-optimal"].value, expected, atol=0.02)
    assert got["value-from-theory"].value < 0 and got["d-from-optimal"].better == "lower"


def test_scores_that_overflow_as_probabilities_have_finite_values() -> None:
    got = measured(lambda x: np.where(x[:, 0] < 4, 1e4, -1e4))
    assert all(np.isfinite(m.value) for m in got.values())


def test_a_wide_kernel_blurs_both_densities_so_that_equal_ones_stay_equal() -> None:
    got = measured(lambda x: np.zeros(len(x)), bandwidth=1.0)
    assert got["d-from-optimal"].value < 0.02 and abs(got["value-from-theory"].details["jsd"]) < 0.002


def test_samples_that_make_the_density_are_not_those_it_is_looked_at() -> None:
    samples = np.random.default_rng(7).normal(4.0, 0.5, size=(2 * N, 1))
    samples[1::2] += 0.5  # the density is that of the data, whatever these are
    given = evidence(samples, {"test": DATA}, score=lambda x: x[:, 0] - 4)
    got = {m.metric: m for m in Theory()(given)}
    looked_at = -np.logaddexp(0, 4 - DATA.x).mean() - np.logaddexp(0, samples[1::2] - 4).mean()
    np.testing.assert_allclose(got["value"].value, looked_at, rtol=1e-12)
    gap = np.abs(1 / (1 + np.exp(4 - np.concatenate([DATA.x, samples[1::2]]))) - 0.5).mean()  # D* is 1/2
    np.testing.assert_allclose(got["d-from-optimal"].value, gap, atol=0.06)


def test_it_holds_in_the_plane_of_many_modes() -> None:
    samples = ring(n=2 * N, seed=5).x
    given = evidence(samples, {"test": ring("test", n=N)}, score=lambda x: np.zeros(len(x)))
    got = {m.metric: m for m in Theory()(given)}
    assert got["d-from-optimal"].value < 0.08 and abs(got["value-from-theory"].value) < 0.08


@pytest.mark.parametrize(("spread", "n"), [(0.3, 250), (0.3, 2 * N), (0.1, 2 * N)])
def test_it_holds_for_a_g_that_has_learned_little(spread: float, n: int) -> None:
    """Samples that lie far wider about the modes than examples do: kernels of a mode's width see nothing there."""
    data, rng = ring("test", n=N), np.random.default_rng(3)
    law, p_g = data.law, replace(data.law, std=spread)
    samples = law.centres[rng.integers(0, len(law.centres), n)] + spread * rng.standard_normal((n, 2))

    def best(x: Array) -> Array:
        return np.asarray(law.log_density(x) - p_g.log_density(x))

    got = {m.metric: m for m in Theory()(evidence(samples, {"test": data}, score=best))}
    jsd = np.log(2) - (np.logaddexp(0, -best(data.x)).mean() + np.logaddexp(0, best(samples)).mean()) / 2
    np.testing.assert_allclose(got["value-from-theory"].details["jsd"], jsd, atol=0.02)
    assert got["d-from-optimal"].value < 0.03 and abs(got["value-from-theory"].value) < 0.05


def test_samples_that_are_all_one_have_a_density_without_bounds() -> None:
    samples = np.full((2 * N, 1), 3.0)
    given = evidence(samples, {"test": DATA}, score=lambda x: np.where(x[:, 0] == 3.0, -50.0, 50.0))
    got = {m.metric: m for m in Theory()(given)}
    assert got["d-from-optimal"].value < 0.05  # real examples within a kernel of the one
    np.testing.assert_allclose(got["value-from-theory"].details["jsd"], np.log(2), atol=0.1)


def test_the_protocol_tells_how_the_density_was_had() -> None:
    got = measured(lambda x: np.zeros(len(x)), n=1000, bandwidth=0.25)
    assert got["d-from-optimal"].label == (
        "d-from-optimal[n=1000, reals=1000, split=test, density=1000 kernels of 0.25 std or 10 neighbours]"
    )
    assert got["value"].label == "value[n=1000, reals=1000, split=test]"


def test_what_is_missing_is_told() -> None:
    with pytest.raises(NotMeasurable, match="no D to ask"):
        measured(None)
    with pytest.raises(NotMeasurable, match="not known what moons"):
        list(Theory()(evidence(moons(n=300).x, {"test": moons(n=300)}, score=len)))
    with pytest.raises(NotMeasurable, match="takes 200 samples"):
        list(Theory()(evidence(DATA.x[:50], {"test": DATA}, score=len)))
    with pytest.raises(ConfigError, match="bandwidth=0"):
        Theory(bandwidth=0.0)
