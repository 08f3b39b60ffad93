"""Modes and histograms of toys, counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.data.toys import gaussian, grid, moons, ring, ring_centres
from gankit.errors import ConfigError
from gankit.metrics import Measurement, NotMeasurable
from gankit.metrics.toys import HistogramJsd, Modes, jensen_shannon

from .stand_in import evidence

RING = {split: ring(split, n=4000) for split in ("train", "test")}


def measured(metric: Any, samples: Array, splits: Any = RING) -> dict[str, Measurement]:
    return {m.metric: m for m in metric(evidence(samples, splits))}


def test_a_mode_counts_from_a_tenth_of_its_fair_share_on() -> None:
    # 800 samples, 100 a mode when fair; 10 make a mode, 9 do not.
    counts = [400, 300, 71, 10, 10, 9, 0, 0]
    samples = np.repeat(ring_centres(), counts, axis=0)
    got = measured(Modes(), samples)["modes-covered"]
    assert got.value == 5 and got.details == {"modes": 8, "each": counts}
    assert measured(Modes(least=0), samples)["modes-covered"].value == 6
    assert got.label == "modes-covered[n=800, within=3 std, least=0.1]" and got.better == "higher"


def test_a_sample_is_of_high_quality_within_three_deviations_of_its_nearest_centre() -> None:
    centre = ring_centres()[0]
    near, far = (centre + np.array([0, deviations * 0.02]) for deviations in (2.99, 3.01))
    got = measured(Modes(), np.array([near, near, near, far]))
    assert got["high-quality"].value == 0.75
    np.testing.assert_allclose(got["high-quality"].error, np.sqrt(0.75 * 0.25 / 4))
    assert measured(Modes(within=4), np.array([near, far]))["high-quality"].value == 1.0


def test_the_data_itself_covers_all_and_is_of_the_quality_of_a_gaussian() -> None:
    got = measured(Modes(), ring("train", n=4000).x)
    assert got["modes-covered"].value == 8
    expected = 1 - np.exp(-9 / 2)  # of a round Gaussian in the plane within 3 deviations
    np.testing.assert_allclose(got["high-quality"].value, expected, atol=0.01)
    np.testing.assert_allclose(got["high-quality"].details["of_data"], expected, atol=0.01)
    assert got["modes-jsd"].value < 0.005


def test_a_collapse_to_one_mode_has_the_divergence_of_its_shares() -> None:
    got = measured(Modes(), np.repeat(ring_centres()[:1], 500, axis=0))
    assert got["modes-covered"].value == 1 and got["high-quality"].value == 1.0
    p, q = np.eye(9)[0], np.append(np.full(8, 0.989 / 8), 0.011)
    m = (p + q) / 2
    expected = (np.log(1 / m[0]) + np.sum(q * np.log(q / m))) / 2
    np.testing.assert_allclose(got["modes-jsd"].value, expected, atol=0.01)


def test_settings_of_the_toy_reach_the_metric() -> None:
    data = grid("test", n=1000, side=2, spacing=1.0, std=0.1)
    got = measured(Modes(), grid(n=1000, side=2, spacing=1.0, std=0.1).x, {"test": data})
    assert got["modes-covered"].value == 4


def test_the_divergence_is_zero_for_the_same_log_2_for_strangers_and_symmetric() -> None:
    a, b = np.array([3, 1, 0]), np.array([0, 0, 4])
    np.testing.assert_allclose(jensen_shannon(a, 2 * a), 0, atol=1e-15)
    np.testing.assert_allclose(jensen_shannon(a, b), np.log(2))
    c = np.array([1, 1, 2])
    p, q = a / 4, c / 4
    kl = [sum(x * np.log(2 * x / (x + y)) for x, y in zip(*both, strict=True) if x) for both in ((p, q), (q, p))]
    np.testing.assert_allclose([jensen_shannon(a, c), jensen_shannon(c, a)], sum(kl) / 2)


def test_a_histogram_tells_a_shift_and_counts_what_lies_outside() -> None:
    splits = {split: moons(split, n=4000) for split in ("train", "test")}
    same = measured(HistogramJsd(bins=10), moons(n=4000, seed=9).x, splits)["histogram-jsd"]
    shifted = measured(HistogramJsd(bins=10), moons(n=4000, seed=9).x + 0.5, splits)["histogram-jsd"]
    outside = measured(HistogramJsd(bins=10), moons(n=4000).x + 100, splits)["histogram-jsd"]
    assert same.value < 0.02 < 0.2 < shifted.value < outside.value
    np.testing.assert_allclose(outside.value, np.log(2))
    np.testing.assert_allclose(same.details["of_data"], same.value, atol=0.01)


def test_a_histogram_on_a_line_equals_counts_by_hand() -> None:
    data = np.array([[0.0], [0.1], [0.9], [1.0]])
    samples = np.array([[0.2], [0.3], [0.6], [5.0]])
    got = measured(HistogramJsd(bins=2), samples, {"train": data, "test": data})["histogram-jsd"]
    np.testing.assert_allclose(got.value, jensen_shannon(np.array([2, 1, 1]), np.array([2, 2, 0])))


def test_where_no_law_is_known_or_examples_are_large_it_is_not_measurable() -> None:
    with pytest.raises(NotMeasurable, match="not known what moons is drawn from"):
        measured(Modes(), moons(n=10).x, {"test": moons(n=10)})
    with pytest.raises(NotMeasurable, match="std=0"):
        measured(Modes(), np.zeros((5, 1)), {"test": gaussian("test", n=10, std=0.0)})
    with pytest.raises(NotMeasurable, match="these have 3"):
        measured(HistogramJsd(), np.zeros((5, 3)), {"test": np.zeros((5, 3))})
    with pytest.raises(NotMeasurable, match="the same in all the data"):
        measured(HistogramJsd(), np.zeros((5, 1)), {"test": np.zeros((5, 1))})
    with pytest.raises(ConfigError, match="within=0"):
        Modes(within=0)
    with pytest.raises(ConfigError, match="bins=1"):
        HistogramJsd(bins=1)
