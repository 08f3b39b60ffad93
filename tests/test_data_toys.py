"""The toys have the moments that their formulas promise, and splits that share nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gankit.data.dataset import Dataset
from gankit.data.toys import Drawn, Mixture, gaussian, grid, grid_centres, moons, ring, ring_centres
from gankit.errors import DataError

TOYS: list[Callable[..., Dataset]] = [ring, grid, moons]
N = 40_000


@pytest.mark.parametrize("toy", TOYS)
def test_toys_are_unbounded_labelled_float64_points(toy: Callable[..., Dataset]) -> None:
    data = toy(n=100)
    assert data.x.shape == (100, 2) and data.x.dtype == np.float64 and data.value_range is None
    assert data.labels is not None and data.labels.dtype == np.int64 and data.name == toy.__name__


@pytest.mark.parametrize("toy", TOYS)
def test_the_same_seed_gives_the_same_points_and_another_seed_others(toy: Callable[..., Dataset]) -> None:
    np.testing.assert_array_equal(toy(n=100, seed=3).x, toy(n=100, seed=3).x)
    assert not np.isin(toy(n=100, seed=3).x, toy(n=100, seed=4).x).any()


@pytest.mark.parametrize("toy", TOYS)
def test_splits_have_no_point_in_common(toy: Callable[..., Dataset]) -> None:
    splits = [toy(split, n=1000).x for split in ("train", "validation", "test")]
    assert len(np.unique(np.concatenate(splits), axis=0)) == 3000


def test_ring_centres_lie_evenly_on_the_circle() -> None:
    centres = ring_centres(8, 2.0)
    np.testing.assert_allclose(np.hypot(*centres.T), 2.0)
    np.testing.assert_allclose(centres[0], [2, 0])
    neighbours = np.linalg.norm(centres - np.roll(centres, 1, axis=0), axis=1)
    np.testing.assert_allclose(neighbours, 4 * np.sin(np.pi / 8))  # a chord of the circle of radius 2


def test_grid_centres_are_25_points_from_minus_4_to_4_about_0() -> None:
    centres = grid_centres()
    assert {tuple(c) for c in centres.tolist()} == {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}
    np.testing.assert_allclose(grid_centres(4, 1.0).mean(axis=0), 0)


@pytest.mark.parametrize(
    ("data", "centres", "std"), [(ring(n=N), ring_centres(), 0.02), (grid(n=N), grid_centres(), 0.05)]
)
def test_each_mode_is_an_equally_likely_round_gaussian_about_its_centre(
    data: Dataset, centres: np.ndarray[tuple[int, int], np.dtype[np.float64]], std: float
) -> None:
    assert data.labels is not None and data.num_classes == len(centres)
    share = 1 / len(centres)
    counts = np.bincount(data.labels, minlength=len(centres))
    np.testing.assert_allclose(counts / N, share, atol=5 * np.sqrt(share * (1 - share) / N))
    residual = (data.x - centres[data.labels]) / std
    for mode in range(len(centres)):
        mine = residual[data.labels == mode]
        np.testing.assert_allclose(mine.mean(axis=0), 0, atol=5 / np.sqrt(len(mine)))
    covariance = residual.T @ residual / N
    np.testing.assert_allclose(covariance, np.eye(2), atol=5 * np.sqrt(2 / N))


def test_the_gaussian_has_its_mean_and_deviation_on_a_line_without_labels() -> None:
    data = gaussian(n=N)
    assert data.x.shape == (N, 1) and data.x.dtype == np.float64
    assert data.labels is None and data.value_range is None and data.name == "gaussian-1d"
    np.testing.assert_allclose(data.x.mean(), 4.0, atol=5 * 0.5 / np.sqrt(N))
    np.testing.assert_allclose(data.x.std(), 0.5, atol=5 * 0.5 / np.sqrt(2 * N))
    assert not np.isin(gaussian("test", n=100).x, gaussian("train", n=100).x).any()


@pytest.mark.parametrize(
    ("data", "centres", "std"),
    [
        (gaussian(n=10, mean=-1.0, std=2.0), [[-1.0]], 2.0),
        (ring(n=10, modes=4, radius=1.0), [[1, 0], [0, 1], [-1, 0], [0, -1]], 0.02),
        (grid(n=10, side=2, spacing=2.0, std=0.1), [[-1, -1], [1, -1], [-1, 1], [1, 1]], 0.1),
    ],
)
def test_a_toy_carries_the_law_it_was_drawn_from(data: Dataset, centres: list[list[float]], std: float) -> None:
    assert isinstance(data, Drawn) and data.law.std == std
    np.testing.assert_allclose(data.law.centres, centres, atol=1e-15)


def test_the_density_of_a_mixture_is_that_of_its_gaussians_and_its_log_survives_far_away() -> None:
    line = np.linspace(-4, 4, 1001)[:, np.newaxis]
    mixture = Mixture(np.array([[-1.0], [1.0]]), 0.5)
    expected = sum(np.exp(-((line[:, 0] - c) ** 2) / 0.5) for c in (-1, 1)) / (2 * 0.5 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(mixture.density(line), expected, rtol=1e-12)
    np.testing.assert_allclose(mixture.density(line).sum() * 8 / 1000, 1, rtol=1e-6)
    plane = Mixture(np.zeros((1, 2)), 0.02)
    far = plane.log_density(np.array([[3.0, 4.0]]))  # exp of it is 0 in float64
    np.testing.assert_allclose(far, -25 / (2 * 0.02**2) - np.log(2 * np.pi * 0.02**2), rtol=1e-12)


def test_moons_without_noise_lie_on_their_half_circles() -> None:
    data = moons(n=2000, noise=0)
    assert data.labels is not None and data.num_classes == 2
    upper, lower = data.x[data.labels == 0], data.x[data.labels == 1]
    np.testing.assert_allclose(np.hypot(*upper.T), 1)
    np.testing.assert_allclose(np.hypot(*(lower - [1, 0.5]).T), 1)
    assert upper[:, 1].min() >= 0 and lower[:, 1].max() <= 0.5


def test_moons_have_the_moments_of_uniform_half_circles() -> None:
    data = moons(n=N, noise=0.05)
    assert data.labels is not None
    upper = data.x[data.labels == 0]
    error = 5 / np.sqrt(len(upper))
    np.testing.assert_allclose(upper.mean(axis=0), [0, 2 / np.pi], atol=error)  # E cos, E sin over [0, pi]
    np.testing.assert_allclose(upper.var(axis=0), [0.5 + 0.05**2, 0.5 - 4 / np.pi**2 + 0.05**2], atol=error)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gaussian(std=-1.0), "gaussian-1d: std=-1.0; it must be at least 0"),
        (lambda: ring("all"), "ring has no split 'all'"),
        (lambda: ring(n=0), "ring: n=0; it must be at least 1"),
        (lambda: ring(modes=0), "modes=0"),
        (lambda: grid(side=0), "side=0"),
        (lambda: grid(std=-1.0), "std=-1.0; it must be at least 0"),
        (lambda: moons(noise=float("nan")), "noise=nan"),
        (lambda: moons(seed=-1), "seed=-1"),
    ],
)
def test_impossible_settings_are_named(call: Callable[[], Dataset], message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()
