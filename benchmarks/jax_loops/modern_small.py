"""The quick conditional game in JAX: sub-pixel convolutions, paired logits, R1 and R2 at every 8th step."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from benchmarks.jax_loops.common import adam, draw, looped, resident, zeros
from benchmarks.jax_loops.convolution import conv
from benchmarks.jax_loops.dcgan import batch_norm
from benchmarks.jax_loops.modern import Weights, leaky
from benchmarks.loop import Loop, Setup

LATENT, CLASSES, GAMMA, EVERY = 64, 10, 0.1, 8


def shuffled(x: Array) -> Array:
    """(n, h, w, 4 c) -> (n, 2 h, 2 w, c)."""
    n, h, w, c = x.shape
    return x.reshape(n, h, w, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * h, 2 * w, c // 4)


def generator(p: Any, running: Any, z: Array, labels: Array) -> tuple[Array, Any]:
    x = jnp.concatenate([z, jax.nn.one_hot(labels, CLASSES)], 1) @ p["dense"]
    x, r0 = batch_norm(x.reshape(-1, 7, 7, 32), *p["norm0"], running[0])
    x, r1 = batch_norm(shuffled(conv(jax.nn.relu(x), p["up0"], 1, 1)), *p["norm1"], running[1])
    return jax.nn.sigmoid(shuffled(conv(jax.nn.relu(x), p["up1"], 1, 1) + p["bias"])), (r0, r1)


def discriminator(p: Any, x: Array, labels: Array) -> Array:
    for i in range(2):
        x = leaky(conv(x, p[f"down{i}"], 2, 1) + p[f"bias{i}"])
    h = leaky(x.reshape(len(x), -1) @ p["dense"] + p["bias2"])
    return (h @ p["head"] + p["bias3"])[:, 0] + jnp.sum(h * p["labels"][labels], 1)


def start() -> tuple[Any, Any]:
    w, root = Weights(0), 2**0.5
    g = {
        "dense": w(LATENT + CLASSES, 7 * 7 * 32, gain=root),
        "norm0": (jnp.ones(32), jnp.zeros(32)),
        "up0": w(3, 3, 32, 64, gain=root),
        "norm1": (jnp.ones(16), jnp.zeros(16)),
        "up1": w(3, 3, 16, 4),
        "bias": jnp.zeros(4),
    }
    d = {
        "down0": w(4, 4, 1, 16, gain=root),
        "bias0": jnp.zeros(16),
        "down1": w(4, 4, 16, 32, gain=root),
        "bias1": jnp.zeros(32),
        "dense": w(7 * 7 * 32, 128, gain=root),
        "bias2": jnp.zeros(128),
        "head": w(128, 1),
        "bias3": jnp.zeros(1),
        "labels": w(CLASSES, 128, gain=(CLASSES / 128) ** 0.5),
    }
    return g, d


def best(setup: Setup) -> Loop:
    """Both penalties from D's one pass over real and fake; convolutions as products; many steps in one call."""
    m, data = setup.batch, resident(setup.data)
    g, d = start()

    def step(state: Any, data: Any) -> Any:
        key, k_data, k_real, k_d, k_g = jax.random.split(state["key"], 5)
        count = state["count"] + 1
        real, labels = draw(k_data, data, m)
        fake = generator(state["g"], state["running"], jax.random.normal(k_d, (m, LATENT)), labels)[0]
        both, twice = jnp.concatenate([real * jnp.float32(1 / 255), fake]), jnp.concatenate([labels, labels])

        def paired(logits: Array) -> Array:
            return jax.nn.softplus(logits[m:] - logits[:m]).mean()

        def plain(d: Any) -> Any:
            return jax.value_and_grad(lambda d: paired(discriminator(d, both, twice)))(d)

        def penalised(d: Any) -> Any:
            def objective(d: Any) -> Any:
                logits, back = jax.vjp(lambda x: discriminator(d, x, twice), both)
                (slope,) = back(jnp.ones_like(logits))
                return paired(logits) + EVERY * GAMMA * 0.5 / m * jnp.sum(slope * slope), paired(logits)

            (_, loss), grads = jax.value_and_grad(objective, has_aux=True)(d)
            return loss, grads

        d_loss, grads = lax.cond(state["count"] % EVERY == 0, penalised, plain, state["d"])
        d, d_slots = adam(grads, state["d"], state["d_slots"], count, 1e-3, 0.0, 0.99)
        real, labels = draw(k_real, data, m)
        on_real = discriminator(d, real * jnp.float32(1 / 255), labels)
        z = jax.random.normal(k_g, (m, LATENT))

        def g_objective(g: Any) -> Any:
            fake, running = generator(g, state["running"], z, labels)
            return jax.nn.softplus(on_real - discriminator(d, fake, labels)).mean(), running

        (g_loss, running), grads = jax.value_and_grad(g_objective, has_aux=True)(state["g"])
        g, g_slots = adam(grads, state["g"], state["g_slots"], count, 1e-3, 0.0, 0.99)
        ema = jax.tree.map(lambda old, p: old + 0.001 * (p - old), state["ema"], g)
        state = {"g": g, "d": d, "g_slots": g_slots, "d_slots": d_slots, "ema": ema, "running": running}
        return {**state, "count": count, "key": key}, (d_loss, g_loss)

    state = {"g": g, "d": d, "g_slots": (zeros(g), zeros(g)), "d_slots": (zeros(d), zeros(d))}
    state["ema"] = jax.tree.map(jnp.copy, g)
    state["running"] = tuple((jnp.zeros(c), jnp.ones(c)) for c in (32, 16))
    return looped(step, {**state, "count": jnp.int32(0), "key": jax.random.key(9)}, data)
