"""What z is drawn from: against SciPy's distributions, and by the rules that every draw keeps."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from gankit.config import Part
from gankit.errors import ConfigError, UnknownNameError
from gankit.parts.priors import normal_quantile
from gankit.play.streams import Streams
from gankit.plug.making import prior_of

stats = pytest.importorskip("scipy.stats")


def drawn(name, latent_dim=3, n=20_000, **settings):
    return Streams(2).first_latents("z", n, latent_dim, Part(name, settings))


def test_the_normal_quantile_is_exact():
    p = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 2001), 10.0 ** -np.arange(3, 300, 7), [2.0**-54, 0.5]])
    np.testing.assert_allclose(normal_quantile(p), stats.norm.ppf(p), rtol=1e-14, atol=1e-15)
    assert normal_quantile(np.array(0.1)) == pytest.approx(NormalDist().inv_cdf(0.1), rel=1e-15)


def test_a_truncated_normal_is_that_of_scipy_at_variance_1():
    z, law = drawn("truncated", limit=1.5), stats.truncnorm(-1.5, 1.5)
    assert stats.kstest(z.ravel(), lambda x: law.cdf(x * law.std())).pvalue > 0.01
    assert abs(z).max() * law.std() <= 1.5 and z.var() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("latent_dim", [1, 2, 7])
def test_a_sphere_has_one_radius_and_no_direction(latent_dim):
    z = drawn("sphere", latent_dim)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), np.sqrt(latent_dim), rtol=1e-12)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.03)
    if latent_dim == 2:
        assert stats.kstest(np.arctan2(*z.T), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 0.01


def test_a_mixture_draws_each_component_as_often_and_normal_noise():
    z = drawn("mixture", components=4)
    which, noise = z[:, :4], z[:, 4:]
    assert np.array_equal(which.sum(axis=1), np.ones(len(z)))
    assert stats.chisquare(which.sum(axis=0)).pvalue > 0.01
    assert stats.kstest(noise.ravel(), stats.norm.cdf).pvalue > 0.01
    for component in which.T == 1:  # and knows nothing of the component
        assert all(stats.kstest(column, stats.norm.cdf).pvalue > 0.001 for column in noise[component].T)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("truncated", {"limit": 0.0}, "limit=0.0; expected a number of deviations"),
        ("mixture", {"components": 2.5}, "components=2.5; expected a whole number"),
        ("mixture", {"std": 0.0}, "expected a deviation above 0"),
        ("normal", {"limit": 2.0}, "has no setting 'limit'"),
    ],
)
def test_settings_that_do_not_fit_are_said(name, settings, message):
    with pytest.raises(ConfigError, match=message):
        prior_of(Part(name, settings), 4)


def test_an_unknown_prior_is_said_before_anything_is_drawn():
    with pytest.raises(UnknownNameError, match=r"'normal'"):
        prior_of("norml", 4)
