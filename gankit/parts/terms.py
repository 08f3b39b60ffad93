"""Terms that use what is known about examples: the distance of G to the paired example, mismatched conditions, and
classes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from gankit.config import LABELLED
from gankit.errors import ConfigError
from gankit.interfaces import Array, Moment
from gankit.parts.penalties import OnDiscriminator
from gankit.parts.schedules import Number, require_between, schedule
from gankit.parts.together import batch_size, next_rows
from gankit.plug.spelling import CLASSES, TELLS_NONE


@dataclass(frozen=True)
class OnGenerator:
    """The base of terms of G's objective; weight and every as in `gankit.penalties.OnDiscriminator`."""

    weight: Number = 1.0
    every: int = 1
    player: Literal["discriminator", "generator"] = field(default="generator", init=False)
    name: ClassVar[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", schedule(self.weight))
        require_between(self.name, "weight", self.weight, 0.0, math.inf)
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise ConfigError(f"{self.name}: every={self.every!r}; expected a whole number of steps, at least 1.")


class Paired(OnGenerator):
    """E |x - G(z|c)|, the mean over pixels, where x is the example that c belongs to. Isola et al. 2017, eq. 3.

    In model units: with the range of tanh, an error of the whole range counts 2.
    """

    name: ClassVar[str] = "l1"
    needs: ClassVar[tuple[str, ...]] = ("real",)

    def __call__(self, moment: Moment) -> Array:
        return moment.ops.xp.mean(moment.ops.xp.abs(moment.draw.real - moment.fake))


@dataclass(frozen=True)
class Cycle(OnGenerator):
    """E |b - F(G(b))| + E |x - G(F(x))|: mapping there and back gives the original. Zhu et al. 2017, eq. 2.

    there: the player F, the counterpart of G; source: the data that F generates.
    condition: the name of the condition under which both get their images.
    """

    there: str = "generator-b"
    source: str = "b"
    condition: str = "image"
    name: ClassVar[str] = "cycle"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("real", self.there, self.source)

    def __call__(self, moment: Moment) -> Array:
        xp, draw, other = moment.ops.xp, moment.draw, moment.draw.others[self.source]

        def back(role: str, z: Array, image: Array) -> Any:
            return moment.apply(role, z, {self.condition: image})

        b = back(self.there, other.z, moment.fake)
        x = back("generator", draw.z, moment.fakes[self.source])
        return xp.mean(xp.abs(other.real - b)) + xp.mean(xp.abs(draw.real - x))


@dataclass(frozen=True)
class Diversity(OnGenerator):
    """-E min(|G(z|c) - G(z'|c)| / |z - z'|, limit): samples for one condition must differ. Yang et al. 2019, eq. 2.

    z' is the z of another example. Both distances are means of absolute differences, over pixels in model units and
    over the numbers of z. limit: a larger ratio gains nothing.
    """

    limit: float = 1.0
    name: ClassVar[str] = "diversity"
    needs: ClassVar[tuple[str, ...]] = ("given",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.limit > 0:
            raise ConfigError(f"diversity: limit={self.limit!r}; it must be above 0.")

    def __call__(self, moment: Moment) -> Array:
        ops, xp, z = moment.ops, moment.ops.xp, moment.draw.z
        if batch_size(ops, z) < 2:
            raise ConfigError("diversity: a minibatch of 1 has no other z; use batch_size=2.")
        other = next_rows(ops, z)
        answers = moment.generate(other, moment.draw.fake_given)
        apart = xp.mean(xp.reshape(xp.abs(answers - moment.fake), (z.shape[0], -1)), axis=1)
        ratio = apart / (xp.mean(xp.abs(other - z), axis=1) + 1e-8)
        return -xp.mean(xp.minimum(ratio, ops.asarray(self.limit) + xp.zeros_like(ratio)))


@dataclass(frozen=True)
class Inversion(OnGenerator):
    """E |E(G(z)) - z|^2 + pixels (E |G(E(G(z))) - G(z)|^2 + E |G(E(x)) - x|^2): an encoder learns to invert a G.

    Each is a mean over the numbers of z, or over pixels in model units. With z alone the encoder hardly learns, because
    much of z does not show in the image. With pixels, of real examples too, it finds the z whose image is nearest.
    pixels: the weight of the pixels relative to z.
    """

    pixels: float = 20.0
    encoder: str = "encoder"
    name: ClassVar[str] = "inversion"

    @property
    def needs(self) -> tuple[str, ...]:
        return ("real", self.encoder)

    def __call__(self, moment: Moment) -> Array:
        xp, draw = moment.ops.xp, moment.draw
        fake = moment.ops.stop_gradient(moment.fake)
        z = moment.apply(self.encoder, fake, draw.fake_given)
        value = xp.mean((z - draw.z) ** 2)
        if self.pixels:
            of_real = moment.apply(self.encoder, draw.real, draw.given)
            again = moment.apply("generator", z, draw.fake_given)
            real = moment.apply("generator", of_real, draw.given)
            value = value + self.pixels * (xp.mean((again - fake) ** 2) + xp.mean((real - draw.real) ** 2))
        return value


class Mismatched(OnDiscriminator):
    """E -log(1 - D(x|c')), where c' is the condition of another example: D rejects real examples that do not belong to
    their condition. Reed et al. 2016, algorithm 1.

    Without it D may ignore conditions: if G follows its condition closely, D never sees a pair that does not fit. For
    labels, the loss has the same as a setting, `conditional(mismatched=True)`, which never draws the class of the
    example itself.
    """

    name: ClassVar[str] = "mismatched"
    needs: ClassVar[tuple[str, ...]] = ("given",)

    def __call__(self, moment: Moment) -> Array:
        ops, draw = moment.ops, moment.draw
        if batch_size(ops, moment.fake) < 2:
            raise ConfigError("mismatched: in a minibatch of 1 no example has another's condition; use batch_size=2.")
        others = {name: next_rows(ops, c) for name, c in draw.given.items()}
        return ops.xp.mean(ops.softplus(moment.critic(draw.real, others).logits))


@dataclass(frozen=True)
class OnClasses(OnDiscriminator):
    """The base of terms on D's classes.

    source: the source of the examples with labels, which give the classes their meaning.
    """

    source: str = LABELLED

    @property
    def needs(self) -> tuple[str, ...]:
        return (CLASSES, self.source)

    def log_p(self, moment: Moment, x: Array) -> Array:
        """(n, classes): the logarithms of the probabilities that D gives each class."""
        logits = moment.critic(x, {}).class_logits
        if logits is None:  # a module of the user's own, as others are asked beforehand
            raise ConfigError(f"{self.name}: {TELLS_NONE}")
        return moment.ops.log_softmax(logits)


class ClassCrossEntropy(OnClasses):
    """-E log p(y|x) on the labelled examples, where p is the softmax of D's class logits. It makes D a classifier."""

    name: ClassVar[str] = "class-cross-entropy"

    def __call__(self, moment: Moment) -> Array:
        ops, draw = moment.ops, moment.draw.others[self.source]
        if draw.labels is None:
            raise ConfigError(
                f"{self.name}: the examples of the source {self.source!r} have no labels. Bring them: "
                f"sources={{{self.source!r}: (x, labels)}}."
            )
        log_p = self.log_p(moment, draw.real)
        return -ops.xp.mean(ops.xp.sum(log_p * ops.one_hot(draw.labels, log_p.shape[-1]), axis=-1))


class ClassConsistency(OnClasses):
    """E sum_k (p_k(x) - p_k(x))^2 on real examples, each seen twice, with different dropout and augmentations.

    These should not change the class of an example. Laine & Aila 2017; in this game, Wei et al. 2018.
    """

    name: ClassVar[str] = "class-consistency"

    def __call__(self, moment: Moment) -> Array:
        ops = moment.ops
        x: Array = moment.draw.real
        # Masks and shifts are drawn for each row of a batch: the two looks are two halves of one.
        p = ops.xp.exp(self.log_p(moment, ops.xp.concat([x, x])))
        apart = p[: x.shape[0]] - p[x.shape[0] :]
        return ops.xp.mean(ops.xp.sum(apart * apart, axis=-1))
