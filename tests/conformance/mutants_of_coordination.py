"""Faults of moves in which players take each other into account."""

from __future__ import annotations

from planting import IMMUTABLE, Mutant, patch

COORDINATION = (
    Mutant(
        "players move on from where they looked",
        "check_extra_gradient_follows_the_oracle",
        core=patch("gankit.play.step", "placed", lambda real: lambda state, at: state),
    ),
    Mutant(
        "what is gone back to has been moved in place",
        "check_extra_gradient_follows_the_oracle",
        core=patch("gankit.play.step", "positions", lambda real: lambda state, ops: real(state)),
        immune={**IMMUTABLE, "jax": "its arrays never change"},
    ),
    Mutant(
        "consensus does not reach through G",
        "check_consensus_follows_the_oracle",
        core=patch("gankit.play.coordination", "discriminator_gradient", lambda real: lambda game, fixed: real(game)),
    ),
    Mutant(
        "D moves k times whatever is due",
        "check_balance_follows_the_oracle",
        core=patch("gankit.play.step", "due", lambda real: lambda ops, balance, i, moved, before: moved),
    ),
)
