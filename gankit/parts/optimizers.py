"""Optimizers as plain data. Backends bring the native ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gankit.errors import ConfigError
from gankit.parts.schedules import Decay, Number, at, require_between, schedule

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Sgd:
    """Momentum as in pylearn2 and the paper: v = momentum * v - lr * g, then p = p + v.

    Native optimizers keep u = v / -lr instead, u = momentum * u + g and p = p - lr * u. The two are the same as long
    as lr stays; where it changes, the momentum that u is multiplied by is scaled by lr(step - 1) / lr(step), once: the
    further updates of D in an iteration with k > 1 are at the lr of the one before ("again/momentum").
    """

    lr: Number = 0.1
    momentum: Number = 0.0

    name: ClassVar[str] = "sgd"
    slots: ClassVar[tuple[str, ...]] = ("velocity",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr", schedule(self.lr))
        object.__setattr__(self, "momentum", schedule(self.momentum))
        if isinstance(self.lr, Decay) and self.lr.floor <= 0:
            raise ConfigError("sgd: a decaying lr needs a floor above 0, such as floor=1e-6; momentum divides by it.")
        require_between(self.name, "lr", self.lr, 0.0, np.inf)
        require_between(self.name, "momentum", self.momentum, 0.0, 1.0)

    def numbers(self, steps: Array) -> dict[str, Array]:
        lr = at(self.lr, steps)
        before = at(self.lr, np.maximum(steps - 1, 0))
        ratio = np.divide(before, lr, out=np.ones_like(lr), where=lr > 0)
        momentum = at(self.momentum, steps)
        return {"lr": lr, "momentum": momentum * ratio, "again/momentum": momentum}


@dataclass(frozen=True)
class Adam:
    """Kingma & Ba 2015, epsilon outside the root. The default betas are DCGAN's (Radford et al. 2015)."""

    lr: Number = 2e-4
    b1: Number = 0.5
    b2: Number = 0.999
    eps: float = 1e-8

    name: ClassVar[str] = "adam"
    slots: ClassVar[tuple[str, ...]] = ("first", "second")

    def __post_init__(self) -> None:
        for name, high in (("lr", np.inf), ("b1", 1.0), ("b2", 1.0)):
            object.__setattr__(self, name, schedule(getattr(self, name)))
            require_between(self.name, name, getattr(self, name), 0.0, high)

    def numbers(self, steps: Array) -> dict[str, Array]:
        # Betas that stay are the backend's own constants: 1 - b2 keeps its digits when it isn't taken in float32.
        changing = [name for name in ("b1", "b2") if callable(getattr(self, name))]
        return {name: at(getattr(self, name), steps) for name in ("lr", *changing)}
