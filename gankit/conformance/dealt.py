"""Random numbers that are the same on every backend, so that what is made of them can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
Words = tuple[int, ...]


class Dealt:
    """The ops of a backend, or of none, whose keys are words and whose draws are NumPy's."""

    def __init__(self, ops: Any) -> None:
        self._ops = ops

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ops, name)

    def key(self, words: Words) -> Words:
        return tuple(words)

    def fold_in(self, key: Words, index: int) -> Words:
        return (*key, int(index))

    def uniform(self, key: Words, shape: tuple[int, ...]) -> Array:
        """U[0, 1)."""
        return self._ops.asarray(np.random.default_rng(key).random(shape))

    def normal(self, key: Words, shape: tuple[int, ...]) -> Array:
        """N(0, 1)."""
        return self._ops.asarray(np.random.default_rng(key).standard_normal(shape))
