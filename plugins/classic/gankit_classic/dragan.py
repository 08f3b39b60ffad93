"""DRAGAN: D is smooth around the data, wherever the samples are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gankit.interfaces import Array, Moment
from gankit.parts.penalties import OnDiscriminator, input_gradient, safe_norm
from gankit.parts.schedules import Number, require_between
from gankit.parts.together import batch_std


@dataclass(frozen=True)
class Dragan(OnDiscriminator):
    """E (||grad D(x + e n)|| - 1)^2, n = spread std(x) U[0, 1) for each pixel, e ~ U[0, 1) for each example.

    Kodali et al. 2017, in the form of the authors' released code: the deviation is that of all numbers of the minibatch
    together, the noise is not centred, and the gradient is that of the logit.

    weight: lambda of the paper.
    spread: of the noise, in deviations of the data.
    """

    weight: Number = 10.0
    spread: float = 0.5
    name: ClassVar[str] = "dragan"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self.name, "spread", self.spread, 0.0, float("inf"))

    def __call__(self, moment: Moment) -> Array:
        ops, xp, x, key = moment.ops, moment.ops.xp, moment.draw.real, moment.key
        noise = self.spread * batch_std(ops, x) * ops.uniform(ops.fold_in(key, 0), tuple(x.shape))
        share = ops.uniform(ops.fold_in(key, 1), (x.shape[0], *(1,) * (len(x.shape) - 1)))
        excess = safe_norm(ops, input_gradient(ops, moment.critic, x + share * noise, moment.draw.given)) - 1.0
        return xp.mean(excess * excess)
