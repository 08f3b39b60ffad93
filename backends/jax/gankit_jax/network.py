"""A flax module as a pure function of its parameters and buffers, under canonical names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from gankit.interfaces import Given, beside
from gankit_jax import convolution
from gankit_jax.layers import Stack
from gankit_jax.ops import JaxOps

Tensors = dict[str, Array]


class Family:
    """The variables of one kind in a module: their names, in the order of the leaves."""

    def __init__(self, state: Any) -> None:
        paths, self._structure = jax.tree_util.tree_flatten_with_path(state)
        self.shapes = {canonical(path): tuple(leaf.shape) for path, leaf in paths}

    def state(self, tensors: Mapping[str, Any]) -> Any:
        """What flax makes a module from."""
        return self._structure.unflatten([tensors[name] for name in self.shapes])

    def tensors(self, state: Any) -> dict[str, Any]:
        """The inverse of `state`."""
        return dict(zip(self.shapes, jax.tree.leaves(state), strict=True))


class JaxNetwork:
    """flax's layout is the canonical one, (in, out), so that exports are copies."""

    def __init__(self, abstract: nnx.Module, ops: JaxOps, *, mixes_samples: bool) -> None:
        self._ops, self.mixes_samples = ops, mixes_samples
        if convolution.chosen(ops.device):
            convolution.go_by_patches(abstract)
        abstract.train()
        self._training = nnx.split(abstract, nnx.Param, nnx.RngState, ...)[0]
        abstract.eval()
        self._evaluation, params, keys, buffers = nnx.split(abstract, nnx.Param, nnx.RngState, ...)
        self._params, self._keys, self._buffers = Family(params), Family(keys), Family(buffers)

    @property
    def shapes(self) -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
        """The canonical shape of each parameter, and of each buffer."""
        return self._params.shapes, self._buffers.shapes

    def init(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> tuple[Tensors, Tensors]:
        tensors = self.restore(arrays)
        families = self._params.shapes, self._buffers.shapes
        params, buffers = ({name: tensors[name] for name in family} for family in families)
        return params, buffers

    def apply(
        self,
        params: Tensors,
        buffers: Tensors,
        x: Array,
        given: Given = MappingProxyType({}),
        *,
        train: bool,
        key: Array | None = None,
    ) -> tuple[Any, Tensors]:
        module = self._merged(params, buffers, train=train, key=key)
        out = module(x, given) if isinstance(module, Stack) else module(x, *beside(given))
        if self._ops.compute != self._ops.dtype:
            out = jax.tree.map(self._ops.to_float, out)
        if not train or not buffers:
            return out, buffers
        return out, self._buffers.tensors(nnx.split(module, nnx.Param, nnx.RngState, ...)[3])

    def _merged(self, params: Tensors, buffers: Tensors, *, train: bool, key: Array | None) -> Any:
        key = self._ops.key((0, 0)) if key is None else key
        keys = {
            # Flax keeps a key and how often it was used; both are made anew from ours at every call.
            name: jnp.uint32(0) if name.endswith("count") else self._ops.fold_in(key, i)
            for i, name in enumerate(self._keys.shapes)
        }
        states = self._params.state(params), self._keys.state(keys), self._buffers.state(buffers)
        return nnx.merge(self._training if train else self._evaluation, *states, copy=True)

    def held(self, module: nnx.Module) -> dict[str, np.ndarray[Any, Any]]:
        """The numbers that such a module holds, by canonical name."""
        _, params, _, buffers = nnx.split(module, nnx.Param, nnx.RngState, ...)
        return self.export(self._params.tensors(params) | self._buffers.tensors(buffers))

    def with_params(self, params: Tensors, buffers: Tensors) -> nnx.Module:
        """A module of its own on copies of these: training donates the originals' memory."""
        return self._merged(self._ops.copy(params), self._ops.copy(buffers), train=False, key=None)

    def canonical(self, tensors: Tensors) -> Tensors:
        """Tensors of this network (or slots shaped like them) in the canonical layout, which is flax's."""
        return tensors

    def own(self, tensors: Tensors) -> Tensors:
        """The inverse of canonical."""
        return tensors

    def export(self, tensors: Tensors) -> dict[str, np.ndarray[Any, Any]]:
        return {name: self._ops.to_numpy(tensor) for name, tensor in tensors.items()}

    def restore(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Tensors:
        known = (*self._params.shapes, *self._buffers.shapes)
        return {name: self._ops.asarray(arrays[name]) for name in known if name in arrays}


def canonical(path: tuple[Any, ...]) -> str:
    """The path of a leaf as `dense0/kernel`; the variable's own `.value` is not part of it."""
    parts = [str(getattr(step, "key", getattr(step, "name", step))) for step in path]
    return "/".join(part for part in parts if part != "value")
