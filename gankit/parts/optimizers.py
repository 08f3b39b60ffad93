"""Optimizers as plain data, with their mathematics written once against `ops`. Backends have native versions for speed.
Your own optimizer derives from `Adam` or `Sgd`, or stands alone, and overrides `update`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gankit.errors import ConfigError
from gankit.interfaces import Ops, Tensors
from gankit.parts.schedules import Decay, Number, at, require_between, schedule

Array = Any
Slots = Mapping[str, Any]
"""What an optimizer keeps of one parameter, by slot, each shaped like it."""


@dataclass(frozen=True)
class Sgd:
    """Momentum as in pylearn2 and the paper: v = momentum * v - lr * g, then p = p + v.

    Native optimizers keep u = v / -lr instead, with u = momentum * u + g and p = p - lr * u. The two are the same while
    lr is constant. If lr changes, the momentum that multiplies u is scaled by lr(step - 1) / lr(step), once: later
    updates of D in an iteration with k > 1 have the lr of the update before ("again/momentum").
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

    def update(
        self, ops: Ops, p: Array, g: Array, slots: Slots, numbers: Mapping[str, Any], count: Any
    ) -> tuple[Array, Slots]:
        """(parameter, slots) after one step down the gradient g; count: how many went before."""
        velocity = numbers["momentum"] * slots["velocity"] + g
        return p - numbers["lr"] * velocity, {"velocity": velocity}


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

    def update(
        self, ops: Ops, p: Array, g: Array, slots: Slots, numbers: Mapping[str, Any], count: Any
    ) -> tuple[Array, Slots]:
        """(parameter, slots) after one step down the gradient g; count: how many went before."""
        first, second, direction = self.moments(ops, g, slots, numbers, count)
        return p - numbers["lr"] * direction, {"first": first, "second": second}

    def moments(
        self, ops: Ops, g: Array, slots: Slots, numbers: Mapping[str, Any], count: Any
    ) -> tuple[Array, Array, Array]:
        """(first moment, second moment, the direction that they come to)."""
        b1, b2 = numbers.get("b1", self.b1), numbers.get("b2", self.b2)
        first = b1 * slots["first"] + (1.0 - b1) * g
        second = b2 * slots["second"] + (1.0 - b2) * (g * g)
        corrected = ops.xp.sqrt(second / (1.0 - b2 ** (count + 1.0)))
        return first, second, first / (1.0 - b1 ** (count + 1.0)) / (corrected + self.eps)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay, lr * weight_decay per step. Loshchilov & Hutter 2019."""

    weight_decay: float = 0.01

    name: ClassVar[str] = "adamw"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self.name, "weight_decay", self.weight_decay, 0.0, np.inf)

    def update(
        self, ops: Ops, p: Array, g: Array, slots: Slots, numbers: Mapping[str, Any], count: Any
    ) -> tuple[Array, Slots]:
        """(parameter, slots) after one step down the gradient g; count: how many went before."""
        first, second, direction = self.moments(ops, g, slots, numbers, count)
        return p - numbers["lr"] * (direction + self.weight_decay * p), {"first": first, "second": second}


@dataclass(frozen=True)
class RmsProp:
    """Hinton 2012, lecture 6e: g divided by the root of a running mean of its square, epsilon outside the root.

    The default learning rate is that of Wasserstein GANs (Arjovsky et al. 2017), which used this optimizer.
    """

    lr: Number = 5e-5
    decay: float = 0.99
    eps: float = 1e-8

    name: ClassVar[str] = "rmsprop"
    slots: ClassVar[tuple[str, ...]] = ("second",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr", schedule(self.lr))
        require_between(self.name, "lr", self.lr, 0.0, np.inf)
        require_between(self.name, "decay", self.decay, 0.0, 1.0)

    def numbers(self, steps: Array) -> dict[str, Array]:
        return {"lr": at(self.lr, steps)}

    def update(
        self, ops: Ops, p: Array, g: Array, slots: Slots, numbers: Mapping[str, Any], count: Any
    ) -> tuple[Array, Slots]:
        """(parameter, slots) after one step down the gradient g; count: how many went before."""
        second = self.decay * slots["second"] + (1.0 - self.decay) * (g * g)
        return p - numbers["lr"] * g / (ops.xp.sqrt(second) + self.eps), {"second": second}


class Portable:
    """An optimizer that uses the mathematics of its spec, on any backend."""

    def __init__(self, spec: Any, ops: Ops) -> None:
        self._spec, self._ops = spec, ops

    def init(self, params: Tensors, updates: int = 0) -> dict[str, Any]:
        def zeros() -> Tensors:
            return {name: self._ops.asarray(np.zeros(tuple(p.shape))) for name, p in params.items()}

        return {**{slot: zeros() for slot in self._spec.slots}, "count": self._ops.asarray(np.asarray(float(updates)))}

    def updates(self, slots: Mapping[str, Any]) -> int:
        return int(self._ops.to_numpy(slots["count"]))

    def update(
        self, slots: Mapping[str, Any], params: Tensors, grads: Tensors, numbers: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Tensors]:
        after: dict[str, Any] = {slot: {} for slot in self._spec.slots}
        moved = {}
        for name, p in params.items():
            own = {slot: slots[slot][name] for slot in self._spec.slots}
            moved[name], new = self._spec.update(self._ops, p, grads[name], own, numbers, slots["count"])
            for slot in self._spec.slots:
                after[slot][name] = new[slot]
        return {**after, "count": slots["count"] + 1.0}, moved


def native(spec: Any, known: Mapping[type, Any], backend: str) -> Any:
    """What `known` has for a spec: that of the class whose mathematics it has; None where it has its own.

    Raises ConfigError for what has no mathematics at all.
    """
    for kind, found in known.items():
        if isinstance(spec, kind) and type(spec).update is kind.update:  # type: ignore[attr-defined]
            return found
    if not callable(getattr(spec, "update", None)):
        names = ", ".join(sorted(kind.name for kind in known))  # type: ignore[attr-defined]
        raise ConfigError(
            f"The {backend} backend has no optimizer {spec.name!r}. It has {names}, and takes any that has a method "
            "update(ops, p, g, slots, numbers, count); see gankit.parts.optimizers."
        )
    return None
