"""Feature matching against its closed form, on features that are known functions of the logits."""

from __future__ import annotations

import numpy as np
import pytest
from gankit_classic.feature_matching import FeatureMatching
from gankit_classic.losses import Hinge

import gankit
from gankit.building import make
from gankit.config import Part
from gankit.conformance.objectives import ORDINARY, evaluate, judge_loss, needs_no_framework
from gankit.conformance.short_games import SMALL
from gankit.interfaces import Scores


def features(xp, v):
    """Two features of one layer, v and 2 v, and a picture of one pixel of another, v^2."""
    return xp.stack([v, 2 * v], axis=1), xp.reshape(v * v, (-1, 1, 1))


def cross_entropy(real, fake):
    s = lambda x: np.exp(-np.logaddexp(0, -x))  # noqa: E731
    value = np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean()
    return value, -s(-real) / len(real), s(fake) / len(fake)


def matching(real, fake):
    """5 (E r - E f)^2 + (E r^2 - E f^2)^2."""
    n, first, second = len(real), real.mean() - fake.mean(), (real**2).mean() - (fake**2).mean()
    slope = lambda v: (10 * first + 4 * second * v) / n  # noqa: E731
    return 5 * first**2 + second**2, slope(real), -slope(fake)


FORMS = {"discriminator": cross_entropy, "generator": matching}
SITUATIONS = {
    "ordinary logits": ORDINARY,
    "logits of 1e4": (np.array([1e4, -1e4, 1e4, 1e4]), np.array([-1e4, 1e3, 0.0, 0.0])),
    "logits of exactly 0": (np.zeros(4), np.zeros(4)),
}


def test_value_and_gradients_are_the_closed_form(backend):
    judge_loss(backend, make("losses", Part("feature-matching")), FORMS, SITUATIONS, features)


def test_it_needs_no_framework():
    needs_no_framework(FeatureMatching(), FORMS, SITUATIONS, features)


def test_d_plays_the_base(exact):
    loss = make("losses", Part("feature-matching", {"base": "hinge"}))
    assert loss == FeatureMatching(Hinge())
    for got, want in zip(
        evaluate(exact.ops, loss, "discriminator", *ORDINARY, features),
        evaluate(exact.ops, Hinge(), "discriminator", *ORDINARY),
        strict=True,
    ):
        np.testing.assert_array_equal(got, want)


def faulty(distance):
    """G's distance of one pair of features is another."""

    def generator(self, ops, real, fake):
        return sum(distance(ops.xp, r, f) for r, f in zip(real.features, fake.features, strict=True))

    return type("Faulty", (FeatureMatching,), {"generator": generator})()


def first_layer(self, ops, real, fake):
    apart = ops.xp.mean(real.features[0], axis=0) - ops.xp.mean(fake.features[0], axis=0)
    return ops.xp.sum(apart * apart)


def means(xp, r, f):
    return xp.mean(r, axis=0) - xp.mean(f, axis=0)


FAULTS = {
    "example by example": faulty(lambda xp, r, f: xp.mean(xp.sum(xp.reshape((r - f) ** 2, (r.shape[0], -1)), axis=1))),
    "the mean over features": faulty(lambda xp, r, f: xp.mean(means(xp, r, f) ** 2)),
    "the absolute difference": faulty(lambda xp, r, f: xp.sum(xp.abs(means(xp, r, f)))),
    "the mean of all features together": faulty(lambda xp, r, f: (xp.mean(r) - xp.mean(f)) ** 2),
    "the sum over the batch": faulty(lambda xp, r, f: xp.sum((xp.sum(r, axis=0) - xp.sum(f, axis=0)) ** 2)),
    "away from the data": faulty(lambda xp, r, f: -xp.sum(means(xp, r, f) ** 2)),
    "compared with itself": faulty(lambda xp, r, f: xp.sum(means(xp, f, f) ** 2)),
    "the first layer only": type("Faulty", (FeatureMatching,), {"generator": first_layer})(),
    "G plays the base": type("Faulty", (FeatureMatching,), {"generator": lambda self, *a: self.base.generator(*a)})(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, exact):
    with pytest.raises(AssertionError):
        judge_loss(exact, FAULTS[fault], FORMS, SITUATIONS, features)


def test_without_features_the_error_says_what_to_do(exact):
    logits = exact.ops.asarray(np.zeros(4))
    with pytest.raises(gankit.ConfigError, match=r"marks none. Put gankit.layers.Features\(\) behind the layer"):
        FeatureMatching().generator(exact.ops, Scores(logits), Scores(logits))


def test_in_a_game_without_features_too(backend_name):
    gan = gankit.build(backend_name, data="ring", loss="feature-matching", **SMALL, penalties=[])
    assert np.isfinite(list(gan.step(gan.sample(32).reshape(2, 16, 2)).values())).all()
    without = {**SMALL, "discriminator": {"name": "gan-2014", "units": 4}}
    gan = gankit.build(backend_name, data="digits", loss="feature-matching", **without, penalties=[])
    with pytest.raises(gankit.ConfigError, match="this discriminator marks none"):
        gan.fit(steps=1)


def test_it_is_wrapped_by_a_conditional_loss_and_wraps_none():
    wrapped = make("losses", Part("conditional", {"base": {"name": "feature-matching", "base": "hinge"}}))
    assert wrapped.generator_needs_real
    with pytest.raises(gankit.ConfigError, match="it is wrapped by one"):
        make("losses", Part("feature-matching", {"base": {"name": "conditional", "base": "hinge"}}))
    with pytest.raises(gankit.ConfigError, match="expected a loss by its name"):
        make("losses", Part("feature-matching", {"base": 3}))
