"""Zero-centred gradient penalties on D's inputs. Mescheder et al. 2018; R1 + R2 in R3GAN (Huang et al. 2024)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from gankit.errors import ConfigError
from gankit.interfaces import LABEL, Array, Given, Moment, Ops, Scores
from gankit.parts.schedules import Number, require_between, schedule


@dataclass(frozen=True)
class OnDiscriminator:
    """The base of terms of D's objective.

    weight: a number, or a schedule such as {"schedule": "ramp", "start": 10, "stop": 1, "begin": 0, "end": 5000}.
    every: lazy regularisation: the term acts at every `every`-th step, and is `every` times as strong (Karras et al.
        2020).
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
    """1/2 E ||grad_x D(x)||^2 at real examples; the weight is the gamma of the papers."""

    name: ClassVar[str] = "r1"
    slopes_at: ClassVar[tuple[str, ...]] = ("real",)

    def __call__(self, moment: Moment) -> Array:
        return half_squared_gradient(moment.ops, moment.critic, moment.draw.real, moment.draw.given)


class R2(OnDiscriminator):
    """1/2 E ||grad_x D(x)||^2 at generated examples; the weight is the gamma of the papers."""

    name: ClassVar[str] = "r2"
    slopes_at: ClassVar[tuple[str, ...]] = ("fake",)

    def __call__(self, moment: Moment) -> Array:
        return half_squared_gradient(moment.ops, moment.critic, moment.fake, moment.draw.fake_given)


def half_squared_gradient(ops: Ops, critic: Callable[..., Scores], x: Array, given: Any) -> Array:
    """1/2 mean_i ||d critic(x)_i / d x_i||^2. given: the conditions of x, or its labels alone."""
    gradient = input_gradient(ops, critic, x, given)
    return 0.5 * ops.xp.sum(gradient * gradient) / x.shape[0]


def input_gradient(ops: Ops, critic: Callable[..., Scores], x: Array, given: Any) -> Array:
    """d critic(x)_i / d x_i, with the shape of x: row i of the gradient of the summed logits belongs to example i.

    At the examples of the minibatch it is already known, if the term has them in `slopes_at`.
    """
    for known in getattr(critic, "slopes", ()):
        if known.x is x and _same(known.given, given):
            return known.gradient
    return ops.grad(lambda x: ops.xp.sum(critic(x, given).logits))(x)


def _same(known: Given, given: Any) -> bool:
    """Whether these are the very conditions, or their labels."""
    if not isinstance(given, Mapping):
        return known.get(LABEL) is given
    return known.keys() == given.keys() and all(known[name] is given[name] for name in known)


def safe_norm(ops: Ops, x: Array) -> Array:
    """(N,): the norm of each example. Its derivative at an example of zeros is 0, where that of sqrt is NaN."""
    xp = ops.xp
    squares = xp.sum(xp.reshape(x * x, (x.shape[0], -1)), axis=1)
    positive = squares > 0
    root = xp.sqrt(xp.where(positive, squares, xp.ones_like(squares)))
    return xp.where(positive, root, xp.zeros_like(root))
