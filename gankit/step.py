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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gankit.errors import ShapeError
from gankit.interfaces import (
    Array,
    Batch,
    Draw,
    Key,
    Loss,
    Network,
    Ops,
    Optimizer,
    Penalty,
    Player,
    Scores,
    State,
    Step,
    Tensors,
    Terms,
)

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
    k: int = 1
    schedule: Schedule = "alternating"


def algorithm_1(game: Game) -> Step:
    """The step of a game: one iteration of Algorithm 1, from a state and a batch to the next state and its terms.

    "alternating" is the algorithm as published. "simultaneous" is what the authors' released configuration does:
    both players move at once, from the same parameters and on the same samples.
    """
    ops, loss = game.ops, game.loss

    def generate(params: Tensors, g: Player, draw: Draw, key: Key) -> tuple[Array, Tensors]:
        return game.generator.apply(params, g.buffers, draw.z, draw.labels, train=True, key=ops.fold_in(key, 0))

    def d_gradient(state: State, draw: Draw, numbers: Mapping[str, Any], key: Key) -> tuple[Tensors, Tensors, Terms]:
        """The gradient of D's objective in D's parameters, with D's new buffers; G and its buffers stay as they are."""
        g, d = state.generator, state.discriminator
        fake = ops.stop_gradient(generate(g.params, g, draw, key)[0])

        def objective(params: Tensors) -> tuple[Array, tuple[Tensors, Terms]]:
            real_scores, fake_scores, buffers = judge(game, params, d.buffers, draw, fake, ops.fold_in(key, 1))
            value = loss.discriminator(ops, real_scores, fake_scores)
            terms = {
                "d_loss": value,
                "D(x)": ops.xp.mean(ops.sigmoid(real_scores.logits)),
                "D(G(z))": ops.xp.mean(ops.sigmoid(fake_scores.logits)),
            }

            def score(x: Array) -> Scores:
                return scores(game, params, d.buffers, x, draw.labels, ops.fold_in(key, 2))[0]

            penalty, penalty_terms = penalize(game, "discriminator", score, draw, fake, numbers, key)
            return value + penalty, (buffers, terms | penalty_terms)

        (_, (buffers, terms)), gradient = ops.value_and_grad(objective)(d.params)
        return gradient, buffers, terms

    def g_gradient(state: State, draw: Draw, numbers: Mapping[str, Any], key: Key) -> tuple[Tensors, Tensors, Terms]:
        """The gradient of G's objective in G's parameters, with G's new buffers; D and its buffers stay as they are."""
        g, d = state.generator, state.discriminator

        def objective(params: Tensors) -> tuple[Array, tuple[Tensors, Terms]]:
            fake, buffers = generate(params, g, draw, key)
            if loss.generator_needs_real:
                real_scores, fake_scores, _ = judge(game, d.params, d.buffers, draw, fake, ops.fold_in(key, 1))
            else:
                real_scores = None
                fake_scores, _ = scores(game, d.params, d.buffers, fake, draw.labels, ops.fold_in(key, 1))
            value = loss.generator(ops, real_scores, fake_scores)

            def generated(z: Array) -> Array:
                return generate(params, g, draw._replace(z=z), key)[0]

            penalty, penalty_terms = penalize(game, "generator", generated, draw, fake, numbers, key)
            return value + penalty, (buffers, {"g_loss": value} | penalty_terms)

        (_, (buffers, terms)), gradient = ops.value_and_grad(objective)(g.params)
        return gradient, buffers, terms

    def moved(player: Player, optimizer: Optimizer, gradient: Tensors, buffers: Tensors, numbers: Any) -> Player:
        slots, params = optimizer.update(player.slots, player.params, gradient, numbers)
        return Player(params, buffers, slots)

    def step(state: State, batch: Batch) -> tuple[State, Terms]:
        key, numbers = ops.key(batch.key), batch.numbers
        d_numbers, g_numbers = under("discriminator/", numbers), under("generator/", numbers)

        if game.schedule == "simultaneous":
            draw = first(batch.discriminator)
            d_grad, d_buffers, d_terms = d_gradient(state, draw, numbers, ops.fold_in(key, 0))
            g_grad, g_buffers, g_terms = g_gradient(state, draw, numbers, ops.fold_in(key, 1))
            d = moved(state.discriminator, game.discriminator_optimizer, d_grad, d_buffers, d_numbers)
        else:
            for i in range(game.k):
                draw = first(batch.discriminator, i)
                d_grad, d_buffers, d_terms = d_gradient(state, draw, numbers, ops.fold_in(key, 1 + i))
                d = moved(state.discriminator, game.discriminator_optimizer, d_grad, d_buffers, d_numbers)
                state = state._replace(discriminator=d)
            g_grad, g_buffers, g_terms = g_gradient(state, batch.generator, numbers, ops.fold_in(key, 0))

        g = moved(state.generator, game.generator_optimizer, g_grad, g_buffers, g_numbers)
        ema = ops.average(state.ema, g.params, numbers["ema"]) if state.ema else state.ema
        return State(generator=g, discriminator=d, ema=ema), d_terms | g_terms

    return step


def judge(
    game: Game, params: Tensors, buffers: Tensors, draw: Draw, fake: Array, key: Key
) -> tuple[Scores, Scores, Tensors]:
    """D on real and on fake, (real scores, fake scores, D's new buffers).

    One pass over both together where examples don't influence each other; else real first, then fake, each with the
    statistics of its own batch (Radford et al. 2015).
    """
    xp = game.ops.xp
    if game.discriminator.mixes_samples:
        real_scores, buffers = scores(game, params, buffers, draw.real, draw.labels, game.ops.fold_in(key, 0))
        fake_scores, buffers = scores(game, params, buffers, fake, draw.labels, game.ops.fold_in(key, 1))
        return real_scores, fake_scores, buffers
    labels = None if draw.labels is None else xp.concat([draw.labels, draw.labels])
    both, buffers = scores(game, params, buffers, xp.concat([draw.real, fake]), labels, key)
    m = fake.shape[0]
    return rows(both, slice(None, m)), rows(both, slice(m, None)), buffers


def scores(
    game: Game,
    params: Tensors,
    buffers: Tensors,
    x: Array,
    labels: Array | None,
    key: Key | None,
    *,
    train: bool = True,
) -> tuple[Scores, Tensors]:
    """D's output on x as Scores, with D's new buffers; raises ShapeError unless logits are (m,)."""
    out, buffers = game.discriminator.apply(params, buffers, x, labels, train=train, key=key)
    parts = out if isinstance(out, Mapping) else {"logits": out}
    # (m, 1) - (m,) broadcasts to (m, m) without a word, so the shape is settled here.
    if tuple(parts["logits"].shape) != (x.shape[0],):
        raise ShapeError(
            f"The discriminator returned logits of shape {tuple(parts['logits'].shape)} for {x.shape[0]} examples; "
            f"it must return one raw score an example, shape ({x.shape[0]},). Flatten (N, 1) to (N,)."
        )
    return Scores(labels=labels, **parts), buffers


def rows(both: Scores, part: slice) -> Scores:
    """Some of the examples of a Scores."""

    def cut(x: Array | None) -> Array | None:
        return None if x is None else x[part]

    return Scores(cut(both.logits), cut(both.labels), cut(both.class_logits), tuple(f[part] for f in both.features))


def penalize(
    game: Game, player: str, net: Any, draw: Draw, fake: Array, numbers: Mapping[str, Any], key: Key
) -> tuple[Any, Terms]:
    """The weighted sum of a player's penalties, and each by name; one whose weight is 0 at this step costs nothing."""
    total: Any = 0.0
    terms: Terms = {}
    for i, penalty in enumerate(game.penalties):
        if penalty.player == player:
            weight, term_key = numbers[penalty.name], game.ops.fold_in(key, 3 + i)

            def term(penalty: Penalty = penalty, weight: Any = weight, key: Key = term_key) -> Array:
                return weight * penalty(game.ops, net, draw, fake, key)

            terms[penalty.name] = game.ops.when(weight, term)
            total = total + terms[penalty.name]
    return total, terms


def first(draw: Draw, i: int = 0) -> Draw:
    """The i-th of the k minibatches of D's phase."""
    return Draw(*(None if array is None else array[i] for array in draw))


def under(prefix: str, numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of one player, without its prefix."""
    return {name.removeprefix(prefix): value for name, value in numbers.items() if name.startswith(prefix)}
