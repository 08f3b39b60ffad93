"""Every recipe is the same game on every backend: networks a few channels wide, real data, all else as it is.

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
from tests.recipe_games import DROPOUT, GAMES, examples

BOUND = 1e-7
STEPS = 20


def game(recipe, *, dropout):
    """Arguments of gankit.build."""
    data, settings = GAMES[recipe]
    for name, value in ({} if dropout else DROPOUT.get(recipe, {})).items():
        settings = {**settings, name: {**settings.get(name, {}), **value} if isinstance(value, dict) else value}
    return {"recipe": recipe, "data": examples(data), "batch_size": 8, **settings}


def test_every_installed_recipe_is_played():
    assert sorted(GAMES) == sorted(gankit.recipes())


@pytest.mark.parametrize("recipe", GAMES)
def test_backends_play_the_same_game(backends, recipe):
    runs = [play(backend, STEPS, **game(recipe, dropout=False)) for backend in backends]
    for (state, log), (other_state, other_log) in pairwise(runs):
        assert_same_state(state, other_state, BOUND)
        assert_same_log(log, other_log, BOUND)


@pytest.mark.parametrize("recipe", DROPOUT)
def test_with_dropout_training_repeats_and_evaluation_agrees(backends, recipe, tmp_path):
    settings = game(recipe, dropout=True)
    for backend in backends:
        first, again = (gankit.build(backend=backend, dtype="float64", **settings).fit(steps=3) for _ in range(2))
        a, b = leaves(first), leaves(again)
        assert all(np.array_equal(a[name], b[name]) for name in a)
    saved = first.save(tmp_path / "game")
    x, z = settings["data"].x[:9], np.random.default_rng(0).normal(size=(9, first.config.latent_dim))
    for one, other in pairwise(gankit.load(saved, backend=backend) for backend in backends):
        np.testing.assert_allclose(one.score(x), other.score(x), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(one.generate(z), other.generate(z), rtol=1e-10, atol=1e-12)
