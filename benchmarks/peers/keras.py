"""Keras 3 on either framework: a Model whose train_step is the game, as in Keras's own GAN example, and `fit`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from benchmarks.loop import Loop, Setup

LATENT = 100


class Maxout(layers.Layer):
    def __init__(self, units: int, pieces: int) -> None:
        super().__init__()
        self.units, self.pieces = units, pieces
        self.dense = layers.Dense(units * pieces, kernel_initializer=flat(0.005))

    def call(self, x: Any) -> Any:
        return ops.max(ops.reshape(self.dense(x), (-1, self.pieces, self.units)), axis=1)


def flat(limit: float) -> Any:
    return keras.initializers.RandomUniform(-limit, limit)


def gan_2014() -> tuple[Any, Any]:
    w = {"kernel_initializer": flat(0.05)}
    g = [layers.Dense(1200, "relu", **w), layers.Dense(1200, "relu", **w), layers.Dense(784, "sigmoid", **w)]
    d = [layers.Dropout(0.2), Maxout(240, 5), layers.Dropout(0.5), Maxout(240, 5), layers.Dropout(0.5)]
    d.append(layers.Dense(1, kernel_initializer=flat(0.005)))
    return keras.Sequential([keras.Input((LATENT,)), *g]), keras.Sequential([keras.Input((784,)), *d])


def dcgan() -> tuple[Any, Any]:
    w = {"kernel_initializer": keras.initializers.RandomNormal(stddev=0.02)}
    window = {"kernel_size": 4, "strides": 2, "padding": "same", **w}
    g = [
        *(layers.Dense(7 * 7 * 128, use_bias=False, **w), layers.Reshape((7, 7, 128))),
        *(layers.BatchNormalization(), layers.ReLU()),
        *(layers.Conv2DTranspose(64, use_bias=False, **window), layers.BatchNormalization(), layers.ReLU()),
        layers.Conv2DTranspose(1, activation="tanh", **window),
    ]
    d = [
        *(layers.Conv2D(64, **window), layers.LeakyReLU(negative_slope=0.2)),
        *(layers.Conv2D(128, use_bias=False, **window), layers.BatchNormalization()),
        *(layers.LeakyReLU(negative_slope=0.2), layers.Flatten(), layers.Dense(1, **w)),
    ]
    return keras.Sequential([keras.Input((LATENT,)), *g]), keras.Sequential([keras.Input((28, 28, 1)), *d])


def softplus_mean(x: Any) -> Any:
    return ops.mean(ops.softplus(x))


class OnTorch(keras.Model):
    """The train_step of Keras's guide to custom steps with PyTorch."""

    def train_step(self, real: Any) -> dict[str, Any]:
        import torch

        (real,) = real if isinstance(real, list | tuple) else (real,)
        m = real.shape[0]
        with torch.no_grad():
            fake = self.g(self.noise(m), training=True)
        d_loss = self.half * (softplus_mean(-self.d(real, training=True)) + softplus_mean(self.d(fake, training=True)))
        self._descend(d_loss, self.d, self.d_optimizer)
        g_loss = softplus_mean(-self.d(self.g(self.noise(m), training=True), training=True))
        self._descend(g_loss, self.g, self.g_optimizer)
        return {"d_loss": d_loss.detach(), "g_loss": g_loss.detach()}

    def noise(self, m: int) -> Any:
        return keras.random.uniform((m, LATENT), -(3**0.5), 3**0.5)

    def _descend(self, loss: Any, net: Any, optimizer: Any) -> None:
        import torch

        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            optimizer.apply([w.value.grad for w in net.trainable_weights], net.trainable_weights)


class OnJax(keras.Model):
    """The stateless train_step of Keras's guide to custom steps with JAX; variables go by players, in order."""

    def train_step(self, state: Any, real: Any) -> Any:
        import jax

        trained, others, optimizers, metrics = state
        (real,) = real if isinstance(real, list | tuple) else (real,)
        parts, nets = {}, {"g": self.g, "d": self.d}
        index = {id(v): i for i, v in enumerate(self.trainable_variables)}
        other_index = {id(v): i for i, v in enumerate(self.non_trainable_variables)}
        slots = {"g": self.g_optimizer, "d": self.d_optimizer}
        trained, others = list(trained), list(others)
        for role, net in nets.items():
            parts[role] = [index[id(v)] for v in net.trainable_variables]
        opt_sizes = len(self.g_optimizer.variables)
        opt_parts = {"g": list(optimizers[:opt_sizes]), "d": list(optimizers[opt_sizes:])}

        def call(role: str, params: Any, buffers: Any, x: Any) -> Any:
            out, new = nets[role].stateless_call(params, [buffers[i] for i in states[role]], x, training=True)
            return out, {**buffers, **dict(zip(states[role], new, strict=True))}

        states = {r: [other_index[id(v)] for v in net.non_trainable_variables] for r, net in nets.items()}
        buffers = dict(enumerate(others))
        seed = other_index[id(self.seed.state)]
        keys = jax.random.split(jax.random.wrap_key_data(buffers[seed]), 3)
        buffers[seed] = jax.random.key_data(keys[0])

        def noise(key: Any) -> Any:
            return jax.random.uniform(key, (real.shape[0], LATENT), minval=-(3**0.5), maxval=3**0.5)

        g, d = ([trained[i] for i in parts[role]] for role in ("g", "d"))
        fake, _ = call("g", g, buffers, noise(keys[1]))

        def d_objective(d: Any, buffers: Any) -> Any:
            on_real, buffers = call("d", d, buffers, real)
            on_fake, buffers = call("d", d, buffers, fake)
            return self.half * (softplus_mean(-on_real) + softplus_mean(on_fake)), buffers

        (d_loss, buffers), grads = jax.value_and_grad(d_objective, has_aux=True)(d, buffers)
        d, opt_parts["d"] = slots["d"].stateless_apply(opt_parts["d"], grads, d)

        def g_objective(g: Any, buffers: Any) -> Any:
            fake, buffers = call("g", g, buffers, noise(keys[2]))
            return softplus_mean(-call("d", d, buffers, fake)[0]), buffers

        (g_loss, buffers), grads = jax.value_and_grad(g_objective, has_aux=True)(g, buffers)
        g, opt_parts["g"] = slots["g"].stateless_apply(opt_parts["g"], grads, g)
        for role, params in (("g", g), ("d", d)):
            for i, value in zip(parts[role], params, strict=True):
                trained[i] = value
        others = [buffers[i] for i in range(len(others))]
        state = trained, others, [*opt_parts["g"], *opt_parts["d"]], metrics
        return {"d_loss": d_loss, "g_loss": g_loss}, state


class Both:
    """What Keras's JAX trainer asks of an optimizer: whose variables to carry along."""

    built = True

    def __init__(self, g: Any, d: Any) -> None:
        self.variables = [*g.variables, *d.variables]


def game(setup: Setup) -> Loop:
    x = setup.data["x"].astype(np.float32) / 255
    if setup.family == "gan_2014":
        (g, d), half, x = gan_2014(), 0.5, x.reshape(len(x), -1)
        made = lambda: keras.optimizers.SGD(0.1, 0.5)  # noqa: E731
    else:
        (g, d), half, x = dcgan(), 1.0, x.reshape(-1, 28, 28, 1) * 2 - 1
        made = lambda: keras.optimizers.Adam(2e-4, 0.5)  # noqa: E731
    model = {"torch": OnTorch, "jax": OnJax}[keras.backend.backend()]()
    model.g, model.d, model.half, model.seed = g, d, half, keras.random.SeedGenerator(0)
    model.g_optimizer, model.d_optimizer = made(), made()
    model.g_optimizer.build(g.trainable_variables)
    model.d_optimizer.build(d.trainable_variables)
    model.built = True
    model.compile(jit_compile=keras.backend.backend() == "jax")
    model.optimizer = Both(model.g_optimizer, model.d_optimizer)
    rng = np.random.default_rng(0)

    class Last(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.logs = logs

    last = Last()

    def play(n: int) -> dict[str, float]:
        def batches() -> Any:
            for _ in range(n):
                yield (x[rng.integers(len(x), size=setup.batch)],)

        model.fit(batches(), epochs=1, steps_per_epoch=n, verbose=0, callbacks=[last])
        return {name: float(last.logs[name]) for name in ("d_loss", "g_loss")}

    return Loop(play, (g.count_params(), d.count_params()))
