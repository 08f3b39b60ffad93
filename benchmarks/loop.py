"""What every contender is: something that plays iterations, and says what it played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Setup:
    """What a contender is told. No framework and no gankit, so a hand-written loop's process imports its own alone.

    data: x (n, ...) uint8 or float, and labels (n,), as NumPy arrays.
    """

    workload: str
    batch: int
    data: Mapping[str, Any]
    sizes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Loop:
    """A game in progress.

    play: n -> plays n iterations to their end, and returns the last one's losses ({} where there are none).
    parameters: how many trained numbers (G, D) have; the proof that contenders play the same game.
    share: what part of an iteration is played for one, where a whole one would take minutes.
    """

    play: Callable[[int], Mapping[str, float]]
    parameters: tuple[int, ...]
    share: float = 1.0
