"""The Wasserstein loss against its closed form; the faults that others shipped are caught."""

from __future__ import annotations

import numpy as np
import pytest
from gankit_wasserstein.losses import Wasserstein

from gankit.conformance.objectives import evaluate, judge_loss, needs_no_framework


def critic(real, fake):
    n = len(real)
    return fake.mean() - real.mean(), np.full(n, -1 / n), np.full(n, 1 / n)


def generator(real, fake):
    n = len(real)
    return -fake.mean(), np.zeros(n), np.full(n, -1 / n)


FORMS = {"discriminator": critic, "generator": generator}


def test_value_and_gradients_are_the_closed_form(backend):
    judge_loss(backend, Wasserstein(), FORMS)


def test_it_needs_no_framework():
    needs_no_framework(Wasserstein(), FORMS)


def test_the_best_critic_s_objective_is_minus_the_distance(backend):
    """Fakes that are the data moved by 1.5 are 1.5 away, and of all slopes up to 1 the steepest one says so."""
    x = np.random.default_rng(0).normal(size=64)
    moved = x - 1.5
    distance = np.abs(np.sort(x) - np.sort(moved)).mean()
    objective = lambda f: evaluate(backend.ops, Wasserstein(), "discriminator", f(x), f(moved))[0]  # noqa: E731
    assert objective(lambda x: x) == pytest.approx(-distance, rel=1e-5)
    for flatter in (np.sin, np.tanh, lambda x: 0.9 * x, lambda x: -x):
        assert objective(flatter) > -distance


def mean(f):
    return lambda self, ops, real, fake: f(ops, ops.xp.mean, real.logits, fake.logits)


FAULTS = {
    "D's sign flipped": {"discriminator": mean(lambda ops, mean, r, f: mean(r) - mean(f))},
    "G's sign flipped": {"generator": mean(lambda ops, mean, r, f: mean(f))},
    "G minimises the distance of both": {"generator": mean(lambda ops, mean, r, f: mean(r) - mean(f))},
    "D compared with itself": {"discriminator": mean(lambda ops, mean, r, f: mean(r) - mean(r))},
    "scores through a sigmoid": {
        "discriminator": mean(lambda ops, mean, r, f: mean(ops.sigmoid(f)) - mean(ops.sigmoid(r)))
    },
    "logarithms left in": {"generator": mean(lambda ops, mean, r, f: mean(ops.softplus(-f)))},
    "the sum": {"generator": mean(lambda ops, mean, r, f: -ops.xp.sum(f))},
    "the absolute difference": {"discriminator": mean(lambda ops, mean, r, f: -ops.xp.abs(mean(f) - mean(r)))},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, exact):
    with pytest.raises(AssertionError):
        judge_loss(exact, type("Faulty", (Wasserstein,), FAULTS[fault])(), FORMS)
