"""The pieces that a game is played with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gankit.interfaces import Augmentation, Constraint, Loss, Network, Ops, Optimizer, Penalty

Schedule = Literal["alternating", "simultaneous"]


@dataclass(frozen=True)
class Game:
    """The pieces of one game, all of them pure. `network` in a name is G or D as a function of its parameters."""

    ops: Ops
    generator: Network
    discriminator: Network
    generator_optimizer: Optimizer
    discriminator_optimizer: Optimizer
    loss: Loss
    penalties: tuple[Penalty, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    augmentations: tuple[Augmentation, ...] = ()
    k: int = 1
    schedule: Schedule = "alternating"
    gradient_clip: float = 0.0
    accumulate: int = 1
