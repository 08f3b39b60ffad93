"""Numbers that change over time, as plain data: learning rates, momenta, weights of penalties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.errors import ConfigError, did_you_mean, one_of


@dataclass(frozen=True)
class Decay:
    """start / factor ** step, never below floor: pylearn2's exponential decay, once per batch."""

    start: float
    factor: float
    floor: float = 0.0

    def __post_init__(self) -> None:
        _require_numbers(self)
        if not self.factor >= 1:
            raise ConfigError(f"{self}: a decay divides by its factor, so it needs factor >= 1, such as 1.0001.")

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value it takes."""
        return self.floor, max(self.start, self.floor)

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
        _require_numbers(self)
        if not (0 <= self.begin < self.end and self.every >= 1):
            raise ConfigError(f"{self}: a ramp needs 0 <= begin < end and every >= 1, in steps.")

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value it takes."""
        return min(self.start, self.stop), max(self.start, self.stop)

    def __call__(self, steps: Array) -> Array:
        steps = steps // self.every * self.every
        share = np.clip((steps - self.begin) / (self.end - self.begin), 0.0, 1.0)
        return self.start + share * (self.stop - self.start)


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from start (until step `begin`) to stop (from step `end` on). Loshchilov & Hutter 2017."""

    start: float
    stop: float
    begin: int
    end: int

    def __post_init__(self) -> None:
        _require_numbers(self)
        if not 0 <= self.begin < self.end:
            raise ConfigError(f"{self}: a cosine needs 0 <= begin < end, in steps.")

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value it takes."""
        return min(self.start, self.stop), max(self.start, self.stop)

    def __call__(self, steps: Array) -> Array:
        share = np.clip((steps - self.begin) / (self.end - self.begin), 0.0, 1.0)
        return np.asarray(self.stop + (self.start - self.stop) * 0.5 * (1.0 + np.cos(np.pi * share)))


SCHEDULES: Mapping[str, type] = {"decay": Decay, "ramp": Ramp, "cosine": Cosine}

Number = float | Decay | Ramp | Cosine


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


def as_table(value: Any) -> Any:
    """The setting of a schedule; anything else unchanged."""
    names = {kind: name for name, kind in SCHEDULES.items()}
    return {"schedule": names[type(value)], **asdict(value)} if type(value) in names else value


def at(value: Number, steps: Array) -> Array:
    """The value at each of these steps, float64."""
    return value(steps) if callable(value) else np.full(len(steps), float(value))


def require_between(owner: str, name: str, value: Any, low: float, high: float) -> None:
    """Raise ConfigError unless a number, or every value of a schedule, is in [low, high)."""
    least, greatest = value.bounds if callable(value) else (value, value)
    if not (_is_number(least) and low <= least <= greatest < high):
        raise ConfigError(f"{owner}: {name}={value!r} is out of range; possible: {low} <= {name} < {high}.")


def _require_numbers(schedule: Any) -> None:
    """Raise ConfigError, naming the field, unless every field of a schedule is a number."""
    for name, value in vars(schedule).items():
        if not _is_number(value):
            raise ConfigError(f"{schedule}: {name}={value!r} is not a number.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
