"""Whole games: what a user types plays, stays finite, and is listed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

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


def test_with_the_penalty_the_distance_shrinks(backend_name):
    """d_loss is minus the critic's estimate of the distance: it is near 0 once samples are like the data."""
    adam = {"name": "adam", "lr": 1e-3, "b1": 0.0, "b2": 0.9}
    optimizers = {"generator_optimizer": adam, "discriminator_optimizer": adam}
    gan = gankit.build(
        backend_name, data="ring", loss="wasserstein", penalties=["gradient-penalty"], k=5, **{**SMALL, **optimizers}
    )
    seen = []

    class Estimate:
        every = 1

        def __call__(self, trainer, step, terms):
            seen.append(-terms["d_loss"])

    gan.fit(steps=300, callbacks=[Estimate()])
    assert max(seen) > 0.5, "the critic never saw a difference"
    assert sum(seen[-20:]) / 20 < 0.7 * max(seen)


def test_the_readme_s_python_builds_wgan_gp():
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    names = {}
    exec(code, names)
    config = names["gan"].config
    assert (config.loss.name, config.penalties[0].name, config.k) == ("wasserstein", "gradient-penalty", 5)


def test_the_parts_are_listed_with_their_distribution():
    rows = {(row.kind, row.name) for row in gankit.plugins().rows if row.distribution == "gankit-wasserstein"}
    assert rows == {("losses", "wasserstein"), ("constraints", "weight-clipping"), ("penalties", "gradient-penalty")}
