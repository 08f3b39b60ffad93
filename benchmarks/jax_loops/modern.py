"""R3GAN's game in JAX: paired logits, R1 and R2 at every step, residual blocks without normalisation."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.jax_loops.common import adam, draw, looped, resident, zeros
from benchmarks.jax_loops.convolution import grouped_conv
from benchmarks.loop import Loop, Setup, halvings

LATENT, GAMMA = 64, 0.1


class Weights:
    """He-normal arrays, each from a key of its own."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, *shape: int, gain: float = 1.0) -> Array:
        scale = gain / np.prod(shape[:-1]) ** 0.5
        return jnp.asarray((scale * self._rng.standard_normal(shape)).astype(np.float32))

    def block(self, channels: int) -> dict[str, Array]:
        inside = 2 * channels
        return {
            "wider": self(channels, inside, gain=2**0.5),
            "bias0": jnp.zeros(inside),
            "grouped": self(3, 3, 16, inside, gain=2**0.5),
            "bias1": jnp.zeros(inside),
            "back": jnp.zeros((inside, channels)),
        }


def leaky(x: Array) -> Array:
    return jax.nn.leaky_relu(x, 0.2)


def block(p: Any, x: Array) -> Array:
    h = leaky(x @ p["wider"] + p["bias0"])
    h = leaky(grouped_conv(h, p["grouped"], 1, h.shape[-1] // 16) + p["bias1"])
    return x + h @ p["back"]


def bilinear(n: int) -> Array:
    """(2 n, n): weights of n samples in twice as many, whose centres lie at halves."""
    position = np.clip((np.arange(2 * n) + 0.5) / 2 - 0.5, 0, n - 1)
    return jnp.asarray(np.maximum(0.0, 1.0 - np.abs(position[:, None] - np.arange(n))).astype(np.float32))


def doubled(x: Array) -> Array:
    weights = bilinear(x.shape[1])
    return jnp.einsum("ij,njkc,lk->nilc", weights, x, weights)


def halved(x: Array) -> Array:
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))


def projected(x: Array, matrix: Array | None) -> Array:
    return x if matrix is None else x @ matrix


def generator(p: Any, z: Array) -> Array:
    x = z @ p["dense"] + p["bias"]
    channels = len(p["blocks"][0][0]["wider"])
    base = round((x.shape[1] // channels) ** 0.5)
    x = x.reshape(len(z), base, base, channels)
    for i, blocks in enumerate(p["blocks"]):
        x = doubled(projected(x, p["project"][i - 1])) if i else x
        for one in blocks:
            x = block(one, x)
    return x @ p["last"] + p["bias_last"]


def discriminator(p: Any, x: Array) -> Array:
    x = x @ p["first"] + p["bias"]
    for i, blocks in enumerate(p["blocks"]):
        x = projected(halved(x), p["project"][i - 1]) if i else x
        for one in blocks:
            x = block(one, x)
    return (jnp.einsum("nhwc,hwc->nc", x, p["last"]) @ p["dense"] + p["bias_last"])[:, 0]


def start(width: int, blocks: int, side: int = 28, channels: int = 1) -> tuple[Any, Any]:
    w, (base, levels) = Weights(0), halvings(side)
    widths = [width * min(4, 2**i) for i in range(levels + 1)]
    coarse = widths[-1]

    def between(old: int, new: int) -> Array | None:
        return None if old == new else w(old, new)

    g = {
        "dense": w(LATENT, base * base * coarse),
        "bias": jnp.zeros(base * base * coarse),
        "blocks": [[w.block(c) for _ in range(blocks)] for c in widths[::-1]],
        "project": [between(old, new) for old, new in pairwise(widths[::-1])],
        "last": w(width, channels),
        "bias_last": jnp.zeros(channels),
    }
    d = {
        "first": w(channels, width),
        "bias": jnp.zeros(width),
        "blocks": [[w.block(c) for _ in range(blocks)] for c in widths],
        "project": [between(old, new) for old, new in pairwise(widths)],
        "last": w(base, base, coarse, gain=coarse**0.5),
        "dense": w(coarse, 1),
        "bias_last": jnp.zeros(1),
    }
    return g, d


def best(setup: Setup) -> Loop:
    """Both penalties from D's one pass over real and fake; convolutions as products; many steps in one call."""
    m, data = setup.batch, resident(setup.data)
    side, channels = setup.sizes.get("side", 28), setup.sizes.get("channels", 1)
    g, d = start(setup.sizes["width"], setup.sizes["blocks"], side, channels)

    def step(state: Any, data: Any) -> Any:
        key, k_data, k_real, k_d, k_g = jax.random.split(state["key"], 5)
        count = state["count"] + 1
        fake = generator(state["g"], jax.random.normal(k_d, (m, LATENT)))
        both = jnp.concatenate([draw(k_data, data, m)[0] * jnp.float32(1 / 255), fake])

        def d_objective(d: Any) -> Any:
            logits, back = jax.vjp(lambda x: discriminator(d, x), both)
            (slope,) = back(jnp.ones_like(logits))
            loss = jax.nn.softplus(logits[m:] - logits[:m]).mean()
            return loss + GAMMA * 0.5 / m * jnp.sum(slope * slope), loss

        (_, d_loss), grads = jax.value_and_grad(d_objective, has_aux=True)(state["d"])
        d, d_slots = adam(grads, state["d"], state["d_slots"], count, 2e-4, 0.0, 0.9)
        on_real = discriminator(d, draw(k_real, data, m)[0] * jnp.float32(1 / 255))
        z = jax.random.normal(k_g, (m, LATENT))
        g_loss, grads = jax.value_and_grad(
            lambda g: jax.nn.softplus(on_real - discriminator(d, generator(g, z))).mean()
        )(state["g"])
        g, g_slots = adam(grads, state["g"], state["g_slots"], count, 2e-4, 0.0, 0.9)
        ema = jax.tree.map(lambda old, p: old + 0.001 * (p - old), state["ema"], g)
        state = {"g": g, "d": d, "g_slots": g_slots, "d_slots": d_slots, "ema": ema}
        return {**state, "count": count, "key": key}, (d_loss, g_loss)

    state = {"g": g, "d": d, "g_slots": (zeros(g), zeros(g)), "d_slots": (zeros(d), zeros(d))}
    state["ema"] = jax.tree.map(jnp.copy, g)
    return looped(step, {**state, "count": jnp.int32(0), "key": jax.random.key(9)}, data)
