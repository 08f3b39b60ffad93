"""Least squares, hinge and label smoothing against their closed forms; the faults that others shipped are caught."""

from __future__ import annotations

import numpy as np
import pytest
from gankit_classic.losses import Hinge, LeastSquares, OneSidedSmoothing

import gankit
from gankit.building import make
from gankit.config import Part
from gankit.conformance.objectives import SITUATIONS, evaluate, judge_loss, needs_no_framework

MARGINS = {**SITUATIONS, "logits exactly on the margins": (np.array([1.0, 1.0, -1.0]), np.array([-1.0, -1.0, 1.0]))}


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


def softplus(x):
    return np.logaddexp(0, x)


def d_squares(real, fake, a=0.0, b=1.0):
    value = 0.5 * ((real - b) ** 2).mean() + 0.5 * ((fake - a) ** 2).mean()
    return value, (real - b) / len(real), (fake - a) / len(fake)


def g_squares(real, fake, c=1.0):
    return 0.5 * ((fake - c) ** 2).mean(), np.zeros(len(real)), (fake - c) / len(fake)


def d_hinge(real, fake):
    value = np.maximum(1 - real, 0).mean() + np.maximum(1 + fake, 0).mean()
    return value, -1.0 * (real < 1) / len(real), (fake > -1) / len(fake)


def g_hinge(real, fake):
    return -fake.mean(), np.zeros(len(real)), np.full(len(fake), -1 / len(fake))


def d_smooth(real, fake, target=0.9):
    value = (target * softplus(-real) + (1 - target) * softplus(real)).mean() + softplus(fake).mean()
    return value, (sigmoid(real) - target) / len(real), sigmoid(fake) / len(fake)


def g_smooth(real, fake):
    return softplus(-fake).mean(), np.zeros(len(real)), -sigmoid(-fake) / len(fake)


FORMS = {
    "least-squares": {"discriminator": d_squares, "generator": g_squares},
    "hinge": {"discriminator": d_hinge, "generator": g_hinge},
    "one-sided-smoothing": {"discriminator": d_smooth, "generator": g_smooth},
}


@pytest.mark.parametrize("name", FORMS)
def test_values_and_gradients_are_the_closed_forms(name, backend):
    judge_loss(backend, make("losses", Part(name)), FORMS[name], MARGINS)


@pytest.mark.parametrize("name", FORMS)
def test_they_need_no_framework(name):
    needs_no_framework(make("losses", Part(name)), FORMS[name], MARGINS)


def test_least_squares_with_other_targets(backend):
    forms = {
        "discriminator": lambda r, f: d_squares(r, f, a=-1.0, b=1.0),
        "generator": lambda r, f: g_squares(r, f, c=0.0),
    }
    judge_loss(backend, LeastSquares(a=-1.0, b=1.0, c=0.0), forms)


@pytest.mark.parametrize("target", [0.7, 1.0])
def test_smoothing_with_another_target(target, backend):
    forms = {"discriminator": lambda r, f: d_smooth(r, f, target), "generator": g_smooth}
    judge_loss(backend, OneSidedSmoothing(target), forms)


# ---- what D's objective is at its best, on four outcomes of probability p in the data and q among the samples

COUNTS_P, COUNTS_Q = np.array([4, 1, 2, 1]), np.array([1, 2, 2, 3])
P, Q = COUNTS_P / 8, COUNTS_Q / 8


def at_each_outcome(ops, loss, scores):
    """D's objective, and its gradient in the score of each outcome, where minibatches are the distributions exactly."""
    real, fake = np.repeat(np.arange(4), COUNTS_P), np.repeat(np.arange(4), COUNTS_Q)
    value, in_real, in_fake = evaluate(ops, loss, "discriminator", scores[real], scores[fake])
    return value, np.bincount(real, in_real, 4) + np.bincount(fake, in_fake, 4)


def test_least_squares_at_d_s_best_is_a_pearson_divergence(exact):
    """D* = (b p + a q) / (p + q) and, with -1, 1, 0, G's objective on real and fake is chi^2(p + q || 2 q) / 2."""
    best = (P - Q) / (P + Q)
    value, gradient = at_each_outcome(exact.ops, LeastSquares(a=-1.0, b=1.0, c=0.0), best)
    np.testing.assert_allclose(gradient, 0, atol=1e-15)
    assert value == pytest.approx(0.5 * (P * (best - 1) ** 2 + Q * (best + 1) ** 2).sum(), rel=1e-12)
    chi_square = ((2 * Q - (P + Q)) ** 2 / (P + Q)).sum()
    assert (P * best**2 + Q * best**2).sum() / 2 == pytest.approx(chi_square / 2, rel=1e-12)
    assert value == pytest.approx(2 - 0.5 * ((P + Q) * (1 + best**2)).sum(), rel=1e-12)
    value, gradient = at_each_outcome(exact.ops, LeastSquares(), P / (P + Q))
    np.testing.assert_allclose(gradient, 0, atol=1e-15)
    assert value == pytest.approx(0.5 * (P * Q / (P + Q)).sum(), rel=1e-12)


def test_the_hinge_at_d_s_best_is_total_variation(exact):
    value, _ = at_each_outcome(exact.ops, Hinge(), np.sign(P - Q))
    assert value == pytest.approx(2 - np.abs(P - Q).sum(), rel=1e-12)
    for other in (np.zeros(4), 0.9 * np.sign(P - Q), 2 * np.sign(P - Q)):
        assert at_each_outcome(exact.ops, Hinge(), other)[0] > value


def test_smoothed_d_s_best_is_the_target_times_the_paper_s(exact):
    """D* = target p / (p + q): salimans et al. 2016, section 3.4."""
    best = 0.9 * P / (P + Q)
    _, gradient = at_each_outcome(exact.ops, OneSidedSmoothing(), np.log(best / (1 - best)))
    np.testing.assert_allclose(gradient, 0, atol=1e-15)


# ---- faults that others shipped


def mean(f):
    return lambda self, ops, real, fake: f(ops, ops.xp.mean, real.logits, fake.logits)


def hinge_by_maximum(ops, mean, r, f):
    zero = ops.xp.zeros_like(r)
    return mean(ops.xp.maximum(1 - r, zero)) + mean(ops.xp.maximum(1 + f, zero))


FAULTS = {
    "least-squares: D's sign flipped": (
        LeastSquares,
        {"discriminator": mean(lambda ops, m, r, f: -0.5 * m((r - 1) ** 2) - 0.5 * m(f**2))},
    ),
    "least-squares: targets exchanged": (
        LeastSquares,
        {"discriminator": mean(lambda ops, m, r, f: 0.5 * m(r**2) + 0.5 * m((f - 1) ** 2))},
    ),
    "least-squares: no half": (LeastSquares, {"generator": mean(lambda ops, m, r, f: m((f - 1) ** 2))}),
    "least-squares: through a sigmoid": (
        LeastSquares,
        {"generator": mean(lambda ops, m, r, f: 0.5 * m((ops.sigmoid(f) - 1) ** 2))},
    ),
    "least-squares: G aims at a": (LeastSquares, {"generator": mean(lambda ops, m, r, f: 0.5 * m(f**2))}),
    "hinge: D's sign flipped": (
        Hinge,
        {"discriminator": mean(lambda ops, m, r, f: m(ops.relu(1 + r)) + m(ops.relu(1 - f)))},
    ),
    "hinge: by maximum": (Hinge, {"discriminator": mean(hinge_by_maximum)}),
    "hinge: of the mean": (
        Hinge,
        {"discriminator": mean(lambda ops, m, r, f: ops.relu(1 - m(r)) + ops.relu(1 + m(f)))},
    ),
    "hinge: G has one too": (Hinge, {"generator": mean(lambda ops, m, r, f: m(ops.relu(1 - f)))}),
    "hinge: no margin": (Hinge, {"discriminator": mean(lambda ops, m, r, f: m(ops.relu(-r)) + m(ops.relu(f)))}),
    "hinge: D compared with itself": (
        Hinge,
        {"discriminator": mean(lambda ops, m, r, f: m(ops.relu(1 - r)) + m(ops.relu(1 + r)))},
    ),
    "smoothing: scales logits": (
        OneSidedSmoothing,
        {"discriminator": mean(lambda ops, m, r, f: m(ops.softplus(-0.9 * r)) + m(ops.softplus(f)))},
    ),
    "smoothing: scales the loss": (
        OneSidedSmoothing,
        {"discriminator": mean(lambda ops, m, r, f: 0.9 * m(ops.softplus(-r)) + m(ops.softplus(f)))},
    ),
    "smoothing: of fakes too": (
        OneSidedSmoothing,
        {
            "discriminator": mean(
                lambda ops, m, r, f: (
                    m(0.9 * ops.softplus(-r) + 0.1 * ops.softplus(r))
                    + m(0.9 * ops.softplus(f) + 0.1 * ops.softplus(-f))
                )
            )
        },
    ),
    "smoothing: of fakes instead": (
        OneSidedSmoothing,
        {
            "discriminator": mean(
                lambda ops, m, r, f: m(ops.softplus(-r)) + m(0.9 * ops.softplus(f) + 0.1 * ops.softplus(-f))
            )
        },
    ),
    "smoothing: G aims at 0.9": (
        OneSidedSmoothing,
        {"generator": mean(lambda ops, m, r, f: m(0.9 * ops.softplus(-f) + 0.1 * ops.softplus(f)))},
    ),
    "smoothing: G's is minimax": (OneSidedSmoothing, {"generator": mean(lambda ops, m, r, f: -m(ops.softplus(f)))}),
}
NAMES = {LeastSquares: "least-squares", Hinge: "hinge", OneSidedSmoothing: "one-sided-smoothing"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, exact):
    if fault == "hinge: by maximum" and exact.name == "mlx":
        pytest.skip("No fault on mlx: the derivative of its maximum is 0 at a tie.")
    kind, methods = FAULTS[fault]
    with pytest.raises(AssertionError):
        judge_loss(exact, type("Faulty", (kind,), methods)(), FORMS[NAMES[kind]], MARGINS)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("least-squares", {"a": 1.0}, "least-squares: a = b = 1.0; D must aim at two numbers, such as a=0, b=1"),
        ("one-sided-smoothing", {"target": 1.1}, "target=1.1; possible: 0 < target <= 1, such as 0.9"),
        ("one-sided-smoothing", {"target": 0.0}, "target=0.0"),
        ("hinge", {"margin": 2.0}, "'hinge' (losses) has no setting 'margin'"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_errors(name, settings, message):
    with pytest.raises(gankit.ConfigError) as error:
        make("losses", Part(name, settings))
    assert message in str(error.value)
