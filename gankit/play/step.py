"""Algorithm 1 of *Generative Adversarial Nets* (Goodfellow et al. 2014), once for every backend.

    for number of training iterations do
        for k steps do
            sample m noise samples z and m examples x
            update D by ascending   grad_D  1/m sum [log D(x) + log(1 - D(G(z)))]
        sample m noise samples z
        update G by descending      grad_G  1/m sum  log(1 - D(G(z)))

What is sampled arrives in the `Batch`; what is ascended and descended is the `Loss` and its terms. A game may have more
players than two: each moves in D's phase or in G's, and all that move in one go down one objective together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gankit.interfaces import Batch, Draw, Key, Ops, Player, State, Step, Tensors, Terms
from gankit.play import keys
from gankit.play.balance import due, kept, watched
from gankit.play.coordination import consenting, placed, positions
from gankit.play.game import D, G, Game
from gankit.play.phases import Descent, Gradient, discriminator_gradient, generator_gradient
from gankit.play.workers import averaged as averaged_over_workers
from gankit.play.workers import dealt


def algorithm_1(game: Game) -> Step:
    """The step of a game: one iteration of Algorithm 1, from a state and a batch to the next state and its terms.

    "alternating" is the algorithm as published. "simultaneous" is what the authors' released configuration does:
    both players move at once, from the same parameters and on the same samples. "extra-gradient" does that twice: the
    players look where it would lead them, and move from where they were by the gradients found there, on the samples
    that they looked by (Gidel et al. 2019; Mishchenko et al. 2020 for the same samples).
    """
    ops = game.ops
    grad_d, grad_g = (
        averaged_over_workers(ops, played(ops, accumulated(game, dealt(ops, gradient(game)))))
        for gradient in (discriminator_gradient, generator_gradient)
    )

    def both(state: State, draw: Draw, numbers: Mapping[str, Any], key: Key) -> tuple[Descent, Descent]:
        return grad_d(state, draw, numbers, ops.fold_in(key, 0)), grad_g(state, draw, numbers, ops.fold_in(key, 1))

    together = consenting(game, both)

    def step(state: State, batch: Batch) -> tuple[State, Terms]:
        key, numbers = ops.key(batch.key), batch.numbers

        if game.schedule == "simultaneous":
            draw = minibatch(batch.discriminator)
            d, g = together(state, draw, numbers, key)
            state = descended(game, D, state, d, numbers)
            state = descended(game, G, state, g, numbers)
        elif game.schedule == "extra-gradient":
            draw, here = minibatch(batch.discriminator), positions(state, ops)
            d, g = together(state, draw, numbers, key)
            ahead = descended(game, G, descended(game, D, state, d, numbers), g, numbers)
            further_d, further_g = together(ahead, draw, numbers, ops.fold_in(key, 2))
            state = descended(game, D, placed(ahead, here), further_d, numbers, again=True)
            state = descended(game, G, state, further_g, numbers, again=True)
        else:
            d = Descent({}, {}, {}, {})
            for i in range(game.k if game.moving(D) else 0):
                before = kept(ops, game.balance, state)
                d = grad_d(state, minibatch(batch.discriminator, i), numbers, ops.fold_in(key, 1 + i))
                state = due(ops, game.balance, i, descended(game, D, state, d, numbers, again=i > 0), before)
            g = grad_g(state, batch.generator, numbers, ops.fold_in(key, 0))
            state = descended(game, G, state, g, numbers)

        state, terms = watched(ops, game.balance, state, d.terms | g.terms)
        return averaged(ops, state, numbers), terms

    return step


def played(ops: Ops, gradient: Gradient) -> Gradient:
    """The gradient as the backend plays it, which may have recorded it."""
    recorded: Callable[..., Any] = getattr(ops, "recorded", lambda f: f)(gradient)
    return lambda state, draw, numbers, key: Descent(*recorded(state, draw, numbers, key))


def minibatch(draw: Draw, i: int = 0) -> Draw:
    """The i-th of the k minibatches of D's phase."""
    return draw.rows(i)


def descended(
    game: Game, phase: str, state: State, descent: Descent, numbers: Mapping[str, Any], again: bool = False
) -> State:
    """The state after one step of a phase's players down their gradients; again: not the first in this iteration."""
    ops, players = game.ops, dict(state.players)
    for role in game.moving(phase):
        player, seat, gradient = players[role], game.seats[role], descent.gradient[role]
        if game.gradient_clip:
            gradient = clipped(ops, gradient, game.gradient_clip)
        own = under(f"{role}/", numbers, again)
        slots, params = seat.optimizer.update(player.slots, player.params, gradient, own)
        for constraint in game.constraints:
            if constraint.player in (phase, "both"):
                kept = seat.network.own(constraint(ops, seat.network.canonical(params)))
                params = {name: kept[name] for name in params}  # in the order that the slots have
        players[role] = Player(params, descent.buffers[role], slots)
    return state._replace(players=players, memory=state.memory | descent.memory)


def averaged(ops: Ops, state: State, numbers: Mapping[str, Any]) -> State:
    """The state with its moving averages moved on."""
    if not state.averages:
        return state
    decay, players = numbers["ema"], state.players
    averages = {role: ops.average(mean, players[role].params, decay) for role, mean in state.averages.items()}
    return state._replace(averages=averages)


def accumulated(game: Game, gradient: Gradient) -> Gradient:
    """The mean of a gradient over `accumulate` parts of the minibatch, one after the other.

    It is the gradient of the whole where loss and terms are means over examples. Batch norm normalises each part by
    itself, and running statistics and what terms remember move once a part.
    """
    if game.accumulate == 1:
        return gradient

    def whole(state: State, draw: Draw, numbers: Mapping[str, Any], key: Key) -> Descent:
        total: Any = None
        size = draw.z.shape[0] // game.accumulate
        for i in range(game.accumulate):
            rows = slice(i * size, (i + 1) * size)
            one = gradient(state, draw.rows(rows), numbers, game.ops.fold_in(key, keys.PART + i))
            moved = {role: state.players[role]._replace(buffers=b) for role, b in one.buffers.items()}
            state = state._replace(players={**state.players, **moved}, memory=state.memory | one.memory)
            share = game.ops.tree_map(lambda x: x / game.accumulate, (one.gradient, one.terms))
            total = share if total is None else game.ops.tree_map(lambda a, b: a + b, total, share)
        return Descent(total[0], one.buffers, one.memory, total[1])

    return whole


def clipped(ops: Ops, gradient: Tensors, limit: float) -> Tensors:
    """The gradient, shortened where its norm over all parameters exceeds `limit`. Pascanu et al. 2013."""
    squares = [ops.xp.sum(g * g) for g in gradient.values()]
    norm = ops.xp.sqrt(sum(squares[1:], squares[0]))
    scale = limit / ops.xp.maximum(norm, ops.xp.full_like(norm, limit))
    return {name: g * scale for name, g in gradient.items()}


def under(prefix: str, numbers: Mapping[str, Any], again: bool = False) -> dict[str, Any]:
    """The numbers of one player, without its prefix; again: those that have a value for further updates have this."""
    own = {name.removeprefix(prefix): value for name, value in numbers.items() if name.startswith(prefix)}
    further = {name.removeprefix("again/"): value for name, value in own.items() if name.startswith("again/")}
    once = {name: value for name, value in own.items() if not name.startswith("again/")}
    return once | further if again else once
