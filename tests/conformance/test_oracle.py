"""The oracle itself, judged without any framework: finite differences, and what can be said in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from gankit.conformance.oracle import Adam, Minibatches, Momentum, Oracle
from gankit.conformance.reference import central_differences

LATENT, HIDDEN, PIXELS, CLASSES, M = 3, 4, 2, 3, 6


def params(rng, sizes):
    entry, hidden, out = sizes
    shapes = {
        "dense0/kernel": (entry, hidden),
        "dense0/bias": (hidden,),
        "dense1/kernel": (hidden, out),
        "dense1/bias": (out,),
    }
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def oracle(loss="non-saturating", conditional=False, rule=None, **settings):
    rng = np.random.default_rng(0)
    extra = CLASSES if conditional else 0
    g, d = params(rng, (LATENT + extra, HIDDEN, PIXELS)), params(rng, (PIXELS + extra, HIDDEN, 1))
    rule = rule or Momentum(0.1)
    return Oracle(g, d, rule, rule, loss=loss, num_classes=CLASSES if conditional else None, **settings)


def minibatches(seed=1, k=1, conditional=False):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, (k, M)) if conditional else None
    g_y = rng.integers(0, CLASSES, M) if conditional else None
    return Minibatches(
        rng.random((k, M, PIXELS)), y, rng.normal(size=(k, M, LATENT)), g_y, rng.normal(size=(M, LATENT))
    )


def straightforward(o, x, y, z):
    """(D's objective, G's objective) written out: probabilities and logarithms, one example at a time."""

    def network(p, v, label, hinge):
        v = v if label is None else np.concatenate([v, np.eye(CLASSES)[label]])
        return hinge(v @ p["dense0/kernel"] + p["dense0/bias"]) @ p["dense1/kernel"] + p["dense1/bias"]

    d_sum = g_sum = 0.0
    for i in range(len(z)):
        label = None if y is None else y[i]
        fake = 1 / (1 + np.exp(-network(o.g, z[i], label, lambda a: a * (a > 0))))
        d_fake, d_real = (
            1 / (1 + np.exp(-network(o.d, v, label, lambda a: np.where(a > 0, a, 0.2 * a))[0])) for v in (fake, x[i])
        )
        d_sum -= np.log(d_real) + np.log(1 - d_fake)
        g_sum += np.log(1 - d_fake) if o.loss == "minimax" else -np.log(d_fake)
    return d_sum / len(z), g_sum / len(z)


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("loss", ["minimax", "non-saturating"])
def test_gradients_are_those_of_finite_differences(loss, conditional):
    o, b = oracle(loss, conditional), minibatches(conditional=conditional)
    x, y, z = b.x[0], None if b.y is None else b.y[0], b.z[0]
    d_gradient, terms = o.d_gradient(x, y, z)
    g_gradient, g_loss = o.g_gradient(y, z)
    assert np.allclose([terms["d_loss"], g_loss], straightforward(o, x, y, z), rtol=1e-12)
    for player, gradient, which in (("d", d_gradient, 0), ("g", g_gradient, 1)):
        own = dict(getattr(o, player))
        for name, got in gradient.items():

            def objective(p, player=player, own=own, name=name, which=which):
                setattr(o, player, {**own, name: p})
                return straightforward(o, x, y, z)[which]

            np.testing.assert_allclose(
                got, central_differences(objective, own[name]), rtol=1e-6, atol=1e-8, err_msg=name
            )
            setattr(o, player, own)


def test_a_discriminator_of_zeros_says_one_half_and_the_value_is_minus_log_four():
    o = oracle()
    o.d = {name: np.zeros_like(p) for name, p in o.d.items()}
    terms = o.step(minibatches())
    assert terms["d_loss"] == pytest.approx(2 * np.log(2)) and terms["g_loss"] == pytest.approx(np.log(2))
    assert terms["D(x)"] == terms["D(G(z))"] == 0.5


def test_momentum_of_a_constant_gradient_is_the_geometric_series():
    rule, p = Momentum(0.1, mu0=0.5, mu1=0.5), {"p": np.zeros(1)}
    slots = rule.start(p)
    for t in range(60):
        p = rule.move(p, {"p": np.ones(1)}, slots, t, t)
    assert slots["v"]["p"] == pytest.approx(-0.1 / (1 - 0.5))


def test_momentum_schedules_begin_and_end_where_they_say():
    rule = Momentum(0.1, factor=2.0, floor=0.03, mu0=0.5, mu1=0.7, begin=2, end=4)
    assert [rule.lr(t) for t in range(3)] == [0.1, 0.05, 0.03]
    assert [rule.mu(t) for t in (0, 2, 3, 4, 9)] == pytest.approx([0.5, 0.5, 0.6, 0.7, 0.7])


def test_velocity_is_stored_in_the_form_of_native_optimizers():
    """u = mu (lr before / lr) u + g and p - lr u move as v = mu v - lr g and p + v."""
    rule, rng = Momentum(0.1, factor=1.1, mu0=0.6, mu1=0.6), np.random.default_rng(0)
    p, u, q = {"p": np.zeros(2)}, np.zeros(2), np.zeros(2)
    slots = rule.start(p)
    for t in range(5):
        g = rng.normal(size=2)
        p = rule.move(p, {"p": g}, slots, t, t)
        u = 0.6 * rule.lr(max(t - 1, 0)) / rule.lr(t) * u + g
        q = q - rule.lr(t) * u
        np.testing.assert_allclose(p["p"], q, rtol=1e-12)
        np.testing.assert_allclose(rule.leaves(slots, t + 1)["velocity/p"], u, rtol=1e-12)


def test_adams_first_step_is_the_learning_rate_towards_the_sign():
    rule, p = Adam(0.01, 0.5, 0.999), {"p": np.zeros(3)}
    moved = rule.move(p, {"p": np.array([3.0, -0.2, 1e-3])}, rule.start(p), 0, 0)
    np.testing.assert_allclose(moved["p"], [-0.01, 0.01, -0.01], rtol=1e-4)


def test_adam_of_a_constant_gradient_moves_at_the_learning_rate():
    rule, p = Adam(0.01, 0.9, 0.99), {"p": np.zeros(1)}
    slots = rule.start(p)
    for t in range(50):
        p = rule.move(p, {"p": np.array([0.3])}, slots, t, t)
    np.testing.assert_allclose(p["p"], -0.5, rtol=1e-5)


def test_k_steps_move_d_k_times_and_g_once():
    o = oracle(rule=Adam(0.01, 0.5, 0.99))
    o.step(minibatches(k=3))
    assert (o.d_updates, o.t) == (3, 1)


def test_simultaneous_players_move_from_the_same_point():
    together, alone = oracle(schedule="simultaneous"), oracle()
    b = minibatches()
    g_gradient, _ = alone.g_gradient(None, b.z[0])
    together.step(b)
    for name, p in alone.g.items():
        np.testing.assert_allclose(together.g[name], p - 0.1 * g_gradient[name], rtol=1e-12)


def test_the_average_starts_fast_and_reaches_its_decay():
    o = oracle(ema_decay=0.3)
    first = dict(o.g)
    o.step(minibatches())
    np.testing.assert_allclose(o.ema["dense0/bias"], 0.1 * first["dense0/bias"] + 0.9 * o.g["dense0/bias"])
    for seed in range(2, 10):
        o.step(minibatches(seed))
    before, mean = o.t, o.ema["dense0/bias"]
    o.step(minibatches(20))
    assert (1 + before) / (10 + before) > 0.3
    np.testing.assert_allclose(o.ema["dense0/bias"], 0.3 * mean + 0.7 * o.g["dense0/bias"])
