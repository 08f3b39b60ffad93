"""Faults that no result shows by itself: shared keys, evaluation mode in a step, fast paths, rounding far from zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from mutants_of_play import with_player
from planting import Changed, Mutant, only, patch, step

from gankit import layers
from gankit.conformance.probes import ProbedOps

# Keys and modes.


def folded(change):
    """Every index that a key is folded with is change(it)."""

    def planted(real):
        def made(game):
            o = game.ops
            return real(replace(game, ops=Changed(o, fold_in=lambda key, i: o.fold_in(key, change(i)))))

        return made

    return step(planted)


def constant_key(real):
    def gradient(game, **options):
        inner = real(game, **options)
        words = (np.uint32(1), np.uint32(2))
        return lambda state, draw, given, key: inner(state, draw, given, game.ops.key(words))

    return gradient


def g_that_is_frozen(frozen):
    """G plays as a frozen one does, or as one that is not."""

    def planted(real):
        def generate(game, match, players, draw, key):
            seat = replace(game.seats[match.generator], frozen=frozen)
            return real(replace(game, seats={**game.seats, match.generator: seat}), match, players, draw, key)

        return generate

    return patch("gankit.play.phases", "generate", planted)


def d_in_evaluation(real):
    return lambda *a, **options: real(*a, **{**options, "train": False})


def nobody_frozen_in_its_phase(real):
    return lambda self, phase: tuple(role for role, seat in self.seats.items() if seat.phase == phase)


def of_any_inputs(self, rng, shape, data_mean):
    """As many numbers that are not 0, but in any column."""
    order = rng.random(shape[::-1]).argsort(axis=0).T
    return np.where(order < self.count, rng.normal(0.0, self.std, shape), 0.0)


def of_all_fans(real):
    return lambda self, rng, shape, data_mean: rng.normal(0.0, self.gain / np.prod(shape) ** 0.5, shape)


def without_a_mean(real):
    return lambda self, rng, shape, data_mean: rng.normal(0.0, self.std, shape)


def one_order(real):
    return lambda self, purpose, epoch=0: real(self, purpose)


def with_replacement(real):
    def order(self, purpose, start, stop, per_step, examples):
        steps = [self.generator(purpose, 7_000 + t).integers(0, examples, per_step) for t in range(start, stop)]
        return np.array(steps)

    return order


KEYS, MODES = "check_every_key_is_used_once", "check_every_pass_is_in_training"
FROZEN = "check_a_frozen_player_plays_as_in_evaluation"
START, ORDER = "check_starting_values_are_those_of_their_initialiser", "check_every_epoch_has_an_order_of_its_own"

KEYS_AND_MODES = (
    Mutant("all terms have one key", KEYS, core=folded(lambda i: 3 if 3 <= i < 100 else i)),
    Mutant("all augmentations have one key", KEYS, core=folded(lambda i: 100 if 100 <= i < 800 else i)),
    Mutant("all parts of a minibatch have one key", KEYS, core=folded(lambda i: 1000 if 1000 <= i < 2000 else i)),
    Mutant("D's k steps have one key", KEYS, core=patch("gankit.play.step", "discriminator_gradient", constant_key)),
    Mutant("both phases have one key", KEYS, core=folded(lambda i: 0 if i == 1 else i)),
    Mutant("D judges in evaluation mode", MODES, core=patch("gankit.play.judging", "scores", d_in_evaluation)),
    Mutant("G plays in evaluation mode", MODES, core=g_that_is_frozen(True)),
    Mutant("a frozen G plays in training mode", FROZEN, core=g_that_is_frozen(False)),
    Mutant("a frozen G moves", FROZEN, core=patch("gankit.play.game:Game", "moving", nobody_frozen_in_its_phase)),
    Mutant(
        "sparse units have any number of inputs",
        START,
        core=patch("gankit.parts.initializers:Sparse", "__call__", lambda real: of_any_inputs),
    ),
    Mutant(
        "He's fan is of inputs times outputs",
        START,
        core=patch("gankit.parts.initializers:HeNormal", "__call__", of_all_fans),
    ),
    Mutant(
        "a normal start has no mean",
        START,
        core=patch("gankit.parts.initializers:Normal", "__call__", without_a_mean),
    ),
    Mutant("one order for all epochs", ORDER, core=patch("gankit.play.streams:Streams", "generator", one_order)),
    Mutant(
        "examples are drawn with replacement",
        ORDER,
        core=patch("gankit.play.streams:Streams", "order", with_replacement),
    ),
)

# What is recorded or compiled, against what is written; and what large numbers show.


def off_by_a_little(real):
    """A fast path that leaves D a little elsewhere; the probed backend has none."""

    def made(game):
        inner = real(game)

        def stepped(state, batch):
            state, terms = inner(state, batch)
            if not isinstance(game.ops, ProbedOps):
                d = state.discriminator
                nudged = d._replace(params=game.ops.tree_map(lambda p: p + 1e-6, d.params))
                state = with_player(state, "discriminator", nudged)
            return state, terms

        return stepped

    return made


def noise_kept(real):
    """A fast path that draws once; the probed backend has none."""

    def made(game):
        if isinstance(game.ops, ProbedOps):
            return real(game)
        o, words = game.ops, (np.uint32(1), np.uint32(2))
        return real(replace(game, ops=Changed(o, uniform=lambda key, shape: o.uniform(o.key(words), shape))))

    return made


def squares_less_the_square(real, o, record):
    """Variance as the mean of squares less the squared mean."""

    def apply(params, buffers, x, labels=None, *, train, **options):
        out, moved = real.apply(params, buffers, x, labels, train=train, **options)
        if not train or params:
            return out, moved
        axes = tuple(range(len(x.shape) - 1))
        mean, squares = o.xp.mean(x, axis=axes), o.xp.mean(x * x, axis=axes)
        return (x - mean) / o.xp.sqrt(o.xp.abs(squares - mean * mean) + record.eps), moved

    return apply


def origin_at_zero(real, o, record):
    """Statistics of the examples as float16 would have them."""

    def apply(params, buffers, x, labels=None, *, train, **options):
        coarse = x if params else o.to_float(o.xp.round(x * 4) / 4)
        return real.apply(params, buffers, coarse, labels, train=train, **options)

    return apply


def own_variance(**how):
    """`ops.xp` whose variances take no correction, or always one."""

    def plant(backend):
        xp = backend.ops.xp

        def var(x, *, axis=None, correction=0, **more):
            return xp.var(x, axis=axis, correction=how.get("correction", 0), **more)

        def std(x, *, axis=None, correction=0, **more):
            return xp.std(x, axis=axis, correction=how.get("correction", 0), **more)

        return Changed(backend, ops=Changed(backend.ops, xp=Changed(xp, var=var, std=std)))

    return plant


def relabelled(change):
    """Samples that are drawn in several parts are of change(labels, the size of a part)."""

    def planted(real):
        def in_pieces(self, f, n, parts, given, size):
            other = {name: change(np.asarray(v), size) for name, v in given.items()} if n > size else given
            return real(self, f, n, parts, other, size)

        return in_pieces

    return patch("gankit.play.inference:Inference", "_in_pieces", planted)


def of_the_first_part(y, size):
    return np.resize(y[:size], y.shape)


def next_ones_after_the_first_part(y, size):
    return np.concatenate([y[:size], np.roll(y[size:], 1)])


WRITTEN, FAR = "check_a_step_is_played_as_it_is_written", "check_batch_norm_far_from_zero"
VARIANCE, MANY = "check_variances_take_a_correction", "check_many_samples_keep_their_labels"

FAST_PATHS = (
    Mutant("a fast path that is off by a little", WRITTEN, core=step(off_by_a_little)),
    Mutant("a fast path that keeps its noise", WRITTEN, core=step(noise_kept)),
    Mutant("variance is squares less the square", FAR, only(layers.BatchNorm, apply=squares_less_the_square)),
    Mutant("statistics of rounded examples", FAR, only(layers.BatchNorm, apply=origin_at_zero)),
    Mutant("every part of many samples is of the first one's classes", MANY, core=relabelled(of_the_first_part)),
    Mutant("later parts are off by one class", MANY, core=relabelled(next_ones_after_the_first_part)),
    Mutant("variances ignore the correction", VARIANCE, own_variance()),
    Mutant("variances always have a correction", VARIANCE, own_variance(correction=1)),
)

PROBES = (*KEYS_AND_MODES, *FAST_PATHS)
