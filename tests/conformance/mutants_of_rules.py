"""Faults of what stands around Algorithm 1: clipping, parts, constraints, labels, pairs, memories, streamed data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from mutants_of_open import after
from mutants_of_play import discriminator
from planting import Mutant, patch, run

from gankit.interfaces import LABEL

# The game around Algorithm 1.


def each_by_itself(real):
    def clipped(ops_, gradient, limit):
        return {name: real(ops_, {name: g}, limit)[name] for name, g in gradient.items()}

    return clipped


def entries(real):
    def clipped(ops_, gradient, limit):
        return {name: ops_.xp.clip(g, -limit, limit) for name, g in gradient.items()}

    return clipped


def first_part(real):
    """The gradient of the first part, and the others are left out."""
    return lambda game, gradient: (
        lambda state, draw, numbers, key: gradient(
            state, draw.rows(slice(0, draw.z.shape[0] // game.accumulate)), numbers, key
        )
    )


def parts_from_the_start(real):
    """Every part begins with the buffers that the minibatch began with."""

    def accumulated(game, gradient):
        begun = []

        def anew(state, *a):
            begun[:] = begun or [state]
            return gradient(begun[0], *a)

        def whole(*a):
            begun.clear()
            return real(game, anew)(*a)

        return whole

    return accumulated


def first_buffers(real):
    """The gradient of all parts, and the buffers of the first one."""
    return lambda game, gradient: (
        lambda *a: real(game, gradient)(*a)._replace(buffers=first_part(real)(game, gradient)(*a).buffers)
    )


def summed_parts(real):
    def accumulated(game, gradient):
        mean = real(game, gradient)

        def total(*a):
            found = mean(*a)
            return found._replace(gradient=game.ops.tree_map(lambda g: game.accumulate * g, found.gradient))

        return total

    return accumulated


def constrained_once(real):
    return lambda game, phase, state, descent, numbers, again=False: real(
        replace(game, constraints=()) if again else game, phase, state, descent, numbers, again
    )


def constrained_last(real):
    """After the last of D's updates only, which is the k-th."""
    calls = [0]

    def descended(game, phase, state, descent, numbers, again=False):
        calls[0] = calls[0] + 1 if again else 1
        free = phase == "discriminator" and calls[0] < game.k
        return real(replace(game, constraints=()) if free else game, phase, state, descent, numbers, again)

    return descended


def under_labels_of_reals(real):
    return lambda game, match, players, draw, key: real(game, match, players, draw._replace(fake_given=draw.given), key)


def right_labels(d):
    return d._replace(others={"mismatched": d.others["mismatched"]._replace(given=d.given)})


def mismatched_are_fakes(real):
    def judge(*a, **options):
        judged = real(*a, **options)
        if judged.real.mismatched is None:
            return judged
        return judged._replace(real=replace(judged.real, mismatched=judged.fake.logits))

    return judge


def rolled_pairs(b):
    g = b.generator
    return b._replace(generator=g._replace(given={LABEL: np.roll(g.labels, 1, axis=1)}, fake_given=g.fake_given))


def reals_of_d(b):
    return b._replace(generator=b.generator._replace(real=b.discriminator.real[:, -1]))


def remembered_when_weighed(real):
    def term_values(game, phase, moment, memory):
        value, remembered, values = real(game, phase, moment, memory)
        o = game.ops

        def kept(name, new):
            on = 1.0 * (o.asarray(np.zeros(())) + moment.numbers[name] != 0)
            return {key: on * x + (1 - on) * memory[name][key] for key, x in new.items()}

        return value, {name: kept(name, new) for name, new in remembered.items()}, values

    return term_values


def remembering(change):
    """What terms remember is restored from change(the arrays of the checkpoint)."""
    return patch(
        "gankit.play.assembled:Assembled", "_remembered", lambda real: lambda self, arrays: real(self, change(arrays))
    )


def streamed(change):
    """What comes in blocks, as data too large for the device do, comes with other labels."""

    def tamper(b):
        d = b.discriminator
        return b._replace(discriminator=d._replace(given=change(d.given), fake_given=d.given)) if d.real.ndim > 3 else b

    return run(tamper)


def coming(change):
    """Examples that come in an iterable are cut into change(batches)."""
    return patch(
        "gankit.play.batches:Batches",
        "cut",
        lambda real: lambda self, start, stop, x, given: change(real(self, start, stop, x, given)),
    )


def d_s_first(b):
    """G's phase has the labels of D's first minibatch."""
    first = {name: values[:, 0] for name, values in b.discriminator.given.items()}
    return b._replace(generator=b.generator._replace(given=first, fake_given=first))


def backwards(b):
    """D's minibatches keep their labels where the examples change places."""
    d = b.discriminator
    return b._replace(discriminator=d._replace(real=d.real[:, ::-1]))


def weighing(change):
    """Terms have change(weight) in the place of their weight."""

    def planted(real):
        def term_values(game, phase, moment, memory):
            numbers = {name: change(number) for name, number in moment.numbers.items()}
            return real(game, phase, replace(moment, numbers=numbers), memory)

        return term_values

    return patch("gankit.play.phases", "term_values", planted)


def whatever_is_ready(real):
    def chunk(self, start, stop):
        ready, self._ready = self._ready, None
        return self._chunk(start, stop) if ready is None else ready[1]

    return chunk


def one_step_late(real):
    """After a restore, minibatches are those of one step later."""

    def restore(self, path):
        real(self, path)
        make = self._batches.make
        self._batches.make = lambda start, stop, *data: make(start + 1, stop + 1, *data)
        return self

    return restore


WEIGHT, TAKEN_UP = "check_terms_that_remember_have_their_weight", "check_a_run_that_broke_off_is_taken_up"
CLIP, PARTS = "check_clipping_is_of_a_players_whole_gradient", "check_accumulated_parts_are_the_whole_minibatch"
COUNTED = "check_running_statistics_move_once_a_part"
CONSTRAINTS, REMEMBER = "check_constraints_see_the_canonical_layout", "check_terms_remember"
UNIFORM, WRONG = "check_fakes_with_labels_of_their_own_follow_the_oracle", "check_mismatched_labels_follow_the_oracle"
PAIRS, RESUMED = "check_pairs_are_under_one_label", "check_what_terms_remember_is_resumed"
STREAMED = "check_streamed_labels_stay_in_step"
COMING = "check_batches_that_come_follow_the_oracle"

RULES = (
    Mutant("all terms weigh 1", WEIGHT, core=weighing(lambda weight: 0.0 * weight + 1.0)),
    Mutant("weights are squared", WEIGHT, core=weighing(lambda weight: weight * weight)),
    Mutant(
        "any chunk that is ready is played", TAKEN_UP, core=patch("gankit.play.feed:Feed", "chunk", whatever_is_ready)
    ),
    Mutant(
        "a run is taken up one step late",
        TAKEN_UP,
        core=patch("gankit.play.trainer:AdversarialTrainer", "restore", one_step_late),
    ),
    Mutant("every array is clipped by itself", CLIP, core=patch("gankit.play.step", "clipped", each_by_itself)),
    Mutant("every entry is clipped by itself", CLIP, core=patch("gankit.play.step", "clipped", entries)),
    Mutant("parts after the first are left out", PARTS, core=patch("gankit.play.step", "accumulated", first_part)),
    Mutant("parts begin anew", COUNTED, core=patch("gankit.play.step", "accumulated", parts_from_the_start)),
    Mutant("only the first part counts", COUNTED, core=patch("gankit.play.step", "accumulated", first_buffers)),
    Mutant("parts are added up", PARTS, core=patch("gankit.play.step", "accumulated", summed_parts)),
    Mutant("D is constrained once a step", CONSTRAINTS, core=patch("gankit.play.step", "descended", constrained_once)),
    Mutant(
        "D is constrained after its last update",
        CONSTRAINTS,
        core=patch("gankit.play.step", "descended", constrained_last),
    ),
    Mutant("fakes keep the labels of the reals", UNIFORM, run(discriminator(lambda d: d._replace(fake_given=d.given)))),
    Mutant(
        "fakes are made under the labels of the reals",
        UNIFORM,
        core=patch("gankit.play.phases", "generate", under_labels_of_reals),
    ),
    Mutant("mismatched labels match", WRONG, run(discriminator(right_labels))),
    Mutant("fakes for mismatched pairs", WRONG, core=patch("gankit.play.phases", "judge", mismatched_are_fakes)),
    Mutant("G is compared with other classes", PAIRS, run(rolled_pairs)),
    Mutant("G is compared with what D has seen", PAIRS, run(reals_of_d)),
    Mutant(
        "terms remember when they act",
        REMEMBER,
        core=patch("gankit.play.phases", "term_values", remembered_when_weighed),
    ),
    Mutant("terms remember nothing", REMEMBER, core=after(lambda before, state: state._replace(memory=before.memory))),
    Mutant("what terms remember is not restored", RESUMED, core=remembering(lambda arrays: {})),
    Mutant(
        "a restored memory is that of another term",
        RESUMED,
        core=remembering(lambda arrays: {n.replace("generator-", "discriminator-"): x for n, x in arrays.items()}),
    ),
    Mutant(
        "streamed examples have the labels of others",
        STREAMED,
        streamed(lambda given: {LABEL: np.roll(given[LABEL], 1, axis=-1)}),
    ),
    Mutant(
        "streamed examples have the labels of the first step",
        STREAMED,
        streamed(lambda given: {LABEL: np.repeat(given[LABEL][:1], len(given[LABEL]), axis=0)}),
    ),
    Mutant("what comes has D's first labels in G's phase", COMING, coming(d_s_first)),
    Mutant("what comes changes places without its labels", COMING, coming(backwards)),
    Mutant("streamed fakes are of the classes of the reals", STREAMED, streamed(lambda given: given)),
)
