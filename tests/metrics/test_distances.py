"""A scan in blocks sees every pair once, in whatever dtype and dimension."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.metrics.distances import FEW, even, nearest, scan, spans
from gankit.metrics.points import Points

from .stand_in import NumPyBackend


class Total:
    """The sum of all nearnesses above the filler, and how many there were."""

    def start(self) -> tuple[float, ...]:
        return 0.0, 0.0

    def __call__(self, ops: Any, kept: Any, nearness: Array, first: int) -> tuple[Array, ...]:
        there = nearness > -1e20
        return kept[0] + np.where(there, nearness, 0).sum(axis=1), kept[1] + there.sum(axis=1)


@pytest.mark.parametrize("dim", [1, FEW, FEW + 1, 30])
@pytest.mark.parametrize("block", [4, 10, 1000])
def test_each_pair_is_seen_once_and_its_nearness_tells_the_distance(dim: int, block: int) -> None:
    rng = np.random.default_rng(0)
    x, centres = rng.normal(size=(23, dim)), rng.normal(size=(41, dim))
    (total, count), half = scan(NumPyBackend(), Points(x), Points(centres), Total(), block=block)
    np.testing.assert_array_equal(count, 41)
    squared = np.square(x[:, None] - centres).sum(axis=2)
    np.testing.assert_allclose(41 * half - total, squared.sum(axis=1) / 2, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dim", [2, 20])
def test_the_nearest_centre_is_found_and_its_distance_is_exact(dtype: str, dim: int) -> None:
    rng = np.random.default_rng(0)
    x, centres = rng.normal(size=(50, dim)), rng.normal(size=(90, dim))
    distance, index = nearest(NumPyBackend(dtype), Points(x), Points(centres), block=16)
    all_of_them = np.sqrt(np.square(x[:, None] - centres).sum(axis=2))
    np.testing.assert_array_equal(index, all_of_them.argmin(axis=1))
    np.testing.assert_allclose(distance, all_of_them.min(axis=1), rtol=1e-12)


def test_float32_tells_points_of_a_toy_apart_that_lie_closer_than_its_rounding_of_their_squares() -> None:
    # Two in a mode at radius 2: |x|^2 is rounded by 2e-7, their squared distance is 1e-8.
    centres = np.array([[2.0, 0.0], [2.0, 1e-4], [2.0, 2e-4], [-2.0, 0.0]])
    queries = centres + np.array([0.0, 3e-5])
    distance, index = nearest(NumPyBackend("float32"), Points(queries), Points(centres))
    np.testing.assert_array_equal(index, [0, 1, 2, 3])
    np.testing.assert_allclose(distance, 3e-5, rtol=1e-9)


def test_a_copy_is_at_distance_zero_in_any_dimension() -> None:
    x = np.random.default_rng(0).uniform(size=(30, 784))
    distance, index = nearest(NumPyBackend("float32"), Points(x), Points(x[::-1]), block=8)
    np.testing.assert_array_equal(distance, 0.0)
    np.testing.assert_array_equal(index, np.arange(30)[::-1])


def test_bytes_are_seen_in_the_range_of_the_data_and_not_in_that_of_a_batch() -> None:
    x = np.array([[0, 51], [102, 51]], np.uint8)
    np.testing.assert_allclose(Points(x, (0, 255))[:], [[0, 0.2], [0.4, 0.2]], rtol=1e-15)
    np.testing.assert_allclose(Points(x, (0, 255)).mean(), [0.2, 0.2], rtol=1e-15)
    np.testing.assert_allclose(Points(np.array([[-1.0, 0.0]]), (-1, 1))[:], [[0, 0.5]])
    np.testing.assert_array_equal(Points(np.array([[-3.0, 7.0]]))[:], [[-3, 7]])


def test_blocks_are_as_even_as_they_can_be() -> None:
    assert [even(n, 1024) for n in (1, 1024, 1025, 10_000)] == [1, 1024, 513, 1000]
    assert [s.indices(10)[:2] for s in spans(10, 4)] == [(0, 4), (4, 8), (8, 10)]
