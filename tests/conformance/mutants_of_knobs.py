"""Faults around Algorithm 1: running statistics, penalties, constraints, schedules, and what a resumed run finds."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import count

import numpy as np
from mutants_of_play import numbers, with_player
from planting import Changed, Mutant, network, ops, optimizer, patch, run, step

from gankit.conformance.penalties import seen_by
from gankit.play.judging import scores
from gankit.play.step import minibatch, under


def after_each_step(change):
    """Algorithm 1, and then change(game, state, batch, the terms), which returns (state, terms)."""

    def planted(real):
        def made(game):
            inner = real(game)

            def stepped(state, batch):
                return change(game, *inner(state, batch), batch)

            return stepped

        return made

    return step(planted)


def d_judges_fakes_again(game, state, terms, batch):
    """What a D in training mode does to itself when G's phase asks it."""
    g, d, key = state.generator, state.discriminator, game.ops.key(batch.key)
    generator, discriminator = (game.seats[role].network for role in ("generator", "discriminator"))
    fake, _ = generator.apply(g.params, g.buffers, batch.generator.z, {}, train=True, key=key)
    _, buffers = discriminator.apply(d.params, d.buffers, fake, {}, train=True, key=key)
    return with_player(state, "discriminator", d._replace(buffers=buffers)), terms


def g_moves_with_d_s_fakes(game, state, terms, batch):
    g, z, network = state.generator, minibatch(batch.discriminator).z, game.seats["generator"].network
    _, buffers = network.apply(g.params, g.buffers, z, {}, train=True, key=game.ops.key(batch.key))
    return with_player(state, "generator", g._replace(buffers=buffers)), terms


def fakes_first(real):
    def judge(game, role, players, draw, fake, key, **options):
        exchanged = draw._replace(real=fake, given=draw.fake_given, fake_given=draw.given)
        judged = real(game, role, players, exchanged, draw.real, key, **options)
        return judged._replace(real=judged.fake, fake=judged.real)

    return judge


def slopes_held(real):
    def gradient(ops, net, x, labels):
        slope = real(ops, net, x, labels)
        return ops.stop_gradient(slope) if getattr(net, "slopes", ()) else slope

    return gradient


def drifting_layout(real, o, placed, calls=count(1)):  # noqa: B008
    def own(tensors):
        return {name: tensor * (1 + 1e-6 * next(calls)) for name, tensor in real.own(tensors).items()}

    return own


def bound(run, thread):
    def changed(*arguments, **options):
        if threading.get_ident() != thread:
            raise RuntimeError("there is no stream of this name in the current thread")
        return run(*arguments, **options)

    return changed


def with_itself(real):
    def judge(*arguments, **options):
        judged = real(*arguments, **options)
        return judged._replace(fake=judged.real)

    return judge


def scoring_moves_d(real):
    def score(self, *arguments, **options):
        d = self._state.discriminator
        moved = {name: 1.001 * buffer for name, buffer in d.buffers.items()}
        self._state = with_player(self._state, "discriminator", d._replace(buffers=moved))
        return real(self, *arguments, **options)

    return score


def penalty_apart(real):
    """Another update of D, down the gradient of its penalties alone."""

    def made(game):
        inner, seat = real(replace(game, terms=())), game.seats["discriminator"]

        def stepped(state, batch):
            state, terms = inner(state, batch)
            d, draw, key, given = (
                state.discriminator,
                minibatch(batch.discriminator),
                game.ops.key(batch.key),
                batch.numbers,
            )

            def objective(params):
                def net(x, own=None):
                    return scores(game, "discriminator", d._replace(params=params), x, own or {}, key)[0]

                return given["r1"] * game.terms[0](seen_by(game.ops, net, draw, draw.real, key, {})), None

            (value, _), gradient = game.ops.value_and_grad(objective)(d.params)
            moved = seat.optimizer.update(d.slots, d.params, gradient, under("discriminator/", given))
            after = with_player(state, "discriminator", d._replace(slots=moved[0], params=moved[1]))
            return after, {**terms, "r1": value}

        return stepped

    return made


def penalty_on_parameters(real):
    """The squared gradient of the mean logit in D's parameters, in the place of that in the examples."""

    def descent(game, phase, state, objective):
        if phase == "generator" or not game.terms:
            return real(game, phase, state, objective)
        o, key, name = game.ops, game.ops.key((np.uint32(1), np.uint32(2))), game.terms[0].name
        x = o.asarray(np.random.default_rng(0).random((8, 3, 2, 1)))

        def changed(params):
            value, (buffers, memory, terms) = objective(params)

            def mean_logit(own):
                d = state.discriminator._replace(params=own)
                return o.xp.mean(scores(game, "discriminator", d, x, {}, key)[0].logits)

            gradient = o.grad(mean_logit)(params["discriminator"])
            wrong = 0.5 * sum(o.xp.sum(g * g) for g in gradient.values())
            return value - terms[name] + wrong, (buffers, memory, {**terms, name: wrong})

        return real(game, phase, state, changed)

    return descent


def turned(tensors):
    return {name: t.T if t.ndim == 2 else t for name, t in tensors.items()}


def data_changed_in_place(backend):
    """Every call of ops.run finds the data, or their units, a little darker than the last one left them."""
    calls = count()

    def darker(step_, state, batches, units, *shared, **options):
        offset, scale = units[""][""]
        changed = {**units, "": {**units[""], "": (offset + 0.5 * next(calls), scale)}}
        return backend.ops.run(step_, state, batches, changed, *shared, **options)

    return Changed(backend, ops=Changed(backend.ops, run=darker))


def position_lost(real):
    def restore(self, path):
        real(self, path)
        done, make = self.steps_done, self._batches.make
        self._batches.make = lambda start, stop, *data: make(start - done, stop - done, *data)
        return self

    return restore


def without_slots(real):
    def pack(self, state):
        arrays, meta = real(self, state)
        return {name: array for name, array in arrays.items() if "/slots/" not in name}, meta

    return pack


TRAINER = "gankit.play.trainer:AdversarialTrainer"
PHASES, EVALUATION = "check_running_statistics_move_in_their_own_phase", "check_evaluation_leaves_running_statistics"
PENALTY = "check_penalty_follows_the_oracle"

KNOBS = (
    Mutant("G's phase moves D's running statistics", PHASES, core=after_each_step(d_judges_fakes_again)),
    Mutant("D's phase moves G's running statistics", PHASES, core=after_each_step(g_moves_with_d_s_fakes)),
    Mutant("fakes go through D before reals", PHASES, core=patch("gankit.play.phases", "judge", fakes_first)),
    Mutant("reals and fakes are normalised together", PHASES, network(mixes_samples=lambda real, o, placed: False)),
    Mutant("scoring moves D's running statistics", EVALUATION, core=patch(TRAINER, "score", scoring_moves_d)),
    Mutant(
        "running statistics are not restored",
        "check_running_statistics_are_resumed",
        core=patch(
            "gankit.checkpoint",
            "under",
            lambda real: lambda prefix, a: {k: 0 * x if "buffers" in prefix else x for k, x in real(prefix, a).items()},
        ),
    ),
    Mutant(
        "the data's position is lost", "check_resumed_by_another_trainer", core=patch(TRAINER, "restore", position_lost)
    ),
    Mutant(
        "slots are not saved",
        "check_every_leaf_is_saved",
        core=patch("gankit.play.assembled:Assembled", "pack", without_slots),
    ),
    Mutant("the penalty is a step of its own", PENALTY, core=step(penalty_apart)),
    Mutant("the penalty is on parameters", PENALTY, core=patch("gankit.play.phases", "descent", penalty_on_parameters)),
    Mutant(
        "slopes of the judging pass are constants",
        "check_penalty_of_every_step_follows_the_oracle",
        core=patch("gankit.parts.penalties", "input_gradient", slopes_held),
    ),
    Mutant("a constraint's layout has a memory", "check_a_constrained_game_is_resumed", network(own=drifting_layout)),
    Mutant(
        "a game is bound to the thread that built it",
        "check_plays_on_another_thread",
        ops(run=lambda o: bound(o.run, threading.get_ident())),
    ),
    Mutant(
        "the penalty acts at every step",
        PENALTY,
        run(lambda b: b._replace(numbers={**b.numbers, "r1": np.full_like(b.numbers["r1"], 1.0)})),
    ),
    Mutant(
        "k counts losses",
        "check_k_steps_draw_fresh_batches_and_latents",
        core=step(lambda real: lambda game: real(replace(game, k=(game.k + 1) // 2))),
    ),
    Mutant(
        "the step compares D with itself",
        "check_minimax_follows_the_oracle",
        core=patch("gankit.play.phases", "judge", with_itself),
    ),
    Mutant("data are changed in place", "check_minimax_follows_the_oracle", data_changed_in_place),
    Mutant(
        "adam ignores the schedule of b2",
        "check_scheduled_betas_follow_the_oracle",
        optimizer(numbers(b2=lambda x: 0.0 * x + 0.9)),
    ),
    Mutant(
        "constraints see kernels the other way round",
        "check_constraints_see_the_canonical_layout",
        network(
            canonical=lambda real, o, placed: lambda tensors: turned(real.canonical(tensors)),
            own=lambda real, o, placed: lambda tensors: real.own(turned(tensors)),
        ),
    ),
)
