"""Penalties with one fault each, written as a stranger would write them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from planted_parts import HEAVY, Broken

from gankit.parts.penalties import R1, OnDiscriminator, half_squared_gradient, input_gradient, safe_norm
from gankit.parts.terms import OnGenerator


def penalties(*faults: tuple[Any, ...]) -> tuple[Broken, ...]:
    return tuple(Broken("penalties", *fault) for fault in faults)


def penalty(function, **attributes):
    """A penalty of D's that is function(ops, net, draw, fake, key, *memory); attributes: of its class."""
    methods = {"__call__": lambda self, *arguments: function(*arguments)}
    return type("Faulty", (OnDiscriminator,), {"name": "broken", **methods, **attributes})


def own(term):
    """A penalty of D's that is term(itself, ops, net, draw, fake, key)."""
    return type("Faulty", (OnDiscriminator,), {"name": "broken", "__call__": term})


def r1(ops, net, draw, fake, key):
    return half_squared_gradient(ops, net, draw.real, draw.labels)


class Bare:
    """A function in the shape of a class."""

    def __call__(self, ops, net, draw, fake, key):
        return r1(ops, net, draw, fake, key)


class Fixed:
    """Takes no settings."""

    name, player, every, weight = "broken", "discriminator", 1, 1.0
    __call__ = Bare.__call__


class Unfollowed(Fixed):
    """Keeps what it is given as its weight, schedule or not."""

    def __init__(self, weight=1.0, every=1):
        self.weight, self.every = weight, every


def norms(ops, net, x):
    """The norm of D's gradient at each example, by a root that has no derivative at 0."""
    g = input_gradient(ops, net, x, None)
    return ops.xp.sqrt(ops.xp.sum(ops.xp.reshape(g * g, (g.shape[0], -1)), axis=1))


def detached(ops, net, draw, fake, key):
    g = ops.stop_gradient(input_gradient(ops, net, draw.real, draw.labels))
    return 0.5 * ops.xp.sum(g * g) / fake.shape[0]


def between(share):
    """A penalty on gradients of norm 1 between real and fake; share: (ops, key, shape of an example) to a number."""

    def term(ops, net, draw, fake, key):
        e = share(ops, key, tuple(fake.shape))
        x = e * draw.real + (1 - e) * fake
        return ops.xp.mean((safe_norm(ops, input_gradient(ops, net, x, draw.labels)) - 1.0) ** 2)

    return penalty(term)


@dataclass(frozen=True)
class DeafPenalty(OnDiscriminator):
    """Takes a target, and has one of its own."""

    target: float = 1.0
    name: ClassVar[str] = "broken"

    def __call__(self, ops, net, draw, fake, key):
        return ops.xp.mean((safe_norm(ops, input_gradient(ops, net, draw.real, draw.labels)) - 1.0) ** 2)


@dataclass(frozen=True)
class SwitchlessPenalty(OnDiscriminator):
    """Takes a switch and does not look at it."""

    one_sided: bool = False
    name: ClassVar[str] = "broken"
    __call__ = Bare.__call__


def over_one_axis(axis):
    """Norms of D's gradient over one axis of the examples only."""

    def term(ops, net, draw, fake, key):
        g = input_gradient(ops, net, draw.real, draw.labels)
        return ops.xp.mean((ops.xp.sqrt(ops.xp.sum(g * g, axis=axis) + 1e-8) - 1.0) ** 2)

    return penalty(term)


def placed(ops, net, draw, fake, key):
    g = input_gradient(ops, net, draw.real, draw.labels)
    place = ops.to_float(ops.xp.arange(g.shape[0]))
    return ops.xp.mean(place * safe_norm(ops, g))


def from_numpy(ops, net, draw, fake, key):
    noise = ops.asarray(np.random.normal(size=tuple(fake.shape)))
    return half_squared_gradient(ops, net, draw.real + noise, draw.labels)


def changed_in_place(ops, net, draw, fake, key):
    x = draw.real
    x += 0.1
    return half_squared_gradient(ops, net, x, draw.labels)


def first_slope(ops, net, draw, fake, key):
    """Whatever slopes there are, real examples' or not."""
    g = net.slopes[0].gradient if net.slopes else input_gradient(ops, net, fake, draw.fake_labels)
    return 0.5 * ops.xp.sum(g * g) / fake.shape[0]


class WithOthers(OnGenerator):
    """What `cycle` is told of, but for one fault."""

    name = "broken"
    needs = ("real", "generator-b", "b")

    def __init__(self, function, **settings):
        super().__init__(**settings)
        object.__setattr__(self, "function", function)

    def __call__(self, moment):
        back = moment.apply("generator-b", moment.draw.others["b"].z, {"image": moment.fake})
        return self.function(moment.ops, moment.draw.others["b"].real - back)


class Rejected(OnDiscriminator):
    """What `mismatched` is, by probabilities instead of logits."""

    name = "broken"
    needs = ("given",)

    def __call__(self, moment):
        others = {name: moment.ops.xp.concat([c[1:], c[:1]]) for name, c in moment.draw.given.items()}
        wrong = moment.ops.sigmoid(moment.critic(moment.draw.real, others).logits)
        return -moment.ops.xp.mean(moment.ops.xp.log(1.0 - wrong))


def remembering(new, use=lambda ops, logit, memory: (logit - memory["mean"]) ** 2):
    """Scores near what is remembered; new: (memory, the mean logit) to the next memory."""

    def term(ops, net, draw, fake, key, memory):
        logit = ops.xp.mean(net(draw.real, draw.labels).logits)
        return use(ops, logit, memory), new(memory, logit)

    return penalty(term, memory={"mean": 0.5})


def kept(self, ops, net, draw, fake, key):
    """A running mean on the class, which outlives a game; in an instance, a backend that records would not see it."""
    logit = ops.xp.mean(net(draw.real, draw.labels).logits)
    type(self).mean = 0.5 * getattr(self, "mean", 0.0) + 0.5 * ops.stop_gradient(logit)
    return (logit - self.mean) ** 2 + r1(ops, net, draw, fake, key)


HEAVY_PENALTY = HEAVY.replace(
    "from gankit.parts.losses import NonSaturating", "from gankit.parts.penalties import R1"
).replace("class Part(NonSaturating):\n    pass", 'class Part(R1):\n    name = "broken"')


def one_key(ops, net, draw, fake, key):
    """Noise around examples, of a size that is drawn too: with the key of the noise."""
    n = draw.real.shape[0]
    size = ops.uniform(key, (n, *(1 for _ in draw.real.shape[1:])))
    return r1(ops, net, draw._replace(real=draw.real + size * ops.normal(key, tuple(draw.real.shape))), fake, key)


def one_noise(ops, net, draw, fake, key):
    """The same noise on real and on fake."""
    real, other = (x + 0.1 * ops.normal(key, tuple(x.shape)) for x in (draw.real, fake))
    return r1(ops, net, draw._replace(real=real), fake, key) + r1(ops, net, draw._replace(real=other), fake, key)


PENALTIES = penalties(
    ("size and noise of one key", "check_penalty_draws_with_keys_of_their_own", penalty(one_key)),
    ("one noise for real and fake", "check_penalty_draws_with_keys_of_their_own", penalty(one_noise)),
    ("says nothing of itself", "check_penalty_contract", Bare),
    ("goes by another name", "check_penalty_contract", R1),
    (
        "on parameters instead of inputs",
        "check_penalty_contract",
        penalty(lambda ops, net, *_: sum(ops.xp.sum(p * p) for p in net.params.values())),
    ),
    (
        "a number for each example",
        "check_penalty_contract",
        penalty(lambda ops, net, draw, *_: norms(ops, net, draw.real)),
    ),
    (
        "a sum over another player's answers",
        "check_penalty_is_a_mean",
        partial(WithOthers, lambda ops, apart: ops.xp.sum(ops.xp.abs(apart))),
    ),
    (
        "another player's answers are cut from the graph",
        "check_penalty_gradient",
        partial(WithOthers, lambda ops, apart: ops.xp.mean(ops.xp.abs(ops.stop_gradient(apart)))),
    ),
    ("the log of a probability of 0, under other conditions", "check_penalty_is_finite", Rejected),
    ("takes no settings", "check_penalty_settings", Fixed),
    ("a schedule is not followed", "check_penalty_settings", Unfollowed),
    (
        "weighs itself",
        "check_penalty_leaves_its_weight_to_the_step",
        own(lambda self, *arguments: self.weight * r1(*arguments)),
    ),
    (
        "counts its steps itself",
        "check_penalty_leaves_its_weight_to_the_step",
        own(lambda self, *arguments: self.every * r1(*arguments)),
    ),
    ("cut from the graph", "check_penalty_gradient", penalty(detached)),
    ("deaf to its target", "check_penalty_settings_act", DeafPenalty),
    ("deaf to its switch", "check_penalty_settings_act", SwitchlessPenalty),
    (
        "between fake and half way",
        "check_penalty_interpolates_on_the_line",
        between(lambda ops, key, shape: 0.5 * ops.uniform(key, (shape[0], *(1 for _ in shape[1:])))),
    ),
    (
        "about half way",
        "check_penalty_interpolates_on_the_line",
        between(lambda ops, key, shape: 0.25 + 0.5 * ops.uniform(key, (shape[0], *(1 for _ in shape[1:])))),
    ),
    ("a norm over rows alone", "check_penalty_of_images_is_that_of_vectors", over_one_axis(1)),
    ("a norm over channels alone", "check_penalty_of_images_is_that_of_vectors", over_one_axis(-1)),
    (
        "the root of a gradient of 0",
        "check_penalty_where_nothing_changes",
        penalty(lambda ops, net, draw, *_: ops.xp.mean((norms(ops, net, draw.real) - 1.0) ** 2)),
    ),
    (
        "exponential scores",
        "check_penalty_is_finite",
        penalty(lambda ops, net, draw, *_: ops.xp.mean(ops.xp.exp(net(draw.real).logits))),
    ),
    (
        "a sum over the batch",
        "check_penalty_is_a_mean",
        penalty(lambda ops, net, draw, *_: ops.xp.sum(input_gradient(ops, net, draw.real, draw.labels) ** 2)),
    ),
    ("weighs by place", "check_penalty_ignores_order", penalty(placed)),
    (
        "one factor for the whole batch",
        "check_penalty_draws_for_each_example",
        between(lambda ops, key, shape: ops.uniform(key, (1, 1, 1, 1))),
    ),
    (
        "a factor for each pixel",
        "check_penalty_interpolates_on_the_line",
        between(lambda ops, key, shape: ops.uniform(key, shape)),
    ),
    (
        "a factor from a normal",
        "check_penalty_interpolates_on_the_line",
        between(lambda ops, key, shape: ops.normal(key, (shape[0], 1, 1, 1))),
    ),
    (
        "fakes with the labels of real examples",
        "check_penalty_gives_examples_their_own_labels",
        penalty(lambda ops, net, draw, fake, key: half_squared_gradient(ops, net, fake, None)),
    ),
    ("draws by NumPy", "check_penalty_is_pure", penalty(from_numpy)),
    ("examples changed in place", "check_penalty_is_pure", penalty(changed_in_place), frozenset({"jax", "mlx"})),
    (
        "takes whatever slopes there are",
        "check_penalty_slopes",
        penalty(first_slope, slopes_at=("real", "fake")),
    ),
    ("slopes that are not used", "check_penalty_slopes", penalty(r1, slopes_at=("fake",))),
    (
        "remembers under another name",
        "check_penalty_memory",
        remembering(lambda memory, logit: {"average": 0.9 * memory["mean"] + 0.1 * logit}),
    ),
    ("remembers nothing new", "check_penalty_memory", remembering(lambda memory, logit: memory)),
    (
        "forgets",
        "check_penalty_memory",
        remembering(lambda memory, logit: {"mean": logit}, use=lambda ops, logit, memory: logit**2),
    ),
    (
        "features that no network marks",
        "check_penalty_plays",
        penalty(lambda ops, net, draw, *_: ops.xp.mean(net(draw.real).features[3] ** 2)),
    ),
    ("a running mean on the class", "check_penalty_resumes", own(kept)),
    ("imports frameworks", "check_penalty_imports_no_framework", HEAVY_PENALTY),
)
