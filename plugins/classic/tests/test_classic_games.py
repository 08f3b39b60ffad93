"""Whole games: every loss with every penalty stays finite, what a user types plays, and is listed."""

from __future__ import annotations

import numpy as np
import pytest
from gankit_classic.f_gan import DIVERGENCES

import gankit
from gankit.conformance.short_games import SMALL, stay_finite, stays_finite

F_GANS = [{"name": "f-gan", "divergence": divergence} for divergence in DIVERGENCES]
LOSSES = ["least-squares", "hinge", "one-sided-smoothing", "feature-matching", *F_GANS]
PENALTIES = ["dragan", "lecam", "r1", "r2"]
PAIRS = [  # each loss and each penalty once: JAX compiles every game, for seconds
    ("least-squares", ["dragan"]),
    ("hinge", ["lecam"]),
    ("one-sided-smoothing", ["r1"]),
    ("feature-matching", ["r2"]),
    ({"name": "f-gan", "divergence": "neyman"}, []),
]


def test_every_loss_with_every_penalty_stays_finite(backend_name):
    if backend_name == "jax":
        for loss, penalties in PAIRS:
            stays_finite(backend_name, loss, penalties)
    else:
        stay_finite(backend_name, LOSSES, PENALTIES)


def test_f_gan_s_other_generator_stays_finite(backend_name):
    if backend_name == "jax":
        pytest.skip("one f-gan is compiled already")
    stay_finite(backend_name, [{**loss, "non_saturating": True} for loss in F_GANS])


def test_a_game_that_does_not_is_reported(backend_name):
    with pytest.raises(AssertionError, match=r"loss='least-squares', penalties=\[\]: step \d+ is not finite"):
        stay_finite(backend_name, ["least-squares"], discriminator_optimizer={"name": "sgd", "lr": 1e30})


def test_a_conditional_game_plays_them(backend_name):
    wrapped = {"name": "conditional", "base": {"name": "feature-matching", "base": "hinge"}}
    gan = gankit.build(backend_name, data="digits", loss=wrapped, penalties=["lecam", "dragan"], device="cpu", **SMALL)
    terms = gan.fit(steps=2).step(np.zeros((16, 8, 8, 1), np.uint8), [3] * 16)
    assert list(terms) == ["d_loss", "g_loss", "D(x)", "D(G(z))", "dragan", "lecam"]
    assert np.isfinite(list(terms.values())).all()


def test_the_parts_are_listed_with_their_distribution():
    rows = {(row.kind, row.name) for row in gankit.plugins().rows if row.distribution == "gankit-classic"}
    losses = {"least-squares", "hinge", "one-sided-smoothing", "f-gan", "feature-matching"}
    assert rows == {
        *(("losses", name) for name in losses),
        ("penalties", "dragan"),
        ("penalties", "lecam"),
        ("generators", "sngan"),
        ("discriminators", "sngan"),
        ("recipes", "sngan"),
    }
