"""LeCam's penalty against its closed form over several steps, and what it remembers in a game."""

from __future__ import annotations

import numpy as np
import pytest
from gankit_classic.lecam import LeCam

import gankit
from gankit import checkpoint
from gankit.building import make
from gankit.config import Part
from gankit.conformance.compare import agree, bit_equal, epsilon
from gankit.conformance.penalties import evaluate_penalty
from gankit.conformance.short_games import SMALL
from gankit.plug import registry


def linear(xp, params, x, labels):
    return x @ params["w"]


def by_label(xp, params, x, labels):
    return (x @ params["w"]) * (1 + xp.astype(labels, x.dtype))


class Closed:
    """The penalty in NumPy: running means that the first minibatch sets, moved before they are compared with."""

    def __init__(self, decay=0.99, one_sided=False):
        self.decay, self.one_sided, self.sums, self.mass = decay, one_sided, np.zeros(2), 0.0

    def __call__(self, real, fake, w, factors=(1.0, 1.0)):
        """(value, gradient in w) of the next minibatch of examples, D(x) = factor x . w."""
        r, f = (real @ w) * factors[0], (fake @ w) * factors[1]
        self.sums = self.decay * self.sums + (1 - self.decay) * np.array([r.mean(), f.mean()])
        self.mass = self.decay * self.mass + (1 - self.decay)
        a_real, a_fake = self.sums / self.mass
        above, below = r - a_fake, a_real - f
        if self.one_sided:
            above, below = np.maximum(above, 0), np.maximum(below, 0)
        weigh = lambda x, factor, d: (2 * d * factor) @ x / len(x)  # noqa: E731
        gradient = weigh(real, factors[0], above) - weigh(fake, factors[1], below)
        return (above**2).mean() + (below**2).mean(), gradient


def minibatches(count, n=6, seed=0):
    rng = np.random.default_rng(seed)
    return [(rng.normal(0.5, 1, size=(n, 3)), rng.normal(size=(n, 3))) for _ in range(count)]


def judge(backend, penalty, **settings):
    """Raise AssertionError unless it is LeCam's penalty: value, gradient in D's parameters, and what it remembers."""
    eps = epsilon(backend.dtype)
    direction = np.array([0.7, -0.3, 1.1])
    for logits, scale in {"ordinary logits": 1.0, "logits of 1e4": 1e4, "logits of exactly 0": 0.0}.items():
        closed, memory, w = Closed(**settings), None, scale * direction
        for step, (real, fake) in enumerate(minibatches(4)):
            value, gradient, memory = evaluate_penalty(
                backend.ops, penalty, linear, {"w": w}, real, fake, memory=memory
            )
            want, in_w = closed(real, fake, w)
            what = f"{logits}, minibatch {step}, {backend.dtype}"
            agree(value, want, f"{what}: value", rtol=256 * eps)
            agree(gradient["w"], in_w, f"{what}: gradient in D's parameters", rtol=256 * eps, atol=64 * eps * scale)
            held = np.array([memory["real"], memory["fake"]]) / memory["mass"]
            agree(held, closed.sums / closed.mass, f"{what}: running means", rtol=256 * eps, atol=16 * eps * scale)
    real, fake = minibatches(1)[0]
    labels = (np.arange(6, dtype=np.int32), np.arange(6, dtype=np.int32)[::-1].copy())
    value, _, _ = evaluate_penalty(backend.ops, penalty, by_label, {"w": direction}, real, fake, labels=labels)
    want, _ = Closed(**settings)(real, fake, direction, (1 + labels[0], 1 + labels[1]))
    agree(value, want, "value in a conditional game", rtol=256 * eps)


def test_it_is_lecam_s(backend):
    judge(backend, make("penalties", Part("lecam")))


@pytest.mark.parametrize("settings", [{"decay": 0.5}, {"decay": 0.0}, {"one_sided": True}], ids=str)
def test_its_settings(settings, backend):
    judge(backend, LeCam(**settings), **settings)


def test_settings_that_make_no_sense_are_errors():
    with pytest.raises(gankit.ConfigError, match="lecam: decay=1.0 is out of range; possible: 0.0 <= decay < 1.0"):
        make("penalties", Part("lecam", {"decay": 1.0}))


# ---- what it remembers


def game(backend, **settings):
    """One in which nothing moves, so that D's logits on the data stay what they are; a minibatch is all of the data."""
    still = {"name": "adam", "lr": 0.0}
    optimizers = {"generator_optimizer": still, "discriminator_optimizer": still, "ema": 0.0}
    x = np.random.default_rng(0).normal(size=(16, 2))
    whole = {**SMALL, **optimizers, "penalties": ["lecam"], "dtype": "float64", **settings}
    return gankit.build(backend, data=x, loss="hinge", device="cpu", **whole), x


def memory(gan, tmp_path):
    arrays, _ = checkpoint.read(gan.save(tmp_path / "now"))
    return {name: float(arrays[f"memory/lecam/{name}"]) for name in ("real", "fake", "mass")}


@pytest.mark.parametrize(("settings", "minibatches_a_step"), [({}, 1), ({"k": 2}, 2), ({"accumulate": 2}, 2)], ids=str)
def test_it_remembers_the_mean_logit_on_the_data(settings, minibatches_a_step, backend_name, tmp_path):
    gan, x = game(backend_name, **settings)
    assert memory(gan, tmp_path) == {"real": 0.0, "fake": 0.0, "mass": 0.0}
    gan.fit(steps=3)
    held = memory(gan, tmp_path)
    assert held["mass"] == pytest.approx(1 - 0.99 ** (3 * minibatches_a_step), rel=1e-12)
    if "accumulate" not in settings:  # whose parts are halves of the data
        assert held["real"] / held["mass"] == pytest.approx(gan.score(x).mean(), rel=1e-9)
    assert held["fake"] / held["mass"] == pytest.approx(gan.score(gan.sample(1000)).mean(), abs=0.5)


def test_a_resumed_run_is_the_uninterrupted_one(backend_name, tmp_path):
    def begun():
        return gankit.build(backend_name, data="ring", loss="hinge", penalties=["lecam"], device="cpu", **SMALL)

    through = begun().fit(steps=6)
    half = begun().fit(steps=3).save(tmp_path / "half")
    resumed = gankit.load(half, backend_name, "cpu").fit(steps=3)
    got, want = (checkpoint.read(gan.save(tmp_path / name))[0] for name, gan in (("a", resumed), ("b", through)))
    bit_equal(got, want, "6 steps, and 3 and 3")
    assert {"memory/lecam/real", "memory/lecam/fake", "memory/lecam/mass"} <= got.keys()


def test_another_backend_remembers_the_same(backend_name, tmp_path):
    gan, _ = game(backend_name)
    saved = gan.fit(steps=2).save(tmp_path / "there")
    for other in registry.names("backends"):
        assert memory(gankit.load(saved, other, "cpu"), tmp_path) == memory(gan, tmp_path)


# ---- faults that others shipped, or nearly


def changed(
    seen=lambda ops, r, f: (r, f), compare=None, anchors=lambda new, old: new, debias=True, decay=0.99, free=False
):
    """LeCam's penalty with some of its parts exchanged."""

    def call(self, ops, net, draw, fake, key, memory):
        mean = ops.xp.mean
        r, f = net(draw.real, draw.labels).logits, net(fake, draw.fake_labels).logits
        a, b = seen(ops, r, f)
        new = {"real": mean(a), "fake": mean(b), "mass": 1.0}
        moved = {name: decay * memory[name] + (1 - decay) * now for name, now in new.items()}
        if not free:
            moved = ops.tree_map(ops.stop_gradient, moved)
        held = anchors(moved, memory)
        mass = held["mass"] if debias else 1.0
        a_real, a_fake = held["real"] / mass, held["fake"] / mass
        above, below = (r - a_fake, a_real - f) if compare is None else compare(ops, r, f, a_real, a_fake)
        return mean(above * above) + mean(below * below), moved

    return type("Faulty", (LeCam,), {"__call__": call})()


FAULTS = {
    "each with its own mean": changed(compare=lambda ops, r, f, a_real, a_fake: (r - a_real, a_fake - f)),
    "one side only": changed(compare=lambda ops, r, f, a_real, a_fake: (r - a_fake, 0 * f)),
    "the gradient goes through the means": changed(free=True),
    "means that start at 0": changed(debias=False),
    "the decay turned round": changed(decay=0.01),
    "means of probabilities": changed(seen=lambda ops, r, f: (ops.sigmoid(r), ops.sigmoid(f))),
    "real and fake exchanged in memory": changed(seen=lambda ops, r, f: (f, r)),
    "nothing is remembered": changed(decay=0.0),
    "one-sided unasked": LeCam(one_sided=True),
    "of the mean logit": changed(
        compare=lambda ops, r, f, a_real, a_fake: (ops.xp.mean(r) - a_fake, a_real - ops.xp.mean(f))
    ),
}


def test_the_exchangeable_penalty_is_right_as_it_is(exact):
    judge(exact, changed())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, exact):
    with pytest.raises(AssertionError):
        judge(exact, FAULTS[fault])
