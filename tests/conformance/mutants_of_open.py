"""Faults of games with conditions of any kind, and with more players than two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from mutants_of_play import with_player
from planting import Mutant, network, patch, run, step


def rolled(draw, name):
    return draw._replace(given={**draw.given, name: np.roll(draw.given[name], 1, axis=-1)})


def vectors_of_others(b):
    """D sees each real example beside the vector of another; G's fakes keep theirs."""
    d = b.discriminator
    return b._replace(discriminator=rolled(d, "style")._replace(fake_given=d.given))


def one_mask(b):
    """Every example is masked alike: the maker's noise is the first one's."""

    def alike(draw):
        noise = np.broadcast_to(draw.given["noise/0"][..., :1, :], draw.given["noise/0"].shape).copy()
        given = {**draw.given, "noise/0": noise}
        return draw._replace(given=given, fake_given=given)

    return b._replace(discriminator=alike(b.discriminator), generator=alike(b.generator))


def masks_alone_are_dropped(real, o, placed):
    """A network that is handed a mask of ones, whatever was asked."""

    def apply(params, buffers, x, given=None, **options):
        given = {name: o.xp.ones_like(v) if name == "mask" else v for name, v in (given or {}).items()}
        return real.apply(params, buffers, x, given, **options)

    return apply


def answers_to_others(real):
    """G answers the conditions of other examples than those that D sees its answers under."""

    def generate(game, match, players, draw, key):
        def other(given):
            return {name: game.ops.xp.roll(v, 1, axis=0) for name, v in given.items()}

        return real(game, match, players, draw._replace(fake_given=other(draw.fake_given)), key)

    return generate


def after(change):
    """Every step ends in change(the state before, the state after)."""

    def changed(real):
        def made(game):
            inner = real(game)

            def stepped(state, batch):
                before = state._replace(players=game.ops.copy(state.players))
                state, terms = inner(state, batch)
                return change(before, state), terms

            return stepped

        return made

    return step(changed)


def stands(role):
    """A player that does not move."""
    return after(lambda before, state: with_player(state, role, before.players[role]))


def without(prefix):
    """Checkpoints from which this part is not read: it is 0."""
    return patch(
        "gankit.checkpoint",
        "under",
        lambda real: lambda name, a: {k: 0 * x if name.startswith(prefix) else x for k, x in real(name, a).items()},
    )


def first_numbers(real):
    """The schedules of further players stay at their beginning."""

    def numbers(self, start, stop):
        now, then = real(self, start, stop), real(self, 0, 1)
        late = {name for name in now if name.startswith(("generator-b/", "discriminator-b/"))}
        return {name: np.full_like(v, then[name][0]) if name in late else v for name, v in now.items()}

    return numbers


def paired_after_all(b):
    """The second domain is walked through in the order of the first."""

    def alike(draw):
        other = draw.others["b"]
        return draw._replace(others={"b": other._replace(real=draw.real % 29)})

    return b._replace(discriminator=alike(b.discriminator), generator=alike(b.generator))


def one_player_bound(real):
    """A constraint reaches the player that it names, and no further one of its phase."""

    def descended(game, phase, state, descent, numbers, again=False):
        apart = state._replace(players=game.ops.copy(state.players))
        free = real(replace(game, constraints=()), phase, apart, descent, numbers, again)
        bound = real(game, phase, state, descent, numbers, again)
        further = {role: player for role, player in free.players.items() if role.endswith("-b")}
        return bound._replace(players={**bound.players, **further})

    return descended


def both_bound(real):
    """A constraint binds both sides, whomever it names."""

    def made(self):
        real(self)
        object.__setattr__(self, "player", "both")

    return made


def unturned(real):
    """E is taught as G is: that its pairs look real."""
    return lambda said: said


def turned_on_one_side(real):
    """E's real examples are turned into fakes, and what they are set against stays a fake."""
    passes = iter(range(10**9))

    def turned(said):
        return said if next(passes) % 2 == 0 else real(said)

    return turned


OPEN = (
    Mutant("vectors of other examples", "check_conditions_follow_the_oracle", run(vectors_of_others)),
    Mutant("one mask for the whole minibatch", "check_conditions_follow_the_oracle", run(one_mask)),
    Mutant(
        "networks do not see masks",
        "check_conditions_in_one_move_follow_the_oracle",
        network(apply=masks_alone_are_dropped),
    ),
    Mutant(
        "G answers other conditions",
        "check_conditions_in_one_move_follow_the_oracle",
        core=patch("gankit.play.phases", "generate", answers_to_others),
    ),
    Mutant("a further G stands still", "check_further_players_follow_the_oracle", core=stands("generator-b")),
    Mutant("a further D stands still", "check_further_players_follow_the_oracle", core=stands("discriminator-b")),
    Mutant(
        "the average of a further G stands still",
        "check_further_players_follow_the_oracle",
        core=after(
            lambda before, state: state._replace(
                averages={**state.averages, "generator-b": before.players["generator-b"].params}
            )
        ),
    ),
    Mutant(
        "schedules reach two players",
        "check_further_players_by_sgd_follow_the_oracle",
        core=patch("gankit.play.batches:Batches", "numbers", first_numbers),
    ),
    Mutant("all sources in one order", "check_further_players_by_sgd_follow_the_oracle", run(paired_after_all)),
    Mutant(
        "a constraint reaches one player",
        "check_constraints_hold_for_all_players_of_a_phase",
        core=patch("gankit.play.step", "descended", one_player_bound),
    ),
    Mutant(
        "a constraint binds both sides",
        "check_constraints_hold_for_all_players_of_a_phase",
        core=patch("gankit.parts.constraints:MaxNorm", "__post_init__", both_bound),
    ),
    Mutant(
        "E learns as G does",
        "check_an_encoder_learns_against_g",
        core=patch("gankit.play.phases", "turned", unturned),
    ),
    Mutant(
        "a loss that compares sets E against fakes",
        "check_an_encoder_learns_against_g",
        core=patch("gankit.play.phases", "turned", turned_on_one_side),
    ),
    Mutant(
        "samples see pictures in the user's units",
        "check_answers_are_to_the_conditions_asked_for",
        core=patch(
            "gankit.play.inputs:Inputs",
            "_scaled",
            lambda real: lambda self, name, v: v.astype("float64") if name == "image" else real(self, name, v),
        ),
    ),
    Mutant(
        "scores are of the first condition",
        "check_answers_are_to_the_conditions_asked_for",
        core=patch(
            "gankit.play.inference:Inference",
            "judged",
            lambda real: (
                lambda self, role, d, x, given, size: real(
                    self, role, d, x, {name: np.repeat(v[:1], len(v), axis=0) for name, v in given.items()}, size
                )
            ),
        ),
    ),
    Mutant("a further average is not restored", "check_open_games_resume", core=without("ema/generator-b")),
    Mutant("a further player's slots are lost", "check_open_games_resume", core=without("discriminator-b/slots")),
)
