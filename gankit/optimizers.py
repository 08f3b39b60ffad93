"""Optimizers as plain data, and the schedules of the numbers they are given. Backends bring the native ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gankit.errors import ConfigError, did_you_mean, one_of

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Decay:
    """start / factor ** step, never below floor: pylearn2's exponential decay, once a batch."""

    start: float
    factor: float
    floor: float = 0.0

    def __call__(self, steps: Array) -> Array:
        return np.asarray(np.maximum(self.start * np.exp(-steps * np.log(self.factor)), self.floor))


@dataclass(frozen=True)
class Ramp:
    """Linear from start (until step `begin`) to stop (from step `end` on), changing every `every` steps."""

    start: float
    stop: float
    begin: int
    end: int
    every: int = 1

    def __post_init__(self) -> None:
        if not (0 <= self.begin < self.end and self.every >= 1):
            raise ConfigError(f"{self}: a ramp needs 0 <= begin < end and every >= 1, in steps.")

    def __call__(self, steps: Array) -> Array:
        steps = steps // self.every * self.every
        share = np.clip((steps - self.begin) / (self.end - self.begin), 0.0, 1.0)
        return self.start + share * (self.stop - self.start)


SCHEDULES: Mapping[str, type] = {"decay": Decay, "ramp": Ramp}

Number = float | Decay | Ramp


def schedule(value: Number | Mapping[str, Any]) -> Number:
    """A number or schedule from a setting: 0.1, or {"schedule": "decay", "start": 0.1, "factor": 1.000004}."""
    if not isinstance(value, Mapping):
        return value
    settings = dict(value)
    name = settings.pop("schedule", None)
    if name not in SCHEDULES:
        raise ConfigError(
            f"schedule={name!r} is unknown.{did_you_mean(str(name), SCHEDULES)} Possible: {one_of(SCHEDULES)}."
        )
    try:
        return SCHEDULES[name](**settings)  # type: ignore[no-any-return]
    except TypeError as error:
        raise ConfigError(f"The settings of the {name!r} schedule do not fit: {error}.") from error


def at(value: Number, steps: Array) -> Array:
    """The value at each of these steps, float64."""
    return value(steps) if callable(value) else np.full(len(steps), float(value))


@dataclass(frozen=True)
class Sgd:
    """Momentum as in pylearn2 and the paper: v = momentum * v - lr * g, then p = p + v.

    Native optimizers keep u = v / -lr instead, u = momentum * u + g and p = p - lr * u. The two are the same as long
    as lr stays; where it changes, the momentum that u is multiplied by is scaled by lr(step - 1) / lr(step).
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
        _require(self.name, "lr", self.lr, 0.0, np.inf)
        _require(self.name, "momentum", self.momentum, 0.0, 1.0)

    def numbers(self, steps: Array) -> dict[str, Array]:
        lr = at(self.lr, steps)
        before = at(self.lr, np.maximum(steps - 1, 0))
        ratio = np.divide(before, lr, out=np.ones_like(lr), where=lr > 0)
        return {"lr": lr, "momentum": at(self.momentum, steps) * ratio}


@dataclass(frozen=True)
class Adam:
    """Kingma & Ba 2015, epsilon outside the root. The default betas are DCGAN's (Radford et al. 2015)."""

    lr: Number = 2e-4
    b1: float = 0.5
    b2: float = 0.999
    eps: float = 1e-8

    name: ClassVar[str] = "adam"
    slots: ClassVar[tuple[str, ...]] = ("first", "second")

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr", schedule(self.lr))
        _require(self.name, "lr", self.lr, 0.0, np.inf)
        _require(self.name, "b1", self.b1, 0.0, 1.0)
        _require(self.name, "b2", self.b2, 0.0, 1.0)

    def numbers(self, steps: Array) -> dict[str, Array]:
        return {"lr": at(self.lr, steps)}


def _require(optimizer: str, name: str, value: Any, low: float, high: float) -> None:
    """Plain numbers are checked at once; schedules where they are made."""
    if callable(value):
        return
    if not isinstance(value, int | float) or not low <= value < high:
        raise ConfigError(f"{optimizer}: {name}={value!r} is out of range; possible: {low} <= {name} < {high}.")
