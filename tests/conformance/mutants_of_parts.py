"""Faults of the functions and losses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from planting import AT_TIES, IMMUTABLE, Mutant, drifting, ops, patch, run

from gankit.trees import tree_map


def cut_gradient(o):
    return lambda f: lambda tree: o.tree_map(o.stop_gradient, o.grad(f)(tree))


def none_for_unused(o):
    def gradient(f):
        def g(tree):
            found = o.grad(f)(tree)
            return (
                {k: v if np.any(o.to_numpy(v)) else None for k, v in found.items()}
                if isinstance(found, dict)
                else found
            )

        return g

    return gradient


def aux_held(o):
    def changed(f):
        def both(tree):
            (value, aux), gradient = o.value_and_grad(f)(tree)
            return (value, tree_map(o.stop_gradient, aux)), gradient

        return both

    return changed


def aux_dropped(o):
    def changed(f):
        def g(tree):
            (value, aux), gradient = o.value_and_grad(f)(tree)
            return (value, tree_map(lambda x: 0.0 * x, aux)), gradient

        return g

    return changed


def only_zero(o):
    """What was asked for otherwise is not listened to."""
    return lambda number, f, otherwise=None: o.when(number, f)


def frozen_compile(o):
    def changed(f):
        first = []

        def g(*arguments):
            first.append(f(*arguments))
            return first[0]

        return g

    return changed


OPS = (
    Mutant(
        "softplus is x above 20",
        "check_softplus",
        ops(softplus=lambda o: lambda x: o.xp.where(x > 20, x, o.softplus(x))),
    ),
    Mutant(
        "softplus by hand, derivative 0 at 0",
        "check_softplus",
        ops(softplus=lambda o: lambda x: o.relu(x) + o.xp.log1p(o.xp.exp(-o.xp.abs(x)))),
    ),
    Mutant("softplus overflows", "check_softplus", ops(softplus=lambda o: lambda x: o.xp.log(1 + o.xp.exp(x)))),
    Mutant("log of sigmoid", "check_log_sigmoid", ops(log_sigmoid=lambda o: lambda x: o.xp.log(o.sigmoid(x)))),
    Mutant("sigmoid overflows", "check_sigmoid", ops(sigmoid=lambda o: lambda x: o.xp.exp(x) / (1 + o.xp.exp(x)))),
    Mutant(
        "relu by maximum",
        "check_relu",
        ops(relu=lambda o: lambda x: o.xp.maximum(x, o.xp.zeros_like(x))),
        immune=AT_TIES,
    ),
    Mutant("relu has derivative 1 at 0", "check_relu", ops(relu=lambda o: lambda x: o.xp.where(x >= 0, x, 0 * x))),
    Mutant(
        "log of softmax",
        "check_log_softmax",
        ops(log_softmax=lambda o: lambda x: o.xp.log(o.xp.exp(x) / o.xp.sum(o.xp.exp(x), axis=-1)[..., None])),
    ),
    Mutant(
        "log_softmax over the batch", "check_log_softmax", ops(log_softmax=lambda o: lambda x: o.log_softmax(x.T).T)
    ),
    Mutant("grad is cut from the graph", "check_grad_of_grad_of_a_cubic", ops(grad=cut_gradient)),
    Mutant("an inner grad is a constant", "check_nested_gradient_sees_outer_parameters", ops(grad=cut_gradient)),
    Mutant("unused inputs give None", "check_unused_inputs_have_gradient_zero", ops(grad=none_for_unused)),
    Mutant("aux is a constant", "check_outer_gradient_passes_through_aux", ops(value_and_grad=aux_held)),
    Mutant("aux is lost", "check_value_and_grad_returns_aux", ops(value_and_grad=aux_dropped)),
    Mutant("stop_gradient does nothing", "check_stop_gradient", ops(stop_gradient=lambda o: lambda x: x)),
    Mutant("when always computes", "check_when", ops(when=lambda o: lambda number, f, otherwise=None: f())),
    Mutant(
        "when multiplies",
        "check_when",
        ops(when=lambda o: lambda number, f, otherwise=None: f() * float(number != 0)),
    ),
    Mutant("when knows no other case", "check_when", ops(when=only_zero)),
    Mutant("a lazy penalty is 0 in between", "check_penalty_follows_the_oracle", ops(when=only_zero)),
    Mutant("one_hot is off by one", "check_one_hot", ops(one_hot=lambda o: lambda y, n: o.one_hot(y + 1, n))),
    Mutant("take flattens the indices", "check_take", ops(take=lambda o: lambda x, i: o.take(x, i.reshape(-1)))),
    Mutant(
        "decay swapped",
        "check_average",
        ops(average=lambda o: lambda mean, new, decay: o.average(mean, new, 1 - decay)),
    ),
    Mutant("the average is the new", "check_average", ops(average=lambda o: lambda mean, new, decay: new)),
    Mutant("copy is no copy", "check_copy", ops(copy=lambda o: lambda tree: tree), immune=IMMUTABLE),
    Mutant(
        "tree_map exchanges trees",
        "check_tree_map",
        ops(tree_map=lambda o: lambda f, *t: o.tree_map(lambda *x: f(*x[::-1]), *t)),
    ),
    Mutant(
        "draws have a state",
        "check_keys_repeat",
        ops(normal=lambda o: lambda key, shape: o.normal(drifting(o, key), shape)),
    ),
    Mutant(
        "the second word is ignored",
        "check_keys_are_independent",
        ops(key=lambda o: lambda words: o.key((words[0], words[0]))),
    ),
    Mutant(
        "fold_in ignores its index",
        "check_keys_are_independent",
        ops(fold_in=lambda o: lambda key, i: o.fold_in(key, 0)),
    ),
    Mutant(
        "uniform on [-1, 1)", "check_uniform", ops(uniform=lambda o: lambda key, shape: 2 * o.uniform(key, shape) - 1)
    ),
    Mutant(
        "normal is uniform",
        "check_normal",
        ops(normal=lambda o: lambda key, shape: 12**0.5 * (o.uniform(key, shape) - 0.5)),
    ),
    Mutant(
        "softplus is float32",
        "check_dtype_is_kept",
        ops(softplus=lambda o: lambda x: o.xp.astype(o.softplus(x), o.xp.float32)),
    ),
    Mutant(
        "to_numpy is F-ordered", "check_to_numpy", ops(to_numpy=lambda o: lambda x: np.asfortranarray(o.to_numpy(x)))
    ),
    Mutant("to_numpy is a view", "check_to_numpy", ops(to_numpy=lambda o: lambda x: o.to_numpy(x)[...])),
    Mutant("0-d becomes (1,)", "check_to_numpy", ops(to_numpy=lambda o: lambda x: np.atleast_1d(o.to_numpy(x)))),
    Mutant(
        "asarray shares memory",
        "check_asarray_copies",
        ops(asarray=lambda o: lambda x: o.xp.from_dlpack(x)),
        immune=IMMUTABLE,
    ),
    Mutant(
        "asarray makes floats of integers",
        "check_integers_keep_their_dtype",
        ops(asarray=lambda o: lambda x: o.to_float(o.asarray(x))),
    ),
    Mutant("compile remembers its first answer", "check_compile", ops(compile=frozen_compile)),
    Mutant(
        "run leaves out the last step", "check_many_steps_in_one_call", run(lambda b: tree_map(lambda x: x[:-1], b))
    ),
    Mutant(
        "run gives every step the first numbers",
        "check_many_steps_in_one_call",
        run(lambda b: b._replace(numbers={n: np.full_like(x, x[0]) for n, x in b.numbers.items()})),
    ),
)


def times(factor):
    return lambda real: lambda self, *a: factor * real(self, *a)


def summed(real):
    return lambda self, o, r, f: real(self, o, r, f) * f.logits.shape[0]


def in_parameters(real):
    def changed(o, net, x, labels):
        gradient = o.grad(lambda params: o.xp.sum(replace(net, params=params)(x, labels).logits))(net.params)
        return 0.5 * sum(o.xp.sum(g * g) for g in gradient.values()) / x.shape[0]

    return changed


LOSS = "gankit.parts.losses:CrossEntropy"
SAT, NON, COND = "gankit.parts.losses:Minimax", "gankit.parts.losses:NonSaturating", "gankit.parts.losses:Conditional"

LOSSES = (
    Mutant("minimax is halved", "check_minimax", core=patch(SAT, "generator", times(0.5))),
    Mutant(
        "log(D + 1e-8)",
        "check_non_saturating",
        core=patch(
            NON, "generator", lambda real: lambda self, o, r, f: -o.xp.mean(o.xp.log(o.sigmoid(f.logits) + 1e-8))
        ),
    ),
    Mutant(
        "conditional drops the loss it wraps",
        "check_conditional",
        core=patch(COND, "discriminator", lambda real: lambda self, o, r, f: 0.0 * self.base.discriminator(o, r, f)),
    ),
    Mutant(
        "softmax before cross-entropy",
        "check_conditional_class_cross_entropy",
        ops(log_softmax=lambda o: lambda x: o.log_softmax(o.xp.exp(o.log_softmax(x)))),
    ),
    Mutant("sum instead of mean", "check_losses_are_means", core=patch(LOSS, "discriminator", summed)),
    Mutant(
        "only the first example counts",
        "check_losses_ignore_order",
        core=patch(NON, "generator", lambda real: lambda self, o, r, f: o.softplus(-f.logits[0])),
    ),
    Mutant(
        "D's sign is flipped",
        "check_discriminator_raises_real_and_lowers_fake",
        core=patch(LOSS, "discriminator", times(-1.0)),
    ),
    Mutant(
        "real and fake exchanged",
        "check_discriminator_raises_real_and_lowers_fake",
        core=patch(LOSS, "discriminator", lambda real: lambda self, o, r, f: real(self, o, f, r)),
    ),
    Mutant(
        "D is compared with itself",
        "check_discriminator_raises_real_and_lowers_fake",
        core=patch(LOSS, "discriminator", lambda real: lambda self, o, r, f: real(self, o, r, r)),
    ),
    Mutant("G's sign is flipped", "check_generator_raises_fake", core=patch(NON, "generator", times(-1.0))),
    Mutant(
        "minimax does not saturate",
        "check_minimax_saturates",
        core=patch(SAT, "generator", lambda real: lambda self, o, r, f: o.xp.mean(o.softplus(-f.logits))),
    ),
    Mutant(
        "d_weight is ignored",
        "check_d_weight",
        core=patch(LOSS, "discriminator", lambda real: lambda self, o, r, f: real(self, o, r, f) / self.d_weight),
    ),
    Mutant(
        "penalties average over pixels",
        "check_gradient_penalties",
        core=patch(
            "gankit.parts.penalties",
            "half_squared_gradient",
            lambda real: lambda o, net, x, y: real(o, net, x, y) / x.shape[1],
        ),
    ),
    Mutant(
        "penalties are on parameters instead of inputs",
        "check_gradient_penalties",
        core=patch("gankit.parts.penalties", "half_squared_gradient", in_parameters),
    ),
    Mutant(
        "R2 at real examples",
        "check_gradient_penalties",
        core=patch(
            "gankit.parts.penalties:R2",
            "__call__",
            lambda real: lambda self, o, net, draw, fake, key: real(self, o, net, draw, draw.real, key),
        ),
    ),
    Mutant(
        "a loss leaves the array standard",
        "check_losses_without_a_framework",
        core=patch(NON, "generator", lambda real: lambda self, o, r, f: o.softplus(-f.logits).mean()),
    ),
)
