"""A gradient of norm 1 between real and fake, which makes D as steep as the distance allows and no steeper."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from gankit.interfaces import Array, Moment
from gankit.parts.penalties import OnDiscriminator, input_gradient, safe_norm
from gankit.parts.schedules import Number, require_between


@dataclass(frozen=True)
class GradientPenalty(OnDiscriminator):
    """E (||grad D(x)|| - target)^2 at x = e real + (1 - e) fake, e ~ U[0, 1). Gulrajani et al. 2017, eq. 3.

    e is one number for each example, and the norm is over all dimensions of an example. D is given the real examples'
    conditions, which are the fakes' own too unless the game draws those anew.

    weight: lambda of the paper.
    target: the norm that is asked for.
    one_sided: whether only norms above the target are penalised. The paper found both sides slightly better.
    """

    weight: Number = 10.0
    target: float = 1.0
    one_sided: bool = False
    name: ClassVar[str] = "gradient-penalty"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self.name, "target", self.target, 0.0, math.inf)

    def __call__(self, moment: Moment) -> Array:
        ops, draw, fake = moment.ops, moment.draw, moment.fake
        share = ops.uniform(moment.key, (fake.shape[0], *(1,) * (len(fake.shape) - 1)))
        between = share * draw.real + (1 - share) * fake
        excess = safe_norm(ops, input_gradient(ops, moment.critic, between, draw.given)) - self.target
        if self.one_sided:
            excess = ops.relu(excess)
        return ops.xp.mean(excess * excess)
