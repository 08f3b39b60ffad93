"""Clipped weights, which bound how steep D can be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from gankit.errors import ConfigError
from gankit.interfaces import Ops, Tensors
from gankit.parts.constraints import require_player


@dataclass(frozen=True)
class WeightClipping:
    """After each update every parameter, biases too, is brought back to [-limit, limit]. Arjovsky et al. 2017, alg. 1.

    limit: c of the paper.
    """

    limit: float = 0.01
    player: Literal["discriminator", "generator", "both"] = "discriminator"
    name: ClassVar[str] = "weight-clipping"

    def __post_init__(self) -> None:
        require_player(self.name, self.player)
        if not 0 < self.limit < math.inf:
            raise ConfigError(f"weight-clipping: limit={self.limit}; it must be above 0, such as 0.01.")

    def __call__(self, ops: Ops, params: Tensors) -> Tensors:
        return {name: ops.xp.clip(p, -self.limit, self.limit) for name, p in params.items()}
