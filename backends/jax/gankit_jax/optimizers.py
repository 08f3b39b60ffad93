"""optax as pure functions under the canonical names of slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import optax
from jax import Array

from gankit.interfaces import Ops, OptimizerSpec
from gankit.parts.optimizers import Adam, Portable, Sgd, native
from gankit_jax.mesh import put

Tensors = dict[str, Array]


class JaxSgd:
    """optax.trace. Slot: velocity."""

    def __init__(self, spec: Sgd) -> None:
        pass

    def init(self, params: Tensors, updates: int = 0) -> dict[str, Any]:
        return {"velocity": zeros(params)}

    def updates(self, slots: Mapping[str, Any]) -> int:
        return 0

    def update(
        self, slots: Mapping[str, Any], params: Tensors, grads: Tensors, numbers: Mapping[str, Array]
    ) -> tuple[Mapping[str, Any], Tensors]:
        transform = optax.trace(decay=numbers["momentum"])
        directions, state = transform.update(grads, optax.TraceState(slots["velocity"]), params)
        return {"velocity": state.trace}, _descend(params, directions, numbers["lr"])


class JaxAdam:
    """optax.scale_by_adam. Slots: first, second, and the count of updates."""

    def __init__(self, spec: Adam) -> None:
        self._spec = spec

    def init(self, params: Tensors, updates: int = 0) -> dict[str, Any]:
        # Put where the parameters are, as the step will return it: a loose count would compile the step twice.
        count = put(np.array(updates, np.int32), next(iter(params.values())).sharding)
        return {"first": zeros(params), "second": zeros(params), "count": count}

    def updates(self, slots: Mapping[str, Any]) -> int:
        return int(slots["count"])

    def update(
        self, slots: Mapping[str, Any], params: Tensors, grads: Tensors, numbers: Mapping[str, Array]
    ) -> tuple[Mapping[str, Any], Tensors]:
        before = optax.ScaleByAdamState(slots["count"], slots["first"], slots["second"])
        b1, b2 = numbers.get("b1", self._spec.b1), numbers.get("b2", self._spec.b2)
        transform = optax.scale_by_adam(b1=b1, b2=b2, eps=self._spec.eps)
        directions, state = transform.update(grads, before, params)
        slots = {"first": state.mu, "second": state.nu, "count": state.count}
        return slots, _descend(params, directions, numbers["lr"])


JaxOptimizer = JaxSgd | JaxAdam
OPTIMIZERS: dict[type, Callable[[Any], JaxOptimizer]] = {Sgd: JaxSgd, Adam: JaxAdam}


def optimizer(spec: OptimizerSpec, ops: Ops) -> JaxOptimizer | Portable:
    """The native optimizer of a spec, or its own mathematics; raises ConfigError when there is neither."""
    kind = native(spec, OPTIMIZERS, "jax")
    return Portable(spec, ops) if kind is None else kind(spec)


def zeros(params: Tensors) -> Tensors:
    """Slots like these parameters, from the host: `jnp.zeros` would be compiled for each shape, 20 ms a time."""
    return {name: put(np.zeros(p.shape, p.dtype), p.sharding) for name, p in params.items()}


def _descend(params: Tensors, directions: Any, lr: Array) -> Tensors:
    return jax.tree.map(lambda p, d: p - lr * d, params, directions)
