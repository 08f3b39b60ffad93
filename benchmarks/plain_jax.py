"""The `gan-2014` game as a plain hand-written JAX loop: two jitted updates an iteration, optax, nothing clever."""

import jax
import jax.numpy as jnp
import numpy as np
import optax


def init(key, sizes, limit):
    keys = jax.random.split(key, len(sizes))
    return [
        {"w": jax.random.uniform(k, (i, o), minval=-limit, maxval=limit), "b": jnp.zeros(o)}
        for k, (i, o) in zip(keys, sizes, strict=True)
    ]


def generator(params, z):
    h = jax.nn.relu(z @ params[0]["w"] + params[0]["b"])
    h = jax.nn.relu(h @ params[1]["w"] + params[1]["b"])
    return jax.nn.sigmoid(h @ params[2]["w"] + params[2]["b"])


def dropout(key, x, keep):
    return jnp.where(jax.random.bernoulli(key, keep, x.shape), x / keep, 0.0)


def discriminator(params, x, key):
    k0, k1, k2 = jax.random.split(key, 3)
    h = dropout(k0, x, 0.8)
    h = (h @ params[0]["w"] + params[0]["b"]).reshape(-1, 5, 240).max(1)
    h = dropout(k1, h, 0.5)
    h = (h @ params[1]["w"] + params[1]["b"]).reshape(-1, 5, 240).max(1)
    h = dropout(k2, h, 0.5)
    return (h @ params[2]["w"] + params[2]["b"])[:, 0]


def game(images):
    """A function that plays n iterations; images: (n, 28, 28, 1) uint8."""
    data = images.reshape(len(images), -1)
    g = init(jax.random.key(0), [(100, 1200), (1200, 1200), (1200, 784)], 0.05)
    d = init(jax.random.key(1), [(784, 1200), (240, 1200), (240, 1)], 0.005)
    optimizer = optax.sgd(0.1, momentum=0.5)
    state = {"g": g, "d": d, "g_opt": optimizer.init(g), "d_opt": optimizer.init(d), "key": jax.random.key(2)}
    rng = np.random.default_rng(0)

    def latents(key):
        return jax.random.uniform(key, (100, 100), minval=-(3**0.5), maxval=3**0.5)

    @jax.jit
    def update_d(d, opt, g, real, key):
        kz, k0, k1 = jax.random.split(key, 3)
        fake = generator(g, latents(kz))

        def loss(d):
            scores = discriminator(d, real / 255.0, k0), discriminator(d, fake, k1)
            return 0.5 * (jax.nn.softplus(-scores[0]).mean() + jax.nn.softplus(scores[1]).mean())

        updates, opt = optimizer.update(jax.grad(loss)(d), opt)
        return optax.apply_updates(d, updates), opt

    @jax.jit
    def update_g(g, opt, d, key):
        kz, k0 = jax.random.split(key)
        grads = jax.grad(lambda g: jax.nn.softplus(-discriminator(d, generator(g, latents(kz)), k0)).mean())(g)
        updates, opt = optimizer.update(grads, opt)
        return optax.apply_updates(g, updates), opt

    def play(n: int) -> None:
        for _ in range(n):
            real = data[rng.integers(len(data), size=100)].astype(np.float32)
            state["key"], kd, kg = jax.random.split(state["key"], 3)
            state["d"], state["d_opt"] = update_d(state["d"], state["d_opt"], state["g"], real, kd)
            state["g"], state["g_opt"] = update_g(state["g"], state["g_opt"], state["d"], kg)
        jax.block_until_ready(state["g"])

    return play
