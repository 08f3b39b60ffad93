"""The gradient penalty against its closed form, where it asks for D's gradient, and the faults that others shipped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from gankit_wasserstein.penalties import GradientPenalty

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


def batch(*shape, seed=3):
    return np.random.default_rng(seed).uniform(1, 2, size=shape)


def draws_one_factor_for_each_example(backend, penalty):
    """Points are e real + (1 - e) fake, e one number for each example and uniform on [0, 1)."""
    real, fake, factors = batch(64, 3, 2), batch(64, 3, 2, seed=6) + 2, []
    for seed in (0, 1):
        points = points_of_norm_penalty(backend.ops, penalty, real, fake, seed=seed)
        share = ((points - fake) / (real - fake)).reshape(64, -1)
        agree(share, share[:, :1] + 0 * share, "factors within an example", rtol=0, atol=1e4 * epsilon(backend.dtype))
        factors.append(share.mean(axis=1))
    spread = np.sort(np.concatenate(factors))
    require(spread.min() > -1e-3 and spread.max() < 1 + 1e-3, f"factors leave [0, 1]: {spread.min()}, {spread.max()}.")
    require(np.diff(spread).max() < 0.1 and np.diff(spread).min() > 0, "factors are not spread over [0, 1].")
    gap = np.abs(spread - (np.arange(128) + 0.5) / 128).max()
    require(gap < 0.144, f"factors are not uniform: {gap:.2f} from it, where 99 % of uniform ones stay below 0.144.")


def labelled(xp, params, x, labels):
    return (1 + xp.astype(labels, x.dtype)) * quadratic(xp, params, x, None)


def is_given_the_labels_of_the_reals(backend, penalty):
    x, labels = batch(5, 2, 3, 1), (np.array([0, 1, 2, 3, 4], np.int32), np.array([4, 3, 1, 0, 0], np.int32))
    value, _, _ = evaluate_penalty(backend.ops, penalty, labelled, {"a": x}, x, x, labels=labels)
    want, _ = norm_penalty(x * (1 + labels[0])[:, None, None, None], x)
    agree(value, want, "value in a conditional game", rtol=64 * epsilon(backend.dtype))


def judge(backend, penalty):
    """Raise AssertionError unless it is the gradient penalty of WGAN-GP."""
    follows_norm_penalty(backend, penalty, batch(5, 2, 3, 1))  # on fakes that are the reals, all between is known
    draws_one_factor_for_each_example(backend, penalty)
    is_given_the_labels_of_the_reals(backend, penalty)


def test_it_is_the_gradient_penalty_of_wgan_gp(backend):
    judge(backend, make("penalties", Part("gradient-penalty")))


@pytest.mark.parametrize("settings", [{"target": 0.0}, {"target": 2.5}, {"one_sided": True}], ids=str)
def test_its_settings(settings, backend):
    follows_norm_penalty(backend, GradientPenalty(**settings), batch(5, 2, 3, 1), **settings)


def test_its_weight_is_the_paper_s_lambda():
    assert GradientPenalty().weight == 10.0
    assert GradientPenalty(weight=1.0, every=4).every == 4


@pytest.mark.parametrize("settings", [{"target": -1.0}, {"target": "1"}, {"weight": -1.0}, {"every": 0}], ids=str)
def test_settings_that_make_no_sense_are_errors(settings):
    with pytest.raises(gankit.ConfigError, match=f"gradient-penalty.*: {next(iter(settings))}="):
        make("penalties", Part("gradient-penalty", settings))


# ---- faults that others shipped


def changed(share=None, norm=safe_norm, gradient=None, at=None, label="labels"):
    """A gradient penalty with some of its parts exchanged."""

    def call(self, ops, net, draw, fake, key):
        n, rest = fake.shape[0], len(fake.shape) - 1
        e = ops.uniform(key, (n, *(1,) * rest)) if share is None else share(ops, key, fake.shape)
        x = e * draw.real + (1 - e) * fake if at is None else at(draw.real, fake)
        excess = norm(ops, (gradient or input_gradient)(ops, net, x, getattr(draw, label))) - 1.0
        return ops.xp.mean(excess * excess)

    return type("Faulty", (GradientPenalty,), {"__call__": call})()


def of_parameters(ops, net, x, labels):
    """One norm, over all of D's parameters."""
    gradient = ops.grad(lambda params: ops.xp.sum(replace(net, params=params)(x, labels).logits))(net.params)
    return ops.xp.concat([ops.xp.reshape(g + 0 * net.params[name], (1, -1)) for name, g in gradient.items()], axis=1)


def cut(ops, net, x, labels):
    """The right gradient, whose own derivative is lost."""
    gradient = input_gradient(ops, net, x, labels)
    return ops.stop_gradient(gradient) + 0 * gradient


def of_the_mean(ops, net, x, labels):
    return ops.grad(lambda x: ops.xp.mean(net(x, labels).logits))(x)


FAULTS = {
    "one factor for the batch": changed(share=lambda ops, key, shape: ops.uniform(key, (1,) * len(shape))),
    "a factor for every pixel": changed(share=lambda ops, key, shape: ops.uniform(key, shape)),
    "factors from a normal": changed(
        share=lambda ops, key, shape: ops.normal(key, (shape[0], *(1,) * (len(shape) - 1)))
    ),
    "factors on [-1, 1)": changed(
        share=lambda ops, key, shape: 2 * ops.uniform(key, (shape[0], 1, 1, 1)[: len(shape)]) - 1
    ),
    "always half way": changed(at=lambda real, fake: (real + fake) / 2),
    "at the reals only": changed(at=lambda real, fake: real),
    "sqrt, NaN at a gradient of zero": changed(
        norm=lambda ops, g: ops.xp.sqrt(ops.xp.sum(ops.xp.reshape(g * g, (g.shape[0], -1)), axis=1))
    ),
    "sqrt(. + 1e-3)": changed(
        norm=lambda ops, g: ops.xp.sqrt(ops.xp.sum(ops.xp.reshape(g * g, (g.shape[0], -1)), axis=1) + 1e-3)
    ),
    "one norm for the batch": changed(norm=lambda ops, g: safe_norm(ops, ops.xp.reshape(g, (1, -1)))),
    "norms of rows of pixels": changed(norm=lambda ops, g: safe_norm(ops, ops.xp.reshape(g, (-1, g.shape[-1])))),
    "the squared norm": changed(norm=lambda ops, g: safe_norm(ops, g) ** 2),
    "the norm's mean over pixels": changed(norm=lambda ops, g: safe_norm(ops, g) / float(np.prod(g.shape[1:])) ** 0.5),
    "on parameters instead of inputs": changed(gradient=of_parameters),
    "of the mean logit": changed(gradient=of_the_mean),
    "cut from the graph": changed(gradient=cut),
    "with the fakes' labels": changed(label="fake_labels"),
    "one-sided unasked": GradientPenalty(one_sided=True),
}


def test_the_exchangeable_penalty_is_right_as_it_is(exact):
    judge(exact, changed())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, exact):
    with pytest.raises(AssertionError):
        judge(exact, FAULTS[fault])
