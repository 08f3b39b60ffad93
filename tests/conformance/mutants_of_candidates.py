"""Losses, penalties and networks with one fault each, written as a stranger would write them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any, ClassVar

import numpy as np
from planting import network

from gankit import ConfigError, layers
from gankit.building import open_backend
from gankit.layers import (
    Dense,
    Flatten,
    LeakyRelu,
    Parameter,
    Portable,
    Relu,
    Reshape,
    Sigmoid,
    Tanh,
)
from gankit.networks import Native
from gankit.parts.initializers import Constant, HeNormal, Normal
from gankit.parts.losses import Conditional, NonSaturating
from gankit.parts.penalties import R1, OnDiscriminator, half_squared_gradient, input_gradient, safe_norm
from gankit.parts.terms import OnGenerator


@dataclass(frozen=True)
class Broken:
    """A part with a fault, and the check that has to catch it.

    part: what its entry would name; or the text of a module that has it as `Part`; or, for a `bound` one, what makes it
        from the name of a backend, such as a framework's own module.
    immune: backends on which the fault does nothing.
    backend: a fault of the backend, which is to be seen in a network on it.
    """

    kind: str
    name: str
    check: str
    part: Any
    immune: frozenset[str] = frozenset()
    bound: bool = False
    backend: Callable[[Any], Any] = lambda backend: backend


def losses(*faults: tuple[Any, ...]) -> tuple[Broken, ...]:
    return tuple(Broken("losses", *fault) for fault in faults)


# ---- losses


@dataclass(frozen=True)
class Plain:
    """A non-saturating game whose objectives are functions: (ops, real, fake) to a number."""

    d: Callable[..., Any] = lambda ops, real, fake: NonSaturating().discriminator(ops, real, fake)
    g: Callable[..., Any] = lambda ops, real, fake: NonSaturating().generator(ops, real, fake)
    generator_needs_real: bool = False
    conditional: bool = False
    pairs_examples: bool = False
    needs_mismatched: bool = False

    def discriminator(self, ops, real, fake):
        return self.d(ops, real, fake)

    def generator(self, ops, real, fake):
        return self.g(ops, real, fake)


def plain(**changes):
    """What an entry's target is: called without arguments, it makes the loss."""
    return lambda: Plain(**changes)


class Undeclared:
    """The example of a hurried author: two methods and nothing else."""

    discriminator = NonSaturating.discriminator
    generator = NonSaturating.generator
    d_weight = 1.0


class Counting(NonSaturating):
    """Its weight grows with every call."""

    def __init__(self):
        object.__setattr__(self, "d_weight", 1.0)

    def discriminator(self, ops, real, fake):
        object.__setattr__(self, "d_weight", self.d_weight * 1.5)
        return super().discriminator(ops, real, fake)


@dataclass(frozen=True)
class Classes(Conditional):
    """`conditional` around the non-saturating loss with another class term: (ops, class logits, one-hot, labels)."""

    base: Any = NonSaturating()
    term: Callable[..., Any] = None
    labels_of_real: bool = field(default=False)

    def generator(self, ops, real, fake):
        return self.base.generator(ops, real, fake) + self._classes(ops, fake)

    def _classes(self, ops, scores):
        if scores.class_logits is None:
            return 0.0
        right = ops.one_hot(scores.labels, scores.class_logits.shape[-1])
        return self.term(ops, scores.class_logits, right)


class WrongSide(Conditional):
    """The class head of real examples is held to the labels of the fakes."""

    def __init__(self):
        super().__init__(NonSaturating())

    def discriminator(self, ops, real, fake):
        return super().discriminator(ops, replace(real, labels=fake.labels), fake)


@dataclass(frozen=True)
class Deaf(NonSaturating):
    """Takes a margin and does not look at it."""

    margin: float = 1.0


@dataclass(frozen=True)
class Switchless(NonSaturating):
    """Takes a switch and does not look at it."""

    saturating: bool = False


def mean_of(ops, x):
    return ops.xp.mean(x)


def relativistic(ops, higher, lower):
    return ops.xp.mean(ops.softplus(lower.logits - higher.logits))


def every_pair(ops, higher, lower):
    return ops.xp.mean(ops.softplus(lower.logits[:, None] - higher.logits[None, :]))


def by_place(ops, real, fake):
    n = real.logits.shape[0]
    place = ops.xp.astype(ops.xp.arange(n), real.logits.dtype)
    return ops.xp.mean(ops.softplus(-real.logits) * place / n) + ops.xp.mean(ops.softplus(fake.logits))


def in_place(ops, real, fake):
    target = fake.logits
    target += 1.0
    return NonSaturating().discriminator(ops, real, fake)


def with_root(ops, real, fake):
    """|D(x) - 1| + |D(G(z))| as the root of a square, whose derivative at 0 is 0 times infinity."""
    return ops.xp.mean(ops.xp.sqrt((real.logits - 1.0) ** 2)) + ops.xp.mean(ops.xp.sqrt(fake.logits**2))


def hidden_root(ops, real, fake):
    """The root that `where` throws away still has a gradient, which is not a number at 0."""
    f = fake.logits
    rest = ops.xp.where(f > 0, ops.xp.sqrt(f), 0.0 * f)
    return ops.xp.mean(ops.softplus(-real.logits)) + ops.xp.mean(ops.softplus(f)) + ops.xp.mean(rest)


def overwritten(ops, real, fake):
    value = relativistic(ops, fake, real)
    value = NonSaturating().generator(ops, None, fake)
    return value


def by_label(ops, real, fake):
    weight = 1.0 if real.labels is None else 1.0 + ops.to_float(real.labels)
    return mean_of(ops, weight * ops.softplus(-real.logits)) + mean_of(ops, ops.softplus(fake.logits))


def softmax(ops, c):
    return ops.xp.exp(ops.log_softmax(c))


def cross_entropy(ops, c, right):
    return -ops.xp.mean(ops.xp.sum(ops.log_softmax(c) * right, axis=-1))


HEAVY = """
from gankit.parts.losses import NonSaturating

for framework in ("jax", "torch", "mlx.core"):  # whichever is here
    try:
        __import__(framework)
        break
    except ImportError:
        continue


class Part(NonSaturating):
    pass
"""

LOSSES = losses(
    ("declares nothing", "check_loss_contract", Undeclared),
    ("deaf to its margin", "check_loss_settings_act", Deaf),
    ("deaf to its switch", "check_loss_settings_act", Switchless),
    ("no mean at all", "check_loss_contract", plain(g=lambda ops, real, fake: ops.softplus(-fake.logits))),
    (
        "relativistic without saying that G needs real examples",
        "check_loss_contract",
        plain(d=relativistic, g=lambda ops, r, f: relativistic(ops, f, r), pairs_examples=True),
    ),
    (
        "log of 1 - sigmoid",
        "check_loss_values",
        plain(
            d=lambda ops, r, f: (
                mean_of(ops, ops.softplus(-r.logits)) - mean_of(ops, ops.xp.log(1.0 - ops.sigmoid(f.logits)))
            )
        ),
    ),
    (
        "log of sigmoid",
        "check_loss_values",
        plain(g=lambda ops, r, f: -mean_of(ops, ops.xp.log(ops.sigmoid(f.logits)))),
    ),
    ("the root of a square", "check_loss_gradients", plain(d=with_root)),
    ("a root that where throws away", "check_loss_gradients", plain(d=hidden_root)),
    (
        "exponential scores",
        "check_loss_is_finite",
        plain(d=lambda ops, r, f: mean_of(ops, ops.xp.exp(-r.logits)) + mean_of(ops, ops.xp.exp(f.logits))),
    ),
    (
        "log of softmax",
        "check_loss_is_finite",
        lambda: Classes(term=lambda ops, c, y: -mean_of(ops, ops.xp.log(ops.xp.sum(softmax(ops, c) * y, axis=-1)))),
    ),
    ("a sum", "check_loss_is_a_mean", plain(g=lambda ops, r, f: ops.xp.sum(ops.softplus(-f.logits)))),
    (
        "a sum over fakes only",
        "check_loss_is_a_mean",
        plain(d=lambda ops, r, f: mean_of(ops, ops.softplus(-r.logits)) + ops.xp.sum(ops.softplus(f.logits)) / 6),
    ),
    ("a weight by place", "check_loss_ignores_order", plain(d=by_place)),
    (
        "set against fakes from the other end",
        "check_loss_ignores_order",
        plain(d=lambda ops, r, f: mean_of(ops, ops.softplus(ops.xp.flip(f.logits) - r.logits)), pairs_examples=True),
    ),
    (
        "relativistic without saying that it pairs",
        "check_loss_pairs_examples",
        plain(d=relativistic, g=lambda ops, r, f: relativistic(ops, f, r), generator_needs_real=True),
    ),
    (
        "(N, 1) against (N,)",
        "check_loss_pairs_examples",
        plain(
            d=every_pair,
            g=lambda ops, r, f: every_pair(ops, f, r),
            generator_needs_real=True,
            pairs_examples=True,
        ),
    ),
    ("classes of the wrong side", "check_loss_pairs_examples", WrongSide),
    (
        "a relativistic G that is overwritten",
        "check_loss_needs_what_it_says",
        plain(d=relativistic, g=overwritten, generator_needs_real=True, pairs_examples=True),
    ),
    ("mismatched pairs that are not looked at", "check_loss_needs_what_it_says", plain(needs_mismatched=True)),
    (
        "D's sign flipped",
        "check_loss_discriminator_step",
        plain(d=lambda ops, r, f: -NonSaturating().discriminator(ops, r, f)),
    ),
    (
        "real and fake exchanged",
        "check_loss_discriminator_step",
        plain(d=lambda ops, r, f: NonSaturating().discriminator(ops, f, r)),
    ),
    ("D compared with itself", "check_loss_discriminator_step", plain(d=lambda ops, r, f: relativistic(ops, r, r))),
    (
        "D without real examples",
        "check_loss_discriminator_step",
        plain(d=lambda ops, r, f: mean_of(ops, ops.softplus(f.logits))),
    ),
    (
        "G's sign flipped",
        "check_loss_generator_step",
        plain(g=lambda ops, r, f: mean_of(ops, ops.softplus(f.logits))),
    ),
    (
        "G moves real examples",
        "check_loss_generator_step",
        plain(g=lambda ops, r, f: mean_of(ops, ops.softplus(-r.logits)), generator_needs_real=True),
    ),
    (
        "relativistic on D's side only",
        "check_loss_compares_on_both_sides",
        plain(d=relativistic, pairs_examples=True),
    ),
    (
        "softmax before the cross-entropy",
        "check_loss_class_logits",
        lambda: Classes(term=lambda ops, c, y: cross_entropy(ops, softmax(ops, c), y)),
    ),
    (
        "away from the right class",
        "check_loss_class_logits",
        lambda: Classes(term=lambda ops, c, y: -cross_entropy(ops, c, y)),
    ),
    # An array of jax's cannot be changed in place: there `x += 1` makes another one.
    ("scores changed in place", "check_loss_is_pure", plain(d=in_place), frozenset({"jax", "mlx"})),
    ("remembers how often it was called", "check_loss_is_pure", Counting),
    (
        "methods of arrays",
        "check_loss_without_a_framework",
        plain(g=lambda ops, r, f: ops.softplus(-f.logits).mean()),
    ),
    ("imports frameworks", "check_loss_imports_no_framework", HEAVY),
    ("weighs by label", "check_loss_wrapped_by_conditional", plain(d=by_label)),
    (
        "features that no network marks",
        "check_loss_plays",
        plain(
            g=lambda ops, r, f: mean_of(ops, (mean_of(ops, r.features[1]) - f.features[1]) ** 2),
            generator_needs_real=True,
        ),
    ),
    ("conditional under another name", "check_loss_plays", plain(conditional=True)),
)


# ---- penalties


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

PENALTIES = penalties(
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


# ---- networks


@dataclass(frozen=True)
class Does(Portable):
    """A layer of a stranger's own: function(ops, x)."""

    function: Callable[..., Any]

    def compute(self, ops, params, x, labels):
        return self.function(ops, x)


@dataclass(frozen=True)
class Idle(Portable):
    """A layer with a parameter that it does not use."""

    def parameters(self, shape):
        return {"scale": Parameter((1,), Constant(1.0))}

    def compute(self, ops, params, x, labels):
        return x


class OfItsOwn:
    """An initializer that draws from NumPy's global state."""

    def __call__(self, rng, shape, data_mean):
        return np.random.normal(0.0, 0.3, shape)


class LogOfMean:
    """The logarithm of how far the mean example is above a half, where the data are known."""

    def __call__(self, rng, shape, data_mean):
        if data_mean is None:
            return np.zeros(shape)
        with np.errstate(all="ignore"):
            return np.log(data_mean.reshape(shape) - 0.5)


def g(*inner, kernel=None, last=None, bias=None, labels=True):
    """A generator's target: labels, dense 8, whatever is inside, dense, the range's activation."""

    def build(spec):
        told = spec.labels() if labels else ()
        bounded = (Sigmoid(),) if spec.bounded else ()
        first = Dense(8, kernel=kernel or HeNormal())
        out = Dense(math.prod(spec.shape), kernel=last or HeNormal(gain=1.0), bias=bias or Constant(0.0))
        return (*told, first, LeakyRelu(0.2), *inner, out, *bounded, Reshape(spec.shape))

    return build


LOGIT = Reshape(())


def d(*inner, before=(), kernel=None, last=None, labels=True, end=(LOGIT,)):
    """A discriminator's target: flat, labels, dense 8, whatever is inside, dense, one logit."""

    def build(spec):
        told = spec.labels() if labels else ()
        first, out = Dense(8, kernel=kernel or HeNormal()), Dense(1, kernel=last or HeNormal(gain=1.0))
        return (Flatten(), *before, *told, first, LeakyRelu(0.2), *inner, out, *end)

    return build


BENT = (LeakyRelu(0.2),)


def e(*end, before=(), bent=BENT):
    """An encoder's target: flat, labels, dense 8, dense, whatever is at its end."""

    def build(spec):
        return (Flatten(), *before, *spec.labels(), Dense(8), *bent, Dense(spec.latent_dim), *end)

    return build


def straight(role, *end):
    """A linear network's target, ending as it is told."""

    def build(spec):
        if role == "G":
            return (*spec.labels(), Dense(8), Dense(math.prod(spec.shape)), *end, Reshape(spec.shape))
        return (Flatten(), *spec.labels(), Dense(8), *end, Dense(1), LOGIT)

    return build


def deaf_to_width(spec, *, width: int = 8):
    return g()(spec)


def deaf_to_slope(spec, *, width: int = 8, slope: float = 0.2):
    return (Flatten(), *spec.labels(), Dense(width), LeakyRelu(0.2), Dense(1), LOGIT)


def deaf_to_norm(spec, *, hidden: tuple[int, ...] = (8, 8), norm: bool = False):
    dense = tuple(layer for width in hidden for layer in (Dense(width), Relu()))
    return (
        *spec.labels(),
        *dense,
        Dense(math.prod(spec.shape)),
        *((Sigmoid(),) if spec.bounded else ()),
        Reshape(spec.shape),
    )


@dataclass(frozen=True)
class Cut(Portable):
    """Of a picture, what a square of its shorter side covers."""

    def output_shape(self, shape):
        side = min(shape[:2])
        return (side, side, shape[2])

    def compute(self, ops, params, x, labels):
        side = min(x.shape[1:3])
        return x[:, :side, :side]


def square_minded(spec):
    spec.image_shape("broken")
    return (Cut(), Flatten(), *spec.labels(), Dense(8), LeakyRelu(0.2), Dense(1), LOGIT)


def one_row_too_few(spec):
    spec.image_shape("broken")

    def padded(ops, x):
        return ops.xp.concat([x[:, :-1], ops.xp.zeros_like(x[:, :1])], axis=1)

    return (*g()(spec), Does(padded))


def refuses(spec):
    raise ConfigError(f"Not for examples of shape {spec.shape}.")


def drops_its_picture(spec):
    spec.condition("broken", "image")  # refuses games without one
    return g(labels=False)(spec)


def counted(spec, counter=count()):  # noqa: B008
    """Every network it makes is a unit wider than the one before."""
    return (*spec.labels(), Dense(4 + next(counter)), Relu(), Dense(math.prod(spec.shape)), Reshape(spec.shape))


def from_a_table(spec):
    """For the data that its author has."""
    width = {(8, 8, 1): 16, (28, 28, 1): 64}[spec.shape]
    return (Flatten(), *spec.labels(), Dense(width), LeakyRelu(0.2), Dense(1), Reshape(()))


def as_module(records, shape, backend):
    """What those records are on a backend as a module of its framework, with numbers in it."""
    net, rng = open_backend(backend, "cpu", "float32").network(layers.place(records, shape)), np.random.default_rng(0)
    return net.with_params(*net.init({name: 0.5 * rng.normal(size=size) for name, size in net.shapes[0].items()}))


def module_of(records, output):
    """backend's name -> a generator's target for points of the plane, which takes no labels."""

    def on(backend):
        def build(spec):
            spec.require(spec.shape == (2,) and spec.num_classes is None, "broken", "points without labels")
            return Native(as_module(records, (spec.latent_dim,), backend), output=output)

        return build

    return on


def noise(ops, x):
    return x + ops.asarray(np.random.normal(size=tuple(x.shape)))


def centred(ops, x):
    """What a batch norm does, without saying that it mixes the examples."""
    return x - ops.xp.mean(x, axis=0)


def half_precision(ops, x):
    return ops.xp.astype(x, ops.xp.float32)


def rooted(ops, x):
    return ops.xp.sqrt(x * x)


def without_biases(real, ops, placed):
    return lambda tensors: {n: 0 * a if n.endswith("bias") else a for n, a in real.export(tensors).items()}


def always_moving(real, ops, placed):
    def apply(params, buffers, x, labels=None, **options):
        out, after = real.apply(params, buffers, x, labels, **options)
        return out, {name: 0.9 * buffer for name, buffer in after.items()}

    return apply


def with_other_numbers(real, ops, placed):
    return lambda params, buffers: real.with_params({name: 0.5 * p for name, p in params.items()}, buffers)


def networks(*faults: tuple[Any, ...], **more: Any) -> tuple[Broken, ...]:
    """Those whose first word is "G" are generators; "D" discriminators, "E" encoders."""
    kinds = {"G": "generators", "D": "discriminators", "E": "encoders"}
    return tuple(Broken(kinds[name.split()[0]], name, check, part, **more) for name, check, part in faults)


NETWORKS = (
    *networks(
        ("D ends in (N, 1)", "check_network_shapes", d(end=())),
        ("G ends in a vector", "check_network_shapes", lambda spec: (*spec.labels(), Dense(math.prod(spec.shape)))),
        ("G for no data at all", "check_network_shapes", refuses),
        ("D that fails on other data", "check_network_shapes", from_a_table),
        ("D that starts too large", "check_network_outputs", d(last=Normal(1e6))),
        (
            "D in float32 whatever the game",
            "check_network_outputs",
            d(end=(LOGIT, Does(half_precision))),
        ),
        ("D ends in a sigmoid", "check_network_range", d(end=(LOGIT, Sigmoid()))),
        ("D ends in tanh", "check_network_range", d(end=(LOGIT, Tanh()))),
        ("D ends in relu", "check_network_range", d(end=(LOGIT, Relu()))),
        ("G without z", "check_network_inputs_matter", g(Does(lambda ops, x: 0.0 * x))),
        ("D without the example", "check_network_inputs_matter", d(before=(Does(lambda ops, x: 0.0 * x),))),
        ("G without labels", "check_network_conditions_matter", g(labels=False)),
        ("G that takes a picture and drops it", "check_network_conditions_matter", drops_its_picture),
        ("D without labels", "check_network_conditions_matter", d(labels=False)),
        ("G that counts how often it was made", "check_network_names", counted),
        ("G that draws its start itself", "check_network_start", g(kernel=OfItsOwn())),
        ("D with constants only", "check_network_start", d(kernel=Constant(0.1), last=Constant(0.1))),
        ("G with noise in evaluation", "check_network_evaluates_alike", g(Does(noise))),
        ("D with noise by NumPy", "check_network_trains_by_its_key", d(Does(noise))),
        ("D that centres a batch unsaid", "check_network_examples_are_independent", d(Does(centred))),
        ("G that centres a batch unsaid", "check_network_examples_are_independent", g(Does(centred))),
        ("G with an idle parameter", "check_network_gradient_reaches_every_parameter", g(Idle())),
        (
            "D with a stopped gradient",
            "check_network_gradient_reaches_every_parameter",
            d(Does(lambda ops, x: ops.stop_gradient(x))),
        ),
        (
            "G that starts at zero",
            "check_network_learns_from_its_start",
            g(kernel=Constant(0.0), last=Constant(0.0)),
        ),
        ("D with the root of 0", "check_network_second_derivatives", d(Does(rooted), kernel=Constant(0.0))),
        ("G with the log of the mean", "check_network_plays", g(bias=LogOfMean())),
        ("E that ends in a logit", "check_network_shapes", d()),
        ("E that ends in tanh", "check_network_range", e(Tanh())),
        ("E without the example", "check_network_inputs_matter", e(before=(Does(lambda ops, x: 0.0 * x),))),
        ("E that is linear", "check_network_bends", e(bent=())),
        ("G that is linear", "check_network_bends", straight("G")),
        ("D that is linear", "check_network_bends", straight("D")),
        ("D with dropout for an activation", "check_network_bends", straight("D", layers.Dropout(0.5))),
        ("G deaf to its width", "check_network_settings_act", deaf_to_width),
        ("D deaf to its slope", "check_network_settings_act", deaf_to_slope),
        ("G deaf to a switch", "check_network_settings_act", deaf_to_norm),
        ("D that sees a square", "check_network_reads_every_number", square_minded),
        ("G that leaves a row out", "check_network_reads_every_number", one_row_too_few),
        ("D whose spread is that of a variance", "check_network_starts_in_scale", d(kernel=Normal(40.0))),
        ("G that starts in a whisper", "check_network_starts_in_scale", g(kernel=Normal(1e-4))),
    ),
    *networks(
        (
            "G says symmetric and is a sigmoid",
            "check_network_range",
            module_of((Dense(8), Relu(), Dense(2), Sigmoid()), "symmetric"),
        ),
        (
            "G says unit and is without bounds",
            "check_network_range",
            module_of((Dense(8), Relu(), Dense(2)), "unit"),
        ),
        bound=True,
    ),
    *networks(
        ("G whose statistics move in evaluation", "check_network_evaluates_alike", g(layers.BatchNorm())),
        backend=network(apply=always_moving),
    ),
    *networks(("G exported without biases", "check_network_exports", g()), backend=network(export=without_biases)),
    *networks(
        ("D handed over with other numbers", "check_network_as_a_module", d()),
        backend=network(with_params=with_other_numbers),
    ),
)
