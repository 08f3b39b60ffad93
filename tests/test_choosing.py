"""Rejection by a D that is known to be optimal: what is taken follows the data's own law."""

from __future__ import annotations

import numpy as np
import pytest

from gankit.errors import ConfigError
from gankit.play.choosing import Asked, LatentOptimisation, Rejection, probability, way
from gankit.play.streams import Streams
from gankit.plug.making import prior_of

stats = pytest.importorskip("scipy.stats")

# G(z) = 2 z, so p_g is N(0, 4); the data are a mixture of N(-1, 0.25) and N(2, 1), three to one.


def p_data(x):
    return 0.75 * stats.norm.pdf(x, -1, 0.5) + 0.25 * stats.norm.pdf(x, 2, 1)


def d_star(z):
    """The logit of p_data / (p_data + p_g) at 2 z."""
    x = 2.0 * z[:, 0]
    return np.log(p_data(x)) - stats.norm.logpdf(x, 0, 2)


def line(logits, slopes=None, seed=0):
    streams = Streams(seed)
    return Asked(
        draw=lambda purpose, n: streams.first_latents(purpose, n, 1, "normal"),
        prior=prior_of("normal", 1),
        streams=streams,
        logits=lambda z, rows: logits(z),
        slopes=slopes,
    )


def cdf(x):
    return 0.75 * stats.norm.cdf(x, -1, 0.5) + 0.25 * stats.norm.cdf(x, 2, 1)


def test_rejection_by_d_star_draws_the_data():
    z = Rejection().latents(line(d_star), 20_000)
    assert stats.kstest(2.0 * z[:, 0], cdf).pvalue > 0.01
    assert stats.kstest(2.0 * Streams(0).first_latents("sample", 20_000, 1, "normal")[:, 0], cdf).pvalue < 1e-9


def test_a_share_of_one_in_max_is_taken():
    """The attempts that rejection needs are max p_data / p_g on the average."""
    attempts = []

    def counted(z):
        attempts.append(len(z))
        return d_star(z)

    Rejection().latents(line(counted), 5_000)
    grid = np.linspace(-8, 8, 10_001)[:, None] / 2.0
    most = np.exp(d_star(grid).max())
    assert attempts[0] == 10_000 and attempts[1] == 5_000
    first = (
        Rejection().latents(line(d_star), 5_000)[:, 0]
        == Streams(0).first_latents("sample/rejection/0", 5_000, 1, "normal")[:, 0]
    )
    assert first.mean() == pytest.approx(1 / most, rel=0.1)


def test_a_longer_draw_begins_with_the_shorter_one():
    game = line(d_star)
    assert np.array_equal(Rejection().latents(game, 500)[:40], Rejection().latents(game, 40))


def test_the_probability_is_that_of_the_paper():
    """Azadi et al. 2019, eq. 7 and 8; with gamma 0 it is exp(logit - max)."""
    logits = np.linspace(-6, 2.9, 90)
    np.testing.assert_allclose(probability(logits, 3.0, 0.0), np.exp(logits - 3.0), rtol=1e-9)
    f = logits - 3.0 - np.log(1 - np.exp(logits - 3.0))
    np.testing.assert_allclose(probability(logits, 3.0, -1.5), 1 / (1 + np.exp(-(f + 1.5))), rtol=1e-9)


def test_where_f_is_at_the_percentile_half_is_taken():
    """Of a D so sure that exact rejection would take one in thousands."""
    seen, taken = 30.0 * np.linspace(-1, 1, 10_000), []

    def logits(z):
        taken.append(len(z))
        return seen if len(taken) == 1 else np.interp(z[:, 0], np.linspace(-3, 3, 10_000), seen)

    z = Rejection(percentile=80).latents(line(logits), 400)
    assert z[:, 0].min() > 1.0  # the 80th percentile lies at 1.8
    with pytest.raises(ConfigError, match="less than 0.001"):
        Rejection().latents(line(lambda z: 3000.0 * z[:, 0]), 400)


def test_a_d_that_takes_next_to_nothing_is_told_before_the_draw():
    with pytest.raises(ConfigError, match="Train for longer, or use by="):
        Rejection().latents(line(lambda z: 40.0 * z[:, 0]), 10)
    with pytest.raises(ConfigError, match="would accept nan"):
        Rejection().latents(line(lambda z: z[:, 0] * np.nan), 10)


def test_latents_move_by_natural_gradients():
    """One step up the logit -z^2 / 2, by hand: z - rate z / (damping + z^2)."""
    z = Streams(0).first_latents("sample", 50, 1, "normal")
    got = LatentOptimisation(rate=0.9, damping=5.0).latents(line(None, slopes=lambda z, rows: -z), 50)
    np.testing.assert_allclose(got, z - 0.9 * z / (5.0 + z**2), rtol=1e-12)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("rejecton", "Did you mean 'rejection'"),
        ({"name": "rejection", "percentil": 80}, "Did you mean 'percentile'"),
        ({"name": "rejection", "percentile": 101}, "expected a number from 0 to 100"),
        ({"name": "latent-optimisation", "steps": 0}, "whole number of at least 1"),
        ({"name": "rejection", "burn_in": "many"}, "expected a number"),
        (3, "no such way to sample"),
    ],
)
def test_what_there_is_not_is_said(by, message):
    with pytest.raises(ConfigError, match=message):
        way(by)
