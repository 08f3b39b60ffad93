"""Random keys: plain numbers on the host, of which a generator is made where numbers are drawn."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch

_MASK = 2**64 - 1


class Trail(int):
    """A key, while a step is recorded: it knows how it came from the step's own, and which generators were made."""

    path: tuple[int, ...]
    made: dict[int, tuple[int, ...]]
    """The path of each generator's key, by its seed: torch hands on a generator as another object."""

    @classmethod
    def start(cls, key: int) -> Trail:
        trail = cls(key)
        trail.path, trail.made = (), {}
        return trail

    def to(self, key: int, index: int) -> Trail:
        """The key that `fold_in` makes of this one and an index."""
        trail = type(self)(key)
        trail.path, trail.made = (*self.path, index), self.made
        return trail

    def path_of(self, generator: torch.Generator) -> tuple[int, ...]:
        """The indices by which the key of a generator came from the first one. Raises LookupError for a stranger's."""
        return self.made[generator.initial_seed()]


def fold_in(key: int, index: int) -> int:
    """An independent key for each index: splitmix64."""
    x = (key + (index + 1) * 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    x ^= x >> 31
    return key.to(x, index) if isinstance(key, Trail) else x


def generator(key: int, device: torch.device) -> torch.Generator | None:
    """A fresh generator; torch's CPU generator takes only the low 32 bits, which splitmix64 has mixed well.

    None on the meta device, which has shapes but no numbers to draw.
    """
    if device.type == "meta":
        return None
    seed = int(key) & (2**63 - 1)
    if isinstance(key, Trail):
        key.made[seed] = key.path
    return torch.Generator(device).manual_seed(seed)


def forked(device: torch.device) -> AbstractContextManager[Any]:
    """torch's global generators, of the CPU and of that device, are afterwards as they were."""
    others = [] if device.type in ("cpu", "meta") else [device]
    return torch.random.fork_rng(others, device_type=device.type if others else "cuda")
