"""The functions of a backend (`gankit.interfaces.Ops`) in JAX."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from gankit.interfaces import Batch, State, Terms
from gankit_jax.mesh import Devices

if hasattr(jax, "enable_x64"):
    enable_x64 = jax.enable_x64
else:  # where it was before jax 0.8
    from jax.experimental import enable_x64


class Staged(NamedTuple):
    """Batches on the device, filled up to the capacity of the program, and how many of them there are."""

    batches: Batch
    count: int


class JaxOps:
    """Arrays on one device, floats in one dtype; `compute` is the one inside networks.

    workers: the devices that share each minibatch, where they are several; `device` is then the first one of them.
    """

    xp = jnp

    def __init__(self, device: jax.Device, dtype: str, precision: str = "full", workers: Devices | None = None) -> None:
        self.device, self.dtype, self.workers = device, jnp.dtype(dtype), workers
        self.compute = jnp.dtype(precision) if precision == "bfloat16" else self.dtype
        # Said outright: on NVIDIA's devices JAX's own default is TF32.
        self._products = "tensorfloat32" if precision == "tf32" else "float32"
        self._loops: dict[Callable[..., Any], Callable[..., tuple[State, Terms]]] = {}

    def softplus(self, x: Array) -> Array:
        return jax.nn.softplus(x)

    def log_sigmoid(self, x: Array) -> Array:
        return jax.nn.log_sigmoid(x)

    def sigmoid(self, x: Array) -> Array:
        return jax.nn.sigmoid(x)

    def relu(self, x: Array) -> Array:
        return jax.nn.relu(x)

    def log_softmax(self, x: Array) -> Array:
        return jax.nn.log_softmax(x, axis=-1)

    def one_hot(self, labels: Array, num_classes: int) -> Array:
        return jax.nn.one_hot(labels, num_classes, dtype=self.dtype)

    def take(self, x: Array, indices: Array) -> Array:
        return jnp.take(x, indices, axis=0, mode="clip")

    def asarray(self, x: Any) -> Array:
        if not isinstance(x, Array):
            x = np.array(x, order="C")  # a copy: device_put shares the memory of an aligned array on the CPU
        if jnp.issubdtype(x.dtype, jnp.floating):
            x = x.astype(self.dtype)  # on the host, before JAX would settle float64 in its own way
        return self._put(x)

    def _put(self, x: Any) -> Array:
        if self.workers is None:
            return jax.device_put(x, self.device)
        alone_on = self.workers.alone_on
        if alone_on is not None:
            return jax.device_put(x, alone_on)
        return jax.device_put(x, self.workers.everywhere) if isinstance(x, Array) else self.workers.put(x)

    def to_float(self, x: Array) -> Array:
        return x.astype(self.dtype)

    def to_numpy(self, x: Array) -> np.ndarray[Any, Any]:
        return np.array(x, order="C")

    def stop_gradient(self, x: Array) -> Array:
        x = lax.stop_gradient(x)
        # A result of its own: XLA would else compute G's last activation within the concatenation of real and fake,
        # where a CPU asks at every element which of the two it is. 4 % of a step of `gan-2014`.
        return lax.optimization_barrier(x) if self.device.platform == "cpu" else x

    def grad(self, f: Callable[[Any], Array]) -> Callable[[Any], Any]:
        return jax.grad(f)

    def value_and_grad(self, f: Callable[[Any], tuple[Array, Any]]) -> Callable[[Any], tuple[tuple[Array, Any], Any]]:
        return jax.value_and_grad(f, has_aux=True)

    def when(self, number: Any, f: Callable[[], Array], otherwise: Array | None = None) -> Array:
        return lax.cond(number != 0, f, lambda: jnp.zeros((), self.dtype) if otherwise is None else otherwise)

    def tree_map(self, f: Callable[..., Any], *trees: Any) -> Any:
        return jax.tree.map(f, *trees)

    def average(self, mean: dict[str, Array], new: dict[str, Array], decay: Any) -> dict[str, Array]:
        return jax.tree.map(lambda old, p: old + (1.0 - decay) * (p - old), mean, new)

    def copy(self, tree: Any) -> Any:
        # By way of the host: `jnp.copy` would be compiled for each shape, 20 ms a time.
        return jax.tree.map(lambda x: self._put(self.to_numpy(x)), tree)

    def key(self, words: tuple[Any, Any]) -> Array:
        return jax.random.wrap_key_data(jnp.stack([jnp.asarray(w, jnp.uint32) for w in words]), impl="threefry2x32")

    def fold_in(self, key: Array, index: int) -> Array:
        return jax.random.fold_in(key, index)

    def uniform(self, key: Array, shape: tuple[int, ...]) -> Array:
        return jax.random.uniform(key, shape, self.dtype)

    def normal(self, key: Array, shape: tuple[int, ...]) -> Array:
        return jax.random.normal(key, shape, self.dtype)

    def compile(self, f: Callable[..., Array]) -> Callable[..., Array]:
        jitted = jax.jit(f)

        def compiled(*arguments: Any) -> Array:
            if self.workers is not None:  # one of them is enough, and other processes may be busy elsewhere
                arguments = self.workers.alone(arguments)
            with jax.default_matmul_precision(self._products):
                return jitted(*arguments)

        return compiled

    def stage(self, batches: Batch, capacity: int) -> Staged:
        padded = jax.tree.map(lambda x: self._padded(x, capacity), batches)
        placed = jax.device_put(padded, self.device) if self.workers is None else self.workers.staged(padded)
        return Staged(placed, len(batches.key[0]))

    def _padded(self, x: np.ndarray[Any, Any], capacity: int) -> np.ndarray[Any, Any]:
        """A copy of x with rows nobody reads, up to the size that was compiled for; floats in the dtype of the game."""
        dtype = self.dtype if jnp.issubdtype(x.dtype, jnp.floating) else x.dtype
        out = np.zeros((capacity, *x.shape[1:]), dtype)
        out[: len(x)] = x
        return out

    def run(
        self,
        step: Callable[..., tuple[State, Terms]],
        state: State,
        batches: Batch | Staged,
        *shared: Array,
        capacity: int,
    ) -> tuple[State, Terms]:
        if step not in self._loops:
            # Without being told so the compiler may leave parameters in pieces, as it does with what they are made of.
            where = {} if self.workers is None else {"out_shardings": self.workers.everywhere}
            self._loops[step] = jax.jit(partial(_loop, step), donate_argnums=0, **where)
        padded, count = batches if isinstance(batches, Staged) else self.stage(batches, capacity)
        # x64 as the dtype wants it: optax computes otherwise in float32 once another game has switched it on.
        with enable_x64(self.dtype == jnp.float64), jax.default_matmul_precision(self._products):
            return self._loops[step](state, padded, np.int32(count), *shared)


def _loop(
    step: Callable[..., tuple[State, Terms]], state: State, batches: Batch, count: Array, *shared: Array
) -> tuple[State, Terms]:
    """`count` steps in one program. The count is data, so calls of any length share the one compilation, and the
    numbers cannot depend on how a run was cut into calls."""

    def batch(i: Any) -> Batch:
        return jax.tree.map(lambda x: lax.dynamic_index_in_dim(x, i, keepdims=False), batches)

    traced = jax.jit(step, inline=True)  # once, for the terms' shapes and for the body: half a second of a large game

    def body(i: Any, carry: tuple[State, Terms]) -> tuple[State, Terms]:
        return traced(carry[0], batch(i), *shared)

    _, terms = jax.eval_shape(traced, state, batch(0), *shared)
    blank = jax.tree.map(lambda term: jnp.zeros(term.shape, term.dtype), terms)
    return lax.fori_loop(0, count, body, (state, blank))
