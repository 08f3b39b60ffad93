"""Layers where they have a corner: at exactly 0, where pieces tie, and where a spread is 0."""

from __future__ import annotations

import numpy as np

from gankit import layers
from gankit.arrays import Array
from gankit.conformance.cases import Case, case
from gankit.conformance.compare import agree, require
from gankit.conformance.derivatives import Energy
from gankit.conformance.results import Check
from gankit.conformance.subject import Subject
from gankit.errors import ShapeError


def check_corners(subject: Subject) -> None:
    """Units that start at exactly 0 would have different gradients on every framework, so the same seed would not
    give the same run."""
    for dtype in subject.dtypes:
        backend = subject.open(dtype)
        for layer, want in ((layers.Relu(), 0.0), (layers.LeakyRelu(0.2), 0.2), (layers.LeakyRelu(0.01), 0.01)):
            gradient = in_input(case(backend, layer, (3,)), np.zeros((2, 3)))
            cause = "the framework's own convention at the hinge; write it as where(x > 0, x, slope * x)."
            agree(gradient, np.full((2, 3), want), f"{layer}: derivative at exactly 0", rtol=1e-6, cause=cause)


def in_input(c: Case, x: Array) -> Array:
    """The gradient in x of the sum of the outputs."""
    ops, (params, buffers) = c.backend.ops, c.start()
    gradient = ops.grad(lambda x: ops.xp.sum(c.apply(params, buffers, x)[0]["output"]))
    return ops.to_numpy(ops.compile(gradient)(ops.asarray(x)))


def check_maxout_ties_share_the_gradient(subject: Subject) -> None:
    """If maxout pieces start equal, all would learn on one backend, and only the first piece on another."""
    c = case(subject.open(), layers.Maxout(2, 4), (3,))
    ops = c.backend.ops
    params, buffers = c.network.init({name: np.zeros_like(array) for name, array in c.arrays.items()})
    gradient = c.network.export(
        ops.grad(lambda p: ops.xp.sum(c.apply(p, buffers, ops.asarray(c.x))[0]["output"]))(params)
    )
    want = np.full(8, len(c.x) / 4)
    cause = "argmax instead of max."
    agree(
        gradient["maxout0/bias"], want, "maxout: gradient in the bias where all 4 pieces tie", rtol=1e-12, cause=cause
    )


def check_pooled_ties_share_the_gradient(subject: Subject) -> None:
    """In flat regions of an image, such as black borders, the gradient would go to different pixels on every
    backend."""
    for layer, shape, share in ((layers.MaxPool(), (2, 4, 2), 1 / 4), (layers.MaxPieces(3), (2, 1, 6), 1 / 3)):
        gradient = in_input(case(subject.open(), layer, shape), np.zeros((2, *shape)))
        what = f"{layer}: gradient where all entries tie"
        agree(gradient, np.full(gradient.shape, share), what, rtol=1e-12, cause="argmax instead of max.")


def check_gradients_where_nothing_varies(subject: Subject) -> None:
    """If all examples are the same, as those of a collapsed G, every weight would become NaN."""
    for layer, shape in (
        (layers.MinibatchStddev(3), (2, 2, 1)),
        (layers.BatchNorm(), (2, 2, 1)),
        (layers.LayerNorm(), (2, 2, 1)),
    ):
        for dtype in subject.dtypes:
            c = case(subject.open(dtype), layer, shape)
            gradients = Energy(c, train=c.moves).gradients(np.full(c.x.shape, 0.5))
            for of, gradient in zip(("gradient", "gradient of a squared gradient"), gradients, strict=True):
                cause = "a root of 0; add the record's epsilon inside of it."
                finite = all(np.isfinite(array).all() for array in gradient.values())
                require(finite, f"{c.what}, equal examples: NaN in the {of}. Likely cause: {cause}")


def check_batch_norm_refuses_a_single_value(subject: Subject) -> None:
    """A single value has no variance. A game with such batches would silently train on zeros or NaN."""
    c = case(subject.open(), layers.BatchNorm(), (3,))
    try:
        c.apply(*c.start(), c.backend.ops.asarray(c.x[:1]), train=True)
    except ShapeError:
        return
    raise AssertionError("BatchNorm took a training batch of one vector: call gankit.layers.require_several.")


def check_batch_norm_far_from_zero(subject: Subject) -> None:
    """Examples with a large mean and a small spread, such as a series in large units, would turn into noise or NaN."""
    far = 1000.0 + 0.1 * np.random.default_rng(0).normal(size=(6, 4, 3))
    c = case(subject.open("float32"), layers.BatchNorm(scale=None, bias=None), (4, 3))
    c = c._replace(x=far.astype(np.float32).astype(np.float64))
    got, want = c.computed(train=True)[0], c.reference(train=True)[0]
    cause = "the mean of squares less the squared mean, which has no digits left."
    agree(got["output"], want["output"], "BatchNorm of 1000 +- 0.1 in float32", rtol=0.01, atol=0.02, cause=cause)


CHECKS: tuple[Check, ...] = (
    check_corners,
    check_maxout_ties_share_the_gradient,
    check_pooled_ties_share_the_gradient,
    check_gradients_where_nothing_varies,
    check_batch_norm_refuses_a_single_value,
    check_batch_norm_far_from_zero,
)
