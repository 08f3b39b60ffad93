"""A flax module as a pure function of its parameters, under the canonical names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax import Array

from gankit.layers import Placed
from gankit_jax.layers import Stack
from gankit_jax.ops import JaxOps

Tensors = dict[str, Array]


class JaxNetwork:
    """flax's layout is the canonical one, (in, out), so that exports are copies."""

    def __init__(self, placed: Sequence[Placed], ops: JaxOps) -> None:
        # The shapes only: the numbers come from core's initialisers.
        abstract = nnx.eval_shape(lambda: Stack(placed, ops.dtype, nnx.Rngs(0)))
        self._graph, state = nnx.split(abstract)
        paths, self._structure = jax.tree_util.tree_flatten_with_path(state)
        self._names = [canonical(path) for path, _ in paths]
        self.mixes_samples = any(place.layer.mixes_samples for place in placed)
        self._ops = ops

    def init(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> tuple[Tensors, Tensors]:
        return self.restore(arrays), {}

    def apply(
        self,
        params: Tensors,
        buffers: Tensors,
        x: Array,
        labels: Array | None = None,
        *,
        train: bool,
        key: Array | None = None,
    ) -> tuple[Array, Tensors]:
        return self._merged(params)(x, labels, key=key if train else None), buffers

    def _merged(self, params: Tensors) -> Any:
        state = self._structure.unflatten([params[name] for name in self._names])
        return nnx.merge(self._graph, state, copy=True)

    def with_params(self, params: Tensors, buffers: Tensors) -> nnx.Module:
        """A module of its own on copies of `params`: training donates the originals' memory."""
        return self._merged(self._ops.copy(params))

    def export(self, tensors: Tensors) -> dict[str, np.ndarray[Any, Any]]:
        return {name: self._ops.to_numpy(tensor) for name, tensor in tensors.items()}

    def restore(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Tensors:
        return {name: self._ops.asarray(arrays[name]) for name in self._names}


def canonical(path: tuple[Any, ...]) -> str:
    """The path of a leaf as `dense0/kernel`; the variable's own `.value` is not part of it."""
    parts = [str(getattr(step, "key", getattr(step, "name", step))) for step in path]
    return "/".join(part for part in parts if part != "value")
