"""Precision, recall, density and coverage against their definitions, example by example."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.errors import ConfigError
from gankit.metrics import Measurement, NotMeasurable
from gankit.metrics import manifold as module
from gankit.metrics.manifold import DensityCoverage, PrecisionRecall

from .stand_in import evidence, looking


def radii(x: Array, k: int) -> list[float]:
    """Of each example, the distance of its k-th nearest other."""
    others = [sorted(np.linalg.norm(x[i] - x[j]) for j in range(len(x)) if j != i) for i in range(len(x))]
    return [float(distances[k - 1]) for distances in others]


def inside(x: Array, centres: Array, k: int) -> Array:
    """(len(x), len(centres)) bool."""
    reach = radii(centres, k)
    return np.array([[np.linalg.norm(p - c) <= r for c, r in zip(centres, reach, strict=True)] for p in x])


def measured(metric: Any, fake: Array, real: Array, **splits: Array) -> dict[str, Measurement]:
    return {m.metric: m for m in metric(evidence(fake, {"test": real, **splits}, **looking()))}


def clouds(seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.normal(0.7, 0.8, size=(30, 3)), rng.normal(size=(37, 3))


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("rows", [4, 1024])
def test_all_four_equal_their_definitions(k: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", rows)
    fake, real = clouds(k)
    got = measured(PrecisionRecall(k=k), fake, real) | measured(DensityCoverage(k=k), fake, real)
    fake_in_real, real_in_fake = inside(fake, real, k), inside(real, fake, k)
    np.testing.assert_allclose(got["precision"].value, fake_in_real.any(axis=1).mean(), rtol=1e-12)
    np.testing.assert_allclose(got["recall"].value, real_in_fake.any(axis=1).mean(), rtol=1e-12)
    np.testing.assert_allclose(got["density"].value, fake_in_real.sum() / (k * 30), rtol=1e-12)
    np.testing.assert_allclose(got["coverage"].value, fake_in_real.any(axis=0).mean(), rtol=1e-12)


def test_they_equal_those_of_the_authors() -> None:
    prdc = pytest.importorskip("prdc")
    rng = np.random.default_rng(0)
    fake, real = rng.normal(0.3, 0.9, size=(200, 8)), rng.normal(size=(230, 8))
    got = measured(PrecisionRecall(k=4), fake, real) | measured(DensityCoverage(k=4), fake, real)
    for name, value in prdc.compute_prdc(real, fake, nearest_k=4).items():
        np.testing.assert_allclose(got[name].value, value, rtol=1e-9)


def test_a_collapsed_generator_is_precise_and_recalls_nothing() -> None:
    _, real = clouds(0)
    fake = np.repeat(real[np.square(real).sum(axis=1).argmin()][None], 30, axis=0) + 1e-6 * clouds(1)[0]
    got = measured(PrecisionRecall(), fake, real) | measured(DensityCoverage(), fake, real)
    assert got["precision"].value == 1.0 and got["recall"].value <= 1 / 37
    assert got["coverage"].value < 0.5 and got["density"].value > 1


def test_noise_far_from_the_data_is_not_precise_and_samples_spread_widely_recall_all() -> None:
    _, real = clouds(0)
    far = measured(PrecisionRecall(), clouds(1)[0] + 100, real)
    assert far["precision"].value == far["recall"].value == 0.0
    wide = measured(PrecisionRecall(), 20 * np.random.default_rng(0).normal(size=(30, 3)), real)
    assert wide["recall"].value == 1.0 and wide["precision"].value < 0.5


def test_density_and_coverage_of_the_same_distribution_are_as_the_paper_says() -> None:
    rng = np.random.default_rng(0)
    got = measured(DensityCoverage(k=5), rng.normal(size=(1000, 4)), rng.normal(size=(1000, 4)))
    np.testing.assert_allclose(got["density"].value, 1.0, atol=0.06)
    expected = 1 - 0.5**5  # each of the k + n nearest is as likely a sample as a real example (Naeem et al., lemma 2)
    np.testing.assert_allclose(got["coverage"].value, expected, atol=0.03)


def test_labels_say_k_and_training_examples_calibrate() -> None:
    fake, real = clouds(0)
    got = measured(PrecisionRecall(calibrate=True), fake, real, train=clouds(2)[1])
    assert got["recall"].label == "recall[features=identity, n=30, reals=37, split=test, k=3]"
    assert got["recall"].better == "higher" and got["recall-of-data"].better is None
    assert got["precision-of-data"].protocol["of"] == "train"


def test_fewer_examples_than_a_ball_needs_are_refused() -> None:
    fake, real = clouds(0)
    with pytest.raises(NotMeasurable, match="needs 4 samples at least; there are 3"):
        measured(PrecisionRecall(k=3), fake[:3], real)
    with pytest.raises(ConfigError, match="density-coverage: k=0"):
        DensityCoverage(k=0)
