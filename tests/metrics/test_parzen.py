"""The Parzen window is a log-sum-exp over squared differences, computed here directly in float64, sigma by sigma."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.conformance.tiny import TinyOps
from gankit.errors import ConfigError
from gankit.metrics import NotMeasurable
from gankit.metrics.parzen import GRID, Parzen, Sums, log_likelihoods
from gankit.metrics.points import Points

from .stand_in import NumPyBackend, evidence


def direct(x: Array, centres: Array, sigma: float) -> Array:
    """log mean_i N(x; mu_i, sigma^2 I) in nats, by the definition."""
    exponents = -np.square(x[:, None] - centres).sum(axis=2) / (2 * sigma**2)
    greatest = exponents.max(axis=1, keepdims=True)
    log_sum = greatest[:, 0] + np.log(np.exp(exponents - greatest).sum(axis=1))
    return log_sum - np.log(len(centres)) - x.shape[1] * np.log(sigma * np.sqrt(2 * np.pi))


def pixels(n: int, seed: int, dim: int = 784) -> Array:
    """Mostly black, like digits."""
    rng = np.random.default_rng(seed)
    return np.maximum(rng.uniform(-2, 1, (n, dim)), 0)


@pytest.mark.parametrize("dim", [1, 2, 9, 784])
@pytest.mark.parametrize("block", [7, 16, 1024])
def test_every_sigma_equals_the_direct_sum_in_float64_however_the_work_is_cut(dim: int, block: int) -> None:
    x, centres = pixels(37, 1, dim), pixels(53, 2, dim)
    ours = log_likelihoods(NumPyBackend(), Points(x), Points(centres), GRID, block=block)
    theirs = np.stack([direct(x, centres, sigma) for sigma in GRID], axis=1)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_float32_is_within_a_thousandth_of_a_nat() -> None:
    x, centres = pixels(50, 1), pixels(400, 2)
    ours = log_likelihoods(NumPyBackend("float32"), Points(x), Points(centres), GRID, block=64)
    theirs = np.stack([direct(x, centres, sigma) for sigma in GRID], axis=1)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)


def test_float32_does_not_mind_that_points_lie_far_from_the_origin() -> None:
    x, centres = pixels(50, 1) + 10, pixels(100, 2) + 10  # where |x|^2 takes every digit that float32 has
    ours = log_likelihoods(NumPyBackend("float32"), Points(x), Points(centres), (0.2,))
    np.testing.assert_allclose(ours[:, 0], direct(x, centres, 0.2), rtol=0, atol=1e-3)


def test_one_centre_on_the_point_itself_gives_the_height_of_the_gaussian() -> None:
    x = np.zeros((1, 784))
    ours = log_likelihoods(NumPyBackend(), Points(x), Points(x), (0.2,))
    np.testing.assert_allclose(ours, -784 * np.log(0.2 * np.sqrt(2 * np.pi)), rtol=1e-12)


def test_the_sums_need_nothing_that_is_not_in_the_array_standard() -> None:
    strict: Any = pytest.importorskip("array_api_strict")
    x, centres = pixels(20, 1), pixels(30, 2)
    fold, ops = Sums((1 / 0.2**2, 1.0)), TinyOps(strict)
    kept = tuple(strict.asarray(np.broadcast_to(s, (20, *s.shape)).copy()) for s in fold.start())
    for first in (0, 15):
        block = centres[first : first + 15]
        kept = fold(ops, kept, strict.asarray(x @ block.T - np.square(block).sum(axis=1) / 2), first)
    greatest, sums = (np.asarray(part) for part in kept)
    logs = (greatest - np.square(x).sum(axis=1) / 2)[:, None] * np.array([25.0, 1.0]) + np.log(sums / 30)
    heights = -784 * np.log(np.array([0.2, 1.0]) * np.sqrt(2 * np.pi))
    theirs = np.stack([direct(x, centres, sigma) for sigma in (0.2, 1.0)], axis=1)
    np.testing.assert_allclose(logs + heights, theirs, rtol=1e-12)


def test_the_grid_is_ten_points_log_spaced_from_a_tenth_to_one() -> None:
    np.testing.assert_allclose(GRID, 10 ** np.linspace(-1, 0, 10), rtol=1e-12)


def images(n: int, seed: int) -> Array:
    return np.rint(255 * pixels(n, seed, 16)).astype(np.uint8).reshape(n, 4, 4, 1)


SPLITS = {"train": images(60, 3), "validation": images(40, 4), "test": images(30, 5)}


def by_protocol(centres: Array, validation: int) -> tuple[float, float, float]:
    """(sigma, mean, standard error) of the released script."""
    unit = {name: x.reshape(len(x), -1) / 255 for name, x in SPLITS.items()}
    on_validation = [direct(unit["validation"][:validation], centres, sigma).mean() for sigma in GRID]
    sigma = GRID[int(np.argmax(on_validation))]
    scores = direct(unit["test"], centres, sigma)
    return sigma, scores.mean(), scores.std() / np.sqrt(len(scores))


@pytest.mark.parametrize("validation", [10, 1000])
def test_sigma_suits_the_first_validation_examples_and_all_of_test_is_scored_in_unit_range(validation: int) -> None:
    samples = images(50, 6)
    (got,) = Parzen(validation=validation)(evidence(samples, SPLITS, value_range=(0, 255)))
    sigma, mean, error = by_protocol(samples.reshape(50, -1) / 255, validation)
    np.testing.assert_allclose([got.value, got.error], [mean, error], rtol=1e-9)
    assert got.protocol["sigma"] == pytest.approx(sigma, abs=1e-4) and got.better == "higher"
    assert got.label == (
        f"parzen[centres=samples, n=50, sigma={round(sigma, 4)}, grid=10 from 0.1 to 1, "
        f"chosen-by=validation[:{min(validation, 40)}], split=test[:30]]"
    )


def test_validation_examples_choose_and_neither_test_nor_the_example_after_the_last() -> None:
    samples = images(50, 6)
    given = evidence(samples, SPLITS, value_range=(0, 255))
    (before,) = Parzen(validation=10)(given)
    other = SPLITS["validation"].copy()
    other[10:] = 255 - other[10:]
    (after,) = Parzen(validation=10)(evidence(samples, {**SPLITS, "validation": other}, value_range=(0, 255)))
    assert after == before
    other[9] = 255
    (moved,) = Parzen(validation=10)(evidence(samples, {**SPLITS, "validation": other}, value_range=(0, 255)))
    assert moved.details["on_validation"] != before.details["on_validation"]


def test_samples_are_the_centres_and_test_examples_are_scored_not_the_other_way_round() -> None:
    centres, test = np.zeros((3, 4)), np.array([[0.0] * 4, [1.0] * 4])
    (got,) = Parzen(sigmas=(0.5,))(evidence(centres, {"validation": test, "test": test}))
    # One test point lies on every centre; the other at a squared distance of 4 from each, so 8 nats below.
    height = -4 * np.log(0.5 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose([got.value, got.error], [height - 4, 4 / np.sqrt(2)], rtol=1e-12)


def test_no_more_samples_are_centres_than_the_protocol_says() -> None:
    samples = images(50, 6)
    (got,) = Parzen(n=20)(evidence(samples, SPLITS, value_range=(0, 255)))
    (same,) = Parzen()(evidence(samples[:20], SPLITS, value_range=(0, 255)))
    assert got == same and got.protocol["n"] == 20


def test_a_sigma_at_the_end_of_the_grid_is_told() -> None:
    given = evidence(images(50, 6), SPLITS, value_range=(0, 255))
    (narrow,) = Parzen(sigmas=(0.9, 1.0))(given)
    (wide,) = Parzen()(given)
    assert narrow.details["sigma_at_the_end_of_the_grid"] and not wide.details["sigma_at_the_end_of_the_grid"]


def test_calibrations_score_training_examples_and_their_centroids_by_the_same_protocol() -> None:
    samples = images(20, 6)
    scored, data, found = Parzen(calibrate=True)(evidence(samples, SPLITS, value_range=(0, 255)))
    assert [m.metric for m in (scored, data, found)] == ["parzen", "parzen-of-data", "parzen-of-centroids"]
    assert data.protocol["n"] == found.protocol["n"] == 20 and data.better is found.better is None
    (all_of_it,) = list(Parzen(n=60, calibrate=True)(evidence(images(60, 7), SPLITS, value_range=(0, 255))))[1:2]
    np.testing.assert_allclose(all_of_it.value, by_protocol(SPLITS["train"].reshape(60, -1) / 255, 1000)[1], rtol=1e-9)


def test_what_cannot_be_measured_says_what_is_missing() -> None:
    without = evidence(images(5, 1), {"train": images(5, 2)}, value_range=(0, 255))
    with pytest.raises(NotMeasurable, match="no split 'validation' to compare with"):
        list(Parzen()(without))
    single = replace(without, split=evidence(images(5, 1), {"validation": images(1, 1), "test": images(1, 1)}).split)
    with pytest.raises(NotMeasurable, match="needs 2 test examples"):
        list(Parzen()(single))


@pytest.mark.parametrize("settings", [{"sigmas": ()}, {"sigmas": (0.1, 0.0)}, {"n": 0}, {"validation": 0}, {"test": 0}])
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="parzen: "):
        Parzen(**settings)
