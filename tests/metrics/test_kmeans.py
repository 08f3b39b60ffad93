"""k-means does what Lloyd's two steps say, blocks or not."""

from __future__ import annotations

import numpy as np

from gankit.metrics.kmeans import centroids, means
from gankit.metrics.points import Points

from .stand_in import NumPyBackend


def test_means_are_those_of_each_group_and_an_empty_one_stays_where_it_was() -> None:
    x = np.random.default_rng(0).normal(size=(9000, 3))
    index = np.random.default_rng(1).integers(0, 4, 9000)
    index[index == 2] = 3
    before = np.arange(12.0).reshape(4, 3)
    got = means(Points(x), index, before)
    for group in (0, 1, 3):
        np.testing.assert_allclose(got[group], x[index == group].mean(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(got[2], before[2])


def test_clusters_far_apart_are_found() -> None:
    rng = np.random.default_rng(0)
    where = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    x = where[np.arange(300) % 3] + 0.1 * rng.normal(size=(300, 2))
    # Lloyd's steps cannot leave one cluster for another, so from the first seed that starts in all three.
    starts = (centroids(NumPyBackend(), Points(x), 3, steps=0, seed=seed).points[:] for seed in range(20))
    seed = next(seed for seed, start in enumerate(starts) if len(np.unique(start.round(-1), axis=0)) == 3)
    found = centroids(NumPyBackend(), Points(x), 3, seed=seed).points[:]
    expected = np.array([x[i::3].mean(axis=0) for i in range(3)])
    np.testing.assert_allclose(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)], rtol=1e-12)


def test_every_step_brings_examples_closer_to_their_centroid() -> None:
    x = np.random.default_rng(0).uniform(size=(200, 12))
    spread = []
    for steps in range(4):
        found = centroids(NumPyBackend(), Points(x), 10, steps=steps).points[:]
        spread.append(np.square(x[:, None] - found).sum(axis=2).min(axis=1).sum())
    assert spread == sorted(spread, reverse=True) and spread[-1] < spread[0]


def test_as_many_centroids_as_examples_are_the_examples() -> None:
    x = np.random.default_rng(0).uniform(size=(20, 12))
    np.testing.assert_allclose(centroids(NumPyBackend(), Points(x), 20).points[:], x, rtol=1e-12)
