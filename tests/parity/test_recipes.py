"""Every recipe is the same game on every backend: networks a few channels wide, everything else as it is.

float64: every parameter, buffer, average, slot and logged term of 20 steps agrees to 1e-7, convolutions and batch norm
included. Recipes with dropout are played here without it; their masks are each framework's own, so with them they agree
in evaluation, and are the same in every run on a backend.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import gankit
from tests.parity.agreement import assert_same_log, assert_same_state, leaves, play

BOUND = 1e-7
STEPS = 20
RNG = np.random.default_rng(0)
GREY28, GREY48, COLOUR = ((64, 28, 28, 1), (64, 48, 48, 1), (64, 32, 32, 3))


def pictures(shape):
    """Smooth random pictures, uint8, with labels of 10 classes."""
    n, height, width, channels = shape
    coarse = RNG.uniform(0, 255, (n, -(-height // 4), -(-width // 4), channels))
    x = coarse.repeat(4, axis=1).repeat(4, axis=2)[:, :height, :width]
    return gankit.Dataset(x.astype(np.uint8), np.arange(n) % 10, 10, (0, 255), "pictures")


def both(**settings):
    return {"generator": settings, "discriminator": settings}


WHOLE = {"keep_input": 1.0, "keep_hidden": 1.0}
GAMES = {
    "mlp": {"data": "digits"},
    "cgan": {"data": "digits"},
    "gan-2014": {"data": pictures(GREY28), "generator": {"units": 20}, "discriminator": {"units": 8, **WHOLE}},
    "gan-2014-tfd": {"data": pictures(GREY48), "generator": {"units": 20}, "discriminator": {"units": 8, **WHOLE}},
    "gan-2014-cifar": {"data": pictures(COLOUR), "generator": {"units": 20}, "discriminator": {"units": 8, **WHOLE}},
    "gan-2014-cifar-conv": {
        "data": pictures(COLOUR),
        "generator": {"units": 20, "channels": 3},
        "discriminator": {"width": 3, "units": 8, **WHOLE},
    },
    "dcgan": {"data": pictures(GREY28), **both(width=6)},
    "cdcgan": {"data": pictures(GREY28), **both(width=6)},
    "cdcgan-projection": {"data": pictures(GREY28), **both(width=6)},
    "sngan": {"data": pictures(COLOUR), **both(width=6), "k": 2},
    "modern": {"data": pictures(GREY28), **both(width=16, blocks=1)},
    "modern-small": {"data": pictures(GREY28), **both(width=8)},
}
DROPOUT = {name: game for name, game in GAMES.items() if "keep_input" in game.get("discriminator", {})}


def test_every_installed_recipe_is_played():
    assert sorted(GAMES) == sorted(gankit.recipes())


@pytest.mark.parametrize("recipe", GAMES)
def test_backends_play_the_same_game(backends, recipe):
    runs = [play(backend, STEPS, recipe=recipe, batch_size=8, **GAMES[recipe]) for backend in backends]
    for (state, log), (other_state, other_log) in pairwise(runs):
        assert_same_state(state, other_state, BOUND)
        assert_same_log(log, other_log, BOUND)


@pytest.mark.parametrize("recipe", DROPOUT)
def test_with_dropout_evaluation_agrees_and_training_repeats(backends, recipe, tmp_path):
    game = {**DROPOUT[recipe], "batch_size": 8, "dtype": "float64", "recipe": recipe}
    game["discriminator"] = {k: v for k, v in game["discriminator"].items() if k not in WHOLE}
    trainers = [[gankit.build(backend=backend, **game).fit(steps=5) for _ in range(2)] for backend in backends]
    for first, second in trainers:
        a, b = leaves(first), leaves(second)
        assert all(np.array_equal(a[name], b[name]) for name in a)
    there = trainers[0][0].save(tmp_path / "game")
    x, z = game["data"].x[:9], RNG.normal(size=(9, trainers[0][0].config.latent_dim))
    opened = [gankit.load(there, backend=backend) for backend in backends]
    for one, other in pairwise(opened):
        np.testing.assert_allclose(one.score(x), other.score(x), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(one.generate(z), other.generate(z), rtol=1e-10, atol=1e-12)
