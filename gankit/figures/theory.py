"""Where the game stands still: D = 1/2 and V(D, G) = -log 4. Goodfellow et al. 2014, theorem 1."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any

from gankit.building import NATIVE, make
from gankit.config import Config
from gankit.errors import GankitError
from gankit.layers import ClassHead
from gankit.networks.spec import GameSpec
from gankit.parts.losses import CrossEntropy


@dataclass(frozen=True)
class Equilibrium:
    """What the logged terms are where p_g = p_data and D is at its best.

    d: of D(x) and of D(G(z)); None where the sigmoid of D's score is no probability that theory speaks of.
    d_loss: None where something else is part of it, such as the cross-entropy of classes.
    """

    d: float | None = None
    d_loss: float | None = None


def is_probability(config: Config) -> bool:
    """Whether D(x) is p_data / (p_data + p_g) at its best: whether D's objective is the paper's, eq. 1, unchanged."""
    return _d_weight(config) is not None


def equilibrium(config: Config, shape: tuple[int, ...] | None = None, num_classes: int | None = None) -> Equilibrium:
    """The equilibrium of a game by its config; nothing is known of losses other than the paper's.

    shape, num_classes: of the examples, where they are known; whether D classifies too depends on them.
    """
    weight = _d_weight(config)
    if weight is None:
        return Equilibrium()
    if config.conditional and config.loss.settings.get("class_weight", 1.0) and _classifies(config, shape, num_classes):
        return Equilibrium(d=0.5)
    return Equilibrium(d=0.5, d_loss=weight * log(4))


def _d_weight(config: Config) -> float | None:
    """What the loss multiplies -V by; None for a loss that is no cross-entropy of real against fake."""
    loss: Any = make("losses", config.loss)
    if config.conditional:
        if loss.needs_mismatched:  # D sees a third kind of pair, and is best elsewhere
            return None
        loss = loss.base
    if isinstance(loss, CrossEntropy) and type(loss).discriminator is CrossEntropy.discriminator:
        return loss.d_weight
    return None


def _classifies(config: Config, shape: tuple[int, ...] | None, num_classes: int | None) -> bool:
    """Whether D has a head for classes; taken for granted where its layers are out of reach."""
    if shape is None or config.discriminator.name == NATIVE:
        return True
    try:
        layers = make("discriminators", config.discriminator, GameSpec(shape, config.latent_dim, num_classes))
    except GankitError:  # of a plugin that is no longer there
        return True
    return any(isinstance(layer, ClassHead) for layer in layers) if isinstance(layers, tuple) else True
