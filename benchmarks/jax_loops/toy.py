"""A small MLP game on points in JAX: what a step costs when there is hardly anything to compute."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from benchmarks.jax_loops.common import adam, draw, looped, resident, zeros
from benchmarks.loop import Loop, Setup


def init(key: Array, *sizes: int) -> list[tuple[Array, Array]]:
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        (jax.random.normal(k, (i, o)) * (2 / i) ** 0.5, jnp.zeros(o))
        for k, i, o in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]


def mlp(params: Any, x: Array, slope: float) -> Array:
    for w, b in params[:-1]:
        x = jax.nn.leaky_relu(x @ w + b, slope)
    return x @ params[-1][0] + params[-1][1]


def best(setup: Setup) -> Loop:
    """Many steps in one call."""
    m, hidden, latent, data = setup.batch, setup.sizes["hidden"], setup.sizes["latent"], resident(setup.data)
    sides = jnp.repeat(jnp.array([-1.0, 1.0]), m)[:, None]

    def step(state: Any, data: Any) -> Any:
        key, k_data, k_d, k_g = jax.random.split(state["key"], 4)
        count = state["count"] + 1
        both = jnp.concatenate([draw(k_data, data, m)[0], mlp(state["g"], jax.random.normal(k_d, (m, latent)), 0.0)])
        d_loss, grads = jax.value_and_grad(lambda d: 2 * jax.nn.softplus(mlp(d, both, 0.2) * sides).mean())(state["d"])
        d, d_slots = adam(grads, state["d"], state["d_slots"], count, 1e-3, 0.0, 0.99)
        z = jax.random.normal(k_g, (m, latent))
        g_loss, grads = jax.value_and_grad(lambda g: jax.nn.softplus(-mlp(d, mlp(g, z, 0.0), 0.2)).mean())(state["g"])
        g, g_slots = adam(grads, state["g"], state["g_slots"], count, 1e-3, 0.0, 0.99)
        return {"g": g, "d": d, "g_slots": g_slots, "d_slots": d_slots, "count": count, "key": key}, (d_loss, g_loss)

    g, d = init(jax.random.key(0), latent, hidden, hidden, 2), init(jax.random.key(1), 2, hidden, hidden, 1)
    state = {"g": g, "d": d, "g_slots": (zeros(g), zeros(g)), "d_slots": (zeros(d), zeros(d))}
    return looped(step, {**state, "count": jnp.int32(0), "key": jax.random.key(2)}, data)
