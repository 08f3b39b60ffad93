"""Algorithm 1 of *Generative Adversarial Nets* (Goodfellow et al. 2014), once for every backend.

    for number of training iterations do
        for k steps do
            sample m noise samples z and m examples x
            update D by ascending   grad_D  1/m sum [log D(x) + log(1 - D(G(z)))]
        sample m noise samples z
        update G by descending      grad_G  1/m sum  log(1 - D(G(z)))

What is sampled arrives in the `Batch`; what is ascended and descended is the `Loss` and its penalties.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gankit.interfaces import Array, Batch, Draw, Key, Ops, Penalty, Player, Scores, State, Step, Tensors, Terms
from gankit.play.judging import Critic, judge, scores, slopes_wanted
from gankit.play.rules import Game

ROLES = ("discriminator", "generator")


class Moved(NamedTuple):
    """What a player's phase changes beside parameters: its running statistics, and what penalties remember."""

    buffers: Tensors
    memory: dict[str, Tensors]


Gradient = Callable[[State, Draw, Mapping[str, Any], Key], tuple[Tensors, Moved, Terms]]


def algorithm_1(game: Game) -> Step:
    """The step of a game: one iteration of Algorithm 1, from a state and a batch to the next state and its terms.

    "alternating" is the algorithm as published. "simultaneous" is what the authors' released configuration does:
    both players move at once, from the same parameters and on the same samples.
    """
    ops, loss, slopes_at = game.ops, game.loss, slopes_wanted(game)

    def generate(params: Tensors, g: Player, draw: Draw, key: Key) -> tuple[Array, Tensors]:
        options = {"train": True, "key": ops.fold_in(key, 0)}
        fake, buffers = game.generator.apply(params, g.buffers, draw.z, draw.fake_labels, **options)
        return ops.to_float(fake), buffers

    def d_gradient(state: State, draw: Draw, numbers: Mapping[str, Any], key: Key) -> tuple[Tensors, Moved, Terms]:
        """The gradient of D's objective in D's parameters, with what else of D moves; G stays as it is."""
        g, d = state.generator, state.discriminator
        fake = ops.stop_gradient(generate(g.params, g, draw, key)[0])

        def objective(params: Tensors) -> tuple[Array, tuple[Moved, Terms]]:
            judged = judge(game, params, d.buffers, draw, fake, ops.fold_in(key, 1), slopes_at=slopes_at)
            value = loss.discriminator(ops, judged.real, judged.fake)
            terms = {
                "d_loss": value,
                "D(x)": ops.xp.mean(ops.sigmoid(ops.stop_gradient(judged.real.logits))),
                "D(G(z))": ops.xp.mean(ops.sigmoid(ops.stop_gradient(judged.fake.logits))),
            }

            def score(x: Array, labels: Array | None) -> Scores:
                return scores(game, params, d.buffers, x, labels, ops.fold_in(key, 2))[0]

            critic = Critic(score, draw.labels, judged.slopes)
            penalty, memory, penalty_terms = penalize(game, "discriminator", critic, state, draw, fake, numbers, key)
            return value + penalty, (Moved(judged.buffers, memory), terms | penalty_terms)

        (_, (moved, terms)), gradient = ops.value_and_grad(objective)(d.params)
        return gradient, moved, terms

    def g_gradient(state: State, draw: Draw, numbers: Mapping[str, Any], key: Key) -> tuple[Tensors, Moved, Terms]:
        """The gradient of G's objective in G's parameters, with what else of G moves; D stays as it is."""
        g, d = state.generator, state.discriminator

        def objective(params: Tensors) -> tuple[Array, tuple[Moved, Terms]]:
            fake, buffers = generate(params, g, draw, key)
            if loss.generator_needs_real:
                judged = judge(game, d.params, d.buffers, draw, fake, ops.fold_in(key, 1), together=False)
                real_scores, fake_scores = judged.real, judged.fake
            else:
                real_scores = None
                fake_scores, _ = scores(game, d.params, d.buffers, fake, draw.fake_labels, ops.fold_in(key, 1))
            value = loss.generator(ops, real_scores, fake_scores)

            def generated(z: Array) -> Array:
                return generate(params, g, draw._replace(z=z), key)[0]

            penalty, memory, penalty_terms = penalize(game, "generator", generated, state, draw, fake, numbers, key)
            return value + penalty, (Moved(buffers, memory), {"g_loss": value} | penalty_terms)

        (_, (moved, terms)), gradient = ops.value_and_grad(objective)(g.params)
        return gradient, moved, terms

    def descended(
        role: str, state: State, gradient: Tensors, moved: Moved, numbers: Mapping[str, Any], again: bool = False
    ) -> State:
        """The state after one step of a player down its gradient; again: not the first in this iteration."""
        player, optimizer = getattr(state, role), getattr(game, f"{role}_optimizer")
        if game.gradient_clip:
            gradient = clipped(ops, gradient, game.gradient_clip)
        slots, params = optimizer.update(player.slots, player.params, gradient, under(f"{role}/", numbers, again))
        for constraint in game.constraints:
            if constraint.player in (role, "both"):
                network = getattr(game, role)
                kept = network.own(constraint(ops, network.canonical(params)))
                params = {name: kept[name] for name in params}  # in the order that the slots have
        after: dict[str, Any] = {role: Player(params, moved.buffers, slots), "memory": state.memory | moved.memory}
        return state._replace(**after)

    recorded = getattr(ops, "recorded", lambda gradient: gradient)
    d_whole, g_whole = (
        recorded(accumulated(game, role, f)) for role, f in zip(ROLES, (d_gradient, g_gradient), strict=True)
    )

    def step(state: State, batch: Batch) -> tuple[State, Terms]:
        key, numbers = ops.key(batch.key), batch.numbers

        if game.schedule == "simultaneous":
            draw = first(batch.discriminator)
            d_grad, d_moved, d_terms = d_whole(state, draw, numbers, ops.fold_in(key, 0))
            g_grad, g_moved, g_terms = g_whole(state, draw, numbers, ops.fold_in(key, 1))
            state = descended("discriminator", state, d_grad, d_moved, numbers)
        else:
            for i in range(game.k):
                draw = first(batch.discriminator, i)
                d_grad, d_moved, d_terms = d_whole(state, draw, numbers, ops.fold_in(key, 1 + i))
                state = descended("discriminator", state, d_grad, d_moved, numbers, again=i > 0)
            g_grad, g_moved, g_terms = g_whole(state, batch.generator, numbers, ops.fold_in(key, 0))

        state = descended("generator", state, g_grad, g_moved, numbers)
        if state.ema:
            state = state._replace(ema=ops.average(state.ema, state.generator.params, numbers["ema"]))
        return state, d_terms | g_terms

    return step


def accumulated(game: Game, role: str, gradient: Gradient) -> Gradient:
    """The mean of a gradient over `accumulate` parts of the minibatch, one after the other.

    It is the gradient of the whole where loss and penalties are means over examples. Batch norm normalises each part
    by itself, and running statistics and what penalties remember move once a part.
    """
    if game.accumulate == 1:
        return gradient

    def whole(state: State, draw: Draw, numbers: Mapping[str, Any], key: Key) -> tuple[Tensors, Moved, Terms]:
        total: Any = None
        for i in range(game.accumulate):
            size = draw.z.shape[0] // game.accumulate
            part = Draw(*(None if x is None else x[i * size : (i + 1) * size] for x in draw))
            one, moved, terms = gradient(state, part, numbers, game.ops.fold_in(key, 1000 + i))
            player = getattr(state, role)._replace(buffers=moved.buffers)
            state = state._replace(**{role: player}, memory=state.memory | moved.memory)
            share = game.ops.tree_map(lambda x: x / game.accumulate, (one, terms))
            total = share if total is None else game.ops.tree_map(lambda a, b: a + b, total, share)
        return total[0], moved, total[1]

    return whole


def clipped(ops: Ops, gradient: Tensors, limit: float) -> Tensors:
    """The gradient, shortened where its norm over all parameters exceeds `limit`. Pascanu et al. 2013."""
    squares = [ops.xp.sum(g * g) for g in gradient.values()]
    norm = ops.xp.sqrt(sum(squares[1:], squares[0]))
    scale = limit / ops.xp.maximum(norm, ops.xp.full_like(norm, limit))
    return {name: g * scale for name, g in gradient.items()}


def penalize(
    game: Game, player: str, net: Any, state: State, draw: Draw, fake: Array, numbers: Mapping[str, Any], key: Key
) -> tuple[Any, dict[str, Tensors], Terms]:
    """(the weighted sum of a player's penalties, what they now remember, each by name).

    One whose weight is 0 at this step costs nothing, unless it has something to remember.
    """
    total: Any = 0.0
    memory: dict[str, Tensors] = {}
    terms: Terms = {}
    for i, penalty in enumerate(game.penalties):
        if penalty.player == player:
            weight, term_key = numbers[penalty.name], game.ops.fold_in(key, 3 + i)
            before = state.memory.get(penalty.name)
            if getattr(penalty, "memory", None):
                value, remembered = penalty(game.ops, net, draw, fake, term_key, before)
                terms[penalty.name] = weight * value
                memory[penalty.name] = game.ops.tree_map(game.ops.stop_gradient, remembered)
            else:

                def term(penalty: Penalty = penalty, weight: Any = weight, key: Key = term_key) -> Array:
                    return weight * penalty(game.ops, net, draw, fake, key)

                # Between its steps it is reported as it last was: a constant, from which nobody learns.
                terms[penalty.name] = game.ops.when(weight, term, None if before is None else before["last"])
                if before is not None:
                    memory[penalty.name] = {"last": game.ops.stop_gradient(terms[penalty.name])}
            total = total + terms[penalty.name]
    return total, memory, terms


def first(draw: Draw, i: int = 0) -> Draw:
    """The i-th of the k minibatches of D's phase."""
    return Draw(*(None if array is None else array[i] for array in draw))


def under(prefix: str, numbers: Mapping[str, Any], again: bool = False) -> dict[str, Any]:
    """The numbers of one player, without its prefix; again: those that have a value for further updates have this."""
    own = {name.removeprefix(prefix): value for name, value in numbers.items() if name.startswith(prefix)}
    further = {name.removeprefix("again/"): value for name, value in own.items() if name.startswith("again/")}
    once = {name: value for name, value in own.items() if not name.startswith("again/")}
    return once | further if again else once
