"""What metrics compute on a backend's device equals float64 NumPy, written out."""

from __future__ import annotations

import numpy as np
import pytest

from gankit.building import open_backend
from gankit.metrics.distances import nearest
from gankit.metrics.parzen import GRID, log_likelihoods
from gankit.metrics.points import Points


def pixels(n: int, seed: int, dim: int) -> np.ndarray:
    """Mostly black, like digits."""
    return np.maximum(np.random.default_rng(seed).uniform(-2, 1, (n, dim)), 0)


@pytest.mark.parametrize(("dtype", "relative", "absolute"), [("float64", 1e-9, 0.0), ("float32", 0.0, 1e-3)])
@pytest.mark.parametrize("dim", [2, 784])
def test_parzen_log_likelihoods_equal_the_direct_sum(
    backend: str, dtype: str, relative: float, absolute: float, dim: int
) -> None:
    x, centres = pixels(30, 1, dim), pixels(200, 2, dim)
    squared = np.square(x[:, None] - centres).sum(axis=2)
    ours = log_likelihoods(open_backend(backend, "cpu", dtype), Points(x), Points(centres), GRID, block=64)
    for k, sigma in enumerate(GRID):
        exponents = -squared / (2 * sigma**2)
        direct = np.logaddexp.reduce(exponents, axis=1) - np.log(200) - dim * np.log(sigma * np.sqrt(2 * np.pi))
        np.testing.assert_allclose(ours[:, k], direct, rtol=relative, atol=absolute)


@pytest.mark.parametrize("dim", [2, 784])
def test_the_nearest_centre_is_found_and_its_distance_is_exact(backend: str, dim: int) -> None:
    x, centres = pixels(40, 1, dim), pixels(90, 2, dim)
    distance, index = nearest(open_backend(backend, "cpu", "float32"), Points(x), Points(centres), block=32)
    all_of_them = np.sqrt(np.square(x[:, None] - centres).sum(axis=2))
    np.testing.assert_array_equal(index, all_of_them.argmin(axis=1))
    np.testing.assert_allclose(distance, all_of_them.min(axis=1), rtol=1e-12)
