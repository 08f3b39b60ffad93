"""Zero-centred gradient penalties on D's inputs. Mescheder et al. 2018; R1 + R2 in R3GAN (Huang et al. 2024)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from gankit.errors import ConfigError
from gankit.interfaces import Array, Draw, Key, Ops, Scores
from gankit.parts.schedules import Number, require_between, schedule


@dataclass(frozen=True)
class OnDiscriminator:
    """What penalties of D's objective have in common.

    weight: a number, or a schedule such as {"schedule": "ramp", "start": 10, "stop": 1, "begin": 0, "end": 5000}.
    every: lazy regularisation, acting at every so many steps and that many times as strong (Karras et al. 2020).
    """

    weight: Number = 1.0
    every: int = 1
    player: Literal["discriminator", "generator"] = field(default="discriminator", init=False)
    name: ClassVar[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", schedule(self.weight))
        require_between(self.name, "weight", self.weight, 0.0, math.inf)
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise ConfigError(f"{self.name}: every={self.every!r}; expected a whole number of steps, at least 1.")


class R1(OnDiscriminator):
    """1/2 E ||grad_x D(x)||^2 at real examples; the weight is gamma of the papers."""

    name: ClassVar[str] = "r1"
    slopes_at: ClassVar[tuple[str, ...]] = ("real",)

    def __call__(self, ops: Ops, net: Callable[..., Scores], draw: Draw, fake: Array, key: Key) -> Array:
        return half_squared_gradient(ops, net, draw.real, draw.labels)


class R2(OnDiscriminator):
    """1/2 E ||grad_x D(x)||^2 at generated examples; the weight is gamma of the papers."""

    name: ClassVar[str] = "r2"
    slopes_at: ClassVar[tuple[str, ...]] = ("fake",)

    def __call__(self, ops: Ops, net: Callable[..., Scores], draw: Draw, fake: Array, key: Key) -> Array:
        return half_squared_gradient(ops, net, fake, draw.fake_labels)


def half_squared_gradient(ops: Ops, net: Callable[..., Scores], x: Array, labels: Array | None) -> Array:
    """1/2 mean_i ||d net(x)_i / d x_i||^2."""
    gradient = input_gradient(ops, net, x, labels)
    return 0.5 * ops.xp.sum(gradient * gradient) / x.shape[0]


def input_gradient(ops: Ops, net: Callable[..., Scores], x: Array, labels: Array | None) -> Array:
    """d net(x)_i / d x_i, shaped like x: each row of the gradient of the summed logits is that of its own example.

    At the minibatch's own examples it is known already, if the penalty said so in `slopes_at`.
    """
    for known in getattr(net, "slopes", ()):
        if known.x is x and known.labels is labels:
            return known.gradient
    return ops.grad(lambda x: ops.xp.sum(net(x, labels).logits))(x)


def safe_norm(ops: Ops, x: Array) -> Array:
    """(N,): the norm of each example, whose derivative at an example of zeros is 0 where that of sqrt is NaN."""
    xp = ops.xp
    squares = xp.sum(xp.reshape(x * x, (x.shape[0], -1)), axis=1)
    positive = squares > 0
    root = xp.sqrt(xp.where(positive, squares, xp.ones_like(squares)))
    return xp.where(positive, root, xp.zeros_like(root))
