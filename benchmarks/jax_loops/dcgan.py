"""DCGAN on 28x28 or 64x64, with and without labels, in JAX."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from benchmarks.jax_loops import convolution
from benchmarks.jax_loops.common import adam, draw, looped, resident, stepped, uniform_noise, zeros
from benchmarks.loop import Loop, Setup, halvings

LATENT = 100


def best(setup: Setup) -> Loop:
    """Convolutions as products of patches on a CPU, many steps in one call."""
    return game(setup, convolution.conv, convolution.conv_transpose, looped)


def stock(setup: Setup) -> Loop:
    """XLA's own convolutions, one jitted step at a time."""
    return game(setup, convolution.native_conv, convolution.native_conv_transpose, stepped)


def batch_norm(x: Array, scale: Array, bias: Array, running: Any) -> tuple[Array, Any]:
    """(normal, new running statistics); over all but the last axis."""
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    var = jnp.square(x).mean(axes) - jnp.square(mean)
    out = (x - mean) * (jax.lax.rsqrt(var + 1e-5) * scale) + bias
    return out, jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, running, (mean, var))


def game(setup: Setup, conv: Callable[..., Array], conv_transpose: Callable[..., Array], played: Any) -> Loop:
    m, classes, data = setup.batch, setup.sizes.get("classes", 0), resident(setup.data)
    side, channels, width = (setup.sizes.get(*size) for size in (("side", 28), ("channels", 1), ("width", 64)))
    base, levels = halvings(side)
    widths = [width * 2**i for i in range(levels)]

    def generator(p: Any, running: Any, z: Array) -> tuple[Array, Any]:
        h, after = (z @ p["dense"]).reshape(-1, base, base, widths[-1]), []
        for norm, old, kernel in zip(p["norms"], running, p["ups"], strict=True):
            h, new = batch_norm(h, *norm, old)
            h = conv_transpose(jax.nn.relu(h), kernel)
            after.append(new)
        return jnp.tanh(h + p["bias"]), after

    def discriminator(p: Any, running: Any, x: Array) -> tuple[Array, Any]:
        h, after = jax.nn.leaky_relu(conv(x, p["down0"], 2, 1) + p["bias0"], 0.2), []
        for kernel, norm, old in zip(p["downs"], p["norms"], running, strict=True):
            h, new = batch_norm(conv(h, kernel, 2, 1), *norm, old)
            h = jax.nn.leaky_relu(h, 0.2)
            after.append(new)
        return (h.reshape(len(x), -1) @ p["dense"] + p["bias1"])[:, 0], after

    def told(x: Array, labels: Array) -> Array:
        """The one-hot label behind a vector, or as planes behind an image."""
        if not classes:
            return x
        y = jax.nn.one_hot(labels, classes)
        if x.ndim == 4:
            y = jnp.broadcast_to(y[:, None, None], (*x.shape[:3], classes))
        return jnp.concatenate([x, y], -1)

    def latents(key: Array, labels: Array) -> Array:
        return told(uniform_noise(key, m, LATENT), labels)

    def step(state: Any, data: Any) -> Any:
        key, k_data, k_d, k_g, k_labels = jax.random.split(state["key"], 5)
        count = state["count"] + 1
        real, labels = draw(k_data, data, m)
        real = real.astype(jnp.float32) * (2 / 255) - 1
        fake = generator(state["g"], state["g_running"], latents(k_d, labels))[0]

        def d_objective(d: Any) -> Any:
            on_real, running = discriminator(d, state["d_running"], told(real, labels))
            on_fake, running = discriminator(d, running, told(fake, labels))
            return jax.nn.softplus(-on_real).mean() + jax.nn.softplus(on_fake).mean(), running

        (d_loss, d_running), grads = jax.value_and_grad(d_objective, has_aux=True)(state["d"])
        d, d_slots = adam(grads, state["d"], state["d_slots"], count, 2e-4, 0.5, 0.999)
        labels = draw(k_labels, data, m)[1]

        def g_objective(g: Any) -> Any:
            fake, running = generator(g, state["g_running"], latents(k_g, labels))
            return jax.nn.softplus(-discriminator(d, d_running, told(fake, labels))[0]).mean(), running

        (g_loss, g_running), grads = jax.value_and_grad(g_objective, has_aux=True)(state["g"])
        g, g_slots = adam(grads, state["g"], state["g_slots"], count, 2e-4, 0.5, 0.999)
        state = {"g": g, "d": d, "g_slots": g_slots, "d_slots": d_slots}
        return {**state, "g_running": g_running, "d_running": d_running, "count": count, "key": key}, (d_loss, g_loss)

    def w(key: int, *shape: int) -> Array:
        return 0.02 * jax.random.normal(jax.random.key(key), shape)

    def norm(key: int, channels: int) -> tuple[Array, Array]:
        return 1 + w(key, channels), jnp.zeros(channels)

    def fresh(channels: int) -> tuple[Array, Array]:
        return jnp.zeros(channels), jnp.ones(channels)

    g = {
        "dense": w(0, LATENT + classes, base * base * widths[-1]),
        "norms": [norm(10 + i, widths[-1 - i]) for i in range(levels)],
        "ups": [w(20 + i, 4, 4, old, new) for i, (old, new) in enumerate(pairwise([*widths[::-1], channels]))],
        "bias": jnp.zeros(channels),
    }
    d = {
        "down0": w(5, 4, 4, channels + classes, width),
        "bias0": jnp.zeros(width),
        "downs": [w(30 + i, 4, 4, old, new) for i, (old, new) in enumerate(pairwise(widths))],
        "norms": [norm(40 + i, new) for i, new in enumerate(widths[1:])],
        "dense": w(8, base * base * widths[-1], 1),
        "bias1": jnp.zeros(1),
    }
    state = {"g": g, "d": d, "g_slots": (zeros(g), zeros(g)), "d_slots": (zeros(d), zeros(d))}
    state |= {"g_running": [fresh(c) for c in widths[::-1]], "d_running": [fresh(c) for c in widths[1:]]}
    return played(step, {**state, "count": jnp.int32(0), "key": jax.random.key(9)}, data)
