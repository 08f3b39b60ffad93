"""LeCam regularisation: for data so few that D would learn them by heart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from gankit.interfaces import Array, Moment, Tensors
from gankit.parts.penalties import OnDiscriminator
from gankit.parts.schedules import Number, require_between
from gankit.parts.together import batch_mean


@dataclass(frozen=True)
class LeCam(OnDiscriminator):
    """E (D(x) - a_F)^2 + E (D(G(z)) - a_R)^2. Tseng et al. 2021, section 3.

    a_R and a_F are running means of D's logits on real and on fake, constants for the gradient. As in the authors' code
    each minibatch moves them before it is compared with them, and they are means of what they have seen from the first
    minibatch on (its `zero_debias`); the parts of an accumulated gradient count one by one.

    weight: lambda of the paper; 0.3 is what the authors' scripts have for BigGAN on CIFAR-10.
    decay: of the running means, at each step of D.
    one_sided: only real logits above a_F and fake ones below a_R count, by relu: what the authors' code does, unlike
        the paper's equation.
    """

    weight: Number = 0.3
    decay: float = 0.99
    one_sided: bool = False
    name: ClassVar[str] = "lecam"
    memory: ClassVar[Mapping[str, float]] = MappingProxyType({"real": 0.0, "fake": 0.0, "mass": 0.0})

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self.name, "decay", self.decay, 0.0, 1.0)

    def __call__(self, moment: Moment) -> tuple[Array, Tensors]:
        ops, mean, critic, draw, memory = moment.ops, moment.ops.xp.mean, moment.critic, moment.draw, moment.memory
        of_real, of_fake = critic(draw.real, draw.given).logits, critic(moment.fake, draw.fake_given).logits
        # What is averaged starts at 0; `mass`, the same average of ones, says how much of it is real by now.
        seen = {"real": batch_mean(ops, of_real), "fake": batch_mean(ops, of_fake), "mass": 1.0}
        moved = {name: self.decay * memory[name] + (1.0 - self.decay) * now for name, now in seen.items()}
        moved = ops.tree_map(ops.stop_gradient, moved)
        above, below = of_real - moved["fake"] / moved["mass"], moved["real"] / moved["mass"] - of_fake
        if self.one_sided:
            above, below = ops.relu(above), ops.relu(below)
        return mean(above * above) + mean(below * below), moved
