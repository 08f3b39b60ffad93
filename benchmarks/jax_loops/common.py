"""What the hand-written JAX loops share: one program for both players, its state donated, the data resident."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks.loop import Loop

Step = Callable[[Any, Any], tuple[Any, tuple[Array, Array]]]
"""(state, resident data) -> (state, (D's loss, G's loss)). A state is a dict with a "key"."""


def resident(data: Mapping[str, np.ndarray]) -> dict[str, Array]:
    """x and labels on the device, 32-bit."""
    x = data["x"] if data["x"].dtype == np.uint8 else data["x"].astype(np.float32)
    return {"x": jnp.asarray(x), "labels": jnp.asarray(data["labels"].astype(np.int32))}


def draw(key: Array, data: Mapping[str, Array], m: int) -> tuple[Array, Array]:
    """m random examples and their labels."""
    at = jax.random.randint(key, (m,), 0, len(data["x"]))
    return data["x"][at], data["labels"][at]


def uniform_noise(key: Array, m: int, size: int) -> Array:
    """U(-sqrt 3, sqrt 3)."""
    return jax.random.uniform(key, (m, size), minval=-(3**0.5), maxval=3**0.5)


def zeros(tree: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, tree)


def adam(grads: Any, params: Any, slots: Any, count: Array, lr: float, b1: float, b2: float) -> tuple[Any, Any]:
    """(new params, new slots); count: of updates, this one included."""
    first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, slots[0], grads)
    second = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, slots[1], grads)
    first_share, second_share = 1 - b1**count, 1 - b2**count
    params = jax.tree.map(
        lambda p, m, v: p - lr * (m / first_share) / (jnp.sqrt(v / second_share) + 1e-8), params, first, second
    )
    return params, (first, second)


def stepped(step: Step, state: Any, data: Any) -> Loop:
    """One jitted step at a time: XLA then runs its operations on all cores. On a GPU, `looped`."""
    if jax.default_backend() != "cpu":
        return looped(step, state, data)
    jitted, held = jax.jit(step, donate_argnums=0), {"state": state}

    def play(n: int) -> dict[str, float]:
        for _ in range(n):
            held["state"], losses = jitted(held["state"], data)
        return floats(losses)

    return Loop(play, parameters(state))


def looped(step: Step, state: Any, data: Any) -> Loop:
    """Any number of steps in one call of one program."""

    @partial(jax.jit, donate_argnums=0)
    def many(state: Any, data: Any, n: Any) -> Any:
        blank = (jnp.float32(0), jnp.float32(0))
        return lax.fori_loop(0, n, lambda i, carry: step(carry[0], data), (state, blank))

    held = {"state": state}

    def play(n: int) -> dict[str, float]:
        held["state"], losses = many(held["state"], data, np.int32(n))
        return floats(losses)

    return Loop(play, parameters(state))


def parameters(state: Any) -> tuple[int, int]:
    return tuple(sum(leaf.size for leaf in jax.tree.leaves(state[role])) for role in ("g", "d"))


def floats(losses: tuple[Array, Array]) -> dict[str, float]:
    return dict(zip(("d_loss", "g_loss"), map(float, losses), strict=True))
