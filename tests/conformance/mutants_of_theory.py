"""Faults that leave a game running, and that only theory, or the modes it ends in, can tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from planting import Mutant, ops, patch, run, step

OPTIMUM = "check_discriminator_reaches_its_optimum"
TURNS = "check_discriminator_reaches_an_optimum_that_turns"
EQUAL = "check_value_of_one_half_at_equilibrium"
RING = "check_ring_is_covered"


def d_loss(function):
    """D's objective is function(the real one, ops, real, fake)."""
    return patch(
        "gankit.parts.losses:CrossEntropy",
        "discriminator",
        lambda real: lambda self, o, x, g: function(lambda x, g: real(self, o, x, g), o, x, g),
    )


def g_loss(function):
    """G's objective is function(ops, fake logits)."""
    return patch(
        "gankit.parts.losses:NonSaturating", "generator", lambda real: lambda self, o, x, g: function(o, g.logits)
    )


def with_logits(scores, change):
    return replace(scores, logits=change(scores.logits))


def z(change):
    """Both players' latents are change(them); (steps, ..., m, latent_dim)."""

    def tamper(b):
        d, g = b.discriminator, b.generator
        return b._replace(discriminator=d._replace(z=change(d.z)), generator=g._replace(z=change(g.z)))

    return run(tamper)


def examples(change):
    """D's real examples are other rows of the data: change(their indices)."""
    return run(lambda b: b._replace(discriminator=b.discriminator._replace(real=change(b.discriminator.real))))


def numbers(**changes):
    names = {name.replace("_", "/"): f for name, f in changes.items()}
    return run(lambda b: b._replace(numbers={n: names[n](x) if n in names else x for n, x in b.numbers.items()}))


def one_of_each_batch(array):
    return np.broadcast_to(array[..., :1, :], array.shape).copy()


def few(array):
    """The same eight latents over and over."""
    pool = np.random.default_rng(0).standard_normal((8, array.shape[-1]))
    picked = np.arange(array.shape[-2]) % 8
    return np.broadcast_to(pool[picked], array.shape).astype(array.dtype)


def logged(change):
    """The step reports other terms."""

    def changed(real):
        def made(game):
            inner = real(game)

            def stepped(state, batch):
                state, terms = inner(state, batch)
                return state, change(terms)

            return stepped

        return made

    return step(changed)


THEORY = (
    Mutant("D's objective has the other sign", OPTIMUM, core=d_loss(lambda real, o, x, g: -real(x, g))),
    Mutant("D is compared with itself for a whole game", OPTIMUM, core=d_loss(lambda real, o, x, g: real(x, x))),
    Mutant("real and fake are exchanged", OPTIMUM, core=d_loss(lambda real, o, x, g: real(g, x))),
    Mutant(
        "d_weight on fakes only",
        OPTIMUM,
        core=d_loss(lambda real, o, x, g: o.xp.mean(o.softplus(-x.logits)) + 0.5 * o.xp.mean(o.softplus(g.logits))),
    ),
    Mutant(
        "smoothed labels that scale the logits",
        OPTIMUM,
        core=d_loss(lambda real, o, x, g: real(with_logits(x, lambda logits: 0.9 * logits), g)),
    ),
    Mutant(
        "a sigmoid before the cross-entropy",
        OPTIMUM,
        core=d_loss(lambda real, o, x, g: real(with_logits(x, o.sigmoid), with_logits(g, o.sigmoid))),
    ),
    Mutant(
        "D minimises squares",
        OPTIMUM,
        core=d_loss(lambda real, o, x, g: o.xp.mean((x.logits - 1) ** 2) + o.xp.mean(g.logits**2)),
    ),
    Mutant("one z for a whole batch", OPTIMUM, z(one_of_each_batch)),
    Mutant("a few latents over and over", OPTIMUM, z(few)),
    Mutant("latents of a lesser variance", OPTIMUM, z(lambda array: 0.9 * array)),
    Mutant("D's loss is logged by half", OPTIMUM, core=logged(lambda terms: {**terms, "d_loss": terms["d_loss"] / 2})),
    Mutant(
        "G's loss is logged as D's",
        OPTIMUM,
        core=logged(lambda terms: {**terms, "d_loss": 2 * terms["g_loss"]}),
    ),
    Mutant("D hardly learns", OPTIMUM, numbers(discriminator_lr=lambda x: 0.01 * x)),
    Mutant(
        "D has no nonlinearity",
        TURNS,
        core=patch("gankit.networks.mlp", "LeakyRelu", lambda real: lambda slope: real(1.0)),
    ),
    Mutant(
        "d_weight on real examples only",
        EQUAL,
        core=d_loss(lambda real, o, x, g: 0.5 * o.xp.mean(o.softplus(-x.logits)) + o.xp.mean(o.softplus(g.logits))),
    ),
    Mutant("only the first half of the data is seen", EQUAL, examples(lambda rows: rows // 2)),
    Mutant(
        "examples in other units than G's",
        EQUAL,
        core=patch("gankit.play.feed", "in_model_units", lambda real: lambda x, *u: x),
    ),
    Mutant("G helps D", RING, core=g_loss(lambda o, logits: o.xp.mean(o.softplus(logits)))),
    Mutant("G stands still", RING, numbers(generator_lr=lambda x: 0 * x)),
    Mutant("G is moved by its best example only", RING, core=g_loss(lambda o, logits: o.softplus(-o.xp.max(logits)))),
    Mutant("a few latents over and over, for both", RING, z(few)),
    Mutant("one z for both players' whole batches", RING, z(one_of_each_batch)),
    Mutant("D stands still", RING, numbers(discriminator_lr=lambda x: 0 * x)),
    Mutant("the moving average stays at the start", RING, ops(average=lambda o: lambda mean, new, decay: mean)),
    Mutant(
        "R1 is a hundred times as strong",
        RING,
        core=patch("gankit.parts.penalties", "half_squared_gradient", lambda real: lambda *a: 100 * real(*a)),
    ),
    Mutant(
        "R1 rewards steep slopes",
        RING,
        core=patch("gankit.parts.penalties", "half_squared_gradient", lambda real: lambda *a: -real(*a)),
    ),
)
