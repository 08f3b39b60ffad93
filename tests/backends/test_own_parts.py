"""Losses, penalties and optimizers of the user's own, and settings that change from a checkpoint on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import gankit
from gankit.parts.optimizers import Adam
from gankit.parts.penalties import R1
from gankit.parts.schedules import Decay

SMALL = {"generator": {"hidden": [16]}, "discriminator": {"hidden": [16]}}


class CrossEntropy:
    """The non-saturating loss, written by somebody who has read only the guide's first lines."""

    def discriminator(self, ops: Any, real: Any, fake: Any) -> Any:
        return ops.xp.mean(ops.softplus(-real.logits)) + ops.xp.mean(ops.softplus(fake.logits))

    def generator(self, ops: Any, real: Any, fake: Any) -> Any:
        return ops.xp.mean(ops.softplus(-fake.logits))


@dataclass(frozen=True)
class SmallLogits:
    """D's logits of real examples stay near 0."""

    name: ClassVar[str] = "small-logits"
    player: ClassVar[str] = "discriminator"
    every: int = 1
    weight: float = 0.1

    def __call__(self, moment: Any) -> Any:
        logits = moment.scores("discriminator", moment.draw.real, moment.draw.given).logits
        return moment.ops.xp.mean(logits * logits)


class Halved(Adam):
    """Adam at half the rate."""

    name: ClassVar[str] = "halved"

    def update(self, ops: Any, p: Any, g: Any, slots: Any, numbers: Any, count: Any) -> Any:
        return super().update(ops, p, g, slots, {**numbers, "lr": numbers["lr"] * 0.5}, count)


def parameters(game: Any) -> dict[str, np.ndarray]:
    return {f"{r}/{n}": a for r, p in game.players.items() for n, a in p.parameters.items()}


def assert_alike(a: Any, b: Any) -> None:
    ours, theirs = parameters(a), parameters(b)
    assert all(np.allclose(ours[name], theirs[name], rtol=1e-9, atol=1e-12) for name in ours)


@pytest.mark.parametrize("recipe", ["mlp", "cgan"])
def test_a_loss_of_one_s_own_plays_what_the_same_one_by_name_plays(backend: str, recipe: str) -> None:
    own = gankit.build(backend, recipe, dtype="float64", loss=CrossEntropy(), **SMALL).fit(steps=12)
    named = gankit.build(backend, recipe, dtype="float64", loss="non-saturating", **SMALL).fit(steps=12)
    assert_alike(own, named)


def test_an_optimizer_of_one_s_own_plays(backend: str) -> None:
    rates = {"lr": 2e-3, "b1": 0.0}
    settings = {"dtype": "float64", "discriminator_optimizer": {"name": "adam", **rates}, **SMALL}
    own = gankit.build(backend, generator_optimizer=Halved(**rates), **settings).fit(steps=12)
    named = gankit.build(backend, generator_optimizer={"name": "adam", "lr": 1e-3, "b1": 0.0, "b2": 0.999}, **settings)
    assert_alike(own, named.fit(steps=12))


def test_a_penalty_of_one_s_own_is_a_term_of_the_log(backend: str) -> None:
    game = gankit.build(backend, penalties=[SmallLogits(), "r1"], **SMALL).fit(steps=10)
    assert {"small-logits", "r1"} <= game.history[-1].keys()


def test_an_object_of_gankit_s_own_is_what_its_name_is(backend: str, tmp_path: Path) -> None:
    game = gankit.build(
        backend, penalties=R1(weight=0.25), generator_optimizer=Adam(lr=Decay(1e-3, 1.01, 1e-6)), **SMALL
    )
    config = game.config.to_plain()
    assert config["penalties"] == [{"name": "r1", "weight": 0.25}]
    lr = {"schedule": "decay", "start": 1e-3, "factor": 1.01, "floor": 1e-6}
    assert config["generator_optimizer"] == {"name": "adam", "lr": lr}
    assert gankit.load(game.save(tmp_path / "state")).config == game.config


def test_a_checkpoint_asks_for_what_it_cannot_hold(backend: str, tmp_path: Path) -> None:
    game = gankit.build(backend, "cgan", loss=CrossEntropy(), dtype="float64", **SMALL).fit(steps=5)
    path = game.save(tmp_path / "state")
    with pytest.raises(gankit.CheckpointError, match=r"gankit.load\(path, loss=CrossEntropy\(...\)\)"):
        gankit.load(path)
    assert_alike(gankit.load(path, loss=CrossEntropy()).fit(steps=5), game.fit(steps=5))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"loss": CrossEntropy}, r"Pass an instance: CrossEntropy\(\)"),
        ({"loss": 3}, "loss=3: expected a name such as 'hinge'"),
        ({"generator_optimizer": CrossEntropy()}, "expected a name such as 'adam'"),
        ({"penalties": [3]}, "expected names such as 'r1'"),
        ({"lr": 1e-3}, "Did you mean 'generator_optimizer.lr'"),
        ({"batch": 3}, "Did you mean 'batch_size'"),
    ],
)
def test_what_is_no_part_is_refused(backend: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(gankit.ConfigError, match=said):
        gankit.build(backend, **settings)


def test_rates_change_from_a_checkpoint_on_and_nothing_else(backend: str, tmp_path: Path) -> None:
    game = gankit.build(backend, dtype="float64", **SMALL).fit(steps=6)
    path = game.save(tmp_path / "state")
    still = {"generator_optimizer": {"lr": 0.0}, "discriminator_optimizer": {"lr": 0.0}}
    assert_alike(gankit.load(path, **still).fit(steps=6), game)
    moved = gankit.load(path, generator_optimizer={"beta1": 0.25})
    assert moved.config.generator_optimizer.settings == {"lr": 1e-3, "b1": 0.25, "b2": 0.99}
    assert_alike(gankit.load(path).fit(steps=6), game.fit(steps=6))
    with pytest.raises(gankit.ConfigError, match="latent_dim cannot change when you resume"):
        gankit.load(path, latent_dim=3)


def test_beta1_is_b1(backend: str) -> None:
    game = gankit.build(backend, generator_optimizer={"beta1": 0.25, "beta2": 0.5}, **SMALL)
    assert game.config.generator_optimizer.settings == {"lr": 1e-3, "b1": 0.25, "b2": 0.5}
