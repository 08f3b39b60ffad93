"""What the oracle can beside Algorithm 1, judged by finite differences of objectives written out in full."""

from __future__ import annotations

import numpy as np
import pytest
from test_oracle import CLASSES, PIXELS, M, minibatches, oracle

from gankit.conformance.oracle import Adam
from gankit.conformance.reference import central_differences


def logit(d, x, y):
    entry = np.concatenate([x, np.eye(CLASSES)[y]])
    affine = entry @ d["dense0/kernel"] + d["dense0/bias"]
    return (np.where(affine > 0, affine, 0.2 * affine) @ d["dense1/kernel"] + d["dense1/bias"])[0]


def assert_gradient(objective, d, gradient):
    for name, got in gradient.items():
        want = central_differences(lambda p, name=name: objective({**d, name: p}), d[name], h=1e-5)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7, err_msg=name)


def test_fakes_may_have_labels_of_their_own_and_mismatched_pairs_take_half_of_their_weight():
    o, b, rng = oracle(conditional=True), minibatches(conditional=True), np.random.default_rng(3)
    x, y, z = b.x[0], b.y[0], b.z[0]
    fake_y, wrong_y = rng.integers(0, CLASSES, M), (y + 1) % CLASSES
    fakes = o.sample(z, fake_y)

    def objective(d):
        rejected = [(logit(d, fakes[i], fake_y[i]), logit(d, x[i], wrong_y[i])) for i in range(M)]
        accepted = [np.logaddexp(0, -logit(d, x[i], y[i])) for i in range(M)]
        return np.mean(accepted) + 0.5 * np.mean(np.logaddexp(0, rejected), axis=0).sum()

    gradient, terms = o.d_gradient(x, y, z, fake_y, wrong_y)
    assert terms["d_loss"] == pytest.approx(objective(o.d))
    assert_gradient(objective, o.d, gradient)


@pytest.mark.parametrize("conditional", [False, True])
def test_r1_is_the_squared_gradient_in_the_examples(conditional):
    o, b = oracle(conditional=conditional), minibatches(conditional=conditional)
    x, y = b.x[0], b.y[0] if conditional else None

    def value(d):
        total = 0.0
        for i in range(M):
            one = None if y is None else y[i : i + 1]
            o.d = d
            gradient = central_differences(lambda v, one=one: o.score(v[None], one)[0], x[i], h=1e-3)
            total += 0.5 * (gradient**2).sum() / M
        return total

    d = dict(o.d)
    got, gradient = o.r1_gradient(x, y)
    assert got == pytest.approx(value(d), rel=1e-7)
    assert_gradient(value, d, gradient)
    assert not gradient["dense0/kernel"][PIXELS:].any()


def test_r1_joins_d_s_objective_with_the_weight_of_its_iteration():
    o, b = oracle(r1=lambda t: 3.0 - t), minibatches()
    plain, _ = oracle().d_gradient(b.x[0], None, b.z[0])
    penalty, in_d = o.r1_gradient(b.x[0], None)
    o.t = 1
    gradient, terms = o.d_gradient(b.x[0], None, b.z[0])
    assert terms["r1"] == pytest.approx(2.0 * penalty)
    for name, part in in_d.items():
        np.testing.assert_allclose(gradient[name], plain[name] + 2.0 * part)


def test_gradients_are_clipped_before_and_parameters_constrained_after_an_update():
    calls = []

    def clip(gradient):
        calls.append(gradient.keys())
        return {name: 0.0 * g for name, g in gradient.items()}

    o = oracle(clip=clip, constrain=lambda params: {name: 0.5 * p for name, p in params.items()})
    g, d = dict(o.g), dict(o.d)
    o.step(minibatches(k=2))
    assert len(calls) == 3  # D twice, G once
    np.testing.assert_allclose(o.g["dense0/kernel"], 0.5 * g["dense0/kernel"])
    np.testing.assert_allclose(o.d["dense0/kernel"], 0.25 * d["dense0/kernel"])


def test_adam_s_numbers_may_change_with_the_iteration():
    """Two updates by hand; the present beta stands in the corrections."""
    rule, p = Adam(lr=lambda t: 0.1 / (t + 1), b1=lambda t: 0.5 * t, b2=lambda t: 0.9 + 0.05 * t), {"p": np.zeros(1)}
    slots = rule.start(p)
    p = rule.move(p, {"p": np.array([2.0])}, slots, 0, 0)
    assert p["p"] == pytest.approx(-0.1, rel=1e-7)
    p = rule.move(p, {"p": np.array([1.0])}, slots, 1, 1)
    m, v = 0.5 * 2.0 + 0.5 * 1.0, 0.95 * (0.1 * 4.0) + 0.05 * 1.0
    assert p["p"] == pytest.approx(-0.1 - 0.05 * (m / (1 - 0.25)) / np.sqrt(v / (1 - 0.95**2)), rel=1e-7)
