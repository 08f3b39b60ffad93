"""The kernel distance against the estimator's definition, pair by pair, and against what it must be on average."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.errors import ConfigError
from gankit.metrics.kernel_distance import KernelDistance, squared_discrepancy, subsets

from .stand_in import evidence, looking


def pair_by_pair(x: Array, y: Array, degree: int) -> float:
    def kernel(a: Array, b: Array) -> float:
        return float((sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** degree)

    n, m = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i, j in product(range(n), range(n)) if i != j) / (n * (n - 1))
    yy = sum(kernel(y[i], y[j]) for i, j in product(range(m), range(m)) if i != j) / (m * (m - 1))
    xy = sum(kernel(a, b) for a, b in product(x, y)) / (n * m)
    return xx + yy - 2 * xy


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_the_estimate_is_a_sum_over_pairs_of_different_examples(degree: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 4)), rng.normal(1, 2, size=(9, 4))
    np.testing.assert_allclose(squared_discrepancy(x, y, degree), pair_by_pair(x, y, degree), rtol=1e-12)


def test_a_linear_kernel_sees_the_distance_of_the_means() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4000, 2)), rng.normal([3.0, 4.0], size=(4000, 2))
    np.testing.assert_allclose(squared_discrepancy(x, y, degree=1), 25 / 2, rtol=0.02)


def test_it_has_no_bias_so_that_it_is_below_zero_about_as_often_as_above() -> None:
    rng = np.random.default_rng(0)
    each = np.array([squared_discrepancy(rng.normal(size=(50, 5)), rng.normal(size=(50, 5))) for _ in range(400)])
    assert abs(each.mean()) < 4 * each.std() / 20 and 0.3 < (each < 0).mean() < 0.8


def test_subsets_are_disjoint_and_no_more_than_fit() -> None:
    drawn = subsets(25, 32, 10, seed=0)
    assert len(drawn) == 2 and all(len(a) == len(b) == 10 for a, b in drawn)
    for side, most in ((0, 25), (1, 32)):
        indices = np.concatenate([pair[side] for pair in drawn])
        assert len(np.unique(indices)) == 20 and indices.max() < most
    ((fake, real),) = subsets(6, 9, 1000, seed=0)
    assert sorted(fake) == list(range(6)) and len(np.unique(real)) == 6


def test_the_value_is_the_mean_over_subsets_with_the_error_of_that_mean() -> None:
    rng = np.random.default_rng(0)
    samples, test = rng.normal(size=(40, 3)), rng.normal(1, size=(45, 3))
    (got,) = KernelDistance(size=10)(evidence(samples, {"test": test}, **looking()))
    each = [pair_by_pair(samples[a], test[b], 3) for a, b in subsets(40, 45, 10, seed=0)]
    np.testing.assert_allclose(got.value, np.mean(each), rtol=1e-9)
    np.testing.assert_allclose(got.error, np.std(each, ddof=1) / 2, rtol=1e-9)
    assert got.label == (
        "kernel-distance[features=identity, n=40, reals=45, split=test, kernel=polynomial-3, subsets=4, size=10]"
    )


def test_one_subset_has_no_error_and_training_examples_calibrate() -> None:
    rng = np.random.default_rng(0)
    splits = {"test": rng.normal(size=(45, 3)), "train": rng.normal(size=(60, 3))}
    got, of_data = KernelDistance(calibrate=True)(evidence(rng.normal(size=(40, 3)), splits, **looking()))
    assert got.error is None and got.protocol["size"] == 40
    assert of_data.metric == "kernel-distance-of-data" and of_data.protocol["of"] == "train"


@pytest.mark.parametrize("settings", [{"size": 1}, {"degree": 0}, {"n": 1}])
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="kernel-distance: "):
        KernelDistance(**settings)
