"""The pieces that a game is played with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from gankit.interfaces import LATENT, Augmentation, Constraint, Draw, Loss, Network, Ops, Optimizer, Term
from gankit.layers.base import Placed
from gankit.play.balance import Balance

D, G = PHASES = "discriminator", "generator"
"""The phases of a step, and the two players that every game has."""
ENCODER = "encoder"
"""The kind of a player that turns examples into latents."""
KINDS = (*PHASES, ENCODER)
"""What a player can be."""
Schedule = Literal["alternating", "simultaneous", "extra-gradient"]


@dataclass(frozen=True)
class Seat:
    """A player's place in a game.

    phase: in which it moves. kind: what it does: "generator", latents to examples; "discriminator", examples to scores;
    "encoder", examples to latents. source: whose examples it makes or judges, "" being the game's own data.
    takes: the conditions that its network reads. averaged: whether a moving average of its parameters is kept.
    frozen: whether it stays as it is; it then plays as in evaluation. layers: of its network, each at its place; none
    of a module of the user's own.
    """

    network: Network
    optimizer: Optimizer
    phase: str
    kind: str
    source: str = ""
    takes: frozenset[str] = frozenset()
    averaged: bool = False
    frozen: bool = False
    layers: tuple[Placed, ...] = ()


class Match(NamedTuple):
    """A G and the D that judges it, on the examples of one source; and the encoder whose latents D judges, or ""."""

    generator: str
    discriminator: str
    source: str
    encoder: str = ""

    def of(self, draw: Draw) -> Draw:
        """Its own minibatch."""
        own: Draw = draw.others[self.source] if self.source else draw
        return own


@dataclass(frozen=True)
class Game:
    """The pieces of one game, all of them pure."""

    ops: Ops
    seats: Mapping[str, Seat]
    loss: Loss
    terms: tuple[Term, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    augmentations: tuple[Augmentation, ...] = ()
    k: int = 1
    schedule: Schedule = "alternating"
    gradient_clip: float = 0.0
    accumulate: int = 1
    consensus: float = 0.0
    balance: Balance | None = None

    @cached_property
    def matches(self) -> tuple[Match, ...]:
        """Every G beside the D of the same source; the main one first."""
        by_kind = {kind: {s.source: role for role, s in self.seats.items() if s.kind == kind} for kind in KINDS}
        return tuple(
            Match(role, (d := by_kind[D][source]), source, by_kind[ENCODER].get(source, "") if self._pairs(d) else "")
            for source, role in by_kind[G].items()
        )

    def _pairs(self, discriminator: str) -> bool:
        """Whether a D judges examples beside their latents."""
        return LATENT in self.seats[discriminator].takes

    def moving(self, phase: str) -> tuple[str, ...]:
        """The players that move in a phase."""
        return tuple(role for role, seat in self.seats.items() if seat.phase == phase and not seat.frozen)
