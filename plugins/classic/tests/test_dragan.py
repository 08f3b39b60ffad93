"""DRAGAN against its closed form, where it asks for D's gradient, and the faults that others shipped."""

from __future__ import annotations

import numpy as np
import pytest
from gankit_classic.dragan import Dragan

import gankit
from gankit.building import make
from gankit.config import Part
from gankit.conformance.compare import agree, epsilon, require
from gankit.conformance.penalties import (
    evaluate_penalty,
    follows_norm_penalty,
    norm_penalty,
    points_of_norm_penalty,
    quadratic,
)
from gankit.parts.penalties import input_gradient, safe_norm

ALL_ALIKE = np.full((5, 2, 3, 1), 1.5)  # a batch without deviation, which is not perturbed


def asks_around_the_reals(backend, penalty, spread=0.5):
    """Points are x + e n, n of `spread` deviations of all of x, uniform from 0 up; e one number for each example."""
    real = 1.0 + np.random.default_rng(3).uniform(size=(64, 10, 6)) * np.linspace(0.1, 2, 6)
    fake = real + 7
    tolerance, largest = 1e5 * epsilon(backend.dtype), spread * real.std()
    moved = [(points_of_norm_penalty(backend.ops, penalty, real, fake, seed=s) - real) / largest for s in (0, 1)]
    share = np.concatenate(moved).reshape(128, 10, 6)
    require(share.min() > -tolerance, f"a point lies {-share.min():.2f} of the greatest distance below its example.")
    require(share.max() < 1 + tolerance, f"a point lies {share.max():.2f} of the greatest distance away.")
    reached = share.max(axis=(0, 1))
    require(reached.min() > 0.8, f"pixels are not moved alike: up to {reached} of the greatest distance.")
    # e u, both uniform: mean 1/4; the means of examples follow e / 2, of variance 1/48 = 0.021
    require(abs(share.mean() - 0.25) < 0.03, f"points are moved by {share.mean():.2f} on average; it must be 1/4.")
    of_examples = share.mean(axis=(1, 2)).var()
    require(0.013 < of_examples < 0.03, f"examples differ by a variance of {of_examples:.4f}; it must be 0.021.")
    within = (share / share.max(axis=(1, 2), keepdims=True)).reshape(128, -1)
    spread_within = within.var(axis=1).mean()
    require(abs(spread_within - 1 / 12) < 0.01, f"noise within an example has variance {spread_within:.3f}, not 1/12.")
    require(
        np.unique(np.round(share.mean(axis=(1, 2)), 9)).size == 128, "two examples, or two keys, share their noise."
    )


def labelled(xp, params, x, labels):
    return (1 + xp.astype(labels, x.dtype)) * quadratic(xp, params, x, None)


def is_given_the_labels_of_the_reals(backend, penalty):
    x, labels = ALL_ALIKE, (np.array([0, 1, 2, 3, 4], np.int32), np.array([4, 3, 1, 0, 0], np.int32))
    value, _, _ = evaluate_penalty(backend.ops, penalty, labelled, {"a": x}, x, x, labels=labels)
    want, _ = norm_penalty(x * (1 + labels[0])[:, None, None, None], x)
    agree(value, want, "value in a conditional game", rtol=64 * epsilon(backend.dtype))


def judge(backend, penalty):
    """Raise AssertionError unless it is DRAGAN's penalty."""
    follows_norm_penalty(backend, penalty, ALL_ALIKE)
    asks_around_the_reals(backend, penalty)
    is_given_the_labels_of_the_reals(backend, penalty)


def test_it_is_dragan_s(backend):
    judge(backend, make("penalties", Part("dragan")))


def test_a_wider_spread(exact):
    asks_around_the_reals(exact, Dragan(spread=1.5), spread=1.5)


def test_its_weight_is_the_paper_s_lambda():
    assert Dragan().weight == 10.0


def test_settings_that_make_no_sense_are_errors():
    with pytest.raises(gankit.ConfigError, match="dragan: spread=-1.0 is out of range"):
        make("penalties", Part("dragan", {"spread": -1.0}))


# ---- faults that others shipped


def changed(noise=None, share=None, at="real", norm=safe_norm, gradient=input_gradient):
    """DRAGAN's penalty with some of its parts exchanged."""

    def call(self, ops, net, draw, fake, key):
        xp, x = ops.xp, draw.real
        n_key, e_key, one = ops.fold_in(key, 0), ops.fold_in(key, 1), (x.shape[0], *(1,) * (len(x.shape) - 1))
        n = 0.5 * xp.std(x) * ops.uniform(n_key, tuple(x.shape)) if noise is None else noise(ops, n_key, x)
        e = ops.uniform(e_key, one) if share is None else share(ops, e_key, x.shape)
        start = x if at == "real" else fake
        excess = norm(ops, gradient(ops, net, start + e * n, draw.labels)) - 1.0
        return xp.mean(excess * excess)

    return type("Faulty", (Dragan,), {"__call__": call})()


def cut(ops, net, x, labels):
    """The right gradient, whose own derivative is lost."""
    gradient = input_gradient(ops, net, x, labels)
    return ops.stop_gradient(gradient) + 0 * gradient


FAULTS = {
    "normal noise": changed(noise=lambda ops, key, x: 0.5 * ops.xp.std(x) * ops.normal(key, tuple(x.shape))),
    "noise on [-1, 1)": changed(
        noise=lambda ops, key, x: 0.5 * ops.xp.std(x) * (2 * ops.uniform(key, tuple(x.shape)) - 1)
    ),
    "the variance instead of the deviation": changed(
        noise=lambda ops, key, x: 0.5 * ops.xp.var(x) * ops.uniform(key, tuple(x.shape))
    ),
    "the deviation of each pixel": changed(
        noise=lambda ops, key, x: 0.5 * ops.xp.std(x, axis=0) * ops.uniform(key, tuple(x.shape))
    ),
    "the whole deviation": changed(noise=lambda ops, key, x: ops.xp.std(x) * ops.uniform(key, tuple(x.shape))),
    "one number of noise for each example": changed(
        noise=lambda ops, key, x: 0.5 * ops.xp.std(x) * ops.uniform(key, (x.shape[0], *(1,) * (len(x.shape) - 1)))
    ),
    "no interpolation": changed(share=lambda ops, key, shape: 1.0),
    "no perturbation": changed(share=lambda ops, key, shape: 0.0),
    "one factor for the batch": changed(share=lambda ops, key, shape: ops.uniform(key, (1,) * len(shape))),
    "a factor for every pixel": changed(share=lambda ops, key, shape: ops.uniform(key, tuple(shape))),
    "factors from a normal": changed(
        share=lambda ops, key, shape: ops.normal(key, (shape[0], *(1,) * (len(shape) - 1)))
    ),
    "around fakes": changed(at="fake"),
    "sqrt, NaN at a gradient of zero": changed(
        norm=lambda ops, g: ops.xp.sqrt(ops.xp.sum(ops.xp.reshape(g * g, (g.shape[0], -1)), axis=1))
    ),
    "one norm for the batch": changed(norm=lambda ops, g: safe_norm(ops, ops.xp.reshape(g, (1, -1)))),
    "cut from the graph": changed(gradient=cut),
}


def test_the_exchangeable_penalty_is_right_as_it_is(exact):
    judge(exact, changed())


@pytest.mark.filterwarnings("default")  # points that a fault puts elsewhere may not be read off
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, exact):
    with pytest.raises(AssertionError):
        judge(exact, FAULTS[fault])
