"""How many threads a game on the CPU is worth.

Threads that share a product wait for each other at its end. Where products are small that gains little on an idle
machine, and on a busy one, where a thread may not have a core just then, nearly all time is waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from gankit import switches
from gankit.interfaces import State
from gankit.trees import leaves

SMALL = 2**23
"""Multiplications in the largest product of a phase, up to which one thread plays alone."""


@contextmanager
def enough(device: torch.device, state: State, examples: int) -> Iterator[None]:
    """On the CPU: one thread for a small dense game in minibatches of so many, whatever the process uses elsewhere.

    A state of another kind, for a step that is no game's, changes nothing.
    """
    game = isinstance(state, State)
    if device.type != "cpu" or not game or not small(state, examples) or not switches.on("threads"):
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def small(state: State, examples: int) -> bool:
    """Whether all that a minibatch is multiplied with are matrices, and none of them is large."""
    shapes: list[Any] = [x.shape for x in leaves([player.params for player in state.players.values()])]
    return all(len(shape) <= 2 for shape in shapes) and examples * max(map(_numbers, shapes), default=0) <= SMALL


def _numbers(shape: Any) -> int:
    return int(shape.numel()) if len(shape) == 2 else 0
