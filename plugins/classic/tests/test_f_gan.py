"""f-GAN's divergences against the paper's table, and against the divergences that they bound."""

from __future__ import annotations

import numpy as np
import pytest
from gankit_classic import f_gan
from gankit_classic.f_gan import DIVERGENCES, Divergence, FGan

import gankit
from gankit.building import make
from gankit.config import Part
from gankit.conformance.objectives import ORDINARY, SITUATIONS, evaluate, judge_loss, needs_no_framework

log, sqrt = np.log, np.sqrt
LOG_2, TOP = log(2.0), 20.0

# Around the places where exponentials of v, of v - 1, of -v and of -v / 2 become straight lines.
BENDS = (np.array([19.5, 20.5, -19.5, -20.5]), np.array([20.5, 21.5, -39.5, -40.5]))
LOGITS = {**SITUATIONS, "logits around the bends": BENDS}

F = {
    "kl": lambda u: u * log(u),
    "reverse-kl": lambda u: -log(u),
    "pearson": lambda u: (u - 1) ** 2,
    "neyman": lambda u: (1 - u) ** 2 / u,
    "squared-hellinger": lambda u: (sqrt(u) - 1) ** 2,
    "jensen-shannon": lambda u: -(u + 1) * log((1 + u) / 2) + u * log(u),
    "gan": lambda u: u * log(u) - (u + 1) * log(u + 1),
    "total-variation": lambda u: abs(u - 1) / 2,
}
"""f of table 6."""

TABLE = {
    "kl": (lambda v: v, lambda t: np.exp(t - 1)),
    "reverse-kl": (lambda v: -np.exp(-v), lambda t: -1 - log(-t)),
    "pearson": (lambda v: v, lambda t: t**2 / 4 + t),
    "neyman": (lambda v: 1 - np.exp(-v), lambda t: 2 - 2 * sqrt(1 - t)),
    "squared-hellinger": (lambda v: 1 - np.exp(-v), lambda t: t / (1 - t)),
    "jensen-shannon": (lambda v: LOG_2 - log(1 + np.exp(-v)), lambda t: -log(2 - np.exp(t))),
    "gan": (lambda v: -log(1 + np.exp(-v)), lambda t: -log(1 - np.exp(t))),
    "total-variation": (lambda v: np.tanh(v) / 2, lambda t: t),
}
"""g_f and f*, as the table has them."""

BEST = {
    "kl": lambda u: 1 + log(u),
    "reverse-kl": log,
    "pearson": lambda u: 2 * (u - 1),
    "neyman": lambda u: 2 * log(u),
    "squared-hellinger": lambda u: log(u) / 2,
    "jensen-shannon": log,
    "gan": log,
    "total-variation": lambda u: 50 * np.sign(u - 1),
}
"""D's best output where the densities are in ratio u: g_f(v) = f'(u)."""


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


def exp(x):
    """(value, derivative) of e^x, which goes on as its tangent at 20."""
    e = np.exp(np.minimum(x, TOP))
    return e * (1 + np.maximum(x - TOP, 0)), e


def through(outer, x, inner):
    """(value, derivative) of a + b e^(c v) given (a, b), x = c v and c."""
    (a, b), (value, slope) = outer, exp(x)
    return a + b * value, b * inner * slope


CLOSED = {
    "kl": (lambda v: (v, 1 + 0 * v), lambda v: exp(v - 1)),
    "reverse-kl": (lambda v: through((0, -1), -v, -1), lambda v: (v - 1, 1 + 0 * v)),
    "pearson": (lambda v: (v, 1 + 0 * v), lambda v: (v**2 / 4 + v, v / 2 + 1)),
    "neyman": (lambda v: through((1, -1), -v, -1), lambda v: through((2, -2), -v / 2, -0.5)),
    "squared-hellinger": (lambda v: through((1, -1), -v, -1), lambda v: through((-1, 1), v, 1)),
    "jensen-shannon": (
        lambda v: (LOG_2 - np.logaddexp(0, -v), sigmoid(-v)),
        lambda v: (np.logaddexp(0, v) - LOG_2, sigmoid(v)),
    ),
    "gan": (lambda v: (-np.logaddexp(0, -v), sigmoid(-v)), lambda v: (np.logaddexp(0, v), sigmoid(v))),
    "total-variation": (
        lambda v: (np.tanh(v) / 2, 2 * sigmoid(2 * v) * sigmoid(-2 * v)),
        lambda v: (np.tanh(v) / 2, 2 * sigmoid(2 * v) * sigmoid(-2 * v)),
    ),
}
"""g_f(v) and f*(g_f(v)), each with its derivative."""


def forms(name, non_saturating=False):
    """Both players' closed forms."""
    activation, conjugate = CLOSED[name]

    def d(real, fake):
        (g, in_real), (c, in_fake) = activation(real), conjugate(fake)
        return c.mean() - g.mean(), -in_real / len(real), in_fake / len(fake)

    def g(real, fake):
        value, slope = (activation if non_saturating else conjugate)(fake)
        return -value.mean(), np.zeros(len(real)), -slope / len(fake)

    return {"discriminator": d, "generator": g}


EVERY = [(name, form) for name in F for form in (False, True)]


def test_all_of_the_paper_s_divergences_are_there():
    assert DIVERGENCES.keys() == F.keys() == TABLE.keys() == CLOSED.keys() == BEST.keys()


@pytest.mark.parametrize(("name", "non_saturating"), EVERY)
def test_values_and_gradients_are_the_closed_forms(name, non_saturating, backend):
    judge_loss(backend, FGan(name, non_saturating), forms(name, non_saturating), LOGITS)


@pytest.mark.parametrize(("name", "non_saturating"), EVERY)
def test_they_need_no_framework(name, non_saturating):
    needs_no_framework(FGan(name, non_saturating), forms(name, non_saturating), LOGITS)


@pytest.mark.parametrize("name", F)
def test_simplified_they_are_the_table_s(name, exact):
    (g, conjugate), (real, fake) = TABLE[name], ORDINARY
    want = conjugate(g(fake)).mean() - g(real).mean()
    assert evaluate(exact.ops, FGan(name), "discriminator", real, fake)[0] == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("name", F)
def test_the_table_s_conjugates_are_conjugates(name):
    """f*(t) = sup_u (u t - f(u))."""
    g, conjugate = TABLE[name]
    u = np.exp(np.linspace(-12, 12, 400_001))
    for v in (-1.2, 0.0, 0.7):
        assert conjugate(g(v)) == pytest.approx((u * g(v) - F[name](u)).max(), abs=1e-4)


@pytest.mark.parametrize("name", F)
def test_d_at_its_best_finds_the_divergence(name, exact):
    """-V = -D_f(P || Q) where D's output is the best for each outcome, and nothing is gained by moving it."""
    of_p, of_q = np.array([4, 1, 2, 1]), np.array([1, 2, 2, 3])
    p, q = of_p / 8, of_q / 8
    real, fake, scores = np.repeat(np.arange(4), of_p), np.repeat(np.arange(4), of_q), BEST[name](p / q)
    value, in_real, in_fake = evaluate(exact.ops, FGan(name), "discriminator", scores[real], scores[fake])
    assert value == pytest.approx(-(q * F[name](p / q)).sum(), rel=1e-12)
    np.testing.assert_allclose(np.bincount(real, in_real, 4) + np.bincount(fake, in_fake, 4), 0, atol=1e-15)
    for moved in (scores + 0.1, scores * 0.9 + 0.05, -scores):
        assert evaluate(exact.ops, FGan(name), "discriminator", moved[real], moved[fake])[0] >= value


def test_the_paper_s_game_is_one_of_them(exact):
    """V of "gan" is that of Goodfellow et al. 2014, and its other G is the non-saturating one."""
    for non_saturating, core in ((False, "minimax"), (True, "non-saturating")):
        loss = make("losses", Part("f-gan", {"divergence": "gan", "non_saturating": non_saturating}))
        for player in ("discriminator", "generator"):
            want = evaluate(exact.ops, make("losses", Part(core)), player, *ORDINARY)
            for got, number in zip(evaluate(exact.ops, loss, player, *ORDINARY), want, strict=True):
                np.testing.assert_allclose(got, number, rtol=1e-14)


def planted(divergence="kl", activation=None, conjugate=None):
    """A row of the table with one of its functions exchanged."""
    right = DIVERGENCES[divergence]
    return divergence, Divergence(activation or right.activation, conjugate or right.conjugate)


FAULTS = {
    "the exponential overflows": planted(conjugate=lambda ops, v: ops.xp.exp(v - 1)),
    "the exponential is cut off, and its gradient with it": planted(
        conjugate=lambda ops, v: ops.xp.exp(ops.xp.where(v > 21, 20 + 0 * v, v - 1))
    ),
    "exp(t), no exp(t - 1)": planted(conjugate=lambda ops, v: f_gan.exp(ops, v)),
    "reverse KL turned round": planted("reverse-kl", activation=lambda ops, v: -f_gan.exp(ops, v)),
    "log of a difference that rounds to 0": planted(
        "gan", conjugate=lambda ops, v: -ops.xp.log(1 - ops.xp.exp(-ops.softplus(-v)))
    ),
    "softplus by hand": planted("gan", conjugate=lambda ops, v: ops.xp.log(1 + ops.xp.exp(v))),
    "Pearson as least squares": planted("pearson", conjugate=lambda ops, v: 0.5 * v * v),
    "Neyman without its root": planted("neyman", conjugate=lambda ops, v: 2 - 2 * f_gan.exp(ops, -v)),
    "Hellinger's f* of v, not of g_f(v)": planted("squared-hellinger", conjugate=lambda ops, v: v / (1 - v)),
    "Jensen-Shannon without log 2": planted("jensen-shannon", conjugate=lambda ops, v: ops.softplus(v)),
    "total variation without its half": planted("total-variation", activation=lambda ops, v: ops.xp.tanh(v)),
}


@pytest.mark.filterwarnings("default")  # a broken loss may divide by zero
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, exact, monkeypatch):
    divergence, row = FAULTS[fault]
    monkeypatch.setattr(f_gan, "DIVERGENCES", {**DIVERGENCES, divergence: row})
    with pytest.raises(AssertionError):
        judge_loss(exact, FGan(divergence), forms(divergence), LOGITS)


@pytest.mark.parametrize("name", F)
def test_a_wrong_player_is_caught(name, exact):
    """D's sign flipped, G helping D, and a minimax that is really non-saturating."""
    flipped = lambda self, ops, r, f: -FGan.discriminator(self, ops, r, f)  # noqa: E731
    helping = lambda self, ops, r, f: -FGan.generator(self, ops, r, f)  # noqa: E731
    wrong = [
        type("Faulty", (FGan,), {"discriminator": flipped})(name),
        type("Faulty", (FGan,), {"generator": helping})(name),
    ]
    if name != "total-variation":  # whose two G's are the same
        wrong.append(FGan(name, non_saturating=True))
    for loss in wrong:
        with pytest.raises(AssertionError):
            judge_loss(exact, loss, forms(name), LOGITS)


def test_an_unknown_divergence_is_an_error():
    with pytest.raises(gankit.ConfigError, match="divergence='reverse_kl' is unknown. Did you mean 'reverse-kl'?"):
        make("losses", Part("f-gan", {"divergence": "reverse_kl"}))
