"""What every contender is: something that plays iterations, and says what it played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Setup:
    """What a contender is told. No framework and no gankit, so a hand-written loop's process imports its own alone.

    data: x (n, ...) uint8 or float, and labels (n,), as NumPy arrays.
    family: the module of hand-written loops that plays the workload.
    device: "cpu" or "cuda". precision: "full", "tf32" or "bfloat16"; the same as gankit's.
    compile: mode of `torch.compile` for both networks, "default" or "reduce-overhead"; "" is not compiled.
    layout: of images in memory, channels "first" or "last"; "" is what the family thinks best.
    """

    workload: str
    batch: int
    data: Mapping[str, Any]
    sizes: Mapping[str, Any] = field(default_factory=dict)
    family: str = ""
    device: str = "cpu"
    precision: str = "full"
    compile: str = ""
    layout: str = ""


@dataclass(frozen=True)
class Loop:
    """A game in progress.

    play: n -> plays n iterations to their end, and returns the last one's losses ({} where there are none).
    parameters: how many trained numbers (G, D) have; the proof that contenders play the same game.
    share: what part of an iteration is played for one, where a whole one would take minutes.
    iteration: plays one and returns its losses, still on the device; None where nothing but `play` is of use.
    period: after how many iterations the same operations come again.
    """

    play: Callable[[int], Mapping[str, float]]
    parameters: tuple[int, ...]
    share: float = 1.0
    iteration: Callable[[], tuple[Any, ...]] | None = None
    period: int = 1


def halvings(side: int) -> tuple[int, int]:
    """(the coarsest side, how often the side halves down to it): 28 to 7, 32 and 64 to 4."""
    count = 0
    while side >= 8:
        side, count = side // 2, count + 1
    return side, count
