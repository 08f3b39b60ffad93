"""Moves in which both players take each other into account. Goodfellow et al. 2014, section 7, extension 5."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gankit.interfaces import Draw, Key, Ops, State, Tensors
from gankit.parts.together import workers_of
from gankit.play.game import Game
from gankit.play.phases import Descent, Gradient, discriminator_gradient, generator_gradient
from gankit.play.workers import averaged, dealt

Together = Callable[[State, Draw, Mapping[str, Any], Key], tuple[Descent, Descent]]
"""The gradients of both phases, at one state and on one minibatch."""


def positions(state: State, ops: Ops | None = None) -> dict[str, Tensors]:
    """The parameters of every player; with ops, in memory of their own, as an update may be in place."""
    found = {role: player.params for role, player in state.players.items()}
    copied: dict[str, Tensors] = found if ops is None else ops.tree_map(lambda p: p * 1.0, found)
    return copied


def placed(state: State, at: Mapping[str, Tensors]) -> State:
    """The state with these parameters; optimizers, buffers and memories stay."""
    return state._replace(players={role: p._replace(params=at[role]) for role, p in state.players.items()})


def consenting(game: Game, together: Together) -> Together:
    """Both gradients, each with `consensus` times its part of the gradient of 1/2 |v|^2, v being the two of them.

    Consensus optimisation: where the players only turn around each other, it leads them inwards. Mescheder et al. 2017.
    """
    if not game.consensus:
        return together
    ops, workers = game.ops, workers_of(game.ops)
    gradients = (discriminator_gradient(game, fixed=False), generator_gradient(game))

    def inwards_at(state: State, draw: Draw, numbers: Mapping[str, Any], key: Key) -> dict[str, Tensors]:
        def half_square(params: dict[str, Tensors], gradient: Gradient, key: Key) -> Any:
            own = gradient(placed(state, params), draw, numbers, key).gradient
            if workers is not None:
                own = ops.tree_map(workers.mean, own)
            squares = [ops.xp.sum(g * g) for tensors in own.values() for g in tensors.values()]
            return 0.5 * sum(squares[1:], squares[0])

        # One after the other: MLX loses what leads through both at once.
        inwards_d, inwards_g = (
            ops.grad(partial(half_square, gradient=f, key=ops.fold_in(key, i)))(positions(state))
            for i, f in enumerate(gradients)
        )
        both: dict[str, Tensors] = ops.tree_map(lambda a, b: a + b, inwards_d, inwards_g)
        return both

    inwards_of = averaged(ops, dealt(ops, inwards_at))

    def agreed(state: State, draw: Draw, numbers: Mapping[str, Any], key: Key) -> tuple[Descent, Descent]:
        inwards = inwards_of(state, draw, numbers, key)

        def with_its_part(phase: Descent) -> Descent:
            gradient = {
                role: {name: g + game.consensus * inwards[role][name] for name, g in own.items()}
                for role, own in phase.gradient.items()
            }
            return phase._replace(gradient=gradient)

        d, g = together(state, draw, numbers, key)
        return with_its_part(d), with_its_part(g)

    return agreed
