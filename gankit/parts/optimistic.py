"""Optimizers that use the last gradient to look ahead, so that a game does not go in circles.

On min_x max_y xy plain descent spirals outwards at any learning rate. Optimistic descent also uses the last gradient,
p - lr * (2 g_t - g_{t-1}), and converges to the equilibrium. Daskalakis et al. 2018; Gidel et al. 2019 call it
"extrapolation from the past". The alternative is `schedule="extra-gradient"`, at twice the cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gankit.interfaces import Ops
from gankit.parts.optimizers import Adam, Array, Slots
from gankit.parts.schedules import Number, at, require_between, schedule


@dataclass(frozen=True)
class OptimisticSgd:
    """p - lr * (2 g_t - g_{t-1}); the first step is plain descent."""

    lr: Number = 0.1

    name: ClassVar[str] = "optimistic-sgd"
    slots: ClassVar[tuple[str, ...]] = ("previous",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr", schedule(self.lr))
        require_between(self.name, "lr", self.lr, 0.0, np.inf)

    def numbers(self, steps: Array) -> dict[str, Array]:
        return {"lr": at(self.lr, steps)}

    def update(
        self, ops: Ops, p: Array, g: Array, slots: Slots, numbers: Mapping[str, Any], count: Any
    ) -> tuple[Array, Slots]:
        """(parameter, slots) after one step; count: how many went before."""
        return p - numbers["lr"] * ahead(ops, g, slots["previous"], count), {"previous": g}


@dataclass(frozen=True)
class OptimisticAdam(Adam):
    """Adam's direction d_t, taken as 2 d_t - d_{t-1}. Daskalakis et al. 2018, algorithm 1."""

    name: ClassVar[str] = "optimistic-adam"
    slots: ClassVar[tuple[str, ...]] = ("first", "second", "previous")

    def update(
        self, ops: Ops, p: Array, g: Array, slots: Slots, numbers: Mapping[str, Any], count: Any
    ) -> tuple[Array, Slots]:
        """(parameter, slots) after one step; count: how many went before."""
        first, second, direction = self.moments(ops, g, slots, numbers, count)
        moved = p - numbers["lr"] * ahead(ops, direction, slots["previous"], count)
        return moved, {"first": first, "second": second, "previous": direction}


def ahead(ops: Ops, direction: Array, previous: Array, count: Any) -> Array:
    """2 d_t - d_{t-1}; at the first step d_t."""
    begun = count > 0.5
    return direction + ops.xp.where(begun, direction - previous, ops.xp.zeros_like(direction))
