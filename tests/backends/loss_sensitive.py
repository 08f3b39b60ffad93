"""The loss-sensitive GAN (Qi 2017, section 3), as the guide shows it: a loss, and a term that sees the examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from gankit.interfaces import Array, Moment, Ops, Scores
from gankit.penalties import OnDiscriminator


@dataclass(frozen=True)
class Sensitive:
    """L(x) is -D(x), which D makes small at real examples, and G at its own."""

    generator_needs_real: bool = field(default=False, init=False)
    conditional: bool = field(default=False, init=False)
    known_failures: ClassVar[dict[str, str]] = {
        "check_loss_discriminator_step": "fakes are judged beside real examples, by the penalty 'margin'"
    }

    def discriminator(self, ops: Ops, real: Scores, fake: Scores) -> Array:
        return -ops.xp.mean(real.logits)

    def generator(self, ops: Ops, real: Scores | None, fake: Scores) -> Array:
        return -ops.xp.mean(fake.logits)


@dataclass(frozen=True)
class Margin(OnDiscriminator):
    """mean max(0, scale |x - G(z)| + L(x) - L(G(z))): a fake costs more than a real example, the more the further it
    is from it. Its weight is lambda of the paper."""

    scale: float = 1.0
    name: ClassVar[str] = "margin"

    def __call__(self, moment: Moment) -> Array:
        ops, draw = moment.ops, moment.draw
        axes = tuple(range(1, draw.real.ndim))
        apart = ops.xp.mean(ops.xp.abs(draw.real - moment.fake), axis=axes)
        real = moment.critic(draw.real, draw.given).logits
        fake = moment.critic(moment.fake, draw.fake_given).logits
        return ops.xp.mean(ops.relu(self.scale * apart - real + fake))
