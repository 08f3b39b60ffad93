"""The paper's MNIST game in JAX: two jitted updates and optax, and one program with nothing wasted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from benchmarks.jax_loops.common import draw, floats, parameters, resident, stepped, uniform_noise, zeros
from benchmarks.loop import Loop, Setup

LATENT = 100
G, D = ((LATENT, 1200), (1200, 1200), (1200, 784)), ((784, 1200), (240, 1200), (240, 1))


def init(key: Array, sizes: Sequence[tuple[int, int]], limit: float) -> list[dict[str, Array]]:
    keys = jax.random.split(key, len(sizes))
    uniform = [jax.random.uniform(k, size, minval=-limit, maxval=limit) for k, size in zip(keys, sizes, strict=True)]
    return [{"w": w, "b": jnp.zeros(w.shape[1])} for w in uniform]


def start() -> tuple[Any, Any]:
    return init(jax.random.key(0), G, 0.05), init(jax.random.key(1), D, 0.005)


def generator(params: Any, z: Array) -> Array:
    h = jax.nn.relu(z @ params[0]["w"] + params[0]["b"])
    h = jax.nn.relu(h @ params[1]["w"] + params[1]["b"])
    return jax.nn.sigmoid(h @ params[2]["w"] + params[2]["b"])


def masks(key: Array, n: int) -> list[Array]:
    """D's dropout on n examples from 16 random bits an element: 1 / keep or 0."""
    sizes, keeps = (784, 240, 240), (0.8, 0.5, 0.5)
    words = jax.random.bits(key, (n // 2, sum(sizes)), jnp.uint32)  # for uint16, JAX would make as many
    bits = jnp.concatenate([words & 0xFFFF, words >> 16])
    ends = [sum(sizes[: i + 1]) for i in range(3)]
    return [
        jnp.where(bits[:, end - size : end] < round(keep * 65_536), jnp.float32(1 / keep), 0.0)
        for size, keep, end in zip(sizes, keeps, ends, strict=True)
    ]


def discriminator(params: Any, x: Array, dropped: Sequence[Array]) -> Array:
    h = x * dropped[0]
    h = (h @ params[0]["w"] + params[0]["b"]).reshape(-1, 5, 240).max(1)
    h = ((h * dropped[1]) @ params[1]["w"] + params[1]["b"]).reshape(-1, 5, 240).max(1)
    return ((h * dropped[2]) @ params[2]["w"] + params[2]["b"])[:, 0]


def best(setup: Setup) -> Loop:
    """One program a step: D on real and fake in one pass, no gradients of D's weights in G's phase, SGD by hand."""
    m, data = setup.batch, resident({**setup.data, "x": setup.data["x"].reshape(len(setup.data["x"]), -1)})
    sides = jnp.repeat(jnp.array([-1.0, 1.0]), m)
    g, d = start()

    def sgd(params: Any, velocity: Any, grads: Any) -> tuple[Any, Any]:
        velocity = jax.tree.map(lambda v, g: 0.5 * v + g, velocity, grads)
        return jax.tree.map(lambda p, v: p - 0.1 * v, params, velocity), velocity

    def step(state: Any, data: Any) -> Any:
        key, k_data, k_d, k_g, k_d_mask, k_g_mask = jax.random.split(state["key"], 6)
        real = draw(k_data, data, m)[0].astype(jnp.float32) * (1 / 255)
        fake = jax.lax.optimization_barrier(generator(state["g"], uniform_noise(k_d, m, LATENT)))  # 4 % of a step
        both = jnp.concatenate([real, fake])
        dropped = masks(k_d_mask, 2 * m)
        d_loss, grads = jax.value_and_grad(lambda d: jax.nn.softplus(discriminator(d, both, dropped) * sides).mean())(
            state["d"]
        )
        d, d_slots = sgd(state["d"], state["d_slots"], grads)
        z, dropped = uniform_noise(k_g, m, LATENT), masks(k_g_mask, m)
        g_loss, grads = jax.value_and_grad(
            lambda g: jax.nn.softplus(-discriminator(d, generator(g, z), dropped)).mean()
        )(state["g"])
        g, g_slots = sgd(state["g"], state["g_slots"], grads)
        return {"g": g, "d": d, "g_slots": g_slots, "d_slots": d_slots, "key": key}, (d_loss, g_loss)

    state = {"g": g, "d": d, "g_slots": zeros(g), "d_slots": zeros(d), "key": jax.random.key(2)}
    return stepped(step, state, data)


def stock(setup: Setup) -> Loop:
    """Two jitted updates an iteration, optax; batches are gathered on the host."""
    m, images = setup.batch, setup.data["x"].reshape(len(setup.data["x"]), -1)
    g, d = start()
    optimizer = optax.sgd(0.1, momentum=0.5)
    state = {"g": g, "d": d}
    slots = {"g": optimizer.init(g), "d": optimizer.init(d)}

    def dropped(key: Array) -> list[Array]:
        keys, shapes = jax.random.split(key, 3), ((m, 784), (m, 240), (m, 240))
        keeps = (0.8, 0.5, 0.5)
        return [jax.random.bernoulli(k, keep, s) / keep for k, keep, s in zip(keys, keeps, shapes, strict=True)]

    @jax.jit
    def update_d(d: Any, slots: Any, g: Any, real: Array, key: Array) -> Any:
        kz, k0, k1 = jax.random.split(key, 3)
        fake = generator(g, uniform_noise(kz, m, LATENT))

        def loss(d: Any) -> Array:
            real_logits = discriminator(d, real / 255.0, dropped(k0))
            fake_logits = discriminator(d, fake, dropped(k1))
            return 0.5 * (jax.nn.softplus(-real_logits).mean() + jax.nn.softplus(fake_logits).mean())

        value, grads = jax.value_and_grad(loss)(d)
        updates, slots = optimizer.update(grads, slots)
        return optax.apply_updates(d, updates), slots, value

    @jax.jit
    def update_g(g: Any, slots: Any, d: Any, key: Array) -> Any:
        kz, k0 = jax.random.split(key)

        def loss(g: Any) -> Array:
            return jax.nn.softplus(-discriminator(d, generator(g, uniform_noise(kz, m, LATENT)), dropped(k0))).mean()

        value, grads = jax.value_and_grad(loss)(g)
        updates, slots = optimizer.update(grads, slots)
        return optax.apply_updates(g, updates), slots, value

    rng, held = np.random.default_rng(0), {"key": jax.random.key(2)}

    def play(n: int) -> dict[str, float]:
        for _ in range(n):
            real = images[rng.integers(len(images), size=m)].astype(np.float32)
            held["key"], kd, kg = jax.random.split(held["key"], 3)
            state["d"], slots["d"], d_loss = update_d(state["d"], slots["d"], state["g"], real, kd)
            state["g"], slots["g"], g_loss = update_g(state["g"], slots["g"], state["d"], kg)
        return floats((d_loss, g_loss))

    return Loop(play, parameters(state))
