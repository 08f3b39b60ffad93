"""Sliced Wasserstein against distances on a line that are known, and against scipy's."""

from __future__ import annotations

import numpy as np
import pytest

from gankit.errors import ConfigError
from gankit.metrics.sliced import SlicedWasserstein, directions, wasserstein

from .stand_in import evidence


def test_directions_are_unit_vectors_of_a_seed_that_favour_no_axis() -> None:
    along = directions(3, 20_000, seed=0)
    np.testing.assert_allclose(np.linalg.norm(along, axis=0), 1)
    np.testing.assert_allclose(along @ along.T / 20_000, np.eye(3) / 3, atol=0.02)
    np.testing.assert_array_equal(directions(3, 5, seed=0), along[:, :5])
    assert not np.array_equal(directions(3, 5, seed=1), along[:, :5])


def test_on_a_line_it_is_the_mean_move_of_the_cheapest_plan() -> None:
    np.testing.assert_allclose(wasserstein(np.array([[3.0], [0.0]]), np.array([[1.0], [5.0]])), [(1 + 2) / 2])


def test_each_direction_equals_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 4)), rng.gamma(2, size=(50, 4))
    expected = [stats.wasserstein_distance(a[:, k], b[:, k]) for k in range(4)]
    np.testing.assert_allclose(wasserstein(a, b), expected, rtol=1e-12)


def test_a_shift_costs_its_part_along_each_direction() -> None:
    data = np.random.default_rng(0).normal(size=(200, 5))
    shift = np.array([3.0, 0.0, 4.0, 0.0, 0.0])
    (got,) = SlicedWasserstein(projections=64, seed=2)(evidence(data + shift, {"test": data, "train": data}))
    each = np.abs(shift @ directions(5, 64, 2))
    np.testing.assert_allclose(got.value, each.mean(), rtol=1e-9)
    np.testing.assert_allclose(got.error, each.std(ddof=1) / 8, rtol=1e-9)
    assert got.details["of_data"] == 0.0 and got.better == "lower"
    assert got.label == "sliced-wasserstein[n=200, split=test[:200], projections=64, seed=2]"


def test_on_a_line_there_is_one_direction_and_no_error_over_it() -> None:
    data = np.random.default_rng(0).normal(size=(50, 1))
    (got,) = SlicedWasserstein()(evidence(data + 0.5, {"test": data, "train": data}))
    np.testing.assert_allclose(got.value, 0.5, rtol=1e-9)
    assert got.error is None and got.protocol["projections"] == 1


def test_bytes_are_compared_in_the_range_of_the_data_however_dark_a_batch_is() -> None:
    data = np.random.default_rng(0).integers(0, 256, (100, 2, 2, 1), dtype=np.uint8)
    splits = {"test": data, "train": data}
    (dark,) = SlicedWasserstein(projections=500)(evidence(data // 4, splits, value_range=(0, 255)))
    along, x = directions(4, 500, 0), data.reshape(100, 4)
    expected = wasserstein(x // 4 / 255 @ along, x / 255 @ along).mean()
    np.testing.assert_allclose(dark.value, expected, rtol=1e-9)


def test_as_many_of_both_are_compared_as_there_are_of_the_fewer() -> None:
    rng = np.random.default_rng(0)
    splits = {"test": rng.normal(size=(30, 2)), "train": rng.normal(size=(20, 2))}
    (got,) = SlicedWasserstein()(evidence(rng.normal(size=(50, 2)), splits))
    assert got.protocol["n"] == 30
    with pytest.raises(ConfigError, match="projections=0"):
        SlicedWasserstein(projections=0)
