"""Terms against their papers' formulas, in float64 NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from gankit.building import open_backend
from gankit.conformance.penalties import seen_by
from gankit.errors import ConfigError
from gankit.interfaces import Draw, Scores
from gankit.parts.terms import Diversity, Mismatched, Paired

RNG = np.random.default_rng(3)
M, N, LATENT = 5, 6, 3
X, FAKE, C = (RNG.normal(size=(M, N)) for _ in range(3))
Z = RNG.normal(size=(M, LATENT))
W = RNG.normal(size=(LATENT, N))


@pytest.fixture
def moment(backend):
    """G(z|c) = tanh(z W) + c, D(x|c) = sum of x * c."""
    ops = open_backend(backend, "cpu", "float64").ops
    on = ops.asarray
    given = {"vector": on(C)}
    draw = Draw(on(X), given, on(Z), given)

    def generate(z, given=None):
        return ops.xp.tanh(z @ on(W)) + (draw.fake_given if given is None else given)["vector"]

    def critic(x, given=None):
        return Scores(ops.xp.sum(x * (draw.given if given is None else given)["vector"], axis=1))

    def seen(net, fake):
        return seen_by(ops, net, draw, on(fake), ops.key((np.uint32(0), np.uint32(1))), {})

    return ops, seen, {"G": generate, "D": critic}


def test_l1_is_a_mean_over_pixels(moment):
    ops, seen, nets = moment
    got = float(ops.to_numpy(Paired()(seen(nets["G"], FAKE))))
    assert np.isclose(got, np.abs(X - FAKE).mean(), rtol=1e-12)


def test_mismatched_is_minus_log_of_one_minus_d_under_the_next_condition(moment):
    ops, seen, nets = moment
    logits = (X * np.roll(C, -1, axis=0)).sum(axis=1)
    want = -np.log(1 - 1 / (1 + np.exp(-logits))).mean()
    assert np.isclose(float(ops.to_numpy(Mismatched()(seen(nets["D"], FAKE)))), want, rtol=1e-9)


@pytest.mark.parametrize("limit", [10.0, 0.5])
def test_diversity_is_the_ratio_of_distances_up_to_its_limit(moment, limit):
    ops, seen, nets = moment
    other = np.roll(Z, -1, axis=0)
    answers = np.tanh(Z @ W) + C
    apart = np.abs(np.tanh(other @ W) + C - answers).mean(axis=1)
    want = -np.minimum(apart / np.abs(other - Z).mean(axis=1), limit).mean()
    got = float(ops.to_numpy(Diversity(limit=limit)(seen(nets["G"], answers))))
    assert np.isclose(got, want, rtol=1e-6)


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"limit=0\.0; it must be above 0"):
        Diversity(limit=0.0)
