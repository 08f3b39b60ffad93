"""The equilibrium is drawn where the paper's theorem puts it, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any

import pytest

from gankit.config import Config
from gankit.figures import theory
from gankit.figures.theory import Equilibrium, equilibrium, is_probability
from gankit.layers import ClassHead, Dense, Flatten
from gankit.parts.losses import NonSaturating

make = theory.make
SHAPE = (8, 8, 1)


def game(**settings: Any) -> Config:
    return Config().with_settings(settings)


@pytest.mark.parametrize("loss", ["minimax", "non-saturating"])
@pytest.mark.parametrize(("d_weight", "d_loss"), [(1.0, 1.3862943611198906), (0.5, 0.6931471805599453)])
def test_d_is_a_half_and_its_loss_is_its_share_of_log_4(loss: str, d_weight: float, d_loss: float) -> None:
    config = game(loss={"name": loss, "d_weight": d_weight})
    assert equilibrium(config) == Equilibrium(d=0.5, d_loss=pytest.approx(d_loss)) and is_probability(config)


def test_the_base_of_a_conditional_loss_is_what_counts() -> None:
    config = game(recipe="cgan", loss={"name": "conditional", "base": {"name": "minimax", "d_weight": 0.5}})
    assert equilibrium(config, SHAPE, 10) == Equilibrium(0.5, pytest.approx(log(2)))


def test_wrong_labels_as_fakes_move_the_equilibrium_elsewhere() -> None:
    config = game(loss={"name": "conditional", "base": "minimax", "mismatched": True})
    assert equilibrium(config, SHAPE, 10) == Equilibrium() and not is_probability(config)


def with_parts(monkeypatch: pytest.MonkeyPatch, **parts: Any) -> None:
    """Let the registry answer with these parts for those kinds."""

    def answer(kind: str, part: Any, *arguments: Any) -> Any:
        return parts[kind] if kind in parts else make(kind, part, *arguments)

    monkeypatch.setattr(theory, "make", answer)


def test_a_d_that_classifies_has_more_in_its_loss_than_v(monkeypatch: pytest.MonkeyPatch) -> None:
    with_parts(monkeypatch, discriminators=(Flatten(), Dense(8), ClassHead(10)))
    config = game(loss={"name": "conditional", "base": "minimax"})
    assert equilibrium(config, SHAPE, 10) == Equilibrium(d=0.5, d_loss=None)
    without = game(loss={"name": "conditional", "base": "minimax", "class_weight": 0.0})
    assert equilibrium(without, SHAPE, 10).d_loss == pytest.approx(log(4))


def test_nothing_is_claimed_of_a_d_that_nobody_can_look_into() -> None:
    config = game(loss={"name": "conditional", "base": "minimax"}, discriminator={"name": "native", "module": "Mine"})
    assert equilibrium(config, SHAPE, 10) == Equilibrium(d=0.5)
    assert equilibrium(game(loss={"name": "conditional", "base": "minimax"})) == Equilibrium(d=0.5)


@dataclass(frozen=True)
class Other(NonSaturating):
    """Inherits all but D's objective."""

    def discriminator(self, ops: Any, real: Any, fake: Any) -> Any:
        return 2.0 * super().discriminator(ops, real, fake)


@dataclass(frozen=True)
class Stranger:
    generator_needs_real: bool = False
    conditional: bool = False


@pytest.mark.parametrize("loss", [Other(), Stranger()])
def test_theory_is_silent_on_another_objective_of_d(monkeypatch: pytest.MonkeyPatch, loss: Any) -> None:
    with_parts(monkeypatch, losses=loss)
    assert equilibrium(game()) == Equilibrium() and not is_probability(game())
