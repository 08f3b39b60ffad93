"""Thousands of digits from the paper's G in JAX, as the bytes that a user gets."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.jax_loops.common import uniform_noise
from benchmarks.jax_loops.gan_2014 import LATENT, generator, start
from benchmarks.loop import Loop, Setup

PIECE, PIECE_ON_GPU = 1000, 10_000


def best(setup: Setup) -> Loop:
    params, samples = start()[0], setup.sizes["samples"]
    size = PIECE if jax.default_backend() == "cpu" else PIECE_ON_GPU

    @jax.jit
    def piece(params: list[dict[str, jax.Array]], key: jax.Array) -> jax.Array:
        return jnp.round(generator(params, uniform_noise(key, size, LATENT)) * 255).astype(jnp.uint8)

    def play(n: int) -> dict[str, float]:
        for i in range(n):
            keys = jax.random.split(jax.random.key(i), samples // size)
            x = np.concatenate(jax.device_get([piece(params, key) for key in keys])).reshape(-1, 28, 28, 1)
        return {"mean": float(x[:100].mean())}

    return Loop(play, (sum(leaf.size for leaf in jax.tree.leaves(params)),))
