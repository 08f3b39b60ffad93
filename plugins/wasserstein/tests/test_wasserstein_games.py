"""Whole games: what a user types plays, stays finite, and is listed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import gankit
from gankit.conformance.short_games import SMALL, stay_finite, stays_finite

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_it_stays_finite_with_every_penalty(backend_name):
    if backend_name == "jax":  # where every game is compiled, for seconds
        stays_finite(backend_name, "wasserstein", ["r1"])
    else:
        stay_finite(backend_name, ["wasserstein"], ["gradient-penalty", "r1", "r2"])
        stays_finite(backend_name, "wasserstein", ["gradient-penalty", "r1", "r2"], k=2)
        stays_finite(backend_name, "wasserstein", constraints=["weight-clipping"])


def test_a_conditional_game_plays_it(backend_name):
    wrapped = {"name": "conditional", "base": "wasserstein"}
    gan = gankit.build(backend_name, loss=wrapped, penalties=["gradient-penalty"], data="digits", **SMALL)
    terms = gan.step(np.zeros((16, 8, 8, 1), np.uint8), [3] * 16)
    assert set(terms) == {"d_loss", "g_loss", "D(x)", "D(G(z))", "gradient-penalty"}
    assert np.isfinite(list(terms.values())).all()


def test_against_a_generator_that_stands_still_the_critic_learns_the_distance(backend_name):
    """In one dimension the distance W is known. A critic of slope s gains W s for 10 (s - 1)^2: best is 1 + W / 20."""
    x = np.random.default_rng(0).normal(size=(1000, 1))
    critic = {"discriminator_optimizer": {"name": "adam", "lr": 1e-2, "b1": 0.0, "b2": 0.9}}
    still = {"generator_optimizer": {"name": "adam", "lr": 0.0}, "ema": 0.0}
    game = {**SMALL, **critic, **still}
    gan = gankit.build(backend_name, data=x, loss="wasserstein", penalties=["gradient-penalty"], device="cpu", **game)
    far, samples = x + 4.0, gan.sample(1000)
    gan.fit(far, steps=200)
    distance = np.abs(np.sort(samples, axis=0) - np.sort(far, axis=0)).mean() / float(gan.spec.scaling.scale[0])
    assert gan.score(far).mean() - gan.score(samples).mean() == pytest.approx(distance * (1 + distance / 20), rel=0.1)


def test_the_readme_s_python_builds_wgan_gp():
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    names = {}
    exec(code, names)
    config = names["gan"].config
    assert (config.loss.name, config.penalties[0].name, config.k) == ("wasserstein", "gradient-penalty", 5)


def test_the_parts_are_listed_with_their_distribution():
    rows = {(row.kind, row.name) for row in gankit.plugins().rows if row.distribution == "gankit-wasserstein"}
    assert rows == {("losses", "wasserstein"), ("constraints", "weight-clipping"), ("penalties", "gradient-penalty")}
