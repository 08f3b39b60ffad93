"""Zero-centred gradient penalties on D's inputs. Mescheder et al. 2018; R1 + R2 in R3GAN (Huang et al. 2024)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from gankit.errors import ConfigError
from gankit.interfaces import Array, Draw, Key, Ops, Scores


@dataclass(frozen=True)
class GradientNorm:
    """Half the mean over the batch of the squared gradient of D, summed over every dimension of an example.

    weight: gamma of the papers.
    every: lazy regularisation, acting at every so many steps and that many times as strong (Karras et al. 2020).
    """

    weight: float = 1.0
    every: int = 1
    player: Literal["discriminator", "generator"] = field(default="discriminator", init=False)

    def __post_init__(self) -> None:
        if self.weight < 0 or self.every < 1:
            raise ConfigError(f"{self}: a penalty's weight is at least 0, and `every` a whole number of at least 1.")


class R1(GradientNorm):
    """1/2 E ||grad_x D(x)||^2 at real examples."""

    name: ClassVar[str] = "r1"

    def __call__(self, ops: Ops, net: Callable[[Array], Scores], draw: Draw, fake: Array, key: Key) -> Array:
        return half_squared_gradient(ops, net, draw.real)


class R2(GradientNorm):
    """1/2 E ||grad_x D(x)||^2 at generated examples."""

    name: ClassVar[str] = "r2"

    def __call__(self, ops: Ops, net: Callable[[Array], Scores], draw: Draw, fake: Array, key: Key) -> Array:
        return half_squared_gradient(ops, net, fake)


def half_squared_gradient(ops: Ops, net: Callable[[Array], Scores], x: Array) -> Array:
    """1/2 mean_i ||d net(x)_i / d x_i||^2; the sum over the batch has each example's own gradient in its row."""
    gradient = ops.grad(lambda x: ops.xp.sum(net(x).logits))(x)
    return 0.5 * ops.xp.sum(gradient * gradient) / x.shape[0]
