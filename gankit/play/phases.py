"""The gradients of both phases: of D's objective in D's parameters, and of G's in G's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from gankit.interfaces import Array, Draw, Given, Key, Moment, Player, Scores, State, Tensors, Term, Terms
from gankit.play import keys
from gankit.play.encoding import paired, turned, without_latent
from gankit.play.game import D, G, Game, Match
from gankit.play.judging import Critic, Slope, judge, scores, slopes_wanted

Players = Mapping[str, Player]


class Descent(NamedTuple):
    """What a phase comes to: its players' gradients and what else of them moves, what terms remember, the log."""

    gradient: dict[str, Tensors]
    buffers: dict[str, Tensors]
    memory: dict[str, Tensors]
    terms: Terms


Gradient = Callable[[State, Draw, Mapping[str, Any], Key], Descent]


def discriminator_gradient(game: Game, *, fixed: bool = True) -> Gradient:
    """The gradient of D's objective in D's parameters; G stays as it is.

    fixed: whether it is the same gradient wherever G would be, as everybody takes it; not where G is to learn from it.
    """
    ops = game.ops
    # A pass that finds slopes as well may cut what leads from its scores to G (MLX does).
    held, slopes_at = (ops.stop_gradient, slopes_wanted(game)) if fixed else (lambda x: x, frozenset[str]())

    def gradient(state: State, draw: Draw, numbers: Mapping[str, Any], key: Key) -> Descent:
        fakes = {
            match.source: held(generate(game, match, state.players, draw, keys.of_match(ops, key, i))[0])
            for i, match in enumerate(game.matches)
        }
        draw, _ = with_latents(game, state.players, draw, key, held)

        def objective(params: dict[str, Tensors]) -> tuple[Array, Any]:
            players, values, terms, slopes = seated(state, params), list[Array](), Terms(), list[Slope]()
            buffers = {role: players[role].buffers for role in params}
            for i, match in enumerate(game.matches):
                own, pass_key = match.of(draw), ops.fold_in(keys.of_match(ops, key, i), keys.JUDGE)
                judged = judge(
                    game, match.discriminator, players, own, fakes[match.source], pass_key, slopes_at=slopes_at
                )
                values.append(game.loss.discriminator(ops, judged.real, judged.fake))
                buffers[match.discriminator] = judged.buffers
                slopes += judged.slopes
                if i == 0:
                    terms["D(x)"] = ops.xp.mean(ops.sigmoid(ops.stop_gradient(judged.real.logits)))
                    terms["D(G(z))"] = ops.xp.mean(ops.sigmoid(ops.stop_gradient(judged.fake.logits)))
            value = terms["d_loss"] = sum(values[1:], values[0])
            moment = moment_of(game, players, draw, fakes, numbers, key, tuple(slopes))
            more, memory, further = term_values(game, D, moment, state.memory)
            return value + more, (buffers, memory, terms | further)

        return descent(game, D, state, objective)

    return gradient


def generator_gradient(game: Game) -> Gradient:
    """The gradient of G's objective in G's parameters; D stays as it is."""
    ops, loss = game.ops, game.loss

    def gradient(state: State, draw: Draw, numbers: Mapping[str, Any], key: Key) -> Descent:
        def objective(params: dict[str, Tensors]) -> tuple[Array, Any]:
            players, values, fakes = seated(state, params), list[Array](), dict[str, Array]()
            pairs, encoded = with_latents(game, players, draw, key)
            buffers = {role: players[role].buffers for role in params} | encoded
            compares = getattr(loss, "generator_needs_real", False)
            for i, match in enumerate(game.matches):
                own, own_key, d = match.of(pairs), keys.of_match(ops, key, i), match.discriminator
                fake, moved = generate(game, match, players, draw, own_key)
                buffers |= {match.generator: moved} if match.generator in params else {}
                fakes[match.source], pass_key = fake, ops.fold_in(own_key, keys.JUDGE)
                if not {match.generator, match.encoder} & params.keys():
                    continue  # whoever learns here learns by terms alone
                real = None
                if compares or match.encoder:
                    real, of_fake, *_ = judge(game, d, players, own, fake, pass_key, together=False)
                else:
                    of_fake, _ = scores(game, d, players[d], fake, own.fake_given, pass_key)
                values.append(loss.generator(ops, real if compares else None, of_fake))
                if match.encoder and real is not None:
                    against = turned(of_fake) if compares else None
                    values.append(loss.generator(ops, against, turned(real)))
            value = sum(values[1:], values[0]) if values else 0.0
            moment = moment_of(game, players, pairs, fakes, numbers, key)
            more, memory, further = term_values(game, G, moment, state.memory)
            return value + more, (buffers, memory, ({"g_loss": value} if values else {}) | further)

        return descent(game, G, state, objective)

    return gradient


def descent(game: Game, phase: str, state: State, objective: Callable[[dict[str, Tensors]], Any]) -> Descent:
    """An objective's gradient in the parameters of the phase's players, at the state."""
    at = {role: state.players[role].params for role in game.moving(phase)}
    (_, (buffers, memory, terms)), gradient = game.ops.value_and_grad(objective)(at)
    return Descent(gradient, buffers, memory, terms)


def seated(state: State, params: Mapping[str, Tensors]) -> Players:
    """All players, those that move with these parameters."""
    return {**state.players, **{role: state.players[role]._replace(params=p) for role, p in params.items()}}


def generate(game: Game, match: Match, players: Players, draw: Draw, key: Key) -> tuple[Array, Tensors]:
    """(what a match's G makes of its latents and conditions, its buffers after that)."""
    own, g = match.of(draw), players[match.generator]
    seat, own_key = game.seats[match.generator], game.ops.fold_in(key, keys.GENERATE)
    train, key = not seat.frozen, None if seat.frozen else own_key
    given = without_latent(own.fake_given)
    fake, buffers = seat.network.apply(g.params, g.buffers, own.z, given, train=train, key=key)
    return game.ops.to_float(fake), buffers


def with_latents(
    game: Game, players: Players, draw: Draw, key: Key, hold: Callable[[Array], Array] = lambda z: z
) -> tuple[Draw, dict[str, Tensors]]:
    """(the draw, in which D of every match with an encoder finds latents among the conditions, encoders' buffers)."""
    buffers: dict[str, Tensors] = {}
    for i, match in enumerate(game.matches):
        own, moved = paired(game, match, players, match.of(draw), keys.of_match(game.ops, key, i), hold)
        buffers |= moved
        if match.encoder:
            others = {**draw.others, match.source: own} if match.source else own.others
            draw = draw._replace(others=others) if match.source else own
    return draw, buffers


def moment_of(
    game: Game,
    players: Players,
    draw: Draw,
    fakes: Mapping[str, Array],
    numbers: Mapping[str, Any],
    key: Key,
    slopes: tuple[Slope, ...] = (),
) -> Moment:
    """What terms are handed, but for their own key and memory."""
    ops, main = game.ops, game.matches[0]

    def judged(role: str, x: Array, given: Given) -> Scores:
        return scores(game, role, players[role], x, given, ops.fold_in(key, keys.SCORE))[0]

    def generated(z: Array, given: Given | None = None) -> Array:
        other = draw._replace(z=z, fake_given=draw.fake_given if given is None else given)
        return generate(game, main, players, other, key)[0]

    def applied(role: str, x: Array, given: Given) -> Any:
        player, seat = players[role], game.seats[role]
        own_key = None if seat.frozen else ops.fold_in(key, keys.APPLY + [*players].index(role))
        told = given if seat.kind == D else without_latent(given)
        out, _ = seat.network.apply(player.params, player.buffers, x, told, train=not seat.frozen, key=own_key)
        return ops.tree_map(ops.to_float, out)

    critic = Critic(lambda x, given: judged(main.discriminator, x, given), draw.given, slopes)
    return Moment(
        ops, draw, fakes[main.source], critic, generated, applied, judged, numbers, key, memory={}, fakes=fakes
    )


def term_values(
    game: Game, phase: str, moment: Moment, memory: Mapping[str, Tensors]
) -> tuple[Any, dict[str, Tensors], Terms]:
    """(the weighted sum of a phase's terms, what they now remember, each by name).

    One whose weight is 0 at this step costs nothing, unless it has something to remember.
    """
    ops, total = game.ops, 0.0
    remembered: dict[str, Tensors] = {}
    values: Terms = {}
    for i, term in enumerate(game.terms):
        if term.player != phase:
            continue
        weight, before = moment.numbers[term.name], memory.get(term.name)
        own = replace(moment, key=ops.fold_in(moment.key, keys.TERM + i), memory=before or {})
        if getattr(term, "memory", None):
            value, after = term(own)
            values[term.name] = weight * value
            remembered[term.name] = ops.tree_map(ops.stop_gradient, after)
        else:
            # Between its steps it is reported as it last was: a constant, from which nobody learns.
            last = None if before is None else before["last"]
            values[term.name] = ops.when(weight, partial(_weighted, weight, term, own), last)
            if before is not None:
                remembered[term.name] = {"last": ops.stop_gradient(values[term.name])}
        total = total + values[term.name]
    return total, remembered, values


def _weighted(weight: Any, term: Term, moment: Moment) -> Array:
    return weight * term(moment)
