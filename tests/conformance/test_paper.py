"""A formula in NumPy catches what no suite can know: a wrong sign, a wrong target, a norm that is not squared."""

from __future__ import annotations

import numpy as np
import pytest

from gankit.building import make
from gankit.config import Part
from gankit.conformance.paper import loss_follows, metric_follows, network_follows, penalty_follows
from gankit.layers import Dense, Flatten, LeakyRelu, Reshape
from gankit.networks.spec import GameSpec
from gankit.parts.losses import NonSaturating
from gankit.parts.penalties import OnDiscriminator, input_gradient, safe_norm
from gankit.plug import registry

BACKENDS = registry.names("backends")
pytestmark = pytest.mark.skipif(not BACKENDS, reason="No backend is installed: pip install 'gankit[torch]'.")
each = pytest.mark.parametrize("backend", BACKENDS)


def softplus(x):
    return np.logaddexp(0, x)


def d_objective(real, fake):
    return np.mean(softplus(-real.logits)) + np.mean(softplus(fake.logits))


def g_objective(real, fake):
    return np.mean(softplus(-fake.logits))


@each
def test_the_non_saturating_loss_is_its_formula_and_a_wrong_sign_is_not(backend):
    loss_follows(backend, NonSaturating(), d_objective, g_objective)
    with pytest.raises(AssertionError, match="NonSaturating, generator, ordinary logits.*against the formula"):
        loss_follows(backend, NonSaturating(), d_objective, lambda real, fake: np.mean(softplus(fake.logits)))
    with pytest.raises(AssertionError, match="NonSaturating, discriminator"):
        loss_follows(backend, NonSaturating(), lambda real, fake: 0.9 * d_objective(real, fake), g_objective)


@each
def test_a_loss_with_labels_is_shown_with_them(backend):
    loss = make("losses", Part("conditional", {"base": "non-saturating"}))

    def classes(said):
        if said.class_logits is None:
            return 0.0
        shifted = said.class_logits - said.class_logits.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -np.mean(log_p[np.arange(len(log_p)), said.labels])

    def right(real, fake):
        return d_objective(real, fake) + classes(real)

    loss_follows(backend, loss, right, lambda real, fake: g_objective(real, fake) + classes(fake))
    with pytest.raises(AssertionError, match="Conditional, generator"):
        loss_follows(backend, loss, right, g_objective)


def r1(critic, real, fake):
    return 0.5 * np.mean(np.sum(critic.slopes(real).reshape(len(real), -1) ** 2, axis=1))


class Between(OnDiscriminator):
    """The gradient penalty of WGAN-GP."""

    name = "between"

    def __call__(self, ops, net, draw, fake, key):
        share = ops.uniform(key, (fake.shape[0], 1, 1, 1))
        x = share * draw.real + (1 - share) * fake
        return ops.xp.mean((safe_norm(ops, input_gradient(ops, net, x, draw.labels)) - 1.0) ** 2)


def between(power):
    def formula(critic, real, fake, rng):
        share = rng.random((len(real), 1, 1, 1))
        slopes = critic.slopes(share * real + (1 - share) * fake).reshape(len(real), -1)
        return np.mean(np.abs(np.sqrt((slopes**2).sum(axis=1)) - 1.0) ** power)

    return formula


@each
def test_penalties_are_their_formulas_drawn_or_not_and_wrong_ones_are_not(backend):
    penalty = make("penalties", Part("r1"))
    penalty_follows(backend, penalty, r1)
    with pytest.raises(AssertionError, match="the penalty against the formula"):
        penalty_follows(backend, penalty, lambda *shown: 2 * r1(*shown))
    with pytest.raises(AssertionError, match="the penalty against the formula"):
        penalty_follows(backend, penalty, lambda critic, real, fake: r1(critic, fake, real))
    penalty_follows(backend, Between(), between(2), times=100)
    with pytest.raises(AssertionError, match="standard errors apart"):
        penalty_follows(backend, Between(), between(1), times=100)


def mlp(arrays, x, given):
    hidden = x.reshape(len(x), -1) @ arrays["dense0/kernel"] + arrays["dense0/bias"]
    return (np.where(hidden > 0, hidden, 0.2 * hidden) @ arrays["dense1/kernel"] + arrays["dense1/bias"])[:, 0]


@each
def test_a_network_is_its_formula_and_another_slope_is_not(backend):
    spec = GameSpec((4, 3, 1), 5)
    layers = (Flatten(), Dense(7), LeakyRelu(0.2), Dense(1), Reshape(()))
    network_follows(backend, "discriminator", layers, spec, mlp)
    with pytest.raises(AssertionError, match="its output against the formula"):
        network_follows(backend, "discriminator", (*layers[:2], LeakyRelu(0.1), *layers[3:]), spec, mlp)


def test_a_metric_is_its_formula_and_another_is_not():
    def right(evidence):
        samples, real = (x.reshape(len(x), -1).astype(float) for x in (evidence.samples, evidence.split("test").x))
        apart = ((samples[:, None] - real[None]) ** 2).sum(axis=2)
        return float(apart.min(axis=0).mean())

    class Coverage:
        name = "brand-new"

        def __call__(self, evidence):
            from gankit.metrics import Measurement

            yield Measurement(self.name, right(evidence), {"split": "test"}, better="lower")

    with pytest.MonkeyPatch.context() as patch:
        real = registry.load
        patch.setattr(registry, "load", lambda kind, name: Coverage if name == "brand-new" else real(kind, name))
        metric_follows("brand-new", right)
        with pytest.raises(AssertionError, match="the metric against the formula"):
            metric_follows("brand-new", lambda evidence: 1.1 * right(evidence))
