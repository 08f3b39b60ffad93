"""What is done when a game is no longer finite: `--on-nan tell`, `stop` or `rollback`.

A rollback takes up the last finite checkpoint with all learning rates halved. `rollbacks.jsonl` in the run folder keeps
a line of each, with the step that it went back to; how often the rates were halved at a step follows from it, so that
a resumed run plays as the uninterrupted one did.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gankit import checkpoint
from gankit.config import Config, Part
from gankit.errors import CheckpointError
from gankit.parts.schedules import as_table
from gankit.plug.making import make
from gankit.runs.folder import Run
from gankit.runs.lines import lines

POLICIES = ("tell", "stop", "rollback")
MOST = 3
"""Rollbacks of a run: what diverges at an eighth of its learning rate is no matter of the learning rate."""
RATES = ("start", "stop", "floor")
"""Of a schedule, what is a learning rate."""


class NotFinite(Exception):
    """The game has numbers that are not finite. step: where that was seen."""

    def __init__(self, step: int) -> None:
        super().__init__(f"step {step}")
        self.step = step


@dataclass
class FiniteTerms:
    """A callback of `Trainer.fit` that raises NotFinite when a term is not finite."""

    every: int

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        if not all(map(math.isfinite, terms.values())):
            raise NotFinite(step)


@dataclass
class FiniteState:
    """The same of the parameters, before a checkpoint is made of them: terms are those of before the last update."""

    every: int

    def __call__(self, trainer: Any, step: int, terms: Mapping[str, float]) -> None:
        if not is_finite(trainer):
            raise NotFinite(step)


def is_finite(trainer: Any) -> bool:
    """Whether no parameter of any player is NaN or infinite."""
    return all(
        checkpoint.is_finite(array) for player in trainer.players.values() for array in player.parameters.values()
    )


def last_finite(run: Run) -> Path | None:
    """The newest checkpoint that is whole and finite; None where there is none."""
    for path in reversed(run.checkpoints()):
        try:
            arrays, _ = checkpoint.read(path)
        except CheckpointError:
            continue
        if all(map(checkpoint.is_finite, arrays.values())):
            return path
    return None


def rollbacks(run: Run, step: int) -> tuple[int, int]:
    """(how many were there before a checkpoint of that step was written, how many have to be in force after it)."""
    found = [line["step"] for line in lines(run.rollbacks_file) if line["step"] <= step]
    return sum(each < step for each in found), len(found)


def with_lower_rates(config: Config, times: int) -> Config:
    """The game with every learning rate halved so many times."""
    if not times:
        return config
    scale = 0.5**times
    settings: dict[str, Any] = {
        name: _lower(getattr(config, name), scale) for name in ("generator_optimizer", "discriminator_optimizer")
    }
    players = {}
    for role, table in config.players.items():
        own = table.get("optimizer") if isinstance(table, Mapping) else None
        if isinstance(own, Mapping) and "lr" in own:  # others take the rate of G's or D's
            players[role] = {**table, "optimizer": {**own, "lr": _scaled(own["lr"], scale)}}
    return config.with_settings({**settings, **({"players": players} if players else {})})


def rates(config: Config) -> dict[str, Any]:
    """The settings in which learning rates are."""
    plain = config.to_plain()
    return {key: plain[key] for key in ("generator_optimizer", "discriminator_optimizer", "players")}


def _lower(part: Part, scale: float) -> dict[str, Any]:
    rate = part.settings["lr"] if "lr" in part.settings else getattr(make("optimizers", part), "lr", None)
    return part.to_plain() if rate is None else {**part.to_plain(), "lr": _scaled(rate, scale)}


def _scaled(rate: Any, scale: float) -> Any:
    rate = as_table(rate)
    if isinstance(rate, Mapping):
        return {key: value * scale if key in RATES else value for key, value in rate.items()}
    return rate * scale
