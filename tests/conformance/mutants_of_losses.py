"""Losses with one fault each, written as a stranger would write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from planted_parts import HEAVY, Broken

from gankit.parts.losses import Conditional, NonSaturating


def losses(*faults: tuple[Any, ...]) -> tuple[Broken, ...]:
    return tuple(Broken("losses", *fault) for fault in faults)


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
