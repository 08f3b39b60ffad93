"""A checkpoint of one backend is resumed by another, optimizer state included, as if nothing had happened."""

from itertools import permutations

import numpy as np
import pytest

import gankit
from gankit import checkpoint
from tests.parity.agreement import assert_same_state, leaves, play

SMALL = {"generator": {"hidden": [64, 64]}, "discriminator": {"hidden": [64, 64]}}
SGD = {"name": "sgd", "lr": 0.02}
GAMES = {
    "Adam and EMA": (200, {"recipe": "cgan", **SMALL}),
    "SGD, momentum of D alone": (
        100,
        {"generator_optimizer": SGD, "discriminator_optimizer": {**SGD, "momentum": 0.7}, **SMALL},
    ),
}


@pytest.mark.parametrize(("half", "game"), GAMES.values(), ids=GAMES.keys())
def test_half_here_and_half_there_is_the_whole(backends, tmp_path, half, game):
    wholes = {backend: play(backend, 2 * half, **game)[0] for backend in backends}
    for first, second in permutations(backends, 2):
        gankit.build(backend=first, dtype="float64", **game).fit(steps=half).save(tmp_path / "half")
        resumed = gankit.load(tmp_path / "half", backend=second).fit(steps=half)
        assert resumed.steps_done == 2 * half
        assert_same_state(leaves(resumed), wholes[first])
        assert_same_state(leaves(resumed), wholes[second])


def test_moving_a_checkpoint_changes_no_bit(backends, tmp_path):
    for first, second in permutations(backends, 2):
        there = gankit.build(backend=first, recipe="cgan").fit(steps=7).save(tmp_path / "there")
        back = gankit.load(gankit.load(there, backend=second).save(tmp_path / "back"), backend=first)
        before, after = checkpoint.read(there)[0], leaves(back)
        assert before.keys() == after.keys()
        assert all(np.array_equal(before[name], after[name]) for name in before)


def test_samples_and_scores_agree(backends, tmp_path):
    first, second = backends[:2]
    here = gankit.build(backend=first, recipe="cgan", dtype="float64").fit(steps=20)
    there = gankit.load(here.save(tmp_path / "game"), backend=second)
    z = np.random.default_rng(0).normal(size=(300, here.config.latent_dim))
    y = np.arange(300) % 10
    np.testing.assert_allclose(here.generate(z, y), there.generate(z, y), rtol=1e-12, atol=1e-14)
    x = here.sample(300, labels=y)
    np.testing.assert_allclose(here.score(x, y), there.score(x, y), rtol=1e-12, atol=1e-14)
