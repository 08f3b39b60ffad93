"""Faults of the functions of `Ops` that show beyond the first two derivatives, one axis and one dict."""

from __future__ import annotations

import numpy as np
from planting import Mutant, ops

# The functions of Ops.


def cut_when_nested(limit):
    """A gradient inside so many others is a constant of them."""

    def plant(o):
        depth = [0]

        def grad(f):
            def counted(x):
                depth[0] += 1
                try:
                    return f(x)
                finally:
                    depth[0] -= 1

            def evaluated(x):
                found = o.grad(counted)(x)
                return o.tree_map(o.stop_gradient, found) if depth[0] >= limit else found

            return evaluated

        return grad

    return plant


def parabola(o):
    """softplus and its first two derivatives, and none after them."""

    def softplus(x):
        at = o.stop_gradient(x)
        s, away = o.sigmoid(at), x - at
        return o.softplus(at) + s * away + 0.5 * s * (1 - s) * away * away

    return softplus


def unused_is_an_error(o):
    """As torch has it by default, but only inside another gradient."""
    depth = [0]

    def grad(f):
        def evaluated(tree):
            if depth[0] and isinstance(tree, dict) and "unused" in tree:
                raise RuntimeError("One of the differentiated tensors appears not to have been used in the graph.")
            depth[0] += 1
            try:
                return o.grad(f)(tree)
            finally:
                depth[0] -= 1

        return evaluated

    return grad


def over_axis_1(o):
    def log_softmax(x):
        if len(x.shape) < 3:
            return o.log_softmax(x)
        return o.xp.moveaxis(o.log_softmax(o.xp.moveaxis(x, 1, -1)), -1, 1)

    return log_softmax


def in_place_order(o):
    """tree_map that pairs the values of dicts in the order that they happen to have."""

    def ordered(first, tree):
        if not isinstance(tree, dict):
            return tree
        return dict(zip(first, tree.values(), strict=True))

    return lambda f, tree, *others: o.tree_map(f, tree, *(ordered(tree, other) for other in others))


FUNCTIONS = (
    Mutant("the third gradient is cut", "check_gradients_may_be_nested_three_deep", ops(grad=cut_when_nested(2))),
    Mutant("softplus has two derivatives", "check_gradients_may_be_nested_three_deep", ops(softplus=parabola)),
    Mutant(
        "an unused input of an inner gradient is an error",
        "check_unused_inputs_have_gradient_zero",
        ops(grad=unused_is_an_error),
    ),
    Mutant("log_softmax over axis 1", "check_log_softmax", ops(log_softmax=over_axis_1)),
    Mutant(
        "log_softmax of one example is 0",
        "check_log_softmax",
        ops(log_softmax=lambda o: lambda x: 0.0 * x if len(x.shape) == 1 else o.log_softmax(x)),
    ),
    Mutant(
        "one_hot puts classes second",
        "check_one_hot",
        ops(one_hot=lambda o: lambda y, n: o.xp.moveaxis(o.one_hot(y, n), -1, min(1, len(y.shape)))),
    ),
    Mutant("tree_map goes by place", "check_trees_go_by_name", ops(tree_map=in_place_order)),
    Mutant(
        "average goes by place",
        "check_trees_go_by_name",
        ops(
            average=lambda o: (
                lambda mean, new, decay: o.average(mean, dict(zip(mean, new.values(), strict=True)), decay)
            )
        ),
    ),
    Mutant(
        "numbers come through float32",
        "check_numbers_keep_their_digits",
        ops(asarray=lambda o: lambda x: o.asarray(np.float64(np.float32(x)) if isinstance(x, float) else x)),
    ),
    Mutant(
        "the decay comes through float32",
        "check_numbers_keep_their_digits",
        ops(average=lambda o: lambda mean, new, decay: o.average(mean, new, float(np.float32(decay)))),
    ),
)
