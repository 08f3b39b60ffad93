"""Copies of training examples are told from samples that are as far from them as unseen examples are."""

from __future__ import annotations

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.errors import ConfigError
from gankit.metrics import NotMeasurable
from gankit.metrics.nearest import NearestTraining

from .stand_in import evidence


def images(n: int, seed: int) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 1), dtype=np.uint8)


SPLITS = {"train": images(200, 0), "test": images(100, 1)}


def by_definition(x: Array) -> Array:
    a, b = (each.reshape(len(each), -1) / 255 for each in (x, SPLITS["train"]))
    return np.linalg.norm(a[:, None] - b, axis=2).min(axis=1)


def test_the_two_ratios_are_of_quantiles_of_nearest_distances() -> None:
    samples = images(60, 2) // 2
    median, fifth = NearestTraining()(evidence(samples, SPLITS, value_range=(0, 255)))
    ours, unseen = by_definition(samples), by_definition(SPLITS["test"])
    np.testing.assert_allclose(median.value, np.median(ours) / np.median(unseen), rtol=1e-12)
    np.testing.assert_allclose(fifth.value, np.quantile(ours, 0.05) / np.quantile(unseen, 0.05), rtol=1e-12)
    np.testing.assert_allclose(fifth.details["unseen"], np.quantile(unseen, 0.05), rtol=1e-12)
    assert median.label == "nearest-training[distance=euclidean, n=60, split=test[:100], train=train[:200]]"


def test_copies_are_at_zero_and_fresh_examples_at_one() -> None:
    copies = [m.value for m in NearestTraining()(evidence(SPLITS["train"][:50], SPLITS, value_range=(0, 255)))]
    assert copies == [0.0, 0.0]
    fresh = [m.value for m in NearestTraining()(evidence(images(100, 3), SPLITS, value_range=(0, 255)))]
    np.testing.assert_allclose(fresh, 1, atol=0.1)


def test_one_copy_in_ten_shows_in_the_twentieth_and_not_in_the_median() -> None:
    samples = images(100, 3)
    samples[:10] = SPLITS["train"][:10]
    median, fifth = NearestTraining()(evidence(samples, SPLITS, value_range=(0, 255)))
    assert fifth.value == 0.0 and median.value > 0.9


def test_without_unseen_examples_it_is_not_measurable() -> None:
    given = evidence(images(30, 2), SPLITS, value_range=(0, 255))
    with pytest.raises(NotMeasurable, match="No real examples but those of 'train'"):
        list(NearestTraining(split="train")(given))
    with pytest.raises(NotMeasurable, match="A twentieth of the examples of 'test' are training examples"):
        list(NearestTraining()(evidence(images(30, 2), {**SPLITS, "test": SPLITS["train"]}, value_range=(0, 255))))
    with pytest.raises(NotMeasurable, match="needs 20 samples at least; there are 3"):
        list(NearestTraining()(evidence(images(3, 2), SPLITS, value_range=(0, 255))))
    with pytest.raises(ConfigError, match="n=5"):
        NearestTraining(n=5)
