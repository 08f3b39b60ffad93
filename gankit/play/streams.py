"""Noise is data: latents, data order and labels as pure functions of (seed, purpose, step).

Nothing here has state that could be lost: a resumed run asks for the same steps and gets the same numbers, and
every backend is handed the same arrays. Draws are made a block of steps at a time because seeding a generator costs
more than drawing a small batch; which steps share a block is part of the definition, not a tuning knob.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gankit.arrays import Array
from gankit.config import Part
from gankit.errors import ConfigError
from gankit.plug.making import prior_of

BLOCK = 64
"""Steps drawn together. Changing it changes every run."""


class Streams:
    """All the randomness of one run, outside the networks. The methods are pure; a few last draws are kept."""

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ConfigError(f"seed={seed}: a seed is a whole number, 0 or greater.")
        self.seed = seed
        self._blocks: dict[tuple[Any, ...], tuple[int, Array]] = {}
        self._orders: dict[tuple[str, int], tuple[int, Array]] = {}

    def generator(self, purpose: str, index: int = 0) -> np.random.Generator:
        """A fresh Philox generator for one purpose and index."""
        entropy = np.random.SeedSequence([self.seed, zlib.crc32(purpose.encode()), index])
        return np.random.Generator(np.random.Philox(entropy))

    def first_latents(self, purpose: str, n: int, latent_dim: int, prior: Part | str) -> Array:
        """n latents for sampling, (n, the prior's width); a longer draw begins with the shorter one."""
        return _noise(self.generator(purpose), (n, latent_dim), prior)

    def first_latents_in_parts(
        self, purpose: str, n: int, latent_dim: int, prior: Part | str, size: int
    ) -> Iterator[Array]:
        """The rows of `first_latents`, `size` at a time, each part drawn when it is asked for."""
        rng = self.generator(purpose)
        for start in range(0, n, size):
            yield _noise(rng, (min(size, n - start), latent_dim), prior)

    def latents(self, purpose: str, start: int, stop: int, shape: tuple[int, ...], prior: Part | str) -> Array:
        """Latents for steps start..stop-1, shape being (..., latent_dim): (stop - start, *shape) float64."""
        return self._rows(purpose, (shape, str(prior)), start, stop, lambda rng: _noise(rng, (BLOCK, *shape), prior))

    def labels(self, purpose: str, start: int, stop: int, shape: tuple[int, ...], num_classes: int) -> Array:
        """Uniform classes for steps start..stop-1: (stop - start, *shape) int32 below num_classes."""

        def draw(rng: np.random.Generator) -> Array:
            return rng.integers(0, num_classes, (BLOCK, *shape), dtype=np.int32)

        return self._rows(purpose, (shape, num_classes), start, stop, draw)

    def uniform(self, purpose: str, start: int, stop: int, shape: tuple[int, ...]) -> Array:
        """Numbers on [0, 1) for steps start..stop-1: (stop - start, *shape) float64."""
        return self._rows(purpose, shape, start, stop, lambda rng: rng.random((BLOCK, *shape)))

    def words(self, purpose: str, start: int, stop: int) -> Array:
        """Two random 32-bit words a step, (stop - start, 2) uint32: what a backend makes its dropout keys from."""

        def draw(rng: np.random.Generator) -> Array:
            return rng.integers(0, 2**32, (BLOCK, 2), dtype=np.uint32)

        return self._rows(purpose, (), start, stop, draw)

    def order(self, purpose: str, start: int, stop: int, per_step: int, examples: int) -> Array:
        """Which examples steps start..stop-1 see: (stop - start, per_step) int32 indices into the data.

        The stream is one shuffled epoch after another, each its own permutation; a batch may straddle two, so every
        example is seen exactly once an epoch and none is dropped.
        """
        first, last = start * per_step, stop * per_step
        out = np.empty(last - first, np.int32)
        position = first
        while position < last:
            epoch, offset = divmod(position, examples)
            count = min(examples - offset, last - position)
            out[position - first : position - first + count] = self._epoch(purpose, epoch, examples)[
                offset : offset + count
            ]
            position += count
        return out.reshape(stop - start, per_step)

    def _epoch(self, purpose: str, epoch: int, examples: int) -> Array:
        key = (purpose, examples)
        kept = self._orders.get(key)  # looked up once: another thread may put a later one in its place
        if kept is None or kept[0] != epoch:
            kept = self._orders[key] = (epoch, self.generator(purpose, epoch).permutation(examples))
        return kept[1]

    def _rows(
        self, purpose: str, form: tuple[Any, ...], start: int, stop: int, draw: Callable[[np.random.Generator], Array]
    ) -> Array:
        """Rows start..stop-1 of the blocks of one purpose; `form` tells apart draws of different shapes."""
        key = (purpose, *form)
        parts = []
        for block in range(start // BLOCK, -(-stop // BLOCK)):
            kept = self._blocks.get(key)  # looked up once: another thread may put a later one in its place
            if kept is None or kept[0] != block:
                kept = self._blocks[key] = (block, draw(self.generator(purpose, block)))
            first = block * BLOCK
            parts.append(kept[1][max(start - first, 0) : stop - first])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], prior: Part | str) -> Array:
    return prior_of(prior, shape[-1]).draw(rng, shape[:-1])
