"""The Fréchet distance against closed forms of the matrix square root, and of Gaussians that are known."""

from __future__ import annotations

import numpy as np
import pytest

from gankit.arrays import Array
from gankit.errors import ConfigError
from gankit.metrics import NotMeasurable
from gankit.metrics.frechet import Frechet, Moments, frechet_distance, moments

from .stand_in import evidence, looking


def correlated(n: int, d: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def test_moments_are_those_of_numpy_far_from_zero_too() -> None:
    x = correlated(500, 6, 0) + 1e6
    got = moments(x)
    np.testing.assert_allclose(got.mean, x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(got.covariance, np.cov(x, rowvar=False), rtol=1e-8)


def test_moments_do_not_depend_on_how_many_rows_come_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    x = correlated(100, 4, 0).astype(np.float32)
    whole = moments(x)
    monkeypatch.setattr("gankit.data.dataset.BLOCK_BYTES", 8 * 4 * 7)
    parts = moments(x)
    np.testing.assert_allclose(parts.covariance, whole.covariance, rtol=1e-12)
    np.testing.assert_allclose(parts.covariance, np.cov(x.astype(np.float64), rowvar=False), rtol=1e-12)


def test_covariances_along_the_axes_differ_by_their_deviations() -> None:
    a = Moments(np.array([1.0, 2.0, 3.0]), np.diag([1.0, 4.0, 9.0]))
    b = Moments(np.array([1.0, 0.0, 0.0]), np.diag([16.0, 4.0, 0.0]))
    np.testing.assert_allclose(frechet_distance(a, b), 4 + 9 + (1 - 4) ** 2 + 0 + 3**2, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_in_the_plane_the_square_root_has_a_closed_form(seed: int) -> None:
    a, b = moments(correlated(50, 2, seed)), moments(correlated(50, 2, seed + 100))
    product = a.covariance @ b.covariance
    root = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))  # trace of a 2 x 2 matrix's square root
    apart = np.square(a.mean - b.mean).sum() + np.trace(a.covariance) + np.trace(b.covariance)
    np.testing.assert_allclose(frechet_distance(a, b), apart - 2 * root, rtol=1e-10)


def test_it_equals_the_general_square_root_of_the_product() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    a, b = moments(correlated(400, 40, 1)), moments(correlated(400, 40, 2))
    apart = np.square(a.mean - b.mean).sum() + np.trace(a.covariance) + np.trace(b.covariance)
    general = apart - 2 * np.trace(linalg.sqrtm(a.covariance @ b.covariance)).real
    np.testing.assert_allclose(frechet_distance(a, b), general, rtol=1e-6)


def test_it_is_zero_for_the_same_and_symmetric_and_turns_with_the_axes() -> None:
    x, y = correlated(60, 5, 1), correlated(80, 5, 2)
    a, b = moments(x), moments(y)
    assert abs(frechet_distance(a, a)) < 1e-9 * np.trace(a.covariance)
    np.testing.assert_allclose(frechet_distance(a, b), frechet_distance(b, a), rtol=1e-9)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    np.testing.assert_allclose(
        frechet_distance(moments(x @ turn), moments(y @ turn)), frechet_distance(a, b), rtol=1e-9
    )


def test_fewer_examples_than_features_are_no_trouble() -> None:
    x = correlated(5, 30, 1)
    assert abs(frechet_distance(moments(x), moments(x))) < 1e-5 * np.trace(moments(x).covariance)


def test_the_label_says_features_counts_and_split_and_the_calibration_is_real_data() -> None:
    samples, train, test = (correlated(n, 3, n) for n in (40, 60, 50))
    given = evidence(samples, {"train": train, "test": test}, **looking())
    got, of_data = Frechet(calibrate=True)(given)
    assert got.label == "frechet[features=identity, n=40, reals=50, split=test]" and got.better == "lower"
    np.testing.assert_allclose(got.value, frechet_distance(moments(samples), moments(test)), rtol=1e-9)
    assert of_data.label == "frechet-of-data[of=train, features=identity, n=40, reals=50, split=test]"
    (fewer,) = Frechet(n=30)(given)
    np.testing.assert_allclose(fewer.value, frechet_distance(moments(samples[:30]), moments(test[:30])), rtol=1e-9)


def test_without_an_extractor_or_split_it_is_not_measurable() -> None:
    samples = correlated(10, 3, 0)
    with pytest.raises(NotMeasurable, match="No extractor"):
        list(Frechet()(evidence(samples, {"test": samples})))
    with pytest.raises(NotMeasurable, match="no split 'test'"):
        list(Frechet()(evidence(samples, **looking())))
    with pytest.raises(NotMeasurable, match="needs 2 samples at least; there are 1"):
        list(Frechet()(evidence(samples[:1], {"test": samples}, **looking())))
    with pytest.raises(ConfigError, match="n=1"):
        Frechet(n=1)
